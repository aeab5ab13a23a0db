"""Frames that could come at once become frames that come when they would: the pace of a live source.

Source seconds count from the first frame asked for; the clock that stamps and is read is the machine's monotonic one,
run `speed` times as fast from then on. Nobody is kept waiting for longer than `LONGEST_WAIT_S`.
"""

from __future__ import annotations

import time

from hw.camera import LONGEST_WAIT_S

_MARGIN_S = 0.005


class Pace:
    """The clock of a source that is played in real time."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._start_s = time.monotonic()

    def stamp_s(self, source_s: float) -> float:
        """A source time on the clock."""
        return self._start_s + source_s

    def now_s(self) -> float:
        """The clock."""
        return self._start_s + self.source_s()

    def source_s(self) -> float:
        """Now, in source seconds."""
        return (time.monotonic() - self._start_s) * self._speed

    def wait(self, due_s: float) -> bool:
        """Sleep until the source second `due_s`, but no longer than a reader may wait; True when it has come."""
        left_s = (due_s - self.source_s()) / self._speed
        if left_s > 0:
            time.sleep(min(left_s, LONGEST_WAIT_S - _MARGIN_S))
        return left_s <= LONGEST_WAIT_S - _MARGIN_S
