"""A sheet becomes one HTML page that needs nothing else: its drawings and its letters are within it.

The letters are those of the page's own text, cut out of the typeface that matplotlib brings, so the page looks the same
on every machine and prints on one sheet of A4 or Letter paper. Everything that came from people is escaped.
"""

from __future__ import annotations

import base64
import functools
import importlib
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.reports.canvas import as_uri, library
from appliance.reports.sheet import PAGE_MM, Picture, Sheet

if TYPE_CHECKING:
    from jinja2 import Template

_FACES = (("400", "DejaVuSans.ttf"), ("700", "DejaVuSans-Bold.ttf"))
_GUTTER_MM = 4.0
_NEEDLESS = {"GPOS", "GSUB", "GDEF", "MATH", "FFTM", "gasp"}
"""Tables that a page's letters do without: their pairs are set by `kern`, which is cut out in a third of the time."""


def html(sheet: Sheet, scale: float | None = None, paper: str = "") -> str:
    """The page. scale : of letters and drawings; None = as it takes. paper : "A4", or what the printer has."""
    scale = sheet.scale() if scale is None else scale
    text = _template().render(
        sheet=sheet,
        scale=scale,
        paper=f"size: {paper};" if paper else "",
        width_mm=PAGE_MM[0],
        kind_of=lambda item: type(item).__name__.lower(),
        picture=lambda item, share: _picture(item, share, scale),
        tied=_tied,
    )
    return text.replace("/*fonts*/", _faces(text), 1)


def _picture(item: Picture, share: float, scale: float) -> str:
    """A drawing at its size on paper: letters shrink with all others', its width stays."""
    width_mm = PAGE_MM[0] * share - (_GUTTER_MM if share < 1 else 0)
    return as_uri(item.draw((width_mm / scale, item.tall_mm)))


def _tied(cell: str, short: int = 0) -> str:
    """A cell whose unit never stands alone on a line, and that stays on one where it is short."""
    return cell.replace(" ", "\u00a0") if len(cell) <= short else cell.replace(" °", "\u00a0°")


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    room = Environment(
        loader=PackageLoader("appliance.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return room.get_template("sheet.html")


def _faces(text: str) -> str:
    """Style rules with the two typefaces, reduced to the letters that a page uses."""
    letters = frozenset(text) | {"–"}
    used = "".join(sorted(letters))
    return "".join(
        f'@font-face{{font-family:"hipbar";font-weight:{weight};'
        f'src:url(data:font/woff;base64,{_face(name, used)}) format("woff")}}'
        for weight, name in _FACES
    )


@functools.lru_cache(maxsize=8)
def _face(name: str, letters: str) -> str:
    subset: Any = importlib.import_module("fontTools.subset")
    tables: Any = importlib.import_module("fontTools.ttLib")
    logging.getLogger("fontTools.subset").setLevel(logging.ERROR)  # of tables that it leaves out
    options = subset.Options(layout_features=[], hinting=False, notdef_outline=True, legacy_kern=True)
    out, file = io.BytesIO(), Path(library().get_data_path()) / "fonts" / "ttf" / name
    with tables.TTFont(file, lazy=True, recalcBBoxes=False, recalcTimestamp=False) as font:
        for tag in _NEEDLESS & set(font.keys()):
            del font[tag]
        cut = subset.Subsetter(options)
        cut.populate(text=letters)
        cut.subset(font)
        font.flavor = "woff"
        font.save(out)
    return base64.b64encode(out.getvalue()).decode()
