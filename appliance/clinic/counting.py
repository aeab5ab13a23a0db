"""The pelvis's angle or height, frame by frame, becomes repetitions and holds.

Seconds of the visit; degrees or pixels, whichever is fed. A repetition goes out by at least its range and comes back by
as much, either way first, and is counted at that moment: a shake that is smaller counts as nothing. A hold counts the
time within its limits, and stands still outside of them. What counts is the median of the last five figures, so that
one or two frames of a wrong dot are no repetition. Refuses nothing; NaN is no figure.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

GAP_S = 0.25
"""Between two figures; time over a longer gap is not held, and a way across it is no repetition."""
_MEDIAN = 5


class Done(NamedTuple):
    """One repetition or hold. way : from its highest to its lowest figure; held_s : within the limits."""

    began_s: float
    ended_s: float
    way: float
    held_s: float | None = None


class Steady:
    """The median of the last figures."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_MEDIAN)

    def feed(self, figure: float) -> float:
        """The median with this one; NaN until there are enough of them, and for NaN."""
        if figure != figure:
            return math.nan
        self._last.append(figure)
        return sorted(self._last)[_MEDIAN // 2] if len(self._last) == _MEDIAN else math.nan

    def forget(self) -> None:
        """Begins anew."""
        self._last.clear()


class Cycles:
    """Repetitions, by their turns."""

    def __init__(self, least: float) -> None:
        self._least = least
        self.forget()

    def forget(self) -> None:
        """Begins anew: what was half done is not done."""
        self._way = 0  # out is up (+1) or down (-1); 0 = nobody has gone anywhere yet
        self._out = False
        self._low = self._high = math.nan
        self._low_s = self._high_s = 0.0
        self._seen_s = -math.inf

    def feed(self, at_s: float, figure: float) -> Done | None:
        """Takes one figure in; the repetition that is complete with it."""
        if figure != figure:
            return None
        if at_s - self._seen_s > GAP_S:
            self.forget()
        self._seen_s = at_s
        if not self._way:
            self._leave(at_s, figure)
            return None
        return self._turn(at_s, figure * self._way)

    def _leave(self, at_s: float, figure: float) -> None:
        """Waits until somebody has gone out, whichever way that is."""
        if not self._low <= figure:
            self._low, self._low_s = figure, at_s
        if not self._high >= figure:
            self._high, self._high_s = figure, at_s
        if self._high - self._low >= self._least:
            self._way = 1 if self._high_s > self._low_s else -1
            if self._way < 0:
                self._low, self._high = -self._high, -self._low
                self._low_s, self._high_s = self._high_s, self._low_s
            self._out = True

    def _turn(self, at_s: float, figure: float) -> Done | None:
        """`figure` grows on the way out: from home, at `low`, to `high`, and back."""
        if not self._out:
            if figure < self._low:
                self._low, self._low_s = figure, at_s
            elif figure - self._low >= self._least:
                self._out, self._high = True, figure
            return None
        self._high = max(self._high, figure)
        if self._high - figure < self._least:
            return None
        done = Done(self._low_s, at_s, self._high - self._low)
        self._out, self._low, self._low_s = False, figure, at_s
        return done


class Hold:
    """One hold; it is done once, and the next one is another value. held_s : within the limits by now."""

    def __init__(self, wanted_s: float, held_s: float = 0.0) -> None:
        self._wanted_s, self.held_s = wanted_s, held_s
        self._began_s, self._within_s = math.nan, -math.inf
        self._low, self._high = math.inf, -math.inf

    def feed(self, at_s: float, figure: float, within: bool) -> Done | None:
        """Takes one figure in (NaN = none), and whether it is within the limits; the hold, when it is complete."""
        if not within:
            self._within_s = -math.inf
            return None
        if self._began_s != self._began_s:
            self._began_s = at_s
        if figure == figure:
            self._low, self._high = min(self._low, figure), max(self._high, figure)
        if at_s - self._within_s <= GAP_S:
            self.held_s += at_s - self._within_s
        self._within_s = at_s
        if self.held_s < self._wanted_s:
            return None
        return Done(self._began_s, at_s, max(self._high - self._low, 0.0), self.held_s)

    def loose(self) -> None:
        """Time that goes by from now on is not held, until the next figure within the limits."""
        self._within_s = -math.inf
