"""Which heel's spot rises in the picture when a foot is lifted on command becomes: is left where we say it is.

Upright pixels: turned as the mount says, but never mirrored, from the picture's middle, x right, y down. Heels are
bright spots under the pelvis that rest; the names that sight gives to marks play no part, and nor does the obliquity.
Refuses to decide when anything is unclear: spots of two feet gone from their places, none above, the same foot twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from appliance.calibration.spots import Spot, near
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
_APART = 0.07
"""Heels stand further apart than this; what is nearer is the same foot again, of which another spot was seen."""
_FOOT = 0.12
"""All of one foot's spots lie within this, about a hand's breadth: a shoe may have reflectors of its own."""
_LEVEL, _FEET_APART = 0.08, 0.03
"""Both feet are on the ground when their heels are as high as that, and that far apart; shares of the pelvis's height.
A lens looks down on the heel that is further back as on a higher one, and a camera rolled by 8 deg tilts the floor."""
_AS_BRIGHT, _REACH_PX = 0.3, 8.0
"""What is dimmer than this share of the pelvis dots is no dot; a leg may well pass before it."""


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
    worn = [spot.rise for spot in near(tuple(spots), xy_px[:2], _REACH_PX) if spot is not None]
    least = _AS_BRIGHT * min(worn, default=0.0)
    places = np.array([(s.x_px, s.y_px) for s in spots if s.rise >= least], np.float64).reshape(-1, 2)
    height = size[0] if camera.rotate_deg in (90, 270) else size[1]
    turned = [upright(points, size, camera.rotate_deg) for points in (places, xy_px[:2])]
    return Look(t_s, turned[0], turned[1], float(height))


def upright(xy_px: F64, size: tuple[int, int], rotate_deg: int) -> F64:
    """Sensor pixels as the picture is seen upright, before any mirroring; shaped as `xy_px`, (..., 2)."""
    a = xy_px[..., 0] - (size[0] - 1) / 2.0
    b = xy_px[..., 1] - (size[1] - 1) / 2.0
    turned = {0: (a, b), 90: (-b, a), 180: (-a, -b), 270: (b, -a)}[rotate_deg]
    return np.stack(turned, axis=-1)


def pelvis(looks: Sequence[Look]) -> bool:
    """Whether the pelvis dots are seen now; heels are looked for under them."""
    return bool(looks) and bool(np.isfinite(looks[-1].pair).all())


def stand(looks: Sequence[Look]) -> Stand | None:
    """Where the heels rest, from the last `HELD_S` of pictures; None while no two spots under the pelvis do."""
    late = _late(looks)
    if late is None or not all(np.isfinite(one.pair).all() for one in late):
        return None
    pair = np.median([one.pair for one in late], axis=0)
    middle, span = pair.mean(axis=0), float(np.hypot(*(pair[1] - pair[0])))
    last = late[-1]
    under, below = _under(last, middle, span)
    if len(under) < 2:
        return None
    leg_px = float(np.median(below))
    rest = [p for p in under if all(_near(one, p, RESTS * leg_px) for one in late)]
    return Stand(np.array(rest), leg_px) if len(rest) >= 2 else None


def on_one_leg(one: Look) -> bool | None:
    """Whether one foot is off the ground: a spot well above the lowest one, and no second one as low; None = unknown.

    A shoe's own reflectors lie within a hand's breadth of one another, and count as one foot.
    """
    if not np.isfinite(one.pair).all():
        return None
    under, below = _under(one, one.pair.mean(axis=0), float(np.hypot(*(one.pair[1] - one.pair[0]))), 0.4)
    if len(under) < 2:
        return None
    high = 1.0 - below / below.max()
    low = under[high < _LEVEL]
    two = len(low) > 1 and float(np.ptp(low[:, 0])) > _FEET_APART * below.max()
    return bool(((high > _LEVEL) & (high < 0.6)).any()) and not two


def lifted(looks: Sequence[Look], rest: Stand, asked: Side) -> Lift | None:
    """The one heel that has been up until now for `HELD_S`; None while there is none, or it is unclear which."""
    late = _late(looks)
    if late is None:
        return None
    rises = [_rise(one, rest) for one in late]
    if not all(foot for foot, _ in rises):
        return None
    ever = rest.places[sorted({k for foot, _ in rises for k in foot})]
    if np.ptp(ever, axis=0).max() > _FOOT * rest.leg_px:
        return None
    x, y = ever.mean(axis=0)
    height = float(np.median([height for _, height in rises]))
    return Lift(asked, float(x), float(y), height, rest.leg_px)


def gone(one: Look, rest: Stand) -> bool:
    """Whether a spot is no longer where it rested: a foot is off the ground, or hidden."""
    return not all(_near(one, place, STAYS * rest.leg_px) for place in rest.places)


def mirrored(left: Lift, right: Lift) -> bool | None:
    """Whether the upright picture shows left on the right; None when it was the same heel twice."""
    apart = right.x_px - left.x_px
    return None if abs(apart) < _APART * left.leg_px else apart < 0


def _under(one: Look, middle: F64, span: float, aside: float = 0.3) -> tuple[F64, F64]:
    """The spots where feet can be, (k, 2), and how far (px) each is below the pelvis's middle.

    aside : how far to the side, as a share of that; a lifted foot before a rolled camera is further out.
    """
    below = one.spots[:, 1] - middle[1]
    under = below > max(1.6 * span, 60.0 * one.height_px / 640.0)
    under &= np.abs(one.spots[:, 0] - middle[0]) < aside * below + 0.2 * span
    return one.spots[under], below[under]


def _rise(one: Look, rest: Stand) -> tuple[tuple[int, ...], float]:
    """Which places' spots are above them and not in them, and how high; () = none, or not to be told which foot."""
    reach = STAYS * rest.leg_px
    missing = [k for k, place in enumerate(rest.places) if not _near(one, place, reach)]
    foot = rest.places[missing]
    if not missing or len(missing) == len(rest.places) or np.ptp(foot, axis=0).max() > _FOOT * rest.leg_px:
        return (), math.nan
    x, y = foot.mean(axis=0)
    up = y - one.spots[:, 1]
    above = (up > RISES * rest.leg_px) & (up < 0.8 * rest.leg_px)
    above &= np.abs(one.spots[:, 0] - x) < np.maximum(_ASIDE * up, reach)
    for place in rest.places:
        above &= np.hypot(*(one.spots - place).T) > reach
    return (tuple(missing), float(up[above].min() / rest.leg_px)) if above.any() else ((), math.nan)


def _near(one: Look, place: F64, reach_px: float) -> bool:
    """Whether a spot is at this place."""
    return bool(len(one.spots)) and float(np.hypot(*(one.spots - place).T).min()) <= reach_px


def _late(looks: Sequence[Look]) -> list[Look] | None:
    """The pictures of the last `HELD_S`, but no fewer than four; None when there are too few to say anything."""
    if len(looks) < _LEAST_LOOKS or looks[-1].t_s - looks[0].t_s < HELD_S:
        return None
    late = [one for one in looks if one.t_s >= looks[-1].t_s - HELD_S - 1e-6]
    return late if len(late) >= _LEAST_LOOKS else list(looks[-_LEAST_LOOKS:])
