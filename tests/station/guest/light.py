"""SPI transfers become what a runner saw on the bar: which picture, from when to when.

Runs in the guest, with hipbar installed. Times are seconds on CLOCK_MONOTONIC. A picture is named by its bytes: one of
the patterns exactly ("NO_DATA", "WARMING_UP", ...), "dark", "towards NO_DATA" when nothing but the LEDs of that pattern
is lit, else "measuring"; "failed" is a transfer that never reached the bar. Refuses bytes that are no whole frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from wires import Transfer

from appliance.config import Settings
from appliance.feedback.patterns import pattern
from appliance.records import Notice, Shown
from hw.strip import apa102

MEASURING, FAILED, DARK, TOWARDS = "measuring", "failed", "dark", "towards NO_DATA"
_SILENT_S = 0.15
"""A bar that nobody has written to for so long shows what it showed, but it is another look from then on."""


class Look(NamedTuple):
    """The same picture for a while: from the end of its first transfer to the end of its last."""

    name: str
    from_s: float
    to_s: float
    transfers: int


class Looks:
    """What the bar showed, one entry a change and one after every silence."""

    def __init__(self, settings: Settings) -> None:
        self._names = {apa102.encode(pattern(shown, settings)): shown.name for shown in (*Shown, *Notice)}
        self._names[apa102.encode(np.zeros((settings.strip.leds, 3), np.uint8))] = DARK
        self._ends = pattern(Shown.NO_DATA, settings).any(axis=1)
        self._flags = settings.strip.leds * (0xE0 | apa102.LEVEL)
        self.seen: list[Look] = []
        self.totals: list[tuple[float, int]] = []
        """When each frame went out, and the sum of all its colours."""

    def add(self, transfers: list[Transfer]) -> None:
        """These went out."""
        for transfer in transfers:
            name = FAILED if transfer.error else self._name(transfer.data)
            self.totals.append((transfer.ended_s, sum(transfer.data) - self._flags))
            last = self.seen[-1] if self.seen else None
            if last and last.name == name and transfer.began_s - last.to_s < _SILENT_S:
                self.seen[-1] = last._replace(to_s=transfer.ended_s, transfers=last.transfers + 1)
            else:
                self.seen.append(Look(name, transfer.ended_s, transfer.ended_s, 1))

    @property
    def now(self) -> str:
        """What the bar shows."""
        return self.seen[-1].name if self.seen else DARK

    def steady_s(self, now_s: float) -> float:
        """For how long it has shown that, up to now; 0 when nobody writes to it any more."""
        last = self.seen[-1] if self.seen else None
        return last.to_s - last.from_s if last and now_s - last.to_s < _SILENT_S else 0.0

    def _name(self, data: bytes) -> str:
        known = self._names.get(data)
        if known:
            return known
        lit = apa102.decode(data).any(axis=1)
        return MEASURING if (lit & ~self._ends).any() else TOWARDS
