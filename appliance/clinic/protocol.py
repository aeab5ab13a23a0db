"""A protocol's TOML text becomes a value that plans any of its visits, block by block.

Seconds, of running time where a block's kind says so; degrees. A protocol has so many visits, or is without end. A
block may be for certain visits only, and a figure may be given once for each of them. Refuses, with `SettingsError`
naming file, block and remedy, what can't be done as written; what is only unusual is a remark (`timeline.remarks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from appliance.clinic.entries import (
    ENDLESS,
    MOST_VISITS,
    SHOWING,
    Entry,
    Goal,
    faults,
    nth,
    seconds_of,
    visits_of,
)
from appliance.clinic.reading import name_of, place, read
from appliance.clinic.rows import VisitRow
from appliance.clinic.terms import Baseline, Block, Kind, Mode, Plan, Target, VisitKind, VisitState
from appliance.errors import SettingsError, VisitError

_CUE = (Kind.CUE_BEFORE, Kind.CUE, Kind.CUE_AFTER)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as it is written."""

    block: Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1)]
    title: str = ""
    about: str = ""
    sources: tuple[str, ...] = ()
    visits: Annotated[int, msgspec.Meta(ge=1, le=MOST_VISITS)] | None = None
    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None
    mode: Mode = "step"
    target: Goal | None = None


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    """A checked protocol. visits : how many, None = without end; days : over how many; entries : as written."""

    name: str
    title: str
    about: str
    sources: tuple[str, ...]
    visits: int | None
    days: int | None
    mode: Mode
    target: Goal | None
    entries: tuple[Entry, ...]

    def plan(self, number: int, first_baseline: Baseline | None = None) -> Plan:
        """What is to be done in visit `number`, from 1; `Plan.visits` is 0 for a protocol without end.

        Raises `VisitError` for a visit that there is not.
        """
        if not 1 <= number <= (self.visits or ENDLESS):
            many = "has no end" if self.visits is None else f"has {self.visits} visits"
            raise VisitError(
                f"protocol {self.name} {many}: there is no visit {number}",
                fix=f"`hipbar protocol preview {self.name}` shows its visits",
            )
        return Plan(
            kind=VisitKind.VISIT,
            protocol=self.name,
            number=number,
            visits=self.visits or 0,
            blocks=tuple(block for entry in self.entries for block in self._blocks(entry, number)),
            title=self.title,
            first_baseline=first_baseline,
        )

    def _blocks(self, entry: Entry, number: int) -> tuple[Block, ...]:
        """What an entry is in one visit: one block, the three of a cue trial, or none."""
        within = visits_of(entry, self.visits)
        if number not in within:
            return ()
        turn = within.index(number)
        seconds = seconds_of(entry, turn)
        if entry.kind == "cue trial":
            words = {Kind.CUE: entry.cue}
            return tuple(Block(kind=k, seconds=seconds, name=entry.name, cue=words.get(k)) for k in _CUE)
        block = Block(kind=Kind(entry.kind), seconds=seconds, name=entry.name)
        if entry.kind not in SHOWING:
            return (block,)
        on_s, off_s = nth(entry.on_s, turn), nth(entry.off_s, turn)
        mode, target = entry.mode or self.mode, self._target(entry)
        return (msgspec.structs.replace(block, mode=mode, target=target, on_s=on_s, off_s=off_s),)

    def _target(self, entry: Entry) -> Target | None:
        """An entry's own target, or else the protocol's; None = the station's own settings."""
        target = self.target if entry.target is None else entry.target
        return target if isinstance(target, Target) else None


def parse_protocol(text: str, origin: str) -> Protocol:
    """The protocol of TOML text; its name is that of the file `origin`. Raises `SettingsError`."""
    file = read(text, origin, _File, fix="`hipbar protocol show retraining` shows one that is right")
    for at, what, fix in faults(file.block, file.visits, file.target, file.mode):
        where = "" if at is None else f"{place(text, 'block', at)}: "
        raise SettingsError(f"{origin}: {where}{what}", fix=fix)
    return Protocol(
        name=name_of(origin),
        title=file.title,
        about=file.about,
        sources=file.sources,
        visits=file.visits,
        days=file.days,
        mode=file.mode,
        target=file.target,
        entries=file.block,
    )


def next_number(protocol: Protocol, visits: Sequence[VisitRow]) -> int | None:
    """Which visit of the protocol is next for a runner who has these visits; None = the course is finished.

    Of a protocol without end every visit counts that was run at all: there is no end that it could have missed.
    """
    endless = protocol.visits is None
    mine = [row for row in visits if row.protocol == protocol.name]
    done = [row.number for row in mine if counts(row) or (endless and _ended(row) and row.ran_s > 0)]
    number = max(done, default=0) + 1
    return None if protocol.visits is not None and number > protocol.visits else number


def counts(row: VisitRow) -> bool:
    """Whether a visit counts as done: run to its end, or at least half of what was to be run."""
    return _ended(row) and (row.state is VisitState.DONE or 0 < row.planned_s <= 2 * row.ran_s)


def _ended(row: VisitRow) -> bool:
    return row.kind is VisitKind.VISIT and row.state not in (VisitState.RUNNING, VisitState.PAUSED)
