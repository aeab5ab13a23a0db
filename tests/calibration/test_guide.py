"""The guide on a real terminal, on a pipe, and where nobody can answer."""

from __future__ import annotations

import io
import os
import select
import termios
import threading
from collections.abc import Iterator
from typing import TextIO

import click
import pytest
import terminals

from appliance.commands.calibrate.guide import Guide


class Person:
    """A technician at a terminal: what they see, and keys they have pressed."""

    def __init__(self) -> None:
        self.master, slave = terminals.pair()
        modes = termios.tcgetattr(slave)
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        self.end = os.fdopen(slave, "r+b", buffering=0)
        self.out: TextIO = io.TextIOWrapper(io.BufferedWriter(self.end), encoding="utf-8", newline="\n")  # type: ignore[arg-type]
        self.keys: TextIO = os.fdopen(os.dup(slave), encoding="utf-8")

    def guide(self, *, yes: bool = False) -> Guide:
        return Guide(yes=yes, out=self.out, keys=self.keys)

    def types(self, text: str) -> None:
        os.write(self.master, text.encode())

    def sees(self) -> str:
        self.out.flush()
        seen = b""
        while select.select([self.master], [], [], 0.05)[0]:
            seen += os.read(self.master, 65536)
        return seen.decode().replace("\r\n", "\n")

    def close(self) -> None:
        for one in (self.out, self.keys):
            one.close()
        os.close(self.master)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    one = Person()
    yield one
    one.close()


def test_a_question_is_asked_until_there_is_an_answer(person: Person) -> None:
    person.types("perhaps\nYES\n")
    assert person.guide().ask("Does it shine?")
    assert person.sees().count("Does it shine? [y = yes, n = no]") == 2


def test_a_choice_takes_its_letter_or_its_word(person: Person) -> None:
    answers = {"l": "left", "r": "right"}
    person.types("r\nLeft\n")
    assert [person.guide().choose("Which?", answers) for _ in range(2)] == ["r", "l"]


def test_a_figure_outside_the_range_is_asked_for_again(person: Person) -> None:
    person.types("many\n999\nnan\n12\n\n")
    guide = person.guide()
    assert guide.number("How many?", 1, 300) == 12
    assert guide.number("How many?", 1, 300, default=32) == 32
    assert person.sees().count("please give a number from 1 to 300") == 3


def test_something_goes_on_while_a_question_is_open(person: Person) -> None:
    kept = threading.Event()

    def keep() -> None:
        if kept.is_set():
            person.types("y\n")
        kept.set()

    assert person.guide().ask("Is it lit?", meanwhile=keep)


def test_a_terminal_that_goes_away_stops_the_step(person: Person) -> None:
    person.types("\x04")
    with pytest.raises(click.Abort):
        person.guide().ready("Ready?")


def test_yes_answers_with_yes_and_waits_for_no_key(person: Person) -> None:
    guide = person.guide(yes=True)
    guide.ready("Ready?")
    assert guide.ask("Good?")
    assert guide.choose("Bright enough?", {"y": "yes", "d": "dimmer"}, yes="y") == "y"
    assert guide.number("How many?", 1, 300, default=32) == 32
    assert not guide.pressed()
    assert "(--yes)" in person.sees()


def test_enter_is_noticed_and_nothing_waits_for_it(person: Person) -> None:
    guide = person.guide()
    assert not guide.pressed()
    person.types("\n")
    assert guide.pressed()
    assert not guide.pressed()


def test_the_live_figure_is_drawn_in_place_and_cleared_before_a_sentence(person: Person) -> None:
    guide = person.guide()
    guide.figure("1.2 deg", good=True)
    guide.figure("1.3 deg: too soon to be drawn", good=False)
    guide.say("kept")
    guide.progress(3, 4, "3 of 4 views")
    seen = person.sees()
    assert seen.startswith("\r\x1b[2K  \x1b[32mgood   \x1b[0m 1.2 deg\r\x1b[2Kkept\n")
    assert "too soon" not in seen
    assert "[###############.....] 3 of 4 views" in seen


def test_a_line_is_never_longer_than_the_terminal(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    person.guide().figure("x" * 200)
    assert person.sees().count("x") == 29


def test_no_colour_where_none_is_wanted(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    person.guide().figure("1.2 deg", good=True)
    assert "\x1b[32m" not in person.sees()


def test_on_a_pipe_figures_are_lines_and_questions_are_refused() -> None:
    out = io.StringIO()
    guide = Guide(out=out, keys=io.StringIO("y\n"))
    guide.figure("1.2 deg", good=True)
    guide.figure("1.3 deg")
    assert out.getvalue() == "  good: 1.2 deg\n"
    for call in (
        lambda: guide.ask("Good?"),
        lambda: guide.ready("Ready?"),
        lambda: guide.number("How many?", 1, 2),
    ):
        with pytest.raises(click.UsageError, match="nobody can answer"):
            call()
    assert not guide.pressed()


def test_yes_answers_no_question_that_has_no_such_answer() -> None:
    guide = Guide(yes=True, out=io.StringIO(), keys=io.StringIO())
    with pytest.raises(click.UsageError, match="Which half"):
        guide.choose("Which half is lit?", {"l": "left", "r": "right"})


def test_a_terminal_without_such_signs_shows_question_marks_and_the_step_goes_on() -> None:
    page = io.BytesIO()
    guide = Guide(yes=True, out=io.TextIOWrapper(page, encoding="ascii"), keys=io.StringIO())
    guide.say("zero +0.1 deg ± 0.04 ▁▂▃")
    assert page.getvalue() == b"zero +0.1 deg ? 0.04 ???\n"
