"""gpio-sim becomes a Pi's GPIO chip whose every write is on record, and the record becomes what 74HC595 chips show.

Runs in the guest as root, but for `ShiftBar` and `edges_of`, which are pure. Times are seconds on CLOCK_MONOTONIC. The
kernel's own tracepoint `gpio:gpio_value` sees each write in order, whoever makes it. Lines are numbers on the chip,
which for a Pi are the BCM numbers.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

LABEL, LINES = "pinctrl-bcm2711", 58
_CONFIG = Path("/sys/kernel/config/gpio-sim/pi")
_TRACING = Path("/sys/kernel/tracing")
_EDGE = re.compile(r"\s(\d+\.\d+): gpio_value: (\d+) +set (\d)")
_HOLD = """
import sys, time, lgpio
chip, line = lgpio.gpiochip_open(int(sys.argv[1])), int(sys.argv[2])
while True:
    try:
        lgpio.gpio_claim_output(chip, line)
        break
    except lgpio.error:
        time.sleep(0.005)
print("held", flush=True)
sys.stdin.read()
"""
PI = {"RPI_LGPIO_REVISION": "c03112"}
"""What tells rpi-lgpio that this is a Pi 4, for there is no device tree here that would."""


class Edge(NamedTuple):
    """One write to a line: a level set, whether it changed anything or not."""

    at_s: float
    line: int
    level: int


class Chip:
    """The simulated chip; made on first use, and then there until the guest ends."""

    def __init__(self) -> None:
        if not _CONFIG.exists():
            (_CONFIG / "bank0").mkdir(parents=True)
            (_CONFIG / "bank0/num_lines").write_text(str(LINES), encoding="ascii")
            (_CONFIG / "bank0/label").write_text(LABEL, encoding="ascii")
            (_CONFIG / "live").write_text("1", encoding="ascii")
        name = (_CONFIG / "bank0/chip_name").read_text(encoding="ascii").strip()
        device = (_CONFIG / "dev_name").read_text(encoding="ascii").strip()
        self.number = int(name.removeprefix("gpiochip"))
        self._folder = Path("/sys/devices/platform") / device / name
        self.base = _base()

    def pull(self, line: int, *, up: bool) -> None:
        """What hangs on the line pulls it up or down: an edge, if somebody listens."""
        text = "pull-up" if up else "pull-down"
        (self._folder / f"sim_gpio{line}/pull").write_text(text, encoding="ascii")

    def level(self, line: int) -> int:
        """The line's level, driven or pulled."""
        return int((self._folder / f"sim_gpio{line}/value").read_text(encoding="ascii"))


def _base() -> int:
    """The number that the kernel's trace gives to the chip's first line."""
    for chip in Path("/sys/class/gpio").glob("gpiochip*"):
        if (chip / "label").read_text(encoding="ascii").strip() == LABEL:
            return int((chip / "base").read_text(encoding="ascii"))
    raise LookupError(f"no GPIO chip is labelled {LABEL}")


class Held:
    """A line in the hands of another process as soon as it is free, for as long as the block lasts."""

    def __init__(self, chip: Chip, line: int) -> None:
        self._words = [sys.executable, "-c", _HOLD, str(chip.number), str(line)]

    def __enter__(self) -> int:
        self._process = subprocess.Popen(self._words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"held\n"
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


class Recording:
    """Every write to the chip's lines while the block lasts; `edges` afterwards."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self.edges: list[Edge] = []

    def __enter__(self) -> Recording:
        last = self._chip.base + LINES
        _set("tracing_on", "0")
        _set("trace_clock", "mono")
        _set("buffer_size_kb", "16384")
        _set("events/gpio/gpio_value/filter", f"get == 0 && gpio >= {self._chip.base} && gpio < {last}")
        _set("trace", "")
        _set("events/gpio/gpio_value/enable", "1")
        _set("tracing_on", "1")
        return self

    def __exit__(self, *_: object) -> None:
        _set("tracing_on", "0")
        _set("events/gpio/gpio_value/enable", "0")
        text = (_TRACING / "trace").read_text(encoding="ascii")
        self.edges = edges_of(text, self._chip.base)
        lost = sum(int(n) for n in re.findall(r"LOST (\d+) EVENTS", text))
        assert not lost, f"the kernel's trace lost {lost} writes"


def edges_of(text: str, base: int) -> list[Edge]:
    """The writes that a kernel trace tells of, in order."""
    return [Edge(float(s), int(line) - base, int(level)) for s, line, level in _EDGE.findall(text)]


def _set(name: str, value: str) -> None:
    (_TRACING / name).write_text(value, encoding="ascii")


class ShiftBar:
    """A row of 74HC595: bits shifted in on the rising clock, shown on the rising latch, dark while OE is high."""

    def __init__(self, outputs: int, *, data: int, clock: int, latch: int, enable: int) -> None:
        self._pins = {"data": data, "clock": clock, "latch": latch, "enable": enable}
        self._levels = dict.fromkeys((data, clock, latch, enable), 0)
        self._shift, self._shown = [0] * outputs, [0] * outputs
        self.clocks, self.dark = 0, False
        self.latched: list[tuple[float, tuple[int, ...]]] = []
        """When the outputs changed hands, and what they became: the output nearest to the data pin first."""

    def feed(self, edges: Iterable[Edge]) -> ShiftBar:
        """Let the writes happen."""
        for edge in edges:
            if edge.line in self._levels:
                rises = edge.level > self._levels[edge.line]
                self._levels[edge.line] = edge.level
                self._happen(edge, rises=rises)
        return self

    def _happen(self, edge: Edge, *, rises: bool) -> None:
        if rises and edge.line == self._pins["clock"]:
            self._shift = [self._levels[self._pins["data"]], *self._shift[:-1]]
            self.clocks += 1
        elif rises and edge.line == self._pins["latch"]:
            self._shown = list(self._shift)
            self.latched.append((edge.at_s, tuple(self._shown)))
        elif edge.line == self._pins["enable"]:
            self.dark = bool(edge.level)
