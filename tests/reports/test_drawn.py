"""What drawings are made from: lines over a visit, its lit stretches, points of a course."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest
from reported import figures_of, plan, retraining, source_of, visit

from appliance.clinic.course import course
from appliance.clinic.rows import STEP, BlockRow, StretchRow
from appliance.clinic.terms import Aim, Block, Kind
from appliance.reports import charts, plots, traces
from appliance.reports.words import Words

SIZE_MM = (100.0, 40.0)


def test_the_left_hip_s_line_is_the_mean_of_right_stances() -> None:
    data = visit(plan(1, 1, Block(kind=Kind.BASELINE, seconds=600)))
    right = data.steps["right"] == 1
    data.steps["peak_drop_deg"] = np.where(right, 8.0, 3.0)
    left_hip, right_hip = traces.lines(data)
    assert left_hip is not None
    assert right_hip is not None
    assert np.nanmean(left_hip.mean_deg) == 8.0
    assert np.nanmean(right_hip.mean_deg) == 3.0
    assert np.nanmax(left_hip.sd_deg) == 0.0
    assert len(left_hip.at_min) < 110
    assert left_hip.at_min[-1] == pytest.approx(10.0, abs=0.2)


def test_a_pause_breaks_the_line_instead_of_being_drawn_across() -> None:
    data = visit(plan(1, 1, Block(kind=Kind.BASELINE, seconds=600)))
    at_s = data.steps["contact_s"]
    kept = data.steps[(at_s < 200) | (at_s > 300)]
    line, _ = traces.lines(msgspec.structs.replace(data, steps=kept))
    assert line is not None
    hole = (line.at_min > 3.5) & (line.at_min < 4.8)
    assert np.isnan(line.mean_deg[hole]).all()


def test_steps_that_do_not_count_are_in_no_line() -> None:
    data = visit(plan(1, 1, Block(kind=Kind.BASELINE, seconds=120)))
    data.steps["quality"] = 0.1
    assert traces.lines(data) == (None, None)


def test_lit_stretches_end_where_the_next_one_begins_and_the_last_with_the_visit() -> None:
    aims = (Aim(mode="off"), Aim(mode="step", target_deg=5.0), Aim(mode="off"), Aim(mode="box", band_deg=2.0))
    rows = tuple(StretchRow(began_s=60.0 * n, aim=aim) for n, aim in enumerate(aims))
    data = visit(plan(1, 1, Block(kind=Kind.BASELINE, seconds=240)))
    data = msgspec.structs.replace(data, stretches=rows)
    assert traces.lit(data)[0] == (1.0, 2.0)
    assert traces.lit(data)[1] == (3.0, pytest.approx(4.0, abs=0.01))
    assert traces.targets(data) == ((1.0, 2.0, 5.0),)


def test_a_block_that_was_never_ended_reaches_to_the_end_of_the_visit() -> None:
    data = visit(retraining(1))
    open_one = BlockRow(n=0, block=data.blocks[0].block, began_s=30.0)
    part = traces.parts(Words("de"), msgspec.structs.replace(data, blocks=(open_one,)))[0]
    assert (part.n, part.name, part.began_min) == (1, "Stehen", 0.5)
    assert part.ended_min == pytest.approx(data.visit.seconds / 60, abs=0.1)


def test_settings_that_were_not_kept_are_none() -> None:
    assert [traces.settings_of(text) for text in ("", "no JSON", "[1]", '{"a": 1}')] == [{}, {}, {}, {"a": 1}]


def test_a_course_has_a_dark_and_a_lit_point_for_each_visit() -> None:
    found = plots.points(course([figures for _, figures in figures_of(range(1, 4))]))
    assert [(point.at, point.lit) for point in found] == [
        (n, lit) for n in (1, 2, 3) for lit in (False, True)
    ]
    assert all(
        point.left_hip and point.right_hip and point.left_hip.mean > point.right_hip.mean for point in found
    )


def test_a_visit_that_was_done_twice_has_two_places_in_the_course() -> None:
    figures = [figures for _, figures in figures_of(range(1, 3))]
    found = plots.points(course([*figures, figures[1]]))
    assert [(point.at, point.number) for point in found if not point.lit] == [(1, 1), (2, 2), (3, 2)]


def test_the_mean_stride_s_peak_is_the_mean_peak_drop() -> None:
    source = source_of(visit(plan(1, 1, Block(kind=Kind.BASELINE, seconds=120))))
    part = source.figures.whole
    assert max(source.curves.right.drops_deg) == pytest.approx(part.right.drop_deg.mean, abs=0.2)
    assert max(source.curves.left.drops_deg) == pytest.approx(part.left.drop_deg.mean, abs=0.2)


def test_drawings_of_nothing_say_that_nothing_was_measured() -> None:
    nothing = visit(plan(1, 1, Block(kind=Kind.STAND, seconds=5)))
    empty = source_of(msgspec.structs.replace(nothing, steps=np.zeros(0, STEP)))
    words = Words()
    made = [
        plots.stride(words, empty.curves, SIZE_MM),
        plots.course(words, empty.course, 0, SIZE_MM),
        charts.timeline(words, (None, None), (), (), (), SIZE_MM),
    ]
    assert all(re.search(r"<!-- not measured -->", svg) for svg in made)


def test_a_name_with_signs_of_mathematics_or_letters_that_no_typeface_has_is_drawn_all_the_same() -> None:
    parts = (charts.Part(1, "$x^2$ \U0001f3c3 跑步", 0.0, 3.0),)
    assert "<svg" in charts.timeline(Words(), (None, None), parts, (), (), SIZE_MM)
