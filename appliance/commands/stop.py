"""Ctrl-C, SIGTERM and a time limit become one question that a loop asks: whether to stop."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType


class Stopped(Exception):  # noqa: N818  (not an error: the way out of the warm-up)
    """Asked to stop before the loop was running."""


class Stop:
    """Whether to stop: asked by a signal, or time is up. Outside the loop a signal ends things at once."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._until_s = float("inf")
        self._asked = False
        self._looping = False

    def __call__(self) -> bool:
        """Whether to stop now."""
        return self._asked or time.monotonic() >= self._until_s

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Takes SIGINT and SIGTERM for as long as it lasts."""
        before = {s: signal.signal(s, self._hear) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def looping(self, more_s: float = 0.0) -> Iterator[None]:
        """The loop runs and asks; the time limit, and so many seconds more, counts from here."""
        self._looping = True
        if self._seconds is not None:
            self._until_s = time.monotonic() + self._seconds + more_s
        try:
            yield
        finally:
            self._looping = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if not self._looping:
            raise Stopped
