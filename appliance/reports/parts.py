"""A visit's figures become the tiles and tables of its report.

Degrees, seconds, steps a minute; left hip = right stance. Refuses nothing: what was not measured is a dash.
"""

from __future__ import annotations

from appliance.clinic.course import Course, CourseRow
from appliance.clinic.figures import BlockFigures, Contrast, PartFigures, VisitFigures
from appliance.clinic.intervals import Change, Spread, Verdict
from appliance.reports.phrases import (
    discs,
    hip,
    interval,
    judged,
    mean_sd,
    more,
    on_target,
    pair,
    verdict,
)
from appliance.reports.sheet import Table, Tile
from appliance.reports.words import DASH, Words

SIDES = ("left", "right")


def tiles(words: Words, row: CourseRow, course: Course) -> tuple[Tile, ...]:
    """Both hips, their difference and the cadence of a visit without feedback, and what changed since the first."""
    part, change = row.figures, row.change
    if part is None:
        return ()
    first = course.reference
    left = (words.say("Left hip drop"), words.say("right stance"))
    right = (words.say("Right hip drop"), words.say("left stance"))
    by_left, by_right = (change.right_drop_deg, change.left_drop_deg) if change else (None, None)
    was_left, was_right = (first.right.drop_deg, first.left.drop_deg) if first else (Spread(), Spread())
    return (
        _drop(words, left, part.right.drop_deg, _changed(words, by_left, row.right_verdict, was_left)),
        _drop(words, right, part.left.drop_deg, _changed(words, by_right, row.left_verdict, was_right)),
        _difference(words, row, first),
        _cadence(words, row, first),
    )


def _drop(words: Words, what: tuple[str, str], drop: Spread, changed: tuple[tuple[str, ...], bool]) -> Tile:
    spread = words.say("SD {sd}°, {steps}").format(
        sd=words.figure(drop.sd), steps=words.several("{n} step", "{n} steps", drop.n)
    )
    lines, firm = changed
    return Tile(
        title=f"{what[0]} ({what[1]})",
        figure=words.figure(drop.mean),
        unit="°",
        lines=(words.say("mean, without feedback"), spread, *lines),
        firm=firm,
    )


def _difference(words: Words, row: CourseRow, first: PartFigures | None) -> Tile:
    mean = row.figures.asymmetry_deg.mean if row.figures else None
    by = row.change.asymmetry_deg if row.change else None
    was = first.asymmetry_deg if first else Spread()
    return Tile(
        title=words.say("Difference of the hips"),
        figure=words.figure(None if mean is None else abs(mean)),
        unit="°",
        lines=(more(words, mean), *_changed(words, by, row.asymmetry_verdict, was, sign=True)[0]),
    )


def _cadence(words: Words, row: CourseRow, first: PartFigures | None) -> Tile:
    by = row.change.cadence_spm if row.change else None
    was = first.cadence_spm if first else Spread()
    return Tile(
        title=words.say("Cadence"),
        figure=words.figure(row.figures.cadence_spm.mean if row.figures else None, 0),
        unit=words.say("steps/min"),
        lines=(words.say("of both feet together"), *_changed(words, by, row.cadence_verdict, was, 0)[0]),
    )


def _changed(
    words: Words,
    by: Change | None,
    found: Verdict | None,
    was: Spread,
    digits: int = 1,
    *,
    sign: bool = False,
) -> tuple[tuple[str, ...], bool]:
    """What it was at first, by how much it has changed and what that is worth; whether it is beyond chance."""
    if by is None or by.change is None or found is None:
        return (), False
    unit = "°" if digits else ""
    at_first = words.say("first baseline: {figure}").format(figure=words.figure(was.mean, digits, sign=sign))
    change = words.say("change {figure}").format(figure=words.figure(by.change, digits, sign=True))
    return (f"{at_first}{unit}", f"{change}{unit}: {verdict(words, found)}"), found is Verdict.BEYOND


Column = tuple[str, PartFigures]
Compared = tuple[str, Contrast]


def summary(words: Words, columns: tuple[Column, ...], compared: tuple[Compared, ...]) -> Table:
    """Parts side by side, and what changed between them with its interval."""
    rows = [
        _row(words, words.say("left hip (right stance): peak drop, °"), columns, compared, "right_drop_deg"),
        _row(words, words.say("right hip (left stance): peak drop, °"), columns, compared, "left_drop_deg"),
        _row(words, words.say("difference, left hip minus right hip, °"), columns, compared, "asymmetry_deg"),
        (words.say("steps on target"), *(on_target(words, part) for _, part in columns), *("",) * len(compared)),
        _row(words, words.say("cadence, steps/min"), columns, compared, "cadence_spm", 0),
        _both(words, words.say("contact time, right / left foot, ms"), columns, compared, "contact_time_s", 1e3),
        _both(words, words.say("sway, right / left stance, px"), columns, compared, "sway_px", 1.0, 1),
        _counts(words, columns, compared),
    ]  # fmt: skip
    head = ("", *(name for name, _ in columns), *(name for name, _ in compared))
    note = (
        f"{words.say('Mean ± SD of single steps.')} {discs(words)}"
        if compared
        else words.say("Mean ± SD of single steps.")
    )
    return Table(
        title=words.say("Figures"), head=head, rows=tuple(rows), note=note, strong=frozenset({0, 1, 2})
    )


def _spread(part: PartFigures, name: str) -> Spread:
    if name == "right_drop_deg":
        return part.right.drop_deg
    if name == "left_drop_deg":
        return part.left.drop_deg
    found: Spread = getattr(part, name)
    return found


def _row(
    words: Words,
    title: str,
    columns: tuple[Column, ...],
    compared: tuple[Compared, ...],
    name: str,
    digits: int = 1,
) -> tuple[str, ...]:
    figures = [mean_sd(words, _spread(part, name), digits) for _, part in columns]
    changes: list[Change] = [getattr(each, name) for _, each in compared]
    told = [judged(words, c) if name.endswith("_deg") else interval(words, c, digits) for c in changes]
    return (title, *figures, *told)


def _both(
    words: Words,
    title: str,
    columns: tuple[Column, ...],
    compared: tuple[Compared, ...],
    name: str,
    scale: float,
    digits: int = 0,
) -> tuple[str, ...]:
    """A figure of both stances, the right one first, as the left hip is."""
    figures = [
        pair(words, getattr(part.right, name), getattr(part.left, name), digits, scale) for _, part in columns
    ]
    changes = []
    for _, each in compared:
        both = (getattr(each, f"right_{name}"), getattr(each, f"left_{name}"))
        told = (words.figure(None if c.change is None else scale * c.change, digits, sign=True) for c in both)
        changes.append(" / ".join(told))
    return (title, *figures, *changes)


def _counts(words: Words, columns: tuple[Column, ...], compared: tuple[Compared, ...]) -> tuple[str, ...]:
    counts = [
        f"{words.count(part.right.drop_deg.n)} / {words.count(part.left.drop_deg.n)}" for _, part in columns
    ]
    return (words.say("steps used, right / left stance"), *counts, *("",) * len(compared))


def blocks(words: Words, rows: tuple[BlockFigures, ...]) -> Table:
    """The visit block by block."""
    head = (
        words.say("block"), words.say("time"), words.say("bar"), words.say("target"),
        words.say("left hip, °"), words.say("right hip, °"), words.say("difference, °"),
        words.say("on target"), words.say("cadence"), words.say("steps"),
    )  # fmt: skip
    return Table(title=words.say("Block by block"), head=head, rows=tuple(_block(words, row) for row in rows))


def _block(words: Words, row: BlockFigures) -> tuple[str, ...]:
    part = row.figures
    why = "" if row.why in (None, "done") else f", {words.say(row.why or '')}"
    return (
        f"{row.n + 1} {block_name(words, row)}{why}",
        f"{words.span(row.seconds)} / {words.span(row.planned_s)}",
        _light(words, row, part.steps),
        _target(words, row),
        *(mean_sd(words, hip(part, side).drop_deg) for side in SIDES),
        words.figure(part.asymmetry_deg.mean, sign=True),
        on_target(words, part),
        words.figure(part.cadence_spm.mean, 0),
        words.count(part.steps),
    )


def block_name(words: Words, row: BlockFigures) -> str:
    """Its kind, and its own name where it has one."""
    kind = words.say(str(row.kind))
    own = row.cue or row.name
    return f"{kind}: {words.say(own)}" if own and own != str(row.kind) else kind


def _light(words: Words, row: BlockFigures, steps: int) -> str:
    if not row.lit_steps or not steps:
        return DASH
    share = row.lit_steps / steps
    return words.say(row.mode) if share > 0.99 else f"{words.say(row.mode)} {words.percent(share)}"


def _target(words: Words, row: BlockFigures) -> str:
    if not row.lit_steps:
        return DASH
    if row.target_deg is not None:
        return f"≤ {words.figure(row.target_deg)}°"
    return DASH if row.band_deg is None else f"± {words.figure(row.band_deg)}°"


def columns_of(words: Words, figures: VisitFigures) -> tuple[Column, ...]:
    """The parts of a visit that there are."""
    named = (
        (words.say("baseline"), figures.baseline),
        (words.say("feedback on"), figures.lit),
        (words.say("feedback off"), figures.dark),
    )
    found = tuple((name, part) for name, part in named if part is not None)
    return found or ((words.say("whole visit"), figures.whole),)


def compared_of(words: Words, figures: VisitFigures, here: CourseRow | None) -> tuple[Compared, ...]:
    """What of a visit can be compared: with itself, and with the first one of its course."""
    named = (
        (words.say("on minus off"), figures.on_off),
        (words.say("on minus baseline"), figures.lit_change),
        (words.say("off minus first baseline"), here.change if here else None),
    )
    return tuple((name, each) for name, each in named if each is not None)
