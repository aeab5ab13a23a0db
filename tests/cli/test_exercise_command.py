"""`hipbar exercise`: files are listed, shown and checked; one is done before a real service, paced on its bar."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from worlds import act, world

from appliance.clinic.exercise import Exercise, parse_exercise
from appliance.feedback.patterns import rest
from appliance.records import Notice
from appliance.store.store import Store
from tests.cli.conftest import ROOT, Hipbar
from tests.serving.conftest import Station

QUICK = """
title = "A hip drop"
how = ["Down and up, once."]
kind = "reps"
reps = 1
range_deg = 6
sides = ["left"]
sets = 1
ready_s = 2
stand_s = 2
"""


def own(folder: Path, name: str, text: str) -> Path:
    path = folder / "exercises" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_list_has_the_shipped_ones_and_the_clinic_s_own_above_them(
    hipbar: Hipbar, tmp_path: Path
) -> None:
    own(tmp_path, "hip-drop", QUICK)
    own(tmp_path, "broken", QUICK.replace("reps = 1", "rep = 1"))
    said = hipbar("exercise", "list", "--state", tmp_path)
    lines = {line.split()[0]: line for line in said.out.splitlines()}
    assert list(lines) == ["broken", "hip-drop", "side-plank", "side-plank-timed", "wall-hold"]
    assert "yours    A hip drop; 1 set of 1, left only, about 0 min" in lines["hip-drop"]
    assert "can't be used" in lines["broken"]
    assert "shipped" in lines["wall-hold"]
    told = json.loads(hipbar("exercise", "list", "--json", "--state", tmp_path).out)
    rows = {row["name"]: row for row in told["exercises"]}
    assert (rows["broken"]["usable"], rows["broken"]["fix"]) == (False, "did you mean `reps`?")
    assert (rows["hip-drop"]["own"], rows["wall-hold"]["own"]) == (True, False)
    assert rows["wall-hold"]["hold_s"] == 45.0


def test_what_is_shown_can_be_made_one_s_own(hipbar: Hipbar, tmp_path: Path) -> None:
    shown = hipbar("exercise", "show", "wall-hold", "--state", tmp_path)
    path = own(tmp_path, "mine", shown.out.replace("hold_s = 45.0", "hold_s = 30.0"))
    checked = hipbar("exercise", "check", "mine", "--state", tmp_path)
    assert f"mine ({path}): good; 3 sets of 1 x 30 s a side" in checked.out
    assert "level within 3 deg" in checked.out
    assert hipbar("exercise", "check", path).code == 0
    told = json.loads(hipbar("exercise", "check", "side-plank", "--json", "--state", tmp_path).out)
    assert [block["kind"] for block in told["blocks"]] == ["rest", "hold", "rest", "hold"]
    assert json.loads(hipbar("exercise", "show", "mine", "--json", "--state", tmp_path).out)["how"]


@pytest.mark.parametrize("words", [("hip-drop",), ("wall-hold",), ("side-plank",), ("side-plank-timed",)])
def test_every_shipped_exercise_says_by_what_it_is_counted(
    hipbar: Hipbar, tmp_path: Path, words: tuple[str]
) -> None:
    said = hipbar("exercise", "check", *words, "--state", tmp_path)
    assert said.code == 0
    assert said.out.count("\n  - ") >= 3
    assert "count" in said.out.splitlines()[1] or "clock" in said.out.splitlines()[1]


def test_unknown_names_and_bad_files_are_refused_with_what_to_do(hipbar: Hipbar, tmp_path: Path) -> None:
    missed = hipbar("exercise", "show", "hip-drops", "--state", tmp_path)
    assert (missed.code, "did you mean `hip-drop`?" in missed.err) == (10, True)
    path = own(tmp_path, "bad", QUICK + "band_deg = 3\n")
    refused = hipbar("exercise", "check", "bad", "--state", tmp_path)
    assert refused.code == 2
    assert str(path) in refused.err
    assert "no use for band_deg" in refused.err
    assert hipbar("exercise", "check", tmp_path / "none.toml").code == 2


def test_without_a_service_nothing_is_begun(
    hipbar: Hipbar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path))
    monkeypatch.setenv("HIPBAR_STATE", str(tmp_path))
    refused = hipbar("exercise", "start", "R-1", "hip-drop")
    assert (refused.code, "does not run" in refused.err) == (7, True)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    scene = world(tmp_path, act="stand")
    one = Station(tmp_path, f'[camera]\nsource = "virtual"\nscene = "{scene}"\n')
    yield one
    one.close()


def test_an_exercise_is_counted_by_a_running_service_and_paced_on_its_bar(
    station: Station, tmp_path: Path
) -> None:
    own(station.state, "one", QUICK)
    env = {**os.environ, "HIPBAR_RUNTIME": str(station.runtime), "HIPBAR_STATE": str(station.state)}
    words = [sys.executable, "-m", "appliance.cli"]
    station.start()
    with Store.open(station.state, make=True) as store:
        store.add_runner("R-1", "", 1e9)
    station.status(lambda s: s.gait.posture == "standing")
    asked = [*words, "exercise", "start", "R-1", "one", "--json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(asked, cwd=ROOT, env=env, text=True, **pipes) as doing:  # type: ignore[call-overload]
        try:
            station.lit(Notice.STAND_STILL)
            resting = {rest(k / 100, station.settings).tobytes() for k in range(101)}
            station.lit(lambda rgb: rgb.tobytes() in resting)
            act(tmp_path / "scene.toml", act="hip drops left")
            station.lit(Notice.BEGINS)
            left = slice(0, station.settings.strip.leds // 2)
            station.lit(lambda rgb: live(rgb) and rgb[left].sum() < 0.8 * rgb.sum() / 2)
            assert not any("visit" in trouble for trouble in station.status().troubles)
            out, err = doing.communicate(timeout=30)
        finally:
            doing.kill()
    assert doing.returncode == 0, err
    assert "Down and up, once." in err
    told = json.loads(out)
    assert (told["visit"]["kind"], told["visit"]["state"]) == ("exercise", "done")
    (one,) = told["sets"]
    assert (one["side"], one["done"], one["wanted"], one["why"]) == ("left", 1, 1, "done")
    assert one["range_deg"] == pytest.approx(10.0, abs=0.8)
    with Store.open(station.state) as store:
        data = store.data(1)
    assert [rep.number for rep in data.reps] == [1]
    assert any(stretch.aim.mode == "live" for stretch in data.stretches)
    assert sum(span.frames for span in data.spans) > 400


def live(rgb: np.ndarray) -> bool:
    """The bubble is one piece, wider than any dot."""
    there = np.flatnonzero(rgb.any(1))
    return len(there) >= 8 and len(there) == there[-1] - there[0] + 1


def test_the_page_names_every_key_and_its_own_example_is_right() -> None:
    page = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    named = {
        key
        for row in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page, re.MULTILINE)
        for key in re.findall(r"\w+", row)
    }
    assert named == set(Exercise.__struct_fields__) - {"name"}
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert parse_exercise(example, "single-leg-stand.toml").reps == 3
