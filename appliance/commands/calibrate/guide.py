"""One calibration's talk: sentences, questions, a live figure, and what came out of it.

On a terminal the live figure is one line that is drawn again in place, at most five times a second; on a pipe it is a
line a second. `--yes` answers every question with yes and waits for no key. Refuses to ask where nobody can answer:
no terminal and no `--yes` is a mistake of whoever called.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import click
import msgspec

Values = dict[str, Any]

_REDRAW_S, _LINE_S = 0.2, 1.0
_LOOK_S = 0.25
_BAR = 20
_MARKS = {True: ("good   ", "\x1b[32m"), False: ("not yet", "\x1b[33m"), None: ("       ", "")}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a step found and would like to keep.

    values : settings by dotted key, in their own units. figures : what was measured, for the books. words : the
    result in one sentence. problems : what a technician should know although it can be kept. lens_mode : the sensor
    mode that a lens is of. proves_sides : left was shown to be left.
    """

    values: Values = {}
    figures: Values = {}
    words: str = ""
    problems: tuple[str, ...] = ()
    lens_mode: str | None = None
    proves_sides: bool = False


class Guide:
    """Talks with one technician."""

    def __init__(self, *, yes: bool = False, out: TextIO | None = None, keys: TextIO | None = None) -> None:
        self.yes = yes
        self._out = out or sys.stdout
        self._keys = keys or sys.stdin
        self._drawn = False
        self._told_s = -_LINE_S
        self._plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._live = self._out.isatty() and os.environ.get("TERM") != "dumb"

    def say(self, text: str) -> None:
        """A sentence on a line of its own."""
        self.clear()
        self._write(f"{text}\n")

    def ask(self, question: str, *, meanwhile: Callable[[], None] | None = None) -> bool:
        """A question that is answered with y or n; `meanwhile` is called four times a second until it is."""
        return self.choose(question, {"y": "yes", "n": "no"}, yes="y", meanwhile=meanwhile) == "y"

    def choose(
        self,
        question: str,
        answers: Mapping[str, str],
        *,
        yes: str | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> str:
        """One of the letters in `answers`, each with its word; `yes` is what `--yes` says.

        A question that has no such answer can't be answered for somebody: then `--yes` is refused.
        """
        if self.yes and yes is not None:
            self.say(f"{question} {answers[yes]} (--yes)")
            return yes
        offered = ", ".join(f"{key} = {word}" for key, word in answers.items())
        while True:
            said = self._answer(f"{question} [{offered}] ", meanwhile).lower()
            found = [key for key, word in answers.items() if said in (key, word.lower())]
            if found:
                return found[0]
            self.say(f"please answer {' or '.join(answers)}")

    def number(
        self,
        question: str,
        low: float,
        high: float,
        *,
        default: float | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> float:
        """A figure from `low` to `high`; Enter alone, and `--yes`, take the default where there is one."""
        if self.yes and default is not None:
            self.say(f"{question} {default:g} (--yes)")
            return default
        shown = f"{question} [{low:g} to {high:g}{'' if default is None else f', Enter = {default:g}'}] "
        while True:
            said = self._answer(shown, meanwhile)
            if not said and default is not None:
                return default
            try:
                value = float(said)
            except ValueError:
                value = float("nan")
            if low <= value <= high:
                return value
            self.say(f"please give a number from {low:g} to {high:g}")

    def ready(self, prompt: str, *, meanwhile: Callable[[], None] | None = None) -> None:
        """Waits for Enter; with `--yes` goes on at once."""
        if self.yes:
            self.say(prompt)
            return
        self._answer(f"{prompt} [Enter] ", meanwhile)

    def pressed(self) -> bool:
        """Whether Enter was pressed since the last look; for steps that show a figure until then. Never waits."""
        if self.yes or not self._keys.isatty():
            return False
        if not select.select([self._keys], [], [], 0)[0]:
            return False
        if not self._keys.readline():
            raise click.Abort
        return True

    def figure(self, text: str, good: bool | None = None) -> None:
        """The live figure, and whether it is good; None = no verdict."""
        now_s = time.monotonic()
        if now_s - self._told_s < (_REDRAW_S if self._live else _LINE_S):
            return
        self._told_s = now_s
        word, colour = _MARKS[good]
        columns = shutil.get_terminal_size().columns
        if not self._live:
            self._write(f"  {word.strip() + ': ' if good is not None else ''}{text}\n")
            return
        lit = f"{colour}{word}\x1b[0m" if colour and not self._plain else word
        self._write(f"\r\x1b[2K  {lit} {text[: max(10, columns - 11)]}")
        self._drawn = True

    def progress(self, done: float, whole: float, words: str = "") -> None:
        """How much is done, as a bar with its figures."""
        share = min(1.0, max(0.0, done / whole)) if whole > 0 else 1.0
        full = round(share * _BAR)
        self.figure(f"[{'#' * full}{'.' * (_BAR - full)}] {words or f'{done:g} of {whole:g}'}")

    def clear(self) -> None:
        """Ends the live line: what comes next begins on a line of its own."""
        if self._drawn:
            self._write("\r\x1b[2K")
        self._drawn = False
        self._told_s = -_LINE_S

    def _answer(self, prompt: str, meanwhile: Callable[[], None] | None) -> str:
        """A line from the terminal; `meanwhile` is kept up until it is there."""
        if not self._keys.isatty():
            question = re.sub(r"\s*\[.*\]\s*$", "", prompt)
            raise click.UsageError(f'nobody can answer "{question}": no terminal, and no --yes or option')
        self.clear()
        self._write(prompt)
        while meanwhile is not None:
            meanwhile()
            if select.select([self._keys], [], [], _LOOK_S)[0]:
                break
        line = self._keys.readline()
        if not line:
            self._write("\n")
            raise click.Abort
        return line.strip()

    def _write(self, text: str) -> None:
        coding = self._out.encoding or "utf-8"
        self._out.write(
            text.encode(coding, "replace").decode(coding)
        )  # a terminal that has no such sign shows a ?
        self._out.flush()
