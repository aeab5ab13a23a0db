"""Lines, circles and words in millimetres become a page at true scale: SVG, or PDF of the same shapes.

x to the right and y down from the page's upper left corner, as on the paper. The PDF is written by hand: it needs six
drawing operators and one of the typefaces that every reader has, so no library, and the same bytes on every machine.
Refuses letters outside Latin-1, which that typeface does not have.
"""

from __future__ import annotations

import math
from html import escape
from typing import Literal, NamedTuple

POINT_MM = 25.4 / 72
PAPERS = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
KINDS = {"cut": (0.35, ""), "fine": (0.18, ""), "fold": (0.25, "2 1.2"), "axis": (0.13, "5 1 1 1")}
"""Line width in mm and dashes: cut along it; drawn for the eye; hidden behind something; an axis."""
_ROUND = 4 * (math.sqrt(2) - 1) / 3  # a quarter circle as one cubic curve, right to 0.03 %
_WIDTHS = {
    191: "'", 222: "ijl", 260: "|", 278: " !,./:;I[]\\ft", 333: "()-`r", 334: "{}", 355: '"', 389: "*", 400: "°",
    469: "^", 500: "cksvxyzJ", 556: "#$0123456789?_Labdeghnopqu", 584: "+<=>~±×", 611: "FTZ", 667: "&ABEKPSVXY",
    722: "CDHNRUw", 778: "GOQ", 833: "Mm", 889: "%", 944: "W", 1015: "@",
}  # fmt: skip
_LETTER = {letter: width for width, letters in _WIDTHS.items() for letter in letters}
"""Widths of Helvetica's letters in thousandths of its size (Adobe's metrics of the 14 standard typefaces)."""

Kind = Literal["cut", "fine", "fold", "axis"]


class Path(NamedTuple):
    """Straight pieces and cubic curves; `points` as SVG's M, L and C want them."""

    pieces: tuple[tuple[str, tuple[float, ...]], ...]
    kind: Kind
    fill: bool


class Circle(NamedTuple):
    """A circle about (x, y)."""

    x: float
    y: float
    radius: float
    kind: Kind
    fill: bool


class Text(NamedTuple):
    """Words; `size` in mm, `share` of their width lies left of x: 0, 0.5 or 1."""

    x: float
    y: float
    words: str
    size: float
    share: float


class Sheet:
    """One page that is drawn on and then written out."""

    def __init__(self, paper: str, title: str) -> None:
        self.width, self.height = PAPERS[paper]
        self.title = title
        self.shapes: list[Path | Circle | Text] = []

    def line(self, x0: float, y0: float, x1: float, y1: float, kind: Kind = "fine") -> None:
        """A straight line."""
        self.shapes.append(Path((("M", (x0, y0)), ("L", (x1, y1))), kind, False))

    def arrow(self, x: float, y: float, dx: float, dy: float) -> None:
        """A filled arrow head with its tip at (x, y), pointing along (dx, dy) of length 1."""
        x0, y0 = x - 2.2 * dx, y - 2.2 * dy
        sides = (x0 - 0.6 * dy, y0 + 0.6 * dx), (x0 + 0.6 * dy, y0 - 0.6 * dx)
        self.shapes.append(
            Path((("M", (x, y)), ("L", sides[0]), ("L", sides[1]), ("L", (x, y))), "fine", True)
        )

    def box(self, x: float, y: float, w: float, h: float, r: float = 0.0, kind: Kind = "cut") -> None:
        """A rectangle with its upper left corner at (x, y), its corners rounded by `r`."""
        k = r * (1 - _ROUND)
        x1, y1 = x + w, y + h
        pieces = (
            ("M", (x + r, y)), ("L", (x1 - r, y)), ("C", (x1 - k, y, x1, y + k, x1, y + r)),
            ("L", (x1, y1 - r)), ("C", (x1, y1 - k, x1 - k, y1, x1 - r, y1)),
            ("L", (x + r, y1)), ("C", (x + k, y1, x, y1 - k, x, y1 - r)),
            ("L", (x, y + r)), ("C", (x, y + k, x + k, y, x + r, y)),
        )  # fmt: skip
        self.shapes.append(Path(pieces, kind, False))

    def circle(self, x: float, y: float, radius: float, kind: Kind = "cut", *, fill: bool = False) -> None:
        """A circle."""
        self.shapes.append(Circle(x, y, radius, kind, fill))

    def text(self, x: float, y: float, words: str, size: float = 3.2, share: float = 0.5) -> None:
        """Words on the line y."""
        self.shapes.append(Text(x, y, words, size, share))

    def across(self, x0: float, x1: float, y: float, words: str) -> None:
        """A measure between two uprights: a line with arrows and its words above."""
        self.line(x0, y, x1, y)
        self.arrow(x0, y, -1, 0)
        self.arrow(x1, y, 1, 0)
        self.text((x0 + x1) / 2, y - 1.2, words, 3.0)

    def down(self, x: float, y0: float, y1: float, words: str) -> None:
        """A measure between two levels, its words to the right."""
        self.line(x, y0, x, y1)
        self.arrow(x, y0, 0, -1)
        self.arrow(x, y1, 0, 1)
        self.text(x + 1.5, (y0 + y1) / 2 + 1.1, words, 3.0, 0.0)

    def extent(self) -> tuple[float, float, float, float]:
        """The least box that holds everything drawn: x0, y0, x1, y1."""
        boxes = [_extent(shape) for shape in self.shapes]
        low = [min(b[k] for b in boxes) for k in (0, 1)]
        high = [max(b[k] for b in boxes) for k in (2, 3)]
        return low[0], low[1], high[0], high[1]

    def svg(self) -> str:
        """The page as SVG whose units are millimetres."""
        w, h = _figure(self.width), _figure(self.height)
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}mm" height="{h}mm" viewBox="0 0 {w} {h}"'
        body = "\n".join(_svg(shape) for shape in self.shapes)
        title = f"<title>{escape(self.title)}</title>"
        paper = f'<rect width="{w}" height="{h}" fill="#fff"/>'
        return f'{head} font-family="Helvetica, Arial, sans-serif">\n{title}\n{paper}\n{body}\n</svg>\n'


def pdf(sheets: list[Sheet]) -> bytes:
    """All sheets as one PDF file, a page each; one unit of the page's own grid is a millimetre."""
    kids = " ".join(f"{4 + 2 * k} 0 R" for k in range(len(sheets)))
    bodies: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(sheets)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for k, sheet in enumerate(sheets):
        size = f"{_figure(sheet.width / POINT_MM)} {_figure(sheet.height / POINT_MM)}"
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents {5 + 2 * k} 0 R"
            " /Resources << /Font << /F 3 0 R >> >> >>".encode()
        )
        scale = f"{1 / POINT_MM:.6f}"
        grid = f"{scale} 0 0 -{scale} 0 {_figure(sheet.height / POINT_MM)} cm"
        content = "\n".join([grid, *(_pdf(shape) for shape in sheet.shapes)]).encode("latin-1")
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _bound(bodies)


def _bound(bodies: list[bytes]) -> bytes:
    """Numbered objects with the table of where each begins."""
    out, starts = b"%PDF-1.6\n", []
    for k, body in enumerate(bodies, 1):
        starts.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (k, body)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, len(out))
    return out + head + table + tail


def _svg(shape: Path | Circle | Text) -> str:
    if isinstance(shape, Text):
        anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[shape.share]
        at = f'x="{_figure(shape.x)}" y="{_figure(shape.y)}" font-size="{_figure(shape.size)}"'
        return f'<text {at} text-anchor="{anchor}">{escape(shape.words)}</text>'
    width, dashes = KINDS[shape.kind]
    ink = f'stroke="#000" stroke-width="{width}" fill="{"#000" if shape.fill else "none"}"'
    ink += f' stroke-dasharray="{dashes}"' if dashes else ""
    if isinstance(shape, Circle):
        return f'<circle cx="{_figure(shape.x)}" cy="{_figure(shape.y)}" r="{_figure(shape.radius)}" {ink}/>'
    way = " ".join(f"{letter}{' '.join(map(_figure, points))}" for letter, points in shape.pieces)
    return f'<path d="{way}" {ink}/>'


def _pdf(shape: Path | Circle | Text) -> str:
    if isinstance(shape, Text):
        x = shape.x - shape.share * width_mm(shape.words, shape.size)
        words = shape.words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
        return f"BT /F {_figure(shape.size)} Tf 1 0 0 -1 {_figure(x)} {_figure(shape.y)} Tm ({words}) Tj ET"
    width, dashes = KINDS[shape.kind]
    ink = f"{width} w [{dashes}] 0 d"
    paint = "B" if shape.fill else "S"
    pieces = _around(shape) if isinstance(shape, Circle) else shape.pieces
    operator = {"M": "m", "L": "l", "C": "c"}
    way = " ".join(f"{' '.join(map(_figure, points))} {operator[letter]}" for letter, points in pieces)
    return f"{ink} {way} {paint}"


def _around(c: Circle) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """A circle as four curves."""
    x, y, r, k = c.x, c.y, c.radius, c.radius * _ROUND
    return (
        ("M", (x + r, y)),
        ("C", (x + r, y + k, x + k, y + r, x, y + r)),
        ("C", (x - k, y + r, x - r, y + k, x - r, y)),
        ("C", (x - r, y - k, x - k, y - r, x, y - r)),
        ("C", (x + k, y - r, x + r, y - k, x + r, y)),
    )


def _extent(shape: Path | Circle | Text) -> tuple[float, float, float, float]:
    if isinstance(shape, Text):
        wide = width_mm(shape.words, shape.size)
        x = shape.x - shape.share * wide
        return x, shape.y - shape.size, x + wide, shape.y + 0.3 * shape.size
    if isinstance(shape, Circle):
        r = shape.radius
        return shape.x - r, shape.y - r, shape.x + r, shape.y + r
    xs = [v for _, points in shape.pieces for v in points[0::2]]
    ys = [v for _, points in shape.pieces for v in points[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def width_mm(words: str, size: float) -> float:
    """How wide words are in Helvetica."""
    return sum(_LETTER[letter] for letter in words) / 1000 * size


def _figure(value: float) -> str:
    """A number to a thousandth, without idle zeros and without -0."""
    return f"{round(value, 3) + 0.0:.3f}".rstrip("0").rstrip(".")
