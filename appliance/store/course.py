"""The items of one visit, in their order, become changes of its rows; the caller puts them into transactions.

What must be known of a visit to go on with it is read back from the rows, after a restart and after whatever went
wrong. Times in the visit's own seconds, wall seconds since 1970. Refuses, with `VisitError`, a visit that is not there,
and to go on with one that has ended.
"""

from __future__ import annotations

import sqlite3
import zlib

import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import BlockRow, EventRow, StretchRow
from appliance.clinic.terms import (
    Act,
    Aim,
    Block,
    BlockBegan,
    BlockEnded,
    Lit,
    Measured,
    Noted,
    Over,
    Progress,
    Rep,
    VisitState,
    Zeroed,
)
from appliance.errors import VisitError
from appliance.store import read
from appliance.store.adding import put_block, put_event, put_rep, put_span, put_stretch
from appliance.store.clocks import Clocks
from appliance.store.items import Happened, Second, Span
from appliance.store.places import COUNTED, placed, sound


class Course:
    """One visit that goes on, as far as its rows tell."""

    def __init__(self, db: sqlite3.Connection, visit: int) -> None:
        query = "SELECT edition, steps, steps_crc, dropped, seconds FROM visits WHERE id = ?"
        row = db.execute(query, (visit,)).fetchone()
        if row is None:
            raise VisitError(
                f"there is no visit {visit}", fix='"hipbar visit list" shows those that are kept'
            )
        self._db, self.visit = db, visit
        self._edition, self.steps, self._crc, self.dropped, self.at_s = row
        self._plan = read.with_plan(
            db, read.visit_row(db.execute(f"{read.VISITS} WHERE v.id = ?", (visit,)).fetchone())
        )
        self._blocks = {block.n: block for block in read.blocks(db, visit)}
        self._stretches, self._pauses = read.stretches(db, visit), read.pauses(db, visit)
        self._counts = {table: self._next(table) for table in ("chunks", "events", "reps")}

    def _next(self, table: str) -> int:
        found = self._db.execute(f"SELECT max(n) FROM {table} WHERE visit = ?", (self.visit,)).fetchone()[0]
        return 0 if found is None else int(found) + 1

    def _count(self, table: str) -> int:
        self._counts[table] += 1
        return self._counts[table] - 1

    def span(self, item: Span) -> None:
        """Another pipeline goes on."""
        put_span(self._db, self.visit, item.span)

    def second(self, item: Second, dropped: int) -> None:
        """A second of frames and steps; dropped : frames of it that could not wait for the disk."""
        if len(item.track):
            read.put_chunk(self._db, self.visit, self._count("chunks"), (item.span, item.track, item.trace))
        if len(item.track) or item.lost:
            self._db.execute(
                "UPDATE spans SET frames = frames + ?, lost = lost + ? WHERE visit = ? AND n = ?",
                (len(item.track), item.lost, self.visit, item.span),
            )
        self._keep(item.steps)
        self.dropped += dropped
        self._stands(item.progress)

    def _keep(self, steps: NDArray[np.void]) -> None:
        if not len(steps):
            return
        done = sound(placed(steps, self._blocks.values(), self._stretches, self._pauses))
        done["n"] = np.arange(self.steps, self.steps + len(done))
        read.put_steps(self._db, self.visit, self._edition, done)
        self.steps, self._crc = self.steps + len(done), zlib.crc32(done.tobytes(), self._crc)

    def happened(self, item: Happened) -> None:
        """One act of the session."""
        self._mind_pause(item.state, item.act.at_s)
        self._act(item.act, item.wall_s)
        self._db.execute("UPDATE visits SET state = ? WHERE id = ?", (item.state, self.visit))
        if isinstance(item.act, Over):
            self.over(item.act.state, item.progress, item.wall_s)
        self._stands(item.progress)

    def _act(self, act: Act, wall_s: float) -> None:
        match act:
            case BlockBegan():
                self._began(BlockRow(n=act.n, block=self._block(act.n), began_s=act.at_s))
            case BlockEnded():
                self._ended(act.n, act.at_s, act.why, act.ran_s)
            case Lit():
                self._lit(act.at_s, act.aim)
            case Measured():
                words = read.json_of(act.baseline)
                self._db.execute("UPDATE visits SET baseline = ? WHERE id = ?", (words, self.visit))
                self.event(act.at_s, wall_s, "baseline", words or "")
            case Zeroed():
                spread = f"{act.zero_deg:.3f} deg, spread {act.spread_deg:.3f} deg, {act.seconds:.1f} s"
                self.event(act.at_s, wall_s, "zero", spread)
            case Noted():
                self.event(act.at_s, wall_s, act.kind, act.words)
            case Rep():
                put_rep(self._db, self.visit, self._count("reps"), act)
            case _:
                pass  # what the bar showed for a moment is not kept; the end is told below

    def _block(self, n: int) -> Block:
        plan = self._plan.plan
        if plan is None or not 0 <= n < len(plan.blocks):
            raise VisitError(
                f"visit {self.visit} has no block {n}",
                fix='a fault of the program: "hipbar logs --errors" has the rest',
            )
        return plan.blocks[n]

    def _began(self, row: BlockRow) -> None:
        put_block(self._db, self.visit, row)
        before = self._blocks.get(row.n)
        self._blocks[row.n] = (
            row if before is None else BlockRow(n=row.n, block=row.block, began_s=before.began_s)
        )

    def _ended(self, n: int, at_s: float, why: str, ran_s: float) -> None:
        row = self._blocks.get(n)
        if row is None:
            return
        self._blocks[n] = BlockRow(
            n=n, block=row.block, began_s=row.began_s, ended_s=at_s, why=why, ran_s=ran_s
        )
        values = (at_s, why, ran_s, self.visit, n)
        self._db.execute(
            "UPDATE blocks SET ended_s = ?, why = ?, ran_s = ? WHERE visit = ? AND n = ?", values
        )

    def _lit(self, at_s: float, aim: Aim) -> None:
        row = StretchRow(began_s=at_s, aim=aim)
        put_stretch(self._db, self.visit, len(self._stretches), row)
        self._stretches.append(row)

    def _mind_pause(self, state: VisitState, at_s: float) -> None:
        open_ = bool(self._pauses) and self._pauses[-1][1] is None
        if state == VisitState.PAUSED and not open_:
            self._db.execute(
                "INSERT INTO pauses VALUES (?, ?, ?, NULL)", (self.visit, len(self._pauses), at_s)
            )
            self._pauses.append((at_s, None))
        elif state != VisitState.PAUSED and open_:
            n = len(self._pauses) - 1
            self._db.execute("UPDATE pauses SET ended_s = ? WHERE visit = ? AND n = ?", (at_s, self.visit, n))
            self._pauses[-1] = (self._pauses[-1][0], at_s)

    def event(self, at_s: float, wall_s: float, kind: str, words: str = "") -> None:
        """A line in the visit's events."""
        put_event(
            self._db,
            self.visit,
            self._count("events"),
            EventRow(at_s=at_s, wall_s=wall_s, kind=kind, words=words),
        )

    def over(self, state: VisitState, progress: Progress, wall_s: float | None, why: str = "stopped") -> None:
        """The end: no block and no pause stays open."""
        at_s = max(self.at_s, progress.at_s)
        for n, row in list(self._blocks.items()):
            if row.ended_s is None:
                self._ended(
                    n, max(at_s, row.began_s), why, progress.ran_s if n == progress.block else row.ran_s
                )
        self._mind_pause(state, at_s)
        self._db.execute("UPDATE visits SET state = ?, ended_s = ? WHERE id = ?", (state, wall_s, self.visit))

    def _stands(self, progress: Progress) -> None:
        """How far it has come; `at_s` never goes back."""
        ran_s = sum(
            row.ran_s
            for row in self._blocks.values()
            if row.block.kind in COUNTED and row.ended_s is not None
        )
        now = self._blocks.get(progress.block)
        if now and now.ended_s is None and now.block.kind in COUNTED:
            ran_s += progress.ran_s
        self.at_s = max(self.at_s, progress.at_s)
        self._db.execute(
            "UPDATE visits SET seconds = ?, ran_s = ?, steps = ?, steps_crc = ?, dropped = ?, progress = ?"
            " WHERE id = ?",
            (self.at_s, ran_s, self.steps, self._crc, self.dropped, read.json_of(progress), self.visit),
        )

    def resume(self, wall_s: float) -> None:
        """What was interrupted goes on, paused as it was; refused when the visit has ended otherwise."""
        visit = self._plan
        if visit.state in (VisitState.DONE, VisitState.STOPPED):
            raise VisitError(f"visit {self.visit} has ended", fix='"hipbar visit start" begins another one')
        state = VisitState.PAUSED if visit.progress and visit.progress.paused else VisitState.RUNNING
        try:
            self._db.execute("UPDATE visits SET state = ?, ended_s = NULL WHERE id = ?", (state, self.visit))
        except sqlite3.IntegrityError:
            raise VisitError("another visit runs", fix='end it first: "hipbar visit stop"') from None
        for row in self._blocks.values():
            if row.why == "interrupted":
                self._began(row)
        self.event(self.at_s, wall_s, "restart")

    def interrupt(self, wall_s: float | None) -> None:
        """It ends where the disk has it."""
        self.over(VisitState.INTERRUPTED, self._plan.progress or Progress(), wall_s, "interrupted")
        self._stands(self._plan.progress or Progress())
        self.event(self.at_s, wall_s if wall_s is not None else self._plan.began_s, "interrupted")

    def seen(self, now: Clocks) -> None:
        """What the clocks showed when something of this visit was last put on the disk."""
        self._db.execute(
            "UPDATE visits SET seen_boot = ?, seen_mono_s = ?, seen_wall_s = ?, seen_set = ? WHERE id = ?",
            (now.boot_id, now.mono_s, now.wall_s, now.clock_set, self.visit),
        )
