"""A station's two years become a store: 5,000 visits, 20 million steps; and how long people wait with it.

    python -m tests.store.scale DIR [--visits N] [--steps N] [--traced N]

Seeded. Visits go in by the store's own `put_visit`, each with its checksums; only the last few have a trace, as those
of all would fill a card (a minute's size is printed). Then what people do is timed, each time with the store opened
anew, and a visit is written as the service writes it, to count the bytes that reach the card.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from appliance.clinic.rows import STEP, BlockRow, StretchRow, VisitData, VisitRow
from appliance.clinic.terms import DARK, Aim, Baseline, Block, BlockBegan, Kind, Plan, VisitKind, VisitState
from appliance.store.opening import FILE
from appliance.store.read import Trace
from appliance.store.recover import close_interrupted
from appliance.store.store import Store
from appliance.store.verify import verify
from appliance.store.writer import Writer
from tests.store.made import WALL_S, beginning, happened, second, span, trace, track

VISITS = 5_000
STEPS = 4_000
VISITS_A_RUNNER = 8
_DAY_S = 86_400.0
_KINDS = ((Kind.BASELINE, 0.1), (Kind.FEEDBACK, 0.7), (Kind.RETENTION, 0.2))


def made(folder: Path, visits: int = VISITS, steps: int = STEPS, traced: int = 2, tell: bool = False) -> Path:
    """The store; the last `traced` visits are of 30 minutes and have all their frames."""
    chance = np.random.default_rng(6)
    with Store.open(folder, make=True) as store:
        for n in range(visits):
            if n % VISITS_A_RUNNER == 0:
                store.add_runner(_code(n), "", WALL_S + n * _DAY_S / 7)
            whole = n >= visits - traced
            data = visit(n, 4_800 if whole else steps, chance)
            store.put_visit(data, frames(1_800) if whole else ())
            if tell and n % 100 == 99:
                print(f"\r{n + 1} of {visits} visits", end="", file=sys.stderr, flush=True)
    return folder


def _code(n: int) -> str:
    return f"R{n // VISITS_A_RUNNER:04}"


def visit(n: int, steps: int, chance: np.random.Generator) -> VisitData:
    """Visit `n` of the station: number 1 to 8 of its runner, whose drop falls from visit to visit."""
    number = n % VISITS_A_RUNNER + 1
    rows = _steps(steps, 8.0 - 0.4 * number, chance)
    seconds = float(rows["contact_s"][-1]) + 1.0
    ends = np.cumsum([share * seconds for _, share in _KINDS])
    blocks = [Block(kind=kind, seconds=share * seconds, mode="asymmetry") for kind, share in _KINDS]
    rows["block"] = np.minimum(np.searchsorted(ends, rows["contact_s"]), len(blocks) - 1)
    rows["lit"] = rows["block"] == 1
    begins = [0.0, *map(float, ends[:-1])]
    baseline = Baseline(
        left_drop_deg=5.0, right_drop_deg=8.0, difference_deg=3.0, left_steps=50, right_steps=50
    )
    row = VisitRow(
        id=0,
        runner=_code(n),
        kind=VisitKind.VISIT,
        protocol="retraining",
        number=number,
        state=VisitState.DONE,
        began_s=WALL_S + n * _DAY_S / 7,
        clock_set=True,
        ended_s=WALL_S + n * _DAY_S / 7 + seconds,
        seconds=seconds,
        planned_s=seconds,
        ran_s=seconds,
        software="hipbar test",
        protocol_text="title = 'retraining'\n" * 40,
        edition=1,
        plan=Plan(kind=VisitKind.VISIT, protocol="retraining", number=number, visits=8, blocks=tuple(blocks)),
        baseline=baseline,
    )
    return VisitData(
        visit=row,
        blocks=tuple(
            BlockRow(
                n=k, block=block, began_s=at_s, ended_s=float(end_s), why="done", ran_s=float(end_s) - at_s
            )
            for k, (block, at_s, end_s) in enumerate(zip(blocks, begins, ends, strict=True))
        ),
        stretches=(
            StretchRow(began_s=begins[1], aim=Aim(mode="asymmetry")),
            StretchRow(began_s=begins[2], aim=DARK),
        ),
        steps=rows,
        events=(),
        spans=(msgspec.structs.replace(span(0).span, frames=216_000 if steps == 4_800 else 0),),
        edition=1,
    )


def _steps(count: int, drop_deg: float, chance: np.random.Generator) -> np.ndarray:
    rows = np.zeros(count, STEP)
    rows["n"] = np.arange(count)
    rows["right"] = rows["n"] % 2
    rows["contact_s"] = 0.5 + np.cumsum(chance.normal(0.36, 0.005, count))
    for name, after_s in (("off_s", 0.25), ("midstance_s", 0.12), ("peak_s", 0.15), ("decided_s", 0.28)):
        rows[name] = rows["contact_s"] + chance.normal(after_s, 0.01, count)
    rows["peak_drop_deg"] = drop_deg + 2.0 * rows["right"] + chance.normal(0, 1.2, count)
    for name in ("contact_drop_deg", "midstance_drop_deg", "excursion_deg", "sway_px"):
        rows[name] = chance.normal(3.0, 1.0, count)
    rows["contact_time_s"], rows["flight_s"] = (
        chance.normal(0.25, 0.01, count),
        chance.normal(0.11, 0.01, count),
    )
    rows["quality"] = 1.0
    return rows


def frames(seconds: int) -> Iterator[Trace]:
    """A trace, second by second."""
    return ((0, track(n), trace(n)) for n in range(seconds))


class Wait(NamedTuple):
    """Seconds, and megabytes that were read for it from a disk of which nothing was in memory."""

    took_s: float
    read_mb: float


def waits(folder: Path) -> dict[str, Wait]:
    """How long people wait, each time with a store that is opened anew."""
    with Store.open(folder) as store:
        last = store.visit("last")
    middle, code = last.id // 2, _code(last.id // 2)
    asked: dict[str, Callable[[Store], Any]] = {
        "open": lambda store: None,
        "list the last 50 visits": lambda store: store.visits(limit=50),
        "list all visits": lambda store: store.visits(),
        "list all runners": lambda store: store.runners(),
        "a runner's course": lambda store: store.course(code, "retraining"),
        "a visit's steps, 25 min": lambda store: store.data(middle),
        "a visit's figures, first time": lambda store: store.summary(middle),
        "a visit's figures, again": lambda store: store.summary(middle),
        "all figures of a runner's course": lambda store: [
            store.summary(v.id) for v in store.course(code, "retraining")
        ],
        "a visit's steps, 30 min": lambda store: store.data(last.id),
        "its trace, 216,000 frames": lambda store: sum(len(t) for _, t, _ in store.trace(last.id)),
    }
    took = {what: _cold(folder, lambda do=do: _with(folder, do)) for what, do in asked.items()}
    begun: list[int] = []
    with contextlib.closing(Writer(folder, reserve_mb=1.0)) as writer:
        took["begin a visit"] = _cold(folder, lambda: begun.append(writer.begin(beginning(code))))
    close_interrupted(folder, begun[0])
    return took


def _cold(folder: Path, do: Callable[[], Any]) -> Wait:
    """With nothing of the file in memory."""
    with (folder / FILE).open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before = _io("read_bytes")
    took_s = _timed(do)
    return Wait(took_s, (_io("read_bytes") - before) / 1e6)


def _with(folder: Path, do: Callable[[Store], Any]) -> None:
    with Store.open(folder) as store:
        do(store)


def _timed(do: Callable[[], Any]) -> float:
    began_s = time.perf_counter()
    do()
    return time.perf_counter() - began_s


def written(folder: Path, seconds: int = 600) -> tuple[float, float, float]:
    """Of a visit that is written second by second: MB a minute to the kernel, to the disk, and in the file."""
    with Store.open(folder, make=True) as store:
        store.add_runner("R07", "", WALL_S)
    before, size = _io("write_bytes"), (folder / FILE).stat().st_size
    writer = Writer(folder, reserve_mb=1.0)
    number = writer.begin(beginning())
    writer.post(span(number))
    writer.post(happened(number, BlockBegan(0.0, 0)))
    for n in range(seconds):
        writer.ask(second(number, n), within_s=30.0)
    handed = writer.held.written_bytes
    writer.close()
    os.sync()
    minutes = seconds / 60
    grown = (folder / FILE).stat().st_size - size
    return handed / 1e6 / minutes, (_io("write_bytes") - before) / 1e6 / minutes, grown / 1e6 / minutes


def _io(name: str) -> int:
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def main(words: list[str]) -> int:
    """Makes the store unless it is there, and times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--visits", type=int, default=VISITS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--traced", type=int, default=2)
    asked = parser.parse_args(words)
    big, small = asked.folder / "big", asked.folder / "small"
    if not (big / FILE).exists():
        made_s = _timed(lambda: made(big, asked.visits, asked.steps, asked.traced, tell=True))
        print(f"\n{asked.visits:,} visits made in {made_s:.0f} s")
    print(f"{(big / FILE).stat().st_size / 1e6:,.0f} MB on the disk")
    for what, (took_s, read_mb) in waits(big).items():
        print(f"  {1000 * took_s:9.1f} ms {read_mb:8.2f} MB  {what}")
    found: list[Any] = []
    print(f"  {_timed(lambda: found.append(verify(big))):9.1f} s   verify: {found[0]}")
    if not (small / FILE).exists():
        print(
            "written by a visit: {:.2f} MB/min to the kernel, {:.2f} to the disk; the file grows by {:.2f}".format(
                *written(small)
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
