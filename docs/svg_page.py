"""Shapes in pixels become an SVG picture on white paper, the same bytes every time. x to the right, y down."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

INK, GREY, FAINT, RED, BLUE, GREEN, AMBER = (
    "#1b1f26",
    "#6b7280",
    "#e5e7eb",
    "#c2312d",
    "#1f6feb",
    "#1a7f4b",
    "#b76e00",
)


class Page:
    """One picture."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._size, self._title = (width, height), title
        self._parts: list[str] = [f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>']

    def box(
        self, x: float, y: float, w: float, h: float, fill: str = "none", line: str = INK, r: float = 4.0
    ) -> None:
        """A rectangle."""
        self._parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{w:.4g}" height="{h:g}" rx="{r:g}" fill="{fill}" stroke="{line}"/>'
        )

    def way(
        self,
        points: Sequence[tuple[float, float]],
        line: str = INK,
        width: float = 1.5,
        fill: str = "none",
        dashes: str = "",
    ) -> None:
        """A line through points, or with `fill` the area inside them."""
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        kind = "polyline" if fill == "none" else "polygon"
        self._parts.append(
            f'<{kind} points="{text}" fill="{fill}" stroke="{line}" stroke-width="{width:g}"'
            f' stroke-linejoin="round"{dashed}/>'
        )

    def dot(
        self, x: float, y: float, r: float, fill: str = INK, line: str = "none", width: float = 1.0
    ) -> None:
        """A disc."""
        self._parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:g}" fill="{fill}" stroke="{line}" stroke-width="{width:g}"/>'
        )

    def words(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 13,
        ink: str = INK,
        at: str = "start",
        *,
        bold: bool = False,
    ) -> None:
        """Words on the line y; `at` is start, middle or end."""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{ink}" text-anchor="{at}"{weight}>'
            f"{escape(text)}</text>"
        )

    def measure(self, x0: float, y0: float, x1: float, y1: float, text: str, ink: str = GREY) -> None:
        """A level or upright measure with small ends and its words beside it."""
        self.way([(x0, y0), (x1, y1)], ink, 1.0)
        level = y0 == y1
        for x, y in ((x0, y0), (x1, y1)):
            self.way([(x, y - 4), (x, y + 4)] if level else [(x - 4, y), (x + 4, y)], ink, 1.0)
        if level:
            self.words((x0 + x1) / 2, y0 - 6, text, 12, ink, "middle")
        else:
            self.words(x0 + 7, (y0 + y1) / 2 + 4, text, 12, ink)

    def save(self, path: Path) -> None:
        """Write the picture."""
        width, height = self._size
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
        body = "\n".join(self._parts)
        path.write_text(
            f'{head} font-family="sans-serif">\n<title>{escape(self._title)}</title>\n{body}\n</svg>\n',
            encoding="utf-8",
        )
