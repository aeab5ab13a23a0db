"""A visit becomes its sheet: the figures seen first, where they come from, and what they stand on.

Refuses nothing: a visit that was broken off, or in which nobody was seen, has a sheet with dashes.
"""

from __future__ import annotations

from functools import partial

from appliance.clinic.course import Course
from appliance.clinic.terms import VisitKind, VisitState
from appliance.reports import charts, plots, traces
from appliance.reports.parts import blocks, columns_of, compared_of, summary, tiles
from appliance.reports.sheet import Item, Picture, Sheet
from appliance.reports.small import in_force, notes, quality
from appliance.reports.source import VisitSource
from appliance.reports.words import Words

Band = tuple[tuple[float, Item], ...]


def visit_sheet(words: Words, source: VisitSource) -> Sheet:
    """A visit by a protocol, or one that was imported."""
    figures, here, course = source.figures, source.here(), source.course
    table = summary(words, columns_of(words, figures), compared_of(words, figures, here))
    bands: list[Band] = [((1.0, table),), _curves(words, source)]
    if len(source.data.blocks) > 1:
        bands += [((1.0, timeline(words, source)),), ((1.0, blocks(words, figures.blocks)),)]
    bands.append(last_band(words, source, settings=len(course.rows) > 1))
    return Sheet(
        title=title(words, source),
        subtitle=words.say("feedback and training aid, not a diagnosis"),
        facts=facts(words, source),
        tiles=tiles(words, here, course) if here else (),
        bands=tuple(bands),
        foot=foot(words, source),
        language=words.language,
    )


def title(words: Words, source: VisitSource) -> str:
    """Whose, and which."""
    visit = source.data.visit
    whose = visit.runner or words.say("no runner assigned")
    if visit.kind is not VisitKind.VISIT:
        return f"{whose} · {words.say(str(visit.kind))}"
    planned = visit.plan.visits if visit.plan else 0
    if planned > 1:
        return f"{whose} · {words.say('visit {n} of {of}').format(n=visit.number, of=planned)}"
    return f"{whose} · {words.say('visit {n}').format(n=visit.number)}"


def facts(words: Words, source: VisitSource) -> tuple[str, ...]:
    """When, by what protocol, how it ended, how much was run."""
    visit = source.data.visit
    when = words.minute(visit.began_s)
    if not visit.clock_set:
        when = words.say("{when} (the clock was not set)").format(when=when)
    named = visit.kind is VisitKind.VISIT and visit.protocol
    found = [when, words.say("protocol {name}").format(name=visit.protocol) if named else ""]
    found.append("" if visit.state is VisitState.DONE else words.say(str(visit.state)))
    if visit.planned_s:
        ran = words.say("{ran} of {planned} min run")
        found.append(ran.format(ran=words.span(visit.ran_s), planned=words.span(visit.planned_s)))
    found.append(words.say("visit number {id} of this station").format(id=visit.id))
    return tuple(fact for fact in found if fact)


def foot(words: Words, source: VisitSource) -> tuple[str, ...]:
    """What this is not, which side is meant, and when the page was made."""
    return (
        words.say("Feedback and training aid, not a diagnosis."),
        words.say("The left hip drops while the right foot stands, and the other way round."),
        words.say("Made {when}").format(when=words.minute(source.made_s)),
    )


def timeline(words: Words, source: VisitSource) -> Picture:
    """The visit from begin to end."""
    data = source.data
    note = words.say("Left hip: blue, solid. Right hip: orange, dashed. Hatched: one SD to either side.")
    asked = traces.targets(data)
    if asked:
        note = f"{note} {words.say('Dotted: the target while the bar was lit.')}"
    draw = partial(
        charts.timeline, words, traces.lines(data), traces.parts(words, data), traces.lit(data), asked
    )
    alt = words.say("Both hips' peak drops over the visit, with its blocks and when the bar was lit")
    return Picture(
        title=words.say("The visit from begin to end"), alt=alt, draw=draw, tall_mm=38.0, note=note
    )


def stride(words: Words, source: VisitSource, note: bool = True) -> Picture:
    """The mean curves."""
    return Picture(
        title=words.say("Mean hip drop over a stride"),
        alt=words.say("Mean hip drop of both sides over a stride, with its standard deviation"),
        draw=partial(plots.stride, words, source.curves),
        tall_mm=46.0,
        note=words.say("Hatched: one SD. Open mark: the foot leaves the belt.") if note else "",
    )


def course_picture(words: Words, course: Course, visits: int, tall_mm: float = 46.0) -> Picture:
    """Both hips and their difference over the visits."""
    return Picture(
        title=words.say("Course over the visits"),
        alt=words.say("Both hips' mean peak drops and their difference, visit by visit"),
        draw=partial(plots.course, words, course, visits),
        tall_mm=tall_mm,
        note=words.say("Upright lines: 95 % interval."),
    )


def _curves(words: Words, source: VisitSource) -> Band:
    """The mean stride, and beside it the course where there is one."""
    visit, course = source.data.visit, source.course
    if len(course.rows) < 2:
        return ((0.56, stride(words, source)), (0.44, in_force(words, source.data)))
    planned = visit.plan.visits if visit.plan else 0
    return ((0.36, stride(words, source)), (0.64, course_picture(words, course, planned)))


def last_band(words: Words, source: VisitSource, *, settings: bool = True) -> Band:
    """Quality, what was in force unless that is told elsewhere, and notes where there are any."""
    data = source.data
    noted = notes(words, data.events)
    zeros = sum(event.kind == "zero" for event in data.events)
    found: list[tuple[float, Item]] = [(0.34, quality(words, source.figures.quality, zeros))]
    if settings:
        found.append((0.4, in_force(words, data)))
    if noted is not None:
        found.append((0.26, noted))
    whole = sum(share for share, _ in found)
    return tuple((share / whole, item) for share, item in found)
