"""Lines, circles and words in millimetres become a page at true scale: SVG, or PDF of the same shapes.

x to the right and y down from the page's upper left corner, as on the paper. reportlab's drawing, of which the PDF is
made, has millimetres too and a y that goes up. Words are in Helvetica, which every reader of PDF has.
Refuses papers other than A4 and Letter.
"""

from __future__ import annotations

from html import escape
from io import BytesIO
from typing import Any, Literal

from reportlab.graphics import renderPDF
from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, Rect, Shape, String
from reportlab.lib.colors import black
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas

PAPERS = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
KINDS = {"cut": (0.35, None), "fine": (0.18, None), "fold": (0.25, [2, 1.2]), "axis": (0.13, [5, 1, 1, 1])}
"""Line width in mm and dashes: cut along it; drawn for the eye; hidden behind something; an axis."""

Kind = Literal["cut", "fine", "fold", "axis"]


class Sheet:
    """One page that is drawn on and then written out."""

    def __init__(self, paper: str, title: str) -> None:
        self.width, self.height = PAPERS[paper]
        self.title = title
        self.drawing = Drawing(self.width, self.height)
        self._svg: list[str] = []

    def line(self, x0: float, y0: float, x1: float, y1: float, kind: Kind = "fine") -> None:
        """A straight line."""
        shape = Line(x0, self.height - y0, x1, self.height - y1, **_pen(kind))
        self._add(shape, f'<line x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}" {_ink(kind)}/>')

    def arrow(self, x: float, y: float, dx: float, dy: float) -> None:
        """A filled arrow head with its tip at (x, y), pointing along (dx, dy) of length 1."""
        x0, y0 = x - 2.2 * dx, y - 2.2 * dy
        corners = (x, y), (x0 - 0.6 * dy, y0 + 0.6 * dx), (x0 + 0.6 * dy, y0 - 0.6 * dx)
        points = [v for cx, cy in corners for v in (cx, self.height - cy)]
        words = " ".join(f"{cx:g},{cy:g}" for cx, cy in corners)
        self._add(Polygon(points, fillColor=black, strokeColor=None), f'<polygon points="{words}"/>')

    def box(self, x: float, y: float, w: float, h: float, r: float = 0.0, kind: Kind = "cut") -> None:
        """A rectangle with its upper left corner at (x, y), its corners rounded by `r`."""
        shape = Rect(x, self.height - y - h, w, h, rx=r, ry=r, fillColor=None, **_pen(kind))
        size = f'width="{w:g}" height="{h:g}" rx="{r:g}"'
        self._add(shape, f'<rect x="{x:g}" y="{y:g}" {size} {_ink(kind)}/>')

    def circle(self, x: float, y: float, radius: float, kind: Kind = "cut") -> None:
        """A circle about (x, y)."""
        shape = Circle(x, self.height - y, radius, fillColor=None, **_pen(kind))
        self._add(shape, f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" {_ink(kind)}/>')

    def text(self, x: float, y: float, words: str, size: float = 3.2, anchor: str = "middle") -> None:
        """Words on the line y; `size` in mm, `anchor` is what of them lies at x: start, middle or end."""
        look = {"fontName": "Helvetica", "fontSize": size, "textAnchor": anchor}
        at = f'x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"'
        self._add(String(x, self.height - y, words, **look), f"<text {at}>{escape(words)}</text>")

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
        self.text(x + 1.5, (y0 + y1) / 2 + 1.1, words, 3.0, "start")

    def svg(self) -> str:
        """The page as SVG whose units are millimetres."""
        w, h = f"{self.width:g}", f"{self.height:g}"
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}mm" height="{h}mm" viewBox="0 0 {w} {h}"'
        title = f"<title>{escape(self.title)}</title>"
        paper = f'<rect width="{w}" height="{h}" fill="#fff"/>'
        body = "\n".join([title, paper, *self._svg])
        return f'{head} font-family="Helvetica, Arial, sans-serif">\n{body}\n</svg>\n'

    def _add(self, shape: Shape, svg: str) -> None:
        self.drawing.add(shape)
        self._svg.append(svg)


def pdf(sheets: list[Sheet]) -> bytes:
    """All sheets as one PDF file, a page each, which asks not to be scaled when printed; the same bytes each time."""
    out = BytesIO()
    canvas = Canvas(out, invariant=1, pageCompression=0, pdfVersion=(1, 6))
    canvas.setTitle(sheets[0].title)
    canvas.setAuthor("hipbar")
    canvas.setViewerPreference("PrintScaling", "None")
    for sheet in sheets:
        canvas.setPageSize((sheet.width * mm, sheet.height * mm))
        canvas.scale(mm, mm)
        renderPDF.draw(sheet.drawing, canvas, 0, 0)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _pen(kind: Kind) -> dict[str, Any]:
    width, dashes = KINDS[kind]
    return {"strokeColor": black, "strokeWidth": width, "strokeDashArray": dashes}


def _ink(kind: Kind) -> str:
    width, dashes = KINDS[kind]
    ink = f'stroke="#000" stroke-width="{width}" fill="none"'
    return f'{ink} stroke-dasharray="{" ".join(map(str, dashes))}"' if dashes else ink
