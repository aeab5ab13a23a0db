"""Runners, each under a code, become rows in the store: added, listed, shown with their visits, erased.

A code, never a name: which person it is stands on paper in the clinic. Refuses names, codes that are taken or unknown,
and to erase anything that was not agreed to.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.clinic import (
    counted,
    date,
    folder,
    json_option,
    opened,
    runner_codes,
    span,
    state_option,
    told,
)

if TYPE_CHECKING:
    from appliance.clinic.protocol import Protocol
    from appliance.clinic.rows import RunnerRow, VisitRow
    from appliance.clinic.terms import Baseline
    from appliance.store.store import Store


@click.group(name="runner", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Add, list, show and forget runners. A runner is a code, no name.

    \b
    Examples:
      hipbar runner add R07
      hipbar runner show R07
      hipbar runner forget R07
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command()
@click.argument("code")
@click.option("--note", default="", help="A few words about the runner; no name here either.")
@json_option
@state_option
def add(code: str, note: str, state: Path | None, as_json: bool) -> None:
    """Add a runner under CODE: 2 to 16 letters, digits and hyphens.

    The first runner makes the store. Keep the list of who is who on paper, away from the station.

    \b
    Examples:
      hipbar runner add R07
      hipbar runner add KNEE-12 --note "left knee, since spring"
    """
    with opened(state, make=True) as store:
        row = store.add_runner(code, note, time.time())
    if as_json:
        told(row)
    else:
        click.echo(f"{row.code} is added; `hipbar visit start {row.code}` begins the first visit")


@command.command(name="list")
@json_option
@state_option
def listed(state: Path | None, as_json: bool) -> None:
    """All runners, with how many visits each has and when the last one was.

    \b
    Examples:
      hipbar runner list
      hipbar runner list --json | jq -r '.runners[].code'
    """
    with opened(state) as store:
        rows = store.runners()
    if as_json:
        told({"runners": rows})
    else:
        click.echo("\n".join(_table(rows)))


@command.command()
@click.argument("code", shell_complete=runner_codes)
@json_option
@state_option
def show(code: str, state: Path | None, as_json: bool) -> None:
    """One runner: the courses and which visit is next, and all visits, newest first.

    \b
    Examples:
      hipbar runner show R07
      hipbar runner show R07 --json | jq .courses
    """
    with opened(state) as store:
        row = store.runner(code)
        visits = store.visits(row.code)
        courses = list(_courses(store, row.code, folder(state), visits))
    if as_json:
        told({"runner": row, "courses": courses, "visits": visits})
    else:
        click.echo("\n".join(_shown(row, courses, visits)))


@command.command()
@click.argument("code", shell_complete=runner_codes)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@state_option
def forget(code: str, yes: bool, state: Path | None, as_json: bool) -> None:
    """Erase a runner with all visits, steps and traces. There is no way back.

    The bytes are overwritten in the file, and one line without the code stays: that somebody was erased, and when.
    Backups that were made before still hold the runner; those beside the store are named.

    \b
    Examples:
      hipbar runner forget R07
      hipbar runner forget R07 --yes --json
    """
    with opened(state) as store:
        row = store.runner(code)
        if not yes:
            _agreed(row)
        gone = store.forget(row.code, time.time())
    if state is None:
        _disarmed(row.code)
    if as_json:
        told(gone)
        return
    click.echo(
        f"erased: {counted(gone.visits, 'visit')}, {counted(gone.steps, 'step')}, {counted(gone.frames, 'frame')}"
    )
    for copy in gone.copies:
        click.echo(f"  still in {folder(state) / copy}: delete that copy as well when nobody needs it")
    click.echo(
        "  backups, reports and exports that were saved elsewhere are as they were: delete those yourself"
    )


def _disarmed(code: str) -> None:
    """The button begins no visit of somebody who is erased, and the service's status says the code no more."""
    from appliance.commands.reach import reached
    from appliance.errors import HipbarError

    with contextlib.suppress(HipbarError), reached(None, start=False) as link:
        ready = link.status().visit_ready
        if ready and ready.runner == code:
            link.visit("ready")


def _agreed(row: RunnerRow) -> None:
    """Has the code typed once more. Raises `click.Abort` for anything else."""
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: --yes erases without asking")
    click.echo(
        f"{row.code}: {counted(row.visits, 'visit')}, the last one {date(row.last_s)}. There is no way back.",
        err=True,
    )
    typed = click.prompt("Type the code to erase it", err=True, default="", show_default=False)
    if typed.strip().upper() != row.code:
        click.echo("nothing was erased", err=True)
        raise click.Abort


def _table(rows: Sequence[RunnerRow]) -> Iterator[str]:
    if not rows:
        yield "no runners yet: `hipbar runner add CODE` adds one"
        return
    wide = max(6, *(len(row.code) for row in rows))
    yield f"{'runner':<{wide}}  visits  last visit        note"
    for row in rows:
        yield f"{row.code:<{wide}}  {row.visits:>6}  {date(row.last_s):<16}  {row.note}".rstrip()


def _courses(store: Store, code: str, state: Path, visits: Sequence[VisitRow]) -> Iterator[dict[str, Any]]:
    """For each protocol that the runner has visits by: how far, what is next, and what it will ask for."""
    from appliance.clinic.protocol import Protocol, next_number
    from appliance.clinic.terms import VisitKind
    from appliance.store.texts import protocols

    known = protocols(state)
    for name in dict.fromkeys(row.protocol for row in visits if row.kind is VisitKind.VISIT):
        course: dict[str, Any] = {
            "protocol": name,
            "visits": None,
            "usable": False,
            "next": None,
            "target": None,
        }
        course["first_baseline"] = first = store.first_baseline(code, name)
        protocol = known.get(name)
        if isinstance(protocol, Protocol):
            number = next_number(protocol, visits)
            target = None if number is None else _target(protocol, number, first)
            course |= {"visits": protocol.visits, "usable": True, "next": number, "target": target}
        yield course


def _target(protocol: Protocol, number: int, first: Baseline | None) -> str | None:
    """What a visit will ask for, in words, as far as that is known before it."""
    from appliance.clinic.target import aim_words
    from appliance.config import Feedback

    lit = [block for block in protocol.plan(number).blocks if block.target is not None]
    if not lit or lit[0].target is None:
        return None
    if lit[0].target.degrees is None and (first is None or lit[0].target.of == "visit"):
        return None  # the visit's own baseline will decide
    return aim_words(lit[0].mode, lit[0].target, first, None, Feedback())


def _shown(row: RunnerRow, courses: Sequence[dict[str, Any]], visits: Sequence[VisitRow]) -> Iterator[str]:
    yield f"{row.code}: since {date(row.made_s)}{'; ' + row.note if row.note else ''}"
    for course in courses:
        yield f"  {course['protocol']}: {_next(course)}{_baseline(course['first_baseline'])}"
        if course["target"]:
            yield f"    it asks for {course['target']}"
    if not visits:
        yield f"  no visits yet: `hipbar visit start {row.code}` begins the first"
        return
    yield ""
    yield f"{'visit':>5}  {'when':<16}  {'what':<20}  {'ran':>6}  {'steps':>6}  ended"
    for visit in visits:
        what = f"{visit.protocol} {visit.number}" if visit.number else visit.protocol
        when = date(visit.began_s) + ("" if visit.clock_set is not False else "?")
        yield f"{visit.id:>5}  {when:<16}  {what:<20}  {span(visit.ran_s):>6}  {visit.steps:>6}  {visit.state.value}"
    if any(visit.clock_set is False for visit in visits):
        yield "       ? the station's clock was not set"


def _next(course: dict[str, Any]) -> str:
    if not course["usable"]:
        return "this protocol can't be used any more (`hipbar protocol list`)"
    if course["next"] is None:
        return f"all {course['visits']} visits are done"
    return f"visit {course['next']} is next" + (f", of {course['visits']}" if course["visits"] else "")


def _baseline(baseline: Any) -> str:
    """By stance side, and which hip it is that drops."""
    if baseline is None:
        return ""
    return (
        f"; first baseline: left hip drops {baseline.right_drop_deg:.1f} deg (right stance),"
        f" right hip {baseline.left_drop_deg:.1f} deg (left stance)"
    )
