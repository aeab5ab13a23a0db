"""A protocol's `[[block]]` tables as they are written become visits' numbers and figures, or what can't be meant.

Seconds and minutes as their keys say. Finds, for each entry, the first thing that can't be done as written, with its
remedy; what is only unusual is let be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from appliance.clinic.terms import Mode, Target

MOST_VISITS = 60
ENDLESS = 9999
"""The last visit of a protocol without end."""
MOST_S = 4 * 3600.0
LEAST_PATTERN_S = 5.0
"""The bar shows means of some seconds: parts that are shorter would only flicker."""
STAND_S = (2.0, 60.0)

EntryKind = Literal[
    "stand", "warm-up", "baseline", "feedback", "faded", "retention", "cool-down", "cue trial"
]
Figures = float | tuple[float, ...]
"""One figure for all visits of a block, or one for each of them."""
Goal = Target | Literal["settings"]
"""What a runner is to reach, or the station's own settings of the bar."""

SHOWING = ("feedback", "faded")
"""The kinds in which a runner sees figures."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A `[[block]]`. visits : "2", "1-4", "1,3-5" or "5-"; in all without. One of minutes and seconds."""

    kind: EntryKind
    name: str = ""
    visits: str | int | None = None
    minutes: Figures | None = None
    seconds: Figures | None = None
    mode: Mode | None = None
    target: Goal | None = None
    on_s: Figures | None = None
    off_s: Figures | None = None
    cue: str | None = None


def visits_of(entry: Entry, visits: int | None) -> Sequence[int]:
    """The numbers of the visits that an entry is in, rising. Raises ValueError when its `visits` says nothing."""
    last = visits or ENDLESS
    if entry.visits is None:
        return range(1, last + 1)
    found: set[int] = set()
    for part in str(entry.visits).split(","):
        first, dash, end = (word.strip() for word in part.partition("-"))
        stop = int(end or last) if dash else int(first)
        if not 1 <= int(first) <= stop <= last:
            raise ValueError(part)
        found.update(range(int(first), stop + 1))
    return tuple(sorted(found))


def nth(figures: Figures | None, turn: int) -> float | None:
    """The figure for an entry's visit number `turn`, from 0."""
    return figures[turn] if isinstance(figures, tuple) else figures


def seconds_of(entry: Entry, turn: int) -> float:
    """How long it is in its visit number `turn`, from 0."""
    seconds, minutes = nth(entry.seconds, turn), nth(entry.minutes, turn)
    return float(seconds if seconds is not None else 60.0 * (minutes or 0.0))


def faults(entries: Sequence[Entry], visits: int | None, goal: Goal | None, mode: Mode) -> Iterator[Fault]:
    """What can't be meant: which entry (from 0; None = the whole), what, and what to do."""
    if isinstance(goal, Target):
        yield from ((None, f"target: {what}", fix) for what, fix in _of_target(goal))
    for at, entry in enumerate(entries):
        for part in (_of_visits, _of_times):
            yield from ((at, what, fix) for what, fix in part(entry, visits))
        yield from ((at, what, fix) for what, fix in _of_light(entry, goal, mode))
        yield from ((at, what, fix) for what, fix in _of_pattern(entry))
    yield from _of_whole(entries, visits, goal)


Fault = tuple[int | None, str, str]
_Faults = Iterator[tuple[str, str]]


def _of_visits(entry: Entry, visits: int | None) -> _Faults:
    try:
        visits_of(entry, visits)
    except ValueError:
        many = "" if visits is None else f", of {visits}"
        yield f'visits = "{entry.visits}" names no visits{many}', 'write "2", "1-4", "1,3-5" or "5-"'


def _of_times(entry: Entry, visits: int | None) -> _Faults:
    if (entry.minutes is None) == (entry.seconds is None):
        yield "needs either minutes or seconds", "give one of them"
        return
    try:
        many = len(visits_of(entry, visits))
    except ValueError:
        return
    for key in ("minutes", "seconds", "on_s", "off_s"):
        figures = getattr(entry, key)
        given = figures if isinstance(figures, tuple) else () if figures is None else (figures,)
        if isinstance(figures, tuple) and len(figures) != many:
            yield (
                f"{key} has {len(figures)} figures for {many} visits",
                "give one figure, or one for each visit",
            )
        elif not all(math.isfinite(figure) and figure > 0 for figure in given):
            yield f"{key} = {_told(given)}: not all are above 0", f"give {key} above 0"
        elif key in ("minutes", "seconds") and max(given, default=0) * _unit(key) > MOST_S:
            yield f"{key} = {_told(given)} is more than 4 hours", "give less"
    least_s, most_s = STAND_S
    times = entry.seconds if isinstance(entry.seconds, tuple) else (entry.seconds or 0.0,)
    if entry.kind == "stand" and not all(least_s <= time_s <= most_s for time_s in times):
        yield "a stand takes seconds, 2 to 60", "seconds = 5 is enough for most people"


def _of_light(entry: Entry, goal: Goal | None, mode: Mode) -> _Faults:
    showing = entry.kind in SHOWING
    if not showing and (entry.mode is not None or entry.target is not None):
        key = "mode" if entry.mode is not None else "target"
        yield (
            f"a {entry.kind} block shows nothing, so it has no {key}",
            'kind = "feedback" or "faded" shows figures',
        )
    if showing and (entry.mode or mode) == "off":
        yield (
            f'mode = "off" in a {entry.kind} block',
            'kind = "retention" runs in the dark and keeps everything',
        )
    if showing and entry.target is None and goal is None:
        fix = 'give `target = { percent = 70 }`, degrees, or "settings" for the station\'s own'
        yield f"a {entry.kind} block needs a target", fix
    if isinstance(entry.target, Target):
        yield from ((f"target: {what}", fix) for what, fix in _of_target(entry.target))
    if entry.kind == "cue trial" and not (entry.cue or "").strip():
        yield "a cue trial needs the words that are spoken", 'give `cue = "push the ground back"`'
    if entry.kind != "cue trial" and entry.cue is not None:
        yield f"a {entry.kind} block speaks no cue", 'kind = "cue trial" does'


def _of_pattern(entry: Entry) -> _Faults:
    both = entry.on_s is not None and entry.off_s is not None
    none = entry.on_s is None and entry.off_s is None
    if entry.kind != "faded" and not none:
        yield f"a {entry.kind} block does not fade", 'kind = "faded" takes on_s and off_s'
    if entry.kind == "faded" and not both:
        yield (
            "a faded block needs on_s and off_s",
            "on_s = 60 and off_s = 30: lit for a minute, dark for half of one",
        )
    for key in ("on_s", "off_s"):
        figures = getattr(entry, key)
        given = figures if isinstance(figures, tuple) else () if figures is None else (figures,)
        if any(0 < figure < LEAST_PATTERN_S for figure in given):
            yield f"{key} = {_told(given)} is too short to run by", f"give at least {LEAST_PATTERN_S:g} s"


def _of_target(target: Target) -> _Faults:
    given = [name for name in ("percent", "degrees") if getattr(target, name) is not None]
    if len(given) != 1:
        yield "is either percent or degrees", "percent = 70 of the own baseline, or degrees = 4.5"
    if target.percent is not None and not 10 <= target.percent <= 100:
        yield f"percent = {target.percent:g} is not 10 to 100", "50 to 80 is usual"
    if target.degrees is not None and not 0.5 <= target.degrees <= 20:
        yield f"degrees = {target.degrees:g} is not 0.5 to 20", "hip drops of runners are 3 to 10 deg"
    if not 0 <= target.floor_deg <= 20:
        yield f"floor_deg = {target.floor_deg:g} is not 0 to 20", "leave it out for 2.8"


def _of_whole(entries: Sequence[Entry], visits: int | None, goal: Goal | None) -> Iterator[Fault]:
    """Visits without blocks, and percent of a baseline that is never taken."""
    try:
        within = [set(visits_of(entry, visits)) for entry in entries]
    except ValueError:
        return
    empty = sorted(set(range(1, (visits or ENDLESS) + 1)).difference(*within))
    if empty:
        yield (
            None,
            f"visit {empty[0]} has no blocks",
            "give a block these visits, or leave `visits` out of one",
        )
    for at, entry in enumerate(entries):
        target = goal if entry.target is None else entry.target
        if entry.kind not in SHOWING or not isinstance(target, Target) or target.percent is None:
            continue
        need = sorted(within[at]) if target.of == "visit" else [1]
        taken = {n for e, w in zip(entries[:at], within[:at], strict=True) if e.kind == "baseline" for n in w}
        lacking = [number for number in need if number not in taken]
        if lacking:
            what = f"its target is percent of a baseline, and visit {lacking[0]} takes none before it"
            yield at, what, 'put a block of kind = "baseline" before it, or give degrees'


def _told(figures: tuple[float, ...]) -> str:
    return ", ".join(f"{figure:g}" for figure in figures)


def _unit(key: str) -> float:
    return 60.0 if key == "minutes" else 1.0
