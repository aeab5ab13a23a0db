"""LED colours become nothing: the strip of a station that has none. It checks what it is given like any other."""

from __future__ import annotations

from appliance.records import U8
from hw.strip import checked


class NoStrip:
    """A strip that isn't there."""

    def __init__(self, leds: int) -> None:
        self._leds, self._open = leds, True

    @property
    def faults(self) -> int:
        """Never any: there is no bus."""
        return 0

    def show(self, rgb: U8) -> None:
        """Check the frame and drop it."""
        checked(rgb, self._leds, is_open=self._open)

    def close(self) -> None:
        """Nothing to darken."""
        self._open = False
