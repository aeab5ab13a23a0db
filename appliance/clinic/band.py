"""Steps and what was asked for become the share of steps on target.

Degrees. In `step` mode a step is on target when its peak drop is at most the target. In `asymmetry` and `box` mode it
is when the difference of the sides' means over their last `LEAST_STEPS` steps, this one included, is within the band:
what the bar shows for level. While the bar is dark, what was asked last counts on; before the first light, what will
be asked first, so that a baseline can be set beside the rest. `live` asks nothing of a step. NaN = nothing was asked.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import SpanRow, StretchRow
from appliance.clinic.terms import LEAST_STEPS
from appliance.records import F64

_MOVES = ("asymmetry", "box")


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """How many steps were on target, of those of which something was asked. percent : None when it was of none."""

    steps: int = 0
    of: int = 0
    percent: float | None = None


class Targets(msgspec.Struct, frozen=True):
    """What was asked at each step: a highest drop, or a widest difference; and how much that was. NaN = not that."""

    drop_deg: F64
    band_deg: F64
    moving_deg: F64


def targets(
    steps: NDArray[np.void], stretches: tuple[StretchRow, ...], spans: tuple[SpanRow, ...]
) -> Targets:
    """What was asked at each step."""
    asking = sorted((s for s in stretches if s.aim.mode in ("step", *_MOVES)), key=lambda s: s.began_s)
    nothing = np.full(len(steps), np.nan)
    if not asking:
        return Targets(nothing, nothing, nothing)
    drops, bands = np.array([_asked(stretch, spans) for stretch in asking]).T
    which = np.searchsorted([s.began_s for s in asking], steps["contact_s"], side="right") - 1
    which = np.maximum(which, 0)
    return Targets(drops[which], bands[which], _moving(steps))


def within(steps: NDArray[np.void], kept: NDArray[np.bool_], asked: Targets) -> Within:
    """How many of the kept steps were on target. steps : all of the visit, in the order of contact."""
    good = (steps["peak_drop_deg"] <= asked.drop_deg) | (np.abs(asked.moving_deg) <= asked.band_deg)
    said = kept & np.isfinite(np.fmax(asked.drop_deg, asked.band_deg + np.abs(asked.moving_deg)))
    of, on = int(said.sum()), int((said & good).sum())
    return Within(steps=on, of=of, percent=100.0 * on / of if of else None)


def _asked(stretch: StretchRow, spans: tuple[SpanRow, ...]) -> tuple[float, float]:
    """Highest drop and widest difference; a target that the plan leaves open is that of the settings in force."""
    aim = stretch.aim
    if aim.mode == "step":
        return _or_setting(aim.target_deg, "target_deg", stretch, spans), np.nan
    return np.nan, _or_setting(aim.band_deg, "band_deg", stretch, spans)


def _or_setting(own: float | None, name: str, stretch: StretchRow, spans: tuple[SpanRow, ...]) -> float:
    if own is not None:
        return own
    before = [span for span in spans if span.at_s <= stretch.began_s] or list(spans[:1])
    if not before:
        return np.nan
    try:
        settings: Any = msgspec.json.decode(before[-1].settings)
        return float(settings["feedback"][name])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return np.nan


def _moving(steps: NDArray[np.void]) -> F64:
    """The difference of the sides' means over their last steps, after each step; NaN until both have enough."""
    drops, right = steps["peak_drop_deg"], steps["right"] == 1
    counts = np.isfinite(drops) & (steps["paused"] != 1)
    means = []
    for side in (right, ~right):
        mine = np.flatnonzero(side & counts)
        sums = np.cumsum(np.concatenate(([0.0], drops[mine])))
        mean = np.full(len(mine) + 1, np.nan)
        mean[LEAST_STEPS:] = (sums[LEAST_STEPS:] - sums[:-LEAST_STEPS]) / LEAST_STEPS
        means.append(mean[np.searchsorted(mine, np.arange(len(steps)), side="right")])
    moving: F64 = means[0] - means[1]
    return moving
