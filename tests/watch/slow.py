"""How old is what `hipbar watch` shows, on lines of different speeds? Measured from outside, frame by frame.

    python -m tests.watch.slow [--seconds 20]

A real `hipbar serve` measures a recorded runner before a wall that is noisy and brighter on one side. A pseudo-terminal
takes so many bytes a second, as a serial line does, with the kernel's own buffers before it, which hold a minute of
such a line. What is on its screen names its frame; another connection to the service says when that frame was exposed.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from appliance.records import Light
from appliance.station.client import Link
from tests.serving.conftest import Station
from tests.watch.terminal import Terminal
from tests.watch.test_watch_live import FRESH, VIRTUAL, WATCH, env
from tests.worlds import world

BAUD = (9_600, 19_200, 38_400, 57_600, 115_200, 0)
"""0 : as fast as this machine; 10 bits a byte otherwise, as on a serial line."""

_SETTLE_S, _LOOK_S = 8.0, 0.02
_WALL = {"background": 60.0, "gradient_x": 70.0, "gradient_y": -50.0, "noise": 3.0}


class Exposed:
    """When each frame was exposed."""

    def __init__(self, runtime: Path) -> None:
        self.s: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(runtime,))
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _follow(self, runtime: Path) -> None:
        with Link.open(runtime) as link:
            for rows in link.follows():
                self.s.update(zip(rows["seq"].tolist(), rows["t_s"].tolist(), strict=True))
                if self._ended.is_set():
                    return


def looked_at(terminal: Terminal, exposed: Exposed, seconds: float) -> tuple[list[float], int]:
    """The age of the shown frame at every look; how many frames were shown."""
    ages, frames, until_s = [], set(), time.monotonic() + seconds
    while time.monotonic() < until_s:
        time.sleep(_LOOK_S)
        found = re.search(r"frame (\d+) ", terminal.lines()[2])
        if found and int(found[1]) in exposed.s:
            ages.append(time.monotonic() - exposed.s[int(found[1])])
            frames.add(int(found[1]))
    return ages, len(frames)


def line(station: Station, exposed: Exposed, baud: int, seconds: float) -> str:
    """One line's figures."""
    began_s = time.monotonic()
    with Terminal(WATCH, env(station), bytes_s=baud / 10) as terminal:
        terminal.shows("frame ", 90)
        first_s = time.monotonic() - began_s
        terminal.shows(FRESH, 90)
        time.sleep(_SETTLE_S)
        before = terminal.taken
        ages, screens = looked_at(terminal, exposed, seconds)
        taken = (terminal.taken - before) / seconds
        plain = "slow line" if "slow line" in terminal.text() else ""
    name = f"{baud:,} baud" if baud else "no limit"
    p50, p95 = np.quantile(ages, (0.5, 0.95))
    figures = f"{p50:6.2f} {p95:6.2f} {max(ages):6.2f} s   {screens / seconds:5.1f}/s   {taken:7,.0f} B/s"
    return f"{name:>12}   {figures}   first after {first_s:4.1f} s   {plain}"


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    words.add_argument("--seconds", type=float, default=20.0, help="looked at each line")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as closing:
        scene = world(Path(name), **_WALL)
        station = Station(Path(name), f'{VIRTUAL}scene = "{scene}"\n')
        closing.callback(station.close)
        station.start()
        station.status(lambda status: status.state in (Light.RUNNING, Light.RECORDING))
        exposed = Exposed(station.runtime)
        closing.callback(exposed.close)
        print("                    p50    p95    most     screens   taken")
        for baud in BAUD:
            print(line(station, exposed, baud, asked.seconds), flush=True)


if __name__ == "__main__":
    main()
