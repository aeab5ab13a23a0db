"""Records of a visit become rows of the store; the caller puts them into a transaction.

Times in the visit's own seconds, wall seconds since 1970. Refuses, with `VisitError`, a visit beside one that runs;
with `StoreError`, an unknown runner.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import BlockRow, EventRow, SpanRow, StretchRow, VisitData
from appliance.clinic.terms import Baseline, Plan, Progress, Rep
from appliance.errors import VisitError
from appliance.store import read
from appliance.store.items import Begin
from appliance.store.places import planned_s, sound
from appliance.store.read import json_of
from appliance.store.runners import runner_id


def begin(db: sqlite3.Connection, item: Begin) -> int:
    """Adds a visit that runs from now on."""
    other = db.execute("SELECT id FROM visits WHERE state IN ('running', 'paused')").fetchone()
    if other:
        raise VisitError(f"visit {other[0]} is still running", fix='end it first: "hipbar visit stop"')
    plan = item.plan
    values = {
        "runner": None if item.runner is None else runner_id(db, item.runner),
        "kind": plan.kind,
        "protocol": plan.protocol,
        "number": plan.number,
        "state": "running",
        "began_s": item.wall_s,
        "clock_set": item.clock_set,
        "software": item.software,
        "edition": item.edition,
        "planned_s": planned_s(plan),
        "progress": json_of(Progress()),
        "seen_boot": item.boot_id,
        "seen_wall_s": item.wall_s,
    }
    visit = _insert(db, "visits", values | _NOTHING_YET)
    _put_plan(db, visit, item.protocol_text, plan, plan.first_baseline)
    put_edition(db, visit, item.edition, item.software, item.wall_s)
    return visit


_NOTHING_YET = {"seconds": 0.0, "ran_s": 0.0, "steps": 0, "steps_crc": 0, "dropped": 0}
_AS_THEY_ARE = (
    "kind",
    "protocol",
    "number",
    "state",
    "began_s",
    "clock_set",
    "ended_s",
    "seconds",
    "planned_s",
)
_AND_THESE = ("ran_s", "software", "edition", "dropped")


def put_ended(db: sqlite3.Connection, data: VisitData) -> int:
    """Adds all of a visit that has ended, but its trace."""
    row = data.visit
    values = {name: getattr(row, name) for name in _AS_THEY_ARE + _AND_THESE} | {
        "runner": None if row.runner is None else runner_id(db, row.runner),
        "baseline": json_of(row.baseline),
        "steps": len(data.steps),
        "steps_crc": 0,
    }
    visit = _insert(db, "visits", values)
    _put_plan(db, visit, row.protocol_text, row.plan, row.first_baseline)
    put_edition(db, visit, row.edition, row.software, row.began_s)
    put_all_steps(db, visit, row.edition, data.steps)
    for span in data.spans:
        put_span(db, visit, span)
    for block in data.blocks:
        put_block(db, visit, block)
    for n, stretch in enumerate(data.stretches):
        put_stretch(db, visit, n, stretch)
    for n, event in enumerate(data.events):
        put_event(db, visit, n, event)
    for n, rep in enumerate(data.reps):
        put_rep(db, visit, n, rep)
    return visit


def _put_plan(
    db: sqlite3.Connection, visit: int, text: str, plan: Plan | None, first: Baseline | None
) -> None:
    values = {"visit": visit, "protocol_text": _text_id(db, text), "plan": json_of(plan)}
    _insert(db, "plans", values | {"first_baseline": json_of(first)})


def put_edition(db: sqlite3.Connection, visit: int, edition: int, software: str, wall_s: float) -> None:
    """Adds an edition of a visit's steps; one that is still being measured has no count and no checksum of its own."""
    _insert(db, "editions", {"visit": visit, "edition": edition, "software": software, "made_s": wall_s})


def put_all_steps(db: sqlite3.Connection, visit: int, edition: int, steps: NDArray[np.void]) -> None:
    """Adds all steps of an edition."""
    done = sound(steps)
    done["n"] = np.arange(len(done))
    read.put_steps(db, visit, edition, done)
    values = (len(done), zlib.crc32(done.tobytes()), visit, edition)
    db.execute("UPDATE editions SET steps = ?, steps_crc = ? WHERE visit = ? AND edition = ?", values)


def put_span(db: sqlite3.Connection, visit: int, span: SpanRow) -> None:
    """Adds a stretch in which one pipeline ran."""
    values = {name: getattr(span, name) for name in span.__struct_fields__}
    texts = {name: _text_id(db, values[name]) for name in ("header", "settings", "calibration")}
    _insert(db, "spans", {"visit": visit} | values | texts)


def put_block(db: sqlite3.Connection, visit: int, row: BlockRow) -> None:
    """Adds a block; one that goes on after a restart keeps its begin."""
    block = row.block
    db.execute(
        "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET ended_s = NULL, why = NULL",
        (visit, row.n, block.kind, block.name, json_of(block), row.began_s, row.ended_s, row.why, row.ran_s),
    )


def put_stretch(db: sqlite3.Connection, visit: int, n: int, row: StretchRow) -> None:
    """Adds what the bar showed from then on."""
    aim = {name: getattr(row.aim, name) for name in row.aim.__struct_fields__}
    _insert(db, "stretches", {"visit": visit, "n": n, "began_s": row.began_s} | aim)


def put_event(db: sqlite3.Connection, visit: int, n: int, row: EventRow) -> None:
    """Adds a line."""
    _insert(
        db, "events", {"visit": visit, "n": n} | {name: getattr(row, name) for name in row.__struct_fields__}
    )


def put_rep(db: sqlite3.Connection, visit: int, n: int, rep: Rep) -> None:
    """Adds a repetition or hold."""
    values = {name: getattr(rep, name) for name in rep.__struct_fields__}
    _insert(db, "reps", {"visit": visit} | values | {"block": rep.n, "n": n})


def _text_id(db: sqlite3.Connection, text: str) -> int:
    """A text that many visits share is kept once."""
    digest = hashlib.sha256(text.encode()).digest()
    row = db.execute("SELECT id FROM texts WHERE digest = ?", (digest,)).fetchone()
    return int(row[0]) if row else _insert(db, "texts", {"digest": digest, "text": text})


def _insert(db: sqlite3.Connection, table: str, values: dict[str, Any]) -> int:
    """A row, and its number."""
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    return int(
        db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values())).lastrowid or 0
    )
