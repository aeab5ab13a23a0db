"""The keypoint recording: what goes in comes out, and whatever is wrong with a file is found and said."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from appliance.config import Lens, parse
from appliance.errors import SourceError
from appliance.records import TRACK
from appliance.station.recording import Header, Recorder, Recording, is_recording

HEADER = Header(software="hipbar test", width_px=480, height_px=640, rate_hz=120.0)


def track(n: int, start: int = 0) -> np.ndarray:
    rng = np.random.default_rng(n + start)
    made = np.zeros(n, TRACK)
    made["seq"] = np.arange(start, start + n)
    made["t_s"] = made["seq"] / 120
    made["xy_px"] = rng.uniform(0, 600, (n, 4, 2))
    made["xy_px"][rng.random((n, 4)) < 0.2] = np.nan
    made["score"] = rng.random((n, 4))
    return made


def written(path: Path, *chunks: np.ndarray, header: Header = HEADER) -> Path:
    recorder = Recorder(path, header)
    for chunk in chunks:
        recorder.keep(chunk)
    recorder.close()
    return path


def read(path: Path, frames: int = 4096) -> tuple[list[np.ndarray], SourceError | None]:
    recording, got = Recording(path), []
    try:
        for chunk in recording.tracks(frames):
            got.append(chunk)
    except SourceError as error:
        return got, error
    finally:
        recording.close()
    return got, None


def test_frames_come_back_bit_for_bit_however_they_were_written(tmp_path: Path) -> None:
    whole = track(1000)
    path = written(tmp_path / "a.hbk", whole[:1], whole[1:130], whole[130:])
    got, error = read(path, frames=64)
    assert error is None
    assert np.concatenate(got).tobytes() == whole.tobytes()


@given(
    xy=nps.arrays("<f8", (5, 4, 2), elements=st.floats(allow_infinity=False)),
    score=nps.arrays("<f8", (5, 4), elements=st.floats(0, 1)),
    times=st.lists(st.floats(-1e9, 1e9), min_size=5, max_size=5, unique=True),
)
def test_any_finite_figures_survive(tmp_path_factory: pytest.TempPathFactory, xy, score, times) -> None:
    made = np.zeros(5, TRACK)
    made["xy_px"], made["score"], made["t_s"] = xy, score, sorted(times)
    got, error = read(written(tmp_path_factory.mktemp("any") / "a.hbk", made))
    assert error is None
    assert got[0].tobytes() == made.tobytes()


def test_the_header_says_mount_lens_and_zero(tmp_path: Path) -> None:
    settings = parse(
        "camera.rotate_deg = 90\ncamera.mirror = true\nlens.fx_px = 700.0\nmotion.zero_deg = 1.5"
    )
    header = Header.of(settings, (480, 640), 120.0, 1e-5, "hipbar test")
    path = written(tmp_path / "a.hbk", track(3), header=header)
    recording = Recording(path)
    recording.close()
    assert recording.header == header
    assert recording.header.onto(parse(""), set()).camera.rotate_deg == 90
    assert recording.header.onto(parse(""), set()).lens.fx_px == 700.0
    assert recording.header.onto(parse(""), set()).motion.zero_deg == 0.0, (
        "replay subtracts only what it is told"
    )


def test_settings_that_name_mount_or_lens_have_their_way() -> None:
    header = Header.of(parse("camera.rotate_deg = 90\nlens.k1 = 0.1\nlens.fx_px = 1.0"), (4, 4), 1.0, 0.0, "")
    told = parse("camera.rotate_deg = 180\nlens.fx_px = 2.0")
    settings = header.onto(told, {"camera.rotate_deg", "lens.fx_px"})
    assert settings.camera.rotate_deg == 180
    assert settings.lens == Lens(fx_px=2.0)


@pytest.mark.parametrize("lost_bytes", [1, 5, 112, 900])
def test_a_torn_end_costs_the_last_block_only(tmp_path: Path, lost_bytes: int) -> None:
    whole = track(20)
    path = written(tmp_path / "a.hbk", whole[:10], whole[10:])
    path.write_bytes(path.read_bytes()[:-lost_bytes])
    got, error = read(path)
    assert np.concatenate(got).tobytes() == whole[:10].tobytes()
    assert error is not None
    assert "middle of a block" in str(error)


@given(where=st.integers(0, 2400), bit=st.integers(0, 7))
def test_no_flipped_bit_is_ever_taken_for_a_measurement(
    tmp_path_factory: pytest.TempPathFactory, where: int, bit: int
) -> None:
    whole = track(20)
    path = written(tmp_path_factory.mktemp("bit") / "a.hbk", whole[:10], whole[10:])
    damaged = bytearray(path.read_bytes())
    damaged[where % len(damaged)] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        got, error = read(path)
    except SourceError:
        return
    assert error is not None
    used = np.concatenate(got) if got else whole[:0]
    assert used.tobytes() == whole[: len(used)].tobytes()


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 3 / 120, 0.0])
def test_a_bad_time_is_named_and_frames_before_it_are_used(tmp_path: Path, time: float) -> None:
    whole = track(10)
    whole["t_s"][4] = time
    got, error = read(written(tmp_path / "a.hbk", whole))
    assert len(got[0]) == 4
    assert error is not None
    assert "frame 4" in str(error)


def test_a_time_that_goes_back_between_blocks_is_named(tmp_path: Path) -> None:
    got, error = read(written(tmp_path / "a.hbk", track(10), track(10)))
    assert len(got[0]) == 10
    assert error is not None
    assert "frame 10" in str(error)


def test_a_keypoint_at_infinity_is_refused(tmp_path: Path) -> None:
    whole = track(3)
    whole["xy_px"][1, 0, 0] = np.inf
    _, error = read(written(tmp_path / "a.hbk", whole))
    assert error is not None
    assert "infinity" in str(error)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "empty"),
        (b"RIFF....AVI ", "not a hipbar recording"),
        (b'{"format":"hipbar-keypoints","version":3}\n', "format 3"),
        (b'{"format":"hipbar-keypoints","version":1}\n', "damaged header"),
        (b'{"format":"hipbar-keypoints",\n', "damaged header"),
        (b'{"format":"hipbar-keypoints","version":1,"width_px":0,"height_px":1,"rate_hz":1}\n', "impossible"),
    ],
)
def test_a_foreign_newer_or_damaged_header_is_refused(tmp_path: Path, line: bytes, says: str) -> None:
    path = tmp_path / "a.hbk"
    path.write_bytes(line)
    with pytest.raises(SourceError, match=says):
        Recording(path)


def test_a_recording_without_frames_is_refused(tmp_path: Path) -> None:
    _, error = read(written(tmp_path / "a.hbk"))
    assert error is not None
    assert "without any frame" in str(error)


def test_a_recording_is_known_by_its_first_bytes_or_its_name(tmp_path: Path) -> None:
    assert is_recording(written(tmp_path / "a.bin", track(1)))
    (tmp_path / "b.hbk").write_bytes(b"nonsense")
    assert is_recording(tmp_path / "b.hbk")
    (tmp_path / "c.mp4").write_bytes(b"nonsense")
    assert not is_recording(tmp_path / "c.mp4")
    with pytest.raises(SourceError, match="no such file"):
        is_recording(tmp_path / "d.hbk")
    with pytest.raises(SourceError, match="folder"):
        is_recording(tmp_path)


def test_the_bytes_are_those_of_the_documented_format(tmp_path: Path) -> None:
    whole = track(2)
    data = written(tmp_path / "a.hbk", whole).read_bytes()
    line, rest = data.split(b"\n", 1)
    assert line.startswith(b'{"format":"hipbar-keypoints","version":1,')
    mark, count, _ = struct.unpack("<4sII", rest[:12])
    assert (mark, count, len(rest)) == (b"HBKP", 2, 12 + 2 * 112)
    figures = struct.unpack("<q13d", rest[12:124])
    assert figures[0] == 0
    assert figures[1] == 0.0
    assert np.array_equal(figures[2:10], whole["xy_px"][0].ravel(), equal_nan=True)
    assert np.array_equal(figures[10:], whole["score"][0])
