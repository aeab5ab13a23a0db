"""What other threads want of the loop's becomes done there, between two frames, or at once where no loop runs.

Refuses nothing itself: what an act raises is raised to who wanted it; a loop that does not answer is a `VisitError`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from appliance.errors import HipbarError, VisitError

_ANSWER_S = 3.0


class _Wish:
    def __init__(self, act: Callable[[], None]) -> None:
        self._act, self._done = act, threading.Event()
        self._taken = threading.Lock()
        self._error: HipbarError | None = None

    def run(self) -> None:
        if not self._taken.acquire(blocking=False):
            return  # whoever wanted it has given up
        try:
            self._act()
        except HipbarError as error:
            self._error = error
        self._done.set()

    def wait(self) -> None:
        if not self._done.wait(_ANSWER_S) and self._taken.acquire(blocking=False):
            raise VisitError("the loop does not answer", fix="`hipbar status` says how the station is")
        self._done.wait()
        if self._error:
            raise self._error


class Wishes:
    """Acts on what belongs to the loop's thread, one after the other."""

    def __init__(self) -> None:
        self._lock, self._waiting = threading.Lock(), deque[_Wish]()
        self._looped = False

    def entered(self, act: Callable[[], None]) -> None:
        """A loop begins, with this act of its own: from now on wishes wait for its turns."""
        with self._lock:
            self._looped = True
            act()

    def left(self, act: Callable[[], None]) -> None:
        """The loop has ended: what waits is done now, by this thread."""
        with self._lock:
            self._looped = False
            act()
            self._run()

    def turn(self) -> None:
        """Between two frames; costs nothing while nobody wants anything."""
        if self._waiting:
            with self._lock:
                self._run()

    def ask(self, act: Callable[[], None]) -> None:
        """Has it done, and waits until it is; raises what it raised."""
        wish = _Wish(act)
        with self._lock:
            self._waiting.append(wish)
            if not self._looped:
                self._run()
        wish.wait()

    def _run(self) -> None:
        while self._waiting:
            self._waiting.popleft().run()
