"""A cue trial becomes its sheet: each figure before, with and after the cue, and what changed.

Drops by the hip that drops: `CueRow` names the stance, so its left drop is the right hip's. Refuses nothing.
"""

from __future__ import annotations

from functools import partial

from appliance.clinic.cue import CueResult, CueRow, trials
from appliance.clinic.intervals import Change, Verdict
from appliance.reports import charts
from appliance.reports.phrases import discs, interval, judged, mean_sd, verdict
from appliance.reports.plots import Value
from appliance.reports.sheet import Item, Picture, Sheet, Table, Tile
from appliance.reports.source import VisitSource
from appliance.reports.visit import facts, foot, last_band, stride, timeline, title
from appliance.reports.words import Words

_SIDES = (("left", "right_drop_deg"), ("right", "left_drop_deg"))


def trial_sheet(words: Words, source: VisitSource) -> Sheet:
    """The first trial of the visit; one that was broken off before its cue has only its timeline."""
    found = next(iter(trials(source.data, source.cues)), None)
    bands: list[tuple[tuple[float, Item], ...]] = []
    if found is not None:
        bands.append(((1.0, _table(words, found)),))
        bands.append(((0.5, _changes(words, found)), (0.5, stride(words, source))))
    bands += [((1.0, timeline(words, source)),), last_band(words, source)]
    spoken = next((row.block.cue for row in source.data.blocks if row.block.cue), None)
    said = (words.say("said: “{words}”").format(words=spoken),) if spoken else ()
    return Sheet(
        title=f"{title(words, source)}: {source.data.visit.protocol}",
        subtitle=words.say("feedback and training aid, not a diagnosis"),
        facts=(*said, *facts(words, source)),
        tiles=_tiles(words, found) if found else (),
        bands=tuple(bands),
        foot=foot(words, source),
        language=words.language,
    )


def _rows(found: CueResult) -> dict[str, CueRow]:
    return {row.figure: row for row in found.rows}


def _tiles(words: Words, found: CueResult) -> tuple[Tile, ...]:
    rows = _rows(found)
    names = {
        "left": words.say("Left hip (right stance), with the cue"),
        "right": words.say("Right hip (left stance), with the cue"),
    }
    drops = [_tile(words, names[side], rows[figure], "°", 1) for side, figure in _SIDES]
    name = words.say("Cadence, with the cue")
    return (*drops, _tile(words, name, rows["cadence_spm"], words.say("steps/min"), 0))


def _tile(words: Words, name: str, row: CueRow, unit: str, digits: int) -> Tile:
    means = [words.figure(spread.mean, digits) for spread in (row.before, row.during)]
    after = words.say("afterwards {change}").format(
        change=words.figure(row.afterwards.change, digits, sign=True)
    )
    lines = (
        words.say("{before} before, {during} with the cue").format(before=means[0], during=means[1]),
        verdict(words, row.with_cue_verdict),
        f"{after}: {verdict(words, row.afterwards_verdict)}",
    )
    figure = words.figure(row.with_cue.change, digits, sign=True)
    return Tile(
        title=name, figure=figure, unit=unit, lines=lines, firm=row.with_cue_verdict is Verdict.BEYOND
    )


def _table(words: Words, found: CueResult) -> Table:
    names = {
        "right_drop_deg": words.say("left hip (right stance): peak drop, °"),
        "left_drop_deg": words.say("right hip (left stance): peak drop, °"),
        "asymmetry_deg": words.say("difference, left hip minus right hip, °"),
        "right_sway_px": words.say("sway in right stance, px"),
        "left_sway_px": words.say("sway in left stance, px"),
        "cadence_spm": words.say("cadence, steps/min"),
    }
    rows = _rows(found)
    head = (
        "", words.say("before"), words.say("with the cue"), words.say("after"),
        words.say("with the cue minus before"), words.say("after minus before"),
    )  # fmt: skip
    note = f"{words.say('Mean ± SD of single steps, without feedback.')} {discs(words)}"
    return Table(
        title=words.say("What the cue changed"),
        head=head,
        rows=tuple(_row(words, name, rows[figure]) for figure, name in names.items() if figure in rows),
        note=note,
        strong=frozenset(n for n, figure in enumerate(names) if figure in rows and rows[figure].meant),
    )


def _row(words: Words, name: str, row: CueRow) -> tuple[str, ...]:
    digits = 1 if row.unit == "deg" else 0
    told = judged if row.unit == "deg" else partial(interval, digits=digits)
    spreads = (mean_sd(words, spread, digits) for spread in (row.before, row.during, row.after))
    return (name, *spreads, told(words, row.with_cue), told(words, row.afterwards))


def _changes(words: Words, found: CueResult) -> Picture:
    rows = _rows(found)
    drawn: list[charts.Change] = []
    texts = {
        ("left", True): words.say("left hip, with the cue"),
        ("left", False): words.say("left hip, after"),
        ("right", True): words.say("right hip, with the cue"),
        ("right", False): words.say("right hip, after"),
    }
    for side, figure in _SIDES:
        for change, with_cue in ((rows[figure].with_cue, True), (rows[figure].afterwards, False)):
            if (value := _value(change)) is not None:
                drawn.append(charts.Change(texts[side, with_cue], side, value))
    return Picture(
        title=words.say("Change against before the cue"),
        alt=words.say("Changes of both hips' drops with their 95 % intervals"),
        draw=partial(charts.changes, words, drawn),
        tall_mm=42.0,
        note=words.say("Grey area: within the smallest detectable difference."),
    )


def _value(change: Change) -> Value | None:
    return None if change.change is None else Value(change.change, change.low, change.high)
