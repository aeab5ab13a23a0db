"""Somebody who does a strength exercise becomes places of marks: hip drops on a step, a hold at a wall, a side plank.

(n, K, 3) metres at (n,) seconds, as for every actor. The side is the one that works: the leg that stands, or the side
that is below. Degrees: a drop is positive when the free side is lower. Motions are smooth and periodic, from the
scene's second 0 on, around the standing pose; their figures are given here, so that a test knows what was done. Not a
model of balance or of muscles, and nobody tires.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np

from appliance.records import F64

Exercise = Literal[
    "hip drops left",
    "hip drops right",
    "wall hold left",
    "wall hold right",
    "side plank left",
    "side plank right",
]
EXERCISES: tuple[str, ...] = get_args(Exercise)

DROP_S = 4.0
"""One hip drop, there and back."""
DROP_DEG = (-2.0, 8.0)
"""From the highest to the lowest place of the free side, against standing."""
LAPSE_S = 12.0
"""Somebody at the wall lets the pelvis go so often,"""
LAPSE_FOR_S, LAPSE_DEG = 3.0, 6.0
"""for so long, there and back, by so much at most."""
PLANK_S = 15.0
"""A plank's time: up for two thirds of it, down for the rest."""
_STEP_M, _HALF_M = 0.15, 0.09
_LYING_M, _RISE_M = 0.18, 0.12
_LYING_DEG, _PLANK_DEG = 84.0, 66.0
_THIGH_M, _SHANK_M = 0.42, 0.40
_KNEE_M, _KNEE_FORWARD_M = 0.30, 0.15


class Body:
    """The marks of somebody who stands, by what they are on."""

    def __init__(self, standing: F64, pelvis: list[int], heel: dict[str, int]) -> None:
        self.standing, self.pelvis, self.heel = standing, pelvis, heel
        self.middle = np.nanmean(standing[:2], axis=0)

    def moved(self, count: int) -> F64:
        """(count, K, 3) metres of standing still, to be moved."""
        return np.repeat(self.standing[None], count, axis=0)

    def turn(self, places: F64, tilt_deg: F64, to_m: F64) -> None:
        """Turns the pelvis's marks in the frontal plane, right side up positive, and brings its middle to (n, 3)."""
        off = self.standing[self.pelvis] - self.middle
        c, s = np.cos(np.radians(tilt_deg))[:, None], np.sin(np.radians(tilt_deg))[:, None]
        places[:, self.pelvis, 0] = to_m[:, 0, None] + c * off[:, 0] - s * off[:, 2]
        places[:, self.pelvis, 1] = to_m[:, 1, None] + off[:, 1]
        places[:, self.pelvis, 2] = to_m[:, 2, None] + s * off[:, 0] + c * off[:, 2]


def trained(exercise: str, body: Body, t_s: F64, sway: F64) -> F64:
    """(n, K, 3) metres. sway : (n, 2) of RMS 1, how unsteady somebody is aside and in tilt."""
    what, _, side = exercise.rpartition(" ")
    return _POSES[what](body, side, t_s, sway)


def drop_deg(t_s: F64) -> F64:
    """How far the free side is below level in hip drops, before any swaying."""
    high, low = DROP_DEG
    return np.asarray(high + (low - high) * 0.5 * (1 - np.cos(2 * math.pi * t_s / DROP_S)))


def lapse_deg(t_s: F64) -> F64:
    """How far the free side is below level at the wall, before any swaying: a lapse at the end of each `LAPSE_S`."""
    into_s = np.mod(t_s, LAPSE_S) - (LAPSE_S - LAPSE_FOR_S)
    return np.where(into_s > 0, LAPSE_DEG * 0.5 * (1 - np.cos(2 * math.pi * into_s / LAPSE_FOR_S)), 0.0)


def lifted(t_s: F64) -> F64:
    """How far up somebody is in a plank, 0 lying to 1; it takes a second to get there."""
    phase_s = np.mod(t_s, PLANK_S)
    w = np.clip(np.minimum(phase_s, 2 * PLANK_S / 3 + 1.0 - phase_s), 0.0, 1.0)
    return np.asarray(w * w * (3 - 2 * w))


def _hip_drops(body: Body, side: str, t_s: F64, sway: F64) -> F64:
    """On a step: the pelvis turns about the hip that stands, the free leg hangs from the other."""
    places, over = body.moved(len(t_s)), _over(side)
    drop = drop_deg(t_s) + 0.15 * sway[:, 1]
    sunk = _HALF_M * np.sin(np.radians(drop))
    to = np.repeat(body.middle[None], len(t_s), axis=0)
    to[:, 0] += -over * 0.03 + 0.004 * sway[:, 0]
    to[:, 2] += _STEP_M - sunk
    body.turn(places, over * -drop, to)
    for foot, row in body.heel.items():
        places[:, row, 2] += _STEP_M - (0.0 if foot == side else 2 * sunk + 0.02)
    return places


def _wall_hold(body: Body, side: str, t_s: F64, sway: F64) -> F64:
    """One knee up and against the wall, the pelvis level but for the lapses."""
    places, over = body.moved(len(t_s)), _over(side)
    to = np.repeat(body.middle[None], len(t_s), axis=0)
    to[:, 0] += -over * 0.02 + 0.004 * sway[:, 0]
    body.turn(places, over * -(lapse_deg(t_s) + 0.3 * sway[:, 1]), to)
    free = body.heel["left" if side == "right" else "right"]
    places[:, free, 1] += _KNEE_FORWARD_M
    places[:, free, 2] += _KNEE_M
    return places


def _side_plank(body: Body, side: str, t_s: F64, sway: F64) -> F64:
    """Lying on one side with the back to the camera, the head on that side; knees bent, the feet towards the camera."""
    places, over, up = body.moved(len(t_s)), _over(side), lifted(t_s)
    to = np.repeat(body.middle[None], len(t_s), axis=0)
    to[:, 2] = _LYING_M + _RISE_M * up
    tilt = _LYING_DEG + (_PLANK_DEG - _LYING_DEG) * up + 0.3 * sway[:, 1]
    body.turn(places, over * tilt, to)
    for foot, row in body.heel.items():
        places[:, row, 0] = to[:, 0] + over * _THIGH_M
        places[:, row, 1] = -_SHANK_M
        places[:, row, 2] = 0.06 if foot == side else 0.14
    return places


def _over(side: str) -> float:
    """+1 when the right side goes up as the left one works."""
    return 1.0 if side == "left" else -1.0


_POSES = {"hip drops": _hip_drops, "wall hold": _wall_hold, "side plank": _side_plank}
