"""A visit's course in time, a cue's changes and an exercise's repetitions become drawings: SVG of a given size.

Minutes, degrees, seconds. The left hip is solid and hatched to the right, the right one dashed and hatched to the left.
What was not measured is not drawn; a drawing without anything in it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from appliance.clinic.terms import SDD_DEG
from appliance.records import F64
from appliance.reports.canvas import GREY, INK, LEFT, PALE, RIGHT, band, drawn, nothing, spread, tidy
from appliance.reports.plots import Value
from appliance.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LETTER_MM = 1.25
"""How wide a letter of 6 points is on the average: a name that is too long for its block is left out."""


class Part(msgspec.Struct, frozen=True):
    """A block of a visit, in minutes of it."""

    n: int
    name: str
    began_min: float
    ended_min: float


class Line(msgspec.Struct, frozen=True):
    """Means of one hip's steps over a visit, and their standard deviation; NaN where it is interrupted."""

    at_min: F64
    mean_deg: F64
    sd_deg: F64


class Change(msgspec.Struct, frozen=True):
    """A difference to be drawn beside the smallest detectable one."""

    name: str
    hip: str
    value: Value


def timeline(
    words: Words,
    lines: tuple[Line | None, Line | None],
    parts: Sequence[Part],
    lit: Sequence[tuple[float, float]],
    targets: Sequence[tuple[float, float, float]],
    size_mm: tuple[float, float],
) -> str:
    """A visit from its begin to its end: both hips, the blocks, when the bar showed figures, and what was asked for.

    lit : from and to, minutes. targets : from, to, and the drop up to which a step was on target.
    """

    def draw(figure: Figure) -> None:
        strip, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1, 7))
        tidy(axes, words, words.say("minutes of the visit"), words.say("peak hip drop, °"))
        end_min = max([0.1, *(part.ended_min for part in parts), *(to for _, to in lit)])
        _blocks(strip, axes, parts, (size_mm[0] - 9.0) / end_min)
        strip.broken_barh(
            [(a, b - a) for a, b in lit], (0.0, 0.45), facecolor=INK, edgecolor=INK, linewidth=0.4
        )
        strip.set_ylim(0, 1.5)
        strip.set_yticks([0.22] if lit else [], [words.say("bar lit")] if lit else [])
        strip.tick_params(axis="both", length=0, labelbottom=False)
        for spine in strip.spines.values():
            spine.set_visible(False)
        for line, look in zip(lines, (LEFT, RIGHT), strict=True):
            if line is not None:
                spread(axes, line.at_min, line.mean_deg, line.sd_deg, look)
                axes.plot(line.at_min, line.mean_deg, look.line, color=look.colour)
        for a, b, target_deg in targets:
            axes.plot([a, b], [target_deg, target_deg], ":", color=INK, linewidth=1.0)
        axes.set_xlim(0, end_min)
        axes.margins(y=0.08)
        if lines == (None, None):
            nothing(axes, words)

    return drawn(*size_mm, draw)


def changes(words: Words, found: Sequence[Change], size_mm: tuple[float, float]) -> str:
    """Differences with their confidence intervals, beside the smallest detectable difference."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        tidy(axes, words, words.say("change of the hip drop, °"), "")
        axes.grid(visible=False)
        band(axes.axvspan(-SDD_DEG, SDD_DEG))
        axes.axvline(0.0, color=GREY, linewidth=0.6)
        for row, change in enumerate(reversed(found)):
            look, value = LEFT if change.hip == "left" else RIGHT, change.value
            if value.low is not None and value.high is not None:
                axes.plot([value.low, value.high], [row, row], "-", color=look.colour)
            axes.plot(value.mean, row, look.sign, color=look.colour)
        axes.set_yticks(range(len(found)), [change.name for change in reversed(found)])
        axes.set_ylim(-0.6, len(found) - 0.4)
        ends = [abs(v) for c in found for v in (c.value.mean, c.value.low, c.value.high) if v is not None]
        axes.set_xlim(-(reach := 1.1 * max([1.3 * SDD_DEG, *ends])), reach)

    return drawn(*size_mm, draw)


def repetitions(
    words: Words, sets: Sequence[tuple[str, str, Sequence[float]]], up: str, size_mm: tuple[float, float]
) -> str:
    """Each repetition's figure as a bar, set after set. sets : name, working side, figures."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        tidy(axes, words, "", up)
        at, ticks = 0.0, []
        for name, side, figures in sets:
            look = RIGHT if side == "right" else LEFT
            places = at + np.arange(len(figures))
            axes.bar(
                places,
                figures,
                0.75,
                facecolor="white",
                edgecolor=look.colour,
                hatch=look.hatch,
                linewidth=0.7,
            )
            ticks.append((at + (len(figures) - 1) / 2, name))
            at += len(figures) + 1.2
        axes.set_xticks([x for x, _ in ticks], [name for _, name in ticks])
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-1.0, max(at - 1.2, 15.0))

    return drawn(*size_mm, draw)


def _blocks(strip: Axes, axes: Axes, parts: Sequence[Part], mm_a_minute: float) -> None:
    """Every other block shaded, with its number above, and its name where there is room."""
    for place, part in enumerate(parts):
        if place % 2 == 0:
            axes.axvspan(part.began_min, part.ended_min, facecolor=PALE, alpha=0.35, linewidth=0, zorder=0)
        room = (part.ended_min - part.began_min) * mm_a_minute
        name = f"{part.n} {part.name}"
        name = name if len(name) * _LETTER_MM < room else f"{part.n}" if room > 2 * _LETTER_MM else ""
        strip.text(
            (part.began_min + part.ended_min) / 2,
            0.7,
            name,
            ha="center",
            va="bottom",
            fontsize=6,
            clip_on=False,
        )
