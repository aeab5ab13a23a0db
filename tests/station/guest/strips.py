"""SPI strips and `hipbar leds` at work on the real /dev/spidev0.0 become one JSON object on standard output.

Runs in the guest as root. Each part of the object is what was done and the transfers that it made, in order; it judges
nothing, the tests on the host do.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import service
import wires
from bars import BARS, frames

import hw
from appliance.config import Strip

_SETTINGS = '[strip]\nkind = "apa102"\nleds = 24\n'
Evidence = dict[str, Any]


class Bench:
    """The bus and what went out of it."""

    def __init__(self) -> None:
        subprocess.run(["modprobe", "spi-capture"], check=True)
        wires.wait_for(Path(wires.STRIP).exists, 10.0, wires.STRIP)
        self._capture = wires.Capture()
        self.words = [service.HIPBAR, "leds", "--config", service.settings_file("leds", _SETTINGS)]

    def went(self) -> list[Evidence]:
        """The transfers since the last time."""
        return [{**transfer._asdict(), "data": transfer.data.hex()} for transfer in self._capture.read()]

    def hipbar(self, *words: str) -> Evidence:
        """One run of `hipbar leds`, with what it said, sent and took."""
        began_s = time.monotonic()
        done = subprocess.run([*self.words, *words], capture_output=True, text=True, check=False)
        took_s = time.monotonic() - began_s
        return {
            "code": done.returncode,
            "out": done.stdout,
            "err": done.stderr,
            "took_s": took_s,
            "went": self.went(),
        }


def shown(bench: Bench) -> Evidence:
    """Every strip opened, shown to and closed."""
    found = {}
    for name, wanted in BARS.items():
        strip = hw.open_strip(wanted)
        took_s = []
        for rgb in frames(wanted.leds):
            began_s = time.perf_counter()
            strip.show(rgb)
            took_s.append(time.perf_counter() - began_s)
        strip.close()
        found[name] = {"faults": strip.faults, "took_s": took_s, "went": bench.went()}
    return found


def busy(bench: Bench) -> Evidence:
    """`hipbar leds` beside a process that lights the strip."""
    strip = hw.open_strip(Strip(kind="apa102"))
    bench.went()
    found = {mode: bench.hipbar(f"--{mode}") for mode in ("dark", "test", "list")}
    strip.close()
    bench.went()
    return found


def ended(bench: Bench, number: signal.Signals) -> Evidence:
    """A test that a signal ends, and what `--dark` then does."""
    words = [*bench.words, "--test", "--seconds", "600"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        went: list[Evidence] = []

        def lit() -> bool:
            went.extend(bench.went())
            return len(went) > 5

        wires.wait_for(lit, 60.0, "the bar to be lit")
        process.send_signal(number)
        process.communicate(timeout=60)
    went += bench.went()
    return {"code": process.returncode, "went": went, "dark": bench.hipbar("--dark")}


def main() -> None:
    bench = Bench()
    found = {
        "shown": shown(bench),
        "busy": busy(bench),
        "list": bench.hipbar("--list", "--json"),
        "test": bench.hipbar("--test", "--seconds", "4", "--json"),
        "terminated": ended(bench, signal.SIGTERM),
        "killed": ended(bench, signal.SIGKILL),
        "nobody": service.tried({"test": (*bench.words[1:], "--test")}, user="nobody")["test"],
    }
    wires.unplug("strip")
    found["gone"] = {mode: bench.hipbar(f"--{mode}") for mode in ("dark", "test", "list")}
    wires.plug("strip")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
