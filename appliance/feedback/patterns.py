"""What the station has to say when it has no figure to show becomes a still, dim, sparse picture on the bar.

LEDs count from the runner's left. A rank is a distance from the middle: rank 0 is the innermost LED of either half.
Colours are duty: a byte is proportional to light and to current, 255 is an LED's full channel.
Refuses to blink, to favour a side, to draw more than the current cap, to light two neighbours or the middle
(from eight LEDs up; a bar always grows from the middle, so nobody can take one for the other), and to need Numba:
"starting" is lit before anything else is loaded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from appliance.config import Settings, Strip
from appliance.records import U8, Notice, Shown

Colour = tuple[float, float, float]

PALETTES: dict[str, tuple[Colour, Colour, Colour]] = {
    "blue-white": ((0.05, 0.30, 1.0), (1.0, 1.0, 1.0), (1.0, 0.6, 0.0)),
    "amber-white": ((1.0, 0.6, 0.0), (1.0, 1.0, 1.0), (0.0, 0.7, 0.8)),
    "green-violet": ((0.0, 0.8, 0.2), (0.6, 0.15, 1.0), (1.0, 0.6, 0.0)),
    "white": ((0.6, 0.6, 0.6), (1.0, 1.0, 1.0), (0.05, 0.30, 1.0)),
}
"""By name: inside the band, beyond it, and the colour of the patterns (one that this palette's bar never has)."""

OWN: dict[str, Colour] = {
    "blue-white": (0.8, 0.0, 1.0),
    "amber-white": (0.8, 0.0, 1.0),
    "green-violet": (0.0, 0.9, 1.0),
    "white": (1.0, 0.6, 0.0),
}
"""By palette, the colour in which the station speaks of itself; neither its bar nor its patterns ever have it."""

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


class _Dot(NamedTuple):
    """One lit LED of a picture; `own` is the station's own colour instead of the palette's third."""

    own: bool = False
    level: float = 1.0


_NOTE, _OWN = _Dot(), _Dot(own=True)


def pattern(shown: Shown | Notice, settings: Settings) -> U8:
    """The still picture for `shown`: (LEDs, 3) uint8 red, green, blue; dark for OFF and MEASUREMENT."""
    count, palette = settings.strip.leds, settings.feedback.palette
    leds = np.zeros((count, 3), np.uint8)
    for rank, dot in _ranks(shown, count // 2).items():
        colour, level = OWN[palette] if dot.own else PALETTES[palette][2], _DIM * dot.level
        leds[count // 2 - 1 - rank] = leds[count - count // 2 + rank] = [
            max(1, int(level * c * top_byte(settings.strip))) if c else 0 for c in colour
        ]
    total, budget = int(leds.sum()), settings.strip.byte_budget
    return leds if total <= budget else (leds.astype(np.int64) * budget // total).astype(np.uint8)


def _ranks(shown: Shown | Notice, half: int) -> dict[int, _Dot]:
    """Which ranks of both halves a picture lights, and how (see docs/feedback.md for the pictures)."""
    if half < 4:
        return _on_a_very_short_bar(half).get(shown, {})
    pictures = _on_a_short_bar(half) if half < 6 else _on_a_bar(half)
    return {rank: dot for dot, ranks in pictures.get(shown, ()) for rank in sorted(ranks)}


_Picture = tuple[tuple[_Dot, set[int]], ...]


def _on_a_bar(half: int) -> dict[Shown | Notice, _Picture]:
    """Twelve LEDs and more: eight shapes, and the colour only says it again.

    "Fault" is every dot of the grid from whose ends the pairs are taken; nothing else has as many.
    """
    end, near, apart = half - 1, half // 4, max(2, half // 8)
    first, quarter = max(1, apart // 2), half // 2 - apart // 2
    return {
        Shown.NO_DATA: ((_NOTE, {end}),),
        Shown.UNSURE_SIDES: ((_NOTE, {end, end - apart}),),
        Shown.WARMING_UP: ((_NOTE, set(range(end, 0, -max(3, half // 4)))),),
        Shown.STANDING: ((_NOTE, {near}),),
        Notice.STARTING: ((_OWN, {first, first + apart}),),
        Notice.NO_CAMERA: ((_OWN, {quarter, quarter + apart}),),
        Notice.FAULT: ((_OWN, set(range(end, 0, -apart))),),
        Notice.RECORDING: ((_NOTE, {near}), (_OWN, {end})),
    }


def _on_a_short_bar(half: int) -> dict[Shown | Notice, _Picture]:
    """Eight to eleven LEDs have four or seven shapes without neighbours and the middle: colour doubles them."""
    end = half - 1
    return {
        Shown.NO_DATA: ((_NOTE, {end}),),
        Shown.UNSURE_SIDES: ((_NOTE, {half - 2}),),
        Shown.WARMING_UP: ((_NOTE, {end, end - 2}),),
        Shown.STANDING: ((_NOTE, {1}),),
        Notice.STARTING: ((_OWN, {2}),),
        Notice.NO_CAMERA: ((_OWN, {end}),),
        Notice.FAULT: ((_OWN, {1, 3}),),
        Notice.RECORDING: ((_NOTE, {1}), (_OWN, {end})),
    }


def _on_a_very_short_bar(half: int) -> dict[Shown | Notice, dict[int, _Dot]]:
    """Four to seven LEDs can do without neither the middle nor neighbours: here colour tells, and tells from a bar."""
    end = half - 1
    unsure = {1: _NOTE, 0: _Dot(own=True, level=0.4)} if half == 2 else {1: _NOTE}
    return {
        Shown.NO_DATA: {end: _NOTE},
        Shown.UNSURE_SIDES: unsure,
        Shown.WARMING_UP: {end: _NOTE, 0: _NOTE},
        Shown.STANDING: {0: _NOTE},
        Notice.STARTING: {half - 2: _OWN},
        Notice.NO_CAMERA: {end: _OWN},
        Notice.FAULT: {end: _OWN, 0: _OWN},
        Notice.RECORDING: {end: _OWN, 0: _NOTE},
    }
