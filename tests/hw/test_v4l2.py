"""V4L2 cameras: what is no camera is refused for real; what buffers mean is checked as plain functions of bytes."""

import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from appliance.errors import CameraLost, SettingsError
from hw.camera import kernel_controls, kernel_video
from hw.camera.kernel_video import Buffer, Layout
from hw.camera.v4l2 import V4l2Camera, _Device

MONOTONIC, COPIED, START = 0x2000, 0x4000, 0x10000


def _refused(device):
    with pytest.raises(CameraLost) as lost:
        V4l2Camera(str(device), size=(640, 480), rate_hz=120)
    assert lost.value.fix
    assert str(device) in str(lost.value)
    return str(lost.value)


def test_a_missing_device_is_refused(tmp_path):
    assert "no such device" in _refused(tmp_path / "video7")


def test_what_is_no_camera_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert "not a camera" in _refused("/dev/null")
    assert "not a camera" in _refused(file)
    assert "is a folder" in _refused(tmp_path)


def test_a_device_that_may_not_be_opened_is_refused(tmp_path):
    file = tmp_path / "video0"
    file.write_bytes(b"x")
    file.chmod(0)
    code = (
        "import os, sys; from hw.camera.v4l2 import V4l2Camera; from appliance.errors import CameraLost\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"  # root may open everything
        "try: V4l2Camera(sys.argv[1], size=(64, 64), rate_hz=30)\nexcept CameraLost as e: print(e, e.fix)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False
    )
    assert "not permitted" in done.stdout
    assert "group `video`" in done.stdout


def test_an_exposure_that_can_t_be_set_is_refused_and_the_old_one_stays():
    device = _Device("/dev/null", (640, 480), 120.0, 0.0, 0.0015)
    with Path("/dev/null").open("rb") as file:
        device._fd = file.fileno()  # what opens but has no controls
        with pytest.raises(SettingsError, match="can't be set") as refused:
            device.expose(0.0008)
    assert "camera.exposure_us = 0" in refused.value.fix
    assert device._wanted_exposure_s == 0.0015
    device._fd = -1
    device.expose(0.0008)
    assert device._wanted_exposure_s == 0.0008, "pulled out just now: it gets it when it is back"


def test_refusing_leaves_no_file_open(tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        _refused("/dev/null")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_calls_have_the_kernels_numbers():
    # as `strace` prints them on 64-bit Linux; each holds its structure's size
    assert kernel_video.QUERYCAP == 0x80685600
    assert kernel_video.S_FMT == 0xC0D05605
    assert kernel_video.REQBUFS == 0xC0145608
    assert kernel_video.QUERYBUF == 0xC0585609
    assert kernel_video.QBUF == 0xC058560F
    assert kernel_video.DQBUF == 0xC0585611
    assert kernel_video.STREAMON == 0x40045612
    assert kernel_video.STREAMOFF == 0x40045613
    assert kernel_video.S_PARM == 0xC0CC5616
    assert kernel_controls.G_CTRL == 0xC008561B
    assert kernel_controls.S_CTRL == 0xC008561C
    assert kernel_controls.QUERYCTRL == 0xC0445624
    assert kernel_controls.ENUM_FMT == 0xC0405602
    assert kernel_controls.ENUM_FRAMESIZES == 0xC02C564A
    assert kernel_controls.ENUM_FRAMEINTERVALS == 0xC034564B


def test_a_buffer_is_read_from_the_places_where_the_kernel_writes():
    raw = bytearray(88)
    for at, form, value in ((0, "I", 2), (8, "I", 4096), (12, "I", MONOTONIC | START), (56, "I", 77)):
        struct.pack_into(form, raw, at, value)
    struct.pack_into("qq", raw, 24, 1234, 567_890)
    assert kernel_video.read_buffer(bytes(raw)) == Buffer(2, 4096, MONOTONIC | START, 1234.56789, 77)


@examples(max_examples=100, deadline=None, derandomize=True)
@given(stamp_s=st.floats(1, 1e6), exposure_s=st.floats(0, 0.02), readout_s=st.floats(0, 0.02))
def test_a_frames_time_is_mid_exposure_of_its_first_row(stamp_s, exposure_s, readout_s):
    start = Buffer(0, 0, MONOTONIC | START, stamp_s, 0).exposed_s(exposure_s, readout_s)
    end = Buffer(0, 0, MONOTONIC, stamp_s, 0).exposed_s(exposure_s, readout_s)
    assert start - stamp_s == pytest.approx(exposure_s / 2, abs=1e-9)
    assert stamp_s - end == pytest.approx(readout_s + exposure_s / 2, abs=1e-9)


@pytest.mark.parametrize(("flags", "stamp_s"), [(0, 5.0), (COPIED | START, 5.0), (MONOTONIC, 0.0)])
def test_a_stamp_by_another_clock_is_not_used(flags, stamp_s):
    assert Buffer(0, 0, flags, stamp_s, 0).exposed_s(0.001, 0.0) is None


def test_a_damaged_buffer_is_known():
    assert Buffer(0, 0, 0x40, 1.0, 0).damaged
    assert not Buffer(0, 0, MONOTONIC, 1.0, 0).damaged


PICTURE = np.random.default_rng(5).integers(0, 256, (24, 32), dtype=np.uint8)


def _packed(fourcc, stride):
    h, w = PICTURE.shape
    rows = np.full((h, stride), 0xEE, np.uint8)
    if fourcc in ("YUYV", "UYVY"):
        rows[:, (fourcc == "UYVY") : 2 * w : 2] = PICTURE
    else:
        rows[:, :w] = PICTURE
    chroma = b"\x80" * (stride * h // 2) if fourcc in ("NV12", "YU12") else b""
    return rows.tobytes() + chroma


@pytest.mark.parametrize("fourcc", ["GREY", "NV12", "YU12", "YUYV", "UYVY"])
@pytest.mark.parametrize("padding", [0, 16])
def test_luma_is_taken_out_of_every_raw_format_and_padded_rows(fourcc, padding):
    stride = (64 if fourcc in ("YUYV", "UYVY") else 32) + padding
    data = _packed(fourcc, stride)
    layout = Layout(fourcc, 32, 24, stride)
    luma = layout.luma(data, len(data))
    assert np.array_equal(luma, PICTURE)
    assert luma.strides[1] == 1
    assert layout.shares == (fourcc in ("GREY", "NV12", "YU12"))
    assert np.shares_memory(luma, np.frombuffer(data, np.uint8)) == layout.shares
    assert layout.luma(data, stride * 23) is None  # the last row is missing
    assert layout.luma(data[: stride * 23], len(data)) is None


def test_jpeg_buffers_are_decoded_and_broken_ones_dropped():
    smooth = cv2.GaussianBlur(PICTURE, (9, 9), 3)
    jpeg = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    layout = Layout("MJPG", 32, 24, 0)
    luma = layout.luma(jpeg + bytes(100), len(jpeg))
    assert np.abs(luma.astype(int) - smooth).max() <= 4
    assert layout.luma(b"", 0) is None
    assert layout.luma(jpeg[: len(jpeg) // 2], len(jpeg) // 2) is None  # cut off in the middle
    assert layout.luma(bytes(500), 500) is None
    assert Layout("MJPG", 64, 24, 0).luma(jpeg, len(jpeg)) is None


def test_stamps_that_are_true_only_at_times_are_told_once(caplog):
    device = _Device("/dev/video9", (64, 48), 60.0, 0.0, 0.0)
    for k in range(50):
        stamp_s = 100.0 + k / 60 - (0.01 if k % 2 else 5.0)
        device._stamp(Buffer(index=0, used=0, flags=MONOTONIC, stamp_s=stamp_s, seq=k), 100.0 + k / 60)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("size", [(40000, 40000), (65535, 65535), (0, 0), (24, 33)])
def test_a_jpeg_that_claims_another_size_is_dropped_before_it_is_decoded(size):
    jpeg = bytearray(cv2.imencode(".jpg", PICTURE)[1].tobytes())
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", *size)
    assert Layout("MJPG", 32, 24, 0).luma(bytes(jpeg), len(jpeg)) is None


@pytest.mark.parametrize("turn", range(1, 9))
def test_no_word_about_orientation_in_a_jpeg_turns_or_mirrors_it(turn):
    jpeg = cv2.imencode(".jpg", PICTURE)[1].tobytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHHI", 0x0112, 3, 1, turn, 0, 0)
    said = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    layout = Layout("MJPG", 32, 24, 0)
    assert np.array_equal(layout.luma(said, len(said)), layout.luma(jpeg, len(jpeg)))
