"""Kills of the running service become times: from the signal to a dark bar, and from there to the next measurement.

    python -m tests.station kills [COUNT]      # a hundred, one after the other, and what they left behind

Times are seconds on CLOCK_MONOTONIC. Judges nothing by itself: `Kills.left` says in words what has stayed, and the
tests hold that and the times to their limits.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from appliance.station.fallback import LAST_GOOD
from appliance.station.flight import FILE as FLIGHT
from appliance.station.status import FILE as STATUS
from tests.station import watch
from tests.station.layers import cache
from tests.station.serving import Station, installed, station

MANY = 100
_LONGEST_S = 1.5
"""So long it measures at most before it is killed."""
_GROWTH_MB, _GROWTH_FDS = 4.0, 2
_CRASHES, _CRASH_BYTES = 10, 256 << 10
_EXPECTED = {STATUS, FLIGHT, "traceback", "started", LAST_GOOD, "clock.jsonl"}
"""What the service always has in its folders of /run and /var/lib."""


class Kill(NamedTuple):
    """One kill: when it struck, when the bar was dark, and when it measured again."""

    struck_s: float
    dark_s: float
    measuring_s: float

    @property
    def dark_ms(self) -> float:
        """From the kill to the dark bar."""
        return 1e3 * (self.dark_s - self.struck_s)

    @property
    def back_ms(self) -> float:
        """From the kill to the next measurement."""
        return 1e3 * (self.measuring_s - self.struck_s)


class Manager(NamedTuple):
    """Process 1 of the container, and what is about it."""

    memory_mb: float
    descriptors: int
    zombies: tuple[str, ...]


class Kills(NamedTuple):
    """All of them, and what was different after."""

    kills: tuple[Kill, ...]
    left: tuple[str, ...]

    def rows(self) -> dict[str, dict[str, float]]:
        """The distribution of both times, in milliseconds."""
        dark, back = ([getattr(kill, name) for kill in self.kills] for name in ("dark_ms", "back_ms"))
        return {"bar dark after": spread(dark), "measuring again after": spread(back)}

    def as_text(self) -> str:
        """A few lines for a person."""
        lines = [f"{len(self.kills)} kills (SIGKILL) of the running service; milliseconds"]
        for name, row in self.rows().items():
            lines.append(f"  {name:22}" + "  ".join(f"{key} {value:,.0f}" for key, value in row.items()))
        return "\n".join([*lines, "  left behind: " + ("; ".join(self.left) or "nothing")])


def spread(figures: list[float]) -> dict[str, float]:
    """Least, median, 95th percentile and most."""
    ordered = sorted(figures)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return {"min": ordered[0], "p50": statistics.median(ordered), "p95": p95, "max": ordered[-1]}


def kill(one: Station) -> Kill:
    """Kills the service, and waits until it measures again."""
    struck_s = one.strike("KILL")
    dark_s = one.bar.await_first(struck_s, watch.DARK)
    return Kill(struck_s, dark_s, one.bar.await_first(dark_s, watch.MEASURING))


def kill_often(one: Station, count: int, seed: int = 1) -> Kills:
    """So many kills of a station that has measured for a moment. One before them: what grows once has grown."""
    moments = random.Random(seed)
    kill(one)
    before, files, kills = manager(one), temporary(one), []
    for _ in range(count):
        time.sleep(moments.uniform(0.0, _LONGEST_S))
        kills.append(kill(one))
    after = manager(one)
    one.until(lambda: (found := one.status()) and found.pid == one.main_pid)
    left = [f"zombie {name}" for name in after.zombies]
    left += [f"file {name}" for name in sorted(temporary(one) - files)]
    if after.memory_mb - before.memory_mb > _GROWTH_MB:
        left.append(f"process 1 has grown from {before.memory_mb:.1f} to {after.memory_mb:.1f} MB")
    if after.descriptors - before.descriptors > _GROWTH_FDS:
        left.append(f"process 1 has {after.descriptors} open files, {before.descriptors} before")
    return Kills(tuple(kills), (*left, *_too_many_crashes(one), *_damaged(one)))


def manager(one: Station) -> Manager:
    """The container's process 1 as it is now."""
    folder = Path(f"/proc/{one.box.pid}")
    resident = re.search(r"VmRSS:\s+(\d+) kB", (folder / "status").read_text())
    zombies = one.box.run("ps -eo stat=,comm= | grep ^Z", check=False).out.splitlines()
    return Manager(
        int(resident[1]) / 1e3 if resident else 0.0, len(list((folder / "fd").iterdir())), tuple(zombies)
    )


def temporary(one: Station) -> set[str]:
    """Files where the service can write, but recordings, crash reports and what is always there."""
    folders = "/run/hipbar /var/lib/hipbar /var/cache/hipbar /tmp /var/tmp /dev/shm"
    found = one.box.run(f"find {folders} -type f 2>/dev/null", check=False).out.split()
    kept = ("/var/lib/hipbar/recordings/", "/var/lib/hipbar/crashes/")
    return {path for path in found if not path.startswith(kept) and Path(path).name not in _EXPECTED}


def _too_many_crashes(one: Station) -> list[str]:
    """Crash reports beyond their number and size."""
    said = one.box.run("find /var/lib/hipbar/crashes -type f -printf '%s\\n' 2>/dev/null", check=False).out
    sizes = [int(line) for line in said.split()]
    told = [f"{len(sizes)} crash reports"] if len(sizes) > _CRASHES else []
    return told + [f"a crash report of {size:,} bytes" for size in sizes if size > _CRASH_BYTES]


def _damaged(one: Station) -> list[str]:
    """Recordings that a kill has spoilt; one that is cut off is none."""
    rows = json.loads(one.box.run("hipbar recordings --json").out)["recordings"]
    return [f"recording {row['file']}: {row['damage']}" for row in rows if row["damage"]]


def main(words: list[str]) -> int:
    """A hundred kills, or as many as the words say; their distribution is printed and kept."""
    from tests.station.package import deb

    count = int(words[0]) if words else MANY
    with station(installed("trixie", deb("trixie"))) as one:
        one.bar.await_first(0.0, watch.MEASURING)
        done = kill_often(one, count)
    reports = cache() / "reports"
    reports.mkdir(exist_ok=True)
    (reports / "kills.json").write_text(json.dumps([kill._asdict() for kill in done.kills], indent=1) + "\n")
    (reports / "kills.txt").write_text(done.as_text() + "\n")
    print(done.as_text())
    return 1 if done.left else 0
