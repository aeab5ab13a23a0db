"""Writes that fail become decisions: log once, open again now and then, give up in the end. Pure: time is an argument.

Seconds on any monotonic clock. An outage begins with the first write that fails and ends with the first that works and
is followed by none that fails for `steady_s` (a network reports a lost packet only with a later one).
"""

from __future__ import annotations

RETRY_S = 0.25
"""The device is opened again at most so often."""

LOST_S = 2.0
"""An outage of this length means that the strip is lost."""


class Outage:
    """What is known of the writes so far; `faults` counts all frames that did not reach the strip."""

    def __init__(self, steady_s: float = 0.0) -> None:
        self.faults = 0
        self._steady_s = steady_s
        self._end()

    def _end(self) -> None:
        self._began_s = self._failed_s = float("inf")
        self._tried_s = float("-inf")
        self.lost_frames = 0
        """Frames that did not reach the strip in this outage."""

    @property
    def lasts(self) -> bool:
        """Whether writes are failing now."""
        return self.lost_frames > 0

    def failed(self, now_s: float) -> bool:
        """Counts a frame that did not reach the strip; whether it is the first of its outage."""
        first = not self.lasts
        if first:
            self._began_s, self._tried_s = now_s, now_s
        self._failed_s = now_s
        self.faults += 1
        self.lost_frames += 1
        return first

    def worked(self, now_s: float) -> tuple[float, int] | None:
        """Notes a write that worked: seconds and frames that the outage took when it ends here, else None."""
        if not self.lasts or now_s - self._failed_s < self._steady_s:
            return None
        took = now_s - self._began_s, self.lost_frames
        self._end()
        return took

    def may_open(self, now_s: float) -> bool:
        """Whether to open the device again now; asking and being told yes counts as an attempt."""
        due = self.lasts and now_s - self._tried_s >= RETRY_S
        self._tried_s = now_s if due else self._tried_s
        return due

    def lost(self, now_s: float) -> bool:
        """Whether the strip has to be given up."""
        return now_s - self._began_s >= LOST_S
