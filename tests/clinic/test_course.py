"""Visits of a runner who learns become a course: each compared with the first baseline, beside what can be detected."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.clinic.course import course
from appliance.clinic.figures import VisitFigures, visit_figures
from appliance.clinic.intervals import Verdict
from appliance.clinic.terms import SDD_DEG, Kind
from tests.clinic.handmade import STEP_S, block, correlated, dark, lit, steps, visit


def one(number: int, baseline_deg: float, dark_deg: float, seed: int = 0) -> VisitFigures:
    """A visit with a baseline, feedback at 3 degrees, and retention; right stance, steps that scatter by 0.6."""
    rng = np.random.default_rng(100 * seed + number)
    parts = []
    for kind, right in ((Kind.BASELINE, baseline_deg), (Kind.FEEDBACK, 3.0), (Kind.RETENTION, dark_deg)):
        own = steps(120, right=right)
        own["peak_drop_deg"] += 0.6 * correlated(rng, 0.3, (120,))
        parts.append((block(kind, 120 * STEP_S), own))
    at_s = 120 * STEP_S
    shown = (lit(at_s, mode="step", target_deg=4.0), dark(2 * at_s))
    return visit_figures(visit(parts, stretches=shown, number=number))


def test_each_visit_is_compared_with_the_first_baseline_by_its_steps_without_light() -> None:
    told = course([one(1, 8.0, 7.0), one(2, 7.0, 6.0), one(3, 5.0, 4.0)])
    assert (told.reference_of, told.reference_number, told.sdd_deg) == ("baseline", 1, SDD_DEG)
    assert [row.number for row in told.rows] == [1, 2, 3]
    assert {row.of for row in told.rows} == {"unlit"}
    first, second, third = told.rows
    assert (first.change, first.right_verdict) == (None, None)
    assert second.change is not None
    assert second.change.right_drop_deg.change == pytest.approx(6.5 - 8.0, abs=0.25)
    assert second.right_verdict is Verdict.WITHIN
    assert third.change is not None
    assert third.change.right_drop_deg.change == pytest.approx(4.5 - 8.0, abs=0.25)
    assert third.right_verdict is Verdict.BEYOND
    assert third.left_verdict is Verdict.NONE
    assert third.asymmetry_verdict is Verdict.CLEAR
    assert third.cadence_verdict is Verdict.NONE
    assert third.lit is not None
    assert third.lit.right.drop_deg.mean == pytest.approx(3.0, abs=0.2)


def test_a_course_without_a_dark_step_is_compared_by_all_that_there_is() -> None:
    def open_visit(number: int, right: float) -> VisitFigures:
        parts = [(block(Kind.FEEDBACK), steps(80, right=right))]
        return visit_figures(visit(parts, stretches=(lit(0.0, mode="box"),), number=number))

    told = course([open_visit(1, 6.0), open_visit(2, 5.0)])
    assert (told.reference_of, [row.of for row in told.rows]) == ("whole", ["whole", "whole"])
    assert told.rows[1].change is not None
    assert told.rows[1].change.right_drop_deg.change == -1.0


def test_a_visit_without_steps_is_a_row_without_figures_and_no_reference() -> None:
    empty = visit_figures(visit([(block(Kind.BASELINE), steps(0))], number=1))
    told = course([empty, one(2, 8.0, 7.0), one(3, 8.0, 7.0)])
    assert told.reference_number == 2
    assert (told.rows[0].figures, told.rows[0].change, told.rows[0].steps) == (None, None, 0)
    assert told.rows[1].change is None
    assert told.rows[2].change is not None
    assert course([]).rows == ()
    assert course([empty]).reference is None


def test_a_runner_who_does_not_change_is_mostly_said_not_to() -> None:
    """Of 60 later visits without a change, the intervals call about one in twenty clear, and none detectable."""
    said = [course([one(1, 6.0, 6.0, seed), one(2, 6.0, 6.0, seed)]).rows[1] for seed in range(60)]
    clear = [row.right_verdict for row in said if row.right_verdict is not Verdict.NONE]
    assert len(clear) <= 8
    assert Verdict.BEYOND not in clear
