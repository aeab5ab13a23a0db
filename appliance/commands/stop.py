"""Ctrl-C, SIGTERM, a terminal that is closed and a time limit become one question that a loop asks: whether to stop.

A SIGHUP that whoever started the program had ignored (nohup) stays ignored.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType


class Stopped(BaseException):
    """The way out of something long that does not ask; like `KeyboardInterrupt`, nobody catches it by accident."""


class Stop:
    """Whether to stop: asked by a signal, or time is up. Inside `at_once` a signal does not wait to be asked about."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._until_s = float("inf")
        self._asked = False
        self._at_once = False

    def __call__(self) -> bool:
        """Whether to stop now."""
        return self._asked or time.monotonic() >= self._until_s

    def begin(self, more_s: float = 0.0) -> None:
        """The time limit, and so many seconds more, counts from here."""
        if self._seconds is not None:
            self._until_s = time.monotonic() + self._seconds + more_s

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Takes SIGINT, SIGTERM and SIGHUP for as long as it lasts."""
        taken = [signal.SIGINT, signal.SIGTERM]
        taken += [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
        before = {s: signal.signal(s, self._hear) for s in taken}
        try:
            with contextlib.suppress(Stopped):
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """What is done here may be broken off anywhere; a signal from before counts too."""
        self._at_once = True
        try:
            if self._asked:
                raise Stopped
            yield
        finally:
            self._at_once = False

    def pause(self, seconds: float) -> None:
        """Waits, unless a signal came or comes; the error that is on its way then goes on."""
        with contextlib.suppress(Stopped), self.at_once():
            time.sleep(seconds)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._at_once:
            raise Stopped
