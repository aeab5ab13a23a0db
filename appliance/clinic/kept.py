"""Steps of one pipeline become rows of the visit that it ran in: its seconds, and the block and light of each contact.

Visit time is camera time + (`SpanRow.at_s` - `SpanRow.t0_s`), one sum for every time of a span, so that a step has the
same bits whenever it is computed. Drops in degrees by STANCE side; NaN = could not be measured. Refuses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import STEP, BlockRow, EventRow, SpanRow, StretchRow, VisitData
from appliance.records import F64, Side, Step

_TIMES = ("contact_s", "off_s", "midstance_s", "peak_s", "decided_s")
_FIGURES = (
    "peak_drop_deg", "contact_drop_deg", "midstance_drop_deg", "excursion_deg", "sway_px", "contact_time_s",
    "flight_s", "quality",
)  # fmt: skip


def step_rows(steps: Sequence[Step], span: SpanRow) -> NDArray[np.void]:
    """Steps of one span's pipeline as they are kept; which block and light they had is not known here."""
    rows = np.zeros(len(steps), STEP)
    rows["span"], rows["block"] = span.n, -1
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


def placed(steps: NDArray[np.void], data: VisitData) -> NDArray[np.void]:
    """The same steps with the block, the light and the pause in which each foot came down."""
    contact_s = steps["contact_s"]
    steps["block"] = _block_of(contact_s, data.blocks)
    steps["lit"] = _lit(contact_s, data.stretches)
    steps["paused"] = _paused(contact_s, data.events)
    return steps


def _block_of(at_s: F64, blocks: tuple[BlockRow, ...]) -> NDArray[np.int64]:
    found = np.full(len(at_s), -1, np.int64)
    for block in blocks:
        ended_s = math.inf if block.ended_s is None else block.ended_s
        found[(at_s >= block.began_s) & (at_s < ended_s)] = block.n
    return found


def _lit(at_s: F64, stretches: tuple[StretchRow, ...]) -> NDArray[np.int64]:
    began = np.array([stretch.began_s for stretch in stretches])
    on = np.array([0, *(stretch.aim.mode != "off" for stretch in stretches)], np.int64)
    return np.asarray(on[np.searchsorted(began, at_s, side="right")])


def _paused(at_s: F64, events: tuple[EventRow, ...]) -> NDArray[np.int64]:
    turns = [event for event in events if event.kind in ("pause", "resume")]
    began = np.array([event.at_s for event in turns])
    held = np.array([0, *(event.kind == "pause" for event in turns)], np.int64)
    return np.asarray(held[np.searchsorted(began, at_s, side="right")])
