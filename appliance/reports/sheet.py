"""What a report says, whatever it is written on: tiles, tables, drawings and lines, in bands from top to bottom.

Everything is text in the reader's language already. Millimetres. Heights are those of the printed page, from which a
sheet knows beforehand by how much it has to shrink to be one page; no page is ever longer than one. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

PAGE_MM = (190.0, 256.0)
"""What can be printed on: A4 less its margins, and no higher than Letter less its margins."""

_HEAD_MM, _FOOT_MM, _TILE_MM, _LINE_MM, _ROW_MM, _TITLE_MM, _GAP_MM = 15.0, 9.5, 5.6, 3.35, 4.1, 3.9, 2.2
_LETTERS_A_MM = 0.66
SMALLEST = 0.55
"""Letters of 7 points become 4: hardly to be read, but a page."""


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One figure that is seen first. lines : what stands under it; firm : whether the last of them is a real change."""

    title: str
    figure: str
    unit: str
    lines: tuple[str, ...] = ()
    firm: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of words; the first column names the row. strong : rows that are set bold."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    strong: frozenset[int] = frozenset()

    def height_mm(self, width_mm: float) -> float:
        """On paper; only names of rows and heads of columns ever take a second line."""
        letters = max(1.0, width_mm * _LETTERS_A_MM)
        head = 2 if sum(map(len, self.head)) > letters else 1
        others = sum(
            2 + max(map(len, column), default=0) for column in list(zip(*self.rows, strict=True))[1:]
        )
        room = max(0.2 * letters, letters - others)
        names = sum(-(-len(row[0]) // int(room)) for row in self.rows)
        notes = -(-len(self.note) // int(1.1 * letters))
        return (_TITLE_MM if self.title else 0) + (head + names) * _ROW_MM + notes * _LINE_MM


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A drawing: `draw` makes the SVG of a size. alt : what it shows, for those who don't see it."""

    title: str
    alt: str
    draw: Callable[[tuple[float, float]], str]
    tall_mm: float
    note: str = ""

    def height_mm(self, width_mm: float) -> float:
        """On paper."""
        notes = -(-len(self.note) // max(1, int(width_mm * _LETTERS_A_MM)))
        return _TITLE_MM + self.tall_mm + notes * _LINE_MM


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Small print: a name and what there is to say about it, line by line."""

    title: str
    lines: tuple[tuple[str, str], ...]

    def height_mm(self, width_mm: float) -> float:
        """On paper."""
        letters = max(1, int(width_mm * _LETTERS_A_MM))
        whole = sum(-(-(len(name) + 2 + len(words)) // letters) for name, words in self.lines)
        return _TITLE_MM + whole * _LINE_MM


Item = Table | Picture | Lines


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One report. bands : what stands side by side, with each one's share of the width."""

    title: str
    subtitle: str
    facts: tuple[str, ...]
    tiles: tuple[Tile, ...]
    bands: tuple[tuple[tuple[float, Item], ...], ...]
    foot: tuple[str, ...]
    language: str

    def height_mm(self, scale: float = 1.0) -> float:
        """Of all of it on paper, with letters and drawings of that size: smaller ones have more room in a line."""
        width_mm = PAGE_MM[0] / scale
        tiles = max([0.0, *((3.2 + len(tile.lines) * 0.62) * _TILE_MM for tile in self.tiles)])
        facts = -(-len(" · ".join(self.facts)) // int(width_mm * _LETTERS_A_MM)) * _LINE_MM
        bands = [
            max([0.0, *(item.height_mm(share * width_mm) for share, item in band)]) for band in self.bands
        ]
        whole = _HEAD_MM + facts + tiles + sum(bands) + _GAP_MM * (len(bands) + 1) + _FOOT_MM
        return scale * whole

    def scale(self, page_mm: float = PAGE_MM[1]) -> float:
        """By how much letters and drawings shrink to be one page of that height; 1 = not at all."""
        sizes = (percent / 100 for percent in range(100, round(100 * SMALLEST), -2))
        return next((size for size in sizes if self.height_mm(size) <= page_mm), SMALLEST)
