"""What differs between two canvases becomes the shortest escape sequences we know (ECMA-48, as every xterm has them).

textual itself sends a changed row from its first column on, which is twice as much; on a slow line every byte is age.
Colours and places are told only where they change. The text begins and ends with the terminal's own colours.
"""

from __future__ import annotations

import numpy as np

from appliance.commands.watching.canvas import PLAIN, Canvas, Look, spans
from appliance.commands.watching.ink import rgb_of

_RESET = "\x1b[0m"


def changes(before: Canvas, after: Canvas) -> str:
    """The bytes that turn one canvas into the other, of the same size; "" when there is nothing to do."""
    parts: list[str] = []
    at: tuple[int, int] | None = None
    look = PLAIN
    for y, x, count in spans(after.differs(before)):
        parts.append(_moved(at, x, y))
        end = x + count
        for text, wanted in after.stretches(y, x, end):
            parts += (_turned(look, wanted), text)
            look = wanted
        at = (end, y) if end < after.width else None  # at the edge terminals differ
    if look != PLAIN:
        parts.append(_RESET)
    return "".join(parts)


def _moved(at: tuple[int, int] | None, x: int, y: int) -> str:
    if at is not None and at[1] == y:
        return f"\x1b[{x - at[0]}C"
    return f"\x1b[{y + 1};{x + 1}H"


def _turned(now: Look, wanted: Look) -> str:
    """From one look to another."""
    if now == wanted:
        return ""
    if wanted == PLAIN:
        return _RESET
    codes = []
    if now.bold != wanted.bold:
        codes.append("1" if wanted.bold else "22")
    if now.fore != wanted.fore:
        codes.append(_coloured(wanted.fore, 30))
    if now.back != wanted.back:
        codes.append(_coloured(wanted.back, 40))
    return f"\x1b[{';'.join(codes)}m"


def _coloured(ink: int, base: int) -> str:
    """A colour's code: base 30 for the foreground, 40 for the background."""
    if ink < 0:
        return str(base + 9)
    if ink < 16:
        return str(base + ink if ink < 8 else base + 52 + ink)
    if ink < 256:
        return f"{base + 8};5;{ink}"
    red, green, blue = rgb_of(ink) or (0, 0, 0)
    return f"{base + 8};2;{red};{green};{blue}"


def same(before: Canvas, after: Canvas) -> bool:
    """Whether two canvases have one size, so that the one can be turned into the other."""
    return (before.width, before.height) == (after.width, after.height) and bool(np.size(after.signs))
