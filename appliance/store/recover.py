"""The store after a restart becomes what was under way when the last process ended, and how long ago that was.

Seconds; a visit that the power took has its last second on the disk, with what the clocks showed then. Refuses, with
`StoreError`, a store that can't be read.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from appliance.clinic.rows import VisitRow
from appliance.store.clocks import Clocks, gap_s
from appliance.store.course import Course
from appliance.store.opening import FILE, connected, told
from appliance.store.schema import whole
from appliance.store.store import Store


class Interrupted(NamedTuple):
    """A visit that nobody ended. gap_s : since its last second; None where no clock can tell."""

    visit: VisitRow
    gap_s: float | None


def recover(folder: Path, now: Clocks) -> Interrupted | None:
    """At the service's start: the visit that was running or paused when the last process ended."""
    if not (folder / FILE).exists():
        return None
    with Store.open(folder) as store:
        visit = store.running()
    return None if visit is None else Interrupted(visit, gap_s(_seen(folder, visit.id), now))


def close_interrupted(folder: Path, visit: int) -> None:
    """Ends such a visit where the disk has it, as interrupted."""
    db = connected(folder)
    try:
        with told(folder / FILE), whole(db):
            Course(db, visit).interrupt(_seen_in(db, visit).wall_s)
    finally:
        db.close()


def _seen(folder: Path, visit: int) -> Clocks:
    db = connected(folder)
    try:
        with told(folder / FILE):
            return _seen_in(db, visit)
    finally:
        db.close()


def _seen_in(db: sqlite3.Connection, visit: int) -> Clocks:
    """What the clocks showed when something of the visit last came to the disk."""
    wall_s, boot_id, mono_s, clock_set = db.execute(
        "SELECT coalesce(seen_wall_s, began_s), seen_boot, seen_mono_s, coalesce(seen_set,"
        " (SELECT clock_set FROM spans WHERE visit = v.id ORDER BY n DESC LIMIT 1), clock_set)"
        " FROM visits v WHERE id = ?",
        (visit,),
    ).fetchone()
    # without a monotonic second a boot's name tells nothing
    return Clocks(
        wall_s,
        None if mono_s is None else boot_id,
        mono_s or 0.0,
        None if clock_set is None else bool(clock_set),
    )
