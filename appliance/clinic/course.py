"""The figures of a runner's visits become a course: what has changed since the first one, and whether that can be told.

Degrees by STANCE side, steps a minute. What a runner has learnt shows without light, so visits are compared by the
steps that were run without a figure on the bar, with the first visit's baseline; where there is none, by all that
count. Refuses nothing: visits without steps are rows without figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from appliance.clinic.figures import Contrast, PartFigures, VisitFigures, contrast
from appliance.clinic.intervals import Verdict, verdict
from appliance.clinic.terms import SDD_DEG

Of = Literal["baseline", "unlit", "whole"]


class CourseRow(msgspec.Struct, frozen=True, kw_only=True):
    """One visit. of : which of its steps `figures` are from. change : from the reference; None in it itself."""

    visit: int
    number: int
    protocol: str
    state: str
    began_s: float
    steps: int
    of: Of
    figures: PartFigures | None
    lit: PartFigures | None
    change: Contrast | None = None
    left_verdict: Verdict | None = None
    right_verdict: Verdict | None = None
    asymmetry_verdict: Verdict | None = None
    cadence_verdict: Verdict | None = None


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """Visits, oldest first. reference : what they are compared with, of visit number `reference_number`."""

    rows: tuple[CourseRow, ...]
    reference: PartFigures | None
    reference_of: Of | None
    reference_number: int | None
    sdd_deg: float = SDD_DEG


def course(visits: Sequence[VisitFigures]) -> Course:
    """The course over visits, given oldest first."""
    reference, of, first = _reference(visits)
    rows = tuple(_row(visit, reference if visit is not first else None) for visit in visits)
    return Course(
        rows=rows, reference=reference, reference_of=of, reference_number=first.number if first else None
    )


def _reference(visits: Sequence[VisitFigures]) -> tuple[PartFigures | None, Of | None, VisitFigures | None]:
    """The first visit that has steps."""
    for visit in visits:
        if visit.baseline:
            return visit.baseline, "baseline", visit
        part, of = _without_light(visit)
        if part:
            return part, of, visit
    return None, None, None


def _without_light(visit: VisitFigures) -> tuple[PartFigures | None, Of]:
    if visit.unlit:
        return visit.unlit, "unlit"
    return (visit.whole if visit.whole.steps else None), "whole"


def _row(visit: VisitFigures, reference: PartFigures | None) -> CourseRow:
    part, of = _without_light(visit)
    row = CourseRow(
        visit=visit.visit, number=visit.number, protocol=visit.protocol, state=visit.state, began_s=visit.began_s,
        steps=visit.whole.steps, of=of, figures=part, lit=visit.lit,
    )  # fmt: skip
    if not part or not reference:
        return row
    by = contrast(part, reference)
    return msgspec.structs.replace(
        row,
        change=by,
        left_verdict=verdict(by.left_drop_deg, SDD_DEG),
        right_verdict=verdict(by.right_drop_deg, SDD_DEG),
        asymmetry_verdict=verdict(by.asymmetry_deg),
        cadence_verdict=verdict(by.cadence_spm),
    )
