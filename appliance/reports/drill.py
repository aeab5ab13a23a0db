"""An exercise becomes its sheet: set by set what was counted and held, and each repetition as a bar.

Side = the side that works. Ranges in degrees of pelvic tilt, holds in seconds within the band. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from appliance.clinic.rows import BlockRow, VisitData
from appliance.clinic.terms import Kind, Rep
from appliance.reports import charts
from appliance.reports.sheet import Item, Picture, Sheet, Table, Tile
from appliance.reports.source import VisitSource
from appliance.reports.visit import facts, foot, last_band, title
from appliance.reports.words import DASH, Words


def drill_sheet(words: Words, source: VisitSource) -> Sheet:
    """The sets in their order; rests are left out."""
    data = source.data
    sets = [row for row in data.blocks if row.block.kind in (Kind.HOLD, Kind.REPS)]
    bands: list[tuple[tuple[float, Item], ...]] = [((1.0, _table(words, data, sets)),)]
    bands += [((1.0, picture),) for picture in _pictures(words, data, sets)]
    bands.append(last_band(words, source))
    return Sheet(
        title=f"{title(words, source)}: {data.visit.protocol}",
        subtitle=words.say("feedback and training aid, not a diagnosis"),
        facts=facts(words, source),
        tiles=_tiles(words, data, sets),
        bands=tuple(bands),
        foot=(words.say("Feedback and training aid, not a diagnosis."), foot(words, source)[-1]),
        language=words.language,
    )


def _reps(data: VisitData, row: BlockRow) -> list[Rep]:
    return [rep for rep in data.reps if rep.n == row.n]


def _tiles(words: Words, data: VisitData, sets: Sequence[BlockRow]) -> tuple[Tile, ...]:
    planned = (
        sum(block.kind in (Kind.HOLD, Kind.REPS) for block in data.visit.plan.blocks)
        if data.visit.plan
        else 0
    )
    done = sum(row.why == "done" for row in sets)
    of = words.say("of {of} planned").format(of=planned) if planned else ""
    found = [Tile(title=words.say("Sets done"), figure=words.count(done), unit="", lines=(of,) if of else ())]
    counted = [rep for row in sets if row.block.kind is Kind.REPS for rep in _reps(data, row)]
    if counted:
        ranges = [rep.range_deg for rep in counted if rep.range_deg is not None]
        mean = words.figure(float(np.mean(ranges)) if ranges else None)
        lines = (words.say("mean range {mean}°").format(mean=mean),)
        found.append(
            Tile(title=words.say("Repetitions"), figure=words.count(len(counted)), unit="", lines=lines)
        )
    held = [rep for row in sets if row.block.kind is Kind.HOLD for rep in _reps(data, row)]
    if held:
        level = sum(rep.level_s or 0.0 for rep in held)
        lines = (words.say("within the band"),)
        found.append(Tile(title=words.say("Held"), figure=words.figure(level, 0), unit="s", lines=lines))
    return tuple(found)


def _table(words: Words, data: VisitData, sets: Sequence[BlockRow]) -> Table:
    head = (
        words.say("set"), words.say("side"), words.say("time"), words.say("counted / wanted"),
        words.say("range, °"), words.say("held / wanted, s"), words.say("band, °"), words.say("ended"),
    )  # fmt: skip
    rows = tuple(_set(words, n, row, _reps(data, row)) for n, row in enumerate(sets, 1))
    note = words.say("Side: the side that works. Range: mean ± SD from the highest to the lowest pelvis.")
    return Table(title=words.say("Set by set"), head=head, rows=rows, note=note)


def _set(words: Words, n: int, row: BlockRow, reps: list[Rep]) -> tuple[str, ...]:
    block = row.block
    ranges = [rep.range_deg for rep in reps if rep.range_deg is not None]
    held = [rep.level_s for rep in reps if rep.level_s is not None]
    sd = f" ± {words.figure(float(np.std(ranges, ddof=1)))}" if len(ranges) > 1 else ""
    wanted = block.hold_s if block.hold_s is None else block.hold_s * (block.reps or 1)
    return (
        f"{block.set_number or n} {block.name or words.say(str(block.kind))}",
        words.say(str(block.side)) if block.side else DASH,
        words.span(row.ran_s),
        f"{len(reps)} / {block.reps}" if block.reps else f"{len(reps)}",
        f"{words.figure(float(np.mean(ranges)))}{sd}" if ranges else DASH,
        f"{words.figure(sum(held))} / {words.figure(wanted, 0)}" if held else DASH,
        f"± {words.figure(block.band_deg)}" if block.band_deg is not None else DASH,
        words.say(row.why or "running"),
    )


def _pictures(words: Words, data: VisitData, sets: Sequence[BlockRow]) -> list[Picture]:
    """Ranges of repetitions, and times of holds."""
    found = []
    kinds = (
        (Kind.REPS, words.say("Range of each repetition"), words.say("range, °"), "range_deg"),
        (Kind.HOLD, words.say("Time held level in each hold"), words.say("level, s"), "level_s"),
    )
    for kind, name, up, field in kinds:
        bars = [
            (_called(words, n, row), str(row.block.side or "left"), figures)
            for n, row in enumerate(sets, 1)
            if row.block.kind is kind and (figures := _figures(_reps(data, row), field))
        ]
        if bars:
            draw = partial(charts.repetitions, words, bars, up)
            note = words.say("A bar a repetition; hatched to the right: left side, to the left: right side.")
            found.append(Picture(title=name, alt=name, draw=draw, tall_mm=46.0, note=note))
    return found


def _called(words: Words, n: int, row: BlockRow) -> str:
    side = f" {words.say(str(row.block.side))}" if row.block.side else ""
    return f"{row.block.set_number or n}{side}"


def _figures(reps: list[Rep], field: str) -> list[float]:
    return [value for rep in reps if (value := getattr(rep, field)) is not None]
