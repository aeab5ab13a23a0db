"""Steps of one pipeline become rows of the visit that it ran in, in the visit's own seconds.

Visit time is camera time + (`SpanRow.at_s` - `SpanRow.t0_s`), one sum for every time of a span, so that a step has the
same bits whenever it is computed. Drops in degrees by STANCE side; NaN = could not be measured. Refuses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import STEP, SpanRow
from appliance.records import Side, Step

_TIMES = ("contact_s", "off_s", "midstance_s", "peak_s", "decided_s")
_FIGURES = (
    "peak_drop_deg", "contact_drop_deg", "midstance_drop_deg", "excursion_deg", "sway_px", "contact_time_s",
    "flight_s", "quality",
)  # fmt: skip


def step_rows(steps: Sequence[Step], span: SpanRow) -> NDArray[np.void]:
    """Steps of one span's pipeline; number, block, light and pause are the store's to know, and -1 here."""
    rows = np.zeros(len(steps), STEP)
    rows["span"] = span.n
    for name in ("n", "block", "lit", "paused"):
        rows[name] = -1
    shift = span.at_s - span.t0_s
    for row, step in zip(rows, steps, strict=True):
        row["right"] = step.stance is Side.RIGHT
        for name in _TIMES:
            row[name] = _number(getattr(step, name)) + shift
        for name in _FIGURES:
            row[name] = _number(getattr(step, name))
    return rows


def _number(value: float | None) -> float:
    return math.nan if value is None else value
