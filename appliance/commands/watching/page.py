"""A `View` and the size of a terminal become a whole screen.

    heading
    bar, what it means; how fresh the screen is
    the visit that runs
    picture | figures
            | curve
    what was just said
    keys

Refuses to squeeze: below 80 x 24 it says so instead.
"""

from __future__ import annotations

import numpy as np

from appliance.commands.watching import panels, picture, trace
from appliance.commands.watching.canvas import BOLD, Canvas
from appliance.commands.watching.ink import Ink
from appliance.commands.watching.view import View, upright, upright_px, upright_size

SMALLEST = (80, 24)
_TOP, _BOTTOM = 4, 2
_FIGURES = 38
"""The figures' columns; what is left is the picture's."""
_CURVE_MOST = 20
GREYS = {"full": 24, "coarse": 6, "dots": 0}
"""How many greys the picture is drawn with, by detail; 0 = no picture, only its dots."""


class Page:
    """One screen after the other; the only memory is the last picture's greys."""

    def __init__(self, ink: Ink) -> None:
        self.ink = ink
        self._shade = picture.Shade()

    def draw(self, view: View, width: int, height: int, detail: str = "full") -> Canvas:
        """The screen."""
        canvas = Canvas(width, height)
        if width < SMALLEST[0] or height < SMALLEST[1]:
            canvas.write(
                0, 0, f"hipbar watch needs {SMALLEST[0]}x{SMALLEST[1]}, this is {width}x{height}", BOLD
            )
            canvas.write(0, 1, "make the window larger (q quits)")
            return canvas
        panels.heading(canvas, view)
        panels.bar(canvas, 1, view, self.ink)
        panels.freshness(canvas, 2, view)
        panels.visit(canvas, 3, view)
        if view.helping:
            self._help(canvas)
        else:
            self._middle(canvas, view, detail)
        panels.footer(canvas, view)
        return canvas

    def picture_size(self, width: int, height: int) -> tuple[int, int]:
        """The points of the picture that a screen of this size can draw, at most."""
        return max(width - _FIGURES - 2, 0), max(2 * (height - _TOP - _BOTTOM), 0)

    def _middle(self, canvas: Canvas, view: View, detail: str) -> None:
        rows = canvas.height - _TOP - _BOTTOM
        wide = self._picture(canvas, view, canvas.width - _FIGURES - 2, rows, detail)
        x = wide + 2
        lines = panels.figures(view, canvas.width - x)
        for k, (text, look) in enumerate(lines):
            canvas.write(x, _TOP + k, text, look)
        panels.quality(canvas, x, _TOP + len(lines) - 2, view.told, self.ink)
        y = _TOP + len(lines) + 1
        curve = min(canvas.height - _BOTTOM - y, _CURVE_MOST)
        trace.draw(canvas, (x, y, canvas.width - x, curve), view.past, self.ink, trace.faint(self.ink))

    def _picture(self, canvas: Canvas, view: View, columns: int, rows: int, detail: str) -> int:
        """Draws it and says how many columns it took."""
        told, facts = view.told, view.facts
        across, down = upright_size(facts.width_px, facts.height_px, view.mount)
        wide, high = picture.fitted(across, down, columns, rows)
        if told is None or not wide:
            canvas.write(0, _TOP, "no picture yet")
            return columns
        x = 0
        if GREYS[detail] and told.luma.size:
            points = picture.resampled(upright(told.luma, view.mount), wide, 2 * high)
            picture.draw(canvas, x, _TOP, points, self.ink, self._shade, GREYS[detail])
        else:
            self._frame(canvas, wide, high)
        places = upright_px(told.xy_px, facts.width_px, facts.height_px, view.mount) / (across, down)
        picture.mark(canvas, (x, _TOP, wide, high), np.asarray(places), self.ink)
        return wide

    def _frame(self, canvas: Canvas, wide: int, high: int) -> None:
        """The corners of a picture that is not drawn."""
        look = trace.faint(self.ink)
        for x in (0, wide - 1):
            for y in (_TOP, _TOP + high - 1):
                canvas.write(x, y, "+", look)

    def _help(self, canvas: Canvas) -> None:
        for k, (key, words) in enumerate(panels.HELP):
            canvas.write(2, _TOP + k, f"{key:>20}  {words}"[: canvas.width - 2])
