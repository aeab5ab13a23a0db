"""Frames, steps and delays become the summary that every command ends with; its memory does not grow.

Degrees by stance side: a left-stance drop is the right hip dropping. The difference is right stance minus left stance,
as everywhere. Refuses to give a figure that was not measured: it is None.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from appliance.records import F64, Side, Step
from appliance.station.books import Chunk

_BOUT_GAP_S = 1.0  # a longer pause between contacts is another bout: it says nothing about cadence
_FINEST_S, _RATIO, _BINS = 1e-7, 1.01, 1900  # delays from 0.1 us to 16 s, told apart by 1 %


class Stance(msgspec.Struct, frozen=True):
    """One stance side's peak drops over all steps; `drops` names the hip that is low in it."""

    drops: str
    steps: int
    peak_drop_deg: float | None
    sd_deg: float | None


class Summary(msgspec.Struct, frozen=True):
    """What a source brought, from its first frame to its last."""

    frames: int
    lost_frames: int
    duration_s: float
    pair_seen: float
    sides_sure: float
    left_stance: Stance
    right_stance: Stance
    asymmetry_deg: float | None
    cadence_spm: float | None
    guard_acts: int
    zero_deg: float


class _Spread:
    """Count, mean and standard deviation of figures that come one by one (Welford's recurrence)."""

    def __init__(self) -> None:
        self.n = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, value: float) -> None:
        self.n += 1
        away = value - self.mean
        self.mean += away / self.n
        self._squares += away * (value - self.mean)

    @property
    def sd(self) -> float | None:
        return math.sqrt(self._squares / (self.n - 1)) if self.n > 1 else None


class Delays:
    """Delays in seconds, kept as a histogram with 1 % steps."""

    def __init__(self) -> None:
        self._bins = np.zeros(_BINS, np.int64)

    def add(self, delay_s: float) -> None:
        """Notes one delay."""
        place = int(math.log(max(delay_s, _FINEST_S) / _FINEST_S) / math.log(_RATIO))
        self._bins[min(place, _BINS - 1)] += 1

    def quantile_us(self, share: float) -> float | None:
        """The delay that `share` of all delays stay below, in microseconds; None without any."""
        total = int(self._bins.sum())
        if not total:
            return None
        place = int(np.searchsorted(np.cumsum(self._bins), share * total))
        return round(_FINEST_S * math.exp((min(place, _BINS - 1) + 0.5) * math.log(_RATIO)) * 1e6, 2)


class Tally:
    """A book that keeps sums only. `rate_hz` is the source's; without it the first frames tell it."""

    def __init__(self, zero_deg: float, rate_hz: float | None = None) -> None:
        self._zero_deg = zero_deg
        self._interval_s = 1 / rate_hz if rate_hz else math.nan
        self._frames = self._lost = self._seen = self._sure = self._running = 0
        self._first_s = self._last_s = math.nan
        self._drops = {Side.LEFT: _Spread(), Side.RIGHT: _Spread()}
        self._steps = {Side.LEFT: 0, Side.RIGHT: 0}
        self._intervals = _Spread()
        self._last_step: Step | None = None

    @property
    def frames(self) -> int:
        """How many frames so far."""
        return self._frames

    @property
    def pair_frames(self) -> int:
        """In how many of them the pelvis pair was seen."""
        return self._seen

    def keep(self, chunk: Chunk) -> None:
        """Adds a chunk's frames and steps."""
        times = chunk.track["t_s"]
        self._count_lost(times)
        if not self._frames:
            self._first_s = float(times[0])
        self._last_s = float(times[-1])
        self._frames += len(times)
        self._seen += int(np.isfinite(chunk.moments["obliquity_deg"]).sum())
        self._sure += int((chunk.moments["sides_sure"] == 1).sum())
        for step in chunk.steps:
            self._count_step(step)

    def close(self) -> None:
        """Nothing to end: a tally can be asked at any time."""

    def summary(self, guard_acts: int) -> Summary:
        """All figures so far."""
        left, right = self._stance(Side.LEFT), self._stance(Side.RIGHT)
        both = left.peak_drop_deg is not None and right.peak_drop_deg is not None
        return Summary(
            frames=self._frames,
            lost_frames=self._lost,
            duration_s=self._last_s - self._first_s if self._frames else 0.0,
            pair_seen=self._seen / max(1, self._frames),
            sides_sure=self._sure / max(1, self._frames),
            left_stance=left,
            right_stance=right,
            asymmetry_deg=self._drops[Side.RIGHT].mean - self._drops[Side.LEFT].mean if both else None,
            cadence_spm=60 / self._intervals.mean if self._intervals.n else None,
            guard_acts=guard_acts,
            zero_deg=self._zero_deg,
        )

    def _count_lost(self, times: F64) -> None:
        gaps = np.diff(times, prepend=self._last_s) if self._frames else np.diff(times)
        if math.isnan(self._interval_s) and len(gaps):
            self._interval_s = float(np.median(gaps))
        if self._interval_s > 0:
            self._lost += int(np.maximum(0, np.rint(gaps / self._interval_s) - 1).sum())

    def _count_step(self, step: Step) -> None:
        self._steps[step.stance] += 1
        if step.peak_drop_deg is not None and math.isfinite(step.peak_drop_deg):
            self._drops[step.stance].add(step.peak_drop_deg)
        last, self._last_step = self._last_step, step
        if last and last.stance is not step.stance and step.contact_s - last.contact_s < _BOUT_GAP_S:
            self._intervals.add(step.contact_s - last.contact_s)

    def _stance(self, side: Side) -> Stance:
        drops = self._drops[side]
        hip = Side.RIGHT if side is Side.LEFT else Side.LEFT
        return Stance(hip.value, self._steps[side], drops.mean if drops.n else None, drops.sd)
