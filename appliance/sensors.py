"""A Pi camera's name becomes the mode that it is run in: size, rate, row time and what else its driver needs.

Sizes in sensor pixels, rates in frames a second, `row_us` microseconds from one row's exposure to the next row's
(0 = global shutter). `rate_hz` is what is asked for, a little under `limit_hz`, the fastest that the mode goes; a
slower rate is always possible, because only the pause after the last row grows. Row times and limits are calculated
from the sensor drivers of Raspberry Pi's kernel (drivers/media/i2c), line length over pixel rate and lines a frame:

- ov9282.c (for the OV9281): pixel rate 800 Mbit/s x 2 lanes / bits; 1530 pixels a line with the gated clock of Pi
  boards; 910 lines at 1280x800, 422 at 640x400. 10 bits reach 114.9 and 247.8 Hz, 8 bits 143.6 and 309.8 Hz.
- imx708.c, 1536x864: 566.4 MHz, 5216 pixels a line, 904 lines.
- imx219.c, 640x480: 182.4 MHz doubled by binning in the analogue part, 3448 pixels a line, 512 lines. Some kernels do
  not bin 10 bits that way and give half the rate (raspberrypi/linux issues 5438 and 5493), all of them do with 8.
- imx296.c: the shortest frame is 16,562 us, as `rpicam-hello --list-cameras` prints it for this sensor.

Eight bits lose nothing here: luma is 8 bits too.
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
    limit_hz: float
    row_us: float
    focuses: bool = False


SENSORS = {
    "ov9281": Sensor("ov9281", 1280, 800, 8, 120.0, 143.6, 0.0),
    "ov9281-fast": Sensor("ov9281", 640, 400, 8, 240.0, 309.7, 0.0),
    "imx296": Sensor("imx296", 1456, 1088, 10, 60.0, 60.3, 0.0),
    "imx708": Sensor("imx708", 1536, 864, 10, 120.0, 120.1, 9.209, focuses=True),
    "imx219": Sensor("imx219", 640, 480, 8, 200.0, 206.6, 9.452),
}
"""By the name that `camera.sensor` takes."""
