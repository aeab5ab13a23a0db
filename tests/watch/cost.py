"""What an open `hipbar watch` costs the loop: frame to light with and without it, by turns, in one run.

    python -m tests.watch.cost [--seconds 20] [--rounds 8] [--fifo]

A real `hipbar serve` measures a recorded runner at 120 frames/s. Its flight recorder, a mapped file that it writes
anyway, says of every frame when it was exposed and when its light was out, so that looking costs the service nothing.
Turns alternate and their order changes, because other work on the machine comes and goes. With --fifo the service runs
with the priority that its unit gives it; that needs root.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from appliance.records import Light
from appliance.station import flight
from tests.serving.conftest import Station
from tests.watch.terminal import Terminal
from tests.watch.test_watch_live import FRESH, VIRTUAL, WATCH, env

_SETTLE_S, _LOOK_S = 3.0, 4.0
_ROWS_AT = 2 * 4096 + 65536
_TICKS = os.sysconf("SC_CLK_TCK")


def ages_ms(runtime: Path, seconds: float) -> np.ndarray:
    """Of every frame of the next so many seconds: from mid-exposure until its light was out."""
    began, found = time.monotonic(), {}
    while time.monotonic() < began + seconds:
        time.sleep(min(_LOOK_S, began + seconds - time.monotonic()))
        data = (runtime / flight.FILE).read_bytes()[_ROWS_AT:]
        rows = np.frombuffer(data[: len(data) // flight.ROW.itemsize * flight.ROW.itemsize], flight.ROW)
        new = rows[(rows["lit_s"] > began) & (rows["track"]["t_s"] > began)]
        found.update(zip(new["number"].tolist(), 1e3 * (new["lit_s"] - new["track"]["t_s"]), strict=True))
    return np.array([age for age in found.values() if 0 < age < 1e4])


def busy_s(pid: int) -> float:
    """Processor time of a process so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


def turn(station: Station, seconds: float, watched: bool) -> tuple[np.ndarray, float, float]:
    """One turn: the frames' ages, the service's and the watcher's share of one processor."""
    assert station.process is not None
    if not watched:
        time.sleep(_SETTLE_S)
        before, began = busy_s(station.process.pid), time.monotonic()
        ages = ages_ms(station.runtime, seconds)
        return ages, (busy_s(station.process.pid) - before) / (time.monotonic() - began), 0.0
    with Terminal(WATCH, env(station), drawn=False) as terminal:
        while FRESH.encode() not in terminal.raw:
            time.sleep(0.1)
        time.sleep(_SETTLE_S)
        pids = station.process.pid, terminal.process.pid
        before, began = [busy_s(pid) for pid in pids], time.monotonic()
        ages = ages_ms(station.runtime, seconds)
        took = time.monotonic() - began
        service, watcher = ((busy_s(pid) - old) / took for pid, old in zip(pids, before, strict=True))
    return ages, service, watcher


def told(name: str, turns: list[tuple[np.ndarray, float, float]]) -> tuple[float, float]:
    """Prints one way's figures; its p50 and p99, each the median of the turns."""
    p50, p99 = (float(np.median([np.quantile(ages, q) for ages, *_ in turns])) for q in (0.5, 0.99))
    every = np.concatenate([ages for ages, *_ in turns])
    service, watcher = (100 * float(np.mean([t[k] for t in turns])) for k in (1, 2))
    print(
        f"{name:<14} {len(every):>7,} frames   p50 {p50:6.3f} ms   p99 {p99:7.3f} ms   "
        f"all turns: p50 {np.quantile(every, 0.5):6.3f}, p99 {np.quantile(every, 0.99):7.3f} ms   "
        f"service {service:4.1f} %, watch {watcher:4.1f} % of a processor"
    )
    return p50, p99


def _urgent() -> None:
    """As systemd/hipbar.service has it."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(30))


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--seconds", type=float, default=20.0, help="of one turn")
    words.add_argument("--rounds", type=int, default=8, help="each with one turn of either kind")
    words.add_argument("--fifo", action="store_true", help="the service's own priority, as its unit gives it")
    asked = words.parse_args()
    urgent = {"preexec_fn": _urgent} if asked.fifo else {}
    with tempfile.TemporaryDirectory() as folder:
        station = Station(Path(folder), VIRTUAL)
        try:
            station.start(**urgent)
            station.status(lambda status: status.state in (Light.RUNNING, Light.RECORDING))
            turns: dict[bool, list[tuple[np.ndarray, float, float]]] = {False: [], True: []}
            for k in range(asked.rounds):
                for watched in (False, True) if k % 2 else (True, False):
                    turns[watched].append(turn(station, asked.seconds, watched))
                    ages, *_ = turns[watched][-1]
                    what = "watch open" if watched else "without"
                    figures = " ".join(f"{np.quantile(ages, q):.3f}" for q in (0.5, 0.9, 0.99))
                    print(f"  {what:<12} {figures}", flush=True)
        finally:
            station.close()
    without, with_watch = told("without", turns[False]), told("watch open", turns[True])
    ratios = [100 * (b / a - 1) for a, b in zip(without, with_watch, strict=True)]
    print(f"watch open against without: p50 {ratios[0]:+.1f} %, p99 {ratios[1]:+.1f} %")


if __name__ == "__main__":
    main()
