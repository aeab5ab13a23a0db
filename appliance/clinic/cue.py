"""A spoken cue becomes a trial of three minutes, and its steps what the cue has changed.

A minute of running before the cue, one with it, one after it, without light. Changes are "with the cue" and
"afterwards" minus before: drops in degrees by STANCE side, sway in pixels, cadence in steps a minute, with 95 %
intervals (`appliance.clinic.intervals`). Refuses, with `SettingsError`, a list of cues that can't be used as it is
written; with `VisitError` a cue that is not there, and a visit in which there was no trial.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from appliance.clinic.figures import BlockFigures, PartFigures, visit_figures
from appliance.clinic.intervals import Change, Spread, Verdict, change, verdict
from appliance.clinic.reading import NAME, place, read
from appliance.clinic.rows import VisitData
from appliance.clinic.terms import SDD_DEG, Block, Kind, Plan, VisitKind
from appliance.errors import SettingsError, VisitError

PART_S = 60.0
LEAST_S, MOST_S = 20.0, 600.0

What = Literal["drop", "cadence", "sway"]

_FIX = "a cue is [[cue]] with name, words and what; `hipbar cue list` shows those in force"
_HEAD = re.compile(r"^[ \t]*\[\[\s*cue\s*\]\]", re.MULTILINE)
_TABLES = (
    "# Spoken cues for `hipbar cue trial`: what is said, and which figure it is meant to change:\n"
    "# drop, cadence or sway.\n"
)


class Cue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is said to a runner. what : the figure that it is meant to change."""

    name: str
    words: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    what: What = "drop"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cue: tuple[Cue, ...] = ()


class CueRow(msgspec.Struct, frozen=True, kw_only=True):
    """One figure over the parts. with_cue, afterwards : minus before. meant : the cue is for it. sdd : detectable."""

    figure: str
    unit: str
    before: Spread
    during: Spread
    after: Spread
    with_cue: Change
    afterwards: Change
    with_cue_verdict: Verdict
    afterwards_verdict: Verdict
    sdd: float | None = None
    meant: bool = False


class CueResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial has shown. seconds : of running that counted before, with and after the cue."""

    visit: int
    runner: str | None
    name: str
    words: str
    began_s: float
    seconds: tuple[float, float, float]
    rows: tuple[CueRow, ...]


def parse_cues(text: str, origin: str) -> tuple[Cue, ...]:
    """The cues of a list, in its order. origin : named in errors."""
    cues = read(text, origin, _File, fix=_FIX).cue
    for n, cue in enumerate(cues):
        trouble = _trouble(cue, cues[:n])
        if trouble:
            raise SettingsError(f"{origin}: {place(text, 'cue', n)}: {trouble[0]}", fix=trouble[1])
    return cues


def named(cues: Sequence[Cue], name: str) -> Cue:
    """The cue of that name."""
    for cue in cues:
        if cue.name == name:
            return cue
    near = difflib.get_close_matches(name, [cue.name for cue in cues], n=1, cutoff=0.5)
    fix = f"did you mean `{near[0]}`?" if near else "`hipbar cue list` names those that there are"
    raise VisitError(f"there is no cue `{name}`", fix=fix)


def with_cue(text: str, cue: Cue, origin: str) -> str:
    """The text of a list with one more cue at its end; what is written there stays, where that can be."""
    cues = (*parse_cues(text, origin), cue)
    body = text if text.strip() else _TABLES
    added = body.rstrip("\n") + "\n\n" + _table(cue)
    if _says(added, cues, origin):
        return added
    whole = _written(cues)
    parse_cues(whole, origin)
    return whole


def without_cue(text: str, name: str, origin: str) -> str:
    """The text of a list without that cue; comments before the next one stay."""
    cues = parse_cues(text, origin)
    gone = cues.index(named(cues, name))
    heads = [match.start() for match in _HEAD.finditer(text)]
    rest = tuple(cue for cue in cues if cue.name != name)
    if len(heads) == len(cues):
        begin, end = heads[gone], [*heads[1:], len(text)][gone]
        shorter = text[:begin] + _tail(text[begin:end]) + text[end:]
        if _says(shorter, rest, origin):
            return shorter
    return _written(rest)


def cue_plan(cue: Cue, seconds: float = PART_S) -> Plan:
    """The trial of a cue; `seconds` of running before it, with it and after it."""
    if not LEAST_S <= seconds <= MOST_S:
        raise VisitError(
            f"{seconds:g} s is no length for a part of a trial",
            fix=f"{LEAST_S:g} to {MOST_S:g} s; {PART_S:g} s give figures that can be compared",
        )
    kinds = (Kind.CUE_BEFORE, Kind.CUE, Kind.CUE_AFTER)
    blocks = tuple(
        Block(kind=kind, seconds=seconds, name=cue.name, cue=cue.words if kind is Kind.CUE else None)
        for kind in kinds
    )
    return Plan(
        kind=VisitKind.CUE, protocol=cue.name, number=1, visits=1, blocks=blocks, title=f"cue: {cue.words}"
    )


def compare(data: VisitData, cues: Sequence[Cue] = ()) -> CueResult:
    """What the first trial of a visit has shown. cues : the list, which says what a cue was meant to change."""
    found = trials(data, cues)
    if found:
        return found[0]
    raise VisitError(
        f"visit {data.visit.id} has no cue trial with running before and with the cue",
        fix="`hipbar visit list` says what each visit was; `hipbar cue trial RUNNER NAME` makes one",
    )


def trials(data: VisitData, cues: Sequence[Cue] = ()) -> tuple[CueResult, ...]:
    """All trials of a visit: those whose cue was given."""
    blocks = visit_figures(data).blocks
    return tuple(_result(data, parts, cues) for parts in _threes(blocks))


def _threes(blocks: Sequence[BlockFigures]) -> Iterator[dict[Kind, BlockFigures]]:
    """The blocks before, with and after one cue; what was not reached, or has no steps, is not there."""
    parts: dict[Kind, BlockFigures] = {}
    for block in blocks:
        if block.kind is Kind.CUE_BEFORE:
            parts = {}
        if block.kind in (Kind.CUE_BEFORE, Kind.CUE, Kind.CUE_AFTER):
            parts[block.kind] = block
        ready = Kind.CUE_BEFORE in parts and Kind.CUE in parts
        last = block is blocks[-1] or block.kind is Kind.CUE_AFTER
        if ready and last:
            yield parts
            parts = {}


def _result(data: VisitData, parts: dict[Kind, BlockFigures], cues: Sequence[Cue]) -> CueResult:
    three = [parts.get(kind) for kind in (Kind.CUE_BEFORE, Kind.CUE, Kind.CUE_AFTER)]
    cue = parts[Kind.CUE]
    words = cue.cue or cue.name
    what = next((c.what for c in cues if words == c.words or cue.name == c.name), None)
    seconds = [block.seconds if block else 0.0 for block in three]
    return CueResult(
        visit=data.visit.id,
        runner=data.visit.runner,
        name=cue.name,
        words=words,
        began_s=data.visit.began_s,
        seconds=(seconds[0], seconds[1], seconds[2]),
        rows=tuple(_rows([block.figures if block else None for block in three], what)),
    )


def _rows(parts: Sequence[PartFigures | None], what: What | None) -> Iterator[CueRow]:
    """Each figure over the parts, those that the cue is meant for marked."""
    for figure, unit, of, sdd in (
        ("left_drop_deg", "deg", "drop", SDD_DEG),
        ("right_drop_deg", "deg", "drop", SDD_DEG),
        ("asymmetry_deg", "deg", "", None),
        ("left_sway_px", "px", "sway", None),
        ("right_sway_px", "px", "sway", None),
        ("cadence_spm", "steps/min", "cadence", None),
    ):
        before, during, after = (_figure(part, figure) for part in parts)
        by, left = change(during, before), change(after, before)
        yield CueRow(
            figure=figure, unit=unit, before=before, during=during, after=after, with_cue=by, afterwards=left,
            with_cue_verdict=verdict(by, sdd), afterwards_verdict=verdict(left, sdd), sdd=sdd, meant=of == what,
        )  # fmt: skip


def _figure(part: PartFigures | None, name: str) -> Spread:
    if part is None:
        return Spread()
    side, _, figure = name.partition("_")
    found: Spread = getattr(getattr(part, side), figure) if side in ("left", "right") else getattr(part, name)
    return found


def _trouble(cue: Cue, before: Sequence[Cue]) -> tuple[str, str] | None:
    """What is wrong with one cue, and what to do."""
    if not NAME.match(cue.name):
        return f"`{cue.name}` is no name for a cue", "small letters, digits and hyphens, such as push-back"
    if any(other.name == cue.name for other in before):
        return f"`{cue.name}` is there twice", "give each cue a name of its own"
    if not cue.words.strip() or not cue.words.isprintable():
        return f"the words of `{cue.name}` can't be read out", "one line of plain words"
    return None


def _written(cues: Sequence[Cue]) -> str:
    return _TABLES + "".join("\n" + _table(cue) for cue in cues)


def _table(cue: Cue) -> str:
    words = json.dumps(cue.words, ensure_ascii=False)
    return f'[[cue]]\nname = "{cue.name}"\nwords = {words}\nwhat = "{cue.what}"\n'


def _tail(chunk: str) -> str:
    """The comments and empty lines that end a cue's lines: they belong to what follows."""
    lines = chunk.splitlines(keepends=True)
    filled = [n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    return "".join(lines[filled[-1] + 1 :]) if filled else ""


def _says(text: str, cues: Sequence[Cue], origin: str) -> bool:
    try:
        return parse_cues(text, origin) == tuple(cues)
    except SettingsError:
        return False
