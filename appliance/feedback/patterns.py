"""What the station has to say when it has no figure to show becomes a still, dim, sparse picture on the bar.

LEDs count from the runner's left. A rank is a distance from the middle: rank 0 is the innermost LED of either half.
Colours are duty: a byte is proportional to light and to current, 255 is an LED's full channel.
Refuses to blink, to favour a side, to draw more than the current cap, to light two neighbours or the middle
(from eight LEDs up; a bar always grows from the middle, so nobody can take one for the other), and to need Numba:
the start-up shows "warming up" before compiled code is loaded.
"""

from __future__ import annotations

import numpy as np

from appliance.config import Settings, Strip
from appliance.records import U8, Shown

Colour = tuple[float, float, float]

PALETTES: dict[str, tuple[Colour, Colour, Colour]] = {
    "blue-white": ((0.05, 0.30, 1.0), (1.0, 1.0, 1.0), (1.0, 0.6, 0.0)),
    "amber-white": ((1.0, 0.6, 0.0), (1.0, 1.0, 1.0), (0.0, 0.7, 0.8)),
    "green-violet": ((0.0, 0.8, 0.2), (0.6, 0.15, 1.0), (1.0, 0.6, 0.0)),
    "white": ((0.6, 0.6, 0.6), (1.0, 1.0, 1.0), (0.05, 0.30, 1.0)),
}
"""By name: inside the band, beyond it, and the colour of the patterns (one that this palette's bar never has)."""

DEEP: dict[str, Colour] = {
    "blue-white": (0.0, 0.0, 1.0),
    "amber-white": (0.13, 0.08, 0.0),
    "green-violet": (0.06, 0.0, 1.0),
    "white": (0.085, 0.085, 0.085),
}
"""By palette, the live bubble's colour: relative luminance at most 0.086, under the tenth that makes a flash."""

_DIM = 0.3  # patterns inform the technician; they must not shout at a runner


def top_byte(strip: Strip) -> int:
    """The largest byte that the brightness setting lets a channel have, never 0."""
    return max(1, int(255 * strip.brightness))


def pattern(shown: Shown, settings: Settings) -> U8:
    """The still picture for `shown`: (LEDs, 3) uint8 red, green, blue; dark for OFF and MEASUREMENT."""
    count = settings.strip.leds
    leds = np.zeros((count, 3), np.uint8)
    note = PALETTES[settings.feedback.palette][2]
    for rank, level in _ranks(shown, count // 2).items():
        dot = [max(1, int(_DIM * level * c * top_byte(settings.strip))) if c else 0 for c in note]
        leds[count // 2 - 1 - rank] = leds[count - count // 2 + rank] = dot
    total, budget = int(leds.sum()), settings.strip.byte_budget
    return leds if total <= budget else (leds.astype(np.int64) * budget // total).astype(np.uint8)


def _ranks(shown: Shown, half: int) -> dict[int, float]:
    """Which ranks of both halves a pattern lights, and how strongly (see docs/feedback.md for the pictures)."""
    if half < 4:
        return _ranks_of_a_short_bar(half).get(shown, {})
    end, near = half - 1, max(1, half // 4)
    unsure = {half - 2} if half < 6 else {end, end - max(2, half // 8)}
    lit: dict[Shown, set[int]] = {
        Shown.NO_DATA: {end},
        Shown.UNSURE_SIDES: unsure,
        Shown.WARMING_UP: set(range(end, 0, -max(2, half // 4))),
        Shown.STANDING: {near},
    }
    return dict.fromkeys(sorted(lit.get(shown, set())), 1.0)


def _ranks_of_a_short_bar(half: int) -> dict[Shown, dict[int, float]]:
    """Four to seven LEDs have too few places for four shapes without the middle: here strength and colour help."""
    if half == 2:
        unsure, warming = {1: 1.0, 0: 0.4}, {1: 1.0, 0: 1.0}
    else:
        unsure, warming = {1: 1.0}, {2: 1.0, 0: 1.0}
    return {
        Shown.NO_DATA: {half - 1: 1.0},
        Shown.UNSURE_SIDES: unsure,
        Shown.WARMING_UP: warming,
        Shown.STANDING: {0: 1.0},
    }
