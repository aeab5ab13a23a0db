"""Hours of frames, as fast as they can be fed, become figures: does anything grow, and was the bar ever stale.

    python -m tests.station soak --hours 8 --seed 1

The service's own loop (`measure`, with its archive, recorder, status and strip driver) runs in this process before a
camera whose clock is its frames': 120 a second. Rendered frames of a runner go round without a seam; faults strike at
random, seeded: silence, lost frames, frames of noise, darkness, a bus that fails or is gone, a disk that is full, a
camera or bar lost for good, after which everything is made anew as systemd would. Times of the frames' clock say how
old a figure was that stood on the bus; real time says what a frame costs. What is on the bus is read from its far end.
Refuses to call a bar stale that could not be written: a dead wire keeps its colours.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace

from appliance.config import Settings, Strip
from appliance.errors import CameraLost, HipbarError
from appliance.pipeline import Pipeline
from appliance.records import STALE_S, Frame, Light, Press
from appliance.station.hatch import Hatch
from appliance.station.loop import warmed
from appliance.station.measuring import measure
from appliance.station.service import Service
from appliance.station.status import Machine
from appliance.station.steward import Steward
from appliance.station.tally import Delays
from appliance.station.teller import descriptors, resident_mb
from hw.camera.runner import Runner
from hw.camera.scene import Scene, settings
from hw.camera.virtual import VirtualCamera
from hw.strip.apa102 import decode, encode
from hw.strip.wired import WiredStrip
from hw.strip.wiring import Wiring
from tests.buses import SocketBus
from tests.calibrated import prove_sides

RATE_HZ = 120.0
_LOOK_S = 0.02  # between two Nones of a live camera
_FAULT_EVERY_S = 20.0  # on average
_SMALL_BYTES = 100e6  # only a disk made for it is filled
_LAP = 80  # frames of one stride at 180 steps a minute


KINDS = (
    "silence", "silence", "lost frames", "lost frames", "noise", "darkness", "bus fails once", "bus gone briefly",
    "bus gone for good", "disk full", "camera gone",
)  # fmt: skip
"""What strikes, as often as it stands here."""


class Hour(NamedTuple):
    """One stretch of the soak. Latencies in microseconds of real time, from a frame handed over to its light."""

    until_h: float
    frames: int
    memory_mb: float
    descriptors: int
    p50_us: float
    p99_us: float
    p999_us: float


class Outcome(msgspec.Struct):
    """All of it. faults : by kind. stale : how often a figure stood longer than allowed; oldest_ms : the oldest one."""

    hours: float
    seed: int
    frames: int = 0
    seconds: float = 0.0
    restarts: int = 0
    stale: int = 0
    oldest_ms: float = 0.0
    measured: int = 0
    unrecorded_s: float = 0.0
    faults: dict[str, int] = {}
    stretches: list[Hour] = []


class Bench:
    """What camera and bus share: the frames' clock, the luck, and what is on the bus."""

    def __init__(self, hours: float, seed: int, state: Path) -> None:
        self.random, self.now_s, self.end_s = Random(seed), 0.0, hours * 3600
        self.outcome = Outcome(hours=hours, seed=seed, faults={})
        self.state, self.bus = state, SocketBus()
        self.marks_s = float("-inf")  # mid-exposure of the last frame that showed the marks
        self.delays, self.handed_s = Delays(), 0.0
        self.strip: WiredStrip | None = None
        self._shown = self._dead = False
        self._faults = 0
        self._deck: list[str] = []
        self._heal_s: float | None = None
        self._ballast = state / "ballast"
        small = shutil.disk_usage(state).total < _SMALL_BYTES
        self.kinds = KINDS if small else tuple(kind for kind in KINDS if kind != "disk full")

    def next_kind(self) -> str:
        """A kind of fault; all have struck before any strikes as often again."""
        if not self._deck:
            self._deck = self.random.sample(self.kinds, len(self.kinds))
        return self._deck.pop()

    def clock(self) -> float:
        """The frames' clock."""
        return self.now_s

    def lit(self) -> None:
        """A turn of the loop is over: reads the bus, and judges what stood on it until now."""
        if self.handed_s:
            self.delays.add(time.perf_counter() - self.handed_s)
            self.handed_s = 0.0
        dead, self._dead = self._dead, self.strip is not None and self.strip.faults > self._faults
        self._faults = 0 if self.strip is None else self.strip.faults
        if self._shown and not dead and not self._dead:
            age_s = self.now_s - self.marks_s
            self.outcome.oldest_ms = max(self.outcome.oldest_ms, 1e3 * age_s)
            self.outcome.stale += age_s > STALE_S
        self.look()

    def look(self) -> None:
        """What is on the bus now."""
        for data in self.bus.arrived()[-1:]:
            self._shown = figure(decode(data))
            self.outcome.measured += self._shown

    def strike(self, kind: str) -> None:
        """Counts a fault, and does what is to be done to disk or bus."""
        self.outcome.faults[kind] = self.outcome.faults.get(kind, 0) + 1
        if kind in ("bus gone briefly", "bus gone for good"):
            self.bus.pull_out()
            self._heal_s = self.now_s + (
                self.random.uniform(0.05, 1.5) if kind == "bus gone briefly" else 4.0
            )
        elif kind == "bus fails once":
            self.bus.close()
        elif kind == "disk full":
            self._ballast.write_bytes(b"")
            with contextlib.suppress(OSError), self._ballast.open("wb") as file:
                while True:
                    file.write(bytes(1 << 16))

    def heal(self) -> None:
        """What was broken for a while works again."""
        if self._heal_s is not None and self.now_s >= self._heal_s:
            self.bus.there, self._heal_s = True, None
        if self._ballast.exists() and self.random.random() < 0.01:
            self._ballast.unlink()


class Treadmill:
    """A camera before a runner who never tires; live, but for its clock."""

    restarts = 0

    def __init__(self, bench: Bench, lap: list[np.ndarray]) -> None:
        self._bench, self._lap = bench, lap
        height, width = lap[0].shape
        self.size, self.rate_hz, self.lost = (width, height), RATE_HZ, 0
        self._noise = np.random.default_rng(1).integers(0, 256, (height, width), dtype=np.uint8)
        self._dark = np.full((height, width), 17, np.uint8)
        self._numbers = itertools.count(round(bench.now_s * RATE_HZ))

    def now_s(self) -> float:
        """Now, on the frames' clock."""
        return self._bench.now_s

    def about(self) -> dict[str, str | float | int]:
        """What a technician would read."""
        return {"driver": "soak"}

    def expose(self, exposure_us: float, gain: float) -> None:
        """Nobody asks for that here."""
        raise AssertionError((exposure_us, gain))

    def frames(self) -> Iterator[Frame | None]:
        """Frames and silence until the time is over; each is judged when the next one is asked for."""
        bench, random = self._bench, self._bench.random
        while bench.now_s < bench.end_s:
            calm = max(1, round(random.expovariate(1 / _FAULT_EVERY_S) * RATE_HZ))
            yield from self._some(calm)
            kind = bench.next_kind()
            bench.strike(kind)
            if kind == "silence":
                yield from self._silence(random.choice((0.06, 0.2, 0.9, 2.3)))
            elif kind == "lost frames":
                self.lost += (skipped := random.randint(1, 12))
                for _ in range(skipped):
                    next(self._numbers)
            elif kind in ("noise", "darkness"):
                yield from self._some(random.randint(1, 240), self._noise if kind == "noise" else self._dark)
            elif kind == "camera gone":
                yield from self._silence(2.5)
                raise CameraLost("the camera was taken away", fix="bring it back")

    def _some(self, count: int, instead: np.ndarray | None = None) -> Iterator[Frame]:
        bench = self._bench
        for seq in itertools.islice(self._numbers, count):
            if bench.now_s >= bench.end_s:
                return
            bench.lit()
            bench.heal()
            luma = self._lap[seq % _LAP] if instead is None else instead
            frame = Frame(seq, seq / RATE_HZ, luma)
            bench.now_s = frame.t_s + 0.004  # on the way from the sensor
            if instead is None:
                bench.marks_s = frame.t_s
            bench.outcome.frames += 1
            bench.handed_s = time.perf_counter()
            yield frame

    def _silence(self, seconds: float) -> Iterator[None]:
        bench = self._bench
        for k in range(round(seconds / _LOOK_S)):
            bench.lit()
            bench.now_s += 0.05 if k == 0 else _LOOK_S
            bench.heal()
            yield None
        bench.lit()
        for _ in range(max(0, round(bench.now_s * RATE_HZ) - next(self._numbers))):
            next(self._numbers)


class Nobody:
    """A panel without a person; its light is not looked at."""

    def say(self, light: Light, /) -> None:
        """Says it to nobody."""

    def presses(self) -> tuple[Press, ...]:
        """None."""
        return ()


class Silent:
    """A manager that counts heartbeats."""

    def __init__(self) -> None:
        self.beats = 0

    def ready(self, status: str = "") -> None:
        """Started."""

    def alive(self) -> None:
        """A heartbeat."""
        self.beats += 1

    def status(self, text: str) -> None:
        """Words."""

    def extend(self, seconds: float, status: str = "") -> None:
        """More time."""


def figure(rgb: np.ndarray) -> bool:
    """Whether a measurement is on the bar: still pictures never light the middle, nor two neighbours."""
    lit = rgb.any(axis=1)
    return bool((lit[1:] & lit[:-1]).any())


SETTINGS = """\
[camera]
source = "virtual"
[strip]
kind = "memory"
leds = 60
[service]
state = "{state}"
record_mb = 10.0
reserve_mb = 10.0
memory_mb = 16000.0
"""


def soak(hours: float, seed: int, folder: Path, stretches: int = 16) -> Outcome:
    """Runs it; `folder` takes the records, and should be small enough to be filled."""
    scene = Scene(runner=Runner(cadence_spm=180.0))
    camera = VirtualCamera(scene)
    lap = [camera.picture(k, k / RATE_HZ) for k in range(_LAP)]
    chosen = replace(settings(scene), strip=Strip(kind="memory", leds=60))
    chosen = replace(
        chosen, service=replace(chosen.service, record_mb=10.0, reserve_mb=10.0, memory_mb=16000.0)
    )
    bench = Bench(hours, seed, folder)
    file, hatch = folder / "hipbar.toml", Hatch()
    file.write_text(SETTINGS.format(state=folder), encoding="utf-8")
    prove_sides(folder, chosen)
    steward = Steward(file, hatch)
    steward.resort(chosen)  # a scene that no settings file can describe
    service = Service(folder, "soak", steward, hatch, Silent(), Machine)
    began_s = time.monotonic()
    for k in range(stretches):
        bench.end_s = hours * 3600 * (k + 1) / stretches
        while bench.now_s < bench.end_s:
            _one_process(bench, service, chosen, lap, warmed(chosen))
        bench.outcome.stretches.append(_stretch(bench))
    service.end(None)
    bench.outcome.seconds = time.monotonic() - began_s
    return bench.outcome


def _one_process(
    bench: Bench, service: Service, chosen: Settings, lap: list[np.ndarray], pipeline: Pipeline
) -> None:
    """What systemd would start: until the time is over, or something is lost."""
    bench.bus.there = True
    bench.marks_s = float("-inf")
    strip = WiredStrip(bench.bus, Wiring(chosen.strip, "bgr"), encode, clock=bench.clock)
    bench.strip = strip
    bench.look()
    try:
        left = measure(service, chosen, Treadmill(bench, lap), strip, Nobody(), pipeline, lambda: False)
        assert left is None, "nobody has asked for other settings"
    except HipbarError:
        bench.outcome.restarts += 1
    finally:
        strip.close()
        bench.bus.close()
        bench.bus.ends.clear()
        bench.lit()
        gc.unfreeze()  # a process does this freezing once, and here many follow one another


def _stretch(bench: Bench) -> Hour:
    delays, bench.delays = bench.delays, Delays()
    quantiles = [delays.quantile_us(share) or 0.0 for share in (0.5, 0.99, 0.999)]
    return Hour(
        bench.now_s / 3600, bench.outcome.frames, resident_mb() or 0.0, descriptors() or 0, *quantiles
    )


def report(outcome: Outcome) -> str:
    """The figures as a table."""
    lines = [
        f"{outcome.hours:g} h of frames ({outcome.frames:,}) in {outcome.seconds:.0f} s, seed {outcome.seed}: "
        f"{sum(outcome.faults.values())} faults, {outcome.restarts} new starts",
        "  " + ", ".join(f"{name} {count}" for name, count in sorted(outcome.faults.items())),
        f"  figures on the bar {outcome.measured:,}; stale {outcome.stale}; oldest {outcome.oldest_ms:.1f} ms",
        "  until h   memory MB  descriptors  p50 us  p99 us  p99.9 us",
    ]
    lines += [
        f"  {s.until_h:7.2f}  {s.memory_mb:10.1f}  {s.descriptors:11d}  {s.p50_us:6.0f}  {s.p99_us:6.0f}"
        f"  {s.p999_us:8.0f}"
        for s in outcome.stretches
    ]
    return "\n".join(lines)


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Within, nobody keeps what the station logs: thousands of lines, which would grow in whoever collects them."""
    ours = logging.getLogger("hipbar")
    before, ours.propagate, nobody = ours.propagate, False, logging.NullHandler()
    ours.addHandler(nobody)
    try:
        yield
    finally:
        ours.removeHandler(nobody)
        ours.propagate = before


@contextlib.contextmanager
def small_disk(size_mb: int = 32) -> Iterator[Path]:
    """A folder on a disk of its own that may be filled; without root an ordinary folder, which is not."""
    with tempfile.TemporaryDirectory() as scratch:
        mounted = os.geteuid() == 0
        if mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "soak", scratch], check=True)
        try:
            yield Path(scratch)
        finally:
            if mounted:
                subprocess.run(["umount", "-l", scratch], check=True)


def main(words: list[str]) -> int:
    """The command."""
    asked = argparse.ArgumentParser(prog="python -m tests.station soak")
    asked.add_argument("--hours", type=float, default=8.0)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--json", action="store_true")
    chosen = asked.parse_args(words)
    with small_disk() as disk, unheard():
        outcome = soak(chosen.hours, chosen.seed, disk)
    print(json.dumps(msgspec.to_builtins(outcome)) if chosen.json else report(outcome))
    return int(outcome.stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
