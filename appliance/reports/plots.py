"""Mean strides and courses over visits become drawings: SVG of a given size in millimetres.

Degrees, percent of a stride. A hip is named by the side that drops: the left hip drops in right stance. What
was not measured is not drawn, and a drawing without anything in it says so. The band of the smallest detectable
difference lies about the first baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from appliance.clinic.course import Course
from appliance.clinic.curves import POINTS, Curve, Curves
from appliance.clinic.figures import PartFigures
from appliance.clinic.intervals import Spread
from appliance.clinic.terms import SDD_DEG
from appliance.reports.canvas import BAND, GREY, INK, LEFT, RIGHT, Look, band, drawn, nothing, spread, tidy
from appliance.reports.phrases import hip_name
from appliance.reports.words import Words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Value(msgspec.Struct, frozen=True):
    """A figure with the ends of its 95 % confidence interval, where there is one."""

    mean: float
    low: float | None = None
    high: float | None = None


class Point(msgspec.Struct, frozen=True):
    """One visit of a course: drops by the hip that drops. at : its place; lit : with figures on the bar."""

    at: int

    number: int
    left_hip: Value | None
    right_hip: Value | None
    difference: Value | None
    lit: bool = False


def points(course: Course) -> tuple[Point, ...]:
    """Each visit without figures on the bar, and with them."""
    found, in_order = [], all(b.number > a.number for a, b in pairwise(course.rows))
    for n, row in enumerate(course.rows, 1):
        mixed = row.of == "whole" and row.lit is not None
        for part, is_lit in ((None if mixed else row.figures, False), (row.lit, True)):
            if part is not None:
                found.append(_point(row.number if in_order else n, row.number, part, is_lit))
    return tuple(found)


def _point(at: int, number: int, part: PartFigures, is_lit: bool) -> Point:
    drops = _value(part.right.drop_deg), _value(part.left.drop_deg)
    return Point(at, number, *drops, _value(part.asymmetry_deg), is_lit)


def _value(found: Spread) -> Value | None:
    return None if found.mean is None else Value(found.mean, found.low, found.high)


def stride(words: Words, curves: Curves, size_mm: tuple[float, float]) -> str:
    """Mean drop of each hip over the stride of the foot that stands: the left hip's over the right foot's."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        tidy(
            axes,
            words,
            words.say("% of a stride, from foot contact"),
            words.say("hip drop, °"),
        )
        axes.axhline(0.0, color=GREY, linewidth=0.6)
        for curve, look, hip in ((curves.right, LEFT, "left"), (curves.left, RIGHT, "right")):
            if curve.strides:
                at, mean = np.linspace(0.0, 100.0, len(curve.mean_deg)), np.array(curve.drops_deg)
                if curve.sd_deg:
                    spread(axes, at, mean, np.array(curve.sd_deg), look)
                label = f"{hip_name(words, hip)}, n = {words.count(curve.strides)}"
                axes.plot(at, mean, look.line, color=look.colour, label=label)
                _toe_off(axes, curve, look)
        axes.set_xlim(0, 100)
        axes.margins(y=0.08)
        if curves.left.strides or curves.right.strides:
            figure.legend(loc="outside upper left")
        else:
            nothing(axes, words)

    return drawn(*size_mm, draw)


def strides(
    words: Words, first: tuple[str, Curves], newest: tuple[str, Curves], size_mm: tuple[float, float]
) -> str:
    """Each hip's mean drop over a stride in two visits: the earlier one grey and dotted."""
    names = (words.say("left hip drop, °"), words.say("right hip drop, °"))

    def draw(figure: Figure) -> None:
        panels: Any = figure.subplots(1, 2, sharey=True)
        for axes, name, look, foot in zip(panels, names, (LEFT, RIGHT), ("right", "left"), strict=True):
            tidy(axes, words, words.say("% of a stride, from foot contact"), "")
            axes.set_title(name, loc="left", pad=3, y=1.0)
            axes.axhline(0.0, color=GREY, linewidth=0.6)
            before, now = (getattr(curves, foot) for _, curves in (first, newest))
            at = np.linspace(0.0, 100.0, POINTS)
            if before.strides:
                axes.plot(at, before.drops_deg, ":", color=INK, linewidth=1.3, label=first[0])
            if now.strides:
                if now.sd_deg:
                    spread(axes, at, np.array(now.drops_deg), np.array(now.sd_deg), look)
                axes.plot(at, now.drops_deg, look.line, color=look.colour, label=newest[0])
            axes.set_xlim(0, 100)
            axes.margins(y=0.08)
            axes.legend(loc="upper right")

    return drawn(*size_mm, draw)


def course(words: Words, found: Course, visits: int, size_mm: tuple[float, float]) -> str:
    """Both hips and their difference over the visits, the hips beside what must be exceeded to be a change."""
    drawn_points = points(found)
    first = None if found.reference is None else _point(0, 0, found.reference, False)
    names = (words.say("left hip drop, °"), words.say("right hip drop, °"), words.say("difference, °"))

    def draw(figure: Figure) -> None:
        panels: Any = figure.subplots(1, 3)
        panels[0].sharey(panels[1])
        for axes, name, part, look in zip(
            panels, names, ("left_hip", "right_hip", "difference"), (LEFT, RIGHT, None), strict=True
        ):
            tidy(axes, words, "", "")
            axes.set_title(name, loc="left", pad=3, y=1.0)
            _course(axes, drawn_points, part, look)
            if look is not None and first is not None and (value := getattr(first, part)) is not None:
                band(axes.axhspan(value.mean - SDD_DEG, value.mean + SDD_DEG))
                axes.axhline(value.mean, color=GREY, linewidth=0.7, zorder=0.5)
            _places(axes, drawn_points, visits)
            if not any(getattr(point, part) for point in drawn_points):
                nothing(axes, words)
        panels[2].axhline(0.0, color=GREY, linewidth=0.6)
        _legend(figure, words)

    return drawn(*size_mm, draw)


def _toe_off(axes: Axes, curve: Curve, look: Look) -> None:
    """A mark on the curve where the foot leaves the belt."""
    if curve.off_percent is not None:
        y = np.interp(curve.off_percent, np.linspace(0.0, 100.0, len(curve.mean_deg)), curve.drops_deg)
        axes.plot(curve.off_percent, y, look.sign, color=look.colour, markerfacecolor="white")


def _course(axes: Axes, points: Sequence[Point], part: str, look: Look | None) -> None:
    """One figure over the visits: filled without figures on the bar, empty with them; a line through the filled."""
    colour, sign, line = (INK, "D", "-") if look is None else (look.colour, look.sign, look.line)
    found = [
        (point.at + (0.15 if point.lit else -0.1), value, point.lit)
        for point in points
        if (value := getattr(point, part)) is not None
    ]
    spans = [(x, v.low, v.high) for x, v, _ in found if v.low is not None and v.high is not None]
    upright = [(at, end) for x, low, high in spans for at, end in ((x, low), (x, high), (x, np.nan))]
    _line(axes, upright, "-", color=colour, linewidth=0.7)
    lit, dark = (
        [(x, value.mean) for x, value, is_lit in found if is_lit is which] for which in (True, False)
    )
    _line(axes, dark, sign, color=colour, markerfacecolor=colour)
    _line(axes, lit, sign, color=colour, markerfacecolor="white")
    _line(axes, dark, line, color=colour, linewidth=0.9)


def _line(axes: Axes, through: Sequence[tuple[float, float]], form: str, **looks: Any) -> None:
    """All of one look at once: each line of its own costs a millisecond."""
    if through:
        axes.plot([x for x, _ in through], [y for _, y in through], form, **looks)


def _places(axes: Axes, points: Sequence[Point], visits: int) -> None:
    """The visits along the axis by their numbers; in the order of time where a number came twice."""
    numbers = {point.at: point.number for point in points}
    last = max([1, visits, *numbers])
    every = range(1, last + 1, max(1, -(-last // 12)))
    axes.set_xlim(0.5, last + 0.5)
    axes.set_xticks(every, [str(numbers.get(at, at)) for at in every])


def _legend(figure: Figure, words: Words) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    patch = Patch(facecolor=BAND, edgecolor=GREY, linestyle="--", linewidth=0.5)
    handles: list[Any] = [
        Line2D([], [], marker="o", color=INK, markersize=3.2),
        Line2D([], [], marker="o", color=INK, markerfacecolor="white", linestyle="", markersize=3.2),
        patch,
    ]
    names = [
        words.say("without feedback"),
        words.say("with feedback"),
        words.say("first baseline ± smallest detectable difference"),
    ]
    figure.legend(handles, names, loc="outside lower center", ncols=3)
