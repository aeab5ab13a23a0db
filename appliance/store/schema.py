"""An empty file becomes the clinic's store, and a store of an older program becomes one of this program.

Degrees and seconds as in `appliance.clinic.rows`; an absent figure is NULL. `user_version` counts the steps in `STEPS`
that a file has been through; before one of them is taken, the whole file is copied beside itself. Refuses, with
`StoreError`, a file of another program, and one of a newer hipbar.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.errors import StoreError
from appliance.output import sync_folder

APPLICATION = 0x68694261
"""What SQLite's header calls the file: "hiBa"."""

TO_MAKE = '"hipbar runner add CODE" or a visit makes the store'
"""What to do where nothing is kept yet."""

_FIRST = """
CREATE TABLE runners(
  id INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL UNIQUE, made_s REAL NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE TABLE texts(
  id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, text TEXT NOT NULL
) STRICT;
CREATE TABLE visits(
  id INTEGER PRIMARY KEY AUTOINCREMENT, runner INTEGER REFERENCES runners(id) ON DELETE CASCADE,
  kind TEXT NOT NULL, protocol TEXT NOT NULL, number INTEGER NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('running', 'paused', 'done', 'stopped', 'interrupted')),
  began_s REAL NOT NULL, clock_set INTEGER, ended_s REAL, software TEXT NOT NULL, edition INTEGER NOT NULL,
  planned_s REAL NOT NULL, seconds REAL NOT NULL, ran_s REAL NOT NULL,
  steps INTEGER NOT NULL, steps_crc INTEGER NOT NULL, dropped INTEGER NOT NULL,
  progress TEXT, baseline TEXT, seen_boot TEXT, seen_mono_s REAL, seen_wall_s REAL, seen_set INTEGER
) STRICT;
CREATE INDEX visits_by_runner ON visits(runner, id);
CREATE UNIQUE INDEX one_visit_at_a_time ON visits((1)) WHERE state IN ('running', 'paused');
CREATE TABLE plans(
  visit INTEGER PRIMARY KEY REFERENCES visits(id) ON DELETE CASCADE,
  protocol_text INTEGER NOT NULL REFERENCES texts(id), plan TEXT, first_baseline TEXT
) STRICT;
CREATE TABLE spans(
  visit INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE, n INTEGER NOT NULL,
  at_s REAL NOT NULL, t0_s REAL NOT NULL, boot_id TEXT, wall_s REAL NOT NULL, clock_set INTEGER,
  software TEXT NOT NULL, header INTEGER NOT NULL REFERENCES texts(id),
  settings INTEGER NOT NULL REFERENCES texts(id), calibration INTEGER NOT NULL REFERENCES texts(id),
  frames INTEGER NOT NULL, lost INTEGER NOT NULL, PRIMARY KEY(visit, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE blocks(
  visit INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE, n INTEGER NOT NULL, kind TEXT NOT NULL,
  name TEXT NOT NULL, block TEXT NOT NULL, began_s REAL NOT NULL, ended_s REAL, why TEXT, ran_s REAL NOT NULL,
  PRIMARY KEY(visit, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE stretches(
  visit INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE, n INTEGER NOT NULL,
  began_s REAL NOT NULL, mode TEXT NOT NULL, target_deg REAL, band_deg REAL, PRIMARY KEY(visit, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE pauses(
  visit INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE, n INTEGER NOT NULL,
  began_s REAL NOT NULL, ended_s REAL, PRIMARY KEY(visit, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE events(
  visit INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE, n INTEGER NOT NULL,
  at_s REAL NOT NULL, wall_s REAL NOT NULL, kind TEXT NOT NULL, words TEXT NOT NULL, PRIMARY KEY(visit, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE reps(
  visit INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE, n INTEGER NOT NULL,
  at_s REAL NOT NULL, block INTEGER NOT NULL, number INTEGER NOT NULL, began_s REAL NOT NULL,
  ended_s REAL NOT NULL, range_deg REAL, level_s REAL, PRIMARY KEY(visit, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE editions(
  visit INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE, edition INTEGER NOT NULL,
  software TEXT NOT NULL, made_s REAL NOT NULL, steps INTEGER, steps_crc INTEGER, PRIMARY KEY(visit, edition)
) STRICT, WITHOUT ROWID;
CREATE TABLE steps(
  visit INTEGER NOT NULL, edition INTEGER NOT NULL, n INTEGER NOT NULL, span INTEGER NOT NULL,
  block INTEGER NOT NULL, lit INTEGER NOT NULL, paused INTEGER NOT NULL, "right" INTEGER NOT NULL,
  contact_s REAL, off_s REAL, midstance_s REAL, peak_s REAL, peak_drop_deg REAL, contact_drop_deg REAL,
  midstance_drop_deg REAL, excursion_deg REAL, sway_px REAL, contact_time_s REAL, flight_s REAL, quality REAL,
  decided_s REAL, PRIMARY KEY(visit, edition, n),
  FOREIGN KEY(visit, edition) REFERENCES editions(visit, edition) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE chunks(
  id INTEGER PRIMARY KEY, visit INTEGER NOT NULL REFERENCES visits(id) ON DELETE CASCADE, n INTEGER NOT NULL,
  span INTEGER NOT NULL, frames INTEGER NOT NULL, first_s REAL NOT NULL, last_s REAL NOT NULL,
  crc INTEGER NOT NULL, track BLOB NOT NULL, trace BLOB NOT NULL, UNIQUE(visit, n)
) STRICT;
CREATE TABLE figures(
  visit INTEGER NOT NULL, edition INTEGER NOT NULL, version TEXT NOT NULL, figures TEXT NOT NULL,
  PRIMARY KEY(visit, edition),
  FOREIGN KEY(visit, edition) REFERENCES editions(visit, edition) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE TABLE audit(
  id INTEGER PRIMARY KEY AUTOINCREMENT, wall_s REAL NOT NULL, kind TEXT NOT NULL, words TEXT NOT NULL
) STRICT
"""

STEPS: tuple[str, ...] = (_FIRST,)
"""What makes the store of version 1 from an empty file, that of version 2 from it, and so on."""


def is_older(db: sqlite3.Connection, steps: Sequence[str] = STEPS) -> bool:
    """Whether it is a store whose steps are not all taken."""
    return 0 < _version(db) < len(steps)


def ready(db: sqlite3.Connection, path: Path, *, make: bool, steps: Sequence[str] = STEPS) -> None:
    """Makes the file a store as `steps` want it, or refuses; one that is already is left alone."""
    version, ours = _version(db), _number(db, "application_id") == APPLICATION
    if not version and not ours and not _number(db, "schema_version"):
        if not make:
            raise StoreError(f"{path}: nothing is kept here yet", fix=TO_MAKE)
    elif not ours:
        raise StoreError(
            f"{path}: is a database of another program",
            fix="move it away, or name another folder with --state",
        )
    if version > len(steps):
        raise StoreError(
            f"{path}: was written by a newer hipbar (its store is version {version}, this one knows {len(steps)})",
            fix='install that hipbar again ("hipbar update"), or "hipbar restore" an older backup',
        )
    if version < len(steps):
        _take(db, path, version, steps)


def _take(db: sqlite3.Connection, path: Path, version: int, steps: Sequence[str]) -> None:
    """All steps that are missing, or none; another program that takes them at the same time is waited for."""
    if version:
        _copied(db, path.with_name(f"clinic-v{version}-before-v{len(steps)}.db"))
    with whole(db):
        for number, step in enumerate(steps[_version(db) :], _version(db) + 1):
            for statement in step.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
        db.execute(f"PRAGMA application_id = {APPLICATION}")


def _copied(db: sqlite3.Connection, path: Path) -> None:
    """The store as it is now, in a file of its own that is on the disk when this returns; an earlier one is kept."""
    if path.exists():
        return
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    to = sqlite3.connect(part, isolation_level=None)
    try:
        db.backup(to)
        to.execute("PRAGMA journal_mode = DELETE")
    finally:
        to.close()
    fd = os.open(part, os.O_RDWR)
    try:
        os.fchmod(fd, 0o660)
        owner = path.parent.stat()
        with contextlib.suppress(PermissionError):
            os.fchown(fd, owner.st_uid, owner.st_gid)
        os.fsync(fd)
    finally:
        os.close(fd)
    part.replace(path)
    sync_folder(path.parent)


@contextlib.contextmanager
def whole(db: sqlite3.Connection) -> Iterator[None]:
    """All that is done within is kept, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int:
    return _number(db, "user_version")


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])
