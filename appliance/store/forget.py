"""A runner's code becomes nothing: the rows go, their bytes are overwritten, and a line without the code stays.

Refuses, with `VisitError`, a runner whose visit runs; with `StoreError`, an unknown one. What a flash card keeps in
blocks that it has set aside is out of anybody's reach; copies and backups are named, not touched.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from appliance.errors import StoreError, VisitError
from appliance.store import runners
from appliance.store.schema import whole


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased. copies : files beside the store, made earlier, that still hold it."""

    visits: int
    steps: int
    frames: int
    copies: tuple[str, ...] = ()


def forget(db: sqlite3.Connection, path: Path, code: str, wall_s: float) -> Forgotten:
    """Erases; when it returns, neither the file nor its log has the bytes any more."""
    with whole(db):
        runner = runners.runner(db, code)
        running = db.execute(
            "SELECT id FROM visits WHERE runner = ? AND state IN ('running', 'paused')", (runner.id,)
        ).fetchone()
        if running:
            raise VisitError(
                f"visit {running[0]} of {runner.code} runs", fix='end it first: "hipbar visit stop"'
            )
        done = _counted(db, path, runner.id)
        db.execute("DELETE FROM runners WHERE id = ?", (runner.id,))
        db.execute(
            "DELETE FROM texts WHERE id NOT IN (SELECT protocol_text FROM plans UNION SELECT header FROM spans"
            " UNION SELECT settings FROM spans UNION SELECT calibration FROM spans)"
        )
        words = f"{done.visits} visits, {done.steps} steps, {done.frames} frames"
        note(db, "runner forgotten", words, wall_s)
    emptied(db, path)
    return done


def note(db: sqlite3.Connection, kind: str, words: str, wall_s: float) -> None:
    """A line that belongs to no visit."""
    db.execute("INSERT INTO audit (wall_s, kind, words) VALUES (?, ?, ?)", (wall_s, kind, words))


def emptied(db: sqlite3.Connection, path: Path) -> None:
    """Puts all of the log into the file and leaves none of it."""
    busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise StoreError(
            f"{path}: erased, but another program still reads what was there before",
            fix="let reports and exports end, then do it again",
        )


def _counted(db: sqlite3.Connection, path: Path, runner: int) -> Forgotten:
    of = "visit IN (SELECT id FROM visits WHERE runner = ?)"
    counts = (
        ("visits", "SELECT count(*) FROM visits WHERE runner = ?"),
        ("steps", f"SELECT count(*) FROM steps WHERE {of}"),
        ("frames", f"SELECT coalesce(sum(frames), 0) FROM spans WHERE {of}"),
    )
    found = {name: int(db.execute(query, (runner,)).fetchone()[0]) for name, query in counts}
    copies = sorted(copy.name for copy in path.parent.glob("clinic-*.db"))
    return Forgotten(**found, copies=tuple(copies))
