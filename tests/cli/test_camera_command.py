"""`hipbar camera`: lists what is there, says how a camera does and what to do, and shows what it sees."""

import json
import signal

import cv2
import msgspec
import numpy as np
import pytest

from appliance.commands.trial import Figures, Watch, verdicts
from appliance.records import Frame
from tests.cli.conftest import film, started

GOOD = Figures(
    frames=1200,
    lost=0,
    restarts=0,
    asked_hz=120.0,
    rate_hz=119.9,
    interval_ms={"p50": 8.3, "p99": 8.5, "max": 16.8},
    delay_ms={"p50": 6.0, "p99": 9.0, "max": 12.0},
    silence_ms=16.8,
    background=18.0,
    brightest=230.0,
    saturated=0.001,
    pair_seen=1.0,
    heels_seen=0.97,
    dots=3.9,
)


def test_the_list_names_the_settings_camera_and_says_what_is_missing(hipbar, tmp_path):
    said = hipbar("camera")
    assert said.code == 0
    assert "virtual camera, runner rbds001, 480x640 at 120 frames/s" in said.out
    assert "V4L2" in said.out or "/dev/video" in said.out
    settings = tmp_path / "pi.toml"
    settings.write_text('[camera]\nsource = "picamera"\nsensor = "imx708"\nnumber = 1\n')
    listed = json.loads(hipbar("camera", "--list", "--config", settings, "--json").out)
    assert listed["settings"] == "libcamera 1, imx708, 1536x864 at 120 frames/s"
    assert isinstance(listed["v4l2"], list)
    assert listed["libcamera"] or listed["libcamera_trouble"]


def test_the_test_judges_a_camera_line_by_line(hipbar):
    said = hipbar("camera", "--test", "--seconds", 2, "--json")
    assert said.code == 0
    report = json.loads(said.out)
    assert [v["what"] for v in report["verdicts"]] == [
        "rate",
        "lost",
        "interval",
        "restarts",
        "delay",
        "light",
        "dots",
    ]
    assert report["camera"]["driver"] == "virtual"
    figures = report["figures"]
    assert figures["frames"] > 20
    assert figures["background"] < 40
    assert figures["brightest"] > 180
    assert figures["pair_seen"] > 0.9
    assert "a second" in said.err  # progress, beside the figures


def test_the_same_for_a_person(hipbar):
    said = hipbar("camera", "--test", "--seconds", 1)
    lines = said.out.splitlines()
    assert lines[0].startswith("camera    virtual, rbds001: 480x640 at 120 frames/s")
    assert all(line.startswith(" ") or line.split()[1] in {"ok", "warn"} for line in lines[1:])


def test_a_snapshot_shows_the_dots_ringed(hipbar, tmp_path):
    path = tmp_path / "seen.png"
    said = hipbar("camera", "--snapshot", path)
    assert said.code == 0
    assert "4 of 4 dots found" in said.err
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert picture.shape == (640, 480, 3)
    coloured = np.ptp(picture.astype(int), axis=2) > 60
    assert 100 < coloured.sum() < 5000


def test_a_picture_without_dots_is_said_and_still_shown(hipbar, tmp_path):
    clip = film(tmp_path / "dark.avi", 1.0, dots=False)
    settings = tmp_path / "video.toml"
    settings.write_text(f'[camera]\nsource = "video"\nfile = "{clip}"\n')
    path = tmp_path / "seen.png"
    said = hipbar("camera", "--config", settings, "--test", "--seconds", 3, "--snapshot", path)
    assert said.code == 0
    assert "0 of 4 dots found" in said.err
    assert path.exists()
    dots = next(line for line in said.out.splitlines() if line.startswith("dots"))
    assert "warn" in dots
    assert "too dark" in said.out


def test_a_snapshot_that_can_t_be_written_is_told(hipbar, tmp_path):
    said = hipbar("camera", "--snapshot", tmp_path / "nowhere" / "seen.png")
    assert said.code == 4
    assert "No such file" in said.err
    full = hipbar("camera", "--snapshot", "/dev/full")
    assert full.code == 4
    assert "make room on that disk" in full.err


def test_a_camera_that_is_not_there_ends_with_its_exit_code(hipbar, tmp_path):
    settings = tmp_path / "usb.toml"
    settings.write_text(f'[camera]\nsource = "v4l2"\ndevice = "{tmp_path}/video7"\n')
    said = hipbar("camera", "--config", settings, "--test", "--seconds", 1)
    assert said.code == 5
    assert "no such device" in said.err


def test_ctrl_c_ends_the_test_with_what_was_measured():
    running = started("camera", "--test", "--seconds", 600)
    for line in running.stderr:
        if "a second" in line:
            break
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "rate" in out


def test_good_figures_make_no_warning():
    assert all(v.ok and not v.fix for v in verdicts(GOOD, "driver"))


@pytest.mark.parametrize(
    ("change", "what", "word"),
    [
        ({"rate_hz": 61.0}, "rate", "lower camera.rate_hz"),
        ({"lost": 40}, "lost", "other programs"),
        ({"interval_ms": {"p50": 8.3, "p99": 25.0, "max": 40.0}}, "interval", "other programs"),
        ({"silence_ms": 180.0}, "interval", "other programs"),
        ({"restarts": 1}, "restarts", "cable"),
        ({"delay_ms": {"p50": 60.0, "p99": 80.0, "max": 90.0}}, "delay", "rate"),
        ({"brightest": 60.0}, "light", "too dark"),
        ({"background": 140.0}, "light", "long-pass filter"),
        ({"saturated": 0.2}, "light", "lamps"),
        ({"pair_seen": 0.5}, "dots", "--snapshot"),
    ],
)
def test_each_trouble_is_warned_of_with_what_to_do(change, what, word):
    warned = [v for v in verdicts(msgspec.structs.replace(GOOD, **change), "driver") if not v.ok]
    assert [v.what for v in warned] == [what]
    assert word in warned[0].fix


def test_times_of_arrival_are_warned_of():
    assert [v.what for v in verdicts(GOOD, "arrival") if not v.ok] == ["delay"]


def test_figures_are_those_of_the_frames():
    watch = Watch()
    for k in range(100):
        luma = np.full((20, 30), 20, np.uint8)
        luma[3, 4:7] = 255
        watch.take(Frame(seq=k, t_s=5.0 + k * 0.01, luma=luma), 5.0 + k * 0.01 + 0.004)
        watch.see(np.array([[1.0, 2.0], [3.0, 2.0], [1.0, 9.0], [np.nan, np.nan]]))
    f = watch.figures(100.0, restarts=0, lost=2)
    assert f.rate_hz == pytest.approx(100.0)
    assert f.interval_ms["max"] == pytest.approx(10.0)
    assert f.delay_ms["p50"] == pytest.approx(4.0)
    assert (f.background, f.brightest, f.saturated) == (20.0, 255.0, pytest.approx(3 / 600))
    assert (f.pair_seen, f.heels_seen, f.dots) == (1.0, 0.0, 3.0)


def test_no_frame_is_no_figure():
    f = Watch().figures(120.0, restarts=0, lost=0)
    assert (f.rate_hz, f.background, f.pair_seen) == (None, None, None)
    assert verdicts(f, "driver") == []
