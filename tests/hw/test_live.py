"""Stalls and pulled plugs, on a camera made of a named pipe: a byte is a frame, no pipe at its path is no camera."""

import contextlib
import errno
import itertools
import logging
import os
import select
import time
from collections import deque
from itertools import islice

import numpy as np
import pytest

from appliance.errors import CameraLost
from appliance.records import Frame
from hw.camera import patience
from hw.camera.live import Live
from hw.camera.patience import LOOK_S, LOST_S, RESTART_S

PICTURE = np.zeros((4, 4), np.uint8)


class PipeCamera:
    """What `hw.camera.live` asks of a device, over a pipe of the kernel's."""

    def __init__(self, path):
        self.path, self.is_open = path, True
        self.seq = self.restarted = self.given_back = 0
        self.refuses = 0
        self.hangs = self.dying = False
        self.plug()
        self.open()

    def plug(self):
        os.mkfifo(self.path)

    def unplug(self):
        self.path.unlink()

    def expose(self):
        os.write(self.fd, b".")

    def open(self):
        self.fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)

    def newest(self, wait_s):
        if self.dying or not self.path.exists():
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        if not select.select([self.fd], [], [], wait_s)[0]:
            return None
        os.read(self.fd, 100)
        self.seq += 1
        return Frame(self.seq, time.monotonic(), PICTURE)

    def give_back(self):
        self.given_back += 1

    def restart(self):
        self.restarted += 1
        if self.hangs:
            self.other_end = os.open(self.silent, os.O_RDONLY)  # nobody ever writes there
        if self.refuses:
            raise OSError(self.refuses, os.strerror(self.refuses))

    def let_go(self):
        os.close(self.fd)

    @property
    def silent(self):
        return self.path.with_name("silent")

    def close(self):
        self.is_open = False
        if self.hangs:
            self.other_end = os.open(self.silent, os.O_RDONLY)
        with contextlib.suppress(OSError):
            os.close(self.fd)


@pytest.fixture
def pipe(tmp_path):
    camera = PipeCamera(tmp_path / "camera")
    yield camera
    camera.hangs = False
    camera.close()


@pytest.fixture
def live(pipe, caplog):
    caplog.set_level(logging.INFO, "hipbar.camera")
    return Live(pipe, "a pipe", "look at the pipe")


def _until(frames, wanted, most_s=5.0):
    """Asks until something is true; the longest wait for an answer, and how long it took."""
    begun_s, longest_s = time.monotonic(), 0.0
    while not wanted():
        asked_s = time.monotonic()
        next(frames)
        longest_s = max(longest_s, time.monotonic() - asked_s)
        assert time.monotonic() - begun_s < most_s
    return longest_s, time.monotonic() - begun_s


def _next_frame(frames):
    """The next frame, after at most a few Nones."""
    return next(frame for frame in itertools.islice(frames, 20) if frame is not None)


def test_a_pulled_plug_is_none_until_the_camera_is_back(pipe, live, caplog):
    frames = live.frames()
    pipe.expose()
    assert next(frames).seq == 1
    pipe.unplug()
    _until(frames, lambda: "pulled out: looking for it for 30 s" in caplog.text)
    assert next(frames) is None
    pipe.plug()
    longest_s, took_s = _until(frames, lambda: "plugged in again" in caplog.text)
    pipe.expose()
    assert _next_frame(frames).seq == 2
    assert took_s < LOOK_S + 0.3
    assert longest_s < 0.15
    assert "frames again after 0." in caplog.text
    assert live.restarts == 0


def test_a_stream_that_does_not_start_again_is_told_and_given_up(pipe, live, caplog):
    frames = live.frames()
    pipe.expose()
    next(frames)
    pipe.refuses = errno.EIO
    begun_s = time.monotonic()
    with pytest.raises(
        CameraLost, match=r"a pipe: no frame for 2\.[5-7] s, not even after a restart"
    ) as lost:
        for _ in frames:
            pass
    assert time.monotonic() - begun_s == pytest.approx(RESTART_S + LOST_S, abs=0.35)
    assert lost.value.fix == "look at the pipe"
    assert pipe.restarted == live.restarts == 1
    assert "did not start again: Input/output error" in caplog.text


def test_a_plug_that_is_pulled_while_the_stream_is_started_again_is_a_pulled_plug(pipe, live, caplog):
    frames = live.frames()
    pipe.expose()
    next(frames)
    pipe.refuses = errno.ENODEV
    _until(frames, lambda: "pulled out" in caplog.text)
    _until(frames, lambda: "plugged in again" in caplog.text)
    pipe.expose()
    assert _next_frame(frames) is not None


def test_any_other_trouble_is_not_hidden(pipe, live):
    frames = live.frames()
    os.close(pipe.fd)
    with pytest.raises((OSError, ValueError)):
        next(frames)
    pipe.open()


def test_the_last_frame_goes_back_when_the_reader_stops(pipe, live):
    frames = live.frames()
    pipe.expose()
    next(frames)
    frames.close()
    assert pipe.given_back == 1


def test_a_device_that_comes_back_only_to_go_again_is_given_up_and_not_told_each_time(
    pipe, live, caplog, monkeypatch
):
    monkeypatch.setattr(patience, "ABSENT_S", 1.2)  # nobody wants to wait for 30 s here
    frames = live.frames()
    pipe.expose()
    next(frames)
    pipe.dying = True
    with pytest.raises(CameraLost, match=r"pulled out 1 s ago and not back"):
        deque(islice(frames, 500), maxlen=0)
    assert caplog.text.count("pulled out: looking") == caplog.text.count("plugged in again") == 1


@pytest.mark.parametrize("silent", [False, True])
def test_a_device_that_hangs_does_not_keep_its_camera_from_closing(pipe, live, caplog, silent):
    os.mkfifo(pipe.silent)
    frames = live.frames()
    pipe.expose()
    next(frames)
    pipe.hangs = True
    if silent:
        _until(frames, lambda: live.restarts)
    begun_s = time.monotonic()
    live.shut()
    assert time.monotonic() - begun_s < 3.0
    assert "a pipe: does not answer: left as it is" in caplog.text
    with pipe.silent.open("wb"):  # lets go of whatever hangs
        pass
