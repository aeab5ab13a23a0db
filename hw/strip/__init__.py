"""LED colours become light; each driver is one file and opens its library only when opened.

(n, 3) uint8 red, green, blue from the runner's left to right, as linear light (an LED's share of its full current): how
the bar hangs on its wire is the driver's business. A strip refuses other shapes and types with `ValueError` (a defect
of ours), to be shown to once closed, and to go on without a bus, both with `StripLost`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from appliance.errors import StripLost
from appliance.records import U8


class Strip(Protocol):
    """What every strip driver offers."""

    @property
    def faults(self) -> int:
        """How many frames could not be written so far; 0 for a strip that has no bus."""

    def show(self, rgb: U8) -> None:
        """Light the LEDs; the array is read now and never kept."""

    def close(self) -> None:
        """Leave the strip dark and let go of it. Closing twice is fine."""


def checked(rgb: U8, leds: int, *, is_open: bool) -> U8:
    """`rgb` itself, once it is sure to fit a strip of so many LEDs that is still open."""
    if not is_open:
        raise StripLost("the light bar was closed", fix="open it again before showing anything")
    if not isinstance(rgb, np.ndarray) or rgb.shape != (leds, 3) or rgb.dtype != np.uint8:
        found = f"{getattr(rgb, 'dtype', type(rgb).__name__)} {getattr(rgb, 'shape', '')}"
        raise ValueError(f"a strip of {leds} LEDs takes uint8 ({leds}, 3), not {found}")
    return rgb
