"""A strip's settings become the pictures that try it: each one says in words what a person should see.

Pictures are (n, 3) uint8 from the runner's left to right, at the brightness of the settings. Like the station's own
they do not blink: no LED lights up more than once in a picture. Pure: time is the share of the picture that is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from appliance.config import Settings
from appliance.feedback.patterns import pattern, top_byte
from appliance.records import U8, Notice, Shown


class Picture(NamedTuple):
    """What is on the bar for `share` of the test: `words` for the person, and the LEDs when 0..1 of it is over."""

    words: str
    share: float
    leds: Callable[[float], U8]


_PATTERNS: dict[Shown | Notice, str] = {
    Shown.NO_DATA: "no data",
    Shown.UNSURE_SIDES: "unsure of sides",
    Shown.WARMING_UP: "warming up",
    Shown.STANDING: "standing",
    **{notice: notice.value for notice in Notice},
}


def pictures(settings: Settings) -> Iterator[Picture]:
    """The test from its beginning to its end; the shares add up to 1."""
    count, top = settings.strip.leds, top_byte(settings.strip)
    half = count // 2
    white = (top, top, top)
    yield Picture("one light walks from the runner's LEFT to the RIGHT", 0.32, _walking(count, white))
    yield Picture("the runner's LEFT half is lit now", 0.1, _still(count, white, range(half)))
    yield Picture("the runner's RIGHT half is lit now", 0.1, _still(count, white, range(count - half, count)))
    for name, colour in (
        ("RED", (top, 0, 0)),
        ("GREEN", (0, top, 0)),
        ("BLUE", (0, 0, top)),
        ("WHITE", white),
    ):
        yield Picture(f"every LED is {name} now", 0.04, _still(count, colour, range(count)))
    for shown, name in _PATTERNS.items():
        yield Picture(f'the pattern "{name}"', 0.32 / len(_PATTERNS), _fixed(pattern(shown, settings)))


def _walking(count: int, colour: tuple[int, int, int]) -> Callable[[float], U8]:
    return lambda over: _lit(
        count, colour, range(min(count - 1, int(over * count)), min(count, int(over * count) + 1))
    )


def _still(count: int, colour: tuple[int, int, int], which: range) -> Callable[[float], U8]:
    return _fixed(_lit(count, colour, which))


def _fixed(leds: U8) -> Callable[[float], U8]:
    return lambda over: leds


def _lit(count: int, colour: tuple[int, int, int], which: range) -> U8:
    leds = np.zeros((count, 3), np.uint8)
    leds[which.start : which.stop] = colour
    return leds
