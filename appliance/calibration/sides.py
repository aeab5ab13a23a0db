"""Which heel's spot rises in the picture when a foot is lifted on command becomes: is left where we say it is.

Upright pixels: turned as the mount says, but never mirrored, from the picture's middle, x right, y down. Heels are
bright spots under the pelvis that rest; the names that sight gives to marks play no part, and nor does the obliquity.
Refuses to decide when anything is unclear: two spots gone from their places, none above, the same one twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from appliance.calibration.spots import Spot
from appliance.config import Camera
from appliance.records import F64, Side

STAYS = 0.06
"""A heel that stays is seen within this of its place; a share of the pelvis's height over the heels, about 5 cm."""
RISES = 0.10
"""A lifted one is so much higher than it was: 9 cm. Feet rise by 15 to 35 cm when somebody is asked to lift one."""
RESTS = 0.02
HELD_S = 0.5
"""So long a rise, or a rest, has to last at a stretch: no twitch, and no spot of a single picture."""
_LEAST_LOOKS = 4
_ASIDE = 0.35
"""A heel rises above its place, give or take this share of its way up and down."""
_APART = 0.02


class Look(msgspec.Struct, frozen=True):
    """One picture: its spots (k, 2), the pelvis pair (2, 2) with NaN = not seen, and the picture's height."""

    t_s: float
    spots: F64
    pair: F64
    height_px: float


class Stand(msgspec.Struct, frozen=True):
    """Somebody who stands: where the spots under the pelvis rest (k, 2), k at least 2, and the pelvis's height."""

    places: F64
    leg_px: float


class Lift(msgspec.Struct, frozen=True):
    """One foot lifted on command: where its heel had rested, and how high it rose as a share of the pelvis's height."""

    asked: Side
    x_px: float
    y_px: float
    height: float
    leg_px: float


def look(t_s: float, spots: Sequence[Spot], xy_px: F64, camera: Camera, size: tuple[int, int]) -> Look:
    """What one picture shows, upright. xy_px : (4, 2) sensor pixels, rows as `MARKS`. size : the sensor's, px."""
    places = np.array([(spot.x_px, spot.y_px) for spot in spots], np.float64).reshape(-1, 2)
    height = size[0] if camera.rotate_deg in (90, 270) else size[1]
    turned = [upright(points, size, camera.rotate_deg) for points in (places, xy_px[:2])]
    return Look(t_s, turned[0], turned[1], float(height))


def upright(xy_px: F64, size: tuple[int, int], rotate_deg: int) -> F64:
    """Sensor pixels as the picture is seen upright, before any mirroring; shaped as `xy_px`, (..., 2)."""
    a = xy_px[..., 0] - (size[0] - 1) / 2.0
    b = xy_px[..., 1] - (size[1] - 1) / 2.0
    turned = {0: (a, b), 90: (-b, a), 180: (-a, -b), 270: (b, -a)}[rotate_deg]
    return np.stack(turned, axis=-1)


def stand(looks: Sequence[Look]) -> Stand | None:
    """Where the heels rest, from the last `HELD_S` of pictures; None while no two spots under the pelvis do."""
    late = _late(looks)
    if late is None or not all(np.isfinite(one.pair).all() for one in late):
        return None
    pair = np.median([one.pair for one in late], axis=0)
    middle, span = pair.mean(axis=0), float(np.hypot(*(pair[1] - pair[0])))
    last = late[-1]
    below = last.spots[:, 1] - middle[1]
    under = below > max(1.6 * span, 60.0 * last.height_px / 640.0)
    under &= np.abs(last.spots[:, 0] - middle[0]) < 0.3 * below + 0.2 * span
    if under.sum() < 2:
        return None
    leg_px = float(np.median(below[under]))
    rest = [p for p in last.spots[under] if all(_near(one, p, RESTS * leg_px) for one in late)]
    return Stand(np.array(rest), leg_px) if len(rest) >= 2 else None


def lifted(looks: Sequence[Look], rest: Stand, asked: Side) -> Lift | None:
    """The one heel that has been up until now for `HELD_S`; None while there is none, or it is unclear which."""
    late = _late(looks)
    if late is None:
        return None
    rises = [_rise(one, rest) for one in late]
    which = {place for place, _ in rises}
    if len(which) != 1 or None in which:
        return None
    x, y = rest.places[rises[0][0]]
    height = float(np.median([height for _, height in rises]))
    return Lift(asked, float(x), float(y), height, rest.leg_px)


def gone(one: Look, rest: Stand) -> int:
    """How many heels are not where they rested: one is a lift, two are somebody who moves."""
    return sum(not _near(one, place, STAYS * rest.leg_px) for place in rest.places)


def mirrored(left: Lift, right: Lift) -> bool | None:
    """Whether the upright picture shows left on the right; None when it was the same heel twice."""
    apart = right.x_px - left.x_px
    return None if abs(apart) < _APART * left.leg_px else apart < 0


def _rise(one: Look, rest: Stand) -> tuple[int | None, float]:
    """Which place's spot is above it and not in it, and how high; None = none, or not to be told which."""
    nothing = (None, math.nan)
    missing = [k for k, place in enumerate(rest.places) if not _near(one, place, STAYS * rest.leg_px)]
    if len(missing) != 1:
        return nothing
    x, y = rest.places[missing[0]]
    up = y - one.spots[:, 1]
    above = (up > RISES * rest.leg_px) & (up < 0.8 * rest.leg_px)
    above &= np.abs(one.spots[:, 0] - x) < np.maximum(_ASIDE * up, STAYS * rest.leg_px)
    for place in rest.places:
        above &= np.hypot(*(one.spots - place).T) > STAYS * rest.leg_px
    return (missing[0], float(up[above].min() / rest.leg_px)) if above.any() else nothing


def _near(one: Look, place: F64, reach_px: float) -> bool:
    """Whether a spot is at this place."""
    return bool(len(one.spots)) and float(np.hypot(*(one.spots - place).T).min()) <= reach_px


def _late(looks: Sequence[Look]) -> list[Look] | None:
    """The pictures of the last `HELD_S`; None when there are too few to say anything."""
    if not looks or looks[-1].t_s - looks[0].t_s < HELD_S:
        return None
    late = [one for one in looks if one.t_s >= looks[-1].t_s - HELD_S - 1e-6]
    return late if len(late) >= _LEAST_LOOKS else None
