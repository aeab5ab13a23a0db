"""Warnings and errors in the log become the last faults of the status: when, what, and what to do.

Times are seconds on the monotonic clock. Says of itself nothing, and keeps no more than eight.
"""

from __future__ import annotations

import collections
import logging
import time

from appliance.station.told import Fault

MOST = 8
_LONGEST = 300


class Faults(logging.Handler):
    """Listens to everything of ours that is at least a warning; a fault that comes again moves to the front."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last: collections.deque[Fault] = collections.deque(maxlen=MOST)

    def emit(self, record: logging.LogRecord) -> None:
        """Notes one."""
        words = " ".join(record.getMessage().split())[:_LONGEST]
        what, _, fix = words.partition("; ")
        known = [fault for fault in self._last if fault.what != what]
        self._last = collections.deque([Fault(at_s=time.monotonic(), what=what, fix=fix), *known], MOST)

    def last(self) -> tuple[Fault, ...]:
        """The newest first."""
        return tuple(self._last)
