"""The strips that are tried on the real SPI bus, and what is shown on them: the same in the guest and on the host."""

from __future__ import annotations

import numpy as np

from appliance.config import Strip
from appliance.records import U8

FRAMES = 25
BARS = {
    "apa102, 60": Strip(kind="apa102", leds=60, current_cap_ma=20000.0),
    "apa102, 300": Strip(kind="apa102", leds=300, current_cap_ma=20000.0, speed_mhz=4.0),
    "apa102, reversed": Strip(
        kind="apa102", leds=30, current_cap_ma=20000.0, reversed=True, pieces=((9, 0), (10, 29)), order="rgb"
    ),
    "apa102, capped": Strip(kind="apa102", leds=60, current_cap_ma=500.0),
    "ws2812, 60": Strip(kind="ws2812", leds=60, current_cap_ma=20000.0),
    "ws2812, 300": Strip(kind="ws2812", leds=300, current_cap_ma=20000.0),
}


def frames(leds: int) -> list[U8]:
    """What is shown on a strip of so many LEDs, from the runner's left to right."""
    return list(np.random.default_rng(20).integers(0, 256, (FRAMES, leds, 3), dtype=np.uint8))
