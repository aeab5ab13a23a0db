"""A call that may hang becomes one that is waited for only as long as somebody has time: it runs in a thread aside.

A call that never returns keeps its thread (a daemon, so that the process can end), and whoever waited goes on without
it. Refuses nothing; what the call raises is raised to whoever asks for its result.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Aside(Generic[T]):
    """One call under way."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._ended = threading.Event()
        self._result: T
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="hipbar camera", daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # handed over to whoever asks for the result
            self._error = error
        self._ended.set()

    def ended(self, wait_s: float = 0.0) -> bool:
        """Whether it has returned or failed, waiting for that no longer than `wait_s`."""
        return self._ended.wait(wait_s)

    def result(self) -> T:
        """What the call returned; raises what it raised. Ask only when it has ended."""
        if self._error is not None:
            raise self._error
        return self._result


def within(wait_s: float, call: Callable[[], T]) -> T:
    """The call's result if it comes in time, else `TimeoutError`."""
    aside = Aside(call)
    if not aside.ended(wait_s):
        raise TimeoutError
    return aside.result()
