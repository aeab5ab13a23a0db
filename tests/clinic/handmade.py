"""Visits made by hand: blocks one after the other, a step every 0.35 s, and drops that are known."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from appliance.clinic.rows import STEP, BlockRow, SpanRow, StretchRow, VisitData, VisitRow
from appliance.clinic.terms import DARK, Aim, Block, Kind, VisitKind, VisitState

STEP_S = 0.35


def correlated(rng: np.random.Generator, phi: float, shape: tuple[int, ...]) -> np.ndarray:
    """Series along the last axis, mean 0 and SD 1, each figure `phi` like the one before it."""
    fresh = rng.standard_normal(shape)
    series = fresh.copy()
    for k in range(1, shape[-1]):
        series[..., k] = phi * series[..., k - 1] + np.sqrt(1 - phi**2) * fresh[..., k]
    return series


def steps(count: int, *, begin_s: float = 0.0, left: float = 4.0, right: float = 6.0) -> np.ndarray:
    """Alternating steps, the right one first, all seen well, with the same drop each time."""
    rows = np.zeros(count, STEP)
    rows["n"] = np.arange(count)
    rows["right"] = (np.arange(count) + 1) % 2
    rows["contact_s"] = begin_s + np.arange(count) * STEP_S
    rows["off_s"] = rows["contact_s"] + 0.25
    rows["peak_drop_deg"] = np.where(rows["right"] == 1, right, left)
    rows["contact_drop_deg"], rows["excursion_deg"] = 1.0, rows["peak_drop_deg"] - 1.0
    rows["sway_px"], rows["contact_time_s"], rows["flight_s"], rows["quality"] = 12.0, 0.25, 0.1, 1.0
    return rows


def visit(
    parts: Sequence[tuple[Block, np.ndarray]],
    *,
    stretches: tuple[StretchRow, ...] = (),
    kind: VisitKind = VisitKind.VISIT,
    number: int = 1,
    settings: str = "{}",
) -> VisitData:
    """Blocks one after the other; each part's steps are moved to where its block begins. Lit as `stretches` say."""
    rows, blocks, at_s = [], [], 0.0
    for n, (block, own) in enumerate(parts):
        moved = own.copy()
        moved["contact_s"] += at_s
        moved["off_s"] += at_s
        moved["block"] = n
        rows.append(moved)
        ended_s = at_s + max(block.seconds, len(own) * STEP_S)
        blocks.append(
            BlockRow(n=n, block=block, began_s=at_s, ended_s=ended_s, why="done", ran_s=block.seconds)
        )
        at_s = ended_s
    whole = np.concatenate(rows) if rows else np.zeros(0, STEP)
    whole["n"] = np.arange(len(whole))
    for stretch in stretches:
        whole["lit"][whole["contact_s"] >= stretch.began_s] = int(stretch.aim.mode != "off")
    span = SpanRow(
        n=0, at_s=0.0, t0_s=100.0, boot_id=None, wall_s=1e9, clock_set=True, software="1", header="{}",
        settings=settings, calibration="{}", frames=round(at_s * 120), lost=3,
    )  # fmt: skip
    row = VisitRow(
        id=number, runner="R-1", kind=kind, protocol="retraining", number=number, state=VisitState.DONE,
        began_s=1e9 + 86400 * number, clock_set=True, seconds=at_s,
    )  # fmt: skip
    return VisitData(
        visit=row, blocks=tuple(blocks), stretches=stretches, steps=whole, events=(), spans=(span,), edition=1
    )


def block(kind: Kind, seconds: float = 60.0, **fields: object) -> Block:
    """A block of a plan."""
    return msgspec.structs.replace(Block(kind=kind, seconds=seconds), **fields)


def lit(began_s: float, **aim: object) -> StretchRow:
    """From then on the bar shows a figure."""
    return StretchRow(began_s=began_s, aim=Aim(**aim))  # type: ignore[arg-type]


def dark(began_s: float) -> StretchRow:
    """From then on it does not."""
    return StretchRow(began_s=began_s, aim=DARK)
