"""A board's measures become a page to print: black squares at true scale, a 100 mm bar to check it, and what to do.

Millimetres from the page's upper left corner. Refuses squares that do not fit the paper.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.options import FILE, finite
from appliance.errors import OutputError

if TYPE_CHECKING:
    from appliance.calibration.board import Board

PAPERS = {"a4": (297.0, 210.0), "a3": (420.0, 297.0), "letter": (279.4, 215.9)}
"""Lying, width and height in mm."""
_SQUARE_MM = {"a4": 30.0, "a3": 48.0, "letter": 30.0}
_SIDE_MM, _TOP_MM, _FOOT_MM = 10.0, 14.0, 34.0
_PT = 72.0 / 25.4


@click.command(name="board")
@click.option("-o", "--output", "path", type=FILE, required=True, help="The PDF to write.")
@click.option(
    "--paper", type=click.Choice(tuple(PAPERS)), default="a4", show_default=True, help="Paper, lying."
)
@click.option(
    "--square-mm",
    type=click.FloatRange(10, 100),
    callback=finite,
    help="Side of a square.  [default: 30; 48 on A3]",
)
def command(path: Path, paper: str, square_mm: float | None) -> int:
    """Make the board to print, for `calibrate lens` and `calibrate level`.

    Print it at 100 % ("actual size") with a laser printer, measure the bar below it, and glue it onto something flat
    and stiff. The larger the board, the better: A3 if the printer can.

    \b
    Examples:
      hipbar calibrate board -o board.pdf
      hipbar calibrate board -o board.pdf --paper a3
    """
    from appliance.calibration.board import Board

    board = Board().scaled(square_mm or _SQUARE_MM[paper])
    page_w, page_h = PAPERS[paper]
    width, height = board.size_mm
    if width > page_w - 2 * _SIDE_MM or height > page_h - _TOP_MM - _FOOT_MM:
        most = min((page_w - 2 * _SIDE_MM) / board.columns, (page_h - _TOP_MM - _FOOT_MM) / board.rows)
        raise click.UsageError(
            f"squares of {board.square_mm:g} mm do not fit {paper}: at most {int(most)} mm"
        )
    _write(path, drawn(board, paper))
    click.echo(f"{path}: {board.columns} x {board.rows} squares of {board.square_mm:g} mm on {paper}, lying")
    click.echo("  print it at 100 %; the bar below the board must then measure 100 mm")
    return 0


def drawn(board: Board, paper: str) -> bytes:
    """The page as a PDF."""
    from reportlab.pdfgen.canvas import Canvas

    from appliance.calibration.board import squares_mm

    page_w, page_h = PAPERS[paper]
    width, height = board.size_mm
    left, top = (page_w - width) / 2, (page_h - _TOP_MM - _FOOT_MM - height) / 2 + _TOP_MM
    out = BytesIO()
    canvas = Canvas(out, pagesize=(page_w * _PT, page_h * _PT), invariant=1, pageCompression=0)
    canvas.setTitle("hipbar calibration board")
    canvas.scale(_PT, _PT)
    for shape in squares_mm(board):
        way = canvas.beginPath()  # one path a shape: no hairlines where its bars touch
        for x, y, w, h in shape:
            way.rect(left + x, page_h - top - y - h, w, h)
        canvas.drawPath(way, stroke=0, fill=1)
    _words(canvas, board, (page_w, page_h))
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _words(canvas: Any, board: Board, page: tuple[float, float]) -> None:
    """The heading, the bar of 100 mm and what to do with it."""
    page_w, page_h = page
    canvas.setFont("Helvetica", 3.6)
    heading = (
        f"hipbar calibration board: {board.columns} x {board.rows} squares of {board.square_mm:g} mm,"
        f" markers {board.marker_mm:.4g} mm, {board.dictionary}"
    )
    canvas.drawCentredString(page_w / 2, page_h - 10, heading)
    x, y = (page_w - 100) / 2, 23.0
    canvas.setLineWidth(0.25)
    canvas.line(x, y, x + 100, y)
    for k in range(11):
        long = 3.0 if k % 5 == 0 else 1.8
        canvas.line(x + 10 * k, y, x + 10 * k, y + long)
    canvas.setFont("Helvetica", 3.2)
    for k in (0, 50, 100):
        canvas.drawCentredString(x + k, y + 4, f"{k} mm")
    lines = (
        'Print at 100 % ("actual size", not "fit to page"), by laser: many inks are invisible to an infrared camera.',
        "The bar must measure 99.5 to 100.5 mm.",
        "Glue it flat onto glass, aluminium or acrylic, not onto cardboard, which bends. Matt, no folds, no tape.",
    )
    for k, line in enumerate(lines):
        canvas.drawCentredString(page_w / 2, 17 - 4.6 * k, line)


def _write(path: Path, data: bytes) -> None:
    """The whole file, or none of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OutputError(
            f"{path}: {error.strerror}", fix="give a file in a folder that can be written to"
        ) from None
