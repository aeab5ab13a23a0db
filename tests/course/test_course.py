"""A runner's whole course, shortened, played through the station's own loop, host and store, and held to the truth."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from appliance.clinic.course import course as course_of
from appliance.clinic.rows import VisitData
from appliance.clinic.terms import SDD_DEG, Kind, VisitState
from appliance.motion.edition import EDITION
from appliance.records import Shown
from appliance.station.link import AskVisit
from appliance.station.reprocess import reprocessed
from appliance.store.store import Store
from tests.course.player import DAYS, FIRST_S, Played, Station, course, shorten
from tests.course.trainee import Figures, Learner
from tests.course.truth import held

SCALE = 0.05
RUNNER = "R-014"


class Course:
    """Eight visits in a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.played = course(folder, scale=SCALE, runner=RUNNER)
        self.store = Store.open(folder)
        self.data = [self.store.data(one.visit) for one in self.played]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return Course(tmp_path_factory.mktemp("course"))


def block(data: VisitData, kind: Kind) -> tuple[float, float]:
    """From when to when, in the visit's own time."""
    row = next(row for row in data.blocks if row.block.kind is kind)
    assert row.ended_s is not None
    return row.began_s, row.ended_s


def lit_parts(data: VisitData) -> list[tuple[float, float]]:
    """From when to when the runner saw a figure."""
    ends = [*(stretch.began_s for stretch in data.stretches), data.visit.seconds]
    return [
        (stretch.began_s, end)
        for stretch, end in zip(data.stretches, ends[1:], strict=True)
        if stretch.aim.mode != "off"
    ]


def test_eight_visits_follow_one_another_and_each_is_whole(whole: Course) -> None:
    visits = [data.visit for data in whole.data]
    assert [visit.number for visit in visits] == list(range(1, 9))
    assert {visit.state for visit in visits} == {VisitState.DONE}
    assert {visit.runner for visit in visits} == {RUNNER}
    assert {(data.edition, visit.dropped) for data, visit in zip(whole.data, visits, strict=True)} == {
        (EDITION, 0)
    }
    assert [round((visit.began_s - FIRST_S) / 86400) for visit in visits] == list(DAYS)
    for data in whole.data:
        assert [row.why for row in data.blocks] == ["done"] * 6
        assert data.visit.ran_s == pytest.approx(data.visit.planned_s, abs=0.1)
        assert data.visit.steps == len(data.steps)
        assert sum(span.frames for span in data.spans) == pytest.approx(120 * data.visit.seconds, abs=4)


def test_no_step_is_missed_or_on_the_wrong_side_and_drops_are_the_true_ones(whole: Course) -> None:
    for data, played in zip(whole.data, whole.played, strict=True):
        found = held(data, played)
        assert len(found.right) > 120
        assert (found.wrong, found.missed) == (0, 0)
        for right in (True, False):
            off = found.off_deg[found.right == right]
            assert abs(np.mean(off)) <= 0.2
            assert np.std(off) <= 0.15


def test_each_block_s_mean_is_the_truth_s(whole: Course) -> None:
    for data, played in zip(whole.data, whole.played, strict=True):
        found = held(data, played)
        for n in set(found.block):
            inside = found.block == n
            for right in (True, False):
                assert abs(np.mean(found.off_deg[inside & (found.right == right)])) <= 0.25


def test_the_standing_zero_is_that_of_the_marks(whole: Course) -> None:
    for data in whole.data:
        zeros = [event.words for event in data.events if event.kind == "zero"]
        assert len(zeros) == 1
        assert float(zeros[0].split(" deg")[0]) == pytest.approx(Figures().tilt_deg, abs=0.12)
        assert [span.n for span in data.spans] == [0, 1]


def test_light_is_on_in_all_feedback_of_the_first_four_visits(whole: Course) -> None:
    for data in whole.data[:4]:
        ((from_s, to_s),) = lit_parts(data)
        began_s, ended_s = block(data, Kind.FEEDBACK)
        assert began_s + 2.0 <= from_s <= began_s + 4.0
        assert to_s == pytest.approx(ended_s, abs=0.02)


def test_light_fades_as_planned_in_the_last_four(whole: Course) -> None:
    shares = []
    for data in whole.data[4:]:
        began_s, ended_s = block(data, Kind.FADED)
        planned = next(row.block for row in data.blocks if row.block.kind is Kind.FADED)
        assert planned.on_s
        assert planned.off_s
        cycle_s = planned.on_s + planned.off_s
        parts = lit_parts(data)
        for k, (from_s, to_s) in enumerate(parts):
            if k:  # the first one begins after the bar has said that the block does
                assert from_s == pytest.approx(began_s + k * cycle_s, abs=0.1)
            assert to_s == pytest.approx(min(ended_s, began_s + k * cycle_s + planned.on_s), abs=0.1)
        assert len(parts) == (ended_s - began_s - 0.1) // cycle_s + 1
        shares.append(sum(to_s - from_s for from_s, to_s in parts) / (ended_s - began_s))
    assert all(later < sooner for sooner, later in pairwise(shares))


def test_the_bar_showed_a_figure_when_the_record_says_so_and_never_else(whole: Course) -> None:
    for data in whole.data:
        chunks = [trace for _, _, trace in whole.store.trace(data.visit.id)]
        frames = np.concatenate(chunks)
        inside = np.zeros(len(frames), bool)
        for from_s, to_s in lit_parts(data):
            inside |= (frames["t_s"] > from_s) & (frames["t_s"] <= to_s)
        edge = np.zeros(len(frames), bool)
        for at_s in (stretch.began_s for stretch in data.stretches):
            edge |= np.abs(frames["t_s"] - at_s) <= 0.02
        shown = frames["shown"] == Shown.MEASUREMENT
        assert (shown == inside)[~edge].all()


def test_dark_blocks_are_measured_as_well_as_lit_ones(whole: Course) -> None:
    for data in whole.data:
        for kind in (Kind.BASELINE, Kind.RETENTION):
            row = next(row for row in data.blocks if row.block.kind is kind)
            steps = data.steps[data.steps["block"] == row.n]
            assert not steps["lit"].any()
            assert len(steps) == pytest.approx(row.ran_s * 168 / 60, abs=2)


def test_every_visit_aims_at_seventy_percent_of_the_first_baseline(whole: Course) -> None:
    first = whole.data[0].visit.baseline
    assert first is not None
    for data in whole.data:
        aims = [stretch.aim for stretch in data.stretches if stretch.aim.mode != "off"]
        assert aims
        assert all(aim.mode == "step" for aim in aims)
        assert all(aim.target_deg == pytest.approx(0.7 * first.right_drop_deg) for aim in aims)


def test_the_runner_improves_beyond_the_smallest_detectable_difference_and_falls_back_a_little_in_the_dark(
    whole: Course,
) -> None:
    figures = [whole.store.summary(one.visit) for one in whole.played]
    found = course_of(figures)
    last = found.rows[-1]
    assert last.change is not None
    assert last.right_verdict is not None
    assert last.change.right_drop_deg.change < -SDD_DEG
    assert "beyond" in last.right_verdict.value
    on_off = figures[4].on_off
    assert on_off is not None
    assert on_off.right_drop_deg.change < 0


def test_steps_computed_anew_from_the_store_are_the_live_ones_to_the_last_bit(whole: Course) -> None:
    for data in whole.data:
        steps, changed = reprocessed(whole.store, data.visit.id, EDITION)
        assert changed.same
        assert steps.tobytes() == data.steps.tobytes()


def test_a_course_played_twice_gives_the_same_bits(whole: Course, tmp_path: Path) -> None:
    course(tmp_path, scale=SCALE, visits=1, runner=RUNNER)
    with Store.open(tmp_path) as store:
        again = store.data(1)
    assert again.steps.tobytes() == whole.data[0].steps.tobytes()
    assert again.stretches == whole.data[0].stretches


def test_a_visit_begun_while_somebody_runs_and_steered_is_computed_anew_to_the_last_bit(
    tmp_path: Path,
) -> None:
    shorten(tmp_path, "retraining", 0.02)
    with Store.open(tmp_path, make=True) as store:
        store.add_runner(RUNNER, "", FIRST_S)
    orders = [(25.0, "mark"), (30.0, "pause"), (37.0, "resume"), (42.0, "skip")]
    script = [(at_s, AskVisit(id=1, do=do)) for at_s, do in orders]  # type: ignore[arg-type]
    start = AskVisit(id=1, do="start", runner=RUNNER, protocol="retraining")
    with Station(tmp_path, Learner(pace=50.0).arrives(), FIRST_S, drawn=False) as station:
        played = station.plays(start, after_s=8.3, script=script)
    with Store.open(tmp_path) as store:
        data = store.data(played.visit)
        steps, changed = reprocessed(store, played.visit, EDITION)
    assert data.visit.state is VisitState.DONE
    assert data.spans[0].t0_s > 8.3
    assert [event.kind for event in data.events if event.kind in {do for _, do in orders}] == [
        "mark",
        "pause",
        "resume",
    ]
    assert "skipped" in {row.why for row in data.blocks}
    assert 10 < np.count_nonzero(data.steps["paused"]) < 40
    assert changed.same
    assert steps.tobytes() == data.steps.tobytes()


def test_a_visit_looked_at_through_drawn_pictures_is_as_true(tmp_path: Path) -> None:
    (played,) = course(tmp_path, scale=0.01, visits=1, runner=RUNNER, drawn=True)
    assert isinstance(played, Played)
    with Store.open(tmp_path) as store:
        data = store.data(played.visit)
        assert reprocessed(store, played.visit, EDITION)[1].same
    found = held(data, played)
    assert data.visit.state is VisitState.DONE
    assert (found.wrong, found.missed) == (0, 0)
    assert len(found.right) > 70
    for right in (True, False):
        assert abs(np.mean(found.off_deg[found.right == right])) <= 0.25


def test_a_learner_who_never_sees_a_light_learns_nothing() -> None:
    learner = Learner(pace=20.0)
    for _ in range(3):
        learner.arrives().lives(60.0, lit=False, running=True)
    assert learner.habit == 0.0
    lit = learner.arrives()
    lit.lives(60.0, lit=True, running=True)
    assert lit.effort > 0.9
    assert 0.3 < learner.habit < 0.92
    lit.lives(90.0, lit=False, running=True)
    assert lit.effort == pytest.approx(learner.habit, abs=0.05)


def test_the_runner_s_report_shows_the_improvement(whole: Course, tmp_path: Path) -> None:
    page = tmp_path / "course.html"
    call = [RUNNER, "-o", str(page), "--state", str(whole.folder)]
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "report", *call], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = re.sub(r"<[^>]+>|\s+", " ", page.read_text(encoding="utf-8"))
    text = re.sub(r"\s+", " ", html.unescape(text))
    assert "8 of 8 visits" in text
    assert "beyond the smallest detectable difference of 2.8" in text
    assert "not a diagnosis" in text
