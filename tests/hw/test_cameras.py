"""What every camera driver promises, held against each of them; and the pace of those that are live.

With HIPBAR_V4L2_DEVICE=/dev/videoN, a device that delivers frames (HIPBAR_V4L2_SIZE=640x480, HIPBAR_V4L2_HZ=60), the
V4L2 driver is held to the same promises. The Pi camera driver is held to them too, over the stand-in for its library
that `tests/hw/pi_library.py` explains.
"""

import math
import os
import sys
import time
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from appliance.errors import SourceError
from appliance.records import Frame
from appliance.sensors import Sensor
from hw.camera import LONGEST_WAIT_S
from hw.camera.pacing import Pace
from hw.camera.runner import Runner
from hw.camera.scene import Scene
from hw.camera.video import VideoFile
from hw.camera.virtual import VirtualCamera
from tests.hw import pi_library


def _film(path, many=30, rate_hz=120.0, size=(96, 64)):
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"FFV1"), rate_hz, size, False)
    for k in range(many):
        writer.write(np.full(size[::-1], k * 3, np.uint8))
    writer.release()
    return path


def _virtual(tmp_path, **how):
    return VirtualCamera(Scene(width_px=96, height_px=64, duration_s=0.25, lost=0.1), **how)


def _synthetic(tmp_path, **how):
    return VirtualCamera(Scene(runner=Runner(), width_px=96, height_px=64, row_us=10, duration_s=0.25), **how)


def _video(tmp_path, **how):
    return VideoFile(_film(tmp_path / "film.mkv"), **how)


CAMERAS = {"virtual": _virtual, "synthetic": _synthetic, "video": _video}
PACES = {"as fast as possible": {}, "live": {"realtime": True, "speed": 1.0}}


class Sighting(NamedTuple):
    """A frame and what was true when it was given out: its luma is only valid until the next one is asked for."""

    frame: Frame
    delay_s: float
    same: bool


def _v4l2(tmp_path):
    from hw.camera.v4l2 import V4l2Camera

    width, height = map(int, os.environ.get("HIPBAR_V4L2_SIZE", "640x480").split("x"))
    rate_hz = float(os.environ.get("HIPBAR_V4L2_HZ", "60"))
    return V4l2Camera(os.environ["HIPBAR_V4L2_DEVICE"], size=(width, height), rate_hz=rate_hz)


def _picamera(tmp_path):
    from hw.camera.picamera import PiCamera

    return PiCamera(Sensor("ov9281", 96, 64, 8, 120.0, 143.6, 10.0))


LIVE = {"picamera (contract)": _picamera}
if "HIPBAR_V4L2_DEVICE" in os.environ:
    LIVE["v4l2"] = _v4l2

ALL = {
    **{f"{c}, {p}": (CAMERAS[c], PACES[p]) for c in CAMERAS for p in PACES},
    **{name: (opener, {}) for name, opener in LIVE.items()},
}


@pytest.fixture(params=ALL)
def camera(request, tmp_path, monkeypatch):
    opener, pace = ALL[request.param]
    pi_library.Picamera2.reset()
    monkeypatch.setitem(sys.modules, "picamera2", pi_library.module())
    opened = opener(tmp_path, **pace)
    yield opened
    opened.close()


def seen(camera, most=30):
    """The first frames, each looked at while it is valid; a camera without end is left after them."""
    found = []
    for frame in camera.frames():
        if frame is not None:
            before = frame.luma.copy()
            found.append(Sighting(frame, camera.now_s() - frame.t_s, bool((frame.luma == before).all())))
        if len(found) == most:
            break
    return found


def test_every_frame_is_whole_and_of_the_size_that_was_said(camera):
    frames = camera.frames()
    for _ in range(12):
        frame = next(f for f in frames if f is not None)
        assert isinstance(frame, Frame)
        assert frame.luma.dtype == np.uint8
        assert frame.luma.shape == camera.size[::-1]
        assert frame.luma.strides[1] == 1
        assert frame.luma.strides[0] >= camera.size[0]
        assert frame.row_s >= 0
        assert int(frame.luma.astype(np.int64).sum()) >= 0  # every byte of it can be read


def test_times_and_numbers_only_ever_rise(camera):
    frames = [s.frame for s in seen(camera)]
    assert len(frames) > 10
    assert all(math.isfinite(f.t_s) for f in frames)
    assert all(b.t_s > a.t_s and b.seq > a.seq for a, b in pairwise(frames))


def test_the_rate_is_the_one_that_was_said(camera):
    frames = [s.frame for s in seen(camera)]
    rate_hz = (frames[-1].seq - frames[0].seq) / (frames[-1].t_s - frames[0].t_s)
    assert rate_hz == pytest.approx(camera.rate_hz, rel=0.01 if camera.about()["driver"] in CAMERAS else 0.1)


def test_the_clock_is_the_one_that_stamps_the_frames(camera):
    """Within what a machine does to it that starves its camera; another clock is off by hours."""
    delays_s = [sight.delay_s for sight in seen(camera)]
    assert min(delays_s) > -1.0, delays_s
    assert max(delays_s) < 5.0, delays_s


def test_a_frame_stays_as_it_is_until_the_next_one_is_asked_for(camera):
    assert all(sight.same for sight in seen(camera))


def test_a_closed_camera_ends_its_frames_and_can_be_closed_again(camera):
    frames = camera.frames()
    assert next(f for f in frames if f is not None) is not None
    camera.close()
    camera.close()
    assert [f for f in frames if f is not None] == []
    assert [f for f in camera.frames() if f is not None] == []


def test_a_reader_that_stops_in_the_middle_can_start_again(camera):
    first = seen(camera, 3)[-1].frame
    again = seen(camera, 3)
    if again:  # a file or a scene may begin anew, or go on; a live camera goes on
        assert camera.about()["driver"] in CAMERAS or again[0].frame.seq > first.seq


def test_a_camera_says_what_it_is(camera):
    facts = camera.about()
    assert {"driver", "width_px", "height_px", "rate_hz", "row_us", "stamped_by", "restarts", "lost"} <= set(
        facts
    )
    assert (facts["width_px"], facts["height_px"]) == camera.size
    assert facts["restarts"] == camera.restarts == 0
    assert all(isinstance(value, str | float | int) for value in facts.values())


def test_an_exposure_is_set_while_frames_come_or_refused(camera):
    frames = camera.frames()
    next(f for f in frames if f is not None)
    if camera.about()["driver"] == "video":
        with pytest.raises(SourceError, match="film") as refused:
            camera.expose(800.0, 2.0)
        assert refused.value.fix
    else:
        camera.expose(800.0, 2.0)
        for _ in range(12):  # a camera takes some frames over it
            assert next((f for f in frames if f is not None), None)
        assert camera.about()["exposure_us"] == pytest.approx(800, abs=50)
        assert camera.restarts == 0


@pytest.mark.parametrize("driver", CAMERAS)
def test_a_live_camera_never_keeps_its_reader_waiting(driver, tmp_path):
    camera = CAMERAS[driver](tmp_path, realtime=True, speed=0.1)  # a frame every 83 ms: two waits each
    frames, nothing, waits_s = camera.frames(), 0, []
    for _ in range(9):
        start_s = time.monotonic()
        nothing += next(frames) is None
        waits_s.append(time.monotonic() - start_s)
    camera.close()
    assert nothing >= 2
    assert sorted(waits_s)[4] < LONGEST_WAIT_S + 0.02  # a busy machine stretches some; a frame takes 83 ms


@pytest.mark.parametrize("driver", ["synthetic", "video"])
def test_a_late_reader_loses_frames_and_sees_the_newest(driver, tmp_path):
    camera = CAMERAS[driver](tmp_path, realtime=True)
    frames = camera.frames()
    next(frames)
    pace = Pace()
    while not pace.wait(0.1):  # the reader is busy for a tenth of a second
        pass
    late = next(frames)
    assert camera.lost >= 5
    assert camera.now_s() - late.t_s < 0.09
    camera.close()


def test_live_frames_come_when_they_were_read_out_and_not_before(tmp_path):
    camera = _synthetic(tmp_path, realtime=True)
    for frame in camera.frames():
        if frame is not None:
            assert camera.now_s() >= frame.t_s + camera.scene.exposure_ms * 0.5e-3 + 63 * frame.row_s


def test_played_faster_a_source_keeps_its_own_seconds(tmp_path):
    camera = _synthetic(tmp_path, realtime=True, speed=4.0)
    start_s = time.monotonic()
    t_s = [f.t_s for f in camera.frames() if f is not None]
    took_s = time.monotonic() - start_s
    assert t_s[-1] - t_s[0] > 0.2
    assert took_s < t_s[-1] - t_s[0]


def test_a_recording_that_does_not_loop_ends_with_its_last_sample():
    camera = VirtualCamera(Scene(width_px=64, height_px=64, loop=False, rate_hz=20))
    assert [f.t_s for f in camera.frames()][-1] == pytest.approx(29.95)


def test_a_looped_recording_runs_on_without_a_jump():
    for runner in ("rbds001", "rbds002", "ric"):
        camera = VirtualCamera(Scene(runner=runner))
        t_s = np.arange(20.0, 70.0, 0.005)
        places = camera._world.actor.at(t_s)
        assert np.isfinite(places).all()
        speed = np.abs(np.diff(places, axis=0)).max(axis=(1, 2)) / 0.005
        first_lap = speed[: round(4 / 0.005)].max()
        assert speed.max() < 1.3 * first_lap  # no faster at the seam than a running heel is


def test_samples_of_a_recording_are_met_exactly():
    from hw.camera import trials

    trial = trials.load("rbds001")
    camera = VirtualCamera(Scene(loop=False))
    where = camera.truth(float(trial.t_s[1234]))
    d = trial.marks["right_iliac_crest"][1234] - trial.marks["left_iliac_crest"][1234]
    assert where["right_iliac_crest"] - where["left_iliac_crest"] == pytest.approx(d, abs=1e-5)
    assert where["left_heel"][2] == pytest.approx(trial.marks["left_heel"][1234, 2], abs=1e-5)


def test_the_runner_stands_still_first_and_then_runs():
    camera = VirtualCamera(Scene(runner="ric", stand_s=1.5))
    running = VirtualCamera(Scene(runner="ric"))
    assert camera.elevation_deg(np.array([0.0, 0.7, 1.49])) == pytest.approx(np.full(3, camera.standing_deg))
    assert camera.standing_deg == pytest.approx(-2.43, abs=0.01)
    later = np.arange(2.5, 20, 0.1)
    assert camera.elevation_deg(later) == pytest.approx(running.elevation_deg(later - 1.5))
    t_s = np.arange(1.4, 2.2, 0.005)
    assert np.abs(np.diff(camera._world.actor.at(t_s), axis=0)).max() / 0.005 < 12


@pytest.mark.parametrize(
    ("scene", "word"),
    [
        (Scene(runner="nobody"), "nobody"),
        (Scene(pair="plate"), "plate"),
        (Scene(rate_hz=0.0), "above zero"),
        (Scene(lost=1.0), "lost"),
        (Scene(pitch_deg=math.nan), "finite"),
        (Scene(runner=Runner(contact_time_s=0.4)), "flight"),
    ],
)
def test_a_scene_without_sense_is_refused_with_a_remedy(scene, word):
    from appliance.errors import SettingsError

    with pytest.raises(SettingsError, match=word) as refused:
        VirtualCamera(scene)
    assert refused.value.fix
