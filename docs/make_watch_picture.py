"""A recorded runner on the screen of `hipbar watch` becomes the pictures of docs/watch.md: run this from anywhere.

The camera is the virtual one, before a wall that is brighter on one side, with a lamp.
What is drawn are the very cells that a terminal gets, at 80x24: in all colours, and in letters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from appliance.commands.watching.canvas import Canvas  # noqa: E402
from appliance.commands.watching.ink import Depth, Ink, rgb_of  # noqa: E402
from appliance.commands.watching.page import Page  # noqa: E402
from hw.camera.scene import Reflection, Scene, settings  # noqa: E402
from tests.watch.conftest import Run  # noqa: E402

OUT = Path(__file__).parent / "pictures"
_CELL, _LINE, _PAD = 8.0, 17.0, 12.0
_INK, _PAPER, _FRAME = "#d7dae0", "#15171c", "#2a2d34"
_WORLD = Scene(
    runner="ric",
    width_px=640,
    height_px=480,
    background=60.0,
    gradient_x=70.0,
    gradient_y=-50.0,
    noise=3.0,
    clutter=(Reflection(x_px=-230.0, y_px=-170.0, diameter_px=46.0, level=190.0),),
    duration_s=12.0,
)


def colour(ink: int, own: str) -> str:
    """A cell's colour for the SVG."""
    rgb = rgb_of(ink)
    return own if rgb is None else "#{:02x}{:02x}{:02x}".format(*rgb)


def cell(sign: str, x: float, y: float, fore: str, back: str, bold: bool) -> Iterator[str]:
    """One character: blocks and points as shapes, so that no font can shift them."""
    if back != _PAPER:
        yield _box(x, y, _CELL, _LINE, back)
    if sign == "▀":
        yield _box(x, y, _CELL, _LINE / 2, fore)
    elif 0x2800 < ord(sign) < 0x2900:
        for bit, (column, row) in enumerate(((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))):
            if (ord(sign) - 0x2800) >> bit & 1:
                yield _box(x + 1.2 + 4 * column, y + 1.2 + row * _LINE / 4, 2.4, 2.4, fore)
    elif sign != " ":
        weight = ' font-weight="700"' if bold else ""
        yield f'<text x="{x:g}" y="{y + 13:g}" fill="{fore}"{weight}>{escape(sign)}</text>'


def _box(x: float, y: float, wide: float, high: float, fill: str) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{wide + 0.3:.1f}" height="{high + 0.3:.1f}" fill="{fill}"/>'


def picture(canvas: Canvas, title: str) -> str:
    """The SVG of one screen."""
    width, height = canvas.width * _CELL + 2 * _PAD, canvas.height * _LINE + 2 * _PAD
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        f' height="{height:g}" font-family="monospace" font-size="13" shape-rendering="crispEdges">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{_PAPER}" stroke="{_FRAME}"/>',
    ]
    for y in range(canvas.height):
        for x in range(canvas.width):
            looks = colour(int(canvas.fore[y, x]), _INK), colour(int(canvas.back[y, x]), _PAPER)
            at = _PAD + x * _CELL, _PAD + y * _LINE
            parts += cell(str(canvas.signs[y, x]), *at, *looks, bool(canvas.bold[y, x]))
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """Draws both."""
    run = Run(_WORLD, settings(_WORLD))
    for name, ink in (("watch", Ink(Depth.TRUE)), ("watch_letters", Ink(Depth.NONE, utf8=False))):
        canvas = Page(ink).draw(run.views[-1], 80, 24)
        (OUT / f"{name}.svg").write_text(picture(canvas, "hipbar watch"), encoding="utf-8")


if __name__ == "__main__":
    main()
