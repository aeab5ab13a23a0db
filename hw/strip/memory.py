"""LED colours become a bounded memory of what was shown: a strip for tests and for looking back.

Keeps the newest `keep` frames and counts them all. The dark frame of closing is shown and counted like any other.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from appliance.records import U8
from hw.strip import checked


class MemoryStrip:
    """A strip that remembers."""

    def __init__(self, leds: int, *, keep: int = 1024) -> None:
        self._leds, self._open = leds, True
        self._frames: deque[U8] = deque(maxlen=keep)
        self._count = 0

    @property
    def frames(self) -> tuple[U8, ...]:
        """The newest frames shown, oldest first."""
        return tuple(self._frames)

    @property
    def count(self) -> int:
        """How many frames were shown in all."""
        return self._count

    @property
    def faults(self) -> int:
        """Never any: there is no bus."""
        return 0

    def show(self, rgb: U8) -> None:
        """Remember one frame."""
        self._frames.append(checked(rgb, self._leds, is_open=self._open).copy())
        self._count += 1

    def close(self) -> None:
        """Go dark."""
        if self._open:
            self.show(np.zeros((self._leds, 3), dtype=np.uint8))
            self._open = False
