"""`hipbar config` against a station that runs: what is in force is told as it is, a changed file counts on reload."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import NamedTuple

import pytest

from appliance.station.client import Link
from tests.serving.conftest import LONG_S, ROOT, Make, Station

BASE = '[camera]\nsource = "virtual"\nrate_hz = 60.0\n[feedback]\nmode = "step"\n'


class Said(NamedTuple):
    code: int
    out: str
    err: str


def hipbar(station: Station, *words: str) -> Said:
    """The command line as a process of its own, at this station."""
    env = {**os.environ, "HIPBAR_RUNTIME": str(station.runtime), "HIPBAR_STATE": str(station.state)}
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", *words],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def running(station: Make) -> Station:
    one = station(BASE)
    one.start()
    one.status(lambda status: status.frames > 30)
    return one


def frames(station: Station) -> int:
    return station.status().frames


def test_what_is_in_force_is_told_with_where_each_value_is_from(running: Station) -> None:
    with Link.open(running.runtime) as link:
        link.set({"feedback.band_deg": 3.5}, keep=True)
        link.commit("level", {"lens.roll_deg": 1.25}, {"spread_deg": 0.01})
    rows = {
        row["key"]: row for row in json.loads(hipbar(running, "config", "show", "--station", "--json").out)
    }
    assert (rows["feedback.band_deg"]["value"], rows["feedback.band_deg"]["origin"]) == (3.5, "tried")
    assert rows["lens.roll_deg"]["value"] == 1.25
    assert rows["lens.roll_deg"]["origin"].startswith("calibration ")
    assert rows["feedback.mode"]["origin"] == str(running.file)
    assert rows["strip.leds"]["origin"] == "default"
    told = hipbar(running, "config", "explain", "lens.roll_deg").out
    assert told.startswith("lens.roll_deg = 1.25\n")
    assert ": level, " in told
    changed = {row["key"] for row in json.loads(hipbar(running, "config", "diff", "--station", "--json").out)}
    assert {"feedback.band_deg", "lens.roll_deg", "feedback.mode", "strip.kind"} <= changed


def test_a_changed_file_counts_on_reload_and_the_session_goes_on(running: Station) -> None:
    pid, before = running.status().pid, frames(running)
    running.file.write_text(running.text.replace('"step"', '"live"'))
    said = hipbar(running, "config", "reload")
    assert said == Said(0, "in force now: feedback.mode\nno device had to be opened anew\n", "")
    after = running.status(lambda status: status.mode == "live" and status.frames > before + 30)
    assert after.pid == pid
    assert hipbar(running, "config", "reload").out == "read again: nothing has changed\n"


def test_other_wiring_opens_the_bar_anew_and_the_session_goes_on(running: Station) -> None:
    pid, before = running.status().pid, frames(running)
    running.file.write_text(running.text + "leds = 40\n")
    said = hipbar(running, "config", "reload", "--json")
    assert (said.code, json.loads(said.out)) == (0, {"changed": ["strip.leds"], "reopened": ["strip"]})
    after = running.status(lambda status: status.frames > before + 30)
    assert after.pid == pid


@pytest.mark.parametrize(
    ("text", "word"),
    [("[feedback]\nmod = 1\n", "mod"), ("[camera\n", "TOML"), ("", "strip.kind"), (None, "hipbar.toml")],
    ids=["misspelt", "no TOML", "empty", "gone"],
)
def test_a_file_that_can_t_be_used_is_refused_whole_and_the_old_stays_in_force(
    running: Station, text: str | None, word: str
) -> None:
    pid, before = running.status().pid, frames(running)
    running.file.unlink() if text is None else running.file.write_text(text)
    said = hipbar(running, "config", "reload")
    assert (said.code, said.out) == (2, "")
    assert word in said.err
    assert len(said.err.splitlines()) == 2
    rows = {
        row["key"]: row for row in json.loads(hipbar(running, "config", "show", "--station", "--json").out)
    }
    assert rows["feedback.mode"]["value"] == "step"
    after = running.status(lambda status: status.frames > before + 30)
    assert (after.pid, after.mode) == (pid, "step")
