"""`hipbar status`: everything on one screen of 80 columns and 24 lines, and the same again and again with --watch."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import msgspec
import pexpect
import pytest
from conftest import ROOT, started
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from appliance.commands.status import Reports, Seen, Unit, judged
from appliance.commands.status_words import headline, lines, screen
from appliance.station.status import (
    Ages,
    Condition,
    Fault,
    Gait,
    Keeping,
    Machine,
    Stages,
    Status,
    Verdict,
    verdict,
    write_status,
)


def ages(p50: float) -> Ages:
    return Ages(p50=p50, p95=1.5 * p50, p99=3 * p50, max=9 * p50)


FULL = Status(
    version="hipbar 0.5.0",
    state="recording",
    state_since_s=880.0,
    started_s=100.0,
    written_s=999.5,
    pid=812,
    frames=108_000,
    rate_hz=119.9,
    lost=3,
    light_age_ms=ages(3.9),
    recording=Keeping(on=True, file="rec-000012-7c41e0aa.hbk", mb=3.1, written_mb=41.0),
    memory_mb=214.0,
    descriptors=43,
    board=Machine(
        temperature_c=61.2,
        throttled=(),
        disk_free_mb=12400,
        load=0.61,
        clock_synchronised=True,
        uptime_s=7300,
    ),
    stages_ms=Stages(
        camera=ages(1.2),
        sight=ages(0.04),
        motion=ages(0.01),
        feedback=ages(0.01),
        strip=ages(0.25),
        total=ages(1.6),
    ),
    gait=Gait(
        quality=0.973,
        posture="running",
        left_hip_drop_deg=6.31,
        right_hip_drop_deg=4.08,
        difference_deg=2.23,
        cadence_spm=171.6,
    ),
    mode="asymmetry",
    calibration=7,
    sides_proved=True,
    faults=(
        Fault(at_s=940.0, what="strip: /dev/spidev0.0: timed out", fix="check the wiring of the bar"),
        Fault(at_s=300.0, what="camera: silent for 0.3 s", fix="reseat the camera's cable at both ends"),
    ),
)
UNIT = Unit("loaded", "active", "running", 2, "success", "recording")


def seen(status: Status | None, *, unit: Unit | None = UNIT, alive: bool = True) -> Seen:
    found = judged(verdict(status, 1000.0, None, alive), status, unit)
    return Seen(found, status, unit, Reports(1, "crash-000003.json", "killed (SIGKILL)"), 1000.0)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def test_everything_is_on_one_screen() -> None:
    assert screen(seen(FULL), 80, 23) == [
        "healthy: measuring and recording",
        "software   hipbar 0.5.0, calibration 7, sides proved",
        "state      recording for 2 min, mode asymmetry",
        "camera     119.9 frames/s, 108,000 frames, 3 lost, marks seen 97 %",
        "hip drop   left 6.3 deg, right 4.1 deg, left hip 2.2 deg more, 172 steps/min",
        "latency        camera     sight    motion  feedback     strip     total",
        "  p50 ms         1.20      0.04      0.01      0.01      0.25      1.60",
        "  p95 ms         1.80      0.06      0.01      0.01      0.38      2.40",
        "  p99 ms         3.60      0.12      0.03      0.03      0.75      4.80",
        "light      3.9 / 5.8 / 11.7 ms old at p50 / p95 / p99, most 35.1, no faults",
        "recording  rec-000012-7c41e0aa.hbk, 3.1 MB, 41 MB since the start",
        "machine    61 C, not throttled, 12.1 GB of disk free, load 0.61, clock set, up 2",
        "           h 1 min",
        "process    812, up 15 min, 214 MB, 43 files open",
        "service    active (running), started anew 2 times",
        "crashes    1 report: killed (SIGKILL); `hipbar crash` shows it",
        "fault      60 s ago: strip: /dev/spidev0.0: timed out; check the wiring of the",
        "           bar",
        "           11 min ago: camera: silent for 0.3 s; reseat the camera's cable at",
        "           both ends",
    ]


def test_what_is_not_known_is_left_out_and_never_nought() -> None:
    text = "\n".join(lines(seen(Status(state="ready", written_s=999.9), unit=None)))
    for word in ("hip drop", "latency", "marks seen", "calibration", "None", "nan", " 0.0"):
        assert word not in text


@pytest.mark.parametrize(
    ("difference", "words"), [(2.23, "left hip 2.2 deg more"), (-0.84, "right hip 0.8 deg more")]
)
def test_the_side_that_drops_more_is_named(difference: float, words: str) -> None:
    gait = msgspec.structs.replace(FULL.gait, difference_deg=difference)
    assert words in "\n".join(lines(seen(msgspec.structs.replace(FULL, gait=gait))))


def test_what_is_not_calibrated_and_not_proved_is_told() -> None:
    text = "\n".join(lines(seen(msgspec.structs.replace(FULL, sides_proved=False, calibration=0))))
    assert "not calibrated, sides not proved" in text


def test_what_is_tried_is_told() -> None:
    text = "\n".join(lines(seen(msgspec.structs.replace(FULL, tried=("feedback.mode", "sight.contrast")))))
    assert "tried      feedback.mode, sight.contrast: until" in text


def test_the_condition_is_said_once_with_the_camera_s_own_remedy_instead_of_the_general_one() -> None:
    lost = Status(
        state="no camera", written_s=999.9, troubles=("/dev/video0: is not there; plug the camera in",)
    )
    found = seen(lost, unit=None)
    assert headline(found.verdict) == "no camera: /dev/video0: is not there"
    assert found.verdict.todo == "plug the camera in"
    ill = Status(state="fault", written_s=999.9, troubles=("strip.kind: wrong; say apa102",))
    assert headline(seen(ill, unit=None).verdict) == "fault: strip.kind: wrong"
    assert headline(seen(Status(state="starting", written_s=999.9), unit=None).verdict) == "starting"


def test_a_remedy_with_semicolons_in_its_words_is_taken_from_the_fault_itself() -> None:
    fault = Fault(at_s=999.0, what="a; b", fix="do c; then d")
    ill = Status(state="fault", written_s=999.9, troubles=("a; b; do c; then d",), faults=(fault,))
    found = seen(ill, unit=None).verdict
    assert (headline(found), found.todo) == ("fault: a; b", "do c; then d")


def test_what_is_tight_loses_old_faults_first_and_the_verdict_never() -> None:
    many = tuple(Fault(at_s=float(k), what=f"fault number {k}", fix="mend it") for k in range(900, 800, -10))
    drawn = screen(seen(msgspec.structs.replace(FULL, faults=many)), 80, 20)
    assert len(drawn) <= 20
    assert drawn[0] == "healthy: measuring and recording"
    assert any("fault number 900" in line for line in drawn)
    assert not any("fault number 810" in line for line in drawn)


@examples(max_examples=100, deadline=None)
@given(
    width=st.integers(22, 200),
    height=st.integers(1, 60),
    troubles=st.lists(
        st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=300), max_size=4
    ),
)
def test_no_terminal_is_too_small_for_it(width: int, height: int, troubles: list[str]) -> None:
    drawn = screen(seen(msgspec.structs.replace(FULL, troubles=tuple(troubles))), width, height, todo=True)
    assert 1 <= len(drawn) <= height
    assert all(len(line) <= width for line in drawn)


def test_colours_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR")
    words = "a reason that is longer than the screen is wide, so that it has to be folded somewhere in the middle of it"
    found = Seen(Verdict(Condition.FAULT, f"fault: {words}"), None, None, Reports(), 1.0)
    first, second, *_ = screen(found, 60, 20)
    assert first.startswith("\x1b[31mfault\x1b[0m: a reason that is longer")
    assert second.startswith(" " * 11)


# --watch, as a process of its own


def tell(folder: Path, **more: object) -> None:
    now = {"written_s": time.monotonic(), "pid": os.getpid(), "state": "running"}
    write_status(folder, Status(**{**now, **more}))  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path))
    monkeypatch.setenv("HIPBAR_STATE", str(tmp_path))
    tell(tmp_path)
    return tmp_path


def test_watching_with_json_is_an_object_a_line_until_it_is_stopped(folder: Path) -> None:
    process = started("status", "--watch", "--json", "--every", 0.2)
    assert process.stdout
    first = json.loads(process.stdout.readline())
    assert first["verdict"]["healthy"] is True
    tell(folder, state="fault", troubles=("bar: gone; plug it in",))
    until_s = time.monotonic() + 30
    while json.loads(process.stdout.readline())["verdict"]["condition"] != "fault":
        assert time.monotonic() < until_s
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert all(json.loads(line) for line in out.splitlines())


def test_watching_ends_when_nobody_reads_it_any_more(folder: Path) -> None:
    process = started("status", "--watch", "--json", "--every", 0.2)
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_terminal_is_drawn_over_in_place_and_given_back_with_its_cursor(folder: Path) -> None:
    words = ["-m", "appliance.cli", "status", "--watch", "--every", "0.2"]
    terminal = pexpect.spawn(
        sys.executable, words, cwd=str(ROOT), dimensions=(24, 80), timeout=30, encoding="utf-8"
    )
    try:
        terminal.expect_exact("\x1b[?25l\x1b[2J")
        terminal.expect_exact("\x1b[Hhealthy: measuring")
        tell(folder, state="no camera", troubles=("/dev/video9: is not there; plug it in",))
        terminal.expect_exact("\x1b[Hno camera: /dev/video9: is not there")
        terminal.expect("to do +plug it in")
        terminal.sendintr()
        terminal.expect_exact("\x1b[?25h")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 0
    finally:
        terminal.close(force=True)


def test_on_a_terminal_nothing_is_wider_than_it(folder: Path) -> None:
    tell(folder, state="fault", troubles=("a very long reason " * 20 + "; a remedy",))
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "appliance.cli", "status"],
        cwd=str(ROOT),
        dimensions=(24, 80),
        timeout=30,
        encoding="utf-8",
    )
    try:
        terminal.expect(pexpect.EOF)
        drawn = terminal.before.replace("\r", "").split("hipbar: ")[0].splitlines()
        terminal.wait()
        assert terminal.exitstatus == 7
    finally:
        terminal.close(force=True)
    assert len(drawn) > 4
    assert max(map(len, drawn)) <= 80
