"""What was found out about a station becomes checks: each a verdict, the figure behind it and what to do, in order.

`checks_camera`, `checks_bar` and `checks_machine` hold the rules, as functions of facts that somebody else gathered:
they read no clock, no file and no device. A fact that could not be had is `Unknown` and says why, which is neither good
nor bad. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias, TypeVar

import msgspec

from appliance.errors import HipbarError


class Verdict(StrEnum):
    """How one thing is; `UNKNOWN` says nothing about it."""

    UNKNOWN = "can't tell"
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


GRAVITY = tuple(Verdict)
"""From what counts for nothing to what keeps a station from its work."""

Figure: TypeAlias = float | int | str | bool | None
"""A number, or a word, as programs are given it."""


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at: `figure` in words, `fix` what to do ("" = nothing), one line each.

    measured : the same figure as numbers, for programs; units in the names.
    """

    name: str
    verdict: Verdict
    figure: str
    fix: str = ""
    measured: dict[str, Figure] = {}


class Unknown(msgspec.Struct, frozen=True):
    """A fact that could not be had, and why. mend : the cause itself has to be mended, as `fix` says."""

    why: str
    fix: str = ""
    mend: bool = False


class Rule(NamedTuple):
    """What is not as it should be, if `broken`: how grave that is, what to do, and what to add to the figure."""

    broken: bool
    verdict: Verdict
    fix: str
    words: str = ""


F = TypeVar("F")
Fact: TypeAlias = F | Unknown
"""What was found out, or why not."""


def judged(name: str, figure: str, *rules: Rule, **measured: Figure) -> Check:
    """A figure held against rules: the gravest that is broken says what to do, all of them say what is wrong."""
    broken = sorted((r for r in rules if r.broken), key=lambda r: GRAVITY.index(r.verdict), reverse=True)
    words = "; ".join([figure, *(rule.words for rule in broken if rule.words)])
    first = broken[0] if broken else Rule(False, Verdict.PASS, "")
    return Check(name, first.verdict, words, first.fix, measured)


def told(name: str, judge: Callable[..., Check], *facts: Fact[Any]) -> Check:
    """What `judge` makes of the facts, if all of them are known; else the check says what is not."""
    for fact in facts:
        if isinstance(fact, Unknown):
            return Check(name, Verdict.FAIL if fact.mend else Verdict.UNKNOWN, fact.why, fact.fix)
    return judge(name, *facts)


def unknown_of(error: HipbarError, *, mend: bool = False) -> Unknown:
    """An error in the way of finding out."""
    return Unknown(str(error), error.fix, mend)


def gravest(checks: Iterable[Check]) -> Verdict:
    """The verdict on all of them."""
    return max((check.verdict for check in checks), key=GRAVITY.index, default=Verdict.UNKNOWN)


def counted(checks: Iterable[Check]) -> dict[str, int]:
    """How many there are of each verdict."""
    verdicts = [check.verdict for check in checks]
    return {verdict.value: verdicts.count(verdict) for verdict in reversed(GRAVITY)}


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count} times"
