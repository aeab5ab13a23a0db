"""Words of a clinic's technician become a visit that begins, is steered and ends, or the list of those that were.

The running service holds the visit; these commands ask it over the control link, and leaving them leaves the visit as
it is. Lists and single visits are read from the store, also while the service is stopped. Refuses, with `VisitError`,
what makes no sense now, and with `ServiceDown` steering without a service.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.clinic import (
    folder,
    json_option,
    opened,
    runner_codes,
    state_option,
    told,
)
from appliance.commands.shelf import names_of
from appliance.commands.visiting.orders import ORDERS

if TYPE_CHECKING:
    from appliance.station.client import Link
    from appliance.station.told import Ready, Visit

_protocol = click.option(
    "--protocol",
    default="",
    help="By which protocol; default: clinic.protocol.",
    shell_complete=names_of("protocols"),
)
_number = click.option(
    "--number", type=click.IntRange(1, 10000), default=None, help="Which visit of it; default: the next."
)


@click.group(name="visit", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Begin, steer and end visits, and look at those that were.

    The service runs the visit: ending one of these commands does not end it (docs/visits.md).

    \b
    Examples:
      hipbar visit start P-07
      hipbar visit follow
      hipbar visit list P-07
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for _order in ORDERS:
    command.add_command(_order)


@command.command()
@click.argument("runner", shell_complete=runner_codes)
@_protocol
@_number
@click.option("--no-follow", is_flag=True, help="End at once instead of showing the visit until Ctrl-C.")
def start(runner: str, protocol: str, number: int | None, no_follow: bool) -> None:
    """Begin a visit of RUNNER; which one is next, the store knows.

    On a terminal the visit is shown from then on; Ctrl-C leaves it running.

    \b
    Examples:
      hipbar visit start P-07
      hipbar visit start P-07 --protocol demo
      hipbar visit start P-07 --number 3
    """
    from appliance.commands.reach import reached
    from appliance.commands.visiting.awaited import begun, warned

    with reached(None, start=False) as link:
        link.visit("start", runner=runner, protocol=protocol, number=number or 0)
        visit = begun(link)
        _said(visit)
        warned(link)
        if visit and sys.stdout.isatty() and not no_follow:
            _followed(link)


@command.command()
@click.argument("runner", required=False, default="", shell_complete=runner_codes)
@_protocol
@_number
def ready(runner: str, protocol: str, number: int | None) -> None:
    """Have the panel's button begin the next visit of RUNNER; without RUNNER, an open visit of nobody again.

    It counts until that visit has begun, another is made ready, or the service ends.

    \b
    Examples:
      hipbar visit ready P-07
      hipbar visit ready
    """
    from appliance.commands.reach import reached
    from appliance.commands.visiting.awaited import warned
    from appliance.commands.visiting.words import armed

    with reached(None, start=False) as link:
        link.visit("ready", runner=runner, protocol=protocol, number=number or 0)
        made = _armed(link, runner.upper())
        click.echo(f"ready: {armed(made)}" if made else "ready: an open visit without a runner")
        warned(link)


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Say how the visit stands that runs now, and what the button begins next.

    \b
    Examples:
      hipbar visit status
      hipbar visit status --json | jq .visit.view.ran_s
    """
    from appliance.commands.reach import reached
    from appliance.commands.visiting.live import running
    from appliance.commands.visiting.words import armed, screen

    with reached(None, start=False) as link:
        seen, visit = link.status(), running(link)
    if as_json:
        told({"visit": visit, "ready": seen.visit_ready, "gait": seen.gait})
        return
    if visit:
        click.echo("\n".join(screen(visit, seen.gait, 120, utf8=_utf8())))
    else:
        click.echo("no visit runs")
    if seen.visit_ready:
        click.echo(f"next       {armed(seen.visit_ready)}")


@command.command()
def follow() -> None:
    """Show the visit that runs until it is over; Ctrl-C leaves it running.

    Keys: p pauses it or lets it go on, m marks, S skips the block, q leaves it running. On what is no terminal, a
    line for each block and pause. A service that starts anew meanwhile is waited for.

    \b
    Examples:
      hipbar visit follow
    """
    from appliance.commands.reach import reached

    with reached(None, start=False) as link:
        if link.visit() is None:
            click.echo("no visit runs")
        else:
            _followed(link)


@command.command(name="list")
@click.argument("runner", required=False, shell_complete=runner_codes)
@click.option("--protocol", help="Only those by this protocol.", shell_complete=names_of("protocols"))
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many, the newest."
)
@json_option
@state_option
def listed(runner: str | None, protocol: str | None, limit: int, state: Path | None, as_json: bool) -> None:
    """List visits, the newest first; those of RUNNER alone, if one is named.

    \b
    Examples:
      hipbar visit list
      hipbar visit list P-07
      hipbar visit list --limit 1000 --json | jq '.visits[].steps'
    """
    from appliance.commands.visiting.shown import table

    with opened(state) as store:
        rows = store.visits(runner, limit=limit, protocol=protocol)
    if as_json:
        told({"folder": str(folder(state)), "visits": rows})
    else:
        none = f"no visits by {protocol}" if protocol else "no visits yet"
        click.echo("\n".join(table(rows)) if rows else none)


@command.command()
@click.argument("visit")
@json_option
@state_option
def show(visit: str, state: Path | None, as_json: bool) -> None:
    """Show a visit's blocks, figures and events; VISIT is its number, or "last".

    \b
    Examples:
      hipbar visit show last
      hipbar visit show 12 --json
    """
    from appliance.commands.visiting.shown import whole

    with opened(state) as store:
        number = numbered(visit)
        data, figures = store.data(number), store.summary(number)
    if as_json:
        parts = {"blocks": data.blocks, "stretches": data.stretches, "events": data.events, "reps": data.reps}
        told({"visit": data.visit, **parts, "figures": figures})
    else:
        click.echo("\n".join(whole(data, figures)))


@command.command()
@click.argument("visit")
@click.argument("runner", shell_complete=runner_codes)
@state_option
def assign(visit: str, runner: str, state: Path | None) -> None:
    """Say that VISIT (its number, or "last") was of RUNNER: one that the button began, or by mistake of another's.

    \b
    Examples:
      hipbar visit assign last P-07
    """
    with opened(state) as store:
        row = store.visit(numbered(visit))
        served = state is None and _by_the_service(row.id, runner)
        row = store.visit(row.id) if served else store.assign(row.id, runner)
    click.echo(f"visit {row.id} is of {row.runner}")


def numbered(visit: str) -> int | str:
    """A visit as it was typed: its number, or "last"."""
    if visit == "last":
        return visit
    if not (visit.isascii() and visit.isdigit() and len(visit) < 16):
        raise click.BadParameter(f'{visit!r} is no visit: give its number, or "last"')
    return int(visit)


def _by_the_service(visit: int, runner: str) -> bool:
    """The service does it, where it runs: a visit may be the one that runs now."""
    from appliance.commands.reach import reached
    from appliance.errors import ServiceDown

    with contextlib.suppress(ServiceDown), reached(None, start=False) as link:
        link.visit("assign", visit=visit, runner=runner)
        return True
    return False


def _armed(link: Link, runner: str) -> Ready | None:
    """What is ready, as soon as the status, which is made once a second, has it."""
    from appliance.commands.visiting.awaited import awaited

    return awaited(lambda: link.status().visit_ready, lambda made: (made.runner if made else "") == runner)


def _said(visit: Visit | None) -> None:
    from appliance.commands.visiting.words import line

    if visit:
        click.echo(f"{visit.kind} {line(visit)}")


def _followed(link: Link) -> None:
    """Shows it; and once it is over, how it has ended."""
    from appliance.commands.visiting.live import follow as shown

    last = shown(link)
    if last is not None:
        click.echo(f"{last.kind} {last.id} is over: {_ended(last)}")


def _ended(last: Visit) -> str:
    """How, as the store has it a moment later; without the right to look, only where more is to be had."""
    from appliance.commands.visiting.awaited import ended
    from appliance.errors import HipbarError

    more = f"`hipbar visit show {last.id}`, `hipbar report {last.id}`"
    with contextlib.suppress(HipbarError), opened(None) as store:
        row = ended(store, last.id)
        return f"{row.state}, {row.steps:,} steps; {more}"
    return more


def _utf8() -> bool:
    encoding: Any = sys.stdout.encoding
    return "utf" in (encoding or "").lower()
