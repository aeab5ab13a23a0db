"""What a person saw on the bar becomes how it is wired: length, colour order, which end is first; and what it draws.

LEDs count from 0, logical ones from the runner's left, places along the wire from where the data enters. Currents in
milliamperes. Refuses answers that no wiring gives.
"""

from __future__ import annotations

import numpy as np

from appliance.config import Strip
from appliance.errors import CalibrationError
from appliance.records import U8

COLOURS = "rgb"
_FULL = 3 * 255


def order_of(assumed: str, seen: str) -> str:
    """The bar's true colour order, from the one that was used and the colours that were seen for red, green, blue.

    A wire carries three bytes an LED; `assumed` says which colour each was taken for.
    """
    if sorted(seen) != sorted(COLOURS):
        raise CalibrationError(
            f"red, green and blue were seen as {', '.join(seen)}: no order of colours does that",
            fix="look again with the room darker; a strip with a fourth colour (white) can't be driven",
        )
    as_seen = dict(zip(COLOURS, seen, strict=True))
    return "".join(as_seen[colour] for colour in assumed)


def place_on_wire(strip: Strip, place: int) -> int:
    """The logical LED at a place of the wire, for a bar in one piece."""
    return strip.leds - 1 - place if strip.reversed else place


def single(leds: int, which: range | int, colour: tuple[int, int, int]) -> U8:
    """A dark bar with these LEDs lit."""
    rgb = np.zeros((leds, 3), np.uint8)
    rgb[which] = colour
    return rgb


def draws_ma(strip: Strip, rgb: U8) -> float:
    """What colours draw once the current cap has dimmed them, with what dark LEDs draw."""
    total = min(int(rgb.sum(dtype=np.int64)), strip.byte_budget)
    return strip.idle_ma * strip.leds + total * strip.led_ma / _FULL


class Search:
    """Finds how many LEDs light, from whether one of them does: halves what is left, about eight looks for 300.

    `known` light for certain, `most` is the number that the settings name.
    """

    def __init__(self, most: int) -> None:
        self._known, self._dark = 1, most
        """Places counted from 1: the last that lights for certain, and the first that is dark for certain."""

    @property
    def place(self) -> int | None:
        """The place to look at next, counted from 0; None when it is found."""
        return (self._known + self._dark) // 2 - 1 if self._dark - self._known > 1 else None

    def saw(self, lit: bool) -> None:
        """Whether the LED at `place` was seen to light."""
        place = self.place
        if place is None:
            return
        if lit:
            self._known = place + 1
        else:
            self._dark = place + 1

    @property
    def found(self) -> int:
        """How many light, as far as is known."""
        return self._known
