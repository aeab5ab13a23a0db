"""What the running visit hands over becomes commits on the disk, on a thread of its own, second by second.

`post` never waits. While the disk is slow, full or gone, items wait in their order and are tried again; a minute of
frames may wait, what comes after it is left out and counted, while steps and what happened are kept much longer.
Free room below the reserve takes steps and events, but no frames. Times in the visit's own seconds. `begin` and
`resume` refuse, with `OutputError`, `StoreError` or `VisitError`, what can't be kept.
"""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path

import msgspec

from appliance.clinic.terms import Show
from appliance.errors import HipbarError, OutputError
from appliance.store.clocks import Clocks, clocks_now
from appliance.store.items import Begin, Happened, Held, Item, Second
from appliance.store.notary import Entry, Notary, Resume, Settle
from appliance.store.opening import FILE

WAITING_S = 60
"""Seconds of frames that wait for the disk before any is left out."""

LONGEST_S = 7200
"""Seconds of steps that wait."""

AGAIN_S = 10.0
SLOW_S = 10.0
"""What has waited longer is told."""
_TOGETHER_S = 1.0  # what happened waits so long for the second that it belongs to: one commit less
_log = logging.getLogger("hipbar.store")


class Writer:
    """Keeps visits; one a store. reserve_mb : free room that frames never take, in 10^6 bytes. stamp : the clocks.

    `held` says what is surely on the disk; it is replaced whole, so any thread may read it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        reserve_mb: float,
        stamp: Callable[[], Clocks] = clocks_now,
        again_s: float = AGAIN_S,
        slow_s: float = SLOW_S,
    ) -> None:
        self._path, self._again_s, self._slow_s = folder / FILE, again_s, slow_s
        self._notary = Notary(folder, reserve_mb, stamp)
        self._waiting: collections.deque[Entry] = collections.deque()
        self._seconds = 0  # how many of those that wait are seconds
        self._woken = threading.Condition()
        self._closing = self._asked = self._tried_last = False
        self._lost = 0  # frames of seconds that could not even wait
        self._not_before_s = 0.0
        self.held = Held()
        self._thread = threading.Thread(target=self._run, name="hipbar-store", daemon=True)
        self._thread.start()

    def begin(self, item: Begin, within_s: float = 10.0) -> int:
        """The number of a new visit, when it is surely on the disk."""
        return self._answer(Entry(item, Future()), within_s)

    def resume(self, visit: int, within_s: float = 10.0) -> int:
        """Goes on with a visit that was interrupted."""
        return self._answer(Entry(Resume(visit), Future()), within_s)

    def ask(self, item: Item, within_s: float = 3.0) -> None:
        """Returns when the item is on the disk; `OutputError` says that it is not yet: it goes on waiting then."""
        self._answer(Entry(item, Future()), within_s)

    def settle(self, within_s: float = 3.0) -> None:
        """Returns when all that was handed over before is on the disk; raises `OutputError` when it can't be yet."""
        self._answer(Entry(Settle(), Future()), within_s)

    def post(self, item: Item) -> None:
        """Hands over, and returns at once."""
        if not (isinstance(item, Happened) and isinstance(item.act, Show)):
            self._put(Entry(item))

    @property
    def behind(self) -> str | None:
        """Why something is not on the disk that was handed over long ago, if anything is."""
        return self.held.trouble if self._waiting else None

    def close(self, end_s: float = 5.0) -> None:
        """Lets the thread put what waits on the disk; a disk that takes longer is left behind."""
        with self._woken:
            self._closing = True
            self._woken.notify()
        self._thread.join(end_s)
        if self._waiting:
            _log.warning("the disk did not take the last %d s of the visit", self._seconds)

    def _answer(self, entry: Entry, within_s: float) -> int:
        done = entry.done
        assert done
        self._put(entry)
        try:
            return done.result(within_s)
        except TooLate:
            if not done.cancel():
                return done.result(0)  # it was done at this very moment
            raise OutputError(
                f"{self._path}: not on the disk after {within_s:g} s",
                fix='the card hangs: "hipbar doctor" looks at it; a new card helps',
            ) from None

    def _put(self, entry: Entry) -> None:
        with self._woken:
            if self._closing and entry.done:
                raise OutputError(f"{self._path}: is closed", fix="start the service again")
            if self._closing or (isinstance(entry.item, Second) and not self._has_room(entry, entry.item)):
                return
            self._waiting.append(entry)
            self._asked |= entry.done is not None
            self._woken.notify()

    def _has_room(self, entry: Entry, second: Second) -> bool:
        """Leaves the frames of a second out when too many wait; in the end the second itself."""
        if self._seconds >= LONGEST_S:
            self._lost += len(second.track)
            return False
        if self._seconds >= WAITING_S:
            entry.without_frames()
        self._seconds += 1
        if self._waiting and time.monotonic() - self._waiting[0].since_s > self._slow_s:
            # the thread itself can't say so while the disk lets it wait
            trouble = self.held.trouble or "the card is too slow; a new card helps"
            if self.held.trouble is None:
                _log.warning("not recording: %s", trouble)
            self._tell(trouble)
        return True

    def _run(self) -> None:
        """The thread."""
        if wrong := self._notary.hold():
            self._failed((), wrong)
        while self._has_work():
            batch = tuple(self._waiting)
            try:
                self._notary.put(batch)
            except Exception as error:
                self._failed(batch, self._notary.words(error))
            else:
                self._done(batch)
        self._notary.close()

    def _has_work(self) -> bool:
        """Waits until something is due; False at the end."""
        with self._woken:
            while not self._closing:
                due_s, now_s = self._due_s(), time.monotonic()
                if due_s is not None and due_s <= now_s:
                    self._asked = False
                    return True
                self._woken.wait(None if due_s is None else due_s - now_s)
            last, self._tried_last = not self._tried_last, True
            return last and bool(self._waiting)

    def _due_s(self) -> float | None:
        """When what waits is to be put on the disk: never without anything, at once when somebody asks."""
        if not self._waiting:
            return None
        if self._asked:
            return 0.0
        together_s = 0.0 if self._seconds else self._waiting[0].since_s + _TOGETHER_S
        return max(self._not_before_s, together_s)

    def _done(self, batch: tuple[Entry, ...]) -> None:
        with self._woken:
            self._take_off(batch)
            self._not_before_s = 0.0
            if self.held.trouble and not self._notary.trouble:
                _log.info("visits are kept again")
            if self._notary.trouble and not self.held.trouble:
                _log.warning("%s", self._notary.trouble)
            self._tell(self._notary.trouble)
        undone = [Entry(undo) for entry in batch if (undo := entry.answer())]
        with self._woken:
            self._waiting.extendleft(undone)  # before another visit is begun

    def _failed(self, batch: tuple[Entry, ...], error: HipbarError) -> None:
        """Told once; whoever waits is answered now, all else is tried again."""
        trouble = f"{error}; {error.fix}"
        if self.held.trouble is None:
            _log.warning("not recording: %s", trouble)
        with self._woken:
            self._not_before_s = time.monotonic() + self._again_s
            self._take_off(tuple(entry for entry in batch if entry.is_order))
            self._tell(trouble)
        for entry in batch:
            entry.refuse(error)

    def _take_off(self, batch: tuple[Entry, ...]) -> None:
        gone = {id(entry) for entry in batch}
        self._waiting = collections.deque(entry for entry in self._waiting if id(entry) not in gone)
        self._seconds = sum(isinstance(entry.item, Second) for entry in self._waiting)

    def _tell(self, trouble: str | None) -> None:
        """Of what is on the disk, and what will never be."""
        held = self._notary.held
        dropped = held.dropped + self._lost + sum(entry.dropped for entry in self._waiting)
        self.held = msgspec.structs.replace(held, dropped=dropped, trouble=trouble)
