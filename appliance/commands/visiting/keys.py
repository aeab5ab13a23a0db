"""Keys on the terminal on which a visit is shown become orders to it, while it is shown.

p pause or go on, m mark, S skip, q leave it running. A capital for what can't be taken back; ending is left to a
command. Refuses to touch a terminal that is not the program's own now: then nothing is heard and only time goes by.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from typing import Any

from appliance.commands.stop import Stop, Stopped

LEAVE = "q"
HINT = "p pause/go on  m mark  S skip  q leave it running  (hipbar visit note, stop)"

Pressed = Callable[[float], str]
"""Waits so many seconds for a key: the key, or "" where none came."""


def order_of(key: str, *, paused: bool) -> str:
    """What a key asks of the visit; "" = nothing."""
    return {"p": "resume" if paused else "pause", "m": "mark", "S": "skip"}.get(key, "")


@contextlib.contextmanager
def heard(stop: Stop) -> Iterator[Pressed]:
    """Keys as they are pressed, without the Enter key; Ctrl-C stays what it is."""
    before = _as_it_was()
    if before is None:
        yield lambda seconds: _waited(stop, seconds)
        return
    try:
        tty.setcbreak(sys.stdin.fileno())
        yield lambda seconds: _pressed(stop, seconds)
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


def _as_it_was() -> list[Any] | None:
    """The terminal's modes; None where there is none, or another program has it now."""
    try:
        fd = sys.stdin.fileno()
        return termios.tcgetattr(fd) if os.tcgetpgrp(fd) == os.getpgrp() else None
    except (OSError, ValueError, termios.error):
        return None


def _waited(stop: Stop, seconds: float) -> str:
    stop.pause(seconds)
    return ""


def _pressed(stop: Stop, seconds: float) -> str:
    fd = sys.stdin.fileno()
    with contextlib.suppress(Stopped), stop.at_once():
        if select.select([fd], [], [], seconds)[0]:
            return os.read(fd, 1).decode(errors="replace")
    return ""
