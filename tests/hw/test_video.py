"""Video files: luma and times as the file has them, and every kind of bad file refused in words, quietly."""

import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest

from appliance.errors import SourceError
from hw.camera.video import VideoFile, coded_size

SIZE = (96, 128)
MANY = 40
CONTAINERS = [("FFV1", "mkv"), ("FFV1", "avi"), ("MJPG", "avi"), ("mp4v", "mp4")]


def _pictures(many=MANY, size=SIZE):
    rng = np.random.default_rng(3)
    w, h = size
    ground = rng.integers(10, 40, (many, h, w), dtype=np.uint8)
    for k in range(many):
        ground[k, 40:60, 10 + k : 30 + k] = 220
    return ground


def _written(path, code, pictures, *, rate_hz=120.0, colour=False):
    size = pictures.shape[2], pictures.shape[1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), rate_hz, size, colour)
    for picture in pictures:
        writer.write(cv2.merge([picture] * 3) if colour else picture)
    writer.release()
    return path


def _read(path):
    """Every frame up to the end or the error, and the error."""
    frames = []
    try:
        for frame in VideoFile(path).frames():
            frames.append(frame)
    except SourceError as error:
        return frames, error
    return frames, None


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize(("code", "suffix"), CONTAINERS)
def test_luma_is_what_was_written_be_the_file_grey_or_colour(tmp_path, code, suffix, colour):
    pictures = _pictures()
    frames, error = _read(_written(tmp_path / f"a.{suffix}", code, pictures, colour=colour))
    assert error is None
    assert len(frames) == MANY
    if code == "FFV1" and not colour:
        assert all(np.array_equal(f.luma, p) for f, p in zip(frames, pictures, strict=True))
    for frame, picture in zip(frames, pictures, strict=True):
        bright = np.argwhere(frame.luma > 128)
        assert bright.mean(axis=0) == pytest.approx(np.argwhere(picture > 128).mean(axis=0), abs=0.3)


@pytest.mark.parametrize(("code", "suffix"), CONTAINERS)
def test_times_are_the_files_own_from_its_first_frame(tmp_path, code, suffix):
    frames, _ = _read(_written(tmp_path / f"a.{suffix}", code, _pictures()))
    t_s = np.array([f.t_s for f in frames])
    whole_ms = 0.5e-3 if suffix == "mkv" else 1e-6
    assert t_s == pytest.approx(np.arange(MANY) / 120, abs=whole_ms + 1e-9)
    assert [f.seq for f in frames] == list(range(MANY))


def test_the_rate_and_the_number_of_frames_are_known_beforehand(tmp_path):
    film = VideoFile(_written(tmp_path / "a.avi", "MJPG", _pictures(), rate_hz=59.94))
    assert film.rate_hz == pytest.approx(59.94, abs=0.01)
    assert film.frames_total == MANY
    assert film.size == SIZE
    film.close()
    assert film.frames_total is None


def test_a_picture_that_asks_to_be_turned_is_turned(tmp_path):
    path = _written(tmp_path / "a.mp4", "mp4v", _pictures())
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 44
    struct.pack_into(">9i", data, matrix, 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # as phones do
    path.write_bytes(data)
    film = VideoFile(path)
    assert film.size == SIZE[::-1]
    bright = np.argwhere(next(film.frames()).luma > 128).mean(axis=0)
    assert bright == pytest.approx((19.5, 127 - 49.5), abs=1)


@pytest.mark.parametrize(("code", "suffix"), [c for c in CONTAINERS if c[1] != "mp4"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_truncated_file_gives_its_frames_and_then_says_so(tmp_path, code, suffix, share):
    path = _written(tmp_path / f"a.{suffix}", code, _pictures())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    frames, error = _read(path)
    assert 0 < len(frames) < MANY
    assert error is not None
    assert f"{len(frames)} of {MANY}" in str(error)


def test_an_mp4_without_its_end_is_no_video(tmp_path):
    path = _written(tmp_path / "a.mp4", "mp4v", _pictures())
    path.write_bytes(path.read_bytes()[:-2000])
    frames, error = _read(path)
    assert frames == []
    assert "cut off" in str(error)


def _with_another_jpeg(path, at, picture):
    """Replace the JPEG of frame `at` in an AVI by another one, padded to the same length."""
    data = bytearray(path.read_bytes())
    place = data.find(b"movi")
    for _ in range(at + 1):
        place = data.find(b"00dc", place + 4)
    length = struct.unpack_from("<I", data, place + 4)[0]
    ok, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 5])
    assert ok
    assert len(jpeg) <= length
    data[place + 8 : place + 8 + length] = jpeg.tobytes().ljust(length, b"\0")
    path.write_bytes(data)


def test_a_frame_of_another_size_midway_is_refused_where_it_comes(tmp_path):
    path = _written(tmp_path / "a.avi", "MJPG", _pictures())
    _with_another_jpeg(path, 25, np.full((64, 64), 90, np.uint8))
    frames, error = _read(path)
    assert len(frames) == 25
    assert "frame 25 is 64x64" in str(error)
    assert "96x128" in str(error)


def test_coded_sizes_are_read_from_the_pictures_themselves():
    picture = np.zeros((48, 80), np.uint8)
    for suffix in (".jpg", ".png"):
        assert coded_size(cv2.imencode(suffix, picture)[1].tobytes()) == (80, 48)
    for junk in (b"", b"\xff\xd8", b"\xff\xd8\xff\xc4\x00\x02", b"RIFF....", bytes(200)):
        assert coded_size(junk) is None


def _zero_rate(tmp_path):
    path = _written(tmp_path / "zero.avi", "MJPG", _pictures(5))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.find(b"avih") + 8, 0)
    struct.pack_into("<I", data, data.find(b"strh") + 8 + 24, 0)
    path.write_bytes(data)
    return path


def _with(name, content):
    def make(tmp_path):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return make


BAD = {
    "missing": (lambda d: d / "none.mp4", "no such file"),
    "a folder": (lambda d: d, "is a folder"),
    "empty": (_with("a.mp4", b""), "empty file"),
    "text": (_with("a.mp4", b"this is not a film\n" * 90), "no video"),
    "noise": (_with("a.avi", np.random.default_rng(0).bytes(20000)), "no video"),
    "only a header": (_with("a.avi", b"RIFF\x10\0\0\0AVI LIST"), "no video"),
    "a photograph": (
        _with("a.jpg", cv2.imencode(".jpg", np.zeros((64, 64), np.uint8))[1].tobytes()),
        "without frame times",
    ),
    "zero fps": (_zero_rate, "no frame rate"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_at_once_with_what_and_what_to_do(tmp_path, kind):
    make, words = BAD[kind]
    with pytest.raises(SourceError, match=words) as refused:
        VideoFile(make(tmp_path))
    assert str(tmp_path) in str(refused.value)
    assert refused.value.fix
    assert "\n" not in f"{refused.value}{refused.value.fix}"


_OPEN = "import sys; from hw.camera.video import VideoFile; from appliance.errors import SourceError\n"


AS_NOBODY = "import os\nif os.geteuid() == 0: os.setuid(65534)\n"  # root may read everything


def _in_a_process_of_its_own(code, *args):
    command = [sys.executable, "-c", _OPEN + code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_file_that_may_not_be_read_is_refused_with_what_to_do(tmp_path):
    path = _written(tmp_path / "a.avi", "MJPG", _pictures(3))
    path.chmod(0)
    code = "try: VideoFile(sys.argv[1])\nexcept SourceError as e: print(e, '|', e.fix)"
    done = _in_a_process_of_its_own(AS_NOBODY + code, path)
    assert "Permission denied" in done.stdout
    assert "readable" in done.stdout


def test_the_decoder_keeps_quiet_on_stderr_whatever_it_reads(tmp_path):
    path = _written(tmp_path / "a.mkv", "FFV1", _pictures())
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2 :][:3000] = bytes(3000)
    path.write_bytes(whole[: int(0.8 * len(whole))])
    bad = _with("b.mp4", b"\0\0\0\x18ftypmp42" + bytes(500))(tmp_path)
    code = "for p in sys.argv[1:]:\n try: list(VideoFile(p).frames())\n except SourceError as e: print(e)"
    done = _in_a_process_of_its_own(code, path, bad)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2
