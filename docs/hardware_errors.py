"""A mistake in setting up becomes degrees: recorded runners seen through the virtual camera, wrongly placed.

Every figure comes from the product's own code: the runner's marks in space are projected by `hw.camera.optics`, and
their true pixels go through the pipeline as in a replay, once from the right place and once with one mistake made. What
differs is the mistake. Degrees of peak drop; the difference is that of `Asymmetry`. Nothing is rendered and no noise
added: docs/signals.md has that, and a test renders one mistake in full.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import msgspec
import numpy as np

from appliance.config import Settings
from appliance.pipeline import Pipeline
from appliance.records import F64, Side
from appliance.sensors import SENSORS
from hw.camera.optics import Optics
from hw.camera.scene import Scene, actor, settings
from hw.camera.virtual import VirtualCamera

RUNNERS = ("rbds001", "rbds002", "ric")
SECONDS, STAND_S, RATE_HZ = 20.0, 0.5, 120.0
SPACING_M, DOT_M = 0.12, 0.014
"""Of the marker plate (docs/plate/plate.py), for mistakes with the plate itself."""

Bend = Callable[[F64], F64]


class Mistake(NamedTuple):
    """What is done wrong and how much; the scene as it is, what the settings wrongly say of it, and the cure."""

    name: str
    amount: str
    cure: str
    really: dict[str, Any]
    believed: dict[str, Any]
    bend: Bend | None = None
    bent_when_standing: bool = True


class Cost(NamedTuple):
    """The worst of all runners, degrees: a side's peak drop and the difference, without and with a zero taken there."""

    drop_deg: float
    difference_deg: float
    zeroed_drop_deg: float
    zeroed_difference_deg: float


def _tilted(degrees: float) -> Bend:
    """The pelvis pair turned in the frontal plane about its middle: the right mark goes up."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def bend(marks: F64) -> F64:
        middle = marks[:, :2].mean(axis=1, keepdims=True)
        x, y, z = np.moveaxis(marks[:, :2] - middle, -1, 0)
        out = marks.copy()
        out[:, :2] = middle + np.stack([c * x - s * z, y, s * x + c * z], axis=-1)
        return out

    return bend


def half_hidden_deg() -> float:
    """Tilt from a dot whose upper half is covered: the centre of what is left lies 4/(3 pi) of a radius lower."""
    return math.degrees(math.atan2(4 / (3 * math.pi) * DOT_M / 2, SPACING_M))


def _aside(degrees: float) -> dict[str, Any]:
    """The camera off to the runner's right, still aimed at the runner, at the same distance along the floor."""
    a = math.radians(degrees)
    return {"right_m": 2.5 * math.sin(a), "distance_m": 2.5 * math.cos(a), "yaw_deg": -degrees}


_WIDE = {"width_px": 800, "height_px": 1280, "f_px": 933.0, "k1": -0.30, "k2": 0.09}
"""A 2.8 mm lens before an OV9281, bent as such lenses are."""
_TURNED = {
    "width_px": 1536,
    "height_px": 864,
    "rotate_deg": 90,
    "f_px": 1693.0,
    "row_us": SENSORS["imx708"].row_us,
}
"""An IMX708 on its side: its rows are exposed from one side of the runner to the other."""
_HEIGHT, _BEHIND, _LEVEL = (
    "the height of the plate",
    "behind the middle of the belt",
    "a spirit level on the camera",
)
_PITCH, _ROLL, _YAW = {"pitch_deg": 0.0}, {"roll_deg": 0.0}, {"yaw_deg": 0.0}

MISTAKES = (
    Mistake("camera too high", "10 cm", _HEIGHT, {"above_m": 0.1}, {}),
    Mistake("camera too high", "30 cm", _HEIGHT, {"above_m": 0.3}, {}),
    Mistake("camera too low", "30 cm", _HEIGHT, {"above_m": -0.3}, {}),
    Mistake("too high and aimed down", "30 cm, 7°", _HEIGHT, {"above_m": 0.3, "pitch_deg": 7.0}, _PITCH),
    Mistake("aimed down at the right height", "5°", "`lens.pitch_deg`", {"pitch_deg": 5.0}, _PITCH),
    Mistake("aimed down at the right height", "12°", "`lens.pitch_deg`", {"pitch_deg": 12.0}, _PITCH),
    Mistake("off to the side, aimed at the runner", "5°", _BEHIND, _aside(5.0), _YAW),
    Mistake("off to the side, aimed at the runner", "10°", _BEHIND, _aside(10.0), _YAW),
    Mistake("off to the side, aimed along the belt", "20 cm", _BEHIND, {"right_m": 0.2}, {}),
    Mistake("turned to the side (yaw)", "5°", "runner in the middle", {"yaw_deg": 5.0}, _YAW),
    Mistake("rolled", "1°", _LEVEL, {"roll_deg": 1.0}, _ROLL),
    Mistake("rolled", "3°", _LEVEL, {"roll_deg": 3.0}, _ROLL),
    Mistake("too near", "1.5 m", "2 m or more", {"distance_m": 1.5, "f_px": 700.0}, {}),
    Mistake("far", "4 m", "none needed", {"distance_m": 4.0, "f_px": 1900.0}, {}),
    Mistake("lens not calibrated, plate in the middle", "2.8 mm", "none needed", _WIDE, {"k1": 0.0, "k2": 0.0}),
    Mistake(
        "lens not calibrated, plate high in the picture", "2.8 mm", "`lens.k1`, `lens.k2`",
        _WIDE | {"pitch_deg": 15.0}, {"k1": 0.0, "k2": 0.0},
    ),
    Mistake("row time not set, rolling shutter on its side", "9.2 µs", "`camera.row_us`", _TURNED, {"row_us": 0.0}),
    Mistake("plate worn askew", "3°", "take the standing zero", {}, {}, _tilted(3.0)),
    Mistake("plate slips after the zero", "1°", "a belt that holds; zero again", {}, {}, _tilted(1.0), False),
    Mistake("shirt covers half of a dot", "14 mm dot", "tuck the shirt in", {}, {}, _tilted(half_hidden_deg()), False),
)  # fmt: skip


def cost(mistake: Mistake) -> Cost:
    """What a mistake costs in the worst of the runners."""
    each = [_cost(runner, mistake) for runner in RUNNERS]
    return Cost(*(max(one[k] for one in each) for k in range(4)))


def _cost(runner: str, mistake: Mistake) -> Cost:
    right = _reference(runner)
    scene = msgspec.structs.replace(right_scene(runner), **mistake.really)
    told = settings(msgspec.structs.replace(scene, **mistake.believed))
    own_zero = _zero_deg(right_scene(runner), settings(right_scene(runner)), None)
    there_deg = _zero_deg(scene, told, mistake.bend if mistake.bent_when_standing else None)
    figures = []
    for zero_deg in (own_zero, there_deg):
        left, both = peaks(scene, told, zero_deg, mistake.bend)
        off = left - right[0], both - right[1]
        figures += [max(abs(off[0]), abs(off[1])), abs(off[1] - off[0])]
    return Cost(*figures)


@cache
def _reference(runner: str) -> tuple[float, float]:
    scene = right_scene(runner)
    return peaks(scene, settings(scene), _zero_deg(scene, settings(scene), None))


@cache
def right_scene(runner: str) -> Scene:
    """Everything right: level, 2.5 m behind the middle of the belt, at the height of the plate."""
    return Scene(runner=runner, loop=False, rate_hz=RATE_HZ, width_px=800, height_px=1280, f_px=1200.0)


def peaks(
    scene: Scene, told: Settings, zero_deg: float, bend: Bend | None = None, seconds: float = SECONDS
) -> tuple[float, float]:
    """Mean peak drop in left and in right stance over the run."""
    told = msgspec.structs.replace(told, motion=msgspec.structs.replace(told.motion, zero_deg=zero_deg))
    t_s = 1.0 + np.arange(0.0, seconds, 1 / RATE_HZ)
    xy_px = _seen(scene, t_s, bend, standing=False)
    batch = Pipeline(told).replay(t_s, xy_px, told.camera.row_us * 1e-6, (scene.width_px, scene.height_px))
    peaks = {
        side: [s.peak_drop_deg for s in batch.steps if s.stance is side and s.peak_drop_deg is not None]
        for side in Side
    }
    return float(np.mean(peaks[Side.LEFT])), float(np.mean(peaks[Side.RIGHT]))


def _zero_deg(scene: Scene, told: Settings, bend: Bend | None) -> float:
    """The standing zero as this camera finds it."""
    t_s = np.arange(0.0, STAND_S, 1 / RATE_HZ)
    xy_px = _seen(scene, t_s, bend, standing=True)
    batch = Pipeline(told).replay(t_s, xy_px, told.camera.row_us * 1e-6, (scene.width_px, scene.height_px))
    return float(np.median(batch.moments["obliquity_deg"]))


def _seen(scene: Scene, t_s: F64, bend: Bend | None, *, standing: bool) -> F64:
    """(n, 4, 2) sensor pixels of the pelvis pair and the heels, each where it is when its own row is exposed."""
    who = actor(scene)
    height_m = float(np.nanmean(who.at(1.0 + np.arange(0.0, 10.0, 0.01))[:, :2, 2]))
    optics = Optics(scene, height_m + scene.above_m)
    camera = VirtualCamera(scene)
    rows = [who.marks.index(m) for m in (*camera.pair, "left_heel", "right_heel")]
    middle = np.array([(scene.width_px - 1) / 2, (scene.height_px - 1) / 2])

    def places(at_s: F64) -> F64:
        marks = np.broadcast_to(who.standing, (len(at_s), *who.standing.shape)) if standing else who.at(at_s)
        marks = np.asarray(marks)[:, rows]
        return bend(marks) if bend else marks

    xy_px = optics.project(places(t_s))[0] + middle
    for _ in range(3 if scene.row_us else 0):
        for k in range(4):
            at_s = t_s + scene.row_us * 1e-6 * xy_px[:, k, 1]
            xy_px[:, k] = optics.project(places(at_s))[0][:, k] + middle
    return np.ascontiguousarray(xy_px)
