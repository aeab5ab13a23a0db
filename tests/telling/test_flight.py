"""The flight recorder: what is noted is read back whatever ended the process, and it never ends a station itself."""

from __future__ import annotations

import logging
import signal
import statistics
import time
from pathlib import Path

import flyer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.config import Settings
from appliance.pipeline import Pipeline
from appliance.records import Frame
from appliance.station import crash
from appliance.station.flight import FILE, ROW, Flight, left_behind

ROWS_AT = 2 * 4096 + 65536


def died(path: Path, rate_hz: float, frames: int, state: str = "running") -> bytes:
    """What a process leaves that noted so many frames and was killed then."""
    flight = Flight(path, rate_hz, software="x", settings_text=flyer.SETTINGS)
    flight.say(state)
    for seq in range(frames):
        flight.note(flyer.update(seq), seq / flyer.RATE_HZ + 0.004)
    left = path.read_bytes()
    flight.landed()
    return left


def read(path: Path, data: bytes):
    path.write_bytes(data)
    return left_behind(path)


@settings(max_examples=60, deadline=None)
@given(rate_hz=st.sampled_from([0.1, 0.5, 1.0, 3.3]), frames=st.integers(0, 90))
def test_the_last_ten_seconds_come_back_bit_for_bit_however_often_the_ring_has_turned(
    tmp_path_factory: pytest.TempPathFactory, rate_hz: float, frames: int
) -> None:
    path = tmp_path_factory.mktemp("ring") / FILE
    wreck = read(path, died(path, rate_hz, frames))
    rows = max(1, int(np.ceil(10 * rate_hz)))
    expected = [flyer.update(seq) for seq in range(max(0, frames - rows), frames)]
    assert wreck
    assert wreck.torn == 0
    assert wreck.head.rows == rows
    assert wreck.track["seq"].tolist() == [u.seq for u in expected]
    assert wreck.track["t_s"].tolist() == [u.t_s for u in expected]
    assert wreck.track["xy_px"].tobytes() == b"".join(u.keypoints.xy_px.tobytes() for u in expected)
    assert wreck.track["score"].tobytes() == b"".join(u.keypoints.score.tobytes() for u in expected)
    assert set(wreck.shown.tolist()) <= {1}
    assert np.allclose(wreck.lit_s - wreck.track["t_s"], 0.004)


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A small ring that has turned twice and a half."""
    path = tmp_path_factory.mktemp("turned") / FILE
    return path, died(path, 1.0, 25)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10 * ROW.itemsize - 1), bit=st.integers(0, 7))
def test_a_row_that_was_torn_is_counted_and_left_out_and_all_others_stay(
    turned: tuple[Path, bytes], at: int, bit: int
) -> None:
    path, left = turned
    data = bytearray(left)
    data[ROWS_AT + at] ^= 1 << bit
    wreck = read(path, bytes(data))
    spoilt = at // ROW.itemsize
    assert wreck
    assert wreck.torn == 1
    assert wreck.track["seq"].tolist() == [seq for seq in range(15, 25) if seq % 10 != spoilt]


@settings(max_examples=150, deadline=None)
@given(length=st.integers(0, ROWS_AT + 10 * ROW.itemsize))
def test_a_file_cut_off_anywhere_gives_what_is_whole_or_nothing(
    turned: tuple[Path, bytes], length: int
) -> None:
    path, left = turned
    wreck = read(path, left[:length])
    if wreck:
        assert set(wreck.track["seq"].tolist()) <= set(range(15, 25))
    else:
        assert length < 2 * 4096, "the words are whole from there on"


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=9000))
def test_a_foreign_file_is_no_wreck(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    assert read(tmp_path_factory.mktemp("foreign") / FILE, data) is None


def test_torn_last_words_leave_those_before_them(tmp_path: Path) -> None:
    data = bytearray(died(tmp_path / FILE, 1.0, 3, state="no marks"))
    newest = 4096  # slot 0 at the start, slot 1 with the state
    data[newest + 40] ^= 1
    wreck = read(tmp_path / FILE, bytes(data))
    assert wreck
    assert wreck.head.state == ""
    assert wreck.head.software == "x"
    assert len(wreck.track) == 3


def test_settings_that_were_torn_are_empty_and_the_rest_is_there(tmp_path: Path) -> None:
    data = bytearray(died(tmp_path / FILE, 1.0, 3))
    data[2 * 4096 + 20] ^= 1
    wreck = read(tmp_path / FILE, bytes(data))
    assert wreck
    assert wreck.settings_text == ""
    assert len(wreck.track) == 3


@pytest.mark.parametrize(
    ("end", "number", "words"),
    [
        ("rest", signal.SIGKILL, "killed (SIGKILL)"),
        ("rest", signal.SIGABRT, "watchdog"),
        ("abort", None, "watchdog"),
        ("segv", None, "segmentation fault"),
        ("rest", signal.SIGBUS, "bus error"),
    ],
)
def test_whatever_ends_a_process_its_last_ten_seconds_words_and_settings_are_there(
    flown, tmp_path: Path, end: str, number: signal.Signals | None, words: str
) -> None:
    process = flown(tmp_path, end)
    if number:
        assert left_behind(tmp_path / FILE) is None, "a living station is no wreck"
        process.send_signal(number)
    process.wait()
    wreck, text = left_behind(tmp_path / FILE), crash.collected(tmp_path / crash.TRACEBACK)
    assert wreck
    assert wreck.torn == 0
    assert wreck.track["seq"].tolist() == list(range(800, 2000))
    assert wreck.track[-1]["xy_px"].tobytes() == flyer.update(1999).keypoints.xy_px.tobytes()
    assert wreck.head.state == "running"
    assert wreck.head.header == flyer.HEADER
    assert wreck.settings_text == flyer.SETTINGS
    assert wreck.head.pid == process.pid
    assert ("flyer.py" in text) == (number is not signal.SIGKILL)
    assert words in crash.why(wreck, text)
    assert not (tmp_path / crash.TRACEBACK).exists()


def noted(path: Path) -> int:
    """How far a living ring has come."""
    return int(np.frombuffer(path.read_bytes()[ROWS_AT:], ROW)["number"].max())


def test_killed_in_the_middle_of_noting_at_most_one_row_is_torn(flown, tmp_path: Path) -> None:
    for turn in range(4):
        process = flown(tmp_path, "loop")
        while noted(tmp_path / FILE) < 2500 + 300 * turn:
            pass
        process.kill()
        process.wait()
        wreck = left_behind(tmp_path / FILE)
        assert wreck
        assert wreck.torn <= 1, turn
        seqs = wreck.track["seq"]
        assert len(seqs) + wreck.torn == 1200
        assert np.all(np.diff(seqs) == 1)


def test_who_lands_leaves_no_wreck(flown, tmp_path: Path) -> None:
    flown(tmp_path, "land").wait()
    assert left_behind(tmp_path / FILE) is None


def test_landing_twice_and_noting_after_it_are_fine(tmp_path: Path) -> None:
    flight = Flight(tmp_path / FILE, 120.0)
    flight.landed()
    flight.note(flyer.update(1))
    flight.say("running")
    flight.carry(flyer.HEADER)
    flight.landed()
    assert left_behind(tmp_path / FILE) is None


def test_a_second_station_has_no_recorder_and_leaves_the_first_one_s_alone(
    flown, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = flown(tmp_path, "rest")
    second = Flight(tmp_path / FILE, 120.0)
    second.note(flyer.update(1))
    second.landed()
    assert second.trouble
    assert "no flight recorder" in caplog.text
    process.kill()
    process.wait()
    wreck = left_behind(tmp_path / FILE)
    assert wreck
    assert wreck.head.pid == process.pid
    assert len(wreck.track) == 1200


@pytest.mark.parametrize("place", ["no folder", "a folder in its place", "a link"])
def test_without_its_file_the_recorder_is_one_warning(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / FILE
    if place == "no folder":
        path = tmp_path / "none" / FILE
    elif place == "a link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.mkdir()
    with caplog.at_level(logging.WARNING):
        flight = Flight(path, 120.0)
        for seq in range(3):
            flight.note(flyer.update(seq))
        flight.say("running")
        flight.landed()
    assert flight.trouble
    assert len(caplog.records) == 1
    assert left_behind(path) is None
    assert not (tmp_path / "elsewhere").exists()


def test_a_memory_without_room_is_a_warning_and_no_signal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file system that can't give the room says so at once: mapped memory would say it with SIGBUS, in the loop."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        flight = Flight(tmp_path / FILE, 120.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    flight.note(flyer.update(1))
    assert flight.trouble
    assert "no flight recorder" in caplog.text
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("rate_hz", [float("nan"), float("inf"), -1.0, 0.0, 1e9])
def test_a_rate_that_is_none_still_gives_a_bounded_ring(tmp_path: Path, rate_hz: float) -> None:
    flight = Flight(tmp_path / FILE, rate_hz)
    assert flight.trouble is None
    flight.note(flyer.update(7))
    assert (tmp_path / FILE).stat().st_size <= ROWS_AT + 8192 * ROW.itemsize
    flight.landed()


def test_words_without_end_are_cut_and_never_lost(tmp_path: Path) -> None:
    flight = Flight(tmp_path / FILE, 1.0, software="s" * 9999, settings_text="a = 1\n" * 99999)
    flight.say("\udcff" + "w" * 9999)
    wreck = read(tmp_path / "copy", (tmp_path / FILE).read_bytes())
    assert wreck
    assert len(wreck.head.state) == 400
    assert len(wreck.settings_text) < 65536
    flight.landed("e" * 9999)
    assert left_behind(tmp_path / FILE) is None


def test_a_note_costs_a_fraction_of_what_the_frame_costs(tmp_path: Path) -> None:
    """Beside the pipeline in the same process, so that the machine's speed and load do not matter."""
    flight, pipeline = Flight(tmp_path / FILE, 120.0), Pipeline(Settings())
    picture, note_s, feed_s = np.zeros((480, 640), np.uint8), [], []
    for seq in range(2000):
        began_s = time.perf_counter()
        update = pipeline.feed(Frame(seq, seq / 120, picture))
        fed_s = time.perf_counter()
        flight.note(update, fed_s)
        noted_s = time.perf_counter()
        feed_s.append(fed_s - began_s)
        note_s.append(noted_s - fed_s)
    flight.landed()
    assert statistics.median(note_s) < statistics.median(feed_s) / 4
