"""The store becomes what a report is made from: a visit with those before it, or a runner's whole course.

Only reads. A course holds visits by one protocol that have ended, up to the one that is looked at. Refuses, with
`StoreError`, what is not in the store.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from appliance.clinic.course import Course, Of, course
from appliance.clinic.cue import Cue, parse_cues, trials
from appliance.clinic.curves import Chunk, Curves, stride_curve
from appliance.clinic.figures import VisitFigures, counted, visit_figures
from appliance.clinic.rows import VisitData, VisitRow
from appliance.clinic.terms import Kind, VisitKind
from appliance.errors import HipbarError, StoreError
from appliance.records import TRACK
from appliance.reports.source import NO_CURVES, RunnerSource, Seen, VisitSource
from appliance.store import texts

if TYPE_CHECKING:
    from appliance.store.store import Store

_WITHOUT_STRIDES = VisitKind.EXERCISE
_MOST_OTHERS = 8
_CHUNKS_AT_ONCE = 64
_AROUND_S = 3.0
"""What of a trace is read beside the chosen steps: more than a stride and the longest hole within one."""


def visit_source(
    store: Store, number: int | str, *, edition: int | None = None, made_s: float, curves: bool = True
) -> VisitSource:
    """All of a visit. edition : of its steps; None = the newest. curves : without them its trace is not read."""
    data = store.data(number, edition)
    figures = store.summary(data.visit.id) if edition is None else visit_figures(data)
    wanted = curves and data.visit.kind is not _WITHOUT_STRIDES
    return VisitSource(
        data=data,
        figures=figures,
        curves=_curves(store, data) if wanted else NO_CURVES,
        course=_course(store, data.visit, figures),
        cues=_cues(store) if data.visit.kind is VisitKind.CUE else (),
        made_s=made_s,
    )


def runner_source(
    store: Store, code: str, *, protocol: str | None = None, made_s: float, curves: bool = True
) -> RunnerSource:
    """A runner's course. protocol : None = that of the newest visit. curves : without them no trace is read."""
    runner = store.runner(code)
    rows = store.visits(runner.code)[::-1]
    ours = [row for row in rows if row.kind is VisitKind.VISIT and row.ended_s is not None]
    if protocol is not None and all(row.protocol != protocol for row in ours):
        known = ", ".join(sorted({row.protocol for row in ours})) or "none yet"
        raise StoreError(f"{runner.code} has no visit by the protocol {protocol!r}", fix=f"there is: {known}")
    chosen = protocol or (ours[-1].protocol if ours else "")
    seen = [Seen(row, store.summary(row.id)) for row in ours if row.protocol == chosen]
    rest = [row for row in rows if row.kind is not VisitKind.VISIT][-_MOST_OTHERS:]
    plan = store.visit(seen[-1].row.id).plan if seen else None
    return RunnerSource(
        code=runner.code,
        protocol=chosen,
        visits=plan.visits if plan else 0,
        seen=tuple(seen),
        course=course([each.figures for each in seen]),
        strides=_strides(store, seen) if curves else (),
        others=tuple(_other(store, row) for row in rest),
        also=tuple(dict.fromkeys(row.protocol for row in ours if row.protocol != chosen)),
        software=seen[-1].row.software if seen else "",
        made_s=made_s,
    )


def _strides(store: Store, seen: Sequence[Seen]) -> tuple[tuple[int, Curves], ...]:
    """The first visit's baseline, and the newest visit without feedback: what a course compares."""
    ran = [each.row for each in seen if each.figures.whole.steps]
    if len(ran) < 2:
        return ()
    first, newest = (store.data(row.id) for row in (ran[0], ran[-1]))
    return (
        (first.visit.number, _curves(store, first, "baseline")),
        (newest.visit.number, _curves(store, newest, "unlit")),
    )


def _other(store: Store, row: VisitRow) -> Seen:
    found = trials(store.data(row.id)) if row.kind is VisitKind.CUE else ()
    return Seen(row, store.summary(row.id), next(iter(found), None))


def _curves(store: Store, data: VisitData, of: Of = "whole") -> Curves:
    """The mean strides of all steps that count, or of a part of them where there is any."""
    steps = data.steps[np.argsort(data.steps["contact_s"], kind="stable")]
    whole = counted(steps, data.blocks)
    unlit = whole & (steps["lit"] == 0)
    baselines = [row.n for row in data.blocks if row.block.kind is Kind.BASELINE]
    baseline = unlit & np.isin(steps["block"], baselines)
    wanted = {"whole": (whole,), "unlit": (unlit,), "baseline": (baseline, unlit)}[of]
    chosen = next((part for part in wanted if part.any()), whole)
    contacts_s = steps["contact_s"][chosen & np.isfinite(steps["contact_s"])]
    if not len(contacts_s):
        return NO_CURVES
    traces = store.curves(data.visit.id, contacts_s[0] - _AROUND_S, contacts_s[-1] + _AROUND_S)
    return stride_curve(steps, _minutes(traces), chosen)


def _minutes(traces: Iterable[NDArray[np.void]]) -> Iterator[Chunk]:
    """Many of the store's small chunks as one: the same figures, and a fraction of the calls."""
    found = iter(traces)
    while some := list(itertools.islice(found, _CHUNKS_AT_ONCE)):
        yield 0, np.empty(0, TRACK), np.concatenate(some)


def _cues(store: Store) -> tuple[Cue, ...]:
    """The list in force; without a readable one nothing is marked as meant."""
    with contextlib.suppress(HipbarError):
        found = texts.cues(store.folder)
        return parse_cues(found.text, found.origin)
    return ()


def _course(store: Store, visit: VisitRow, figures: VisitFigures) -> Course:
    """The visits by the same protocol before this one, and this one."""
    past: list[VisitFigures] = []
    if visit.runner is not None and visit.kind is VisitKind.VISIT:
        rows = store.course(visit.runner, visit.protocol)
        past = [store.summary(row.id) for row in rows if row.id < visit.id and row.kind is visit.kind]
    return course([*past, figures])
