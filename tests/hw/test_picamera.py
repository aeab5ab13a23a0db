"""The Pi camera driver against the contract of `pi_library`; `python -m tests.station.picamera` has the real class."""

import logging
import sys
import time
from itertools import pairwise

import numpy as np
import pytest

from appliance.errors import CameraLost
from appliance.sensors import SENSORS, Sensor
from hw.camera import LONGEST_WAIT_S
from hw.camera.pacing import Pace
from hw.camera.patience import LOST_S, RESTART_S
from hw.camera.picamera import PiCamera
from tests.hw import pi_library
from tests.hw.pi_library import Picamera2

SMALL = Sensor("ov9281", 96, 64, 8, 120.0, 143.6, 10.0)


@pytest.fixture(autouse=True)
def library(monkeypatch):
    Picamera2.reset()
    monkeypatch.setitem(sys.modules, "picamera2", pi_library.module())
    yield Picamera2
    Picamera2.reset()


@pytest.fixture
def camera():
    opened = PiCamera(SMALL, exposure_us=1500.0, gain=4.0)
    yield opened
    opened.close()


def _real(frames):
    return next(f for f in frames if f is not None)


def _number(frame):
    return int(frame.luma[0, :4].view(np.uint32)[0])


def test_the_camera_is_configured_once_as_its_sensor_is_run(camera):
    config = Picamera2.last.camera_configuration()
    assert config["main"]["size"] == (96, 64)
    assert config["main"]["format"] == "YUV420"
    assert config["sensor"] == {"output_size": (96, 64), "bit_depth": 8}
    assert (config["raw"], config["lores"], config["queue"], config["buffer_count"]) == (None, None, False, 4)
    assert (config["display"], config["encode"]) == (None, None)
    assert Picamera2.last.configured == 1


def test_everything_automatic_is_off_and_only_what_the_camera_has_is_asked_for(camera):
    assert Picamera2.last.camera_configuration()["controls"] == {
        "FrameDurationLimits": (8333, 8333),
        "AeEnable": False,
        "ExposureTime": 1500,
        "AnalogueGain": 4.0,
        "NoiseReductionMode": 0,
        "Sharpness": 0.0,
    }


def test_colour_is_fixed_and_a_lens_locked_where_there_is_one():
    Picamera2.models, Picamera2.controls = ["imx219", "imx708_wide_noir"], pi_library.FOCUSING
    with_lens = PiCamera(SENSORS["imx708"], number=1, focus_dpt=0.4)
    asked = Picamera2.last.camera_configuration()["controls"]
    with_lens.close()
    assert (asked["AfMode"], asked["LensPosition"]) == (0, 0.4)
    assert (asked["AwbEnable"], asked["ColourGains"]) == (False, (1.0, 1.0))
    without = PiCamera(SENSORS["imx219"], rate_hz=100.0)
    asked = Picamera2.last.camera_configuration()["controls"]
    without.close()
    assert "LensPosition" not in asked
    assert asked["FrameDurationLimits"] == (10000, 10000)
    assert without.rate_hz == 100.0


def test_a_frame_is_stamped_half_an_exposure_before_its_read_out_began(camera):
    frame = _real(camera.frames())
    before = [
        ns * 1e-9 - 0.5e-6 * 1496 for ns in Picamera2.last.stamps_ns
    ]  # the camera exposes whole rows: 1496 us
    assert min(abs(frame.t_s - t_s) for t_s in before) < 1e-9
    assert frame.row_s == pytest.approx(10e-6)
    assert camera.about()["stamped_by"] == "sensor"


def test_luma_is_the_camera_s_memory_row_by_row_and_can_t_be_written_to(camera):
    frames = camera.frames()
    frame = _real(frames)
    assert frame.luma.shape == (64, 96)
    assert frame.luma.strides == (96 + pi_library.PADDING, 1)
    assert not frame.luma.flags.owndata
    assert not frame.luma.flags.writeable


def test_a_late_reader_sees_the_newest_frame_and_knows_what_it_missed(camera):
    frames = camera.frames()
    first = _number(_real(frames))
    pace = Pace()
    while not pace.wait(0.2):
        pass
    late = _real(frames)
    skipped = _number(late) - first - 1
    assert skipped >= 10
    assert camera.lost == skipped
    assert late.seq == skipped + 1
    assert camera.now_s() - late.t_s < 0.1


def test_frames_that_the_sensor_skips_are_counted_by_their_times(camera):
    frames = camera.frames()
    _real(frames)
    Picamera2.skipped = 2  # two of three frames never come
    for _ in range(6):
        _real(frames)
    assert camera.lost >= 8


def test_a_request_is_given_back_whenever_the_reader_stops(camera):
    for _ in range(12):  # with four buffers, a leak would starve the camera at the fourth
        frames = camera.frames()
        _real(frames)
        frames.close()
    camera.close()
    assert Picamera2.last.closed
    assert Picamera2.last.held <= 1  # the one that may be on its way through the event loop


def test_a_request_that_can_t_be_read_is_given_back_and_told(camera, caplog):
    frames = camera.frames()
    _real(frames)
    Picamera2.unreadable = True
    nothing = [next(frames) for _ in range(6)]
    Picamera2.unreadable = False
    assert nothing.count(None) >= 5
    assert _real(frames).t_s > 0
    assert "could not be read" in caplog.text


def test_times_that_can_t_be_true_are_replaced_by_those_of_arrival(caplog):
    Picamera2.changed = {"SensorTimestamp": None}
    camera = PiCamera(SMALL)
    frames = camera.frames()
    stamps = [_real(frames).t_s for _ in range(5)]
    camera.close()
    assert all(b > a for a, b in pairwise(stamps))
    assert camera.about()["stamped_by"] == "arrival"
    assert caplog.text.count("stamped by arrival") == 1


def test_a_camera_that_does_otherwise_than_asked_is_reported_once(caplog):
    Picamera2.changed = {"FrameDuration": 16666, "ExposureTime": 3000, "AnalogueGain": 1.12}
    camera = PiCamera(SMALL)
    frames = camera.frames()
    for _ in range(60):
        _real(frames)
    camera.close()
    said = [r.getMessage() for r in caplog.records]
    assert len([s for s in said if "a frame every 16666 us where" in s and "8333" in s]) == 1
    assert len([s for s in said if "exposure 3000 us where" in s]) == 1
    assert len([s for s in said if "gain 1.12 where" in s]) == 1
    assert camera.about()["gain"] == 1.12


def test_a_camera_that_does_as_asked_is_not_reported(camera, caplog):
    frames = camera.frames()
    for _ in range(60):
        _real(frames)
    assert caplog.text == ""


def test_another_exposure_is_in_force_while_the_stream_goes_on(camera, caplog):
    frames = camera.frames()
    _real(frames)
    camera.expose(800.0, 2.5)
    assert Picamera2.last.given == [{"AeEnable": False, "ExposureTime": 800, "AnalogueGain": 2.5}]
    for _ in range(30):  # longer than it takes to settle: what is then judged is the new exposure
        frame = _real(frames)
    facts = camera.about()
    assert (facts["exposure_us"], facts["gain"]) == (796.0, 2.5)
    stamps_s = [ns * 1e-9 - 0.5e-6 * 796 for ns in Picamera2.last.stamps_ns]
    assert min(abs(frame.t_s - t_s) for t_s in stamps_s) < 1e-9, "stamped by the exposure that was"
    assert (Picamera2.last.starts, Picamera2.last.configured) == (1, 1)
    assert not caplog.messages


def test_an_exposure_that_the_camera_does_not_keep_is_told_of(camera, caplog):
    Picamera2.changed = {"ExposureTime": 1496}
    frames = camera.frames()
    camera.expose(300.0, 4.0)
    for _ in range(30):
        _real(frames)
    assert "exposure 1496 us where exposure 300 us was asked for" in caplog.text


def test_a_stream_that_was_restarted_is_exposed_as_before(camera):
    frames = camera.frames()
    _real(frames)
    camera.expose(700.0, 3.0)
    Picamera2.silent = True
    while not camera.restarts:
        next(frames)
    Picamera2.silent = False
    _real(frames)
    assert Picamera2.last.given[1:] == [{"AeEnable": False, "ExposureTime": 700, "AnalogueGain": 3.0}]


def test_silence_is_told_at_once_answered_by_one_restart_and_over_when_frames_come(camera, caplog):
    caplog.set_level(logging.INFO, "hipbar.camera")
    frames = camera.frames()
    last = _real(frames)
    Picamera2.silent = True
    begun_s, waits_s, nothing = time.monotonic(), [], 0
    while Picamera2.last.starts < 2:
        asked_s = time.monotonic()
        nothing += next(frames) is None
        waits_s.append(time.monotonic() - asked_s)
    restarted_s = time.monotonic() - begun_s
    Picamera2.silent = False
    again = _real(frames)
    assert nothing > 15
    assert sorted(waits_s)[-3] < LONGEST_WAIT_S + 0.02  # the machine's other work may stretch one or two
    assert RESTART_S - 0.1 < restarted_s < RESTART_S + 0.6
    assert (camera.restarts, camera.about()["restarts"]) == (1, 1)
    assert again.t_s > last.t_s
    assert "no frame for 1.0 s: restarting the stream" in caplog.text
    assert "frames again after 1." in caplog.text
    assert Picamera2.last.configured == 1


def test_a_camera_that_hangs_is_given_up_in_time_and_left_behind(camera, caplog):
    frames = camera.frames()
    _real(frames)
    Picamera2.silent = Picamera2.hangs = True  # stop() never comes back
    begun_s = time.monotonic()
    with pytest.raises(CameraLost, match="not even after a restart") as lost:
        for _ in frames:
            pass
    assert RESTART_S + LOST_S - 0.1 < time.monotonic() - begun_s < RESTART_S + LOST_S + 0.5
    assert "ribbon cable" in lost.value.fix
    begun_s = time.monotonic()
    camera.close()
    assert time.monotonic() - begun_s < 3.0
    assert "left as it is" in caplog.text


def test_a_missing_library_says_which_package(monkeypatch):
    monkeypatch.delitem(sys.modules, "picamera2")
    with pytest.raises(CameraLost, match="picamera2") as lost:
        PiCamera(SMALL)
    assert "sudo apt install -y --no-install-recommends python3-picamera2" in lost.value.fix


def test_a_library_built_for_another_numpy_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "picamera2")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "picamera2.py").write_text('raise ValueError("numpy.dtype size changed, may indicate ...")\n')
    with pytest.raises(CameraLost, match=r"numpy\.dtype size changed") as lost:
        PiCamera(SMALL)
    assert "simplejpeg" in lost.value.fix


@pytest.mark.parametrize(
    ("models", "word", "fix"),
    [
        ([], "libcamera finds none", "ribbon cable"),
        (["imx219"], "its sensor is imx219", 'camera.sensor = "imx219"'),
        (["ov5647"], "its sensor is ov5647", "dtoverlay=ov9281"),
    ],
)
def test_another_camera_than_the_settings_name_is_refused(models, word, fix):
    Picamera2.models = models
    with pytest.raises(CameraLost, match=word) as lost:
        PiCamera(SMALL)
    assert fix in lost.value.fix
    assert "camera 0 (ov9281)" in str(lost.value)


def test_a_camera_number_that_is_not_there_names_those_that_are():
    with pytest.raises(CameraLost, match="only ov9281"):
        PiCamera(SMALL, number=2)


def test_a_busy_camera_says_so():
    Picamera2.busy = True
    with pytest.raises(CameraLost, match="busy"):
        PiCamera(SMALL)


def test_a_mode_that_libcamera_does_not_grant_is_refused_and_the_camera_let_go():
    Picamera2.granted = {"size": (128, 80)}
    with pytest.raises(CameraLost, match="gives YUV420 128x80"):
        PiCamera(SMALL)
    assert Picamera2.last.closed


def test_a_library_without_sensor_modes_is_too_old(monkeypatch):
    def old(self, main, raw=None):  # picamera2 0.3.9 and before knew no `sensor`
        raise AssertionError

    monkeypatch.setattr(Picamera2, "create_video_configuration", old)
    with pytest.raises(CameraLost, match="too old"):
        PiCamera(SMALL)
