"""What the station has to say when it has no figure to show becomes a still, dim, sparse picture on the bar.

LEDs count from the runner's left. A rank is a distance from the middle: rank 0 is the innermost LED of either half.
Colours are duty: a byte is proportional to light and to current, 255 is an LED's full channel.
Refuses to blink, to favour a side, to draw more than the current cap, to light two neighbours or the middle
(from eight LEDs up; a bar always grows from the middle, so nobody can take one for the other), and to need Numba:
"starting" is lit before anything else is loaded. A rest (`rest`) has neighbours, but grows from the ends.
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

VISIT: dict[str, Colour] = {
    "blue-white": (0.0, 1.0, 0.0),
    "amber-white": (0.0, 1.0, 0.0),
    "green-violet": (0.8, 0.0, 0.6),
    "white": (0.0, 1.0, 0.0),
}
"""By palette, the colour in which a visit speaks to the runner; a third one, that nothing else has in that palette."""

DEEP: dict[str, Colour] = {
    "blue-white": (0.0, 0.0, 1.0),
    "amber-white": (0.13, 0.08, 0.0),
    "green-violet": (0.06, 0.0, 1.0),
    "white": (0.085, 0.085, 0.085),
}
"""By palette, the live bubble's colour: relative luminance at most 0.086, under the tenth that makes a flash."""

_DIM = 0.3  # patterns inform the technician; they must not shout at a runner
_CURTAIN = 0.25  # of that, a rest's long pieces: the whole bar of them has less light than a bar of dots


def top_byte(strip: Strip) -> int:
    """The largest byte that the brightness setting lets a channel have, never 0."""
    return max(1, int(255 * strip.brightness))


class _Dot(NamedTuple):
    """One lit LED of a picture: in which of the palette's colours for pictures, and how bright beside the others."""

    colours: dict[str, Colour]
    level: float = 1.0


_NOTE, _OWN, _VISIT = _Dot({name: three[2] for name, three in PALETTES.items()}), _Dot(OWN), _Dot(VISIT)


def pattern(shown: Shown | Notice, settings: Settings) -> U8:
    """The still picture for `shown`: (LEDs, 3) uint8 red, green, blue; dark for OFF and MEASUREMENT."""
    return _drawn(_ranks(shown, settings.strip.leds // 2), settings)


def rest(share: float, settings: Settings) -> U8:
    """A rest of which `share` (0 to 1) is over: light from both ends, which draws back to the ends as the rest passes.

    (LEDs, 3) uint8. At least the two outermost LEDs stay lit, so that the last moment is no other picture.
    """
    half, left = settings.strip.leds // 2, 1.0 - min(max(share, 0.0), 1.0)
    if half == 2:
        return _drawn(dict.fromkeys(range(0 if left > 0.5 else 1, 2), _VISIT), settings)
    inmost = half - 2 - round(left * (half - 3))
    dots = {rank: _Dot(VISIT, _CURTAIN) for rank in range(inmost + 1, half)}
    return _drawn(dots | {inmost: _VISIT}, settings)


def _drawn(ranks: dict[int, _Dot], settings: Settings) -> U8:
    """The picture of these ranks on both halves, within the current cap."""
    count, palette, top = settings.strip.leds, settings.feedback.palette, top_byte(settings.strip)
    leds = np.zeros((count, 3), np.uint8)
    for rank, dot in ranks.items():
        leds[count // 2 - 1 - rank] = leds[count - count // 2 + rank] = [
            max(1, int(_DIM * dot.level * c * top)) if c else 0 for c in dot.colours[palette]
        ]
    total, budget = int(leds.sum()), settings.strip.byte_budget
    if total > budget:
        leds = (leds.astype(np.int64) * budget // total).astype(np.uint8)
        leds[:, 0] = np.minimum(leds[:, 0], 3 * leds[:, 1:].sum(1))  # rounding must not leave red alone
    return leds


def _ranks(shown: Shown | Notice, half: int) -> dict[int, _Dot]:
    """Which ranks of both halves a picture lights, and how (see docs/feedback.md for the pictures)."""
    if half < 4:
        return _on_a_very_short_bar(half).get(shown, {})
    pictures = _on_a_short_bar(half) if half < 6 else _on_a_bar(half)
    return {rank: dot for dot, ranks in pictures.get(shown, ()) for rank in sorted(ranks)}


_Picture = tuple[tuple[_Dot, set[int]], ...]


def _on_a_bar(half: int) -> dict[Shown | Notice, _Picture]:
    """Twelve LEDs and more: twelve shapes, and the colour only says it again.

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
        **{notice: ((_VISIT, ranks),) for notice, ranks in _of_a_visit(half, first).items()},
    }


def _of_a_visit(half: int, inner: int) -> dict[Notice, set[int]]:
    """Inner, middle and outer of each half, one or two of them lit; twelve to fifteen LEDs leave other places."""
    if half < 8:
        return {Notice.STAND_STILL: {3}, Notice.BEGINS: {2}, Notice.ENDS: {4}, Notice.PAUSED: {1, 4}}
    middle, outer = half // 2, half - 1
    return {
        Notice.STAND_STILL: {middle},
        Notice.BEGINS: {inner, middle},
        Notice.ENDS: {middle, outer},
        Notice.PAUSED: {inner, outer},
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
        Notice.STAND_STILL: ((_VISIT, {1}),),
        Notice.BEGINS: ((_VISIT, {2}),),
        Notice.ENDS: ((_VISIT, {end}),),
        Notice.PAUSED: ((_VISIT, {1, 3}),),
    }


def _on_a_very_short_bar(half: int) -> dict[Shown | Notice, dict[int, _Dot]]:
    """Four to seven LEDs can do without neither the middle nor neighbours: here colour tells, and tells from a bar."""
    end = half - 1
    four = half == 2  # or five: there the visit's colour alone is a rest
    return {
        Shown.NO_DATA: {end: _NOTE},
        Shown.UNSURE_SIDES: {1: _NOTE, 0: _Dot(OWN, 0.4)} if four else {1: _NOTE},
        Shown.WARMING_UP: {end: _NOTE, 0: _NOTE},
        Shown.STANDING: {0: _NOTE},
        Notice.STARTING: {half - 2: _OWN},
        Notice.NO_CAMERA: {end: _OWN},
        Notice.FAULT: {end: _OWN, 0: _OWN},
        Notice.RECORDING: {end: _OWN, 0: _NOTE},
        Notice.STAND_STILL: {0: _VISIT},
        Notice.BEGINS: {1: _NOTE, 0: _VISIT} if four else {1: _VISIT},
        Notice.ENDS: {1: _VISIT, 0: _NOTE} if four else {2: _VISIT},
        Notice.PAUSED: {1: _VISIT, 0: _OWN} if four else {2: _VISIT, 0: _VISIT},
    }
