"""A runner who is told to stand, to lift a foot or to move about becomes places of marks: what a technician asks for.

(n, K, 3) metres at (n,) seconds, as for every actor. A person who stands is never still: the pelvis sways by some
millimetres and a tenth of a degree, around the standing pose and evenly to both sides of it. Lifting a foot brings that
heel up by 0.28 m and a little back, the pelvis over the other leg and down on the lifted side. From one act to the next
it takes 0.45 s. Exercises are `hw.camera.training`'s. Not a model of balance, and no muscles.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from appliance.records import F64
from hw.camera.actors import Actor
from hw.camera.training import EXERCISES, Body, Exercise, trained

Act = Literal["run", "stand", "lift left", "lift right", "shift", "away"] | Exercise
Acts = tuple[tuple[float, Act], ...]
"""What somebody does from when on (seconds), oldest first."""

GLIDE_S = 0.45
LIFT_M = 0.28
_BACK_M = 0.1
_OVER_M = 0.045
_DROP_DEG = 2.5
_SWAY_M, _SWAY_DEG = 0.003, 0.12
_UNSTEADY = 1.7
"""On one leg a person sways so many times as much as on two."""
_SHIFT_M, _SHIFT_DEG, _SHIFT_HZ = 0.06, 3.0, 0.45
_SLOW_HZ = (0.36, 0.67, 1.03)


class Performer:
    """Somebody who does one thing after the other."""

    def __init__(self, who: Actor, acts: Acts) -> None:
        self._who, self._acts = who, acts
        self.marks: tuple[str, ...] = who.marks
        self.standing: F64 = who.standing
        self.end_s: float = who.end_s
        self._heel = {"left": who.marks.index("left_heel"), "right": who.marks.index("right_heel")}
        self._pelvis = [k for k in range(len(who.marks)) if k not in self._heel.values()]
        self._body = Body(self.standing, self._pelvis, self._heel)

    def at(self, t_s: F64) -> F64:
        """(n, K, 3) metres at each time."""
        (_, act), *later = self._acts
        places = self._pose(act, t_s)
        for since_s, act in later:
            w = np.clip((t_s - since_s) / GLIDE_S, 0.0, 1.0)[:, None, None]
            w = w * w * (3 - 2 * w)
            places = np.where(w > 0, places + w * (self._pose(act, t_s) - places), places)
        return np.asarray(places)

    def _pose(self, act: Act, t_s: F64) -> F64:
        if act in ("run", "away"):
            return self._who.at(t_s)
        if act in EXERCISES:
            return trained(act, self._body, t_s, np.stack([_slow(t_s, 0), _slow(t_s, 1)], axis=1))
        if act == "shift":
            phase = 2 * math.pi * _SHIFT_HZ * t_s
            return self._upon_the_feet(_SHIFT_M * np.sin(phase), _SHIFT_DEG * np.sin(phase + 1.0), t_s)
        side, much = (act.removeprefix("lift "), _UNSTEADY) if act != "stand" else ("", 1.0)
        over = {"left": 1.0, "right": -1.0, "": 0.0}[side]  # to the leg that stands; the lifted side drops
        aside = over * _OVER_M + much * _SWAY_M * _slow(t_s, 0)
        places = self._upon_the_feet(aside, over * _DROP_DEG + much * _SWAY_DEG * _slow(t_s, 1), t_s)
        if side:
            places[:, self._heel[side], 1] -= _BACK_M
            places[:, self._heel[side], 2] += LIFT_M + 0.006 * _slow(t_s, 3)
        return places

    def _upon_the_feet(self, aside_m: F64, tilt_deg: F64, t_s: F64) -> F64:
        """The standing pose with the pelvis moved aside and its right side raised; the feet stay."""
        places = np.repeat(self.standing[None], len(t_s), axis=0)
        pelvis = places[:, self._pelvis]
        middle = np.nanmean(self.standing[:2], axis=0)
        from_x, from_z = pelvis[..., 0] - middle[0], pelvis[..., 2] - middle[2]
        c, s = np.cos(np.radians(tilt_deg))[:, None], np.sin(np.radians(tilt_deg))[:, None]
        pelvis[..., 0] = middle[0] + c * from_x - s * from_z + aside_m[:, None]
        pelvis[..., 1] += (_SWAY_M * _slow(t_s, 2))[:, None]
        pelvis[..., 2] = middle[2] + s * from_x + c * from_z
        places[:, self._pelvis] = pelvis
        return places


def _slow(t_s: F64, which: int) -> F64:
    """A slow wander around zero of RMS 1; another one for each number, the same at every run."""
    waves = [np.sin(2 * math.pi * hz * t_s + 2.4 * which + 1.9 * k) for k, hz in enumerate(_SLOW_HZ)]
    return np.asarray(math.sqrt(2 / len(waves)) * np.sum(waves, axis=0))
