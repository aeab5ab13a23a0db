"""Somebody who moves becomes places of marks at any time: recorded, mirrored, or standing still first.

(n, K, 3) metres at (n,) seconds: x to the runner's right and y forward from the mean place of the pelvis pair, z up
from the floor. NaN = the mark was not seen by the laboratory. Time may run past a recording's end: the lap then goes on
at a place of the same stride phase, blended over the last 0.1 s before the seam. Before its start it stands still.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.records import F64
from hw.camera.trials import PAIRS, Trial

_BLEND_S = 0.1
_EXCHANGED = {"left": "right", "right": "left"}


class Actor(Protocol):
    """Marks that move."""

    @property
    def marks(self) -> tuple[str, ...]:
        """Names of the rows."""

    @property
    def standing(self) -> F64:
        """(K, 3) metres, standing still."""

    @property
    def end_s(self) -> float:
        """When the motion ends; infinity when it goes on for ever."""

    def at(self, t_s: F64) -> F64:
        """(n, K, 3) metres at each time."""


class Recorded:
    """A recorded trial played at any time.

    Between samples a cubic through the four nearest (Catmull-Rom): a straight line would miss a heel at 100 m/s^2 by
    0.5 mm half-way between two samples and break its speed at each of them.
    """

    def __init__(self, trial: Trial, pair: str, *, loop: bool) -> None:
        extra = tuple(m for m in ("plate_a", "plate_b") if m in trial.marks) if pair == "plate" else ()
        self.marks: tuple[str, ...] = (*PAIRS[pair], *extra, "left_heel", "right_heel")
        places = np.stack([trial.marks[m] for m in self.marks], axis=1)
        standing = np.stack([trial.standing[m] for m in self.marks])
        self._start_s = float(trial.t_s[0])
        self._rate_hz = (len(trial.t_s) - 1) / float(trial.t_s[-1] - trial.t_s[0])
        self.standing: F64 = standing - _centre(standing[None])
        places -= _centre(places)
        self._from, self._end, self.seam_m = (
            _lap(places, self._rate_hz) if loop else (0, len(places) - 1, 0.0)
        )
        self._places = _blended(places, self._from, self._end, self._rate_hz) if loop else places
        self.end_s = math.inf if loop else float(trial.t_s[-1])

    def at(self, t_s: F64) -> F64:
        """(n, K, 3) metres at each time."""
        x = np.maximum((t_s - self._start_s) * self._rate_hz, 0.0)
        if self._end < len(self._places) - 1:
            x = np.where(x < self._end, x, self._from + np.mod(x - self._end, self._end - self._from))
        i = np.clip(x.astype(np.int64), 0, len(self._places) - 2)
        f = np.minimum(x - i, 1.0)[:, None, None]
        p = self._places
        last = len(p) - 1
        a, b, c, d = p[np.maximum(i - 1, 0)], p[i], p[i + 1], p[np.minimum(i + 2, last)]
        return b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))


class Mirrored:
    """Somebody seen in a mirror: left is right, exactly."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self.marks: tuple[str, ...] = tuple(exchanged(m) for m in actor.marks)
        self.standing: F64 = actor.standing * _FLIP_X
        self.end_s: float = actor.end_s

    def at(self, t_s: F64) -> F64:
        """(n, K, 3) metres at each time."""
        return np.asarray(self._actor.at(t_s) * _FLIP_X)


class StandingFirst:
    """Somebody who stands still for so long, then glides into running within half a second (not a real start)."""

    GLIDE_S = 0.5

    def __init__(self, actor: Actor, stand_s: float) -> None:
        self._actor, self._stand_s = actor, stand_s
        self.marks: tuple[str, ...] = actor.marks
        self.standing: F64 = actor.standing
        self.end_s: float = actor.end_s + stand_s

    def at(self, t_s: F64) -> F64:
        """(n, K, 3) metres at each time."""
        moving = self._actor.at(t_s - self._stand_s)
        w = np.clip((t_s - self._stand_s) / self.GLIDE_S, 0.0, 1.0)[:, None, None]
        w = w * w * (3 - 2 * w)
        return np.asarray(np.where(w < 1.0, self.standing + w * (moving - self.standing), moving))


_FLIP_X = np.array([-1.0, 1.0, 1.0])


def exchanged(mark: str) -> str:
    """The mark of the other side; the mark itself when it has no side."""
    return "_".join(_EXCHANGED.get(word, word) for word in mark.split("_"))


def _centre(places: F64) -> F64:
    """Mean place of the pelvis pair, on the floor."""
    middle = np.nanmean(places[:, :2], axis=(0, 1))
    middle[2] = 0.0
    return np.asarray(middle)


def _lap(places: F64, rate_hz: float) -> tuple[int, int, float]:
    """Where to go on (sample), where to leave (sample), and how far apart the two are (RMS metres).

    The place of leaving is within the last 1.5 s, that of going on within the first 3 s: the pair whose next and last
    0.1 s are most alike, so that the stride's phase and speed carry over.
    """
    n, half = len(places), round(_BLEND_S * rate_hz)
    flat = np.nan_to_num(places.reshape(n, -1))
    windows: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(flat, 2 * half, axis=0)
    starts = np.arange(0, round(3 * rate_hz), 2)
    best = (0, n - 1, np.inf)
    for end in range(n - round(1.5 * rate_hz), n - half - 2, 2):
        off = np.mean((windows[starts] - windows[end - half]) ** 2, axis=(1, 2))
        k = int(np.argmin(off))
        if off[k] < best[2]:
            best = (int(starts[k]) + half, end, float(off[k]))
    return best[0], best[1], float(np.sqrt(best[2]))


def _blended(places: F64, start: int, end: int, rate_hz: float) -> F64:
    """The lap's last 0.1 s turned into what led up to the place where it goes on."""
    n = round(_BLEND_S * rate_hz)
    w = np.linspace(0.0, 1.0, n + 1)[1:, None, None]
    out = places.copy()
    tail = slice(end - n + 1, end + 1)
    out[tail] = (1 - w) * places[tail] + w * places[start - n + 1 : start + 1]
    out[end + 1 : end + 3] = places[start + 1 : start + 3]
    return out
