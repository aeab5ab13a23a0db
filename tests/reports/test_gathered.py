"""Reports from a real store, through the command: what is found, what is written, what is refused."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from reported import BEGAN_S, chunks, cue_trial, ended, exercise, keep, renamed, retraining, visit

from appliance.cli import hipbar
from appliance.clinic.curves import stride_curve
from appliance.clinic.figures import counted
from appliance.clinic.rows import STEP
from appliance.clinic.terms import VisitState
from appliance.errors import HipbarError, StoreError
from appliance.reports.gather import runner_source, visit_source
from appliance.store.store import Store

Report = Callable[..., Result]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three visits, a cue trial and an exercise of one runner; a visit of nobody and one of somebody else."""
    folder = tmp_path_factory.mktemp("clinic")
    visits = [visit(retraining(n), seed=n) for n in (1, 2, 3)]
    visits += [cue_trial(), exercise(), visit(retraining(1), seed=9, code=None)]
    keep(folder, [*visits, visit(retraining(1), seed=8, code="1234")])
    return folder


@pytest.fixture
def report(clinic: Path) -> Report:
    def said(*words: object) -> Result:
        found = CliRunner().invoke(hipbar, ["report", *map(str, words), "--state", str(clinic)])
        if found.exception and not isinstance(found.exception, SystemExit | HipbarError):
            raise found.exception
        return found

    return said


def test_a_visit_is_seen_beside_those_before_it_and_not_those_after(clinic: Path) -> None:
    with Store.open(clinic) as store:
        source = visit_source(store, 2, made_s=0.0)
    assert [row.number for row in source.course.rows] == [1, 2]
    assert source.course.reference_number == 1
    assert source.curves.left.strides > 500


def test_a_mean_stride_is_the_same_from_the_trace_around_its_steps_as_from_all_of_it(clinic: Path) -> None:
    with Store.open(clinic) as store:
        data = store.data(2)
        whole = stride_curve(data.steps, store.trace(2), counted(data.steps, data.blocks))
        around = visit_source(store, 2, made_s=0.0).curves
    for mine, theirs in ((around.left, whole.left), (around.right, whole.right)):
        assert (mine.strides, mine.left_out) == (theirs.strides, theirs.left_out)
        np.testing.assert_allclose(mine.mean_deg, theirs.mean_deg, atol=1e-9)
        np.testing.assert_allclose(mine.sd_deg, theirs.sd_deg, atol=1e-9)


@pytest.mark.parametrize("column", ["track", "trace"])
def test_a_trace_that_the_card_has_changed_is_told_and_not_drawn(tmp_path: Path, column: str) -> None:
    keep(tmp_path, [visit(retraining(1))])
    db = sqlite3.connect(tmp_path / "clinic.db")
    n = db.execute("SELECT n FROM chunks WHERE first_s > 600 ORDER BY n").fetchone()[0]
    db.execute(f"UPDATE chunks SET {column} = substr({column}, 2) WHERE n = ?", (n,))
    db.commit()
    db.close()
    with Store.open(tmp_path) as store:
        assert visit_source(store, 1, made_s=0.0, curves=False).here() is not None
        with pytest.raises(StoreError, match=f"chunk {n} of its trace is damaged"):
            visit_source(store, 1, made_s=0.0)


def test_cue_trials_and_exercises_are_no_visits_of_a_course(clinic: Path) -> None:
    with Store.open(clinic) as store:
        source = runner_source(store, "a-017", made_s=0.0)
    assert [seen.row.number for seen in source.seen] == [1, 2, 3]
    assert [str(seen.row.kind) for seen in source.others] == ["cue trial", "exercise"]
    assert [number for number, _ in source.strides] == [1, 3]


def test_a_visit_that_still_runs_has_a_report_of_what_is_kept_so_far(tmp_path: Path) -> None:
    data = visit(retraining(1))
    running = renamed(data, state=VisitState.RUNNING)
    with Store.open(tmp_path, make=True) as store:
        store.add_runner("A-017", "", BEGAN_S)
        number = store.put_visit(ended(running), chunks(data))
        source = visit_source(store, number, made_s=0.0)
    assert source.here() is not None


def test_an_older_edition_of_the_steps_can_be_asked_for(tmp_path: Path) -> None:
    data = visit(retraining(1))
    keep(tmp_path, [data])
    fewer = data.steps[:400].astype(STEP)
    with Store.open(tmp_path) as store:
        store.put_steps(1, 2, fewer, "hipbar 0.8.0", BEGAN_S)
        newest, live = (visit_source(store, 1, edition=e, made_s=0.0) for e in (None, 1))
        assert (len(newest.data.steps), len(live.data.steps)) == (400, len(data.steps))
        assert newest.figures.whole.steps < live.figures.whole.steps
        with pytest.raises(HipbarError, match="no edition 7"):
            visit_source(store, 1, edition=7, made_s=0.0)


def test_without_a_file_it_is_printed_and_the_trace_is_left_alone(report: Report) -> None:
    told = report("3")
    assert told.exit_code == 0
    assert told.output.startswith("A-017 · visit 3 of 8\n")
    assert "Left hip drop (right stance): " in told.output
    assert "Feedback and training aid, not a diagnosis." in told.output


def test_the_text_keeps_to_the_width_of_the_terminal(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for subject in ("3", "4", "5", "A-017"):
        assert max(map(len, report(subject, "--language", "de").output.splitlines())) <= 80


def test_a_page_replaces_an_older_one_and_text_may_go_with_it(report: Report, tmp_path: Path) -> None:
    page = tmp_path / "visit.html"
    page.write_text("old", encoding="utf-8")
    told = report("1", "-o", page, "--text", "--language", "de")
    assert told.exit_code == 0
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert '<html lang="de">' in page.read_text(encoding="utf-8")
    assert "A-017 · Termin 1 von 8" in told.output
    assert [file.name for file in tmp_path.iterdir()] == ["visit.html"]


def test_json_has_the_figures_and_the_course(report: Report) -> None:
    told = json.loads(report("3", "--json").stdout)
    assert told["visit"]["runner"] == "A-017"
    assert told["figures"]["whole"]["left"]["drop_deg"]["n"] > 1000
    assert [row["number"] for row in told["course"]["rows"]] == [1, 2, 3]
    assert [row["number"] for row in json.loads(report("A-017", "--json").stdout)["visits"]] == [1, 2, 3]


def test_a_code_that_is_a_number_is_a_visit_unless_the_flag_says_otherwise(report: Report) -> None:
    assert isinstance(report("1234").exception, HipbarError)
    assert report("1234", "--runner").output.startswith("1234 · course")


def test_the_visit_of_nobody_says_that_it_is_nobody_s(report: Report) -> None:
    assert report("6").output.startswith("no runner assigned · visit 1 of 8")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("99",), "there is no visit 99"),
        (("B-1",), "B-1"),
        (("1", "--language", "fr"), "no reports in the language 'fr'"),
        (("A-017", "--protocol", "other"), "no visit by the protocol 'other'"),
        (("1", "-o", "/proc/none/visit.html"), "can't be written"),
    ],
)
def test_what_is_not_there_is_refused_with_a_remedy(
    report: Report, words: tuple[str, ...], what: str
) -> None:
    error = report(*words).exception
    assert isinstance(error, HipbarError)
    assert what in str(error)
    assert error.fix


@pytest.mark.parametrize(
    "words",
    [
        ("1", "-o", "visit.docx"),
        ("A-017", "--edition", "1"),
        ("1", "--protocol", "demo"),
        ("1", "--edition", "0"),
    ],
)
def test_words_that_make_no_sense_together_are_refused_at_once(
    report: Report, words: tuple[str, ...]
) -> None:
    assert report(*words).exit_code == 2


def test_a_step_without_any_figure_costs_no_report(tmp_path: Path) -> None:
    data = visit(retraining(1))
    for name in ("peak_drop_deg", "contact_drop_deg", "sway_px", "contact_time_s", "flight_s"):
        data.steps[name] = np.nan
    keep(tmp_path, [msgspec.structs.replace(data, spans=())])
    with Store.open(tmp_path) as store:
        source = visit_source(store, "last", made_s=0.0)
    assert source.figures.whole.steps == 0
