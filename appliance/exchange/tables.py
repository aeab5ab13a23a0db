"""A visit's steps and frames become named columns that any table reader understands.

Degrees, seconds, pixels; the unit is the end of a column's name. `..._s` is the visit's own time. Drops are by STANCE
side, and the hip that drops is named beside it. What was not measured is NaN or None here, and an empty cell or a null
in a file; never zero. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import BlockRow, VisitData
from appliance.clinic.terms import Block, Kind
from appliance.records import MARKS, Posture, Shown

Table = dict[str, NDArray[Any]]
"""Columns of one length: int64 (-1 = none), float64 (NaN = none) or words ("" = none)."""

Chunk = tuple[int, NDArray[np.void], NDArray[np.void]]
"""A span's number, its frames' `TRACK` and their `TRACE`: what the store hands out of a visit."""

STEPS: dict[str, str] = {
    "visit": "number of the visit in the station's store",
    "runner": "code of the runner; empty = not assigned",
    "protocol": "name of the protocol",
    "visit_number": "which visit of the protocol",
    "step": "number of the step in the visit",
    "span": "which stretch of camera time (a restart begins a new one)",
    "block": "which block of the plan, from 0 (`hipbar visit show` counts from 1); empty = in none",
    "block_kind": "what the block is for",
    "block_name": "the block's own name",
    "lit": "1 = the runner saw a figure at contact, 0 = dark",
    "paused": "1 = the visit was paused",
    "stance": "the foot on the ground: left or right",
    "dropping_hip": "the hip that sinks in that stance: the other side",
    "contact_s": "foot contact",
    "off_s": "foot off",
    "midstance_s": "half-way between the two",
    "peak_s": "when the drop was greatest",
    "peak_drop_deg": "greatest drop in stance; positive = the swing side is lower",
    "contact_drop_deg": "drop at contact",
    "midstance_drop_deg": "drop at mid-stance",
    "excursion_deg": "peak drop minus contact drop",
    "sway_px": "range of the pelvis's sideways path in this contact",
    "contact_time_s": "off minus contact",
    "flight_s": "time in the air before this contact",
    "quality": "0 to 1; falls with unseen frames and weak witnesses",
    "decided_s": "when the step was known",
}
"""The columns of steps, with their meanings."""

REPS: dict[str, str] = {
    "visit": "number of the visit in the station's store",
    "runner": "code of the runner; empty = not assigned",
    "block": "which block of the plan, from 0",
    "exercise": "name of the exercise",
    "side": "the side that works",
    "set": "which set of that side",
    "number": "which repetition or hold of the block, from 1",
    "began_s": "when it began",
    "ended_s": "when it ended",
    "range_deg": "from its highest to its lowest pelvis",
    "level_s": "of a hold: how long the pelvis was within the band",
}
"""The columns of repetitions and holds, with their meanings."""

FRAMES: dict[str, str] = {
    "visit": "number of the visit in the station's store",
    "span": "which stretch of camera time",
    "block": "which block of the plan, from 0 (`hipbar visit show` counts from 1); empty = in none",
    "seq": "the camera's frame number; a gap is a lost frame",
    "camera_s": "the camera's own clock at mid-exposure of the first row",
    "t_s": "when the pelvis marks were exposed, in the visit's own time",
    "obliquity_deg": "tilt of the pelvis, zero subtracted; positive = the right side is higher",
    "sway_px": "sideways place of the pelvis, to the runner's right",
    "height_px": "height of the pelvis, up",
    "posture": "unseen, standing, moving or running",
    "shown": "what the bar showed",
} | {
    f"{mark}_{what}": words.format(mark.replace("_", " "))
    for mark in MARKS
    for what, words in (
        ("x_px", "{}: sensor pixels, to the picture's right"),
        ("y_px", "{}: sensor pixels, down"),
        ("score", "{}: 0 (not seen) to 1 (crisp, alone, where expected)"),
    )
}
"""The columns of frames, with their meanings."""

_NO_BLOCK = Block(kind=Kind.REPS, seconds=0.0)
_SAME = (
    "contact_s", "off_s", "midstance_s", "peak_s", "peak_drop_deg", "contact_drop_deg", "midstance_drop_deg",
    "excursion_deg", "sway_px", "contact_time_s", "flight_s", "quality", "decided_s",
)  # fmt: skip


def steps(data: VisitData) -> Table:
    """All steps of a visit as columns, named as in `STEPS`."""
    rows, visit = data.steps, data.visit
    blocks = {row.n: row for row in data.blocks}
    right = rows["right"] == 1
    table: dict[str, Any] = {
        "visit": np.full(len(rows), visit.id),
        "runner": _words([visit.runner or ""] * len(rows)),
        "protocol": _words([visit.protocol] * len(rows)),
        "visit_number": np.full(len(rows), visit.number),
        "step": rows["n"],
        "block_kind": _words([_kind(blocks.get(int(n))) for n in rows["block"]]),
        "block_name": _words([_name(blocks.get(int(n))) for n in rows["block"]]),
        "stance": np.where(right, "right", "left").astype(object),
        "dropping_hip": np.where(right, "left", "right").astype(object),
    }
    table |= {name: rows[name] for name in ("span", "block", "lit", "paused", *_SAME)}
    return {name: table[name] for name in STEPS}


def reps(data: VisitData) -> Table:
    """All repetitions and holds of a visit as columns, named as in `REPS`."""
    blocks = {row.n: row.block for row in data.blocks}
    of = [blocks.get(rep.n, _NO_BLOCK) for rep in data.reps]
    count = len(of)
    table: dict[str, Any] = {
        "visit": np.full(count, data.visit.id),
        "runner": _words([data.visit.runner or ""] * count),
        "block": np.array([rep.n for rep in data.reps], np.int64),
        "exercise": _words([block.exercise or "" for block in of]),
        "side": _words([str(block.side or "") for block in of]),
        "set": np.array([-1 if block.set_number is None else block.set_number for block in of], np.int64),
        "number": np.array([rep.number for rep in data.reps], np.int64),
    }
    for name in ("began_s", "ended_s", "range_deg", "level_s"):
        table[name] = np.array([getattr(rep, name) for rep in data.reps], np.float64)
    return {name: table[name] for name in REPS}


def frames(data: VisitData, chunks: Iterable[Chunk]) -> Iterator[Table]:
    """The visit's frames as columns, named as in `FRAMES`, chunk by chunk."""
    postures = _words([p.name.lower() for p in Posture])
    shown = _words([s.name.lower().replace("_", " ") for s in Shown])
    for span, track, trace in chunks:
        table: dict[str, Any] = {
            "visit": np.full(len(track), data.visit.id),
            "span": np.full(len(track), span),
            "block": block_at(data.blocks, trace["t_s"]),
            "seq": track["seq"],
            "camera_s": track["t_s"],
            "posture": postures[trace["posture"]],
            "shown": shown[trace["shown"]],
        }
        table |= {name: trace[name] for name in ("t_s", "obliquity_deg", "sway_px", "height_px")}
        for k, mark in enumerate(MARKS):
            table[f"{mark}_x_px"], table[f"{mark}_y_px"] = track["xy_px"][:, k, 0], track["xy_px"][:, k, 1]
            table[f"{mark}_score"] = track["score"][:, k]
        yield {name: table[name] for name in FRAMES}


def block_at(blocks: tuple[BlockRow, ...], t_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """In which block of the plan each moment lies; -1 = in none."""
    found = np.full(len(t_s), -1, np.int64)
    for row in blocks:
        end_s = np.inf if row.ended_s is None else row.ended_s
        found[(t_s >= row.began_s) & (t_s < end_s)] = row.n
    return found


def _words(values: list[str]) -> NDArray[np.object_]:
    return np.array(values, object)


def _kind(row: BlockRow | None) -> str:
    return "" if row is None else str(row.block.kind)


def _name(row: BlockRow | None) -> str:
    return "" if row is None else row.block.name
