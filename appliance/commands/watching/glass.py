"""textual's terminal and its widget, as watch needs them: one that counts and asks, one that is a whole canvas.

What textual draws by itself (at the start, after another size, after a pause) it draws from here. Refuses to write to a
terminal that is gone: it says so instead.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Protocol

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from appliance.commands.watching.canvas import Canvas, Look
from appliance.commands.watching.ink import OWN, rgb_of

ASK = "\x1b[6n"
"""Where is your cursor? (DSR 6, ECMA-48): answered once everything before it is drawn."""


class Asker(Protocol):
    """Whoever draws on the terminal."""

    def in_turn(self, act: Callable[[], None]) -> None:
        """Has something done by the drawing thread."""

    def answered(self) -> None:
        """The terminal has drawn everything up to a question."""

    def gone(self) -> None:
        """There is no terminal any more."""


@functools.lru_cache(4096)
def style_of(look: Look) -> Style:
    """A look as the terminal library has it."""
    return Style(color=_colour(look.fore), bgcolor=_colour(look.back), bold=look.bold or None)


def _colour(ink: int) -> Color | None:
    if ink == OWN:
        return None
    if ink < 256:
        return Color.from_ansi(ink)
    return Color.from_rgb(*(rgb_of(ink) or (0, 0, 0)))


class Terminal(LinuxDriver):
    """The terminal on standard output, counting what is written; answers about its cursor go to the app."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        assert sys.__stdout__ is not None
        self._file = sys.__stdout__
        self._asker: Asker = app
        self.written = 0

    def write(self, data: str) -> None:
        """Writes, in the driver's own thread; that has ended when the terminal is gone, and nothing is written then."""
        if self._writer_thread is not None and self._writer_thread.is_alive():
            self.written += len(data.encode(errors="replace"))
            super().write(data)
        else:
            self._asker.in_turn(self._asker.gone)

    def close(self) -> None:
        """Waits for the last bytes, if anybody takes them."""
        if self._writer_thread is not None and self._writer_thread.is_alive():
            super().close()

    def process_message(self, message: Message) -> None:
        """Hands on what was typed; an answer is no key."""
        if isinstance(message, events.CursorPosition):
            self._asker.in_turn(self._asker.answered)
        else:
            super().process_message(message)


class Sheet(Widget):
    """One canvas over the whole screen, drawn by textual when all of it has to be."""

    DEFAULT_CSS = "Sheet { width: 100%; height: 100%; background: ansi_default; }"

    def __init__(self) -> None:
        super().__init__()
        self.canvas = Canvas(0, 0)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Some rows, always as the canvas is now: what was written beside textual is not in its memory."""
        return [self.render_line(y).crop(crop.x, crop.right) for y in crop.line_range]

    def render_line(self, y: int) -> Strip:
        """One row."""
        if y >= self.canvas.height:
            return Strip.blank(self.size.width)
        return Strip([Segment(text, style_of(look)) for text, look in self.canvas.stretches(y)])
