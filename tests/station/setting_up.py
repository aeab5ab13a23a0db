"""A crooked station becomes one that is set up, every step of the calibration walked through over a real SSH login.

What is truly there: a lens that bends, a camera that is rolled and looks down, dots that burn out, a bar that hangs the
wrong way round and whose colours are in another order, light that comes late. Somebody does what the terminal says. In
the end the station must measure somebody who stands as if all of it were straight. Seconds; every wait is bounded.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pexpect

from appliance.station.calibration import STEPS, read_calibration
from appliance.station.client import Link
from tests import worlds
from tests.station.clinic import Clinic, figure
from tests.station.login import Login, Sshd, Talk
from tests.station.report import Table

LENS = {"f_px": 600.0, "cx_px": 250.0, "cy_px": 330.0, "k1": -0.25, "k2": 0.08}
ROLL_DEG, PITCH_DEG, DELAY_MS = 3.0, 4.0, 13.0
_RUNNER = {"pair_width_m": 0.12, "cadence_spm": 165.0}
_SHIM_DEG = float(np.degrees(np.arcsin(20 / 600)))
_TILTS = {"upper": (30.0, 0.0), "lower": (-30.0, 0.0), "right": (0.0, 30.0), "left": (0.0, -30.0)}
_GONE: dict[str, Any] = {"board": None, "beam": None, "plumb": None, "lamp": None}


class Walk:
    """Somebody who has never done it before, and does as he is told."""

    def __init__(self, there: Login, clinic: Clinic, say: Callable[[str], None] = print) -> None:
        self._there, self._clinic, self._say = there, clinic, say
        self.table = Table("setting-up")

    def all(self) -> None:
        """The steps in their order, and what the station is good for afterwards."""
        for step in (
            self.aim,
            self.light,
            self.lens,
            self.strip,
            self.sides,
            self.level,
            self.zero,
            self.latency,
        ):
            began_s = time.monotonic()
            found = step()
            took_s = time.monotonic() - began_s
            self.table.add(f"`hipbar calibrate {step.__name__}`", seconds=took_s)
            self._say(f"{took_s:6.1f} s  {step.__name__}: {found}")
        self._say(self._there.run("hipbar calibrate").out)
        self._say(self._there.run("hipbar calibrate history").out)
        self.proof()

    def aim(self) -> str:
        """Runs before the camera as it is."""
        self._before(act="run")
        with self._there.talk("hipbar calibrate aim --seconds 4") as talk:
            talk.expect("Running?")
            self._keeps(talk, "\n")
        return f"{figure(talk.out, r'distance +([0-9.]+) m'):.2f} m away"

    def light(self) -> str:
        """Dots that burn out."""
        self._before(act="stand")
        with self._there.talk("hipbar calibrate light") as talk:
            talk.expect("Ready?")
            self._keeps(talk, "\n")
        return talk.out.rpartition("dots ")[2].partition("\n")[0]

    def lens(self) -> str:
        """Holds the board where the screen says."""
        self._before(act="away")
        rng, words = np.random.default_rng(5), ""
        with self._there.talk("hipbar calibrate lens") as talk:
            talk.expect("Ready")
            talk.type("\n")
            for _ in range(120):
                told = self._there.screen.expect(
                    [r"next: ([^\r\n]*)[\r\n]", r"keep this\?", pexpect.TIMEOUT], timeout=2.5
                )
                if told == 1:
                    break
                words = str(self._there.screen.match[1]) if told == 0 else words
                self._before(act="away", board=_held(words, rng))
            talk.type("y\n")
        assert talk.code == 0, talk.out
        assert abs(self._kept("lens.fx_px") - LENS["f_px"]) < 6
        assert abs(self._kept("lens.k1") - LENS["k1"]) < 0.02
        return f"fx {self._kept('lens.fx_px'):.1f} px, k1 {self._kept('lens.k1'):+.3f}"

    def level(self) -> str:
        """A plumb line at the left and at the right; a bar and a shim for the proof."""
        self._before(act="away")
        turns: tuple[tuple[str, dict[str, Any]], ...] = (
            ("LEFT of the picture", {"plumb": {"right_m": -0.35}}),
            ("at the RIGHT of", {"plumb": {"right_m": 0.35}}),
            ("lay a bar", {"beam": {}}),
            ("Now the proof: put", {"beam": {"tilt_deg": _SHIM_DEG}}),
        )
        with self._there.talk("hipbar calibrate level --seconds 2 --wait 40") as talk:
            for words, thing in turns:
                talk.expect(words)
                self._before(act="away", **thing)
                talk.type("\n")
            self._keeps(talk)
        assert abs(self._kept("lens.roll_deg") - ROLL_DEG) < 0.1
        assert abs(self._kept("lens.pitch_deg") - PITCH_DEG) < 0.1
        proof = talk.out.rpartition("proof: ")[2].partition("\n")[0]
        return (
            f"roll {self._kept('lens.roll_deg'):+.2f}, pitch {self._kept('lens.pitch_deg'):+.2f} deg; {proof}"
        )

    def strip(self) -> str:
        """A bar that hangs the wrong way round, with red and blue exchanged."""
        self._before(act="stand")
        asked = {
            "as the runner sees it?": self._clinic.half,
            "its very last?": lambda: "y",
            "Which colour is the bar?": self._clinic.colour,
            "not dazzling?": lambda: "y",
            "less a fifth)?": lambda: "",
        }
        with self._there.talk("hipbar calibrate strip") as talk:
            while (which := talk.either([*asked, "keep this?"])) < len(asked):
                talk.expect("] ")
                talk.type(f"{list(asked.values())[which]()}\n")
            talk.type("y\n")
        assert talk.code == 0, talk.out
        assert self._kept("strip.reversed") is True
        assert self._kept("strip.order") == "bgr"
        return "turned round, order bgr"

    def sides(self) -> str:
        """Lifts the foot that is named; names the half that is lit."""
        self._before(act="stand")
        with self._there.talk("hipbar calibrate sides --wait 40") as talk:
            talk.expect("Ready?")
            talk.type("\n")
            both_feet(talk, self._clinic)
            while talk.either(["Which half of the bar is lit? [", "keep this? ["]) == 0:
                talk.type(f"{self._clinic.half()}\n")
            talk.type("y\n")
        assert talk.code == 0, talk.out
        assert self._clinic.until(lambda status: bool(status.sides_proved))
        return "left is left"

    def zero(self) -> str:
        """Stands."""
        self._before(act="stand")
        with self._there.talk("hipbar calibrate zero") as talk:
            talk.expect("Ready?")
            self._keeps(talk, "\n")
        truth = worlds.truth(self._clinic.scene).standing_deg
        found = float(self._kept("motion.zero_deg"))
        assert abs(found - truth) < 0.1, f"{found} is not {truth}"
        return f"{found:+.3f} deg, truly {truth:+.3f}"

    def latency(self) -> str:
        """An LED in a mirror, and nobody there."""
        self._before(act="away", lamp={"x_px": -120.0, "y_px": -220.0, "led": 5, "delay_ms": DELAY_MS})
        with self._there.talk("hipbar calibrate latency", 300.0) as talk:
            talk.expect("Ready?")
            talk.type("\n")
            self._keeps(talk, within_s=240.0)
        found = figure(talk.out, r"feedback\.predict_ms +\S+ -> (\S+)")
        return f"predicts {found:.1f} ms ahead; the light is {DELAY_MS:g} ms late by itself"

    def proof(self) -> None:
        """Somebody stands: straight, whatever camera and lens are like."""
        self._before(act="stand")
        with Link.open(self._clinic.runtime) as link:
            link.follow(1.0)
            found = float(np.nanmean(link.follow(3.0)["obliquity_deg"]))
            link.set({f"lens.{name}": 0.0 for name in ("roll_deg", "pitch_deg", "k1", "k2")})
            link.follow(1.0)
            without = float(np.nanmean(link.follow(3.0)["obliquity_deg"]))
        self._say(
            f"somebody who stands: {found:+.2f} deg with the calibration, {without:+.2f} without level and lens"
        )
        assert abs(found) < 0.1
        assert abs(without) > 2.5

    def _before(self, **changes: Any) -> None:
        """What is before the camera now, and nothing of what was there."""
        self._clinic.acts(**{**_GONE, **changes})

    def _keeps(self, talk: Talk, keys: str = "", within_s: float | None = None) -> None:
        """Says yes to what was found."""
        talk.type(keys)
        talk.expect("keep this?", within_s)
        talk.type("y\n")

    def _kept(self, key: str) -> Any:
        """A value of the calibration on the card."""
        now = read_calibration(self._clinic.state).current
        assert now
        with Link.open(self._clinic.runtime) as link:
            told = link.settings()["settings"]["camera"]
        mode = f"virtual {told['width_px']}x{told['height_px']}"
        return {**now.lenses.get(mode, {}), **now.values}[key]


def both_feet(talk: Talk, clinic: Clinic) -> None:
    """Somebody does as the terminal says, and takes the time to put the first foot down."""
    for side in ("LEFT", "RIGHT"):
        talk.expect(f"Lift the {side} foot")
        clinic.acts(act=f"lift {side.lower()}")
        talk.expect("Put it down again.")
        if side == "LEFT":
            talk.expect("one foot is still up")
        clinic.acts(act="stand")


def _held(words: str, rng: np.random.Generator) -> dict[str, float]:
    """The board in somebody's hands, about where the words say, and never twice the same."""
    row = -1 if "picture's upper" in words else 1 if "picture's lower" in words else 0
    place = words.partition("picture's ")[2].partition(",")[0]
    column = -1 if place.endswith("left") else 1 if place.endswith("right") else 0
    edge = next((edge for edge in _TILTS if f"its {edge} edge away" in words), None)
    pitch, yaw = _TILTS[edge] if edge else rng.uniform(-30, 30, 2)
    x, y = (0.55 * at + rng.uniform(-0.1, 0.1) for at in (column, row))
    ahead = rng.uniform(0.38, 0.48)
    return {
        "distance_m": float(ahead),
        "right_m": float(x * 240 / 600 * ahead),
        "up_m": float(-y * 320 / 600 * ahead),
        "pitch_deg": float(pitch),
        "yaw_deg": float(yaw),
        "roll_deg": float(rng.uniform(-15, 15)),
    }


def main() -> int:
    """All of it, on this computer."""
    scene = {
        **LENS,
        "roll_deg": ROLL_DEG,
        "pitch_deg": PITCH_DEG,
        "runner": _RUNNER,
        "plate_dots": 2,
        "dot_level": 900.0,
    }
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with (
            Clinic.open(place, turned=True, order="bgr", **scene) as clinic,
            Sshd.started(place / "ssh", clinic.environment) as sshd,
            sshd.login(90.0) as there,
        ):
            walk = Walk(there, clinic)
            walk.all()
    assert set(STEPS) == {"aim", "light", "lens", "level", "zero", "strip", "sides", "latency"}
    print(walk.table.write())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
