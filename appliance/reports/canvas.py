"""What is drawn on a figure of so many millimetres becomes an SVG, the same bytes for the same drawing.

Letters are outlines of the one typeface that matplotlib brings, so no machine's fonts and no user's settings of
matplotlib change a drawing. Left and right hip differ by line, mark and hatching; colour only repeats it.
"""

from __future__ import annotations

import base64
import importlib
import io
import logging
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from appliance.records import F64
from appliance.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM_AN_INCH = 25.4
_POINTS_AN_INCH = 72
INK, GREY, PALE, BAND = "#1b1f26", "#6b7280", "#d5d9df", "#e8ebef"


class Look(msgspec.Struct, frozen=True):
    """How one hip is drawn: dark, solid and round, or lighter, dashed and square."""

    colour: str
    line: str
    sign: str
    hatch: str


LEFT = Look("#0b4f8a", "-", "o", "////")
RIGHT = Look("#c25e00", "--", "s", "\\\\\\\\")

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 6.5,
    "axes.labelsize": 6.5,
    "axes.titlesize": 7.0,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.0,
    "ytick.labelsize": 6.0,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.0,
    "ytick.major.size": 2.0,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "hatch.linewidth": 0.4,
    "legend.frameon": False,
    "legend.fontsize": 6.0,
    "legend.handlelength": 2.6,
    "legend.borderpad": 0.1,
    "legend.labelspacing": 0.25,
    "svg.fonttype": "path",
    "svg.hashsalt": "hipbar",
    "text.parse_math": False,
}

_EVERYWHERE = ('<style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style>', "")
_AT_ONCE = '<svg stroke-linejoin="round" stroke-linecap="butt" '
"""What matplotlib says of every part by a rule is said once of the whole: a PDF's maker applies rules one by one."""


def library() -> Any:
    """matplotlib, without its remarks on where its own cache is, which somebody without a home folder would get."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    found = importlib.import_module("matplotlib")
    if "matplotlib.figure" not in sys.modules:
        _hasten()
    return found


def _hasten() -> None:
    """Imports what draws without the manuals that its classes write for themselves, and without drawings in space.

    They take half of the time of this import. Under a name that another matplotlib does not know, nothing changes.
    """
    artist: Any = importlib.import_module("matplotlib.artist")
    artist.kwdoc = lambda _: ""
    artist.Artist._update_set_signature_and_docstring = classmethod(lambda _: None)
    in_space: Any = sys.modules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are none in space
        in_space["mpl_toolkits.mplot3d"] = None
        try:
            importlib.import_module("matplotlib.figure")
        finally:
            del in_space["mpl_toolkits.mplot3d"]


def drawn(width_mm: float, height_mm: float, draw: Callable[[Figure], None]) -> str:
    """The SVG of what `draw` puts on an empty figure."""
    matplotlib = library()
    from matplotlib.figure import Figure

    out = io.StringIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the typeface lacks: they are drawn as boxes
        matplotlib.rcdefaults()
        rules: Any = matplotlib.rcParams
        rules.update(_STYLE)
        figure = Figure(figsize=(width_mm / MM_AN_INCH, height_mm / MM_AN_INCH), layout="constrained")
        layout: Any = figure.get_layout_engine()
        layout.set(w_pad=0.02, h_pad=0.03, wspace=0.02, hspace=0.02)
        draw(figure)
        _put(figure, out)
    return out.getvalue().replace(*_EVERYWHERE, 1).replace("<svg ", _AT_ONCE, 1)


def _put(figure: Figure, out: io.StringIO) -> None:
    """Draws a figure as SVG without a group about each of its parts: only eyes read it, and a PDF is made of it."""
    backend: Any = importlib.import_module("matplotlib.backends.backend_svg")
    backend.FigureCanvasSVG(figure)  # letters are measured with it while places are found
    figure.dpi = _POINTS_AN_INCH
    size_pt = (side_in * _POINTS_AN_INCH for side_in in figure.get_size_inches())
    pen = backend.RendererSVG(*size_pt, out, metadata={"Date": None, "Creator": None})
    pen.open_group = pen.close_group = lambda *_, **__: None
    figure.draw(pen)
    pen.finalize()


def as_uri(svg: str) -> str:
    """An SVG as the address of a picture that a page carries within itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def tidy(axes: Axes, words: Words, across: str, up: str) -> None:
    """Names both axes, writes their figures as the language does, and lays a faint grid under what is drawn."""
    from matplotlib.ticker import FuncFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: words.plain(value)))
    axes.set_xlabel(across, labelpad=1.5)
    axes.set_ylabel(up, labelpad=1.5)
    for axis, name in ((axes.xaxis, across), (axes.yaxis, up)):
        if not name:
            axis.set_label_coords(0.0, 0.0)  # or room is looked for, several times, for what is not there
    axes.grid(axis="y", color=PALE, linewidth=0.4)
    axes.set_axisbelow(True)


def spread(axes: Axes, at: F64, mean: F64, sd: F64, look: Look) -> None:
    """A standard deviation to either side, hatched."""
    axes.fill_between(
        at,
        mean - sd,
        mean + sd,
        facecolor="none",
        edgecolor=look.colour,
        hatch=look.hatch,
        linewidth=0.0,
        alpha=0.45,
    )


def band(area: Any) -> None:
    """The looks of the smallest detectable difference: pale, with dashed edges."""
    area.set(facecolor=BAND, edgecolor=GREY, linestyle="--", linewidth=0.5, zorder=0)


def nothing(axes: Axes, words: Words) -> None:
    """Says that nothing was measured, on axes without figures."""
    axes.text(0.5, 0.6, words.say("not measured"), transform=axes.transAxes, ha="center", color=GREY)
    axes.set_yticks([])
