"""LED colours become one line of coloured cells in a terminal, redrawn at most 30 times a second.

LED values are linear light and a screen's are not, so cells are drawn with the screen's curve (sRGB, IEC 61966-2-1): a
half-lit LED looks half-lit. A dark LED is a dark grey cell, so that the whole bar is seen. Without a terminal, or with
NO_COLOR set, brightness is drawn in letters; into a file at most one line a second, when something changed.
Refuses, with `StripLost`, to go on when nobody reads any more.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, TextIO

import numpy as np

from appliance.errors import StripLost
from appliance.records import U8
from hw.strip import checked

if TYPE_CHECKING:
    from rich.text import Text

_REDRAW_S = 1 / 30
_LINE_S = 1.0
_LETTERS = " .:-=+*#%@"
_UNLIT = (26, 26, 30)


def on_screen(rgb: U8) -> U8:
    """(n, 3) uint8 screen colours of linear LED values; the unlit ones dark grey."""
    linear = rgb.astype(np.float64) / 255
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.maximum(np.rint(255 * curved), _UNLIT), dtype=np.uint8)


def drawn(rgb: U8, *, cells: int = 2) -> str:
    """The bar as one line of cells with 24-bit colour escapes, `cells` characters an LED."""
    colours = on_screen(rgb).tolist()
    return "".join(f"\x1b[48;2;{r};{g};{b}m{' ' * cells}" for r, g, b in colours) + "\x1b[0m"


def styled(rgb: U8, *, cells: int = 2) -> Text:
    """The bar as rich text, for a display that is drawn with rich."""
    from rich.text import Text

    text = Text(no_wrap=True, end="")
    for r, g, b in on_screen(rgb).tolist():
        text.append(" " * cells, style=f"on #{r:02x}{g:02x}{b:02x}")
    return text


def lettered(rgb: U8) -> str:
    """The bar as letters between brackets, from blank (dark) to @ (full), by luminance as the screen would show it."""
    light = (rgb.astype(np.float64) @ (0.2126, 0.7152, 0.0722) / 255) ** (1 / 2.2)
    levels = np.where(rgb.any(axis=1), np.clip(np.ceil(light * 9), 1, 9), 0).astype(int)
    return "[" + "".join(_LETTERS[k] for k in levels) + "]"


class TerminalStrip:
    """A strip that is a line on the screen."""

    def __init__(self, leds: int, out: TextIO | None = None) -> None:
        self._leds, self._open = leds, True
        self._out = out or sys.stdout
        self._live = self._out.isatty()
        self._coloured = self._live and not os.environ.get("NO_COLOR")
        self._drawn_s = -1e9
        self._last, self._whole = "", True

    @property
    def faults(self) -> int:
        """Never any: there is no bus."""
        return 0

    def show(self, rgb: U8) -> None:
        """Redraw the line when it is time to."""
        checked(rgb, self._leds, is_open=self._open)
        now_s = time.monotonic()
        if now_s - self._drawn_s >= (_REDRAW_S if self._live else _LINE_S):
            self._draw(rgb, now_s)

    def close(self) -> None:
        """Draw the dark bar and leave the line."""
        if not self._open:
            return
        if self._last:
            self._draw(np.zeros((self._leds, 3), dtype=np.uint8), time.monotonic())
            self._write("\n" if self._live else "")
        self._open = False

    def _draw(self, rgb: U8, now_s: float) -> None:
        line = drawn(rgb, cells=self._cells()) if self._coloured else lettered(rgb)
        if line != self._last or not self._whole:
            self._last, self._drawn_s = line, now_s
            self._whole = False  # until all of it is out: writing may be broken off anywhere
            self._write(f"\r{line}" if self._live else f"{line}\n")
            self._whole = True

    def _cells(self) -> int:
        return 2 if shutil.get_terminal_size().columns > 2 * self._leds else 1

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            self._open = False
            raise StripLost("nobody reads the light bar's terminal", fix="keep the terminal open") from None
