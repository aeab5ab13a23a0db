"""Plans of visits become a timeline: lines of a terminal, or a picture to print.

One row a visit, to one scale. Readable without colour: every kind of block has a sign, and in the picture a pattern,
of its own. Seconds of the plan. Refuses picture formats other than SVG, PNG and PDF.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.clinic.terms import Block, Kind, Plan
from appliance.clinic.timeline import durations, lit
from appliance.commands.clinic import span
from appliance.errors import OutputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIGNS = {
    Kind.STAND: "|",
    Kind.WARM_UP: "~",
    Kind.COOL_DOWN: "~",
    Kind.BASELINE: "b",
    Kind.FEEDBACK: ".",
    Kind.FADED: ".",
    Kind.RETENTION: "r",
    Kind.CUE_BEFORE: ".",
    Kind.CUE: "c",
    Kind.CUE_AFTER: ".",
}
_SHADES = ((0.95, "█"), (0.6, "▓"), (0.4, "▒"), (0.05, "░"))
"""From which share of a cell's time with figures on the bar it is drawn as what."""
_ASCII = str.maketrans("█▓▒░", "#%+:")
_LEGEND = (
    ("|", "stand"),
    ("~", "warm-up, cool-down"),
    ("b", "baseline"),
    ("█", "figures on the bar"),
    ("▓▒░", "for a part of the time"),
    (".", "dark"),
    ("r", "retention, dark"),
    ("c", "cue spoken"),
)
FORMATS = (".svg", ".png", ".pdf")


def rows(plans: Sequence[Plan], columns: int, *, plain: bool = False) -> Iterator[str]:
    """The timelines of visits, for a terminal of so many columns. plain : without signs beyond ASCII."""
    wide = max(20, columns - 33)
    second_s = max(durations(plan).all_s for plan in plans) / wide
    lines = [f"visit  {_axis(second_s, wide)}  minutes   run    lit"]
    for plan in plans:
        told = durations(plan)
        figures = f"{span(told.all_s):>8} {span(told.run_s):>6} {span(told.lit_s):>6}"
        lines.append(f"{plan.number:>5}  {_row(plan.blocks, second_s):<{wide}} {figures}")
    lines += _legend("".join(line[7 : 7 + wide] for line in lines[1:]), columns)
    yield from (line.translate(_ASCII) if plain else line for line in lines)


def _legend(used: str, columns: int) -> list[str]:
    """What the signs mean that are used, in as many lines as it takes."""
    told = [f"{signs} {words}".replace(" ", "\xa0") for signs, words in _LEGEND if set(used) & set(signs)]
    wrapped = textwrap.wrap("   ".join(told), columns - 7, break_long_words=False)
    return [f"       {line}".replace("\xa0", " ") for line in wrapped]


def _axis(second_s: float, wide: int) -> str:
    """Minutes along the top, every 5, or every one where that is clearer."""
    every = 5 if second_s * wide > 600 else 1
    axis = [" "] * wide
    for minute in range(0, int(second_s * wide / 60) + 1, every):
        at = round(60 * minute / second_s)
        words = str(minute)
        if at + len(words) <= wide:
            axis[at : at + len(words)] = words
    return "".join(axis)


def _row(blocks: Sequence[Block], second_s: float) -> str:
    """One visit's cells. A short block is never left out; what changes faster than cells do is drawn as its mean."""
    cells: list[str] = []
    end_s = 0.0
    for block in blocks:
        end_s += block.seconds
        many = max(1, round(end_s / second_s) - len(cells))
        each_s = block.seconds / many
        spans = list(lit(block))
        blurred = min(block.on_s or math.inf, block.off_s or math.inf) < 1.5 * each_s
        for n in range(many):
            part = (0.0, block.seconds) if blurred else (n * each_s, (n + 1) * each_s)
            cells.append(_cell(block.kind, _share(spans, *part)))
    return "".join(cells)


def _share(spans: Sequence[tuple[float, float]], start_s: float, end_s: float) -> float:
    """How much of a stretch is within the spans."""
    inside_s = sum(max(0.0, min(b, end_s) - max(a, start_s)) for a, b in spans)
    return inside_s / (end_s - start_s)


def _cell(kind: Kind, share: float) -> str:
    return next((sign for least, sign in _SHADES if share >= least), _SIGNS.get(kind, "."))


_LOOKS: dict[str, dict[str, Any]] = {
    "stand": {"facecolor": "black"},
    "warm-up, cool-down": {"facecolor": "white", "hatch": "...."},
    "baseline": {"facecolor": "white", "hatch": "||||"},
    "figures on the bar": {"facecolor": "#4a78b5"},
    "faded: dark": {"facecolor": "white"},
    "retention": {"facecolor": "white", "hatch": "////"},
    "cue trial": {"facecolor": "#dddddd", "hatch": "xxxx"},
}
_LOOK_OF = {
    Kind.STAND: "stand",
    Kind.WARM_UP: "warm-up, cool-down",
    Kind.COOL_DOWN: "warm-up, cool-down",
    Kind.BASELINE: "baseline",
    Kind.FEEDBACK: "faded: dark",
    Kind.FADED: "faded: dark",
    Kind.RETENTION: "retention",
}


def picture(title: str, plans: Sequence[Plan], path: Path) -> bytes:
    """The same as a picture in the format of the path's name. Raises `OutputError` for another format."""
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path}: not a picture's name", fix="end it in .svg, .png or .pdf")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "hipbar", "hatch.linewidth": 0.6, "font.size": 9}):
        figure = Figure(figsize=(9.0, 1.4 + 0.32 * len(plans)), layout="constrained")
        axes = figure.subplots()
        for plan in plans:
            _bars(axes, plan)
        _dress(axes, title, plans)
        kept = io.BytesIO()
        form = path.suffix.lower().removeprefix(".")
        dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
        figure.savefig(kept, format=form, dpi=150, metadata=dated)
    return kept.getvalue()


def _bars(axes: Axes, plan: Plan) -> None:
    """One visit's blocks, and on them the stretches with figures."""
    start_s = 0.0
    for block in plan.blocks:
        look = _LOOKS[_LOOK_OF.get(block.kind, "cue trial")]
        axes.barh(
            plan.number, block.seconds / 60, 0.6, start_s / 60, edgecolor="black", linewidth=0.6, **look
        )
        for a_s, b_s in lit(block):
            at = (start_s + a_s) / 60
            axes.barh(plan.number, (b_s - a_s) / 60, 0.6, at, linewidth=0, **_LOOKS["figures on the bar"])
        start_s += block.seconds


def _dress(axes: Axes, title: str, plans: Sequence[Plan]) -> None:
    from matplotlib.patches import Patch

    used = {_LOOK_OF.get(block.kind, "cue trial") for plan in plans for block in plan.blocks}
    if not any(block.kind is Kind.FADED for plan in plans for block in plan.blocks):
        used.discard("faded: dark")
    if any(True for plan in plans for block in plan.blocks for _ in lit(block)):
        used.add("figures on the bar")
    handles = [
        Patch(edgecolor="black", linewidth=0.6, label=name, **look)
        for name, look in _LOOKS.items()
        if name in used
    ]
    axes.figure.legend(
        handles=handles, ncols=len(handles), loc="outside lower center", frameon=False, handlelength=1.8
    )
    axes.set(
        title=title, xlabel="minutes of the plan", yticks=[plan.number for plan in plans], ylabel="visit"
    )
    axes.set_ylim(plans[-1].number + 0.6, plans[0].number - 0.6)
    axes.margins(x=0.01)
    axes.spines[["top", "right"]].set_visible(False)
