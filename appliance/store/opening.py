"""A state folder becomes a connection to the clinic's store, `clinic.db`, made when it is first needed.

Write-ahead log, every commit on the disk before it returns, what is deleted overwritten with zeros. File, log and lock
belong to whoever owns the folder, even when root makes them. Somebody else's write is waited for, up to `WAIT_S`
seconds. Refuses, with `StoreError`, a store that is missing, damaged, newer or not ours; with `OutputError`, a disk
that takes nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.errors import HipbarError, StoreError
from appliance.output import output_error, sync_folder
from appliance.store import schema

FILE = "clinic.db"
LOCK = "clinic.lock"
WAIT_S = 5.0
_LEAST_BYTES = 512  # of a database that has anything in it

_NOT_ALLOWED = 'use sudo, or let your user join the group "hipbar"'
_DAMAGED = '"hipbar verify" says what can still be read, "hipbar restore" brings a backup back'
_ON_DISK = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_IOERR: errno.EIO,
}
_UNWRITABLE = (sqlite3.SQLITE_CANTOPEN, *_ON_DISK)
_IN_STORE = {
    sqlite3.SQLITE_CORRUPT: ("is damaged", _DAMAGED),
    sqlite3.SQLITE_NOTADB: ("is damaged: it is no database", _DAMAGED),
    sqlite3.SQLITE_CANTOPEN: ("can't be opened", _NOT_ALLOWED),
    sqlite3.SQLITE_PERM: ("this user may not use it", _NOT_ALLOWED),
    sqlite3.SQLITE_AUTH: ("this user may not use it", _NOT_ALLOWED),
    sqlite3.SQLITE_BUSY: ("another program keeps it busy", "wait for that program to end, then try again"),
    sqlite3.SQLITE_LOCKED: ("another program keeps it busy", "wait for that program to end, then try again"),
}


def store_error(path: Path, error: sqlite3.Error) -> HipbarError:
    """What an error of the database means for people."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_IOERR and not _disk(path).f_bavail:
        code = sqlite3.SQLITE_FULL  # where the log's index finds no room, SQLite says no more than this
    if code == sqlite3.SQLITE_READONLY and not _disk(path).f_flag & os.ST_RDONLY:
        return StoreError(f"{path}: this user may only read it", fix=_NOT_ALLOWED)
    if code in _ON_DISK:
        return output_error(path, OSError(_ON_DISK[code], os.strerror(_ON_DISK[code])))
    what, fix = _IN_STORE.get(code, (f"can't be used: {error}", _DAMAGED))
    return StoreError(f"{path}: {what}", fix=fix)


def _disk(path: Path) -> os.statvfs_result:
    """The disk of a store; of one whose folder is gone, the root's."""
    return os.statvfs(path.parent if path.parent.exists() else "/")


def is_damage(error: HipbarError) -> bool:
    """Whether the file itself is what is wrong, not who opens it or when."""
    return error.fix == _DAMAGED


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Within, errors of the database and of the disk are told in words."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(path, error) from None
    except PermissionError:
        raise StoreError(f"{path}: this user may not use it", fix=_NOT_ALLOWED) from None
    except OSError as error:
        raise output_error(path, error) from None


def connected(
    folder: Path,
    *,
    make: bool = False,
    read_only: bool = False,
    holding: bool = False,
    steps: Sequence[str] = schema.STEPS,
) -> sqlite3.Connection:
    """An open store. Whoever may only read gets it read-only: a write then raises `StoreError` or `OutputError`.

    holding : the caller has the lock, `locked`, and is to write. steps : to the schema that is wanted.
    """
    path = folder / FILE
    with told(path):
        if make:
            made(path)
        elif not path.exists():
            raise StoreError(f"{path}: nothing is kept here yet", fix=schema.TO_MAKE)
        if 0 < path.stat().st_size < _LEAST_BYTES:
            raise StoreError(f"{path}: is damaged: it is cut short", fix=_DAMAGED)
        if holding or (not read_only and _may_write(path)):
            try:
                return _for_writing(path, make, holding, steps)
            except sqlite3.OperationalError as error:
                if make or holding or error.sqlite_errorcode & 0xFF not in _UNWRITABLE:
                    raise  # but what a full disk holds can be read all the same
        return _for_reading(path)


def _may_write(path: Path) -> bool:
    """In a folder of somebody else's, while the service has the store open: its log is there then."""
    return os.access(path, os.W_OK) and (
        os.access(path.parent, os.W_OK) or path.with_name(FILE + "-wal").exists()
    )


def made(path: Path) -> None:
    """An empty file that belongs to the folder's owner, unless there is one; lasts when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o660)
        try:
            dressed(fd, path.parent)
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_folder(path.parent)


def dressed(fd: int, folder: Path) -> None:
    """Gives an open file to the folder's owner and group, as far as this user may; both read and write."""
    owner = folder.stat()
    with contextlib.suppress(PermissionError):
        os.fchown(fd, owner.st_uid, owner.st_gid)
    os.fchmod(fd, 0o660)


def _for_writing(path: Path, make: bool, holding: bool, steps: Sequence[str]) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA cell_size_check = ON")
        db.execute("PRAGMA temp_store = MEMORY")
        if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            db.execute("PRAGMA journal_mode = WAL")
        alone = schema.is_older(db, steps) and not holding  # an older service may be at work with it
        lock = locked(path.parent) if alone else None
        try:
            schema.ready(db, path, make=make, steps=steps)
        finally:
            if lock is not None:
                os.close(lock)
    except BaseException:
        db.close()
        raise
    return db


def _for_reading(path: Path) -> sqlite3.Connection:
    """On a read-only or full disk the log's index can't be made: without a log the file alone is all there is."""
    os.close(os.open(path, os.O_RDONLY))  # says whether this user may
    log = path.with_name(FILE + "-wal")
    try:
        return _read_only(path, "mode=ro")
    except sqlite3.OperationalError as error:
        code = error.sqlite_errorcode & 0xFF
        if code not in _UNWRITABLE or (log.exists() and log.stat().st_size):
            raise
    return _read_only(path, "mode=ro&immutable=1")


def _read_only(path: Path, how: str) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", timeout=WAIT_S, isolation_level=None, uri=True)
    try:
        schema.ready(db, path, make=False)
    except BaseException:
        db.close()
        raise
    return db


def locked(folder: Path) -> int:
    """The lock of whoever writes visits, as an open file; refused while another program holds it."""
    path = folder / LOCK
    with told(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_uid == os.geteuid():
                dressed(fd, folder)
        except BlockingIOError:
            os.close(fd)
            raise StoreError(
                f"{folder / FILE}: the service keeps visits in it", fix='"sudo systemctl stop hipbar" first'
            ) from None
        except BaseException:
            os.close(fd)
            raise
    return fd
