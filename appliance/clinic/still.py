"""Frames of somebody who stands still become how long they have, unbroken, and their standing zero at its end.

Degrees and seconds; the limits are those of the calibration's own standing zero. What breaks the stillness is forgotten
from its front, so that the time told is always that of the last unbroken stretch. Refuses drifts and crooked plates,
with words for the runner's helper.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from appliance.records import Posture

SPREAD_DEG = 0.3
"""Standard deviation of somebody who stands; beyond this they do something else."""
DRIFT_DEG = 0.5
"""How far the angle may go from the beginning to the end, by a straight line."""
MOST_DEG = 20.0
"""As the range of motion.zero_deg."""

_GAP_S = 0.25
"""Unseen for so long, and the time begins anew."""
_LEAST_FRAMES = 30


class Stood(NamedTuple):
    """The mean of a still stretch, to be added to the zero in force; `why` it is none, in words, or ""."""

    mean_deg: float
    spread_deg: float
    seconds: float
    why: str = ""


class Stillness:
    """The last unbroken stretch; fed in the order of time."""

    def __init__(self) -> None:
        self._frames: deque[tuple[float, float, bool]] = deque()
        self._sum = self._squares = 0.0
        self._moving = 0

    @property
    def seconds(self) -> float:
        """How long they have stood still by now."""
        return self._frames[-1][0] - self._frames[0][0] if self._frames else 0.0

    def forget(self) -> None:
        """Begins anew."""
        self._frames.clear()
        self._sum = self._squares = 0.0
        self._moving = 0

    def feed(self, at_s: float, obliquity_deg: float, posture: int) -> None:
        """Takes one frame in; an unseen one only lets time go by."""
        if self._frames and at_s - self._frames[-1][0] > _GAP_S:
            self.forget()
        if posture == Posture.RUNNING:
            self.forget()
        elif obliquity_deg == obliquity_deg:
            self._add((at_s, obliquity_deg, posture != Posture.STANDING), 1)
            self._frames.append((at_s, obliquity_deg, posture != Posture.STANDING))
            while len(self._frames) >= _LEAST_FRAMES and self._broken():
                self._add(self._frames.popleft(), -1)

    def stood(self, zero_deg: float) -> Stood:
        """What the stretch gives, with the zero that its angles have subtracted; begins anew when it is refused."""
        t_s, angle = np.array([frame[:2] for frame in self._frames]).T
        mean, spread = float(angle.mean()), float(angle.std(ddof=1))
        slope = float(np.polyfit(t_s - t_s.mean(), angle, 1)[0])
        drift, seconds = slope * self.seconds, self.seconds
        why = ""
        if abs(drift) > DRIFT_DEG:
            why = f"the angle drifts by {drift:+.1f} deg: weight on both feet, look ahead"
        elif not abs(zero_deg + mean) <= MOST_DEG:
            why = f"the pelvis line stands at {zero_deg + mean:+.1f} deg: put the plate on straight"
        if why:
            self.forget()
        return Stood(mean, spread, seconds, why)

    def _add(self, frame: tuple[float, float, bool], sign: int) -> None:
        self._sum += sign * frame[1]
        self._squares += sign * frame[1] * frame[1]
        self._moving += sign * frame[2]

    def _broken(self) -> bool:
        n = len(self._frames)
        variance = (self._squares - self._sum * self._sum / n) / (n - 1)
        return math.sqrt(max(variance, 0.0)) > SPREAD_DEG or 2 * self._moving > n
