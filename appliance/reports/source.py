"""What a report is made from: a visit with its figures and curves, and the visits that it is seen beside.

Figures by stance side, as everywhere below; the hips' names come with the words. Wall seconds since 1970.
"""

from __future__ import annotations

import msgspec

from appliance.clinic.course import Course, CourseRow
from appliance.clinic.cue import Cue, CueResult
from appliance.clinic.curves import Curve, Curves
from appliance.clinic.figures import VisitFigures
from appliance.clinic.rows import VisitData, VisitRow
from appliance.records import Side

NO_CURVES = Curves(left=Curve(first=Side.LEFT), right=Curve(first=Side.RIGHT))
NO_COURSE = Course(rows=(), reference=None, reference_of=None, reference_number=None)


class VisitSource(msgspec.Struct, frozen=True, kw_only=True):
    """One visit. course : of this runner by this protocol, up to this visit. cues : the clinic's own list.

    made_s : when the report is made.
    """

    data: VisitData
    figures: VisitFigures
    curves: Curves = NO_CURVES
    course: Course = NO_COURSE
    cues: tuple[Cue, ...] = ()
    made_s: float | None = None

    def here(self) -> CourseRow | None:
        """This visit in its course."""
        return next((row for row in self.course.rows if row.visit == self.data.visit.id), None)


class Seen(msgspec.Struct, frozen=True):
    """A visit in a list. trial : what a cue trial has shown."""

    row: VisitRow
    figures: VisitFigures
    trial: CueResult | None = None


class RunnerSource(msgspec.Struct, frozen=True, kw_only=True):
    """A runner's course by one protocol, the oldest visit first. others : cue trials, exercises, what was imported.

    also : protocols of other visits, which are not in this course.

    strides : mean curves of the first and the newest visit with their numbers; empty where there is only one.
    """

    code: str
    protocol: str
    visits: int
    seen: tuple[Seen, ...]
    course: Course
    strides: tuple[tuple[int, Curves], ...] = ()
    others: tuple[Seen, ...] = ()
    also: tuple[str, ...] = ()
    software: str = ""
    made_s: float | None = None
