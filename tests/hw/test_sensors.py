"""The presets of Pi cameras agree with themselves and with the figures that they are calculated from."""

import pytest

from appliance.config import parse
from appliance.sensors import SENSORS

KERNEL = {  # pixel rate, pixels a line, lines a frame, bits: raspberrypi/linux, drivers/media/i2c
    "ov9281": (400e6 * 2 * 2 / 8, 1280 + 250, 800 + 110),
    "ov9281-fast": (400e6 * 2 * 2 / 8, 640 + 890, 400 + 22),
    "imx708": (566.4e6, 5216, 864 + 40),
    "imx219": (2 * 182.4e6, 3448, 480 + 32),
}


@pytest.mark.parametrize("name", KERNEL)
def test_limits_and_row_times_follow_from_the_kernel_s_drivers(name):
    pixel_hz, pixels, lines = KERNEL[name]
    sensor, row_us = SENSORS[name], 1e6 * pixels / pixel_hz
    assert sensor.limit_hz == pytest.approx(1e6 / (row_us * lines), rel=1e-3)
    assert sensor.row_us in (0.0, pytest.approx(row_us, rel=1e-3))  # 0: all rows at once


@pytest.mark.parametrize("name", SENSORS)
def test_a_preset_is_run_below_its_limit_and_its_rows_fit_into_a_frame(name):
    sensor = SENSORS[name]
    assert sensor.rate_hz <= sensor.limit_hz
    assert sensor.row_us * sensor.height_px < 1e6 / sensor.rate_hz
    assert sensor.width_px % 2 == sensor.height_px % 2 == 0
    assert sensor.bit_depth in (8, 10)


@pytest.mark.parametrize("name", SENSORS)
def test_settings_take_everything_from_the_preset_and_may_ask_for_a_slower_rate(name):
    camera = parse(f'[camera]\nsource = "picamera"\nsensor = "{name}"\n').camera
    sensor = SENSORS[name]
    assert (camera.width_px, camera.height_px) == (sensor.width_px, sensor.height_px)
    assert (camera.rate_hz, camera.row_us) == (sensor.rate_hz, sensor.row_us)
    slower = parse(f'[camera]\nsource = "picamera"\nsensor = "{name}"\nrate_hz = 50\n').camera
    assert slower.rate_hz == 50
