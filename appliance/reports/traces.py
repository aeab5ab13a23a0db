"""A visit's steps and stretches become what its timeline is drawn from.

Minutes of the visit, degrees; the left hip's line is of right stances. A line is broken where nothing was measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.clinic.figures import usable
from appliance.clinic.rows import VisitData
from appliance.clinic.terms import LEAST_STEPS
from appliance.records import F64
from appliance.reports.charts import Line, Part
from appliance.reports.words import Words

_BINS = 96
_SHORTEST_S = 10.0


def lines(data: VisitData) -> tuple[Line | None, Line | None]:
    """Means of the left and the right hip's drops over some seconds each: about a hundred over the visit."""
    kept = data.steps[usable(data.steps)]
    bin_s = max(_SHORTEST_S, _end_s(data) / _BINS)
    return tuple(_line(kept[kept["right"] == right], bin_s) for right in (1, 0))  # type: ignore[return-value]


def _line(steps: NDArray[np.void], bin_s: float) -> Line | None:
    if len(steps) < LEAST_STEPS:
        return None
    place = (steps["contact_s"] / bin_s).astype(int)
    count = np.bincount(place).astype(float)
    total, squares = (np.bincount(place, steps["peak_drop_deg"] ** power) for power in (1, 2))
    count[count < 3] = np.nan
    mean: F64 = total / count
    sd: F64 = np.sqrt(np.maximum(0.0, squares / count - mean**2) * count / (count - 1))
    at_min = np.asarray((np.arange(len(count)) + 0.5) * bin_s / 60.0, np.float64)
    return Line(at_min, mean, sd)


def parts(words: Words, data: VisitData) -> tuple[Part, ...]:
    """The blocks that were begun."""
    ends = [_end_s(data) if row.ended_s is None else row.ended_s for row in data.blocks]
    return tuple(
        Part(row.n + 1, words.say(str(row.block.kind)), row.began_s / 60.0, end_s / 60.0)
        for row, end_s in zip(data.blocks, ends, strict=True)
    )


def lit(data: VisitData) -> tuple[tuple[float, float], ...]:
    """When the bar showed figures, minutes."""
    return tuple((a, b) for a, b, mode, _ in _stretches(data) if mode != "off")


def targets(data: VisitData) -> tuple[tuple[float, float, float], ...]:
    """When the bar asked for a drop of so many degrees at the most."""
    asked = ((a, b, deg) for a, b, mode, deg in _stretches(data) if mode == "step" and deg is not None)
    return tuple(asked)


def _stretches(data: VisitData) -> Sequence[tuple[float, float, str, float | None]]:
    begins = [stretch.began_s / 60.0 for stretch in data.stretches]
    ends = [*begins[1:], _end_s(data) / 60.0]
    return [
        (a, b, stretch.aim.mode, stretch.aim.target_deg)
        for a, b, stretch in zip(begins, ends, data.stretches, strict=True)
        if b > a
    ]


def _end_s(data: VisitData) -> float:
    last = float(data.steps["off_s"][-1]) if len(data.steps) else 0.0
    return max(data.visit.seconds, last, 1.0)


def settings_of(text: str) -> dict[str, object]:
    """Settings, a header or a calibration as they were kept; what can't be read is empty."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
