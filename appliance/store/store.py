"""The clinic's file becomes runners, visits, their steps and traces, for whoever asks; small changes go the same way.

Degrees and seconds as in `appliance.clinic.rows`. One thread, one store; the running visit is written by
`appliance.store.writer`, and both may be open at the same time. Refuses, with `StoreError`, what is not there and what
the card has changed; with `VisitError`, what can't be done to a visit that runs.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import EventRow, RunnerRow, VisitData, VisitRow
from appliance.clinic.terms import Baseline, VisitKind
from appliance.errors import OutputError, StoreError, VisitError
from appliance.store import adding, forget, read, runners
from appliance.store.opening import FILE, connected, told
from appliance.store.places import placed, sound
from appliance.store.read import Trace
from appliance.store.schema import whole

if TYPE_CHECKING:
    from appliance.clinic.figures import VisitFigures

_MOST = 2**63 - 1  # of what SQLite can count
_ENDED = "v.state IN ('done', 'stopped', 'interrupted')"


class Store:
    """An open store; a context manager. Made by `open`."""

    def __init__(self, folder: Path, db: sqlite3.Connection) -> None:
        self.folder, self.path, self._db = folder, folder / FILE, db

    @classmethod
    def open(cls, folder: Path, *, make: bool = False, read_only: bool = False) -> Self:
        """The store of a state folder; `make` makes the first one."""
        return cls(folder, connected(folder, make=make, read_only=read_only))

    def close(self) -> None:
        """Closing twice is fine."""
        self._db.close()

    def __enter__(self) -> Self:
        """Is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes."""
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """All that is read within is of one moment."""
        with told(self.path):
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN")
            try:
                yield self._db
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with told(self.path), whole(self._db):
            yield self._db

    # runners

    def runners(self) -> list[RunnerRow]:
        """All, by code."""
        with self._reading() as db:
            return runners.runners(db)

    def runner(self, code: str) -> RunnerRow:
        """The one with this code, however it was typed."""
        with self._reading() as db:
            return runners.runner(db, code)

    def add_runner(self, code: str, note: str, wall_s: float) -> RunnerRow:
        """A new one; a code, no name."""
        with self._writing() as db:
            return runners.add(db, code, note, wall_s)

    def forget(self, code: str, wall_s: float) -> forget.Forgotten:
        """Erases a runner, all visits, and their bytes in the file; what is left is a line without the code."""
        with told(self.path):
            return forget.forget(self._db, self.path, code, wall_s)

    def audit(self) -> list[EventRow]:
        """What was erased, restored, migrated: oldest first."""
        with self._reading() as db:
            rows = db.execute("SELECT wall_s, kind, words FROM audit ORDER BY id")
            return [EventRow(at_s=0.0, wall_s=wall_s, kind=kind, words=words) for wall_s, kind, words in rows]

    def note_audit(self, kind: str, words: str, wall_s: float) -> None:
        """A line that belongs to no visit."""
        with self._writing() as db:
            forget.note(db, kind, words, wall_s)

    # visits

    def visits(
        self,
        runner: str | None = None,
        *,
        limit: int | None = None,
        kind: VisitKind | None = None,
        protocol: str | None = None,
    ) -> list[VisitRow]:
        """Newest first, without plan and protocol's text."""
        with self._reading() as db:
            of = None if runner is None else runners.runner(db, runner).id
            wanted = {"v.runner = ?": of, "v.kind = ?": kind, "v.protocol = ?": protocol}
            asked = {where: value for where, value in wanted.items() if value is not None}
            where = f" WHERE {' AND '.join(asked)}" if asked else ""
            query = f"{read.VISITS}{where} ORDER BY v.id DESC LIMIT ?"
            rows = db.execute(query, (*asked.values(), -1 if limit is None else min(limit, _MOST)))
            return [read.visit_row(row) for row in rows]

    def visit(self, number: int | str) -> VisitRow:
        """A visit by its number, or the "last" one."""
        with self._reading() as db:
            return read.with_plan(db, self._row(number))

    def running(self) -> VisitRow | None:
        """The visit that is under way, or was when the power went."""
        with self._reading() as db:
            row = db.execute(f"{read.VISITS} WHERE v.state IN ('running', 'paused')").fetchone()
            return None if row is None else read.with_plan(db, read.visit_row(row))

    def data(self, visit: int | str, edition: int | None = None) -> VisitData:
        """All of a visit but its trace, with the steps of one edition: the newest, unless another is asked for."""
        with self._reading() as db:
            row = read.with_plan(db, self._row(visit))
            edition = self._edition(row, edition)
            return VisitData(
                visit=row,
                blocks=tuple(read.blocks(db, row.id)),
                stretches=tuple(read.stretches(db, row.id)),
                steps=read.steps(db, row.id, edition),
                events=tuple(read.events(db, row.id)),
                spans=tuple(read.spans(db, row.id)),
                reps=tuple(read.reps(db, row.id)),
                edition=edition,
            )

    def editions(self, visit: int | str) -> list[tuple[int, str, float]]:
        """Of a visit's steps, oldest first: the edition, by which software, when (wall seconds)."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT edition, software, made_s FROM editions WHERE visit = ? ORDER BY edition",
                (self._row(visit).id,),
            )
            return [(int(edition), str(software), float(made_s)) for edition, software, made_s in rows]

    def trace(self, visit: int | str, span: int | None = None) -> Iterator[Trace]:
        """A visit's frames, chunk by chunk: span, keypoints (`TRACK`), and what was made of them (`TRACE`)."""
        with told(self.path):
            yield from read.chunks(self._db, self._row(visit).id, span)

    def curves(
        self, visit: int | str, from_s: float = -math.inf, to_s: float = math.inf
    ) -> Iterator[NDArray[np.void]]:
        """Of the same only what was made of the keypoints (`TRACE`), from one second of the visit to another."""
        with told(self.path):
            yield from read.traces(self._db, self._row(visit).id, from_s, to_s)

    def summary(self, visit: int | str) -> VisitFigures:
        """A visit's figures; computed once and kept, anew when their arithmetic or the newest edition has changed."""
        from appliance.clinic import figures

        with self._reading() as db:
            row = self._row(visit)
            edition, version = self._edition(row, None), str(getattr(figures, "VERSION", 1))
            query = "SELECT figures FROM figures WHERE visit = ? AND edition = ? AND version = ?"
            kept = db.execute(query, (row.id, edition, version)).fetchone()
            if kept:
                return msgspec.json.decode(kept[0], type=figures.VisitFigures)
            found = figures.visit_figures(self.data(row.id))
        if row.ended_s is not None:
            self._remember(row.id, edition, version, found)
        return found

    def _remember(self, visit: int, edition: int, version: str, found: VisitFigures) -> None:
        """Where nothing can be written they are computed again the next time."""
        with suppress(OutputError, StoreError), self._writing() as db:
            db.execute(
                "REPLACE INTO figures VALUES (?, ?, ?, ?)", (visit, edition, version, read.json_of(found))
            )

    def course(self, code: str, protocol: str) -> list[VisitRow]:
        """A runner's visits by a protocol that have ended, oldest first."""
        with self._reading() as db:
            values = (runners.runner(db, code).id, protocol)
            query = f"{read.VISITS} WHERE v.runner = ? AND v.protocol = ? AND {_ENDED} ORDER BY v.id"
            return [read.visit_row(row) for row in db.execute(query, values)]

    def first_baseline(self, code: str, protocol: str) -> Baseline | None:
        """How a runner ran at the first visit by a protocol that measured it."""
        found = [row.baseline for row in self.course(code, protocol) if row.baseline]
        return found[0] if found else None

    # changes

    def assign(self, visit: int | str, code: str) -> VisitRow:
        """Says whose visit it was."""
        with self._writing() as db:
            row = self._row(visit)
            db.execute("UPDATE visits SET runner = ? WHERE id = ?", (runners.runner(db, code).id, row.id))
            return self._row(row.id)

    def placed(self, visit: int | str, steps: NDArray[np.void]) -> NDArray[np.void]:
        """Steps of a visit with `n`, `block`, `lit` and `paused` filled in as the writer does it."""
        with self._reading() as db:
            of = self._row(visit).id
            done = sound(placed(steps, read.blocks(db, of), read.stretches(db, of), read.pauses(db, of)))
        done["n"] = np.arange(len(done))
        return done

    def put_steps(
        self, visit: int | str, edition: int, steps: NDArray[np.void], software: str, wall_s: float
    ) -> None:
        """Adds an edition of a visit's steps, or replaces one that was computed before; the live one always stays."""
        with self._writing() as db:
            row = self._row(visit)
            if edition == row.edition:
                raise StoreError(
                    f"visit {row.id}: edition {edition} is what was measured live",
                    fix="keep it: only another edition can be put beside it",
                )
            db.execute("DELETE FROM editions WHERE visit = ? AND edition = ?", (row.id, edition))
            adding.put_edition(db, row.id, edition, software, wall_s)
            adding.put_all_steps(db, row.id, edition, steps)

    def put_visit(self, data: VisitData, traces: Iterable[Trace]) -> int:
        """Adds a whole visit that was not recorded here, or nothing of it; gives its number."""
        if data.visit.ended_s is None:
            raise VisitError("a visit that still runs can't be added whole", fix="let it end first")
        with self._writing() as db:
            visit = adding.put_ended(db, data)
            for n, chunk in enumerate(traces):
                read.put_chunk(db, visit, n, chunk)
            return visit

    def _row(self, number: int | str) -> VisitRow:
        where, values = (
            ("ORDER BY v.id DESC LIMIT 1", ())
            if number == "last"
            else ("WHERE v.id = ?", (min(int(number), _MOST),))
        )
        row = self._db.execute(f"{read.VISITS} {where}", values).fetchone()
        if row is None:
            what = "no visit is kept yet" if number == "last" else f"there is no visit {number}"
            raise StoreError(what, fix='"hipbar visit list" shows those that are kept')
        return read.visit_row(row)

    def _edition(self, visit: VisitRow, wanted: int | None) -> int:
        known = [edition for edition, _, _ in self.editions(visit.id)]
        if wanted is not None and wanted not in known:
            raise StoreError(
                f"visit {visit.id} has no edition {wanted}",
                fix=f'there is {", ".join(map(str, known))}; "hipbar reprocess {visit.id}" makes the newest',
            )
        return max(known, default=visit.edition) if wanted is None else wanted
