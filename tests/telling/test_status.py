"""The status file and what it means: whole at every moment, understood whoever wrote it, judged by a pure function."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.records import Light
from appliance.station.flight import boot_id
from appliance.station.health import health_line
from appliance.station.status import (
    FILE,
    Ages,
    Condition,
    Keeping,
    Machine,
    Status,
    StatusFile,
    is_alive,
    process_state,
    read_status,
    span,
    verdict,
    write_status,
)

WELL = Status(
    version="hipbar 0.4.0",
    state="running",
    state_since_s=90.0,
    started_s=10.0,
    written_s=100.0,
    boot_id="this",
    pid=812,
    frames=10800,
    rate_hz=119.9,
    light_age_ms=Ages(p50=3.9, p95=5.0, p99=9.1, max=12.0),
    recording=Keeping(on=True, file="000012.hbk", mb=3.1),
    memory_mb=214.0,
    descriptors=43,
    board=Machine(temperature_c=61.2, throttled=(), disk_free_mb=12400.0, clock_synchronised=True),
)


def changed(**keys: object) -> Status:
    return msgspec.structs.replace(WELL, **keys)


def test_a_station_that_is_well_has_a_line_a_minute_in_the_journal():
    assert health_line(WELL) == (
        "running, 119.9 frames/s, 0 lost, light p50 3.9 p99 9.1 ms, 214 MB, 61 C, disk 12.1 GB, "
        "recording 3.1 MB, clock set"
    )


def test_the_line_says_what_is_wrong_and_leaves_out_what_is_not_known():
    assert health_line(Status()) == "starting, 0 lost, not recording"
    ill = changed(
        lost=1234,
        strip_faults=7,
        recording=Keeping(trouble="the disk is full"),
        safe_settings=True,
        troubles=("two\nlines",),
        board=Machine(throttled=("under-voltage", "throttled"), clock_synchronised=False),
    )
    for words in (
        "1,234 lost",
        "7 strip faults",
        "not recording: the disk is full",
        "under-voltage, throttled",
        "clock not set",
        "safe settings",
        "two lines",
    ):
        assert words in health_line(ill)
    assert "\n" not in health_line(ill)


@pytest.mark.parametrize(
    ("status", "alive", "condition", "words"),
    [
        (None, False, Condition.NEVER, "not started"),
        (WELL, True, Condition.HEALTHY, "measuring"),
        (changed(state="no marks"), True, Condition.HEALTHY, "no marks in view"),
        (changed(state="ready"), True, Condition.HEALTHY, "nobody runs"),
        (changed(state="recording"), True, Condition.HEALTHY, "recording"),
        (changed(state="starting"), True, Condition.STARTING, "starting"),
        (changed(state="warming up"), True, Condition.STARTING, "warming up"),
        (changed(state="no camera", troubles=("a: gone",)), True, Condition.NO_CAMERA, "no camera: a: gone"),
        (changed(state="fault", troubles=("x: wrong",)), True, Condition.FAULT, "fault: x: wrong"),
        (changed(state="of the future"), True, Condition.FAULT, "of the future"),
        (changed(state="off"), False, Condition.STOPPED, "in order"),
        (WELL, False, Condition.ENDED, "it was running"),
        (changed(state="fault", troubles=("bar: gone",)), False, Condition.ENDED, "bar: gone"),
        (changed(written_s=96.9), True, Condition.NOT_ANSWERING, "nothing for 4 s"),
        (changed(written_s=104.5), True, Condition.NOT_ANSWERING, "nothing"),
        (changed(written_s=None), True, Condition.NOT_ANSWERING, "nothing"),
        (changed(written_s=97.6), True, Condition.HEALTHY, "measuring"),
        (changed(boot_id="before"), True, Condition.NEVER, "before the machine started"),
        (changed(boot_id=None), True, Condition.HEALTHY, "measuring"),
    ],
)
def test_what_a_status_means(status: Status | None, alive: bool, condition: Condition, words: str):
    found = verdict(status, 100.5, "this", alive)
    assert found.condition is condition
    assert words in found.words
    assert found.healthy == (condition is Condition.HEALTHY)
    assert bool(found.todo) != found.healthy


def test_healthy_are_exactly_the_states_in_which_frames_become_light():
    healthy = {state for state in Light if verdict(changed(state=state), 100, "this", True).healthy}
    assert healthy == {Light.NO_MARKS, Light.READY, Light.RUNNING, Light.RECORDING}


def test_a_status_comes_back_as_it_was_written(tmp_path: Path):
    assert write_status(tmp_path, WELL) is None
    assert read_status(tmp_path) == WELL
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_size < 2000


def test_figures_that_are_none_are_null_and_nothing_else():
    told = json.loads(msgspec.json.encode(changed(rate_hz=float("nan"), memory_mb=None)))
    assert told["rate_hz"] is None
    assert told["memory_mb"] is None


def test_names_of_files_that_are_no_text_do_not_stop_it(tmp_path: Path):
    odd = changed(troubles=("/x/\udcff: gone",), recording=Keeping(trouble="\udc80"), rate_hz=float("nan"))
    assert write_status(tmp_path, odd) is None
    read = read_status(tmp_path)
    assert read
    assert read.troubles == ("/x/?: gone",)
    assert read.recording.trouble == "?"


def test_everybody_may_read_it_whatever_the_umask_of_the_service(tmp_path: Path):
    before = os.umask(0o077)
    try:
        write_status(tmp_path, WELL)
    finally:
        os.umask(before)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o644


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300) | st.integers(0, 1000).map(lambda n: msgspec.json.encode(WELL)[:n]))
def test_what_is_no_status_is_none_and_never_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    folder = tmp_path_factory.mktemp("foreign")
    (folder / FILE).write_bytes(data)
    read = read_status(folder)
    assert read in (None, WELL)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b'{"format": "other"}', b"[" * 5000, b'{"format":' * 999]
)
def test_a_foreign_file_is_none(tmp_path: Path, data: bytes):
    (tmp_path / FILE).write_bytes(data)
    assert read_status(tmp_path) is None


def test_of_a_newer_version_s_file_what_is_known_is_understood(tmp_path: Path):
    newer = json.loads(msgspec.json.encode(WELL))
    newer |= {"format_version": 9, "lost": {"camera": 3}, "people": 2, "version": "hipbar 9.0"}
    (tmp_path / FILE).write_text(json.dumps(newer))
    read = read_status(tmp_path)
    assert read
    assert (read.version, read.state, read.pid, read.lost) == ("hipbar 9.0", "running", 812, 0)
    assert verdict(read, 100.5, "this", True).healthy


def test_nobody_ever_reads_half_a_status(tmp_path: Path):
    """A process that writes all the time, statuses of very different lengths, and a reader beside it."""
    writer = (
        "import sys; from pathlib import Path; from appliance.station.status import *\n"
        "short = Status(state='running', frames=5); long = Status(state='fault', troubles=('t' * 9000,), frames=5)\n"
        "while True:\n    write_status(Path(sys.argv[1]), short); write_status(Path(sys.argv[1]), long)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", writer, tmp_path], env={**os.environ, "PYTHONPATH": "."}
    ) as it:
        try:
            while read_status(tmp_path) is None:
                pass
            for _ in range(3000):
                read = read_status(tmp_path)
                assert read
                assert read.frames == 5
        finally:
            it.kill()


@pytest.mark.parametrize("folder", ["none", "a file"])
def test_a_status_that_can_t_be_written_is_one_warning_and_its_return_a_line(
    tmp_path: Path, folder: str, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "a file").write_text("")
    file = StatusFile(tmp_path / folder)
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            file.write(WELL)
        assert file.trouble
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        (tmp_path / "a file").unlink()
        (tmp_path / folder).mkdir()
        for _ in range(5):
            file.write(WELL)
    assert file.trouble is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
    assert read_status(tmp_path / folder) == WELL


def test_a_link_laid_in_the_way_is_not_followed(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / f".{FILE}.new").symlink_to(victim)
    assert write_status(tmp_path, WELL)
    assert victim.read_text() == "precious"


def test_a_process_lives_until_it_dies_and_is_not_mistaken_for_another(flown, tmp_path: Path):
    process = flown(tmp_path, "rest")
    status = read_status(tmp_path)
    assert status
    assert is_alive(status)
    assert verdict(status, time.monotonic(), boot_id(), True).healthy
    assert not is_alive(msgspec.structs.replace(status, process_start=1)), "another process with its number"
    process.send_signal(signal.SIGSTOP)
    while process_state(process.pid)[0] != "T":
        pass
    assert is_alive(status), "frozen is not dead"
    assert status.written_s
    later = verdict(status, status.written_s + 5, boot_id(), is_alive(status))
    assert later.condition is Condition.NOT_ANSWERING
    process.kill()
    while process_state(process.pid)[0] != "Z":
        pass
    assert not is_alive(status), "killed, and nobody has asked after it yet"
    process.wait()
    assert not is_alive(status)
    assert verdict(status, time.monotonic(), boot_id(), is_alive(status)).condition is Condition.ENDED


def test_no_process_is_not_alive():
    assert not is_alive(None)
    assert not is_alive(Status(pid=None))
    assert process_state(-1) == ("", None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (119, "119 s"),
        (150, "2 min"),
        (7300, "2 h 1 min"),
        (86400 * 3 + 7300, "3 days 2 h"),
    ],
)
def test_times_in_words(seconds: float, words: str):
    assert span(seconds) == words
