"""A visit's writer is killed at random moments; what it had acknowledged is looked for afterwards.

    python -m tests.store.kills [TIMES] [--seed N]

A process writes visits as fast as the disk takes them, and prints a line as soon as something is surely on the disk:
seconds, begins, ends, runners. It is ended by SIGKILL after a random while; the next one closes the interrupted visit,
or goes on with it, as a service does at its start. After each kill nothing acknowledged may be missing, every step and
frame must be as it was handed over, nothing may be there by half, and `verify` must be clean. The same visits are
written in the station bench's machine while its power is cut (`tests/station/powercut.py`): this module and `made.py`
need the product and numpy, nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from appliance.clinic.rows import STEP, VisitRow
from appliance.clinic.terms import BlockBegan, BlockEnded, Noted, VisitState
from appliance.errors import HipbarError
from appliance.store.clocks import clocks_now
from appliance.store.opening import FILE
from appliance.store.recover import close_interrupted, recover
from appliance.store.store import Store
from appliance.store.verify import verify
from appliance.store.writer import Writer
from tests.store.made import (
    STEPS_A_SECOND,
    WALL_S,
    beginning,
    happened,
    over,
    second,
    span,
    steps,
    trace,
    track,
)

Line = dict[str, Any]
LONGEST = 12  # seconds of a visit
A_FOLDER = 25  # kills
WAIT_S = 60.0  # for the disk, or a whole computer that is emulated
_START_S = 60.0  # so long a process may take to its first line
FIGURES = [name for name in STEP.names or () if name not in ("n", "block", "lit", "paused")]


def told(**line: Any) -> None:
    """One acknowledgement."""
    os.write(1, json.dumps(line).encode() + b"\n")


def write(
    folder: Path, seed: int, told: Callable[..., None] = told, most_bytes: float = float("inf")
) -> None:
    """Visits, one after the other, until somebody ends it, or the store has become that large."""
    chance = random.Random(seed)
    writer = Writer(folder, reserve_mb=0.0)
    with Store.open(folder, make=True) as store:
        known = len(store.runners())
        if not known:
            store.add_runner("R07", "", WALL_S)
        told(runners=max(1, known))
        _go_on(folder, writer, chance, told)
        while (folder / FILE).stat().st_size < most_bytes:
            visit = writer.begin(beginning(), within_s=WAIT_S)
            told(visit=visit, state="running", seconds=0)
            _go(writer, visit, 0, 0, chance, told)
            if chance.random() < 0.2:
                told(runners=store.add_runner(f"X{visit}", "", WALL_S).id)
    writer.close()


def _go_on(folder: Path, writer: Writer, chance: random.Random, told: Callable[..., None]) -> None:
    """As the service does at its start: what was cut off is closed, or goes on."""
    cut = recover(folder, clocks_now())
    if cut is None:
        return
    visit, at = cut.visit.id, round(cut.visit.seconds)
    if chance.random() < 0.5:
        close_interrupted(folder, visit)
        told(visit=visit, state="interrupted", seconds=at)
        return
    writer.resume(visit)
    with Store.open(folder) as store:
        spans = len(store.data(visit).spans)
    _go(writer, visit, at, spans, chance, told)


def _go(
    writer: Writer, visit: int, at: int, span_n: int, chance: random.Random, told: Callable[..., None]
) -> None:
    """A visit from second `at` to its end."""
    writer.post(span(visit, span_n, float(at)))
    writer.post(happened(visit, BlockBegan(float(at), 0)))
    end = at + chance.randrange(1, LONGEST)
    for n in range(at, end):
        if chance.random() < 0.2:
            writer.post(happened(visit, Noted(float(n), "mark", f"{n}")))
        if chance.random() < 0.5:
            writer.post(second(visit, n, span_n=span_n))
        else:
            writer.ask(second(visit, n, span_n=span_n), within_s=WAIT_S)
            held = writer.held
            told(visit=visit, state="running", seconds=round(held.at_s), steps=held.steps)
    writer.post(happened(visit, BlockEnded(float(end), 0, "done", float(end))))
    writer.ask(over(visit, float(end), float(end), block=0), within_s=WAIT_S)
    told(visit=visit, state="done", seconds=end, steps=writer.held.steps)


class Round(NamedTuple):
    """One kill. acknowledged : the last word on each visit; lines : how many words there were."""

    acknowledged: dict[int, Line]
    runners: int
    lines: int
    wrong: list[str]


def one(folder: Path, chance: random.Random, known: set[int]) -> Round:
    """Starts a process, kills it, looks what is there. known : visits that earlier processes had acknowledged."""
    words = [
        sys.executable,
        "-m",
        "tests.store.kills",
        "--write",
        str(folder),
        "--seed",
        str(chance.randrange(1 << 30)),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout
        lines = [] if chance.random() < 0.1 else [_first(process)]
        time.sleep(chance.uniform(0.0, 0.3))  # the kill's own moment: there is nothing to wait for
        process.kill()
        lines += process.stdout.read().splitlines()
    said = [json.loads(line) for line in lines if line.endswith(b"}")]
    acknowledged = {line["visit"]: line for line in said if "visit" in line}
    runners = max((line["runners"] for line in said if "runners" in line), default=0)
    return Round(acknowledged, runners, len(said), list(wrong_with(folder, acknowledged, runners, known)))


def _first(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout
    if not select.select([process.stdout], [], [], _START_S)[0]:
        process.kill()
        raise TimeoutError("the process said nothing")
    return process.stdout.readline().rstrip()


def wrong_with(
    folder: Path, acknowledged: dict[int, Line], runners: int, known: Collection[int] = ()
) -> Iterator[str]:
    """What is missing, or there by half."""
    if not (folder / FILE).exists() or not (folder / FILE).stat().st_size:
        if acknowledged or runners or known:
            yield "the store is gone"
        return
    try:
        yield from _wrong_store(folder, acknowledged, runners, known)
    except HipbarError as error:
        if runners or known:
            yield str(error)


def _wrong_store(
    folder: Path, acknowledged: dict[int, Line], runners: int, known: Collection[int]
) -> Iterator[str]:
    yield from verify(folder).damage
    with Store.open(folder) as store:
        if len(store.runners()) < runners:
            yield f"{len(store.runners())} runners instead of {runners}"
        rows = {row.id: row for row in store.visits()}
        yield from (f"visit {visit} is gone" for visit in {*known, *acknowledged} if visit not in rows)
        for visit in sorted(rows)[-len(acknowledged) - 2 :]:
            yield from _wrong_visit(store, rows[visit], acknowledged.get(visit))


def _wrong_visit(store: Store, row: VisitRow, line: Line | None) -> Iterator[str]:
    seconds = round(row.seconds)
    if line and (seconds < line["seconds"] or row.steps < line.get("steps", 0)):
        yield f"visit {row.id}: {seconds} seconds, {row.steps} steps; acknowledged: {line}"
    if line and line["state"] != "running" and row.state != line["state"]:
        yield f"visit {row.id} is {row.state}; acknowledged: {line}"
    got, data = list(store.trace(row.id)), store.data(row.id)
    if len(got) != seconds or len(data.steps) != STEPS_A_SECOND * seconds or row.steps != len(data.steps):
        yield f"visit {row.id}: {seconds} seconds, {len(got)} chunks, {len(data.steps)} steps: by half"
    for n, (_, tracks, traces) in enumerate(got):
        if tracks.tobytes() != track(n).tobytes() or traces.tobytes() != trace(n).tobytes():
            yield f"visit {row.id}: second {n} has other frames"
    for n in range(len(data.steps) // STEPS_A_SECOND):
        here = data.steps[n * STEPS_A_SECOND : (n + 1) * STEPS_A_SECOND]
        if any(not np.array_equal(here[name], steps(n)[name], equal_nan=True) for name in FIGURES):
            yield f"visit {row.id}: second {n} has other steps"
    if [b for b in data.blocks if b.ended_s is None] and row.state != VisitState.RUNNING:
        yield f"visit {row.id} has ended, its block has not"


def many(times: int, seed: int, tell: bool = False) -> list[Round]:
    """So many kills, each on what the one before left; a new folder now and then."""
    chance, rounds, known = random.Random(seed), [], set[int]()
    with tempfile.TemporaryDirectory(prefix="hipbar-kills-") as name:
        for n in range(times):
            folder = Path(name) / f"{n // A_FOLDER}"
            if not folder.exists():
                folder.mkdir()
                known = set()
            rounds.append(one(folder, chance, known))
            known |= rounds[-1].acknowledged.keys()
            if tell and (n % 10 == 9 or rounds[-1].wrong):
                print(
                    f"{n + 1} kills, {sum(bool(r.wrong) for r in rounds)} bad", *rounds[-1].wrong, flush=True
                )
    return rounds


def summary(rounds: list[Round]) -> str:
    """In two lines."""
    ends = Counter(line["state"] for done in rounds for line in done.acknowledged.values())
    seconds = sum(line["seconds"] for done in rounds for line in done.acknowledged.values())
    return (
        f"{len(rounds)} kills; acknowledged: {sum(done.lines for done in rounds):,} times, {seconds:,} s of visits, "
        f"last words {', '.join(f'{n:,} {state}' for state, n in ends.most_common())}\n"
        f"  {sum(bool(done.wrong) for done in rounds)} bad"
    )


def main(words: list[str]) -> int:
    """Kills, or is what is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("times", nargs="?", type=int, default=500)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args(words)
    if asked.write:
        write(asked.write, asked.seed)
    rounds = many(asked.times, asked.seed, tell=True)
    print(summary(rounds))
    return any(done.wrong for done in rounds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
