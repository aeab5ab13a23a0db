"""One case of each step for the sweep: a scene by chance, the step, and what it found against the scene's truth.

Errors are found minus true: degrees, pixels and milliseconds by name. "WRONG" is what was kept although it is further
off than the step promises.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from appliance.calibration.rays import frontal, optics, rays
from appliance.commands.calibrate.guide import Outcome
from appliance.config import Camera, Lens
from appliance.errors import HipbarError
from tests.calibration.hands import Bench, Hands

RUNNERS = ("rbds001", "rbds002", "ric")


class Found(NamedTuple):
    """How a case went."""

    verdict: str
    words: str
    case: str
    errors: dict[str, float]


def mounted(rng: np.random.Generator, height_px: int) -> dict[str, Any]:
    """A lens, a mount and a room by chance, with pelvis and heels in view."""
    f_px = height_px * rng.choice([0.6, 0.8, 1.0, 1.3, 1.8])
    distance_m = float(np.clip(2.5 * f_px / height_px, 1.6, 4.5))
    pitch = float(rng.uniform(-12, 12))
    clutter = [
        {"x_px": float(x), "y_px": float(y), "level": float(rng.uniform(80, 250))}
        for x, y in rng.uniform(-0.45, 0.45, (rng.integers(0, 4), 2)) * height_px
        if abs(x) > 0.15 * height_px
    ]
    scene: dict[str, Any] = {
        "f_px": float(f_px), "distance_m": distance_m, "pitch_deg": pitch, "roll_deg": float(rng.uniform(-8, 8)),
        "above_m": float(distance_m * math.tan(math.radians(pitch * rng.uniform(0.2, 0.6)))),
        "k1": float(rng.choice([0.0, -0.1, -0.3]) * min(1.0, (f_px / height_px) ** 2)),
        "noise": float(rng.choice([1.0, 2.0, 4.0])), "dot_mm": float(rng.choice([9.0, 14.0, 20.0])),
        "dot_level": float(rng.choice([90.0, 150.0, 215.0])), "gradient_x": float(rng.uniform(-10, 10)),
        "seed": int(rng.integers(1, 1000)),
    }  # fmt: skip
    return scene | ({"clutter": clutter} if clutter else {})


def person(rng: np.random.Generator) -> dict[str, Any]:
    """Who is there: a recorded runner or a synthetic one, the plate, perhaps somebody beside."""
    made = {
        "tilt_deg": float(rng.uniform(-4, 4)), "pair_width_m": float(rng.choice([0.09, 0.12, 0.2])),
        "hip_height_m": float(rng.uniform(0.8, 1.05)), "step_width_m": float(rng.uniform(0.05, 0.2)),
    }  # fmt: skip
    who: dict[str, Any] = {"plate_dots": int(rng.integers(2, 5))}
    who["runner"] = str(rng.choice(RUNNERS)) if rng.random() < 0.6 else made
    if rng.random() < 0.2:
        who["other"] = {"right_m": float(rng.choice([-1.0, 1.0]))}
    return who


def zero(bench: Bench, rng: np.random.Generator, height_px: int) -> Found:
    """Somebody who stands, sways, shifts, lifts a foot or runs, before a station that knows its lens."""
    scene = mounted(rng, height_px) | person(rng)
    doing = str(rng.choice(["stand", "stand", "stand", "shift", "lift left", "lift right", "run"]))
    bench.scene(**scene, act=doing, mirror=bench.camera.mirror, rotate_deg=bench.camera.rotate_deg)
    bench.believes(**{f"lens.{k}": scene[k] for k in ("roll_deg", "pitch_deg")})
    hands = Hands({})
    _settle(bench)
    found = bench.step("zero", hands, seconds=3.0)
    case = f"{doing} {_told(scene)}"
    if isinstance(found, HipbarError):
        return _refused(found, case)
    at = np.arange(0.0, 60.0, 0.05)
    truth = bench.truth()
    pairs = np.array([[truth.pixels(t)[mark] for mark in truth.pair] for t in at])
    row = optics(bench.camera, truth.lens, posed=True)
    way = np.diff(frontal(pairs.reshape(-1, 2), row).reshape(-1, 2, 2), axis=1)[:, 0]
    seen = float(np.degrees(np.arctan2(way[:, 1], way[:, 0])).mean())
    off = found.values["motion.zero_deg"] - seen
    errors = {"deg": off, "with_leak": found.values["motion.zero_deg"] - truth.standing_deg}
    return _judged(errors, doing == "stand" and abs(off) < 0.2, case)


def sides(bench: Bench, rng: np.random.Generator, height_px: int) -> Found:
    """Somebody who lifts their feet, not always the right way, before a picture that may be mirrored."""
    scene = mounted(rng, height_px) | person(rng)
    mirror = bool(rng.random() < 0.5)
    way = str(rng.choice(["asked", "asked", "asked", "asked", "left only", "right only", "never"]))
    turned = {"mirror": mirror, "rotate_deg": bench.camera.rotate_deg}
    bench.scene(**scene, act="stand", **turned)
    bench.believes()
    feet = {
        "asked": ("left", "right"),
        "left only": ("left",) * 2,
        "right only": ("right",) * 2,
        "never": ("", ""),
    }

    def lift(which: int) -> None:
        bench.act(act=f"lift {feet[way][which]}" if way != "never" else "stand")

    hands = Hands({
        "Lift the LEFT": lambda: lift(0), "Lift the RIGHT": lambda: lift(1),
        "Put it down": lambda: bench.act(act="stand"),
    })  # fmt: skip
    found = bench.step("sides", hands, bar_seen="right-way", wait=8.0)
    case = f"{way} mirror {mirror} {_told(scene)}"
    if isinstance(found, HipbarError):
        return _refused(found, case)
    return _judged({}, found.values["camera.mirror"] == mirror and way == "asked", case)


def level(bench: Bench, rng: np.random.Generator, height_px: int) -> Found:
    """A plumb line, a bar or a board before a crooked camera whose lens is known, or not."""
    scene = mounted(rng, height_px)
    scene.pop("clutter", None)
    by, known = str(rng.choice(["plumb", "plumb", "bar", "board"])), bool(rng.random() < 0.75)
    known = known or by == "board"
    bench.scene(**scene, rotate_deg=bench.camera.rotate_deg, mirror=bench.camera.mirror)
    if known:
        bench.believes()
    place = _bar_place(scene) if by == "bar" and known else {}
    wait_s = 20.0 if by == "board" else 6.0
    hands = Hands(level_turns(bench, scene, rng))
    found = bench.step("level", hands, by=by, seconds=1.5, wait=wait_s, shim_mm=10.0, **place)
    case = f"{by} {'' if known else 'no lens '}{_told(scene)}"
    if isinstance(found, HipbarError):
        return _refused(found, case)
    errors = {"roll": found.values["lens.roll_deg"] - scene["roll_deg"]}
    if "lens.pitch_deg" in found.values:
        errors["pitch"] = found.values["lens.pitch_deg"] - scene["pitch_deg"]
    told = "shows pitch to" in " ".join(found.problems)
    limits = {"roll": 0.1, "pitch": 3 * found.figures["pitch_error_deg"] if told else 0.1}
    return _judged(errors, all(abs(e) < limits[name] for name, e in errors.items()), case)


def level_turns(bench: Bench, scene: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """What the technician does at each of the step's sentences."""
    where = _ahead(scene)
    far = where["distance_m"]
    aside = 0.5 * 0.5 * bench.camera.width_px / max(bench.camera.width_px, bench.camera.height_px)
    aside *= 2 * far * 640 / scene["f_px"] * max(bench.camera.width_px, bench.camera.height_px) / 640 / 2
    if bench.camera.rotate_deg in (90, 270):
        aside *= bench.camera.height_px / bench.camera.width_px
    tilt = {"plumb": math.degrees(math.asin(10 / 600)), "board": math.degrees(math.asin(10 / 297))}
    near = {"distance_m": 0.75, "up_m": -0.75 * math.tan(math.radians(scene["pitch_deg"]))}

    def put(**things: Any) -> Any:
        return lambda: bench.act(**{"board": None, "beam": None, "plumb": None, **things})

    hung = {"length_m": 0.5 * far, **where}
    small = {"width_m": min(0.6, 0.5 * far), **where}
    return {
        "at the LEFT of": put(plumb={**hung, "right_m": -aside * rng.uniform(0.6, 1)}),
        "RIGHT of the picture": put(plumb={**hung, "right_m": aside * rng.uniform(0.6, 1)}),
        "lay a bar|Lay the bar": put(beam=small),
        "Stand the board": put(board=near),
        "proof: put .*600 mm": put(beam={**small, "tilt_deg": tilt["plumb"]}),
        "proof: put .*297 mm": put(board={**near, "roll_deg": -tilt["board"]}),
    }  # fmt: skip


def lens(bench: Bench, rng: np.random.Generator, height_px: int) -> Found:
    """The board held in one pose after another, until the step has enough."""
    scene = mounted(rng, height_px)
    for name in ("clutter", "roll_deg", "pitch_deg"):
        scene.pop(name, None)
    scene |= {
        "mirror": bench.camera.mirror,
        "rotate_deg": bench.camera.rotate_deg,
        "blur_px": float(rng.choice([0.0, 0.5])),
    }
    middle = rng.uniform(-0.03, 0.03, 2) * height_px
    scene["cx_px"] = float((bench.camera.width_px - 1) / 2 + middle[0])
    scene["cy_px"] = float((bench.camera.height_px - 1) / 2 + middle[1])
    pose = [int(rng.integers(1, 200))]

    def on() -> None:
        pose[0] += 1
        bench.act(board={"pose": pose[0]})

    bench.scene(**scene, board={"pose": pose[0]})
    found = bench.step("lens", Hands({"^view ": on}, idle=on), wait=75.0)
    case = _told(scene)
    if isinstance(found, HipbarError):
        return _refused(found, case)
    off_px = rays_off_px(bench.camera, bench.truth().lens, found)
    return _judged({"ray_px": off_px, "rms_px": found.figures["rms_px"]}, off_px < 1.0, case)


def rays_off_px(camera: Camera, true: Lens, found: Outcome) -> float:
    """The RMS distance between where two lenses send the pixels, once one is turned onto the other."""
    import msgspec

    guess = msgspec.structs.replace(Lens(), **{k.partition(".")[2]: v for k, v in found.values.items()})
    x, y = np.meshgrid(
        np.linspace(0.05, 0.95, 9) * camera.width_px, np.linspace(0.05, 0.95, 9) * camera.height_px
    )
    grid = np.column_stack([x.ravel(), y.ravel()])
    a, b = (_unit(rays(grid, optics(camera, lens))) for lens in (true, guess))
    u, _, v = np.linalg.svd(a.T @ b)
    turn = (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v).T
    return float(np.sqrt(np.mean(np.sum((a - b @ turn) ** 2, axis=1)))) * true.fx_px


def light(bench: Bench, rng: np.random.Generator, height_px: int) -> Found:
    """Dots too bright or too dim, lamps that flicker; afterwards they are neither."""
    scene = mounted(rng, height_px) | person(rng)
    scene["dot_level"] = float(rng.choice([20.0, 60.0, 215.0, 700.0, 2500.0]))
    hz = float(rng.choice([0.0, 0.0, 100.0, 120.0]))
    doing = str(rng.choice(["stand", "run"]))
    scene |= {"flicker_hz": hz, "flicker": 0.4, "background": float(rng.choice([12.0, 30.0]))}
    bench.scene(**scene, act=doing, rotate_deg=bench.camera.rotate_deg, mirror=bench.camera.mirror)
    bench.believes(**{f"lens.{k}": scene[k] for k in ("roll_deg", "pitch_deg")})
    found = bench.step("light", Hands({}))
    beat = abs(hz - round(hz / bench.camera.rate_hz) * bench.camera.rate_hz) if hz else 0.0
    case = f"{doing} dots {scene['dot_level']:g} flicker {hz:g} (beat {beat:g}) {_told(scene)}"
    if isinstance(found, HipbarError):
        return _refused(found, case)
    bench.link.set(found.values)
    _settle(bench)
    seen = np.isfinite(bench.link.follow(1.5)["xy_px"][:, :2]).all(axis=(1, 2)).mean()
    burnt = max(int((_dot(bench) >= 255).sum()) for _ in range(4))
    told = "; ".join(found.problems)
    share = found.figures["flicker"].get("the background", 0.0)
    right = seen > 0.9 and burnt == 0 and (beat == 0 or share < 0.1 or share * found.figures["ground"] < 1.5)
    return _judged({"unseen": 1 - seen, "burnt_px": float(burnt)}, right, f"{case} | {told}")


def latency(bench: Bench, rng: np.random.Generator, height_px: int) -> Found:
    """An LED of the bar in view, lit late, and stamps that are late."""
    delay, late = float(rng.uniform(0, 30)), float(rng.uniform(0, 15))
    wide = bench.camera.height_px if bench.camera.rotate_deg in (90, 270) else bench.camera.width_px
    lamp = {
        "x_px": float(rng.uniform(-0.49, 0.49) * wide), "y_px": float(rng.uniform(-0.49, 0.49) * height_px),
        "led": int(rng.integers(0, 32)), "delay_ms": delay, "size_px": float(rng.choice([4.0, 10.0, 25.0])),
        "level": float(rng.choice([40.0, 220.0, 900.0])),
    }  # fmt: skip
    bench.scene(lamp=lamp, stamp_late_ms=late, act=str(rng.choice(["away", "run"])), mirror=bench.camera.mirror,
                rotate_deg=bench.camera.rotate_deg)  # fmt: skip
    bench.link.set({"camera.exposure_us": float(rng.choice([300.0, 1500.0, 4000.0]))})
    found = bench.step("latency", Hands({}), trials=60, seed=1)
    case = f"delay {delay:.1f} late {late:.1f} {lamp}"
    if isinstance(found, HipbarError):
        return _refused(found, case)
    off = found.figures["wire"]["median_ms"] - delay - late
    return _judged(
        {"ms": off, "frames": off * bench.camera.rate_hz / 1e3}, abs(off) < 500 / bench.camera.rate_hz, case
    )


def aim(bench: Bench, rng: np.random.Generator, height_px: int) -> Found:
    """A runner, and a camera that stands high, low, near or aside."""
    width_m = float(rng.choice([0.09, 0.12, 0.2]))
    scene = mounted(rng, height_px) | {"plate_dots": 2}
    scene["runner"] = {
        "pair_width_m": width_m,
        "cadence_spm": float(rng.uniform(150, 190)),
        "rotation_deg": 6.0,
    }
    scene["right_m"] = scene["distance_m"] * math.tan(math.radians(rng.uniform(-8, 8)))
    bench.scene(**scene, act="run", rotate_deg=bench.camera.rotate_deg, mirror=bench.camera.mirror)
    bench.believes(**{f"lens.{k}": scene[k] for k in ("roll_deg", "pitch_deg")})
    _settle(bench)
    found = bench.step("aim", Hands({}), seconds=5.0, plate_mm=width_m * 1e3)
    case = _told(scene)
    if isinstance(found, HipbarError):
        return _refused(found, case)
    told = found.figures
    errors = {
        "height_cm": 100 * (told["height_m"] + scene["above_m"]),
        "distance_%": 100 * (told["distance_m"] / scene["distance_m"] - 1),
        "direction": told["azimuth_deg"] + math.degrees(math.atan(scene["right_m"] / scene["distance_m"])),
    }
    right = abs(errors["height_cm"]) < 4 and abs(errors["distance_%"]) < 4 and abs(errors["direction"]) < 1
    return _judged(errors, right, f"{case} | {'; '.join(found.problems)[:200]}")


def _ahead(scene: dict[str, Any]) -> dict[str, float]:
    """A place where runners run, in the middle of the picture."""
    far = scene["distance_m"]
    return {"distance_m": far, "up_m": -far * math.tan(math.radians(scene["pitch_deg"]))}


def _bar_place(scene: dict[str, Any]) -> dict[str, float]:
    where = _ahead(scene)
    below = -where["up_m"]
    return {
        "lens_height": max(1.0, 1.0 + below),
        "bar_height": max(1.0, 1.0 + below) - below,
        "distance": where["distance_m"],
    }


def _dot(bench: Bench) -> Any:
    """The greys around the left pelvis dot; empty while it is not seen."""
    row = bench.link.follow(0.2)[-1]
    x, y = row["xy_px"][0]
    luma = bench.link.picture().luma
    if not math.isfinite(x):
        return np.zeros(1)
    return luma[max(0, int(y) - 6) : int(y) + 7, max(0, int(x) - 6) : int(x) + 7]


def _settle(bench: Bench) -> None:
    """The people take their time."""
    bench.link.follow(1.0)


def _unit(flat: Any) -> Any:
    whole = np.column_stack([flat, np.ones(len(flat))])
    return whole / np.linalg.norm(whole, axis=1, keepdims=True)


def _told(scene: dict[str, Any]) -> str:
    return " ".join(
        f"{key.removesuffix('_deg').removesuffix('_px')} {value:.3g}"
        if isinstance(value, float)
        else f"{key} {value}"
        for key, value in scene.items()
        if key not in ("seed", "gradient_x")
    )


def _refused(why: HipbarError, case: str) -> Found:
    return Found("refused", f"{why} ({why.fix})", case, {})


def _judged(errors: dict[str, float], right: bool, case: str) -> Found:
    words = ", ".join(f"{name} {value:+.3f}" for name, value in errors.items())
    return Found("right" if right else "WRONG", words, case, errors)
