"""Some seconds of somebody who stands still become their standing zero, or the reason why not.

Degrees; obliquity is positive when the right side is higher. The angles that come in have the old zero subtracted
already; the one that goes out is whole. Refuses those who move, walk, or are not seen, each with what to do.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.errors import CalibrationError
from appliance.records import F64, Posture

SPREAD_DEG = 0.3
"""Somebody who stands still sways by 0.1 to 0.2 deg; beyond this they do something else."""
DRIFT_DEG = 0.5
"""How far the angle may go from the beginning to the end; one slow sway of 0.2 deg looks like twice that much."""
WANDER = 0.05
"""How far the pelvis may go, as a share of its height over the heels: 4 to 5 cm, three times what standing takes."""
WANDER_SPAN = 0.4
"""The same as a share of the distance between the two dots, where no heels are seen."""
SEEN = 0.9
MOST_DEG = 20.0
"""As the range of motion.zero_deg: no way of wearing a plate gives more."""
_CROOKED_DEG = 6.0
_BLOCKS = 6
_LEAST_FRAMES = 30


class StandingZero(msgspec.Struct, frozen=True, kw_only=True):
    """A standing zero: `zero_deg` is what is to be subtracted from now on.

    spread_deg : standard deviation from frame to frame. drift_deg : from the beginning to the end, by a straight line.
    error_deg : standard error of the mean, from blocks of it, because neighbouring frames are alike.
    wander : how far the pelvis's middle went, as a share of its height over the heels (of the dots' distance without).
    """

    zero_deg: float
    change_deg: float
    spread_deg: float
    drift_deg: float
    error_deg: float
    wander: float
    wander_is_of: str
    seconds: float
    frames: int
    seen: float
    problems: tuple[str, ...] = ()


def standing_zero(
    t_s: F64, obliquity_deg: F64, posture: NDArray[np.int64], xy_px: F64, old_zero_deg: float
) -> StandingZero:
    """The zero of those frames. Raises `CalibrationError` when it would be none.

    t_s, obliquity_deg, posture : (n,). xy_px : (n, 4, 2), rows as `MARKS`, NaN = not seen.
    """
    seen = np.isfinite(obliquity_deg)
    _refuse_unseen(seen, posture)
    t, angle = t_s[seen], obliquity_deg[seen]
    mean, spread = float(angle.mean()), float(angle.std(ddof=1))
    slope = float(np.polyfit(t - t.mean(), angle, 1)[0])
    drift = slope * float(t[-1] - t[0])
    wander, of, allowed = _wander(xy_px)
    _refuse_moving(posture[seen], spread, drift, wander, of, allowed)
    blocks = np.array([float(block.mean()) for block in np.array_split(angle, _BLOCKS)])
    zero = old_zero_deg + mean
    if not abs(zero) <= MOST_DEG:
        raise CalibrationError(
            f"the line through the pelvis dots stands at {zero:+.1f} deg: no zero is so large",
            fix="put the plate on straight, or measure `hipbar calibrate level` first",
        )
    return StandingZero(
        zero_deg=zero,
        change_deg=mean,
        spread_deg=spread,
        drift_deg=drift,
        error_deg=float(blocks.std(ddof=1) / math.sqrt(_BLOCKS)),
        wander=wander,
        wander_is_of=of,
        seconds=float(t_s[-1] - t_s[0]),
        frames=int(seen.sum()),
        seen=float(seen.mean()),
        problems=_problems(zero),
    )


def _refuse_unseen(seen: NDArray[np.bool_], posture: NDArray[np.int64]) -> None:
    """Too few frames to say anything, or a pair that comes and goes."""
    share = float(seen.mean()) if len(seen) else 0.0
    if int(seen.sum()) < _LEAST_FRAMES or share < SEEN:
        raise CalibrationError(
            f"the pelvis dots were seen in {100 * share:.0f} % of {len(seen)} frames; {100 * SEEN:.0f} % are needed",
            fix="step into view with the back to the camera; `hipbar calibrate aim` and `light` say what hides dots",
        )


def _refuse_moving(
    posture: NDArray[np.int64], spread: float, drift: float, wander: float, of: str, allowed: float
) -> None:
    """Somebody who runs, walks, shifts their weight or turns: the first sign of it is told."""
    running = float(np.mean(posture == Posture.RUNNING))
    moving = float(np.mean(posture >= Posture.MOVING))
    if running > 0.1:
        what = "they run"
    elif spread > SPREAD_DEG:
        what = f"the angle goes to and fro by {spread:.2f} deg (sd; {SPREAD_DEG:g} is the most)"
    elif abs(drift) > DRIFT_DEG:
        what = f"the angle drifts by {drift:+.2f} deg ({DRIFT_DEG:g} is the most)"
    elif wander > allowed:
        what = f"the pelvis wanders by {100 * wander:.0f} % of {of} ({100 * allowed:.0f} % is the most)"
    elif moving > 0.5:
        what = "the pelvis goes up and down"
    else:
        return
    raise CalibrationError(
        f"they do not stand still: {what}",
        fix="feet level and hip-wide, weight on both, look ahead, and measure again",
    )


def _wander(xy_px: F64) -> tuple[float, str, float]:
    """How far the pair's middle went, what that is a share of, and how much of it is allowed."""
    middle = xy_px[:, :2].mean(axis=1)
    there = middle[np.isfinite(middle).all(axis=1)]
    if len(there) < _LEAST_FRAMES:
        return math.nan, "nothing", math.inf
    low, high = np.percentile(there, [2, 98], axis=0)
    way_px = float(np.hypot(*(high - low)))
    heels = xy_px[:, 2:].reshape(-1, 2)
    heels = heels[np.isfinite(heels).all(axis=1)]
    if len(heels) >= _LEAST_FRAMES:
        leg_px = float(np.hypot(*(np.median(heels, axis=0) - np.median(there, axis=0))))
        return way_px / leg_px, "the pelvis's height", WANDER
    across = xy_px[:, 1] - xy_px[:, 0]
    span_px = float(np.nanmedian(np.hypot(across[:, 0], across[:, 1])))
    return way_px / span_px, "the dots' distance", WANDER_SPAN


def _problems(zero_deg: float) -> tuple[str, ...]:
    """What is odd about a zero that can be used."""
    if abs(zero_deg) < _CROOKED_DEG:
        return ()
    return (
        f"{zero_deg:+.1f} deg is much for a zero: is the plate on straight, and the camera level"
        " (`hipbar calibrate level`)?",
    )
