"""`hipbar status` and `hipbar crash`: right in every state a service can be in, as anybody, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import flyer
import msgspec
import pytest

from appliance import cli
from appliance.commands.status import Reports, Seen, Unit, _reports, judged, unit_of
from appliance.commands.status_words import lines
from appliance.station import crash
from appliance.station.flight import FILE, left_behind
from appliance.station.recording import Recording
from appliance.station.status import (
    Ages,
    Condition,
    Keeping,
    Machine,
    Status,
    Verdict,
    read_status,
    verdict,
    write_status,
)


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def hipbar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """The command line in this process, with folders of its own."""
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path))
    monkeypatch.setenv("HIPBAR_STATE", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")

    def said(*words: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, out, err)

    return said


def died(flown, folder: Path) -> str:
    """A station dies and the next start writes it down; the report's name."""
    process = flown(folder, "rest")
    process.kill()
    process.wait()
    left = left_behind(folder / FILE)
    assert left
    path = crash.report(folder / crash.FOLDER, left, crash.collected(folder / crash.TRACEBACK))
    assert path
    return path.name


def test_a_station_that_never_started_is_told_with_exit_code_7(hipbar):
    said = hipbar("status")
    assert said.code == 7
    assert said.out.startswith("never started: ")
    assert "systemctl start hipbar" in said.err


def test_a_living_station_is_healthy_and_a_killed_one_is_not(hipbar, flown, tmp_path: Path):
    process = flown(tmp_path, "rest")
    said = hipbar("status")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("healthy: measuring\n")
    assert str(process.pid) in said.out
    assert "crashes    none" in said.out
    process.kill()
    process.wait()
    said = hipbar("status")
    assert said.code == 7
    assert said.out.startswith("ended: ")
    assert "hipbar logs" in said.err


def test_a_frozen_station_is_not_answering_and_said_to_be_frozen(hipbar, flown, tmp_path: Path):
    process = flown(tmp_path, "rest")
    status = read_status(tmp_path)
    assert status
    write_status(tmp_path, msgspec.structs.replace(status, written_s=time.monotonic() - 4))
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    said = hipbar("status", "--json")
    told = json.loads(said.out)
    assert said.code == 7
    assert told["verdict"]["condition"] == "not answering"
    assert "frozen" in told["verdict"]["words"]


def test_the_json_is_one_object_with_all_that_was_found(hipbar, flown, tmp_path: Path):
    flown(tmp_path, "rest")
    said = hipbar("status", "--json")
    told = json.loads(said.out)
    assert said.code == 0
    assert told["verdict"]["healthy"] is True
    assert told["status"]["state"] == "running"
    assert told["unit"] is None, "another runtime folder is not the service's"
    assert told["crashes"] == {"count": 0, "newest": None, "why": None, "readable": True}


def test_the_newest_crash_is_told(hipbar, flown, tmp_path: Path):
    name = died(flown, tmp_path)
    said = hipbar("status")
    assert "1 report: killed (SIGKILL)" in said.out
    assert json.loads(hipbar("status", "--json").out)["crashes"]["newest"] == name
    (tmp_path / crash.FOLDER / "crash-000002.json").write_bytes(b"torn")
    assert "no crash report" in hipbar("status").out


WELL = Status(
    version="hipbar 0.4.0",
    state="recording",
    state_since_s=880.0,
    started_s=100.0,
    written_s=999.5,
    pid=812,
    frames=108_000,
    rate_hz=119.9,
    lost=3,
    light_age_ms=Ages(p50=3.9, p95=5.0, p99=9.1, max=12.0),
    recording=Keeping(on=True, file="000012.hbk", mb=3.1, written_mb=41.0),
    memory_mb=214.0,
    descriptors=43,
    board=Machine(
        temperature_c=61.2, throttled=(), disk_free_mb=12400, clock_synchronised=True, uptime_s=7300
    ),
)


def screen(
    status: Status | None, unit: Unit | None = None, crashes: Reports | None = None, *, alive: bool = True
) -> str:
    found = judged(verdict(status, 1000.0, None, alive), status, unit)
    return "\n".join(lines(Seen(found, status, unit, crashes or Reports(), 1000.0)))


def test_the_screen_says_in_words_what_there_is(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")
    unit = Unit("loaded", "active", "running", 2, "success", "recording")
    assert screen(WELL, unit, Reports(3, "crash-000003.json", "killed")) == (
        "healthy: measuring and recording\n"
        "software   hipbar 0.4.0\n"
        "state      recording for 2 min\n"
        "camera     119.9 frames/s, 108,000 frames, 3 lost\n"
        "light      3.9 / 5.0 / 9.1 ms old at p50 / p95 / p99, most 12.0, no faults\n"
        "recording  000012.hbk, 3.1 MB, 41 MB since the start\n"
        "machine    61 C, not throttled, 12.1 GB of disk free, clock set, up 2 h 1 min\n"
        "process    812, up 15 min, 214 MB, 43 files open\n"
        "service    active (running), started anew 2 times\n"
        "crashes    3 reports, the newest: killed; `hipbar crash` shows it"
    )


def test_the_screen_leaves_out_what_is_not_known_and_tells_every_trouble(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = screen(
        Status(
            state="running",
            written_s=999.9,
            safe_settings=True,
            strip_faults=4,
            recording=Keeping(trouble="the disk is full", dropped=7),
            troubles=("first", "second"),
            board=Machine(under_voltage=True),
        ),
        crashes=Reports(readable=False),
    )
    for words in (
        "4 strip faults",
        "recording  off, 7 frames not kept, the disk is full",
        "machine    under-voltage",
        "settings   safe settings",
        "trouble    first",
        "trouble    second",
        "crashes    this user may not look",
    ):
        assert words in text
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("status", "alive", "unit", "condition", "words"),
    [
        (None, False, ("not-found", "inactive", "dead", ""), Condition.NEVER, "not installed"),
        (None, False, ("loaded", "inactive", "dead", ""), Condition.NEVER, "not started"),
        (None, False, ("loaded", "activating", "start", ""), Condition.STARTING, "systemd is starting"),
        (
            WELL,
            False,
            ("loaded", "activating", "auto-restart", ""),
            Condition.STARTING,
            "it said last: recording",
        ),
        (WELL, False, ("loaded", "activating", "start", "no camera: x"), Condition.STARTING, "no camera: x"),
        (WELL, False, ("loaded", "failed", "failed", ""), Condition.FAULT, "given the service up: exit-code"),
        (WELL, False, ("loaded", "inactive", "dead", ""), Condition.ENDED, "it was recording"),
        (WELL, True, ("loaded", "active", "running", ""), Condition.HEALTHY, "measuring"),
        (WELL, True, ("not-found", "inactive", "dead", ""), Condition.HEALTHY, "measuring"),
    ],
)
def test_systemd_knows_better_only_where_no_station_answers(
    status: Status | None, alive: bool, unit: tuple[str, str, str, str], condition: Condition, words: str
):
    load, active, sub, text = unit
    found = judged(
        verdict(status, 1000.0, None, alive), status, Unit(load, active, sub, 0, "exit-code", text)
    )
    assert found.condition is condition
    assert words in found.words


def test_what_systemctl_prints_is_understood():
    text = (
        "Result=success\nNRestarts=12\nStatusText=no camera: /dev/video0=gone\n"
        "LoadState=loaded\nActiveState=activating\nSubState=start\n"
    )
    assert unit_of(text) == Unit(
        "loaded", "activating", "start", 12, "success", "no camera: /dev/video0=gone"
    )
    assert unit_of("") is None
    assert unit_of("ActiveState=active\n") == Unit("", "active", "", None, "", "")


def test_another_user_s_closed_folder_is_told_and_no_error(hipbar, monkeypatch: pytest.MonkeyPatch):
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        folder = Path(above) / crash.FOLDER
        folder.mkdir(mode=0)
        root = os.getuid() == 0
        if root:
            os.setresuid(65534, 65534, 0)  # root itself may look everywhere
        try:
            assert _reports(folder) == Reports(readable=False)
            assert _reports(folder / "deeper") == Reports(readable=False)
            for state in (above, str(folder)):
                monkeypatch.setenv("HIPBAR_STATE", state)
                said = hipbar("crash")
                assert said.code == 1
                assert "sudo hipbar crash" in said.err
        finally:
            if root:
                os.setresuid(0, 0, 0)
            folder.chmod(0o700)


def test_reports_are_listed_newest_first_with_those_that_are_damaged(hipbar, flown, tmp_path: Path):
    assert "no crash reports" in hipbar("crash").out
    name = died(flown, tmp_path)
    (tmp_path / crash.FOLDER / "crash-000007.json").write_bytes(b"torn")
    said = hipbar("crash")
    assert said.code == 0
    first, second = said.out.splitlines()
    assert first.startswith("crash-000007.json  -  ")
    assert second.startswith(name)
    assert "killed (SIGKILL)" in second
    told = json.loads(hipbar("crash", "--json").out)
    assert [row["file"] for row in told["crashes"]] == ["crash-000007.json", name]


def test_a_report_is_shown_by_its_name_or_its_path(hipbar, flown, tmp_path: Path):
    name = died(flown, tmp_path)
    said = hipbar("crash", name)
    assert said.code == 0
    for words in (
        "killed (SIGKILL)",
        "state      running",
        "measurement 1,200 frames",
        "1,200 frames;",
        "leds = 60",
    ):
        assert words in said.out
    assert "Maria" not in said.out
    assert hipbar("crash", tmp_path / crash.FOLDER / name).out == said.out
    assert json.loads(hipbar("crash", name, "--json").out)["format"] == "hipbar-crash"


def test_the_last_ten_seconds_are_a_recording_that_replay_reads(hipbar, flown, tmp_path: Path):
    name = died(flown, tmp_path)
    out = tmp_path / "last.hbk"
    assert hipbar("crash", name, "--keypoints", out).code == 0
    recording = Recording(out)
    assert recording.header.rate_hz == flyer.RATE_HZ
    assert [int(seq) for chunk in recording.tracks() for seq in chunk["seq"]] == list(range(800, 2000))
    recording.close()
    said = hipbar("replay", out, "--json")
    assert json.loads(said.out)["frames"] == 1200


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("crash", "none.json"), 3),
        (("crash", "--keypoints", "x.hbk"), 2),
        (("crash", "torn.json"), 3),
        (("crash", "empty.json", "--keypoints", "x.hbk"), 3),
        (("crash", "empty.json", "--keypoints", "empty.json"), 4),
        (("crash", "."), 3),
    ],
)
def test_what_can_t_be_shown_is_refused_in_two_lines(
    hipbar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn.json").write_bytes(b"{")
    (tmp_path / "empty.json").write_bytes(msgspec.json.encode(crash.Crash(why="x")))
    said = hipbar(*words)
    assert said.code == code
    assert said.out == ""
    assert 1 <= len(said.err.splitlines()) <= 2


def test_a_verdict_without_a_remedy_still_has_one_line():
    assert "fault: odd" in "\n".join(
        lines(Seen(Verdict(Condition.FAULT, "odd"), None, None, Reports(), 1.0))
    ).replace("\x1b[31m", "").replace("\x1b[0m", "")
