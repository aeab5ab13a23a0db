"""Visits that follow from their numbers, so that what is read back can be told to the last bit.

Only what every processor computes alike: additions, multiplications, divisions, no sines, no logarithms.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from appliance.clinic.rows import STEP, TRACE, SpanRow
from appliance.clinic.terms import (
    Act,
    Aim,
    Baseline,
    Block,
    BlockBegan,
    BlockEnded,
    Kind,
    Lit,
    Measured,
    Over,
    Plan,
    Progress,
    VisitKind,
    VisitState,
)
from appliance.records import TRACK
from appliance.store.items import Begin, Happened, Second, Span
from appliance.store.store import Store
from appliance.store.writer import Writer

RATE = 120
BOOT = "1f2e3d4c-0000-4000-8000-000000000000"
WALL_S = 1_800_000_000.0
STEPS_A_SECOND = 3
PLAN = Plan(
    kind=VisitKind.VISIT,
    protocol="retraining",
    number=1,
    visits=8,
    blocks=(
        Block(kind=Kind.BASELINE, seconds=20.0, name="baseline"),
        Block(kind=Kind.FEEDBACK, seconds=40.0, mode="asymmetry"),
        Block(kind=Kind.RETENTION, seconds=20.0),
    ),
)
BASELINE = Baseline(
    left_drop_deg=5.25,
    right_drop_deg=8.125,
    difference_deg=2.875,
    left_steps=28,
    right_steps=27,
    cadence_spm=168.0,
)
AIM = Aim(mode="asymmetry", band_deg=1.5)


def beginning(runner: str | None = "R07", plan: Plan = PLAN) -> Begin:
    return Begin(
        runner=runner,
        plan=plan,
        protocol_text='name = "retraining"\n',
        wall_s=WALL_S,
        clock_set=True,
        boot_id=BOOT,
        software="hipbar test",
        edition=1,
    )


def span(visit: int, n: int = 0, at_s: float = 0.0) -> Span:
    row = SpanRow(
        n=n,
        at_s=at_s,
        t0_s=1000.0,
        boot_id=BOOT,
        wall_s=WALL_S + at_s,
        clock_set=True,
        software="hipbar test",
        header='{"width_px":480}',
        settings='{"camera":{"rate_hz":120}}',
        calibration="{}",
    )
    return Span(visit=visit, span=row)


def track(second: int, rate: int = RATE) -> np.ndarray:
    """One second of keypoints: whole 4096ths of a pixel as sight makes them, nanoseconds of jitter, holes."""
    rng = np.random.default_rng(second)
    rows = np.zeros(rate, TRACK)
    rows["seq"] = second * rate + np.arange(rate)
    rows["t_s"] = 1000.0 + rows["seq"] / rate + rng.integers(0, 50_000, rate) * 1e-9
    beat = (4.0 * np.abs(2.7 * rows["t_s"] % 1.0 - 0.5) - 1.0)[:, None, None]
    places = np.array([[200.0, 310.0], [280.0, 309.0], [230.0, 590.0], [255.0, 560.0]])
    rows["xy_px"] = np.round((places + 12 * beat) * 4096 + rng.integers(-400, 401, (rate, 4, 2))) / 4096
    rows["xy_px"][rng.random(rate) < 0.02, 3] = np.nan
    rows["score"] = np.where(np.isnan(rows["xy_px"][:, :, 0]), 0.0, 1.0)
    return rows


def trace(second: int, rate: int = RATE) -> np.ndarray:
    """What was made of it."""
    seen = track(second, rate)
    rows = np.zeros(rate, TRACE)
    rows["t_s"] = seen["t_s"] - 1000.0
    pair = seen["xy_px"][:, :2]
    rows["obliquity_deg"] = 57.3 * (pair[:, 0, 1] - pair[:, 1, 1]) / (pair[:, 1, 0] - pair[:, 0, 0])
    rows["sway_px"], rows["height_px"] = (
        pair[:, :, 0].mean(axis=1) - 240.0,
        320.0 - pair[:, :, 1].mean(axis=1),
    )
    rows["posture"], rows["shown"] = 3, 1
    return rows


def steps(second: int, count: int = STEPS_A_SECOND, first: int | None = None) -> np.ndarray:
    """The steps that were decided in a second, alternately right and left; some could not be measured in full."""
    rng = np.random.default_rng(10_000_000 + second)
    rows = np.zeros(count, STEP)
    number = (second * count if first is None else first) + np.arange(count)
    rows["right"] = number % 2
    rows["contact_s"] = second + (np.arange(count) + 0.25) / count
    for name in ("off_s", "midstance_s", "peak_s", "decided_s"):
        rows[name] = rows["contact_s"] + 0.05 + 0.2 * rng.random(count)
    rows["peak_drop_deg"] = 6.0 + 2.0 * rows["right"] + 4.0 * (rng.random(count) - 0.5)
    for name in ("contact_drop_deg", "midstance_drop_deg", "excursion_deg", "sway_px", "contact_time_s"):
        rows[name] = 2.0 + 2.0 * rng.random(count)
    rows["flight_s"], rows["quality"] = 0.1 * rng.random(count), 1.0
    rows["flight_s"][number == 0] = np.nan
    rows["peak_drop_deg"][number % 11 == 7] = np.nan
    rows["peak_s"][number % 11 == 7] = np.nan
    return rows


def second(
    visit: int, number: int, *, span_n: int = 0, ran_s: float | None = None, lost: int = 0, block: int = 0
) -> Second:
    """Second `number` of a visit, from its first on."""
    progress = Progress(at_s=number + 1.0, block=block, ran_s=number + 1.0 if ran_s is None else ran_s)
    return Second(
        visit=visit,
        span=span_n,
        track=track(number),
        trace=trace(number),
        steps=steps(number),
        progress=progress,
        lost=lost,
    )


def happened(
    visit: int, act: Act, *, ran_s: float = 0.0, block: int = 0, state: VisitState = VisitState.RUNNING
) -> Happened:
    progress = Progress(at_s=act.at_s, block=block, ran_s=ran_s, paused=state == VisitState.PAUSED)
    return Happened(visit=visit, act=act, wall_s=WALL_S + act.at_s, progress=progress, state=state)


def course_of(visit: int, seconds: int = 60) -> list[Span | Happened | Second]:
    """A whole visit but for its end: baseline for a third, then feedback."""
    third = seconds // 3
    items: list[Span | Happened | Second] = [span(visit), happened(visit, BlockBegan(0.0, 0))]
    items += [second(visit, n) for n in range(third)]
    items += [
        happened(visit, BlockEnded(float(third), 0, "done", float(third))),
        happened(visit, Measured(float(third), BASELINE), block=1),
        happened(visit, BlockBegan(float(third), 1), block=1),
        happened(visit, Lit(float(third), AIM), block=1),
    ]
    items += [second(visit, n, ran_s=n + 1.0 - third, block=1) for n in range(third, seconds)]
    return items


def over(
    visit: int, at_s: float, ran_s: float, block: int = 1, state: VisitState = VisitState.DONE
) -> Happened:
    return happened(visit, Over(at_s, state), ran_s=ran_s, block=block, state=state)


def clinic(folder: Path, *codes: str) -> Path:
    """A folder with a store and these runners."""
    with Store.open(folder, make=True) as store:
        for code in codes or ("R07",):
            store.add_runner(code, "", WALL_S)
    return folder


def visited(folder: Path, runner: str | None = "R07", seconds: int = 60) -> int:
    """Writes a whole visit; its number."""
    writer = Writer(folder, reserve_mb=1.0)
    try:
        visit = writer.begin(beginning(runner))
        for item in course_of(visit, seconds):
            writer.post(item)
        writer.ask(over(visit, float(seconds), seconds - seconds // 3), within_s=30.0)
    finally:
        writer.close()
    return visit


def until(true: Callable[[], bool], within_s: float = 20.0) -> None:
    """Waits for another thread's doing."""
    end_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.005)
