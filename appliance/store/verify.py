"""A store becomes a list of what is damaged in it, and how much can be read all the same.

Asks the database for its own structure, then reads everything: checksums of steps and frames, times that must go
forward, counts that must fit. Changes nothing. Refuses, with `StoreError`, a store that is not there or is newer.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import SpanRow
from appliance.errors import HipbarError
from appliance.store import read
from appliance.store.opening import FILE, connected, is_damage, store_error, told

Ticked = Callable[[float, float], None]
"""How far it is: done, of how much."""

_MOST = 20  # lines that the database's own check may give
_SHARE = 0.5  # of the time, for the database's own check
_SILENT: Ticked = lambda done, whole: None  # noqa: E731


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. damage : in words, none when all is well. whole : visits that can be read to the last bit."""

    runners: int = 0
    visits: int = 0
    whole: int = 0
    steps: int = 0
    frames: int = 0
    bytes: int = 0
    damage: tuple[str, ...] = ()


def verify(folder: Path, progress: Ticked = _SILENT) -> Verified:
    """Looks through the store of a state folder."""
    path = folder / FILE
    try:
        db = connected(folder, read_only=True)
    except HipbarError as error:
        if not is_damage(error):
            raise
        return Verified(bytes=path.stat().st_size, damage=(str(error),))
    with contextlib.closing(db), told(path):
        return verified(db, path, progress)


def verified(db: sqlite3.Connection, path: Path, progress: Ticked = _SILENT) -> Verified:
    """The same for a store that is open."""
    db.execute("BEGIN")  # all of one moment, though the service may go on writing
    try:
        damage = list(_structure(db, path, progress))
        found = _visits(db, path, damage, progress)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return msgspec.structs.replace(found, bytes=path.stat().st_size, damage=tuple(damage))


def _structure(db: sqlite3.Connection, path: Path, progress: Ticked) -> Iterator[str]:
    """What the database says of its own pages and references."""
    for share, check in ((0.0, f"integrity_check({_MOST})"), (0.4, "foreign_key_check")):
        progress(share, 1.0)
        try:
            rows = db.execute(f"PRAGMA {check}").fetchmany(_MOST)
        except sqlite3.DatabaseError as error:
            yield str(store_error(path, error))
            continue
        if check == "foreign_key_check":
            yield from (f"{table}: a row that belongs to nothing in {parent}" for table, _, parent, _ in rows)
        else:
            yield from (
                line
                for (words,) in rows
                for line in str(words).splitlines()[:_MOST]
                if line != "ok" and not line.startswith("***")  # which only says "in database main"
            )


def _visits(db: sqlite3.Connection, path: Path, damage: list[str], progress: Ticked) -> Verified:
    """Reads every visit."""
    try:
        numbers = [int(row[0]) for row in db.execute("SELECT id FROM visits ORDER BY id")]
        runners = int(db.execute("SELECT count(*) FROM runners").fetchone()[0])
    except sqlite3.DatabaseError as error:
        damage.append(str(store_error(path, error)))
        return Verified()
    steps = frames = whole = 0
    for done, visit in enumerate(numbers):
        progress(_SHARE + (1 - _SHARE) * done / len(numbers), 1.0)
        try:
            wrong = list(_visit(db, visit))
            counts = _counts(db, visit)
        except (sqlite3.DatabaseError, HipbarError) as error:
            words = error if isinstance(error, HipbarError) else store_error(path, error)
            damage.append(f"visit {visit}: {words}")
            continue
        damage += wrong
        steps, frames, whole = steps + counts[0], frames + counts[1], whole + (not wrong)
    progress(1.0, 1.0)
    return Verified(runners=runners, visits=len(numbers), whole=whole, steps=steps, frames=frames)


def _counts(db: sqlite3.Connection, visit: int) -> tuple[int, int]:
    """Steps of all editions, and frames."""
    steps = db.execute("SELECT count(*) FROM steps WHERE visit = ?", (visit,)).fetchone()[0]
    frames = db.execute("SELECT coalesce(sum(frames), 0) FROM chunks WHERE visit = ?", (visit,)).fetchone()[0]
    return int(steps), int(frames)


def _visit(db: sqlite3.Connection, visit: int) -> Iterator[str]:
    """What is wrong with one; damage that leaves nothing to read is raised."""
    row = read.visit_row(db.execute(f"{read.VISITS} WHERE v.id = ?", (visit,)).fetchone())
    read.with_plan(db, row)
    blocks, *_ = (
        read.blocks(db, visit),
        read.stretches(db, visit),
        read.events(db, visit),
        read.reps(db, visit),
    )
    for block in blocks:
        if block.ended_s is not None and block.ended_s < block.began_s:
            yield f"visit {visit}: block {block.n + 1} ends before it begins"
    yield from _steps(db, visit)
    yield from _trace(db, visit, read.spans(db, visit))


def _steps(db: sqlite3.Connection, visit: int) -> Iterator[str]:
    editions = db.execute(
        "SELECT e.edition, coalesce(e.steps, v.steps), coalesce(e.steps_crc, v.steps_crc) FROM editions e"
        " JOIN visits v ON v.id = e.visit WHERE e.visit = ?",
        (visit,),
    ).fetchall()
    if not editions:
        yield f"visit {visit}: its steps have no edition"
    for edition, count, crc in editions:
        steps = read.steps(db, visit, edition)
        if len(steps) != count:
            yield f"visit {visit}, edition {edition}: {len(steps)} steps instead of {count}"
        elif zlib.crc32(steps.tobytes()) != crc:
            yield f"visit {visit}, edition {edition}: steps are not as they were written"


def _trace(db: sqlite3.Connection, visit: int, spans: list[SpanRow]) -> Iterator[str]:
    last: dict[int, float] = {}
    frames = dict.fromkeys((span.n for span in spans), 0)
    for expected, (n, chunk) in enumerate(read.numbered_chunks(db, visit)):
        if n != expected:
            yield f"visit {visit}: chunk {expected} of its trace is missing"
            return
        if isinstance(chunk, HipbarError):
            yield str(chunk)
            return
        span, track, trace = chunk
        if not _advances(track["t_s"], last.get(span)) or not np.all(np.diff(trace["t_s"]) >= 0):
            yield f"visit {visit}: times go back in chunk {n} of its trace"
        last[span] = float(track["t_s"][-1])
        frames[span] = frames.get(span, 0) + len(track)
    if frames != {span.n: span.frames for span in spans}:
        yield f"visit {visit}: {sum(frames.values())} frames instead of {sum(span.frames for span in spans)}"


def _advances(t_s: NDArray[np.float64], after_s: float | None) -> bool:
    return bool(np.all(np.diff(t_s) > 0) and (after_s is None or t_s[0] > after_s))
