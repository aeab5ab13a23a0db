"""`hipbar runner`: codes, never names; what is next for whom; and erasing that was agreed to."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.clinic.terms import Baseline, VisitState
from appliance.store.store import Store
from tests.cli.conftest import ROOT, Hipbar
from tests.cli.visits import visit_data


@pytest.fixture
def state(hipbar: Hipbar, tmp_path: Path) -> Path:
    """A store with R07, who has run two visits of retraining, the second cut short."""
    assert hipbar("runner", "add", "R07", "--state", tmp_path).code == 0
    with Store.open(tmp_path) as store:
        first = Baseline(
            left_drop_deg=4, right_drop_deg=6.5, difference_deg=2.5, left_steps=80, right_steps=81
        )
        store.put_visit(visit_data("R07", 1, baseline=first), ())
        store.put_visit(visit_data("R07", 2, state=VisitState.STOPPED, ran_s=100.0), ())
    return tmp_path


def test_a_runner_is_added_under_a_code_and_listed(hipbar: Hipbar, tmp_path: Path) -> None:
    said = hipbar("runner", "add", "r-12", "--note", "left knee", "--state", tmp_path)
    assert said.out == "R-12 is added; `hipbar visit start R-12` begins the first visit\n"
    assert "left knee" in hipbar("runner", "list", "--state", tmp_path).out
    told = json.loads(hipbar("runner", "list", "--json", "--state", tmp_path).out)
    assert [(one["code"], one["visits"], one["last_s"]) for one in told["runners"]] == [("R-12", 0, None)]


@pytest.mark.parametrize("code", ["anna", "Anna Meier", "R", "A" * 17, "R_7", "", "-R7"])
def test_what_is_no_code_is_refused(hipbar: Hipbar, tmp_path: Path, code: str) -> None:
    said = hipbar("runner", "add", "--state", tmp_path, "--", code)
    assert said.code == 11
    assert "a code, no name" in said.err


def test_a_code_that_is_taken_is_refused_however_it_is_typed(hipbar: Hipbar, state: Path) -> None:
    for code in ("R07", "r07"):
        said = hipbar("runner", "add", code, "--state", state)
        assert (said.code, "already" in said.err) == (11, True)


def test_show_says_which_visit_is_next_and_which_hip_drops(hipbar: Hipbar, state: Path) -> None:
    out = hipbar("runner", "show", "R07", "--state", state).out
    assert "retraining: visit 2 is next, of 8" in out  # the second was cut short
    assert "left hip drops 6.5 deg (right stance), right hip 4.0 deg (left stance)" in out
    assert "it asks for a drop of at most 4.5 deg: 70 % of the first visit's worse drop of 6.5 deg" in out
    assert "stopped" in out
    told = json.loads(hipbar("runner", "show", "R07", "--json", "--state", state).out)
    assert told["courses"][0]["next"] == 2
    assert [visit["number"] for visit in told["visits"]] == [2, 1]


def test_show_still_tells_of_visits_whose_protocol_is_gone(hipbar: Hipbar, state: Path) -> None:
    (state / "protocols").mkdir()
    (state / "protocols" / "retraining.toml").write_text("visits = ")
    said = hipbar("runner", "show", "R07", "--state", state)
    assert said.code == 0
    assert "retraining: this protocol can't be used any more" in said.out


def test_an_unknown_runner_is_answered_with_the_nearest_code(hipbar: Hipbar, state: Path) -> None:
    for words in (("show", "R7"), ("forget", "R7", "--yes")):
        said = hipbar("runner", *words, "--state", state)
        assert said.code == 11
        assert "R07" in said.err


def test_a_folder_without_a_store_is_named(hipbar: Hipbar, tmp_path: Path) -> None:
    said = hipbar("runner", "list", "--state", tmp_path)
    assert said.code == 11
    assert str(tmp_path) in said.err
    assert "runner add" in said.err
    assert list(tmp_path.iterdir()) == []


def test_forget_erases_all_of_a_runner_and_nothing_of_the_others(hipbar: Hipbar, state: Path) -> None:
    hipbar("runner", "add", "R08", "--state", state)
    with Store.open(state) as store:
        store.put_visit(visit_data("R08", 1), ())
    told = json.loads(hipbar("runner", "forget", "r07", "--yes", "--json", "--state", state).out)
    assert told["visits"] == 2
    assert told["steps"] > 0
    assert b"R07" not in b"".join(path.read_bytes() for path in state.glob("clinic.db*"))
    with Store.open(state) as store:
        assert [row.code for row in store.runners()] == ["R08"]
        assert len(store.visits()) == 1
        assert "R07" not in str(store.audit())
        assert store.audit()


def test_forget_asks_nobody_who_is_not_there(hipbar: Hipbar, state: Path) -> None:
    said = hipbar("runner", "forget", "R07", "--state", state)
    assert (said.code, "--yes" in said.err) == (2, True)
    assert hipbar("runner", "show", "R07", "--state", state).code == 0


@pytest.mark.parametrize(
    ("typed", "code"), [("R07\n", 0), ("r07\n", 0), ("R08\n", 130), ("\n", 130), ("y\n", 130)]
)
def test_forget_has_the_code_typed_once_more_on_a_terminal(state: Path, typed: str, code: int) -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "appliance.cli", "runner", "forget", "R07", "--state", str(state)]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        os.close(theirs)
        os.write(ours, typed.encode())
        child.communicate(timeout=60)
    os.close(ours)
    assert child.returncode == code
    with Store.open(state) as store:
        assert [row.code for row in store.runners()] == ([] if code == 0 else ["R07"])


def test_codes_and_protocols_are_completed_by_the_shell(
    hipbar: Hipbar, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPBAR_STATE", str(state))
    monkeypatch.setenv("_HIPBAR_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_CWORD", "3")
    for words, wanted in (("hipbar runner show r", "R07"), ("hipbar protocol show re", "retraining")):
        monkeypatch.setenv("COMP_WORDS", words)
        assert wanted in hipbar().out
