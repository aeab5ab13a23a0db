"""A runner's course becomes its sheet: where the runner stands now, and every visit of the course.

The newest visits are listed when there are more than fit. Refuses nothing: a runner without a visit has an empty sheet.
"""

from __future__ import annotations

from functools import partial

from appliance.clinic.course import CourseRow
from appliance.clinic.curves import Curves
from appliance.clinic.figures import PartFigures
from appliance.clinic.intervals import Change
from appliance.clinic.terms import VisitState
from appliance.reports import plots
from appliance.reports.parts import tiles
from appliance.reports.phrases import discs, hip, judged, mean_sd, on_target
from appliance.reports.sheet import Item, Lines, Picture, Sheet, Table
from appliance.reports.source import RunnerSource, Seen
from appliance.reports.visit import course_picture
from appliance.reports.words import DASH, Words

_MOST_VISITS = 20
_SIDES = ("left", "right")


def runner_sheet(words: Words, source: RunnerSource) -> Sheet:
    """The course."""
    rows = [row for row in source.course.rows if row.figures is not None]
    bands: list[tuple[tuple[float, Item], ...]] = []
    if rows:
        bands.append(((1.0, course_picture(words, source.course, source.visits, 58.0)),))
    if len(source.strides) == 2:
        bands.append(((1.0, _strides(words, source.strides)),))
    if source.seen:
        bands.append(((1.0, _visits(words, source)),))
    if source.others:
        bands.append(((1.0, _others(words, source.others)),))
    bands.append(((1.0, _small(words, source)),))
    return Sheet(
        title=f"{source.code} · {words.say('course')}",
        subtitle=words.say("feedback and training aid, not a diagnosis"),
        facts=_facts(words, source),
        tiles=tiles(words, rows[-1], source.course) if rows else (),
        bands=tuple(bands),
        foot=(
            words.say("Feedback and training aid, not a diagnosis."),
            words.say("The left hip drops while the right foot stands, and the other way round."),
            words.say("Made {when}").format(when=words.minute(source.made_s)),
        ),
        language=words.language,
    )


def _strides(words: Words, found: tuple[tuple[int, Curves], ...]) -> Picture:
    (first_n, first), (newest_n, newest) = found
    names = (
        words.say("visit {n}, baseline").format(n=first_n),
        words.say("visit {n}, without feedback").format(n=newest_n),
    )
    return Picture(
        title=words.say("Mean hip drop over a stride, first and newest visit"),
        alt=words.say("Mean hip drop of both sides over a stride in the first and in the newest visit"),
        draw=partial(plots.strides, words, (names[0], first), (names[1], newest)),
        tall_mm=42.0,
        note=words.say("Hatched: one SD of the newest visit."),
    )


def _facts(words: Words, source: RunnerSource) -> tuple[str, ...]:
    seen = source.seen
    if not seen:
        return (words.say("no visit has ended yet"),)
    last = seen[-1].row
    done = len({each.row.number for each in seen if each.row.state is VisitState.DONE})
    many = words.say("{done} of {of} visits done").format(done=done, of=source.visits)
    ran = words.span(sum(each.row.ran_s for each in seen))
    also = (words.say("not here: visits by {names}").format(names=", ".join(source.also)),)
    return (
        words.say("protocol {name}").format(name=source.protocol),
        many if source.visits > 1 else words.several("{n} visit done", "{n} visits done", done),
        f"{words.day(seen[0].row.began_s)} – {words.day(last.began_s)}",
        words.say("{ran} min run").format(ran=ran),
        words.say("figures at the top: visit {n}").format(n=last.number),
        *(also if source.also else ()),
    )


def _visits(words: Words, source: RunnerSource) -> Table:
    """One row a visit, the newest last."""
    head = (
        words.say("visit"), words.say("day"), words.say("min run"),
        words.say("left hip, °"), words.say("right hip, °"), words.say("difference, °"),
        words.say("left hip, change"), words.say("right hip, change"),
        words.say("feedback on, left / right"), words.say("on target"), words.say("cadence"),
    )  # fmt: skip
    both = list(zip(source.seen, source.course.rows, strict=True))
    about = words.say(
        "Without feedback, mean ± SD; on target: with feedback. Changes are from the first baseline."
    )
    note = f"{about} {discs(words)}"
    if len(both) > _MOST_VISITS:
        unlisted = words.several(
            "{n} earlier visit is not listed.", "{n} earlier visits are not listed.", len(both) - _MOST_VISITS
        )
        note = f"{unlisted} {note}"
    rows = (*_first(words, source), *(_visit(words, seen, row) for seen, row in both[-_MOST_VISITS:]))
    return Table(title=words.say("Visit by visit"), head=head, rows=rows, note=note)


def _first(words: Words, source: RunnerSource) -> tuple[tuple[str, ...], ...]:
    """What all visits are compared with, where that is a part of the first one."""
    course, row = source.course, next(iter(source.course.rows), None)
    if course.reference is None or course.reference_of != "baseline" or row is None:
        return ()
    part = course.reference
    return (
        (
            words.say("first baseline"),
            words.day(row.began_s),
            "",
            *(mean_sd(words, hip(part, side).drop_deg) for side in _SIDES),
            words.figure(part.asymmetry_deg.mean, sign=True),
            *("", "", "", ""),
            words.figure(part.cadence_spm.mean, 0),
        ),
    )


def _visit(words: Words, seen: Seen, row: CourseRow) -> tuple[str, ...]:
    state = "" if seen.row.state is VisitState.DONE else f", {words.say(str(seen.row.state))}"
    return (
        f"{row.number}{state}",
        words.day(row.began_s),
        words.span(seen.row.ran_s),
        *(_hip(words, row.figures, side) for side in _SIDES),
        words.figure(row.figures.asymmetry_deg.mean if row.figures else None, sign=True),
        judged(words, row.change.right_drop_deg if row.change else Change()),
        judged(words, row.change.left_drop_deg if row.change else Change()),
        " / ".join(_mean(words, row.lit, side) for side in _SIDES) if row.lit else DASH,
        on_target(words, row.lit),
        words.figure(row.figures.cadence_spm.mean if row.figures else None, 0),
    )


def _hip(words: Words, part: PartFigures | None, side: str) -> str:
    return DASH if part is None else mean_sd(words, hip(part, side).drop_deg)


def _mean(words: Words, part: PartFigures, side: str) -> str:
    return words.figure(hip(part, side).drop_deg.mean)


def _others(words: Words, others: tuple[Seen, ...]) -> Table:
    """Cue trials, exercises and what was imported, the newest last."""
    head = (
        words.say("also"), words.say("day"), words.say("what"), words.say("steps"),
        words.say("left hip with the cue, °"), words.say("right hip with the cue, °"), words.say("see"),
    )  # fmt: skip
    rows = tuple(
        (
            words.say(str(seen.row.kind)),
            words.day(seen.row.began_s),
            words.say(seen.row.protocol),
            words.count(seen.figures.whole.steps),
            *_changes(words, seen),
            f"hipbar report {seen.row.id}",
        )
        for seen in others
    )
    return Table(title=words.say("Other records"), head=head, rows=rows)


def _changes(words: Words, seen: Seen) -> tuple[str, str]:
    """What a cue changed in each hip's drop; dashes for what was no cue trial."""
    by = {row.figure: row.with_cue for row in seen.trial.rows} if seen.trial else {}
    left, right = (judged(words, by.get(name, Change())) for name in ("right_drop_deg", "left_drop_deg"))
    return left, right


def _small(words: Words, source: RunnerSource) -> Lines:
    lines = [(words.say("software"), source.software or DASH)]
    lost = sum(each.figures.quality.lost for each in source.seen)
    frames = sum(each.figures.quality.frames for each in source.seen)
    kept = sum(each.figures.quality.kept for each in source.seen)
    steps = sum(each.figures.quality.steps for each in source.seen)
    used = words.say("{kept} of {steps} ({share})").format(
        kept=words.count(kept), steps=words.count(steps), share=words.percent(kept / steps if steps else None)
    )
    lost_text = words.say("{lost} of {frames} lost").format(
        lost=words.count(lost), frames=words.count(frames + lost)
    )
    lines += [(words.say("steps used"), used), (words.say("camera pictures"), lost_text)]
    return Lines(title=words.say("Quality"), lines=tuple(lines))
