"""Keypoints become moments and steps: levelled, timed by their rows, and read by the gait kernel.

Obliquity is positive when the runner's right side is higher; a drop is positive when the swing side is lower. Times
are the source's own. One frame or ten thousand at a time give the same figures, bit for bit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from appliance.config import Settings
from appliance.kernels import gait, lens
from appliance.motion.plane import optics_of
from appliance.records import F64, MOMENT, STALE_S, Asymmetry, Side, Step

_LEVEL_SHARE = 0.3
"""Share of free fall at whose crossing the pelvis counts as loaded, and as leaving."""
_CONTACT_SHARE, _OFF_SHARE = 0.147, 0.216
"""Contact and off lie so much of the crossings' distance before and after them (docs/signals.md: on what data)."""
_HALF_S = 0.033
"""Half-width of the parabola behind the pelvis's acceleration."""
_SETTLE_S = 0.03
"""A step is told so long after its off, when the frames behind its figures are there."""
_NOT_YET = (
    "seen_s",
    "up_s",
    "down_s",
    "open_contact_s",
    "open_off_s",
    "contact_s",
    "off_s",
    "told_s",
    "last_a_s",
)


class Motion:
    """One runner's motion; fed in the order of time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._steps = settings.motion.steps
        self._size: tuple[int, int] | None = None
        self._memo = np.zeros(gait.SIZE, gait.MEMO)
        self._state = np.zeros(1, gait.STATE)
        self._past = np.zeros(2, gait.PAST)
        self._events = np.zeros(64, gait.STEP)
        self._rules = np.zeros(1, gait.RULES)
        self._optics = np.zeros(1, lens.OPTICS)
        self._was = np.full((4, 3), np.nan)
        self._one = np.empty((1, 4, 2)), np.empty(1)  # room for a live frame
        for name in _NOT_YET:
            self._state[name] = np.nan

    def open(self, width_px: int, height_px: int) -> None:
        """The sensor's picture size, before the first frame."""
        self._size = width_px, height_px
        camera, motion = self._settings.camera, self._settings.motion
        upright_px = width_px if camera.rotate_deg in (90, 270) else height_px
        self._rules[0] = (
            motion.zero_deg, motion.smooth_ms / 1e3, self._settings.feedback.predict_ms / 1e3, motion.steps,
            upright_px / 640.0, STALE_S, _LEVEL_SHARE, _CONTACT_SHARE, _OFF_SHARE, _HALF_S, _SETTLE_S,
        )  # fmt: skip
        self._optics = optics_of(camera, self._settings.lens, width_px, height_px)

    def adopt(self, settings: Settings) -> None:
        """Other rules from the next frame on; what is known of the runner stays. Mount, lens and zero are the same."""
        self._settings, self._steps = settings, settings.motion.steps
        if self._size:
            self.open(*self._size)

    def advance(self, t_s: F64, xy_px: F64, row_s: float) -> tuple[NDArray[np.void], tuple[Step, ...]]:
        """Take frames in.

        t_s : (n,) mid-exposure of the first sensor row. xy_px : (n, 4, 2) sensor pixels, rows as `MARKS`.
        row_s : seconds from one sensor row to the next. Returns a `MOMENT` a frame, and the steps decided in them.
        """
        n = len(t_s)
        plane, at_s = self._one if n == 1 else (np.empty((n, 4, 2)), np.empty(n))
        moments = np.empty(n, MOMENT)
        if len(self._events) < n // 8:
            self._events = np.zeros(n // 8, gait.STEP)
        lens.place(t_s, xy_px, row_s, self._optics, self._was, plane, at_s)
        told = gait.advance(
            at_s, plane, n, self._memo, self._state, self._past, self._rules, moments, self._events
        )
        return moments, tuple(_step(self._events[i]) for i in range(told)) if told else ()

    def asymmetry(self) -> Asymmetry | None:
        """The comparison of the sides over the last steps; None before the first step."""
        left, right = self._last(0), self._last(1)
        if not len(left) + len(right):
            return None
        means = [float(np.mean(s)) if len(s) else math.nan for s in (left, right)]
        spread = [float(np.std(s, ddof=1)) if len(s) > 1 else math.nan for s in (left, right)]
        told_s = float(self._state["told_s"][0])
        return Asymmetry(
            told_s, means[1] - means[0], means[0], means[1], spread[0], spread[1], len(left), len(right)
        )

    def _last(self, side: int) -> F64:
        """The last N peak drops of a side, oldest first."""
        count = int(self._past["count"][side])
        first = max(0, count - self._steps)
        return np.array([self._past["peak_deg"][side][k % gait.MEANS] for k in range(first, count)])


def _step(event: np.void) -> Step:
    """A kernel's row as the record that people read: NaN becomes None."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    peak, contact = known(event["peak_deg"]), known(event["contact_deg"])
    contact_s, off_s = float(event["contact_s"]), float(event["off_s"])
    return Step(
        stance=Side.LEFT if event["side"] < 0 else Side.RIGHT,
        contact_s=contact_s,
        off_s=off_s,
        midstance_s=(contact_s + off_s) / 2.0,
        peak_s=known(event["peak_s"]),
        peak_drop_deg=peak,
        contact_drop_deg=contact,
        midstance_drop_deg=known(event["mid_deg"]),
        excursion_deg=None if peak is None or contact is None else peak - contact,
        sway_px=known(event["sway_px"]),
        contact_time_s=off_s - contact_s,
        flight_s=known(event["flight_s"]),
        quality=float(event["quality"]),
        decided_s=float(event["decided_s"]),
    )
