"""What a terminal says of itself, asked before anything is drawn: does it answer, how soon, does it draw UTF-8?

A letter of two bytes is written and the terminal asked where its cursor is (DSR 6, ECMA-48): one column further where
UTF-8 is understood, two where every byte is a letter. The settings of the language only say what somebody once wished.
Everything written is wiped out again. Refuses nothing: a terminal that is silent for a second and a half is taken as
one that never answers.
"""

from __future__ import annotations

import os
import re
import select
import termios
import time
import tty
from collections.abc import Mapping

import msgspec

from appliance.commands.watching.ink import Depth

WAIT_S = 1.5
_ASK = (
    "\rñ\x1b[6n".encode()
)  # both of its bytes are letters in Latin-1, too: a block's are control characters there
_WIPE = b"\r\x1b[K"
_ANSWER = re.compile(rb"\x1b\[(\d+);(\d+)R")


class Found(msgspec.Struct, frozen=True):
    """round_s : from the question to the answer, None = there was none. utf8 : None = not known."""

    round_s: float | None
    utf8: bool | None


def ask(reads: int, writes: int, wait_s: float = WAIT_S) -> Found:
    """Asks the terminal on these descriptors; its modes are as before when this returns."""
    try:
        before = termios.tcgetattr(reads)
        tty.setcbreak(reads, termios.TCSANOW)
    except termios.error:
        return Found(None, None)
    try:
        began_s = time.monotonic()
        os.write(writes, _ASK)
        column = _column(reads, began_s + wait_s)
        round_s = time.monotonic() - began_s
        os.write(writes, _WIPE)
    except OSError:
        return Found(None, None)
    finally:
        termios.tcsetattr(reads, termios.TCSANOW, before)
    return Found(None, None) if column is None else Found(round_s, column == 2)


def depth_of(environment: Mapping[str, str]) -> Depth:
    """The colours that a terminal has, by the names that terminals and ssh hand on."""
    if environment.get("NO_COLOR"):
        return Depth.NONE
    term = environment.get("TERM", "").lower()
    if term in ("", "dumb", "unknown") or term.startswith(("vt1", "vt2")):
        return Depth.NONE
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return Depth.TRUE
    return Depth.INDEXED if "256" in term or term in ("xterm-kitty", "alacritty") else Depth.NAMED


def names_utf8(environment: Mapping[str, str]) -> bool:
    """Whether the language settings name UTF-8; for a terminal that does not answer."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if environment.get(name):
            return environment[name].lower().replace("-", "").endswith("utf8")
    return False


def _column(reads: int, until_s: float) -> int | None:
    """The column in the answer; None when none comes in time."""
    heard = b""
    while (left_s := until_s - time.monotonic()) > 0:
        if not select.select([reads], [], [], left_s)[0]:
            return None
        more = os.read(reads, 256)
        if not more:
            return None
        heard = (heard + more)[-512:]
        if found := _ANSWER.search(heard):
            return int(found[2])
    return None
