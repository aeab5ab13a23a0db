"""`hipbar visit list`, `show` and `assign` on a store, and what all of `hipbar visit` says without a service."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from appliance.clinic.rows import STEP, BlockRow, EventRow, StretchRow, VisitData
from appliance.clinic.terms import DARK, Aim, Baseline, Block, Kind, VisitState
from appliance.store.store import Store
from tests.cli.conftest import Hipbar
from tests.cli.visits import visit_data

BASELINE = Baseline(
    left_drop_deg=4.04, right_drop_deg=6.46, difference_deg=2.42, left_steps=80, right_steps=81
)


def whole_visit(runner: str) -> VisitData:
    """A baseline of 40 s, then feedback with the left hip's drop 1.5 deg smaller; the right one's as it was."""
    made = visit_data(runner, 3, baseline=BASELINE, steps=240)
    rng = np.random.default_rng(4)
    steps = made.steps.astype(STEP)
    right, late = steps["right"] == 1, steps["contact_s"] >= 40
    steps["peak_drop_deg"] = np.where(right, 6.5, 4.0) + rng.normal(0, 0.3, 240) - 1.5 * (right & late)
    steps["block"], steps["lit"], steps["quality"] = late, late, 1.0
    steps["quality"][:3] = 0.1
    blocks = (
        Block(kind=Kind.BASELINE, seconds=40.0),
        Block(kind=Kind.FEEDBACK, seconds=40.0, mode="step", name="first half"),
    )
    return msgspec.structs.replace(
        made,
        steps=steps,
        blocks=(
            BlockRow(n=0, block=blocks[0], began_s=0.0, ended_s=40.0, why="done", ran_s=40.0),
            BlockRow(n=1, block=blocks[1], began_s=40.0, ended_s=80.0, why="skipped", ran_s=39.0),
        ),
        stretches=(
            StretchRow(began_s=0.0, aim=DARK),
            StretchRow(began_s=40.0, aim=Aim(mode="step", target_deg=4.6, band_deg=2.0)),
        ),
        events=(
            EventRow(at_s=40.0, wall_s=0.0, kind="baseline", words=msgspec.json.encode(BASELINE).decode()),
            EventRow(at_s=62.0, wall_s=0.0, kind="note", words="new shoes"),
        ),
    )


@pytest.fixture
def state(hipbar: Hipbar, tmp_path: Path) -> Path:
    """A store with three visits: two of R07's, the last of them whole, and one of nobody's between them."""
    for code in ("R07", "R08"):
        hipbar("runner", "add", code, "--state", tmp_path)
    with Store.open(tmp_path) as store:
        store.put_visit(visit_data("R07", 2, state=VisitState.STOPPED, ran_s=100.0), ())
        nobody = visit_data("R07", 1)
        row = msgspec.structs.replace(nobody.visit, runner=None, clock_set=None)
        store.put_visit(msgspec.structs.replace(nobody, visit=row), ())
        store.put_visit(whole_visit("R07"), ())
    return tmp_path


def test_visits_are_listed_newest_first(hipbar: Hipbar, state: Path) -> None:
    said = hipbar("visit", "list", "--state", state)
    rows = [line.split() for line in said.out.splitlines()]
    assert [row[0] for row in rows[1:4]] == ["3", "2", "1"]
    assert rows[2][3] == "-"
    assert rows[2][2].endswith("?")
    assert "stopped" in rows[3]
    assert "1:40" in rows[3]
    assert said.out.splitlines()[-1].startswith("? = the station's clock was not set")


def test_the_list_can_be_of_one_runner_one_protocol_and_short(hipbar: Hipbar, state: Path) -> None:
    def listed(*words: object) -> list[int]:
        told = json.loads(hipbar("visit", "list", *words, "--json", "--state", state).out)
        return [row["id"] for row in told["visits"]]

    assert listed("r07") == [3, 1]
    assert listed("R08") == []
    assert listed("--limit", "1") == [3]
    assert listed("--protocol", "open") == []


def test_an_empty_list_says_so(hipbar: Hipbar, state: Path) -> None:
    assert hipbar("visit", "list", "R08", "--state", state).out == "no visits yet\n"


def test_a_visit_is_shown_with_each_hip_s_drop_under_its_own_name(hipbar: Hipbar, state: Path) -> None:
    out = hipbar("visit", "show", "last", "--state", state).out
    lines = out.splitlines()
    head = next(line for line in lines if "(right stance)" in line and "ran" in line)
    baseline = next(line for line in lines if line.startswith(" 1 baseline"))
    feedback = next(line for line in lines if line.startswith(" 2 feedback: first half"))
    left, right = head.index("(right stance)"), head.index("(left stance)")
    hips = [(row[left:right], row[right:]) for row in (baseline, feedback)]
    means = [float(hip.split()[0]) for pair in hips for hip in pair]
    assert means == pytest.approx([6.5, 4.0, 5.0, 4.0], abs=0.11)
    assert feedback.endswith("step up to 4.6, skipped")


def test_a_change_is_shown_with_its_interval_beside_what_can_be_told_apart(
    hipbar: Hipbar, state: Path
) -> None:
    out = hipbar("visit", "show", "3", "--state", state).out
    change = next(line for line in out.splitlines() if "left hip drop (right stance)" in line)
    assert "-1.5 deg (95 % -1." in change
    assert "within the smallest detectable difference of 2.8 deg" in change
    other = next(line for line in out.splitlines() if "right hip drop (left stance)" in line)
    assert "no clear change" in other
    assert "%" not in other.replace("95 %", "")


def test_what_was_left_out_and_what_happened_are_shown(hipbar: Hipbar, state: Path) -> None:
    out = hipbar("visit", "show", "3", "--state", state).out
    assert "237 of 240 count (left out: 3 marks weak)" in out
    assert "0:40  baseline: left hip (right stance) 6.5 deg of 81 steps, right hip (left stance) 4.0" in out
    assert "1:02  note: new shoes" in out


def test_a_visit_is_whole_as_json(hipbar: Hipbar, state: Path) -> None:
    told = json.loads(hipbar("visit", "show", "3", "--json", "--state", state).out)
    assert told["visit"]["runner"] == "R07"
    assert [row["block"]["kind"] for row in told["blocks"]] == ["baseline", "feedback"]
    assert told["figures"]["quality"]["weak"] == 3


def test_a_visit_of_nobody_is_assigned(hipbar: Hipbar, state: Path) -> None:
    said = hipbar("visit", "assign", "2", "r08", "--state", state)
    assert said.out == "visit 2 is of R08\n"
    told = json.loads(hipbar("visit", "list", "R08", "--json", "--state", state).out)
    assert [row["id"] for row in told["visits"]] == [2]


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("show", "99"), 11, "there is no visit 99"),
        (("show", "first"), 2, 'give its number, or "last"'),
        (("show", "-1"), 2, ""),
        (("show", "9" * 30), 2, 'give its number, or "last"'),
        (("assign", "2", "R99"), 11, "R99"),
        (("list", "R99"), 11, "R99"),
    ],
)
def test_what_is_not_there_is_told_with_what_to_do(
    hipbar: Hipbar, state: Path, words: tuple[str, ...], code: int, what: str
) -> None:
    said = hipbar("visit", *words, "--state", state)
    assert said.code == code
    assert what in said.err
    assert len(said.err.splitlines()) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("start", "R07"),
        ("ready", "R07"),
        ("pause",),
        ("resume",),
        ("skip",),
        ("mark",),
        ("note", "words"),
        ("stop",),
        ("status",),
        ("follow",),
    ],
    ids=lambda words: words[0],
)
def test_steering_without_a_service_says_how_to_start_it(
    hipbar: Hipbar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path))
    said = hipbar("visit", *words)
    assert said.code == 7
    assert "the service does not run" in said.err
    assert "systemctl start hipbar" in said.err


def test_assigning_works_without_a_service(
    hipbar: Hipbar, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path / "nothing"))
    monkeypatch.setenv("HIPBAR_STATE", str(state))
    assert hipbar("visit", "assign", "last", "R08").out == "visit 3 is of R08\n"
