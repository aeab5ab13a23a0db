"""A visit's trace becomes the mean obliquity over a stride, with its spread, for the strides that each foot begins.

A stride goes from one foot's contact (0 %) to the same foot's next one (100 %). Degrees as in the trace: positive when
the runner's right side is higher; `drops_deg` turns the sign so that a drop in the first foot's stance is positive.
Works through the trace chunk by chunk and keeps only what a stride may still need. A stride counts when its first step
does and the other foot's step lies between; one with a hole of more than 50 ms in its trace is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.figures import usable
from appliance.records import F64, Side

POINTS = 101
"""0 to 100 % in whole steps."""

_LONGEST_S = 1.2
_HOLE_S = 0.05

Chunk = tuple[int, NDArray[np.void], NDArray[np.void]]
"""A span's number, and its frames as `TRACK` and as `TRACE`, as the store reads them."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Strides that one foot begins. mean_deg, sd_deg : at 0, 1, ... 100 % of the stride; empty without strides.

    off_percent : where the first foot's stance ends, on the average. left_out : strides with a hole in their trace.
    """

    first: Side
    strides: int = 0
    left_out: int = 0
    off_percent: float | None = None
    mean_deg: tuple[float, ...] = ()
    sd_deg: tuple[float, ...] = ()

    @property
    def drops_deg(self) -> tuple[float, ...]:
        """The mean with the sign of a drop: positive when the side that is lifted first is lower."""
        return self.mean_deg if self.first is Side.RIGHT else tuple(-value for value in self.mean_deg)


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """By the foot whose contact begins the stride."""

    left: Curve
    right: Curve


def stride_curve(
    steps: NDArray[np.void], chunks: Iterable[Chunk], chosen: NDArray[np.bool_] | None = None
) -> Curves:
    """The mean strides of a visit.

    steps : in the order of contact. chunks : in the order of time. chosen : which steps may begin a stride; None = all
    that are usable.
    """
    first = np.flatnonzero(_begins(steps, usable(steps) if chosen is None else chosen & usable(steps)))
    sums = {side: _Sum() for side in Side}
    begin_s, end_s = steps["contact_s"][first], steps["contact_s"][first + 2]
    off = (steps["off_s"][first] - begin_s) / (end_s - begin_s)
    right = steps["right"][first] == 1
    for which, rows in _strides(begin_s, end_s, chunks):
        for side, mine in ((Side.LEFT, ~right[which]), (Side.RIGHT, right[which])):
            sums[side].add(rows[mine], off[which][mine])
    return Curves(left=sums[Side.LEFT].curve(Side.LEFT), right=sums[Side.RIGHT].curve(Side.RIGHT))


def _begins(steps: NDArray[np.void], may: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which steps are followed by the other foot's and then by their own foot's next."""
    begins = np.zeros(len(steps), np.bool_)
    if len(steps) < 3:
        return begins
    side, span, contact_s = steps["right"], steps["span"], steps["contact_s"]
    alternate = (side[:-2] != side[1:-1]) & (side[:-2] == side[2:])
    together = (span[:-2] == span[2:]) & (contact_s[2:] - contact_s[:-2] < _LONGEST_S)
    begins[:-2] = alternate & together & may[:-2]
    return begins


def _strides(begin_s: F64, end_s: F64, chunks: Iterable[Chunk]) -> Iterator[tuple[NDArray[np.intp], F64]]:
    """Strides as soon as their last frame is there: which ones, and their obliquity at each percent; NaN = a hole."""
    t_s, tilt_deg, done = np.empty(0), np.empty(0), 0
    for _, _, trace in chunks:
        seen = np.isfinite(trace["obliquity_deg"])
        t_s = np.concatenate((t_s, trace["t_s"][seen]))
        tilt_deg = np.concatenate((tilt_deg, trace["obliquity_deg"][seen]))
        if not len(t_s):
            continue
        ready = int(np.searchsorted(end_s, t_s[-1], side="right"))
        if ready > done:
            which = np.arange(done, ready)
            yield which, _sampled(begin_s[which], end_s[which], t_s, tilt_deg)
            done = ready
        if done < len(begin_s):
            keep = max(0, int(np.searchsorted(t_s, begin_s[done])) - 1)
            t_s, tilt_deg = t_s[keep:], tilt_deg[keep:]
        else:
            return
    if done < len(begin_s):  # the trace ends before the steps do
        yield np.arange(done, len(begin_s)), np.full((len(begin_s) - done, POINTS), np.nan)


def _sampled(begin_s: F64, end_s: F64, t_s: F64, tilt_deg: F64) -> F64:
    at_s = begin_s[:, None] + np.linspace(0.0, 1.0, POINTS) * (end_s - begin_s)[:, None]
    after = np.clip(np.searchsorted(t_s, at_s), 1, max(1, len(t_s) - 1))
    inside = (at_s >= t_s[0]) & (at_s <= t_s[-1])
    near = inside & (np.diff(t_s, append=np.inf)[after - 1] <= _HOLE_S)
    rows: F64 = np.interp(at_s, t_s, tilt_deg)
    rows[~near.all(axis=1)] = np.nan
    return rows


class _Sum:
    """Strides added up: how many, their sums and sums of squares at each percent."""

    def __init__(self) -> None:
        self.strides = self.left_out = 0
        self.off = 0.0
        self.total, self.squares = np.zeros(POINTS), np.zeros(POINTS)

    def add(self, rows: F64, off: F64) -> None:
        whole = np.isfinite(rows[:, 0])
        self.strides += int(whole.sum())
        self.left_out += int((~whole).sum())
        self.off += float(off[whole].sum())
        self.total += rows[whole].sum(axis=0)
        self.squares += (rows[whole] ** 2).sum(axis=0)

    def curve(self, first: Side) -> Curve:
        n = self.strides
        if not n:
            return Curve(first=first, left_out=self.left_out)
        mean = self.total / n
        spread = np.sqrt(np.maximum(0.0, self.squares - n * mean**2) / (n - 1)) if n > 1 else None
        return Curve(
            first=first,
            strides=n,
            left_out=self.left_out,
            off_percent=100.0 * self.off / n,
            mean_deg=tuple(mean.tolist()),
            sd_deg=() if spread is None else tuple(spread.tolist()),
        )
