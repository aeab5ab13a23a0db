"""`hipbar config`: what is in force and why, what differs, what a setting means; the file is never written."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT, Hipbar

from appliance.commands import explained
from appliance.config import Settings, entries, keys_of, load, parse
from appliance.config.live import ADOPTED
from appliance.station.calibration import STEPS, Calibration, committed, write_calibration
from appliance.station.status import Status, write_status
from appliance.station.steward import EXPOSED, parts_of

PI = '[camera]\nsource = "picamera"\nsensor = "imx296"\n\n[feedback]\nmode = "step"\n'
KEYS = [key for key, *_ in entries(Settings())]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a station that does not run."""
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("HIPBAR_STATE", str(folder))
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path / "run"))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(PI)
    return path


def calibrated(state: Path, settings: Settings, *, clock_set: bool = True) -> None:
    """A station that was levelled, and whose zero was taken after that."""
    made = committed(
        Calibration(), settings, "level", {"lens.roll_deg": 1.25}, {}, clock_set=clock_set, now_s=1.8e9
    )
    made = committed(made, settings, "zero", {"motion.zero_deg": -0.5}, {}, clock_set=clock_set, now_s=1.8e9)
    write_calibration(state, made)


def origin_of(hipbar: Hipbar, *words: object) -> dict[str, tuple[object, str]]:
    rows = json.loads(hipbar(*words, "--json").out)
    return {row["key"]: (row["value"], row["origin"]) for row in rows}


def test_without_a_file_everything_is_a_default_whatever_was_calibrated(hipbar: Hipbar, state: Path) -> None:
    calibrated(state, Settings())
    assert {origin for _, origin in origin_of(hipbar, "config", "show").values()} == {"default"}


def test_each_value_says_whether_file_sensor_or_calibration_gave_it(
    hipbar: Hipbar, state: Path, file: Path
) -> None:
    calibrated(state, load(file))
    found = origin_of(hipbar, "config", "show", "--config", file)
    assert found["feedback.mode"] == ("step", str(file))
    assert found["camera.width_px"] == (1456, "sensor imx296")
    assert found["lens.roll_deg"] == (1.25, "calibration 1: level, 2027-01-15")
    assert found["motion.zero_deg"] == (-0.5, "calibration 2: zero, 2027-01-15")
    assert found["strip.leds"] == (32, "default")


def test_a_day_is_not_named_when_the_clock_was_not_set(hipbar: Hipbar, state: Path, file: Path) -> None:
    calibrated(state, load(file), clock_set=False)
    found = origin_of(hipbar, "config", "show", "--config", file)
    assert found["lens.roll_deg"][1] == "calibration 1: level, clock not set"


def test_what_is_shown_is_a_settings_file_that_says_the_same(hipbar: Hipbar, state: Path, file: Path) -> None:
    calibrated(state, load(file))
    text = hipbar("config", "show", "--config", file).out
    assert parse(text) == load(file, {"lens.roll_deg": 1.25, "motion.zero_deg": -0.5})
    assert keys_of(text) == set(KEYS)


def test_a_damaged_calibration_is_told_and_the_file_still_shown(
    hipbar: Hipbar, state: Path, file: Path
) -> None:
    (state / "calibration.json").write_bytes(b"torn")
    said = hipbar("config", "show", "--config", file)
    assert said.code == 0
    assert "without the calibration: " in said.err
    assert parse(said.out) == load(file)


def test_the_difference_names_the_tables_and_is_no_longer_than_what_differs(
    hipbar: Hipbar, state: Path, file: Path
) -> None:
    calibrated(state, load(file))
    lines = hipbar("config", "diff", file).out.splitlines()
    assert lines[:2] == ["--- defaults", f"+++ {file}"]
    added = tomllib.loads(
        re.sub(r"(?m)^@@.*(\[\w+\])$", "", "\n".join(line[1:] for line in lines[2:] if line[0] == "+"))
    )
    changed = {
        key.split(".")[1]: now
        for key, now, was, _ in entries(load(file, {"lens.roll_deg": 1.25, "motion.zero_deg": -0.5}))
        if now != was
    }
    assert added == changed
    assert {line.rsplit(" ", 1)[1] for line in lines if line.startswith("@@")} == {
        "[camera]",
        "[lens]",
        "[motion]",
        "[feedback]",
    }


def test_the_difference_as_json_says_where_each_is_from(hipbar: Hipbar, state: Path, file: Path) -> None:
    rows = json.loads(hipbar("config", "diff", file, "--json").out)
    assert {"key": "feedback.mode", "value": "step", "default": "asymmetry", "origin": str(file)} in rows
    assert all(row["value"] != row["default"] for row in rows)


def test_a_file_of_defaults_differs_in_nothing(hipbar: Hipbar, state: Path, tmp_path: Path) -> None:
    path = tmp_path / "same.toml"
    path.write_text(hipbar("config", "show").out)
    said = hipbar("config", "diff", path)
    assert (said.code, said.out) == (0, "")
    assert "everything has its default" in said.err


def test_a_setting_is_explained_with_all_there_is_to_know(
    hipbar: Hipbar, state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated(state, load(file))
    monkeypatch.chdir(file.parent)
    assert hipbar("config", "explain", "lens.roll_deg", "--config", file.name).out == (
        "lens.roll_deg = 1.25\n"
        "  meaning   camera rolled clockwise, seen from behind it: positive\n"
        "  takes     number from -45 to 45\n"
        "  default   0.0\n"
        "  from      calibration 1: level, 2027-01-15 (station.toml)\n"
        "  affects   every angle, one to one\n"
        "  changes   at `hipbar config reload`; the measuring begins anew: some steps\n"
        "            until its first figure\n"
        "  measured  by `hipbar calibrate level`\n"
    )


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_can_be_explained(key: str) -> None:
    one = explained.explain(key, explained.Source(Settings(), {}, "the defaults"))
    assert one.allowed
    assert one.affects
    assert one.applies
    assert one.meaning
    assert set(one.steps) == {step for step, keys in STEPS.items() if key in keys}


@pytest.mark.parametrize("key", KEYS)
def test_what_a_change_interrupts_is_what_the_service_does(key: str) -> None:
    words = explained.applies(key)
    parts = parts_of([key], parse('camera.source = "v4l2"\nstrip.kind = "apa102"'))
    assert ("nothing stops" in words) == (key in ADOPTED | EXPOSED)
    assert ("the camera is opened" in words) == ("camera" in parts)
    assert ("bar is opened" in words or "bar and panel are" in words) == ("strip" in parts)
    assert ("panel is opened" in words or "bar and panel are" in words) == ("panel" in parts)


def test_what_a_setting_takes_is_what_its_file_may_say() -> None:
    assert explained.allowed("strip.brightness") == "number above 0, up to 1"
    assert explained.allowed("strip.leds") == "whole number from 4 to 300"
    assert explained.allowed("camera.rotate_deg") == "0, 90, 180, 270"
    assert explained.allowed("strip.pieces") == "list of pairs of whole numbers"
    assert explained.allowed("camera.mirror") == "true, false"
    assert explained.allowed("strip.host") == "text"


def test_a_whole_table_is_explained_in_eighty_columns(hipbar: Hipbar, file: Path, state: Path) -> None:
    for table in {key.split(".")[0] for key in KEYS}:
        said = hipbar("config", "explain", table)
        inside = [key for key in KEYS if key.startswith(f"{table}.")]
        assert all(key.partition(".")[2] in said.out for key in inside)
        assert all(len(line) <= 80 for line in said.out.splitlines())
    rows = json.loads(hipbar("config", "explain", "sight", "--json").out)
    assert [row["key"] for row in rows] == [key for key in KEYS if key.startswith("sight.")]


def test_without_a_service_the_value_is_the_file_s_that_it_would_start_with(
    hipbar: Hipbar, state: Path
) -> None:
    told = json.loads(hipbar("config", "explain", "feedback.mode", "--json").out)
    assert (told["value"], told["origin"], told["of"]) == ("asymmetry", "default", "the defaults")


def test_a_service_that_runs_and_does_not_answer_is_told_beside_the_file_s_value(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    write_status(tmp_path / "run", Status(pid=os.getpid(), state="running"))
    said = hipbar("config", "explain", "feedback.mode")
    assert said.code == 0
    assert "the running service was not asked: " in said.err


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("lens.rol_deg", "lens.roll_deg"),
        ("feedbak", "feedback"),
        ("brightnes", "strip.brightness"),
        ("width", "camera.width_px"),
        ("kind", "strip.kind and panel.kind"),
        ("device", "camera.device and strip.device"),
        ("zzz", "lists a table"),
    ],
)
def test_a_key_that_is_not_there_is_answered_with_the_nearest(hipbar: Hipbar, word: str, near: str) -> None:
    said = hipbar("config", "explain", word)
    assert said.code == 2
    assert said.out == ""
    assert near in said.err
    assert len(said.err.splitlines()) == 2


def test_the_last_part_of_a_key_will_do_where_only_one_has_it(hipbar: Hipbar, state: Path) -> None:
    assert hipbar("config", "explain", "roll_deg").out.startswith("lens.roll_deg = ")


@pytest.mark.parametrize("words", [("show", "--station"), ("diff", "--station"), ("reload",)])
def test_what_only_a_running_service_knows_is_refused_without_one(
    hipbar: Hipbar, state: Path, words: tuple[str, ...]
) -> None:
    said = hipbar("config", *words)
    assert (said.code, said.out) == (7, "")
    assert 1 <= len(said.err.splitlines()) <= 2


def test_a_file_and_the_running_service_can_t_both_be_asked(hipbar: Hipbar, file: Path) -> None:
    assert hipbar("config", "show", "--station", "--config", file).code == 2


def test_no_command_here_writes_to_the_file(hipbar: Hipbar, state: Path, file: Path) -> None:
    calibrated(state, load(file))
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    for words in (("show", "--config", file), ("check", file), ("diff", file), ("reload",)):
        hipbar("config", *words)
    hipbar("config", "explain", "strip", "--config", file)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_the_delivered_settings_are_good_and_explained(hipbar: Hipbar, state: Path) -> None:
    delivered = ROOT / "systemd/hipbar.toml"
    assert hipbar("config", "check", delivered).code == 0
    assert origin_of(hipbar, "config", "show", "--config", delivered)["camera.source"] == (
        "picamera",
        str(delivered),
    )
