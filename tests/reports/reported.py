"""Visits made up from a plan: every step of it, with drops that are known, and a trace that goes with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from appliance.clinic.course import course
from appliance.clinic.curves import stride_curve
from appliance.clinic.figures import VisitFigures, visit_figures
from appliance.clinic.rows import STEP, TRACE, BlockRow, EventRow, SpanRow, StretchRow, VisitData, VisitRow
from appliance.clinic.terms import RUNNING_KINDS, Aim, Block, Kind, Plan, Rep, VisitKind, VisitState
from appliance.records import TRACK, Side
from appliance.reports.source import VisitSource
from appliance.store.store import Store

HEADER = (
    '{"width_px":480,"height_px":640,"rate_hz":120.0,"zero_deg":1.32,'
    '"lens":{"fx_px":810.0,"roll_deg":0.4,"pitch_deg":2.1}}'
)
SETTINGS = (
    '{"camera":{"source":"picamera","sensor":"ov9281"},'
    '"feedback":{"mode":"step","target_deg":5.0,"band_deg":2.0}}'
)
CALIBRATION = '{"number":12,"made_s":1771000000.0}'
DAY_S = 86_400.0
BEGAN_S = 1_772_100_000.0
_APART_S = 60.0 / 168.0


def retraining(number: int) -> Plan:
    """A visit of the usual course."""
    minutes = (11, 13, 15, 17, 20, 22, 24, 26)[number - 1]
    if number <= 4:
        main = Block(kind=Kind.FEEDBACK, seconds=60 * minutes, mode="step")
    else:
        on_s, off_s = ((90, 30), (60, 60), (30, 60), (30, 120))[number - 5]
        main = Block(kind=Kind.FADED, seconds=60 * minutes, mode="step", on_s=on_s, off_s=off_s)
    return plan(
        number,
        8,
        Block(kind=Kind.STAND, seconds=5),
        Block(kind=Kind.WARM_UP, seconds=180),
        Block(kind=Kind.BASELINE, seconds=120),
        main,
        Block(kind=Kind.RETENTION, seconds=120),
        Block(kind=Kind.COOL_DOWN, seconds=120),
    )


def plan(number: int, visits: int, *blocks: Block, kind: VisitKind = VisitKind.VISIT) -> Plan:
    return Plan(kind=kind, protocol="retraining", number=number, visits=visits, blocks=blocks)


def visit(
    of: Plan, *, seed: int = 1, code: str | None = "A-017", left: float = 6.1, right: float = 8.4
) -> VisitData:
    """All of a plan, done. left, right : mean peak drops by stance side at the first visit, falling from there."""
    rng = np.random.default_rng(seed)
    gain = 0.35 * (of.number - 1)
    parts, blocks, stretches, at_s = [], [], [StretchRow(began_s=0.0, aim=Aim(mode="off"))], 0.0
    for n, block in enumerate(of.blocks):
        seconds = block.seconds
        lit = _lit(block, at_s)
        stretches += lit
        blocks.append(
            BlockRow(n=n, block=block, began_s=at_s, ended_s=at_s + seconds, why="done", ran_s=seconds)
        )
        if block.kind in RUNNING_KINDS or block.kind in (Kind.WARM_UP, Kind.COOL_DOWN):
            parts.append(_steps(rng, n, at_s, seconds, lit, left - 0.5 * gain, right - gain))
        at_s += seconds
    steps = np.concatenate(parts) if parts else np.zeros(0, STEP)
    steps["n"] = np.arange(len(steps))
    ran_s = sum(row.ran_s for row in blocks if row.block.kind in RUNNING_KINDS)
    row = VisitRow(
        id=40 + of.number, runner=code, kind=of.kind, protocol=of.protocol, number=of.number, state=VisitState.DONE,
        began_s=BEGAN_S + 2 * DAY_S * of.number, clock_set=True, seconds=at_s, planned_s=ran_s, ran_s=ran_s,
        steps=len(steps), software="hipbar 0.7.0", plan=of, edition=1,
    )  # fmt: skip
    span = SpanRow(
        n=0, at_s=0.0, t0_s=100.0, boot_id="b", wall_s=row.began_s, clock_set=True, software="hipbar 0.7.0",
        header=HEADER, settings=SETTINGS, calibration=CALIBRATION, frames=round(at_s * 120), lost=14,
    )  # fmt: skip
    return VisitData(
        visit=row, blocks=tuple(blocks), stretches=tuple(stretches), steps=steps, spans=(span,), edition=1,
        events=(EventRow(at_s=401.0, wall_s=0.0, kind="note", words="belt at 2.6 m/s"),) if at_s > 401 else (),
    )  # fmt: skip


def _lit(block: Block, at_s: float) -> list[StretchRow]:
    aim, dark = Aim(mode=block.mode, target_deg=5.9), Aim(mode="off")
    if block.kind is Kind.FEEDBACK:
        return [StretchRow(began_s=at_s, aim=aim), StretchRow(began_s=at_s + block.seconds, aim=dark)]
    if block.kind is not Kind.FADED or not block.on_s or not block.off_s:
        return []
    begins = np.arange(0.0, block.seconds, block.on_s + block.off_s)
    pairs = [(at_s + b, at_s + min(b + block.on_s, block.seconds)) for b in begins.tolist()]
    return [s for a, b in pairs for s in (StretchRow(began_s=a, aim=aim), StretchRow(began_s=b, aim=dark))]


def _steps(
    rng: np.random.Generator,
    n: int,
    at_s: float,
    seconds: float,
    lit: list[StretchRow],
    left: float,
    right: float,
) -> np.ndarray:
    rows = np.zeros(int(seconds / _APART_S), STEP)
    count = len(rows)
    rows["block"], rows["quality"] = n, 1.0
    rows["right"] = np.arange(count) % 2
    rows["contact_s"] = at_s + np.arange(count) * _APART_S + rng.normal(0.01, 0.004, count)
    for stretch in lit:
        rows["lit"][rows["contact_s"] >= stretch.began_s] = int(stretch.aim.mode != "off")
    noise = np.zeros(count)
    for k in range(2, count):
        noise[k] = 0.4 * noise[k - 2] + rng.normal(0, 0.9)
    drop = np.where(rows["right"] == 1, right - 1.6 * rows["lit"], left - 0.5 * rows["lit"]) + noise
    drop[rng.random(count) < 0.004] = np.nan
    rows["peak_drop_deg"] = drop
    rows["contact_drop_deg"], rows["excursion_deg"], rows["midstance_drop_deg"] = 1.0, drop - 1.0, drop
    rows["contact_time_s"] = np.where(rows["right"] == 1, 0.246, 0.251) + rng.normal(0, 0.006, count)
    rows["off_s"] = rows["contact_s"] + rows["contact_time_s"]
    rows["peak_s"] = rows["midstance_s"] = rows["contact_s"] + 0.11
    rows["flight_s"], rows["sway_px"] = 0.106, rng.normal(14, 2, count)
    rows["decided_s"] = rows["off_s"] + 0.03
    return rows


def chunks(data: VisitData) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The trace of a visit, a second at a time: the pelvis falls to each step's drop and comes up again."""
    steps = data.steps
    for second in range(int(data.visit.seconds)):
        trace, track = np.zeros(120, TRACE), np.zeros(120, TRACK)
        trace["t_s"] = track["t_s"] = second + np.arange(120) / 120
        if not len(steps):
            yield 0, track, trace
            continue
        at = np.searchsorted(steps["contact_s"], trace["t_s"], side="right") - 1
        inside = (at >= 0) & (trace["t_s"] - steps["contact_s"][at] < 0.5)
        share = np.clip((trace["t_s"] - steps["contact_s"][at]) / _APART_S, 0, 1)
        sign = np.where(steps["right"][at] == 1, 1.0, -1.0)
        wave = sign * np.nan_to_num(steps["peak_drop_deg"][at], nan=5.0) * np.sin(np.pi * share) ** 1.4
        trace["obliquity_deg"] = np.where(inside, wave, 0.0)
        yield 0, track, trace


def figures_of(numbers: range, code: str = "A-017") -> list[tuple[VisitData, VisitFigures]]:
    visits = [visit(retraining(number), seed=number, code=code) for number in numbers]
    return [(data, visit_figures(data)) for data in visits]


def source(number: int = 1, *, first: int = 1, code: str = "A-017") -> VisitSource:
    """A visit of the usual course, with those before it."""
    made = figures_of(range(first, number + 1), code)
    data, figures = made[-1]
    return source_of(data, figures, [each for _, each in made])


def source_of(
    data: VisitData, figures: VisitFigures | None = None, past: list[VisitFigures] | None = None
) -> VisitSource:
    figures = figures or visit_figures(data)
    return VisitSource(
        data=data,
        figures=figures,
        curves=stride_curve(data.steps, chunks(data)),
        course=course(past or [figures]),
        made_s=data.visit.began_s + 3600,
    )


def cue_trial(seed: int = 3) -> VisitData:
    """A minute before, with and after a cue that takes 1.6 deg from the left hip and adds 12 steps a minute."""
    kinds = (Kind.CUE_BEFORE, Kind.CUE, Kind.CUE_AFTER)
    spoken = "push the ground back"
    blocks = [Block(kind=k, seconds=60, name="push", cue=spoken if k is Kind.CUE else None) for k in kinds]
    of = msgspec.structs.replace(plan(1, 1, *blocks, kind=VisitKind.CUE), protocol="push")
    data = visit(of, seed=seed)
    with_cue = data.steps["block"] == 1
    data.steps["peak_drop_deg"][with_cue & (data.steps["right"] == 1)] -= 3.1
    data.steps["contact_s"][with_cue] = 60 + (data.steps["contact_s"][with_cue] - 60) * 0.93
    data.steps["off_s"] = data.steps["contact_s"] + data.steps["contact_time_s"]
    return renamed(data, id=60)


def exercise() -> VisitData:
    """Two sets of hip drops on a step and two holds at a wall, one side after the other."""
    rng = np.random.default_rng(5)
    blocks, reps, rows, at_s = [], [], [], 0.0
    for n in range(4):
        side, hold = (Side.LEFT, Side.RIGHT)[n % 2], n >= 2
        block = Block(
            kind=Kind.HOLD if hold else Kind.REPS, seconds=60, name="", exercise="hip-drop", side=side,
            set_number=1 + n // 2, reps=1 if hold else 15, hold_s=40.0 if hold else None, band_deg=3.0,
        )  # fmt: skip
        for number in range(1 if hold else 15 - n):
            begin = at_s + 4.0 * number
            level = float(rng.uniform(33, 39)) if hold else None
            tilt = None if hold else float(rng.normal(9, 1))
            reps.append(Rep(begin + 3, n, number + 1, begin, begin + 3, range_deg=tilt, level_s=level))
        rows.append(BlockRow(n=n, block=block, began_s=at_s, ended_s=at_s + 60, why="done", ran_s=60))
        blocks.append(block)
        at_s += 60
    of = msgspec.structs.replace(plan(1, 1, *blocks, kind=VisitKind.EXERCISE), protocol="hip-drop")
    data = visit(msgspec.structs.replace(of, blocks=()))
    row = msgspec.structs.replace(data.visit, id=61, seconds=at_s, plan=of)
    return msgspec.structs.replace(data, visit=row, blocks=tuple(rows), reps=tuple(reps))


def keep(folder: Path, visits: list[VisitData]) -> list[int]:
    """Puts visits into a new store; their numbers there."""
    with Store.open(folder, make=True) as store:
        for code in {data.visit.runner for data in visits if data.visit.runner}:
            store.add_runner(code, "", BEGAN_S)
        return [store.put_visit(ended(data), chunks(data)) for data in visits]


def ended(data: VisitData) -> VisitData:
    return renamed(data, ended_s=data.visit.began_s + data.visit.seconds)


def renamed(data: VisitData, **fields: object) -> VisitData:
    """The same visit with other fields in its row."""
    return msgspec.structs.replace(data, visit=msgspec.structs.replace(data.visit, **fields))
