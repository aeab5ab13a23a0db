"""Orders that may take seconds become awaited results: one thread does them, one at a time, in the order they came.

Nothing here is ever waited for by the loop that measures. Refuses more than a few orders at once, and gives up waiting
for one that hangs: it goes on, and whoever asked is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from appliance.errors import HipbarError, ServiceDown

T = TypeVar("T")
LONGEST_S = 15.0
"""A camera that is opened anew, and closed again because the new settings do not do."""

MOST = 24
_log = logging.getLogger("hipbar.desk")
_Job = tuple[Callable[[], Any], "asyncio.Future[Any] | None"]


class Clerk:
    """One worker, from when it is made until `close`; made inside the event loop that it answers to."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="clerk", daemon=True)
        self._thread.start()

    async def do(self, act: Callable[[], T]) -> T:
        """What `act` returns or raises; a defect is logged and raised as a `HipbarError`."""
        if self._jobs.qsize() >= MOST:
            raise ServiceDown("the station has too many orders to do", fix="ask again in some seconds")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((act, future))
        try:
            async with asyncio.timeout(LONGEST_S):
                return await future
        except TimeoutError:
            raise ServiceDown(
                f"the station has not done it within {LONGEST_S:g} s", fix="`hipbar status` says what hangs"
            ) from None

    def leave(self, act: Callable[[], Any]) -> None:
        """To be done when it is its turn; nobody waits for it."""
        self._jobs.put((act, None))

    def close(self) -> None:
        """Ends after what is there; waits for nothing."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            act, future = job
            result: Any = None
            error: Exception | None = None
            try:
                result = act()
            except HipbarError as refused:
                error = refused
            except Exception:
                _log.exception("an order over the control link failed")
                error = HipbarError("the station could not do that", fix="`hipbar logs` says why")
            if future is not None:
                with contextlib.suppress(RuntimeError):  # the event loop has ended
                    self._loop.call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
