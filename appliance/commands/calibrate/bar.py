"""The station's bar, borrowed picture by picture while a person looks at it.

(n, 3) uint8 from the runner's left to right, as the settings in force wire it. A picture is lent for two seconds and
renewed while a question is open; when nobody renews it, the bar is the station's again. Pictures follow one another at
a person's pace, far below three flashes a second. Refuses a station without a bar to look at.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from appliance.records import U8

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.station.client import Link

_LENT_S, _AGAIN_S = 2.0, 0.7
_DARK_S = 0.4


class Bar:
    """Closing it gives the bar back."""

    def __init__(self, link: Link, leds: int) -> None:
        self._link = link
        self._rgb: U8 = np.zeros((leds, 3), np.uint8)
        self._renewed_s = 0.0

    def close(self) -> None:
        """Gives the bar back to the station."""
        self._link.bar(None, 0.0)

    def show(self, rgb: U8) -> None:
        """Lights this picture; the bar is dark for a moment before, so that a new picture is seen to be new."""
        self._lend(np.zeros_like(self._rgb))
        time.sleep(_DARK_S)
        self._rgb = rgb
        self._lend(rgb)

    def keep(self) -> None:
        """Keeps the picture up; to be called at least every second."""
        if time.monotonic() - self._renewed_s > _AGAIN_S:
            self._lend(self._rgb)

    def _lend(self, rgb: U8) -> None:
        self._link.bar(rgb, _LENT_S)
        self._renewed_s = time.monotonic()


def settings_of(link: Link) -> Settings:
    """The settings in force."""
    import msgspec

    from appliance.config import Settings

    return msgspec.convert(link.settings()["settings"], Settings)
