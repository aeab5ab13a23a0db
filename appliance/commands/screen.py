"""LED colours and figures become a few lines of a terminal, redrawn 20 times a second by a thread of their own.

The path of a frame only leaves its newest values here and never waits for the terminal. Without a terminal that can
move its cursor, nothing is drawn.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import threading
from typing import TextIO

import numpy as np

from appliance.records import U8, Shown
from appliance.station.books import Chunk
from hw.strip.terminal import drawn, lettered

_REDRAW_S = 0.05
_WORDS = {
    Shown.OFF: "off: nothing is shown",
    Shown.MEASUREMENT: "measurement",
    Shown.NO_DATA: "no data",
    Shown.UNSURE_SIDES: "unsure of sides",
    Shown.WARMING_UP: "warming up: a few steps first",
    Shown.STANDING: "standing",
}


class Screen:
    """A strip and a book in one: what is shown to it is drawn, beside the newest figures."""

    def __init__(self, leds: int, title: str, *, display: bool, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._title = title
        self._rgb = np.zeros((leds, 3), np.uint8)
        self._lines: list[str] = []
        self._height = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        if display and self._out.isatty():
            self._thread = threading.Thread(target=self._redraw, name="screen", daemon=True)
            self._thread.start()

    def show(self, rgb: U8) -> None:
        """Leaves the newest colours to be drawn."""
        self._rgb = rgb.copy()

    def keep(self, chunk: Chunk) -> None:
        """Leaves the newest figures to be drawn."""
        self._lines = figures(chunk.moments[-1], Shown(int(chunk.shown[-1])))

    def say(self, line: str) -> None:
        """Leaves a line to be drawn where the figures will be."""
        self._lines = [line]

    def close(self) -> None:
        """Draws for the last time, dark."""
        self._rgb = np.zeros_like(self._rgb)
        self._ended.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def _redraw(self) -> None:
        while not self._ended.wait(_REDRAW_S):
            self._draw()
        self._draw()

    def _draw(self) -> None:
        columns = shutil.get_terminal_size().columns
        cells = 2 if columns > 2 * len(self._rgb) else 1
        bar = lettered(self._rgb) if os.environ.get("NO_COLOR") else drawn(self._rgb, cells=cells)
        lines = [self._title, "", bar, "", *self._lines]
        up = f"\x1b[{self._height}A" if self._height else ""
        self._height = max(self._height, len(lines))
        lines += [""] * (self._height - len(lines))
        text = "".join(f"\r\x1b[2K{line if line is bar else line[:columns]}\n" for line in lines)
        try:
            self._out.write(up + text)
            self._out.flush()
        except (OSError, ValueError):
            self._ended.set()  # nobody looks any more; the demo goes on and its summary will say so


def figures(moment: np.void, shown: Shown) -> list[str]:
    """The figures beside the bar: each side's last and mean drop, the difference, cadence."""

    def deg(name: str, form: str = "{:5.1f} deg") -> str:
        value = float(moment[name])
        return "    -    " if math.isnan(value) else form.format(value)

    cadence = float(moment["cadence_spm"])
    return [
        f"left stance, right hip drops   last {deg('left_last_deg')}   mean {deg('left_drop_deg')}",
        f"right stance, left hip drops   last {deg('right_last_deg')}   mean {deg('right_drop_deg')}",
        f"difference {deg('difference_deg', '{:+5.1f} deg')}   obliquity now {deg('level_deg', '{:+5.1f} deg')}",
        f"cadence {'-' if math.isnan(cadence) else f'{cadence:.0f} steps/min'}   {_WORDS[shown]}",
    ]
