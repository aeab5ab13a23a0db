"""`hipbar cue`: the list is edited without harm, and the trial of a real service shows what its cue has changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from worlds import act, world

from appliance.clinic.cue import cue_plan
from appliance.clinic.rows import VisitData
from appliance.clinic.terms import VisitKind
from appliance.commands.cueing import lines
from appliance.station.status import Status
from appliance.store.store import Store
from tests.cli.conftest import ROOT, Hipbar
from tests.clinic.handmade import correlated, steps, visit
from tests.clinic.test_cue import PUSH
from tests.serving.conftest import Station

RUNNER = {"pair": "iliac_crest", "pair_width_m": 0.28, "left_peak_drop_deg": 4.0}


def kept(seed: int = 3) -> VisitData:
    """A trial in which the left hip comes up by three degrees."""
    rng = np.random.default_rng(seed)
    parts = []
    for block, right in zip(cue_plan(PUSH).blocks, (8.0, 5.0, 7.2), strict=True):
        own = steps(170, right=right)
        own["peak_drop_deg"] += 0.7 * correlated(rng, 0.2, (170,))
        parts.append((block, own))
    data = visit(parts, kind=VisitKind.CUE)
    row = replace(data.visit, protocol="push", ended_s=data.visit.began_s + 180.0)
    return replace(data, visit=row)


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    """A station's folder with one runner and one trial."""
    with Store.open(tmp_path, make=True) as store:
        store.add_runner("R-1", "", 1e9)
        store.put_visit(kept(), [])
    return tmp_path


def test_the_list_is_the_shipped_one_until_the_clinic_makes_its_own(hipbar: Hipbar, tmp_path: Path) -> None:
    shipped = hipbar("cue", "list", "--state", tmp_path)
    assert '"Push the ground back"' in shipped.out
    assert "shipped" in shipped.out
    added = hipbar("cue", "add", "zip", "Pull your zip up", "--state", tmp_path)
    assert added.code == 0
    told = json.loads(hipbar("cue", "list", "--json", "--state", tmp_path).out)
    assert (told["own"], told["cues"][-1]["words"]) == (True, "Pull your zip up")
    assert told["cues"][0]["name"] == "push"
    assert hipbar("cue", "remove", "push", "--state", tmp_path).code == 0
    names = [c["name"] for c in json.loads(hipbar("cue", "list", "--json", "--state", tmp_path).out)["cues"]]
    assert "push" not in names
    assert "zip" in names


def test_a_bad_change_leaves_the_list_as_it_was(hipbar: Hipbar, tmp_path: Path) -> None:
    hipbar("cue", "add", "zip", "Pull your zip up", "--state", tmp_path)
    before = (tmp_path / "cues.toml").read_bytes()
    for words, code, said in (
        (("add", "zip", "again"), 2, "twice"),
        (("add", "Not a name", "x"), 2, "no name"),
        (("add", "empty", " "), 2, "read out"),
        (("remove", "zop"), 10, "zip"),
    ):
        refused = hipbar("cue", *words, "--state", tmp_path)
        assert refused.code == code
        assert said in refused.err
    assert (tmp_path / "cues.toml").read_bytes() == before


def test_a_list_that_somebody_has_spoilt_is_named_and_not_written_over(
    hipbar: Hipbar, tmp_path: Path
) -> None:
    (tmp_path / "cues.toml").write_text("[[cue]]\nname = 'a'\nword = 'b'\n")
    for words in (("list",), ("add", "zip", "Zip up"), ("remove", "a")):
        refused = hipbar("cue", *words, "--state", tmp_path)
        assert refused.code == 2
        assert "cues.toml" in refused.err
        assert "words" in refused.err
    assert "word = 'b'" in (tmp_path / "cues.toml").read_text()


def test_a_folder_that_can_t_be_written_says_so(hipbar: Hipbar, tmp_path: Path) -> None:
    refused = hipbar("cue", "add", "zip", "Zip up", "--state", tmp_path / "missing")
    assert refused.code == 4
    assert "cues.toml" in refused.err


def test_the_result_names_the_hip_and_the_stance_and_stays_within_a_terminal(
    hipbar: Hipbar, clinic: Path
) -> None:
    said = hipbar("cue", "result", "--state", clinic)
    assert said.code == 0
    assert "left hip drop (right stance), deg   <- what the cue is for" in said.out
    assert "clear, beyond 2.8 deg" in said.out
    assert "not a diagnosis" in said.out
    assert max(len(line) for line in said.out.splitlines()) <= 84
    assert hipbar("cue", "result", "1", "--state", clinic).out == said.out


def test_the_result_as_json_has_every_figure_with_its_interval(hipbar: Hipbar, clinic: Path) -> None:
    told = json.loads(hipbar("cue", "result", "--json", "--state", clinic).out)
    rows = {row["figure"]: row for row in told["trials"][0]["rows"]}
    change = rows["right_drop_deg"]["with_cue"]
    assert change["low"] < change["change"] < change["high"]
    assert rows["right_drop_deg"]["sdd"] == 2.8
    assert rows["cadence_spm"]["before"]["n"] == 169


def test_a_visit_that_is_no_trial_and_one_that_is_not_there_are_told_apart(
    hipbar: Hipbar, clinic: Path, tmp_path: Path
) -> None:
    with Store.open(clinic) as store:
        plain = kept()
        store.put_visit(replace(plain, blocks=(), steps=plain.steps[:0]), [])
    assert hipbar("cue", "result", "2", "--state", clinic).code == 10
    assert hipbar("cue", "result", "9", "--state", clinic).code == 11
    assert hipbar("cue", "result", "nine", "--state", clinic).code == 2


def test_without_any_trial_the_last_one_is_missed(hipbar: Hipbar, tmp_path: Path) -> None:
    Store.open(tmp_path, make=True).close()
    missed = hipbar("cue", "result", "--state", tmp_path)
    assert missed.code == 11
    assert "hipbar cue trial" in missed.err


def test_what_was_not_reached_is_a_dash() -> None:
    from appliance.clinic.cue import compare

    whole = kept()
    two = visit([(row.block, steps(100)) for row in whole.blocks[:2]], kind=VisitKind.CUE)
    said = list(lines(compare(two)))
    assert any("afterwards" in line and line.split()[1:3] == ["0", "-"] for line in said)


def ran(kind: str, seconds: float) -> Callable[[Status], bool]:
    """Whether the trial is in that part, and has counted so much of it."""

    def reached(status: Status) -> bool:
        view = status.visit.view if status.visit else None
        return view is not None and view.kind == kind and view.ran_s >= seconds

    return reached


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    scene = world(tmp_path, runner={**RUNNER, "right_peak_drop_deg": 8.0})
    one = Station(tmp_path, f'[camera]\nsource = "virtual"\nscene = "{scene}"\n')
    yield one
    one.close()


def test_a_trial_of_a_running_service_is_followed_and_its_change_shown_at_once(
    station: Station, tmp_path: Path
) -> None:
    """A few seconds a part, by skipping on: the right stance's drop goes from 8 to 5 degrees with the cue."""
    env = {**os.environ, "HIPBAR_RUNTIME": str(station.runtime), "HIPBAR_STATE": str(station.state)}
    words = [sys.executable, "-m", "appliance.cli"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

    def hipbar(*more: str) -> None:
        done = subprocess.run(
            [*words, *more], cwd=ROOT, env=env, capture_output=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr

    station.start()
    station.status(lambda s: s.gait.cadence_spm is not None)
    hipbar("runner", "add", "R-1")
    asked = [*words, "cue", "trial", "R-1", "push", "--json"]
    with subprocess.Popen(asked, cwd=ROOT, env=env, text=True, **pipes) as trial:  # type: ignore[call-overload]
        try:
            station.status(ran("before cue", 5.5))
            hipbar("visit", "skip")
            station.status(ran("cue", 0.0))
            act(tmp_path / "scene.toml", runner={**RUNNER, "right_peak_drop_deg": 5.0})
            station.status(ran("cue", 6.5))
            hipbar("visit", "skip")
            station.status(ran("after cue", 0.0))
            hipbar("visit", "stop")
            out, err = trial.communicate(timeout=20)
        finally:
            trial.kill()
    assert trial.returncode == 0, err
    assert 'say: "Push the ground back"' in err
    rows = {row["figure"]: row for row in json.loads(out)["trials"][0]["rows"]}
    change = rows["right_drop_deg"]["with_cue"]
    assert -3.2 < change["change"] < -1.8  # its first steps were as before: the status is told once a second
    assert rows["left_drop_deg"]["with_cue"]["change"] == pytest.approx(0.0, abs=0.2)
    assert rows["right_drop_deg"]["after"]["n"] < 7
    assert rows["right_drop_deg"]["afterwards"]["low"] is None
