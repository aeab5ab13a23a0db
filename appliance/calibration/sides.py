"""Which heel rises in the picture when a foot is lifted on command becomes: is the runner's left where we say it is.

Upright pixels: turned as the mount says, but never mirrored, from the picture's middle, x right, y down. A heel is told
by the place where it rested, so the names that sight gives to dots play no part; they are only compared in the end.
Refuses to decide when anything is unclear: one heel hidden, both feet moved, no foot moved.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.records import F64, Side

STAYS = 0.06
"""A heel that stays is seen within this of its place; a share of the pelvis's height over the heels, about 5 cm."""
RISES = 0.10
"""A lifted one is so much higher than both were: 9 cm. Feet rise by 15 to 35 cm when somebody is asked to lift one."""
RESTS = 0.02
HELD_S = 0.4
"""So long a rise, or a rest, has to last at a stretch: no twitch, and no wrong dot of a few frames."""
_GAP_S = 0.1
"""A hole in what is seen that does not end a stretch."""


class Stand(msgspec.Struct, frozen=True):
    """Both heels at rest: where they are by the picture's sides, and how high the pelvis is over them, in pixels."""

    left: tuple[float, float]
    right: tuple[float, float]
    leg_px: float


class Lift(msgspec.Struct, frozen=True):
    """One foot lifted on command. rose : the picture's side whose heel went up, by how much of the pelvis's height.

    named : what the station itself called the heel that rose; None when it did not name it.
    """

    asked: Side
    rose: Side
    height: float
    named: Side | None


def upright(xy_px: F64, size: tuple[int, int], rotate_deg: int) -> F64:
    """Sensor pixels as the picture is seen upright, before any mirroring; shaped as `xy_px`, (..., 2)."""
    a = xy_px[..., 0] - (size[0] - 1) / 2.0
    b = xy_px[..., 1] - (size[1] - 1) / 2.0
    turned = {0: (a, b), 90: (-b, a), 180: (-a, -b), 270: (b, -a)}[rotate_deg]
    return np.stack(turned, axis=-1)


def stand(t_s: F64, points: F64) -> Stand | None:
    """Where both heels rest, from the last `HELD_S` of frames; None while they do not.

    points : (n, 4, 2) upright pixels, rows as `MARKS`, NaN = not seen.
    """
    if not len(t_s) or t_s[-1] - t_s[0] < HELD_S:
        return None
    late = points[t_s >= t_s[-1] - HELD_S]
    heels, hips = late[:, 2:], late[:, :2].mean(axis=1)
    whole = np.isfinite(heels).all(axis=(1, 2)) & np.isfinite(hips).all(axis=1)
    if whole.mean() < 0.8:
        return None
    heels = np.take_along_axis(heels[whole], np.argsort(heels[whole][:, :, :1], axis=1), axis=1)
    middle = np.median(heels, axis=0)
    leg_px = float(middle[:, 1].mean() - np.median(hips[whole][:, 1]))
    far = np.hypot(*np.moveaxis(heels - middle, -1, 0)).max()
    if leg_px <= 0 or far > RESTS * leg_px or abs(middle[0, 1] - middle[1, 1]) > RISES * leg_px:
        return None
    left, right = (tuple(map(float, place)) for place in middle)
    return Stand((left[0], left[1]), (right[0], right[1]), leg_px)


def lifted(t_s: F64, points: F64, rest: Stand, asked: Side) -> Lift | None:
    """The lift that lasted at a stretch until the last frame; None while there is none, or it is unclear which."""
    rises = np.array([_rise(frame[2:], rest) for frame in points])
    for side, column in ((Side.LEFT, 0), (Side.RIGHT, 1)):
        height = rises[:, column]
        if _held_s(t_s, np.isfinite(height)) >= HELD_S:
            recent = np.isfinite(height) & (t_s >= t_s[-1] - HELD_S)
            named = _named(points[recent])
            return Lift(asked, side, float(np.median(height[recent])), named)
    return None


def mirrored(lifts: tuple[Lift, ...]) -> bool | None:
    """Whether the upright picture shows left on the right; None when the lifts contradict one another."""
    said = {lift.asked != lift.rose for lift in lifts}
    return said.pop() if len(said) == 1 and {lift.asked for lift in lifts} == set(Side) else None


def _rise(heels: F64, rest: Stand) -> tuple[float, float]:
    """How high the picture's left and right heel is, as a share; NaN = at rest, hidden, or not to be told which.

    One heel stays where it was, the other is higher than both were: nothing else is a lifted foot.
    """
    nothing = (math.nan, math.nan)
    if not np.isfinite(heels).all():
        return nothing
    places = np.array([rest.left, rest.right])
    top = places[:, 1].min() - RISES * rest.leg_px
    stays = np.hypot(*np.moveaxis(heels[:, None] - places[None], -1, 0)) < STAYS * rest.leg_px
    for k in (0, 1):
        other = 1 - k
        if heels[k, 1] < top and stays[other].sum() == 1 and not stays[k].any():
            side = 1 if stays[other, 0] else 0
            height = (places[side, 1] - heels[k, 1]) / rest.leg_px
            return (height, math.nan) if side == 0 else (math.nan, height)
    return nothing


def _named(points: F64) -> Side | None:
    """What the station called the higher heel: rows 2 and 3 are left and right, as the settings mirror the picture."""
    left_up = points[:, 2, 1] < points[:, 3, 1]
    if not len(points) or 0.1 < left_up.mean() < 0.9:
        return None
    return Side.LEFT if left_up.mean() > 0.5 else Side.RIGHT


def _held_s(t_s: F64, there: NDArray[np.bool_]) -> float:
    """How long something has been there until now, holes of `_GAP_S` forgiven."""
    at = t_s[there]
    if not len(at) or t_s[-1] - at[-1] > _GAP_S:
        return 0.0
    breaks = np.flatnonzero(np.diff(at) > _GAP_S)
    first = at[breaks[-1] + 1] if len(breaks) else at[0]
    return float(at[-1] - first)
