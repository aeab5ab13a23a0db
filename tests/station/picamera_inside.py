"""The Pi camera driver is held to its promises over picamera2's real class and a real libcamera; a line each.

Run by `python -m tests.station.picamera`, in its root. Ends with exit code 1 when a promise is broken.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import libcamera
import numpy as np
import picamera2
from picamera2.allocators import DmaAllocator

from appliance.errors import CameraLost
from appliance.sensors import SENSORS, Sensor
from hw.camera.picamera import PiCamera

SENSOR = SENSORS["ov9281"]
WIDTH, HEIGHT = SENSOR.width_px, SENSOR.height_px
PICTURES = np.fromfile(os.environ["SENSOR_FRAMES"], np.uint8).reshape(-1, HEIGHT, WIDTH)
KNOB = Path(os.environ["SENSOR_KNOB"])


class _TwoPlanes(DmaAllocator):
    """picamera2's own allocator; the virtual camera insists on a plane for luma and one for colour, a Pi does not."""

    def allocate(self, config: Any, use_case: str) -> None:
        super().allocate(config, use_case)
        for stream, buffers in self.frame_buffers.items():
            self.frame_buffers[stream] = [self._split(buffer) for buffer in buffers]

    def _split(self, buffer: Any) -> Any:
        planes = []
        for offset, length in ((0, WIDTH * HEIGHT), (WIDTH * HEIGHT, WIDTH * HEIGHT // 2)):
            plane = libcamera.FrameBuffer.Plane()
            plane.fd, plane.offset, plane.length = buffer.planes[0].fd, offset, length
            planes.append(plane)
        split = libcamera.FrameBuffer(planes)
        self.mapped_buffers[split] = self.mapped_buffers.pop(buffer)
        self.libcamera_fds.append(split.planes[0].fd)
        self.mapped_buffers_used[split.planes[0].fd] = False
        return split


class _OffPi(picamera2.Picamera2):  # type: ignore[misc]
    """The real class, with the two things that a virtual camera lacks."""

    def __init__(self, number: int) -> None:
        super().__init__(number, allocator=_TwoPlanes())

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        return [{"format": "R8", "size": (WIDTH, HEIGHT)}]


class _Log(logging.Handler):
    """What the driver says."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        logging.getLogger("hipbar.camera").addHandler(self)
        logging.getLogger("hipbar.camera").setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


LOG = _Log()


@contextlib.contextmanager
def _camera(sensor: Sensor = SENSOR) -> Iterator[PiCamera]:
    camera = PiCamera(sensor, exposure_us=1000.0)
    try:
        yield camera
    finally:
        _turn(b"o")
        camera.close()
        gc.collect()


def _turn(knob: bytes) -> None:
    """In place: the sensor has this byte mapped."""
    with KNOB.open("r+b") as file:
        file.write(knob)


def _number(luma: Any) -> int:
    return int(luma[0, :4].view(np.uint32)[0])


def every_pixel_is_the_sensor_s_and_read_where_libcamera_put_it() -> str:
    with _camera() as camera:
        seen = 0
        for frame in camera.frames():
            if frame is None:
                continue
            luma = frame.luma
            assert luma.shape == (HEIGHT, WIDTH)
            assert not luma.flags.owndata
            assert not luma.flags.writeable
            assert np.array_equal(luma[1:], PICTURES[_number(luma) % len(PICTURES)][1:])
            seen += 1
            del luma, frame
            if seen == 200:
                break
    return "200 frames of a rendered runner compared byte for byte"


def frames_come_at_the_sensor_s_rate_with_its_times() -> str:
    with _camera() as camera:
        stamps, delays, nothing = [], [], 0
        for frame in camera.frames():
            if frame is None:
                nothing += 1
                continue
            stamps.append(frame.t_s)
            delays.append(camera.now_s() - frame.t_s)
            del frame
            if len(stamps) == 600:
                break
        lost = camera.lost
        assert camera.about()["stamped_by"] == "sensor"
    assert all(b > a for a, b in pairwise(stamps))
    shot = (len(stamps) - 1 + lost) / (stamps[-1] - stamps[0])
    assert abs(shot / SENSOR.rate_hz - 1) < 0.1, shot  # stamps are jittery here: no sensor makes them
    p50, p99 = np.percentile(np.array(delays) * 1e3, [50, 99])
    assert 0.4 < p50 < 25.0, p50
    return (
        f"600 frames, {lost} lost between their stamps, {shot:.1f} Hz by both; exposure to memory"
        f" {p50:.1f} ms at p50, {p99:.1f} at p99, half of the exposure in it"
    )


def a_late_reader_gets_the_newest_frame() -> str:
    with _camera() as camera:
        frames = camera.frames()
        first = _number(next(f for f in frames if f is not None).luma)
        begun_s = time.monotonic()
        while time.monotonic() - begun_s < 0.25:  # the reader is busy; nothing sleeps in here
            sum(range(1000))
        late = next(f for f in frames if f is not None)
        age_ms, skipped, lost = (camera.now_s() - late.t_s) * 1e3, _number(late.luma) - first - 1, camera.lost
        del late
        frames.close()
    assert age_ms < 60.0, age_ms
    assert skipped >= 20, skipped
    assert abs(lost - skipped) <= 3, (lost, skipped)
    return (
        f"busy for 250 ms: {skipped} frames skipped, {lost} counted as lost, the next one {age_ms:.0f} ms old"
    )


def no_request_is_ever_kept() -> str:
    with _camera() as camera:
        for _ in range(40):  # each reader stops in the middle; four buffers would be used up by the fourth
            frames = camera.frames()
            for _ in range(3):
                assert next(f for f in frames if f is not None).luma[0, 0] >= 0
            frames.close()
    return "40 readers that stop after three frames, with four buffers"


def memory_does_not_grow() -> str:
    with _camera() as camera:
        sizes = []
        for count, frame in enumerate(f for f in camera.frames() if f is not None):
            del frame
            if count in {100, 1100}:
                sizes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            if count == 1100:
                break
    assert sizes[1] - sizes[0] < 8000, sizes
    return f"{sizes[1] - sizes[0]} kB more after 1,000 frames"


def an_exposure_is_asked_for_while_frames_come() -> str:
    """As far as it goes here: libcamera's virtual camera has no exposure, so none of it may reach the library."""
    with _camera() as camera:
        library, numbers = camera._device._camera, []
        for frame in camera.frames():
            if frame is None:
                continue
            numbers.append(frame.seq)
            del frame
            camera.expose(500.0 + 10.0 * len(numbers), 2.0)
            if len(numbers) == 100:
                break
        assert camera.restarts == 0
        has = [name for name in camera._device.asked.exposure() if name in library.camera_controls]
    return f"100 times, the stream went on; of its three controls this camera has {len(has)}"


def a_camera_that_gives_broken_frames_for_a_moment_comes_back() -> str:
    with _camera() as camera:
        frames = camera.frames()
        next(f for f in frames if f is not None)
        LOG.lines.clear()
        _turn(b"b")
        begun_s, longest_s, nothing = time.monotonic(), 0.0, 0
        while True:
            asked_s = time.monotonic()
            frame = next(frames)
            longest_s = max(longest_s, time.monotonic() - asked_s)
            nothing += frame is None
            if time.monotonic() - begun_s > 1.3:
                _turn(b"o")
            if frame is not None and time.monotonic() - begun_s > 1.3:
                break
        back_s = time.monotonic() - begun_s
        del frame
        frames.close()
        restarts = camera.restarts
    assert nothing >= 20
    assert longest_s < 0.15, longest_s
    assert restarts == 1
    assert any("no frame for 1." in line for line in LOG.lines), LOG.lines
    assert any("frames again after 1." in line for line in LOG.lines), LOG.lines
    return f"{nothing} times nothing, {longest_s * 1e3:.0f} ms apart at most; a restart; frames again at {back_s:.2f} s"


def a_camera_that_stays_silent_is_given_up() -> str:
    with _camera() as camera:
        frames = camera.frames()
        next(f for f in frames if f is not None)
        _turn(b"b")
        begun_s, longest_s = time.monotonic(), 0.0
        try:
            while True:
                asked_s = time.monotonic()
                next(frames)
                longest_s = max(longest_s, time.monotonic() - asked_s)
        except CameraLost as lost:
            gone_s, said = time.monotonic() - begun_s, str(lost)
    assert 2.3 < gone_s < 3.0, gone_s
    return f"after {gone_s:.2f} s: {said!r}; at most {longest_s * 1e3:.0f} ms without a word"


def what_is_asked_wrongly_is_refused() -> str:
    wrong = (
        (0, SENSORS["imx708"], "its sensor is ov9281"),
        (3, SENSOR, "no such camera"),
        (0, Sensor("ov9281", 640, 400, 8, 240.0, 309.7, 0.0), "not 640x400"),
    )
    said = [_refused(sensor, number) for number, sensor, _ in wrong]
    assert all(word in text for text, (*_, word) in zip(said, wrong, strict=True)), said
    return "; ".join(said)


def _refused(sensor: Sensor, number: int = 0) -> str:
    try:
        PiCamera(sensor, number=number).close()
    except CameraLost as lost:
        return f"{lost} ({lost.fix})"
    return "was opened"


def a_second_user_is_told_that_it_is_busy() -> str:
    with _camera():
        said = _refused(SENSOR)
    assert "busy" in said, said
    return said


def a_libcamera_that_hangs_while_it_is_stopped_holds_the_whole_process() -> str:
    """Not a promise but a fact that systemd's watchdog is there for: its binding keeps Python's lock meanwhile."""
    done = subprocess.Popen(
        [sys.executable, "-m", "tests.station.picamera_inside", "hang"], stdout=subprocess.PIPE
    )
    try:
        done.wait(8.0)
        return "did not happen: the driver gave the camera up by itself"
    except subprocess.TimeoutExpired:
        done.kill()
        said = done.stdout.read().decode().splitlines() if done.stdout else []
        return f"silent at {said[-1] if said else 'once'} s: only the watchdog ends such a process"


def _hang() -> None:
    with _camera() as camera:
        frames = camera.frames()
        next(f for f in frames if f is not None)
        _turn(b"h")
        begun_s = time.monotonic()
        with contextlib.suppress(CameraLost):
            for _ in frames:
                print(f"{time.monotonic() - begun_s:.2f}", flush=True)


CHECKS: tuple[Callable[[], str], ...] = (
    every_pixel_is_the_sensor_s_and_read_where_libcamera_put_it,
    frames_come_at_the_sensor_s_rate_with_its_times,
    a_late_reader_gets_the_newest_frame,
    no_request_is_ever_kept,
    memory_does_not_grow,
    an_exposure_is_asked_for_while_frames_come,
    a_camera_that_gives_broken_frames_for_a_moment_comes_back,
    a_camera_that_stays_silent_is_given_up,
    what_is_asked_wrongly_is_refused,
    a_second_user_is_told_that_it_is_busy,
    a_libcamera_that_hangs_while_it_is_stopped_holds_the_whole_process,
)


def main(words: list[str]) -> int:
    picamera2.Picamera2 = _OffPi
    logging.getLogger("picamera2").setLevel(logging.CRITICAL)
    if words == ["hang"]:
        _hang()
        return 0
    print(f"picamera2 {_version()}, libcamera {picamera2.Picamera2._cm.cms.version}")
    broken = 0
    for check in CHECKS:
        _turn(b"o")
        try:
            said = check()
        except Exception:
            broken += 1
            said = traceback.format_exc()
            print(f"BROKEN {_sentence(check)}\n{said}")
        else:
            print(f"ok  {_sentence(check)}\n      {said}")
    return 1 if broken else 0


def _sentence(check: Callable[[], str]) -> str:
    return check.__name__.replace("_s_", "'s_").replace("_", " ")


def _version() -> str:
    from importlib.metadata import version

    return version("picamera2")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
