"""Clients that want the bar become loans to one of them at a time, never flashing faster than a runner may see.

Seconds on the monotonic clock. A change of colours and a loan that ends each count as a change; a pair of changes is a
flash, and three flashes a second are the limit (WCAG 2.3.1). Refuses a second borrower, with `ServiceDown`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

import numpy as np

from appliance.errors import ServiceDown
from appliance.station.hatch import Hatch

CHANGES = 6
"""So many changes within a second, loans' ends included."""

SHOWN_S = 1.0
"""A loop that turns shows a loan with its next frame."""

_SHORTEST_S = 0.05
_LOOK_S = 0.001


class Loans:
    """Who has the bar, and since when."""

    def __init__(self, hatch: Hatch) -> None:
        self._hatch = hatch
        self._changes: deque[float] = deque(maxlen=CHANGES)
        self._holder: int | None = None
        self._rgb, self._until_s = b"", 0.0

    @property
    def lent(self) -> bytes | None:
        """The lent colours; None when the station has its bar for itself. Any thread may ask."""
        return self._rgb if self._holder is not None and time.monotonic() < self._until_s else None

    async def lend(self, who: int, rgb: bytes, for_s: float) -> float:
        """Lends the bar or renews the loan; when its light was on the wire. Waits where it would flash."""
        self._check(who)
        while (self._holder is None or rgb != self._rgb) and (wait_s := self._wait_s()) > 0:
            await asyncio.sleep(wait_s)
            self._check(who)
        colours = np.frombuffer(rgb[: len(rgb) // 3 * 3], np.uint8).reshape(-1, 3)
        for_s = max(for_s, _SHORTEST_S)
        number = self._hatch.lend(colours, for_s)
        now_s = time.monotonic()
        if self._holder is None or rgb != self._rgb:
            self._changes.append(now_s)
        self._holder, self._rgb, self._until_s = who, rgb, now_s + for_s
        return await self._shown(number)

    def give_back(self, who: int) -> None:
        """The bar is the station's again, if this one had it."""
        self._expire()
        if self._holder == who:
            self._hatch.lend(None, 0.0)
            self._holder = None
            self._changes.append(time.monotonic())

    def _check(self, who: int) -> None:
        self._expire()
        if self._holder not in (None, who):
            raise ServiceDown("another tool has the bar", fix="end the other `hipbar calibrate` or `doctor`")

    def _expire(self) -> None:
        if self._holder is not None and time.monotonic() >= self._until_s:
            self._holder = None
            self._changes.append(self._until_s)

    def _wait_s(self) -> float:
        """How long until one more change, and the end of the loan, are within the limit."""
        if len(self._changes) < CHANGES - 1:
            return 0.0
        return self._changes[1 - CHANGES] + 1.0 - time.monotonic()

    async def _shown(self, number: int) -> float:
        until_s = time.monotonic() + SHOWN_S
        while True:
            shown, shown_s = self._hatch.lent
            if shown >= number:
                return shown_s
            if time.monotonic() >= until_s:
                raise ServiceDown(
                    "the bar has not shown it", fix="`hipbar status` says whether the station lights"
                )
            await asyncio.sleep(_LOOK_S)
