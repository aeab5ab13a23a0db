"""What a visit's figures stand on becomes its small print: quality, what was in force, and what was noted.

Refuses nothing: what was not kept is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from appliance.clinic.figures import Quality
from appliance.clinic.rows import EventRow, SpanRow, VisitData
from appliance.reports.sheet import Lines
from appliance.reports.traces import settings_of
from appliance.reports.words import DASH, Words

_MOST_NOTES = 4
_TOLD = ("note", "mark", "pause", "stop", "no zero", "no baseline", "given up")


def quality(words: Words, found: Quality, zeros: int = 0) -> Lines:
    """How much was used, what was left out and why, what the camera missed. zeros : taken; each begins anew."""
    lines = list(_used(words, found)) if found.steps else []
    if found.elsewhere:
        counted = words.several(
            "{n} step in warm-up, cool-down or between blocks",
            "{n} steps in warm-up, cool-down or between blocks",
            found.elsewhere,
        )
        lines.append((words.say("not counted"), counted))
    frames = words.say("{lost} of {frames} lost").format(
        lost=words.count(found.lost), frames=words.count(found.frames + found.lost)
    )
    if found.frames:
        lines.append((words.say("camera pictures"), frames))
    lines += [*_losses(words, found, found.breaks - zeros)]
    return Lines(title=words.say("Quality"), lines=tuple(lines))


def _used(words: Words, found: Quality) -> Iterator[tuple[str, str]]:
    used = words.say("{kept} of {steps} ({share})").format(
        kept=words.count(found.kept),
        steps=words.count(found.steps),
        share=words.percent(found.kept / found.steps),
    )
    yield words.say("steps used"), used
    left = words.say("{hidden} peak hidden, {weak} marks weak, {paused} in a pause").format(
        hidden=words.count(found.hidden), weak=words.count(found.weak), paused=words.count(found.paused)
    )
    yield words.say("left out"), left


def _losses(words: Words, found: Quality, breaks: int) -> Iterator[tuple[str, str]]:
    """What there should be nothing of, where there is some."""
    if found.untold:
        yield (
            words.say("not told"),
            words.several(
                "about {n} step whose foot was not sure",
                "about {n} steps whose foot was not sure",
                found.untold,
            ),
        )
    if breaks > 0:
        times = words.several("measuring began anew {n} time", "measuring began anew {n} times", breaks)
        yield words.say("interrupted"), times
    if found.dropped:
        lost = words.several(
            "{n} camera picture lost to a full or failing disk",
            "{n} camera pictures lost to a full or failing disk",
            found.dropped,
        )
        yield words.say("not written"), lost


def in_force(words: Words, data: VisitData) -> Lines:
    """Software, camera, lens, zero and calibration of the visit's last span."""
    lines = [(words.say("software"), words.say("{name}, steps by edition {n}").format(
        name=data.visit.software or words.figure(None), n=data.edition))]  # fmt: skip
    if data.spans:
        lines += _of_span(words, data.spans[-1])
    return Lines(title=words.say("Settings and calibration"), lines=tuple(lines))


def _of_span(words: Words, span: SpanRow) -> Iterator[tuple[str, str]]:
    header, settings = settings_of(span.header), settings_of(span.settings)
    camera, feedback = _table(settings, "camera"), _table(settings, "feedback")
    seen = [str(camera[key]) for key in ("source", "sensor") if camera.get(key)]
    if header.get("width_px"):
        seen.append(f"{header['width_px']} x {header['height_px']} px")
    if _number(header.get("rate_hz")) is not None:
        seen.append(f"{words.figure(_number(header['rate_hz']), 0)} Hz")
    if seen:
        yield words.say("camera"), ", ".join(seen)
    yield words.say("lens"), _lens(words, _table(header, "lens"))
    zero_deg = _number(header.get("zero_deg"))
    yield (
        words.say("standing zero"),
        DASH if zero_deg is None else f"{words.figure(zero_deg, 2, sign=True)}°",
    )
    yield words.say("calibration"), _revision(words, span)
    if feedback.get("lights") == "stance":
        yield words.say("bar"), words.say("lights on the side that stands")


def _lens(words: Words, lens: dict[str, Any]) -> str:
    if not _number(lens.get("fx_px")):
        return words.say("not calibrated")
    text = words.say("calibrated, camera rolled {roll}°, pitched {pitch}°")
    return text.format(
        roll=words.figure(_number(lens.get("roll_deg", 0.0))),
        pitch=words.figure(_number(lens.get("pitch_deg", 0.0))),
    )


def _revision(words: Words, span: SpanRow) -> str:
    """Which one was in force, and when it was made."""
    kept = settings_of(span.calibration)
    if kept.get("number") is None:
        return words.say("none")
    text = words.say("revision {n}").format(n=kept["number"])
    made_s = _number(kept.get("made_s"))
    return text if made_s is None else f"{text}, {words.day(made_s)}"


def notes(words: Words, events: tuple[EventRow, ...]) -> Lines | None:
    """What somebody noted or marked, and pauses; the newest are left out when there are many."""
    told = [event for event in events if event.kind in _TOLD]
    if not told:
        return None
    lines = [
        (
            words.span(event.at_s),
            f"{words.say(event.kind)}: {event.words}" if event.words else words.say(event.kind),
        )
        for event in told[:_MOST_NOTES]
    ]
    if more := told[_MOST_NOTES:]:
        lines.append(("…", words.several("and {n} more", "and {n} more", len(more))))
    return Lines(title=words.say("Notes"), lines=tuple(lines))


def _table(values: dict[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
