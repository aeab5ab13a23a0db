"""A frame from the runner's left to right becomes the frame of the wire: LED and colour order, within the current cap.

Logical LEDs count from the runner's left; places count along the wire, from the end where the data enters. Currents in
milliamperes: a byte draws led_ma / 765, a dark LED idle_ma. What the cap allows is scaled down with every byte rounded
down, so that the sum can't pass it; what is already under the cap is handed on as it is. Pure.
"""

from __future__ import annotations

import numpy as np

from appliance.config import Strip
from appliance.records import U8

_FULL = 3 * 255
"""The bytes of one LED at full white."""


class Wiring:
    """How one bar hangs on its wire; made once, used for every frame.

    `usual` is the colour order that the kind's encoder sends, and what `order = "auto"` means.
    """

    def __init__(self, wanted: Strip, usual: str = "rgb") -> None:
        self.leds, self._wanted = wanted.leds, wanted
        self.budget = wanted.byte_budget
        places = np.array(wire_order(wanted), np.intp)
        order = usual if wanted.order == "auto" else wanted.order
        columns = np.empty(3, np.intp)
        columns[["rgb".index(c) for c in usual]] = ["rgb".index(c) for c in order]
        self._there = (3 * places[:, None] + columns).ravel()
        self._back = np.argsort(self._there)

    def sent(self, rgb: U8) -> U8:
        """What the encoder gets: `rgb` within the current cap, LED by LED along the wire; a new array."""
        wired: U8 = self.limited(rgb).reshape(-1)[self._there].reshape(self.leds, 3)
        return wired

    def seen(self, wired: U8) -> U8:
        """The inverse, but for the cap: the runner's left to right, of what went along the wire."""
        rgb: U8 = wired.reshape(-1)[self._back].reshape(self.leds, 3)
        return rgb

    def limited(self, rgb: U8) -> U8:
        """`rgb` itself when it draws no more than the cap, else all of it dimmed evenly to the cap."""
        total = int(rgb.sum())
        if total <= self.budget:
            return rgb
        return (rgb.astype(np.uint32) * self.budget // total).astype(np.uint8)

    def current_ma(self, rgb: U8) -> float:
        """What a frame draws, with what dark LEDs draw."""
        return self._wanted.idle_ma * self.leds + int(rgb.sum()) * self._wanted.led_ma / _FULL


def wire_order(wanted: Strip) -> list[int]:
    """The logical LED at each place of the wire: pieces one after the other, from the other end when `reversed`."""
    order: list[int] = []
    for first, last in wanted.pieces or ((0, wanted.leds - 1),):
        step = 1 if last >= first else -1
        order += range(first, last + step, step)
    return order[::-1] if wanted.reversed else order
