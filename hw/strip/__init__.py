"""LED colours become light; each driver is one file and opens its library only when opened.

(n, 3) uint8 red, green, blue in the order of the wire, as linear light (an LED's share of its full current). A strip
refuses other shapes and types with `ValueError` (a defect of ours) and, once closed or broken, `StripLost`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from appliance.errors import StripLost
from appliance.records import U8


class Strip(Protocol):
    """What every strip driver offers."""

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
