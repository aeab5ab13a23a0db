"""Protocol files become answers to a clinic: which there are, whether one is right, what a visit will be like.

Shipped protocols and the clinic's own in `<state>/protocols`, which count above shipped ones of the same name. Only
reads. Refuses a protocol that can't be used, with file, block and remedy.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from appliance.commands.clinic import folder, json_option, span, state_option, told
from appliance.commands.options import FILE
from appliance.commands.shelf import chosen, listing, names_of, shown

if TYPE_CHECKING:
    from appliance.clinic.protocol import Protocol


_names = names_of("protocols")


@click.group(name="protocol", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List, show, check and draw the protocols by which visits are run.

    A protocol of your own is a file in the folder `protocols` of the station's folder (docs/protocols.md).

    \b
    Examples:
      hipbar protocol list
      hipbar protocol preview retraining
      hipbar protocol check mine
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _names_or_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell's completion: protocols, and files where that is a path."""
    names = _names(ctx, param, incomplete)
    return names or [CompletionItem(incomplete, type="file")]


@command.command(name="list")
@json_option
@state_option
def listed(state: Path | None, as_json: bool) -> None:
    """Which protocols there are: the shipped ones and the clinic's own.

    One that can't be used is listed with what is wrong; all others stay usable.

    \b
    Examples:
      hipbar protocol list
      hipbar protocol list --json | jq '.protocols[].name'
    """
    from appliance.clinic.protocol import parse_protocol

    listing("protocols", state, parse_protocol, plain=_plain, sized=_sized, as_json=as_json)


@command.command()
@click.argument("name", shell_complete=_names)
@json_option
@state_option
def show(name: str, state: Path | None, as_json: bool) -> None:
    """Print the file of protocol NAME, as a beginning for one of your own.

    \b
    Examples:
      hipbar protocol show retraining
      hipbar protocol show retraining > mine.toml
      hipbar protocol show retraining --json
    """
    from appliance.clinic.protocol import parse_protocol
    from appliance.store.texts import text

    shown(text(folder(state), "protocols", name), parse_protocol, plain=_plain, as_json=as_json)


@command.command()
@click.argument("which", metavar="NAME|FILE", shell_complete=_names_or_files)
@json_option
@state_option
def check(which: str, state: Path | None, as_json: bool) -> None:
    """Say whether a protocol can be used, and what in it is unusual.

    NAME is one from the list; a FILE ends in .toml. Remarks are no faults: such a protocol can be used.

    \b
    Examples:
      hipbar protocol check mine
      hipbar protocol check /media/usb/mine.toml
    """
    from appliance.clinic.timeline import remarks

    protocol, origin = _named(which, state)
    notes = list(remarks(protocol))
    if as_json:
        told({"file": origin, **_plain(protocol), "remarks": notes})
        return
    click.echo(f"{protocol.name} ({origin}): good; {_sized(protocol)}")
    for note in notes:
        click.echo(f"  remark: {note}")


@command.command()
@click.argument("which", metavar="NAME|FILE", shell_complete=_names_or_files)
@click.option("--number", type=click.IntRange(1), help="Only this visit, with all its blocks.")
@click.option("-o", "--output", "path", type=FILE, help="Write a picture instead: .svg, .png or .pdf.")
@json_option
@state_option
def preview(which: str, number: int | None, path: Path | None, state: Path | None, as_json: bool) -> None:
    """Draw the visits of a protocol as timelines, all to one scale.

    Seconds of the plan: running blocks count only while somebody runs, so a visit lasts longer than it is drawn.

    \b
    Examples:
      hipbar protocol preview retraining
      hipbar protocol preview retraining --number 5
      hipbar protocol preview mine -o mine.svg
    """
    protocol, _ = _named(which, state)
    numbers = [number] if number else list(range(1, (protocol.visits or 1) + 1))
    plans = [protocol.plan(one) for one in numbers]
    if path is not None:
        from appliance.commands.drawn import picture
        from appliance.output import write_whole

        write_whole(path, picture(protocol.title or protocol.name, plans, path))
    elif as_json:
        from appliance.clinic.timeline import durations

        told(
            {
                "visits": [
                    {"number": plan.number, **_durations(durations(plan)), "blocks": plan.blocks}
                    for plan in plans
                ]
            }
        )
    else:
        click.echo("\n".join(_previewed(protocol, plans, alone=number is not None)))


def _named(which: str, state: Path | None) -> tuple[Protocol, str]:
    """A protocol by its name, or of a file."""
    from appliance.clinic.protocol import parse_protocol

    file = chosen(which, "protocols", state)
    return file.parsed(parse_protocol), file.origin


def _previewed(protocol: Protocol, plans: list[Any], *, alone: bool) -> Iterator[str]:
    """The timelines for a terminal, and of a visit that was asked for alone each block."""
    from appliance.commands.drawn import rows

    plain = "utf" not in (sys.stdout.encoding or "").lower()
    yield f"{protocol.name}: {protocol.title or _sized(protocol)}"
    yield from rows(plans, min(shutil.get_terminal_size().columns, 120), plain=plain)
    if alone:
        yield ""
        yield from _blocks(plans[0].blocks)


def _blocks(blocks: Any) -> Iterator[str]:
    yield "block  kind        minutes  shows"
    for n, block in enumerate(blocks, 1):
        yield f"{n:>5}  {block.kind.value:<10} {span(block.seconds):>8}  {_shows(block)}".rstrip()


def _shows(block: Any) -> str:
    """What a block shows and asks, in words."""
    if block.cue:
        return f'the words "{block.cue}"'
    if block.mode == "off":
        return ""
    pattern = f"; {block.on_s:g} s on, {block.off_s:g} s off" if block.on_s else ""
    return f"{block.mode}, {_asked(block)}{pattern}"


def _asked(block: Any) -> str:
    target = block.target
    if target is None:
        return "band and target of the station's settings"
    if target.degrees is not None:
        return f"at most {max(target.degrees, target.floor_deg):g} deg"
    whose = "first visit's" if target.of == "first" else "day's own"
    return f"at most {target.percent:g} % of the {whose} baseline, not below {target.floor_deg:g} deg"


def _sized(protocol: Protocol) -> str:
    """How large a protocol is: "8 visits, 15 to 30 min of running, 180 in all"."""
    from appliance.clinic.timeline import durations

    runs = [durations(protocol.plan(n)).run_s / 60 for n in range(1, (protocol.visits or 1) + 1)]
    if protocol.visits is None:
        return f"without end, up to {runs[0]:.0f} min of running at a time"
    least, most = f"{min(runs):.3g}", f"{max(runs):.3g}"
    each = least if least == most else f"{least} to {most}"
    visits = "1 visit" if protocol.visits == 1 else f"{protocol.visits} visits"
    return f"{visits}, {each} min of running, {sum(runs):.3g} in all"


def _plain(one: Protocol) -> dict[str, Any]:
    """A protocol, for JSON."""
    from appliance.clinic.timeline import durations

    plans = [one.plan(number) for number in range(1, (one.visits or 1) + 1)]
    fields = {
        key: getattr(one, key) for key in ("title", "about", "sources", "visits", "days", "mode", "target")
    }
    return {
        "name": one.name,
        "usable": True,
        **fields,
        "durations": [_durations(durations(plan)) for plan in plans],
    }


def _durations(one: Any) -> dict[str, float]:
    return {"all_s": one.all_s, "run_s": one.run_s, "lit_s": one.lit_s}
