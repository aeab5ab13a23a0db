"""Whatever a user can get wrong is one line of what and one of what to do, an exit code, and intact files."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.station.recording import Recorder, Recording
from tests.cli.conftest import Hipbar, Said, film, started


def refused(said: Said, code: int, *parts: str) -> None:
    """The message is short, says what is asked for, and is no traceback."""
    lines = said.err.strip().splitlines()
    assert said.code == code, said
    assert lines[0].startswith("hipbar: ")
    assert 1 <= len(lines) <= 2
    assert "Traceback" not in said.err
    for part in parts:
        assert part in said.err


def without_remark(said: Said) -> Said:
    """The same without the remark about speed."""
    return said._replace(err="\n".join(line for line in said.err.splitlines() if "frames/s" not in line))


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Somebody who may not read everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    yield
    os.seteuid(was)


@pytest.mark.parametrize("name", ["empty.mp4", "text.mp4", "empty.hbk", "text.hbk"])
def test_a_file_that_is_no_video_and_no_recording(hipbar: Hipbar, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("" if "empty" in name else "just words\n" * 100)
    refused(hipbar("replay", tmp_path / name, "--json"), 3, name)


def test_a_file_that_is_not_there_and_a_folder(hipbar: Hipbar, tmp_path: Path) -> None:
    refused(hipbar("replay", tmp_path / "none.mp4"), 3, "none.mp4", "no such file")
    refused(hipbar("replay", tmp_path), 3, "folder")


def test_a_source_without_permission(
    hipbar: Hipbar, recording: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shut = tmp_path / "shut.hbk"
    shut.write_bytes(recording.read_bytes())
    shut.chmod(0)
    request.getfixturevalue("unprivileged")  # only now: somebody else could not have made the copy
    refused(hipbar("replay", shut), 3, "readable")


def test_a_truncated_video_is_measured_as_far_as_it_goes(hipbar: Hipbar, video: Path, tmp_path: Path) -> None:
    data = video.read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: len(data) * 2 // 3])
    said = hipbar(
        "replay", tmp_path / "cut.avi", "--frames", tmp_path / "f.csv", "--steps", tmp_path / "s.jsonl"
    )
    refused(without_remark(said), 3, "cut.avi")
    rows = (tmp_path / "f.csv").read_text().splitlines()
    assert 300 < len(rows) < 600
    assert {row.count(",") for row in rows} == {rows[0].count(",")}
    assert (tmp_path / "s.jsonl").read_text().endswith("}\n")


def test_a_truncated_recording_is_measured_as_far_as_it_goes(
    hipbar: Hipbar, recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.hbk").write_bytes(recording.read_bytes()[:-1000])
    said = hipbar("replay", tmp_path / "cut.hbk", "--frames", tmp_path / "f.csv")
    refused(without_remark(said), 3, "middle of a block")
    assert len((tmp_path / "f.csv").read_text().splitlines()) > 600


def test_a_frame_of_another_size_midway(hipbar: Hipbar, video: Path, tmp_path: Path) -> None:
    data = bytearray(video.read_bytes())
    place = data.find(b"movi")
    for _ in range(301):
        place = data.find(b"00dc", place + 4)
    length = struct.unpack_from("<I", data, place + 4)[0]
    jpeg = cv2.imencode(".jpg", np.full((64, 64), 90, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 5])[1].tobytes()
    data[place + 8 : place + 8 + length] = jpeg.ljust(length, b"\0")
    (tmp_path / "odd.avi").write_bytes(data)
    said = hipbar("replay", tmp_path / "odd.avi", "--frames", tmp_path / "f.csv")
    refused(without_remark(said), 3, "64x64")
    assert len((tmp_path / "f.csv").read_text().splitlines()) == 301


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 2.5, 0.0])
def test_time_stamps_that_do_not_advance(
    hipbar: Hipbar, recording: Path, tmp_path: Path, time: float
) -> None:
    source = Recording(recording)
    track = np.concatenate(list(source.tracks()))
    source.close()
    track["t_s"][300] = track["t_s"][299] if time == 2.5 else time
    recorder = Recorder(tmp_path / "odd.hbk", source.header)
    recorder.keep(track)
    recorder.close()
    said = hipbar("replay", tmp_path / "odd.hbk", "--frames", tmp_path / "f.csv")
    refused(without_remark(said), 3, "frame 300")
    assert len((tmp_path / "f.csv").read_text().splitlines()) == 301


def test_a_video_without_any_dot(hipbar: Hipbar, tmp_path: Path) -> None:
    path = film(tmp_path / "dark.avi", 0.5, dots=False)
    said = hipbar("replay", path, "--frames", tmp_path / "f.csv", "--json")
    refused(without_remark(said), 3, "no marks seen in 60 frames", "brighter")
    rows = (tmp_path / "f.csv").read_text().splitlines()
    assert len(rows) == 61
    assert rows[1].split(",")[1:4] == ["", "", ""]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[camera\n", "not TOML"),
        ('[camera]\nsorce = "v4l2"\n', "did you mean `source`"),
        ('[camera]\nwidth_px = "wide"\n', "camera.width_px"),
        ("[camera]\nwidth_px = 1\n", "camera.width_px"),
        ("[camera]\nrate_hz = nan\n", "camera.rate_hz"),
        ("[cam]\nx = 1\n", "unknown setting `cam`"),
        ("[lens]\nk1 = 0.1\n", "lens.fx_px"),
        ("camera = 3\n", "camera"),
    ],
)
@pytest.mark.parametrize("command", ["check", "show", "replay", "run"])
def test_a_settings_file_with_a_mistake(
    hipbar: Hipbar, recording: Path, tmp_path: Path, text: str, says: str, command: str
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    words = {
        "check": ("config", "check", path),
        "show": ("config", "show", "--config", path),
        "replay": ("replay", recording, "--config", path),
        "run": ("run", "--config", path),
    }[command]
    refused(hipbar(*words), 2, "s.toml", says)


@pytest.mark.parametrize(
    "words",
    [
        ("rn",),
        ("replay",),
        ("replay", "x", "--zero-deg", "99"),
        ("replay", "x", "--zero-deg", "nan"),
        ("replay", "x", "--zero", "two"),
        ("demo", "--runner", "me"),
        ("demo", "--speed", "nan"),
        ("demo", "--seconds", "0"),
        ("run", "--seconds", "-1"),
        ("bench", "--jsn"),
        ("config", "check"),
    ],
)
def test_a_wrong_word_on_the_command_line(hipbar: Hipbar, words: tuple[str, ...]) -> None:
    refused(hipbar(*words), 2, "--help")


@pytest.mark.parametrize("option", ["--steps", "--frames", "--bar", "--record"])
def test_a_full_disk(hipbar: Hipbar, recording: Path, tmp_path: Path, option: str) -> None:
    said = hipbar("replay", recording, option, "/dev/full")
    refused(said, 4, "/dev/full", "No space left", "make room")


def test_a_full_disk_leaves_the_other_files_intact(hipbar: Hipbar, recording: Path, tmp_path: Path) -> None:
    said = hipbar("replay", recording, "--steps", tmp_path / "s.jsonl", "--bar", "/dev/full")
    refused(said, 4)
    text = (tmp_path / "s.jsonl").read_text()
    assert text == "" or text.endswith("}\n")


@pytest.mark.parametrize(("path", "says"), [("no/such/folder/x", "create the folder"), (".", "folder")])
def test_an_output_that_can_not_be_written(
    hipbar: Hipbar, recording: Path, tmp_path: Path, path: str, says: str
) -> None:
    refused(hipbar("replay", recording, "--steps", tmp_path / path), 4, says)


def test_an_output_without_permission(hipbar: Hipbar, tmp_path: Path, unprivileged: None) -> None:
    path = Path("/proc/1/hipbar.jsonl")
    source = Path(__file__).parents[2] / "pyproject.toml"
    said = hipbar("replay", source, "--steps", path)
    assert said.code in (3, 4)
    assert "Traceback" not in said.err


def test_an_output_on_the_source_itself_spares_the_source(hipbar: Hipbar, recording: Path) -> None:
    before = recording.read_bytes()
    refused(hipbar("replay", recording, "--record", recording), 4, "source itself")
    assert recording.read_bytes() == before


def test_standard_output_on_a_full_disk_is_told() -> None:
    with Path("/dev/full").open("w") as full:
        process = started("config", "show", stdout=full)
        _, err = process.communicate(timeout=60)
    refused(Said(process.returncode, "", err), 4, "standard output")


def test_a_reader_who_goes_away_is_no_error() -> None:
    process = started("config", "show", "--json")
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 141
    assert err == ""


@pytest.mark.parametrize("words", [("leds", "--test", "--seconds", "0.5"), ("run", "--seconds", "0.2")])
@pytest.mark.parametrize("closed", [1, 2])
def test_a_standard_stream_that_is_closed_is_no_error(words: tuple[str, ...], closed: int) -> None:
    process = started(*words, preexec_fn=lambda: os.close(closed))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (0, False)
    assert [out, err][closed - 1] == ""


def test_no_camera_is_a_clear_end(hipbar: Hipbar, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[camera]\nsource = "v4l2"\ndevice = "/dev/none"\n[strip]\nkind = "memory"\n')
    refused(hipbar("run", "--config", path), 5, "/dev/none")


def test_a_video_station_without_its_file_is_a_clear_end(hipbar: Hipbar, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f'[camera]\nsource = "video"\nfile = "{tmp_path}/none.avi"\n[strip]\nkind = "none"\n')
    refused(hipbar("run", "--config", path), 3, "none.avi")


def test_every_refusal_above_was_told_by_a_process_too(tmp_path: Path) -> None:
    process = started("replay", tmp_path / "none.mp4", stdin=subprocess.DEVNULL)
    out, err = process.communicate(timeout=60)
    refused(Said(process.returncode, out, err), 3, "no such file")
    assert out == ""
