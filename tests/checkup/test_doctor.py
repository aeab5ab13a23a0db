"""`hipbar doctor` against stations that really run, are frozen or broken, or can't start: it tells, and never falls."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pexpect
import pytest

from appliance.commands.doctoring import sight
from appliance.station.checks_camera import background
from appliance.station.checkup import Unknown, Verdict, told
from appliance.station.client import Link
from tests.serving.conftest import Make, Station, station
from tests.worlds import act, world

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 60.0
__all__ = ["station"]  # a fixture
NAMES = [
    *("settings", "camera", "frame rate", "exposure", "dots", "background", "wires", "light bar", "service"),
    *(
        "watchdog",
        "kernel cache",
        "disk",
        "card wear",
        "visits",
        "clock",
        "supply",
        "calibration",
        "delay",
        "faults",
    ),
]


class Told(NamedTuple):
    """What one examination said."""

    code: int
    out: str
    err: str

    @property
    def checks(self) -> dict[str, dict[str, Any]]:
        """By name, from `--json`."""
        return {check["name"]: check for check in json.loads(self.out)["checks"]}


def environment(one: Station) -> dict[str, str]:
    return {**os.environ, "HIPBAR_RUNTIME": str(one.runtime), "HIPBAR_STATE": str(one.state), "NO_COLOR": "1"}


def doctor(one: Station, *words: str) -> Told:
    """Has a station looked at."""
    command = [sys.executable, "-m", "appliance.cli", "doctor", "--config", str(one.file), *words]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(one),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "itself fails" not in done.stdout
    return Told(done.returncode, done.stdout, done.stderr)


def settings(folder: Path, **scene: Any) -> str:
    """A virtual camera before a scene."""
    return f'[camera]\nsource = "virtual"\nscene = "{world(folder, **scene)}"\n'


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station that runs, with somebody who stands before its camera."""
    folder = tmp_path_factory.mktemp("standing")
    one = Station(folder, settings(folder, act="stand"))
    with contextlib.closing(one):
        one.start()
        one.hears("READY=1")
        yield one


def test_the_light_walks_from_left_to_right_a_person_is_asked_and_the_bar_is_given_back(
    standing: Station,
) -> None:
    words = ["-m", "appliance.cli", "doctor", "--config", str(standing.file), "--seconds", "0.5"]
    lit: list[int] = []

    def seen(rgb: np.ndarray) -> bool:
        """A short white light; true when it has come to the end."""
        on = np.flatnonzero(rgb.any(axis=1))
        if len(on) == 2 and len(np.unique(rgb[on])) == 1 and (not lit or int(on[0]) != lit[-1]):
            lit.append(int(on[0]))
        return bool(lit) and lit[-1] == 30

    # the first of this module: no frames of another walk wait to be read
    with contextlib.closing(
        pexpect.spawn(
            sys.executable, words, cwd=str(ROOT), env=environment(standing), timeout=LONG_S, encoding="utf-8"
        )
    ) as terminal:
        terminal.expect("looking at frame rate")
        standing.lit(seen)
        terminal.expect("from the runner's left to the right")
        terminal.sendline("n")
        terminal.expect("the light did not")
        terminal.expect("hipbar calibrate")
        terminal.expect("1 check fails: light bar")
        terminal.expect(pexpect.EOF)
    assert terminal.exitstatus == 7
    assert lit == list(range(0, 32, 2))
    standing.status(lambda s: not s.lent)


def test_a_station_that_runs_is_examined_over_its_link_and_runs_on(standing: Station, tmp_path: Path) -> None:
    path = tmp_path / "report.zip"
    told = doctor(standing, "--json", "--yes", "--seconds", "1", "--report", str(path))
    assert list(told.checks) == NAMES
    for name in ("settings", "exposure", "dots", "background", "wires", "light bar", "disk"):
        assert told.checks[name]["verdict"] == "pass", (told.checks[name], standing.status())
    assert told.checks["camera"]["verdict"] == "warn"  # it is a virtual one, and says so
    assert told.checks["dots"]["measured"]["pair"] == 1.0
    assert told.checks["frame rate"]["measured"]["wanted_hz"] == 120
    assert told.checks["light bar"]["measured"] == {"leds": 32, "faults": 0, "right_way": True}
    assert told.checks["delay"]["measured"]["p50_ms"] < 75
    assert told.checks["calibration"]["measured"]["sides"] is True
    assert "without names, pictures or recordings" in told.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert standing.process is not None
    assert standing.process.poll() is None
    standing.status(lambda s: s.clients == 0 and not s.lent)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"clutter": [{"x_px": 60.0, "y_px": 300.0, "diameter_px": 60.0, "level": 255.0}]},
            "cover what shines",
        ),
        ({"background": 190.0}, "calibrate light"),
        ({"background": 60.0, "flicker_hz": 100.0, "flicker": 0.5}, "flickers by"),
    ],
    ids=["a lamp", "a bright wall", "mains light"],
)
def test_what_is_wrong_with_the_light_in_the_room_is_seen(
    standing: Station, change: dict[str, Any], words: str
) -> None:
    scene = standing.file.parent / "scene.toml"
    before = scene.read_text()
    act(scene, **change)
    until_s, check, agreed = time.monotonic() + LONG_S, None, 0
    try:
        with Link.open(standing.runtime) as link:
            while check is None or agreed < 3:  # the change itself is no flicker
                assert time.monotonic() < until_s, check
                hello = sight.awake(link)
                assert not isinstance(hello, Unknown)
                seen = sight.watch(link, hello, 0.5)
                assert not isinstance(seen, Unknown)
                check = told("background", background, sight.picture(link, hello), seen.flicker)
                agreed = agreed + 1 if words in f"{check.figure} {check.fix}" else 0
    finally:
        scene.write_text(before)
    assert check.verdict in (Verdict.WARN, Verdict.FAIL)


def test_what_is_spoilt_while_the_station_runs_is_found_and_the_rest_is_still_seen(standing: Station) -> None:
    file = standing.state / "calibration.json"
    whole = file.read_bytes()
    standing.file.write_text("[camera\n")
    file.write_bytes(b"{}")
    try:
        told = doctor(standing, "--json", "--seconds", "0.5", "--no-walk")
    finally:
        standing.file.write_text(standing.text)
        file.write_bytes(whole)
    assert told.code == 7
    assert told.checks["settings"]["verdict"] == told.checks["calibration"]["verdict"] == "fail"
    assert "damaged" in told.checks["calibration"]["figure"]
    assert told.checks["dots"]["verdict"] == "pass"
    assert told.checks["disk"]["verdict"] == "pass"


def test_a_frozen_service_is_found_and_its_devices_are_not_fought_for(standing: Station) -> None:
    standing.signal(signal.SIGSTOP)
    try:
        written_s = standing.status().written_s
        assert written_s is not None
        while time.monotonic() < written_s + 3.1:
            time.sleep(0.05)
        told = doctor(standing, "--json")
    finally:
        standing.signal(signal.SIGCONT)
    assert told.code == 7
    assert told.checks["service"]["verdict"] == "fail"
    assert "has said nothing" in told.checks["service"]["figure"]
    assert told.checks["frame rate"]["verdict"] == "can't tell"
    assert "using the devices directly" not in told.err


def test_a_station_that_is_stopped_is_started_for_the_examination_and_ended(
    station: Make, tmp_path: Path
) -> None:
    one = station(settings(tmp_path, act="stand", yaw_deg=60.0))
    (one.state / "calibration.json").unlink()
    told = doctor(one, "--seconds", "0.5", "--no-walk")
    assert told.code == 7
    assert "nothing is calibrated" in told.out
    assert "1 check fails: calibration" in told.err
    assert "using the devices directly" in told.err
    assert "started for this check" in told.out
    assert "nobody in view" in told.out
    assert "let be (--no-walk)" in told.out
    assert not (one.runtime / "control").exists()
    assert not any((one.state / "recordings").glob("*"))


@pytest.mark.parametrize(
    "text", ["[camera\n", '[camera]\nsource = "virtuel"\n', "\xff\xfe", "", None], ids=repr
)
def test_settings_that_cannot_be_used_are_found_and_the_machine_is_still_examined(
    station: Make, text: str | None
) -> None:
    one = station()
    one.file.unlink() if text is None else one.file.write_bytes(text.encode("latin-1"))
    told = doctor(one, "--json")
    assert told.code == 7
    assert told.checks["settings"]["verdict"] == "fail"
    assert told.checks["settings"]["fix"]
    assert told.checks["camera"]["verdict"] == told.checks["light bar"]["verdict"] == "can't tell"
    assert told.checks["disk"]["verdict"] == "pass"


def test_a_camera_that_is_not_there_is_found_with_what_the_kernel_has(station: Make) -> None:
    one = station('[camera]\nsource = "v4l2"\ndevice = "/dev/video97"\n')
    told = doctor(one, "--json", "--no-walk")
    assert told.code == 7
    assert told.checks["camera"]["verdict"] == "fail"
    assert "/dev/video97" in told.checks["camera"]["figure"]
    assert "the kernel has" in told.checks["camera"]["figure"]
    assert told.checks["wires"]["verdict"] == "fail"
    assert told.checks["dots"]["verdict"] == "can't tell"


def test_a_report_without_a_name_of_its_kind_is_refused_before_anything_is_done(station: Make) -> None:
    one = station()
    refused = doctor(one, "--report", "report.doc")
    assert refused.code == 2
    assert "tar.gz" in refused.err
    assert refused.out == ""
