"""Settings open the rig that they describe, and nothing stays open when they can't."""

import subprocess
import sys
from contextlib import closing
from itertools import islice

import numpy as np
import pytest

from appliance import config
from appliance.errors import CameraLost, SettingsError, SourceError, StripLost
from appliance.records import Light
from hw import open_camera, open_rig
from hw.camera.virtual import VirtualCamera
from hw.strip.memory import MemoryStrip


def _settings(text):
    return config.parse(text)


def test_without_settings_a_recorded_runner_is_seen_live_at_120_hz():
    camera = open_camera(config.Settings())
    assert isinstance(camera, VirtualCamera)
    assert camera.size == (480, 640)
    frames = [f for f in islice(camera.frames(), 40) if f is not None]
    assert (frames[-1].t_s - frames[0].t_s) / (frames[-1].seq - frames[0].seq) == pytest.approx(1 / 120)
    camera.close()


def test_the_virtual_sensor_is_mounted_as_the_settings_say():
    upright = open_camera(_settings('[strip]\nkind = "none"\n')).scene
    mount = "rotate_deg = 90\nmirror = true\nwidth_px = 640\nheight_px = 480\nrow_us = 10\n"
    turned = open_camera(_settings(f"[camera]\n{mount}[lens]\nroll_deg = 2")).scene
    assert (upright.rotate_deg, upright.mirror) == (0, False)
    assert (turned.rotate_deg, turned.mirror, turned.row_us, turned.roll_deg) == (90, True, 10, 2)
    assert turned.upright_px == upright.upright_px


def test_a_rig_shows_what_it_is_given_and_goes_dark():
    with closing(open_rig(_settings('[strip]\nkind = "memory"\nleds = 5\n'))) as rig:
        assert isinstance(rig.strip, MemoryStrip)
        rig.strip.show(np.full((5, 3), 9, np.uint8))
        camera = rig.see()
    rig.close()
    assert [int(f.max()) for f in rig.strip.frames] == [9, 0]
    assert [f for f in camera.frames() if f is not None] == [], "closed with the rig"


def test_the_bar_is_dark_before_a_camera_that_takes_its_time_is_let_go():
    class Slow:
        def close(self):
            self.bar = rig.strip.frames[-1].copy()

    rig = open_rig(_settings('[strip]\nkind = "memory"\nleds = 5\n'))
    rig.strip.show(np.full((5, 3), 9, np.uint8))
    rig._camera = camera = Slow()
    rig.close()
    assert not camera.bar.any()


def test_without_a_panel_the_rig_stands_and_says_so():
    text = '[strip]\nkind = "memory"\n[panel]\nkind = "gpio"\n[gpio]\nchip = "no-such-chip"\n'
    with closing(open_rig(_settings(text))) as rig:
        assert "no-such-chip" in rig.warnings[0]
        assert rig.warnings[0].endswith("(the station runs without its panel)")
        rig.panel.say(Light.READY)
        assert rig.panel.presses() == ()


def test_nothing_missing_is_nothing_to_warn_of():
    with closing(open_rig(_settings('[strip]\nkind = "none"\n'))) as rig:
        assert rig.warnings == ()


@pytest.mark.parametrize(
    ("text", "error", "needed"),
    [
        ('[camera]\nsource = "v4l2"\ndevice = "/dev/null"', CameraLost, "no camera, no station"),
        ('[camera]\nsource = "video"\nfile = "nowhere.mp4"', SourceError, "nowhere.mp4"),
        ('[camera]\nrunner = "somebody"', SettingsError, "somebody"),
    ],
)
def test_a_missing_camera_says_whether_the_station_can_do_without(text, error, needed):
    with closing(open_rig(_settings(text + '\n[strip]\nkind = "memory"\n'))) as rig:
        with pytest.raises(error, match=needed) as refused:
            rig.see()
        assert refused.value.fix


def test_a_missing_strip_says_that_the_station_cannot_do_without():
    with pytest.raises(StripLost, match="no light bar, no station") as refused:
        open_rig(_settings('[strip]\nkind = "apa102"\ndevice = "/dev/no-such-spidev"\n'))
    assert refused.value.fix


def test_a_driver_is_imported_only_when_it_is_opened():
    code = "import sys, hw; hw.open_rig; print([m for m in ('cv2', 'rich', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
