"""Writes that fail become decisions: log once, open again now and then, give up in the end. Pure: time is an argument.

Seconds on any monotonic clock. An outage begins with the first write that fails and ends when none has failed for half
a second, so that a bus that fails now and then is one outage in the log and not sixty a second. The strip is lost when
no write has worked for two seconds. Where a write that works proves nothing (a network reports a lost packet only with
a later one), the two seconds run from the beginning of the outage.
"""

from __future__ import annotations

RETRY_S = 0.25
"""The device is opened again at most so often."""

STEADY_S = 0.5
"""An outage is over when no write has failed for so long."""

LOST_S = 2.0
"""Without a write that worked for so long, the strip is lost."""


class Outage:
    """What is known of the writes so far; `faults` counts all frames that did not reach the strip.

    `proven` : a write that works has reached the strip.
    """

    def __init__(self, *, proven: bool = True) -> None:
        self.faults, self._proven = 0, proven
        self._end()

    def _end(self) -> None:
        self._frames = 0  # that did not reach the strip in this outage
        self._began_s = self._failed_s = self._silent_s = float("inf")
        self._tried_s = float("-inf")
        self._resumed_s: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether writes are failing, or were just now."""
        return self._frames > 0

    def failed(self, now_s: float) -> bool:
        """Counts a frame that did not reach the strip; whether it is the first of its outage."""
        first = not self.lasts
        if first:
            self._began_s = self._tried_s = now_s
        self._failed_s, self._resumed_s = now_s, None
        self._silent_s = min(self._silent_s, now_s)
        self.faults += 1
        self._frames += 1
        return first

    def worked(self, now_s: float) -> tuple[float, int] | None:
        """Notes a write that worked: seconds and frames that the outage took when it is over now, else None."""
        if not self.lasts:
            return None
        if self._resumed_s is None:
            self._resumed_s = now_s
        if self._proven:
            self._silent_s = float("inf")
        if now_s - self._failed_s < STEADY_S:
            return None
        took = self._resumed_s - self._began_s, self._frames
        self._end()
        return took

    def may_open(self, now_s: float) -> bool:
        """Whether to open the device again before this write; being told yes counts as an attempt."""
        due = self.lasts and self._resumed_s is None and now_s - self._tried_s >= RETRY_S
        self._tried_s = now_s if due else self._tried_s
        return due

    def lost(self, now_s: float) -> bool:
        """Whether the strip has to be given up."""
        return now_s - self._silent_s >= LOST_S
