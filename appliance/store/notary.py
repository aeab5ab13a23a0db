"""A batch of items becomes one commit: all of it is on the disk when `put` returns, or nothing of it.

An item that can't be kept for its own sake is refused alone; the rest of the batch goes on. Opens the store, and takes
its lock, when it first needs it. Raises what the disk or the database raise; whoever calls tries again, and the visit
is read back from its rows then.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from appliance.clinic.rows import TRACE
from appliance.errors import HipbarError, OutputError, StoreError, VisitError
from appliance.output import output_error
from appliance.records import TRACK
from appliance.store import adding, schema
from appliance.store.clocks import Clocks
from appliance.store.course import Course
from appliance.store.items import Begin, Happened, Held, Item, Second, Span
from appliance.store.opening import FILE, connected, locked, store_error
from appliance.store.schema import whole

LOG = FILE + "-wal"
_MB = 1e6
_log = logging.getLogger("hipbar.store")


class Resume(NamedTuple):
    """An interrupted visit goes on."""

    visit: int


class Settle(NamedTuple):
    """Somebody waits for all that was handed over before it."""

    visit: int = 0


class Undo(NamedTuple):
    """Nobody waited for this visit's begin, or for its going on."""

    visit: int
    new: bool


class Entry:
    """An item that waits. done : where somebody waits for it. dropped : frames that were left out of it."""

    def __init__(self, item: Item | Begin | Resume | Settle | Undo, done: Future[int] | None = None) -> None:
        self.item, self.done, self.since_s = item, done, time.monotonic()
        self.dropped, self._wrong, self._visit = 0, None, 0

    _wrong: Exception | None

    @property
    def is_order(self) -> bool:
        """Whether it is pointless once nobody waits for it any more."""
        return isinstance(self.item, Begin | Resume | Settle)

    @property
    def is_off(self) -> bool:
        """Whether it is pointless now."""
        return self.is_order and self.done is not None and self.done.cancelled()

    def without_frames(self) -> None:
        """Leaves the frames of a second out; its steps stay."""
        if isinstance(self.item, Second):
            self.dropped += len(self.item.track)
            self.item = _bare(self.item)

    def came_to(self, visit: int, wrong: Exception | None = None) -> None:
        """What became of it, unless the commit fails."""
        self._visit, self._wrong = visit, wrong

    def answer(self) -> Undo | None:
        """Tells whoever waits; what is to be undone when nobody does any more."""
        if self.done is None:
            return None
        try:
            if self._wrong:
                self.done.set_exception(self._wrong)
            else:
                self.done.set_result(self._visit)
        except InvalidStateError:
            if isinstance(self.item, Begin | Resume) and not self._wrong:
                return Undo(self._visit, isinstance(self.item, Begin))
        return None

    def refuse(self, error: HipbarError) -> None:
        """Tells whoever waits that it is not kept now."""
        if self.done is not None:
            with contextlib.suppress(InvalidStateError):
                self.done.set_exception(error)
            self.done = None


class Notary:
    """Of the writer's thread alone. held : what is surely on the disk. trouble : why there are no frames in it."""

    def __init__(self, folder: Path, reserve_mb: float, stamp: Callable[[], Clocks]) -> None:
        self._folder, self._reserve_mb, self._stamp = folder, reserve_mb, stamp
        self._db: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._inode = self._log_inode = 0
        self._course: Course | None = None
        self._told: set[int] = set()
        self._wrote_before: int | None = None  # of the thread that puts
        self.held = Held()
        self.trouble: str | None = None

    def hold(self) -> HipbarError | None:
        """At the service's start: takes the lock, and opens the store if there is one; what is wrong with it.

        While it is open its log is there, so that people of the service's group can use it too.
        """
        with contextlib.suppress(HipbarError, OSError):
            if self._lock is None and self._folder.is_dir():
                self._lock = locked(self._folder)
        try:
            if self._lock is not None and (self._folder / FILE).exists():
                self._opened(make=False)
        except HipbarError as error:
            return None if error.fix == schema.TO_MAKE else error
        return None

    def put(self, batch: Iterable[Entry]) -> None:
        """One commit."""
        if self._wrote_before is None:
            self._wrote_before = _written_bytes()
        due = [entry for entry in batch if not entry.is_off]
        try:
            low = self._room()
            db = self._opened(make=any(isinstance(entry.item, Begin) for entry in due))
            with whole(db):
                for entry in due:
                    self._try(db, entry, low)
                if self._course:
                    self._course.seen(self._stamp())
        except BaseException:
            self._drop()
            raise
        self.trouble = None if low is None else f"no frames are kept: {low}; {low.fix}"
        self._tell()

    def words(self, error: Exception) -> HipbarError:
        """What went wrong, for people."""
        path = self._folder / FILE
        if isinstance(error, HipbarError):
            return error
        return (
            store_error(path, error)
            if isinstance(error, sqlite3.Error)
            else output_error(path, _os_error(error))
        )

    def close(self) -> None:
        """Ends; what waits in the log goes into the file."""
        self._drop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _try(self, db: sqlite3.Connection, entry: Entry, low: OutputError | None) -> None:
        """One item, or none of it."""
        db.execute("SAVEPOINT item")
        try:
            entry.came_to(self._put(db, entry, low))
        except Exception as error:
            if isinstance(error, sqlite3.OperationalError | OSError) or type(error) is sqlite3.DatabaseError:
                raise
            db.execute("ROLLBACK TO item")
            self._read_back(db)
            entry.came_to(0, error if isinstance(error, HipbarError) else _fault(error))
            self._log_once(entry, error)
        db.execute("RELEASE item")

    def _read_back(self, db: sqlite3.Connection) -> None:
        """Where the visit stands by its rows, after an item was refused."""
        course, self._course = self._course, None
        with contextlib.suppress(VisitError):
            self._course = course and Course(db, course.visit)

    def _put(self, db: sqlite3.Connection, entry: Entry, low: OutputError | None) -> int:
        item = entry.item
        match item:
            case Begin():
                visit = adding.begin(db, item)
                self._course = Course(db, visit)
                return visit
            case Resume():
                self._course = Course(db, item.visit)
                self._course.resume(self._stamp().wall_s)
            case Undo():
                self._undo(db, item)
            case Span():
                self._of(db, item.visit).span(item)
            case Happened():
                self._of(db, item.visit).happened(item)
            case Second():
                course = self._of(db, item.visit)
                course.second(_bare(item) if low else item, entry.dropped + (len(item.track) if low else 0))
        return item.visit

    def _of(self, db: sqlite3.Connection, visit: int) -> Course:
        if self._course is None or self._course.visit != visit:
            self._course = Course(db, visit)
        return self._course

    def _undo(self, db: sqlite3.Connection, item: Undo) -> None:
        if item.new:
            db.execute("DELETE FROM visits WHERE id = ?", (item.visit,))
        else:
            self._of(db, item.visit).interrupt(None)
        self._course = None

    def _room(self) -> OutputError | None:
        """Below the reserve no frames are kept; steps take little, and go on."""
        room = os.statvfs(self._folder) if self._folder.exists() else None
        if room is None or room.f_bavail * room.f_frsize >= self._reserve_mb * _MB:
            return None
        what = f"{self._folder}: less than the reserve of {self._reserve_mb:g} MB is free"
        return OutputError(what, fix="make room on that disk, or take a larger one")

    def _opened(self, *, make: bool) -> sqlite3.Connection:
        path = self._folder / FILE
        if self._db is not None and (not path.exists() or path.stat().st_ino != self._inode):
            raise StoreError(f"{path}: was taken away", fix='"hipbar restore" brings a backup back')
        self._rescue(path.with_name(LOG))
        if self._db is None:
            if self._lock is None and (make or self._folder.exists()):
                self._folder.mkdir(parents=True, exist_ok=True)
                self._lock = locked(self._folder)
            self._db = connected(self._folder, make=make, holding=True)
            self._inode, self._log_inode = path.stat().st_ino, _inode(path.with_name(LOG))
        return self._db

    def _rescue(self, log: Path) -> None:
        """Somebody has deleted the log, which only this connection still has: all of it goes into the file."""
        if self._db is None or not self._log_inode or _inode(log) == self._log_inode:
            return
        _log.warning("%s: was deleted; what was in it is put into the file", log)
        self._db.execute("PRAGMA wal_checkpoint(FULL)")
        self._drop()

    def _drop(self) -> None:
        """What was under way is void; the rows tell where the visit stands."""
        self._course = None
        if self._db is not None:
            db, self._db = self._db, None
            with contextlib.suppress(sqlite3.Error):
                db.close()

    def _tell(self) -> None:
        wrote = _written_bytes() - (self._wrote_before or 0)
        if self._course:
            course = self._course
            self.held = Held(visit=course.visit, steps=course.steps, at_s=course.at_s, dropped=course.dropped)
        self.held = msgspec.structs.replace(self.held, written_bytes=wrote)

    def _log_once(self, entry: Entry, error: Exception) -> None:
        """A visit whose items can't be kept says so once; whoever waits for one is told anyway."""
        visit = getattr(entry.item, "visit", 0)
        if entry.done is None and visit not in self._told:
            self._told.add(visit)
            _log.error("visit %d: not kept: %s", visit, error, exc_info=not isinstance(error, HipbarError))


def _inode(path: Path) -> int:
    """Of a file; 0 = there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _fault(error: Exception) -> StoreError:
    """What should not happen, for whoever waits; the log has the rest."""
    return StoreError(f"not kept: {error}", fix='a fault of the program: "hipbar logs --errors" has the rest')


def _bare(second: Second) -> Second:
    """Without its frames."""
    return msgspec.structs.replace(second, track=np.zeros(0, TRACK), trace=np.zeros(0, TRACE))


def _os_error(error: Exception) -> OSError:
    return error if isinstance(error, OSError) else OSError(0, str(error))


def _written_bytes() -> int:
    """What this thread has handed to the kernel since it began."""
    try:
        lines = Path("/proc/thread-self/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar")), 0)
