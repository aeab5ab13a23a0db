"""A screen of characters with colours; two of them become the stretches of text that differ.

Columns from the left, rows from the top, both from 0. What would lie outside is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.commands.watching.ink import OWN, Inks


class Look(NamedTuple):
    """How a stretch of text is drawn: foreground, background, bold."""

    fore: int = OWN
    back: int = OWN
    bold: bool = False


PLAIN, BOLD = Look(), Look(bold=True)


class Canvas:
    """Characters and their colours; equal shapes can be compared."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.signs: NDArray[np.str_] = np.full((height, width), " ", "<U1")
        self.fore: Inks = np.full((height, width), OWN, np.int32)
        self.back: Inks = np.full((height, width), OWN, np.int32)
        self.bold: NDArray[np.bool_] = np.zeros((height, width), bool)

    def write(self, x: int, y: int, text: str, look: Look = PLAIN) -> int:
        """Puts text on row y from column x on; the column after it."""
        end = x + len(text)
        first, last = max(x, 0), min(end, self.width)
        if 0 <= y < self.height and first < last:
            self.signs[y, first:last] = list(text[first - x : last - x])
            self.fore[y, first:last], self.back[y, first:last] = look.fore, look.back
            self.bold[y, first:last] = look.bold
        return end

    def fill(self, x: int, y: int, signs: NDArray[np.str_], fore: Inks, back: Inks) -> None:
        """Puts a block of cells with its upper left corner at x, y; it must lie inside."""
        height, width = signs.shape
        here = np.s_[y : y + height, x : x + width]
        self.signs[here], self.fore[here], self.back[here] = signs, fore, back

    def over(self, x: int, y: int, signs: NDArray[np.str_]) -> None:
        """Puts a block of signs, plain, over what is there; its blanks let it through. It must lie inside."""
        height, width = signs.shape
        here = np.s_[y : y + height, x : x + width]
        there = signs != " "
        self.signs[here][there] = signs[there]
        self.fore[here][there] = self.back[here][there] = OWN
        self.bold[here][there] = False

    def text(self) -> str:
        """The characters alone, without trailing blanks."""
        return "\n".join("".join(row).rstrip() for row in self.signs)

    def differs(self, other: Canvas) -> NDArray[np.bool_]:
        """(height, width): which cells of two canvases of one size are not the same."""
        return np.asarray(
            (self.signs != other.signs)
            | (self.fore != other.fore)
            | (self.back != other.back)
            | (self.bold != other.bold)
        )

    def stretches(self, y: int, first: int = 0, last: int | None = None) -> Iterator[tuple[str, Look]]:
        """A row, or its columns from `first` to before `last`, as stretches of one look each."""
        here = np.s_[y, first:last]
        fore, back, bold, signs = self.fore[here], self.back[here], self.bold[here], self.signs[here]
        edge = (fore[1:] != fore[:-1]) | (back[1:] != back[:-1]) | (bold[1:] != bold[:-1])
        begin = 0
        for end in [*(np.flatnonzero(edge) + 1).tolist(), len(signs)]:
            look = Look(int(fore[begin]), int(back[begin]), bool(bold[begin]))
            yield "".join(signs[begin:end].tolist()), look
            begin = end


def spans(changed: NDArray[np.bool_], join: int = 3) -> list[tuple[int, int, int]]:
    """(row, first column, number of columns) of what has changed; gaps up to `join` are cheaper drawn than skipped."""
    found: list[tuple[int, int, int]] = []
    for y in np.flatnonzero(changed.any(axis=1)).tolist():
        columns = np.flatnonzero(changed[y])
        breaks = np.flatnonzero(np.diff(columns) > join)
        firsts = columns[np.concatenate(([0], breaks + 1))]
        lasts = columns[np.concatenate((breaks, [len(columns) - 1]))]
        found += [(y, int(a), int(b - a + 1)) for a, b in zip(firsts, lasts, strict=True)]
    return found
