"""Silence becomes a decision: wait, start the stream anew once, or give the camera up. Pure; time is an argument.

Seconds of one clock. A stream that has just been opened may take `FIRST_S` to its first frame; from then on `RESTART_S`
of silence are borne, then one restart, then `LOST_S` more. An unplugged device is looked for every `LOOK_S`, for
`ABSENT_S`. Whoever waits is told "nothing yet" every 50 ms all the while, so that stale light never stays on.
"""

from __future__ import annotations

from enum import Enum

FIRST_S = 2.0
RESTART_S = 1.0
LOST_S = 1.5
LOOK_S = 0.25
ABSENT_S = 30.0


class Verdict(Enum):
    """What to do about silence."""

    WAIT = "wait"
    RESTART = "restart"
    LOST = "lost"


class Patience:
    """How long one stream has been silent, and what that calls for."""

    def __init__(self, now_s: float) -> None:
        self.opened(now_s)

    def opened(self, now_s: float) -> None:
        """A device was opened: its first frame may take a moment."""
        self._since_s = now_s
        self._bears_s = FIRST_S
        self._restarted = False

    def heard(self, now_s: float) -> float:
        """A frame has come; for how long there had been none."""
        silent_s = self.silent_s(now_s)
        self._since_s, self._bears_s, self._restarted = now_s, RESTART_S, False
        return silent_s

    def silent_s(self, now_s: float) -> float:
        """For how long nothing has come."""
        return now_s - self._since_s

    def verdict(self, now_s: float) -> Verdict:
        """What the silence calls for now; a restart is called for once, and then counts as done."""
        if self.silent_s(now_s) < self._bears_s:
            return Verdict.WAIT
        if self._restarted:
            return Verdict.LOST
        self._restarted = True
        self._bears_s = self.silent_s(now_s) + LOST_S
        return Verdict.RESTART


class Absence:
    """When to look for an unplugged device again, and when to stop looking.

    `since_s` : since when it has been away, if that is longer than since `now_s`.
    """

    def __init__(self, now_s: float, since_s: float | None = None) -> None:
        self._since_s = now_s if since_s is None else since_s
        self._looked_s = now_s

    def lasted_s(self, now_s: float) -> float:
        """For how long the device has been away."""
        return now_s - self._since_s

    def over(self, now_s: float) -> bool:
        """Whether it has been away for too long."""
        return self.lasted_s(now_s) >= ABSENT_S

    def due(self, now_s: float) -> bool:
        """Whether to look for it now; looking counts as done then."""
        if now_s - self._looked_s < LOOK_S:
            return False
        self._looked_s = now_s
        return True
