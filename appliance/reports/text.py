"""A sheet becomes lines for a terminal of any width, without its drawings.

Colours and bold only where the terminal shows them; the words are those of the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from appliance.reports.sheet import Lines, Sheet, Table, Tile

if TYPE_CHECKING:
    from rich.console import RenderableType


_HEAD, _NAME, _GAP = 14, 24, 2
"""A head of a column is folded beyond so many letters, a row's name is not cut below; columns stand so far apart."""


def text(sheet: Sheet, *, width: int | None = None, colours: bool | None = None) -> str:
    """The lines. width : columns; None = the terminal's. colours : None = where the terminal has them."""
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colours, no_color=not colours, highlight=False, markup=False
    )
    for part in _parts(sheet, console.width):
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _parts(sheet: Sheet, width: int) -> Iterator[RenderableType]:
    from rich.text import Text

    yield Text(sheet.title, style="bold")
    yield Text(" · ".join(sheet.facts))
    yield Text()
    for tile in sheet.tiles:
        yield _tile(tile)
    for band in sheet.bands:
        for _, item in band:
            if isinstance(item, Table):
                yield from _table(item, width)
            elif isinstance(item, Lines):
                yield from _lines(item)
    yield Text()
    yield Text("\n".join(sheet.foot), style="dim")


def _tile(tile: Tile) -> RenderableType:
    from rich.text import Text

    joined = "" if tile.unit == "°" else " "
    figure = f"{tile.figure}{joined}{tile.unit}".rstrip()
    return Text.assemble(f"{tile.title}: ", (figure, "bold"), f"  {'; '.join(tile.lines)}")


def _table(table: Table, width: int) -> Iterator[RenderableType]:
    """A table in as many pieces, one below the other, as it takes for no figure to be broken."""
    from rich.text import Text

    yield Text()
    yield Text(table.title, style="bold")
    wide = [_column(table, n) for n in range(len(table.head))]
    wide[0] = min(wide[0], max(_NAME, width - 2 * (max(wide[1:], default=0) + _GAP)))
    yield from (_piece(table, wide, columns) for columns in _pieces(wide, width))
    if table.note:
        yield Text(table.note, style="dim")


def _column(table: Table, n: int) -> int:
    """As wide as its widest figure; a head may take several lines."""
    head = max((*map(len, table.head[n].split()), min(len(table.head[n]), _HEAD)), default=0)
    return max(1, head, *(len(row[n]) for row in table.rows)) if table.rows else max(1, head)


def _pieces(wide: Sequence[int], width: int) -> Iterator[list[int]]:
    """Which columns go together beside the first one."""
    piece, room = [0], width - wide[0]
    for n, own in enumerate(wide[1:], 1):
        if own + _GAP > room and len(piece) > 1:
            yield piece
            piece, room = [0], width - wide[0]
        piece.append(n)
        room -= own + _GAP
    yield piece


def _piece(table: Table, wide: Sequence[int], columns: Sequence[int]) -> RenderableType:
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for n in columns:
        grid.add_column(
            Text(table.head[n]), justify="right" if n else "left", width=wide[n], vertical="bottom"
        )
    for n, row in enumerate(table.rows):
        if any(row[k] for k in columns[1:]):
            grid.add_row(
                *(Text(row[k].replace(" °", "\u00a0°")) for k in columns),
                style="bold" if n in table.strong else None,
            )
    return grid


def _lines(lines: Lines) -> Iterator[RenderableType]:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, 2, 0, 0))
    for name, words in lines.lines:
        grid.add_row(Text(name), Text(words))
    yield Text()
    yield Text(lines.title, style="bold")
    yield grid
