"""A sheet becomes lines for a terminal of any width, without its drawings.

Colours and bold only where the terminal shows them; the words are those of the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from appliance.reports.sheet import Lines, Sheet, Table, Tile

if TYPE_CHECKING:
    from rich.console import RenderableType


def text(sheet: Sheet, *, width: int | None = None, colours: bool | None = None) -> str:
    """The lines. width : columns; None = the terminal's. colours : None = where the terminal has them."""
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colours, no_color=not colours, highlight=False, markup=False
    )
    for part in _parts(sheet):
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _parts(sheet: Sheet) -> Iterator[RenderableType]:
    from rich.text import Text

    yield Text(sheet.title, style="bold")
    yield Text(" · ".join(sheet.facts))
    yield Text()
    for tile in sheet.tiles:
        yield _tile(tile)
    for band in sheet.bands:
        for _, item in band:
            if isinstance(item, Table):
                yield from _table(item)
            elif isinstance(item, Lines):
                yield from _lines(item)
    yield Text()
    yield Text("\n".join(sheet.foot), style="dim")


def _tile(tile: Tile) -> RenderableType:
    from rich.text import Text

    joined = "" if tile.unit == "°" else " "
    figure = f"{tile.figure}{joined}{tile.unit}".rstrip()
    return Text.assemble(f"{tile.title}: ", (figure, "bold"), f"  {'; '.join(tile.lines)}")


def _table(table: Table) -> Iterator[RenderableType]:
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, title=None)
    for n, name in enumerate(table.head):
        grid.add_column(Text(name), justify="right" if n else "left", overflow="fold")
    for n, row in enumerate(table.rows):
        grid.add_row(*map(Text, row), style="bold" if n in table.strong else None)
    yield Text()
    yield Text(table.title, style="bold")
    yield grid
    if table.note:
        yield Text(table.note, style="dim")


def _lines(lines: Lines) -> Iterator[RenderableType]:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, 2, 0, 0))
    for name, words in lines.lines:
        grid.add_row(Text(name), Text(words))
    yield Text()
    yield Text(lines.title, style="bold")
    yield grid
