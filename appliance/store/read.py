"""Rows of the store become the records and arrays of `appliance.clinic.rows`.

Refuses, with `StoreError`, a chunk whose checksum does not fit, and JSON that is none: the card has changed them.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import (
    STEP,
    TRACE,
    BlockRow,
    EventRow,
    RunnerRow,
    SpanRow,
    StretchRow,
    VisitRow,
)
from appliance.clinic.terms import Aim, Baseline, Block, Plan, Progress, Rep, VisitKind, VisitState
from appliance.errors import StoreError
from appliance.packing import packed, unpacked
from appliance.records import TRACK

_T = TypeVar("_T")
_COLUMNS = (
    "id, kind, protocol, number, state, began_s, clock_set, ended_s, seconds, planned_s, ran_s, steps, software,"
    " edition, progress, baseline, dropped"
)
VISITS = (
    f"SELECT {', '.join('v.' + name.strip() for name in _COLUMNS.split(','))}, r.code FROM visits v"
    " LEFT JOIN runners r ON r.id = v.runner"
)
"""All that `visit_row` takes; a condition on `v` or `r` follows."""

Trace = tuple[int, NDArray[np.void], NDArray[np.void]]
"""A span's number, its keypoints (`TRACK`) and what was made of them (`TRACE`), frame by frame."""

_STEPS = ", ".join(f'"{name}"' for name in STEP.names or ())


def damaged(visit: int, what: str) -> StoreError:
    """Something of a visit is not as it was written."""
    return StoreError(
        f"visit {visit}: {what} is damaged",
        fix='"hipbar verify" says what else is; "hipbar restore" brings a backup back',
    )


def json_of(value: Any) -> str | None:
    """A record as text for a column."""
    return None if value is None else msgspec.json.encode(value).decode()


def _record(text: str | None, kind: type[_T], visit: int) -> _T | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeError):
        raise damaged(visit, f"its {kind.__name__.lower()}") from None


def runner_row(row: tuple[Any, ...]) -> RunnerRow:
    """Of id, code, made_s, note, visits, last_s."""
    return RunnerRow(id=row[0], code=row[1], made_s=row[2], note=row[3], visits=row[4], last_s=row[5])


def visit_row(row: tuple[Any, ...]) -> VisitRow:
    """Of a row of `VISITS`."""
    names = [name.strip() for name in _COLUMNS.split(",")]
    values = dict(zip(names, row, strict=False))
    visit = int(values["id"])
    values["kind"], values["state"] = VisitKind(values["kind"]), VisitState(values["state"])
    values["clock_set"] = _maybe(values["clock_set"])
    values["progress"] = _record(values["progress"], Progress, visit)
    values["baseline"] = _record(values["baseline"], Baseline, visit)
    return VisitRow(**values, runner=row[-1])


def with_plan(db: sqlite3.Connection, visit: VisitRow) -> VisitRow:
    """A visit with what the lists leave out."""
    row = db.execute(
        "SELECT t.text, p.plan, p.first_baseline FROM plans p JOIN texts t ON t.id = p.protocol_text WHERE p.visit = ?",
        (visit.id,),
    ).fetchone()
    if row is None:
        raise damaged(visit.id, "its plan")
    plan, first = _record(row[1], Plan, visit.id), _record(row[2], Baseline, visit.id)
    return msgspec.structs.replace(visit, protocol_text=row[0], plan=plan, first_baseline=first)


def blocks(db: sqlite3.Connection, visit: int) -> list[BlockRow]:
    """Those that were begun."""
    rows = db.execute(
        "SELECT n, block, began_s, ended_s, why, ran_s FROM blocks WHERE visit = ? ORDER BY n", (visit,)
    )
    found = []
    for n, text, began_s, ended_s, why, ran_s in rows:
        block = _record(text, Block, visit)
        assert block
        found.append(BlockRow(n=n, block=block, began_s=began_s, ended_s=ended_s, why=why, ran_s=ran_s))
    return found


def stretches(db: sqlite3.Connection, visit: int) -> list[StretchRow]:
    """What the bar showed, from when on."""
    rows = db.execute(
        "SELECT began_s, mode, target_deg, band_deg FROM stretches WHERE visit = ? ORDER BY n", (visit,)
    )
    return [StretchRow(began_s=at_s, aim=Aim(mode=m, target_deg=t, band_deg=b)) for at_s, m, t, b in rows]


def pauses(db: sqlite3.Connection, visit: int) -> list[tuple[float, float | None]]:
    """From when to when it was paused."""
    return list(db.execute("SELECT began_s, ended_s FROM pauses WHERE visit = ? ORDER BY n", (visit,)))


def events(db: sqlite3.Connection, visit: int) -> list[EventRow]:
    """In the order in which they were told."""
    rows = db.execute("SELECT at_s, wall_s, kind, words FROM events WHERE visit = ? ORDER BY n", (visit,))
    return [EventRow(at_s=a, wall_s=w, kind=k, words=words) for a, w, k, words in rows]


def spans(db: sqlite3.Connection, visit: int) -> list[SpanRow]:
    """Where a pipeline began anew."""
    rows = db.execute(
        "SELECT n, at_s, t0_s, boot_id, wall_s, clock_set, software, h.text, s.text, c.text, frames, lost FROM spans"
        " JOIN texts h ON h.id = header JOIN texts s ON s.id = settings JOIN texts c ON c.id = calibration"
        " WHERE visit = ? ORDER BY n",
        (visit,),
    )
    names = SpanRow.__struct_fields__
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [SpanRow(**(span | {"clock_set": _maybe(span["clock_set"])})) for span in found]


def reps(db: sqlite3.Connection, visit: int) -> list[Rep]:
    """Of an exercise."""
    rows = db.execute(
        "SELECT at_s, block, number, began_s, ended_s, range_deg, level_s FROM reps WHERE visit = ? ORDER BY n",
        (visit,),
    )
    return [Rep(*row) for row in rows]


def steps(db: sqlite3.Connection, visit: int, edition: int) -> NDArray[np.void]:
    """All steps of one edition (`STEP`), in the order in which they were decided."""
    rows = db.execute(
        f"SELECT {_STEPS} FROM steps WHERE visit = ? AND edition = ? ORDER BY n", (visit, edition)
    )
    return np.array(rows.fetchall(), STEP)  # NULL becomes NaN


def put_steps(db: sqlite3.Connection, visit: int, edition: int, rows: NDArray[np.void]) -> None:
    """Adds steps whose `n` is new."""
    marks = ", ".join("?" * (2 + len(STEP.names or ())))
    values = ((visit, edition, *row) for row in rows.tolist())  # NaN becomes NULL
    db.executemany(f"INSERT INTO steps (visit, edition, {_STEPS}) VALUES ({marks})", values)


def put_chunk(db: sqlite3.Connection, visit: int, n: int, chunk: Trace) -> None:
    """Adds chunk `n` of a visit's trace; a checksum goes with it."""
    span, track, trace = chunk
    first_s, last_s = float(track["t_s"][0]), float(track["t_s"][-1])
    key, blobs = (visit, n, span, len(track), first_s, last_s), (packed(track), packed(trace))
    db.execute(
        "INSERT INTO chunks (visit, n, span, frames, first_s, last_s, crc, track, trace) VALUES (?,?,?,?,?,?,?,?,?)",
        (*key, _checksum(key, *blobs), *blobs),
    )


def chunks(db: sqlite3.Connection, visit: int, span: int | None = None) -> Iterator[Trace]:
    """A visit's trace, chunk by chunk."""
    for _, chunk in numbered_chunks(db, visit, span):
        if isinstance(chunk, StoreError):
            raise chunk
        yield chunk


def traces(db: sqlite3.Connection, visit: int, from_s: float, to_s: float) -> Iterator[NDArray[np.void]]:
    """What was made of a visit's keypoints (`TRACE`), chunk by chunk, whole chunks with anything between two seconds.

    The keypoints themselves stay packed.
    """
    for *key, crc, track, trace in _packed_chunks(db, visit, "last_s >= ? AND first_s <= ?", from_s, to_s):
        if _checksum(tuple(key), track, trace) != crc:
            raise damaged(visit, f"chunk {key[1]} of its trace")
        try:
            yield unpacked(trace, key[3], TRACE)
        except (zlib.error, ValueError):
            raise damaged(visit, f"chunk {key[1]} of its trace") from None


def numbered_chunks(
    db: sqlite3.Connection, visit: int, span: int | None = None
) -> Iterator[tuple[int, Trace | StoreError]]:
    """The same with their numbers, and with those that are damaged."""
    only = () if span is None else ("span = ?", span)
    for *key, crc, track, trace in _packed_chunks(db, visit, *only):
        yield key[1], _chunk(tuple(key), crc, track, trace)


def _packed_chunks(db: sqlite3.Connection, visit: int, only: str = "1", *values: float) -> sqlite3.Cursor:
    return db.execute(
        "SELECT visit, n, span, frames, first_s, last_s, crc, track, trace FROM chunks"
        f" WHERE visit = ? AND {only} ORDER BY n",
        (visit, *values),
    )


def _chunk(key: tuple[Any, ...], crc: int, track: bytes, trace: bytes) -> Trace | StoreError:
    visit, n, span, frames, _, _ = key
    if _checksum(key, track, trace) == crc:
        with contextlib.suppress(zlib.error, ValueError):
            return span, unpacked(track, frames, TRACK), unpacked(trace, frames, TRACE)
    return damaged(visit, f"chunk {n} of its trace")


def _checksum(key: tuple[Any, ...], track: bytes, trace: bytes) -> int:
    """Of all but the visit's number."""
    return zlib.crc32(trace, zlib.crc32(track, zlib.crc32(struct.pack("<qqqdd", *key[1:]))))


def _maybe(value: int | None) -> bool | None:
    return None if value is None else bool(value)
