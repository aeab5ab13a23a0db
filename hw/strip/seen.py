"""A strip in view of a camera: every frame goes to the real driver, and a log keeps when what was lit.

The time is that of the end of the write, on the machine's monotonic clock. Refuses what the driver refuses.
"""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from appliance.records import U8
from hw.strip import Strip


class Log(Protocol):
    """Whoever wants to know."""

    def note(self, t_s: float, rgb: U8) -> None:
        """The strip has shown this since `t_s`."""


class SeenStrip:
    """A strip that tells when it was lit."""

    def __init__(self, strip: Strip, log: Log) -> None:
        self._strip, self._log = strip, log
        self._dark: U8 | None = None

    @property
    def faults(self) -> int:
        """The driver's."""
        return self._strip.faults

    def show(self, rgb: U8) -> None:
        """Light the LEDs, then note when that was done."""
        self._strip.show(rgb)
        if self._dark is None:
            self._dark = np.zeros_like(rgb)
        self._log.note(time.monotonic(), rgb)

    def close(self) -> None:
        """Leave the strip dark."""
        self._strip.close()
        if self._dark is not None:
            self._log.note(time.monotonic(), self._dark)
