"""What was seen of the station becomes one screen of words: its verdict first, then row by row what is known.

Milliseconds, degrees, steps a minute, megabytes, Celsius. What is not known is left out, never shown as 0. On a
terminal the rows are folded into its width, and the oldest faults are left out where they would not fit its height.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from appliance.station.status import FRESH_S, Condition, Status, Verdict, size, span

if TYPE_CHECKING:
    from appliance.commands.status import Reports, Seen, Unit
    from appliance.station.told import Ages

_LABEL = 11
_STAGES = ("camera", "sight", "motion", "feedback", "strip", "total")
_QUANTILES = ("p50", "p95", "p99")
_FEWEST = 1  # so many faults are shown on the smallest screen


class Row(NamedTuple):
    """One thing that is told. spare : 0 = never left out, else the higher the sooner."""

    label: str
    words: str
    spare: int = 0


def lines(seen: Seen) -> Iterator[str]:
    """Everything, a line a row, however long."""
    yield _coloured(headline(seen.verdict), seen.verdict)
    yield from (f"{row.label:<{_LABEL}}{row.words}" for row in rows(seen))


def screen(seen: Seen, width: int, height: int, *, todo: bool = False) -> list[str]:
    """The same in so many columns and lines, without what can best be missed. todo : with the remedy."""
    told = [Row("to do", seen.verdict.todo)] if todo and seen.verdict.todo else []
    told += rows(seen)
    first, *more = _folded(headline(seen.verdict), width)
    while True:
        drawn = [_coloured(first, seen.verdict), *more]
        drawn += [line for row in told for line in _folded(f"{row.label:<{_LABEL}}{row.words}", width)]
        spare = max((row.spare for row in told), default=0)
        if len(drawn) <= height or not spare:
            return drawn[:height]
        told.remove(next(row for row in reversed(told) if row.spare == spare))


def headline(verdict: Verdict) -> str:
    """The verdict in one line, its condition said once."""
    condition = str(verdict.condition)
    words = verdict.words.removeprefix(condition).removeprefix(": ")
    return f"{condition}: {words}" if words else condition


def _coloured(line: str, verdict: Verdict) -> str:
    """The headline with its condition in the colour of how bad it is."""
    if os.environ.get("NO_COLOR"):
        return line
    waiting = verdict.condition in (Condition.STARTING, Condition.NO_CAMERA, Condition.STOPPED)
    colour = "green" if verdict.healthy else "yellow" if waiting else "red"
    return click.style(verdict.condition, fg=colour) + line.removeprefix(verdict.condition)


def _folded(line: str, width: int) -> list[str]:
    """A line in so many columns, the rest of it under its words."""
    if len(line) <= width:
        return [line]
    return textwrap.wrap(line, max(width, 2 * _LABEL), subsequent_indent=" " * _LABEL)


def rows(seen: Seen) -> list[Row]:
    """What is known, in the order in which somebody who looks for a fault asks."""
    status = seen.status
    found = [
        *(_of_status(status, seen.now_s) if status else ()),
        *_of_unit(seen.unit),
        *_of_crashes(seen.crashes),
        *(_of_faults(status, seen.now_s) if status else ()),
    ]
    return [row for row in found if row.words]


def _of_status(status: Status, now_s: float) -> Iterator[Row]:
    fresh = status.written_s is not None and 0 <= now_s - status.written_s < FRESH_S
    yield Row("software", _joined(_software(status)))
    yield Row("state", _joined(_state(status, now_s, fresh=fresh)))
    yield Row("camera", _joined(_camera(status)))
    yield Row("hip drop", _joined(_gait(status)))
    yield Row("visit", _visit(status))
    yield from _latency(status)
    yield Row("light", _joined(_light(status)))
    yield Row("recording", _joined(_recording(status)))
    yield Row("machine", _joined(_machine(status)))
    yield Row("process", _joined(_process(status, now_s, fresh=fresh)), spare=2)
    yield from _of_settings(status)
    yield from (Row("trouble", trouble) for trouble in status.troubles)


def _ago(then_s: float | None, now_s: float) -> str:
    return "" if then_s is None or then_s > now_s else span(now_s - then_s)


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(part for part in parts if part)


def _software(status: Status) -> Iterator[str]:
    yield status.version
    if status.calibration is not None:
        yield f"calibration {status.calibration}" if status.calibration else "not calibrated"
    if status.sides_proved is not None:
        yield "sides proved" if status.sides_proved else "sides not proved"


def _state(status: Status, now_s: float, *, fresh: bool) -> Iterator[str]:
    since, told = _ago(status.state_since_s, now_s), _ago(status.written_s, now_s)
    said = f"; said {told} ago" if told and not fresh else ""
    yield status.state + (f" for {since}" if since and not said else "") + said
    yield f"mode {status.mode}" if status.mode else ""
    yield "the bar is lent to a command" if status.lent else ""
    if status.clients:
        yield f"{status.clients} command{'s' if status.clients > 1 else ''} connected"


def _camera(status: Status) -> Iterator[str]:
    if status.rate_hz is not None:
        yield f"{status.rate_hz:.1f} frames/s"
    yield f"{status.frames:,} frames"
    yield f"{status.lost:,} lost"
    if status.gait.quality is not None:
        yield f"marks seen {100 * status.gait.quality:.0f} %"


def _gait(status: Status) -> Iterator[str]:
    gait = status.gait
    drops = {"left": gait.left_hip_drop_deg, "right": gait.right_hip_drop_deg}
    yield from (f"{side} {drop:.1f} deg" for side, drop in drops.items() if drop is not None)
    if gait.difference_deg is not None:
        more = "left" if gait.difference_deg > 0 else "right"
        yield f"{more} hip {abs(gait.difference_deg):.1f} deg more"
    if gait.cadence_spm is not None:
        yield f"{gait.cadence_spm:.0f} steps/min"
    yield gait.posture if gait.posture and gait.posture != "running" else ""


def _visit(status: Status) -> str:
    """The visit that runs, or what the button begins next."""
    from appliance.commands.visiting.words import armed, line

    if status.visit is not None:
        return line(status.visit)
    return f"none; next {armed(status.visit_ready)}" if status.visit_ready else ""


def _latency(status: Status) -> Iterator[Row]:
    """Where the time from exposure to light goes, a column a stage."""
    stages: dict[str, Ages] = {name: getattr(status.stages_ms, name) for name in _STAGES}
    known = {name: ages for name, ages in stages.items() if ages.p50 is not None}
    if not known:
        return
    yield Row("latency", "".join(f"{name:>10}" for name in known))
    for quantile in _QUANTILES:
        figures = (getattr(ages, quantile) for ages in known.values())
        words = "".join(f"{'-' if ms is None else f'{ms:.2f}':>10}" for ms in figures)
        yield Row(f"  {quantile} ms", words)


def _light(status: Status) -> Iterator[str]:
    ages = status.light_age_ms
    if ages.p50 is not None and ages.p95 is not None and ages.p99 is not None:
        yield f"{ages.p50:.1f} / {ages.p95:.1f} / {ages.p99:.1f} ms old at p50 / p95 / p99"
    if ages.max is not None:
        yield f"most {ages.max:.1f}"
    yield f"{status.strip_faults:,} strip faults" if status.strip_faults else "no faults"


def _recording(status: Status) -> Iterator[str]:
    kept = status.recording
    yield kept.file or "on" if kept.on else "off"
    yield f"{kept.mb:.1f} MB" if kept.on and kept.mb is not None else ""
    yield f"{size(kept.written_mb)} since the start" if kept.written_mb else ""
    yield f"{kept.dropped:,} frames not kept" if kept.dropped else ""
    yield kept.trouble or ""


def _machine(status: Status) -> Iterator[str]:
    board = status.board
    if board.temperature_c is not None:
        yield f"{board.temperature_c:.0f} C"
    yield from board.throttled or (("under-voltage",) if board.under_voltage else ())
    if board.throttled == ():
        yield "not throttled"
    if board.disk_free_mb is not None:
        yield f"{size(board.disk_free_mb)} of disk free"
    if board.load is not None:
        yield f"load {board.load:.2f}"
    if board.clock_synchronised is not None:
        yield "clock set" if board.clock_synchronised else "clock not set"
    if board.uptime_s is not None:
        yield f"up {span(board.uptime_s)}"


def _process(status: Status, now_s: float, *, fresh: bool) -> Iterator[str]:
    up = _ago(status.started_s, now_s)
    yield f"{status.pid}" if status.pid else ""
    yield f"up {up}" if up and fresh else ""
    yield f"{status.memory_mb:.0f} MB" if status.memory_mb is not None else ""
    yield f"{status.descriptors} files open" if status.descriptors is not None else ""


def _of_settings(status: Status) -> Iterator[Row]:
    if status.safe_settings:
        words = "safe settings: the button was held at power-on; the file's count again at the next start"
        yield Row("settings", words)
    if status.tried:
        yield Row(
            "tried", f"{', '.join(status.tried)}: until the service starts anew, or they are taken back"
        )


def _of_unit(unit: Unit | None) -> Iterator[Row]:
    if unit:
        often = "once" if unit.restarts == 1 else f"{unit.restarts:,} times"
        anew = f", started anew {often}" if unit.restarts else ""
        yield Row("service", f"{unit.active} ({unit.sub}){anew}")


def _of_crashes(crashes: Reports) -> Iterator[Row]:
    if not crashes.readable:
        yield Row("crashes", "this user may not look; `sudo hipbar status` does")
    elif crashes.count:
        many = f"{crashes.count} reports, the newest" if crashes.count > 1 else "1 report"
        yield Row("crashes", f"{many}: {crashes.why}; `hipbar crash` shows it")
    else:
        yield Row("crashes", "none")


def _of_faults(status: Status, now_s: float) -> Iterator[Row]:
    for place, fault in enumerate(status.faults):
        when = _ago(fault.at_s, now_s)
        words = f"{when + ' ago: ' if when else ''}{fault.what}" + (f"; {fault.fix}" if fault.fix else "")
        yield Row("fault" if place == 0 else "", words, spare=0 if place < _FEWEST else 3)
