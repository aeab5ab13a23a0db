"""A Pi camera's name becomes the mode that it is run in: size, rate, row time and what else its driver needs.

Sizes in sensor pixels, rates in frames a second, `row_us` microseconds from one row's exposure to the next row's
(0 = global shutter). Row times: line length over pixel rate in the Linux kernel's driver of the sensor.
"""

from __future__ import annotations

import msgspec


class Sensor(msgspec.Struct, frozen=True):
    """One mode of one sensor."""

    model: str
    width_px: int
    height_px: int
    bit_depth: int
    rate_hz: float
    row_us: float
    focuses: bool = False


SENSORS = {
    "ov9281": Sensor("ov9281", 1280, 800, 10, 120.0, 0.0),
    "ov9281-fast": Sensor("ov9281", 640, 400, 10, 240.0, 0.0),
    "imx296": Sensor("imx296", 1456, 1088, 10, 60.0, 0.0),
    "imx708": Sensor("imx708", 1536, 864, 10, 120.0, 9.0, focuses=True),
    "imx219": Sensor("imx219", 640, 480, 10, 200.0, 9.5),
}
"""By the name that `camera.sensor` takes."""
