"""Rows of the store become tables of visits, and one visit's blocks with its figures and events.

Drops in degrees by the hip that drops, with the stance side beside it; every change beside the smallest detectable
difference. What was not measured is a dash. Pure; refuses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from appliance.clinic.figures import BlockFigures, VisitFigures
from appliance.clinic.intervals import Change, Spread, verdict
from appliance.clinic.rows import EventRow, VisitData, VisitRow
from appliance.clinic.terms import SDD_DEG, Baseline
from appliance.commands.clinic import date, span

_LABEL, _BLOCK, _HIP = 11, 26, 16


def table(rows: list[VisitRow]) -> Iterator[str]:
    """Visits, a line each."""
    cells = [("visit", "began", "runner", "by", "no.", "state", "ran", "planned", "steps")]
    cells += [
        (
            str(row.id),
            date(row.began_s) + ("" if row.clock_set else "?"),
            row.runner or "-",
            row.protocol,
            str(row.number) if row.kind == "visit" else row.kind,
            row.state,
            span(row.ran_s),
            span(row.planned_s),
            f"{row.steps:,}",
        )
        for row in rows
    ]
    wide = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    for line in cells:
        left = (f"{cell:<{width}}" for cell, width in zip(line[:6], wide[:6], strict=True))
        right = (f"{cell:>{width}}" for cell, width in zip(line[6:], wide[6:], strict=True))
        yield "  ".join([*left, *right])
    if any(not row.clock_set for row in rows):
        yield "? = the station's clock was not set then, or nobody could say"


def whole(data: VisitData, figures: VisitFigures) -> Iterator[str]:
    """One visit: what it was, its blocks, what changed, what happened."""
    row = data.visit
    number = f" {row.number}" if row.kind == "visit" else ""
    yield _row(
        str(row.kind), f"{row.id}, {row.runner or 'no runner yet'}, {row.protocol}{number}: {row.state}"
    )
    ended = f" to {date(row.ended_s)}" if row.ended_s else ""
    yield _row("when", f"{date(row.began_s)}{ended}{'' if row.clock_set else ' (clock not set)'}")
    yield _row("time", f"{span(row.seconds)}, {span(row.ran_s)} of {span(row.planned_s)} run")
    yield _row("steps", _quality(figures))
    yield _row("software", f"{row.software}, steps of edition {data.edition}")
    yield ""
    yield from _blocks(figures)
    yield ""
    yield from _changes(figures)
    if data.events:
        yield ""
        yield from (_event(event) for event in data.events)


def _row(label: str, words: str) -> str:
    return f"{label:<{_LABEL}}{words}"


def _quality(figures: VisitFigures) -> str:
    q = figures.quality
    left_out = {"peak hidden": q.hidden, "marks weak": q.weak, "paused": q.paused}
    why = ", ".join(f"{count:,} {words}" for words, count in left_out.items() if count)
    return f"{q.kept:,} of {q.steps:,} count" + (f" (left out: {why})" if why else "")


def _blocks(figures: VisitFigures) -> Iterator[str]:
    """Each block's time, steps and mean drops, with what was asked."""
    yield f"{'':<{_BLOCK}}{'':>14}{'left hip':>{_HIP}}{'right hip':>{_HIP}}  drop in deg,"
    yield f"{'block':<{_BLOCK}}{'ran':>7}{'steps':>7}{'(right stance)':>{_HIP}}{'(left stance)':>{_HIP}}  mean (SD)"
    for block in figures.blocks:
        name = f"{block.n + 1:>2} {block.kind.value}" + (f": {block.name}" if block.name else "")
        hips = (block.figures.right.drop_deg, block.figures.left.drop_deg)
        drops = "".join(f"{_drop(of):>{_HIP}}" for of in hips)
        counts = f"{span(block.seconds):>7}{block.figures.steps:>7,}"
        yield f"{name[: _BLOCK - 1]:<{_BLOCK}}{counts}{drops}  {_how(block)}".rstrip()


def _how(block: BlockFigures) -> str:
    """What the bar asked for, and how the block ended where not by itself."""
    asked = ""
    if block.lit_steps:
        target = f" up to {block.target_deg:.1f}" if block.target_deg is not None else ""
        band = f" within {block.band_deg:.1f}" if block.band_deg is not None and not target else ""
        asked = f"{block.mode}{target}{band}"
    why = "" if block.why in ("done", None) else block.why or ""
    return ", ".join(part for part in (asked, why) if part)


def _changes(figures: VisitFigures) -> Iterator[str]:
    """What the light did, beside what can be told apart at all."""
    told = (
        ("lit minus dark", figures.on_off),
        ("lit minus baseline", figures.lit_change),
        ("dark minus baseline", figures.dark_change),
    )
    known = [(words, c) for words, c in told if c and _known(c.left_drop_deg) and _known(c.right_drop_deg)]
    for words, contrast in known:
        yield f"{words}:"
        yield f"  left hip drop (right stance)   {_change(contrast.right_drop_deg)}"
        yield f"  right hip drop (left stance)   {_change(contrast.left_drop_deg)}"
    if known:
        yield f"smallest detectable difference of a drop from one week to another: {SDD_DEG} deg"
    else:
        yield "nothing to compare: too few steps with and without figures on the bar, or no baseline"


def _known(by: Change) -> bool:
    return by.change is not None and by.low is not None


def _change(by: Change) -> str:
    """One that is known."""
    change, low, high = (f"{round(value or 0.0, 1) + 0.0:+.1f}" for value in (by.change, by.low, by.high))
    return f"{change} deg (95 % {low} to {high}): {verdict(by, SDD_DEG)}"


def _drop(of: Spread) -> str:
    if of.mean is None:
        return "-"
    return f"{of.mean:.1f}" + (f" ({of.sd:.1f})" if of.sd is not None else "")


def _event(event: EventRow) -> str:
    words = _baseline(event.words) if event.kind == "baseline" else event.words
    return f"{span(event.at_s):>6}  {event.kind}" + (f": {words}" if words else "")


def _baseline(words: str) -> str:
    """The means of a baseline, which an event holds as JSON; what is none of it as it is."""
    try:
        one = msgspec.json.decode(words, type=Baseline)
    except msgspec.DecodeError:
        return words
    left = f"left hip (right stance) {one.right_drop_deg:.1f} deg of {one.right_steps} steps"
    return f"{left}, right hip (left stance) {one.left_drop_deg:.1f} deg of {one.left_steps}"
