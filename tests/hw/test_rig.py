"""Settings open the rig that they describe, and nothing stays open when they can't."""

import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

from appliance import config
from appliance.errors import CameraLost, SettingsError, SourceError
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
    rig = open_rig(_settings('[strip]\nkind = "memory"\nleds = 5\n'))
    assert isinstance(rig.strip, MemoryStrip)
    rig.strip.show(np.full((5, 3), 9, np.uint8))
    rig.close()
    rig.close()
    assert [int(f.max()) for f in rig.strip.frames] == [9, 0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[camera]\nsource = "v4l2"\ndevice = "/dev/null"', CameraLost),
        ('[camera]\nsource = "video"\nfile = "nowhere.mp4"', SourceError),
        ('[camera]\nrunner = "somebody"', SettingsError),
    ],
)
def test_a_camera_that_cannot_be_opened_leaves_no_rig_behind(text, error):
    with pytest.raises(error):
        open_rig(_settings(text + '\n[strip]\nkind = "memory"\n'))


def test_a_driver_is_imported_only_when_it_is_opened():
    code = "import sys, hw; hw.open_rig; print([m for m in ('cv2', 'rich', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
