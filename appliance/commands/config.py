"""Settings become answers to a technician: what is in force and why, what differs, what one means, what is wrong.

The settings file is never written: not by `reload` either, which asks the running service to read it again. Refuses
files and keys that can't be used, with the remedy.
"""

from __future__ import annotations

import difflib
import json
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from appliance.commands.options import FILE, aside, chosen_keys

if TYPE_CHECKING:
    from appliance.commands.explained import Explained, Source

SETTINGS = Path("/etc/hipbar/hipbar.toml")
_WIDTH = 80


@click.group(name="config", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show settings and where they come from, check a settings file, explain a setting, reload.

    Nothing here writes to the settings file: edit it, `check` it, `reload`.

    \b
    Examples:
      hipbar config show --station
      hipbar config explain lens.roll_deg
      hipbar config check station.toml
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command()
@click.option(
    "--config", type=FILE, help="Settings file (TOML), with this machine's calibration; defaults without."
)
@click.option("--station", is_flag=True, help="What is in force in the service that runs now.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: key, value, default, origin, meaning."
)
def show(config: Path | None, station: bool, as_json: bool) -> None:
    """Every setting: its value, where it comes from and what it means.

    What is printed without --json is itself a settings file: save it and edit it.

    \b
    Examples:
      hipbar config show
      hipbar config show --config station.toml --json
      hipbar config show --station | grep calibration
    """
    from appliance.commands.explained import DEFAULT, toml_lines
    from appliance.config import entries

    source = _source(config, station=station)
    if as_json:
        names = ("key", "value", "default", "meaning", "origin")
        rows = ((*row, source.origins.get(row[0], DEFAULT)) for row in entries(source.settings))
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
    else:
        click.echo("\n".join(toml_lines(source)))


@command.command()
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """Say whether FILE can be used, and what is wrong in it if not.

    \b
    Examples:
      hipbar config check station.toml && hipbar config reload
    """
    from appliance.config import load

    load(file)
    chosen = chosen_keys(file)
    click.echo(f"{file}: good; sets {len(chosen)} of the settings, the rest are defaults")


@command.command()
@click.argument("file", type=FILE, default=SETTINGS)
@click.option(
    "--station", is_flag=True, help="Not a file, but what is in force in the service that runs now."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list: key, value, default, origin.")
def diff(file: Path, station: bool, as_json: bool) -> None:
    """What of FILE differs from the defaults (/etc/hipbar/hipbar.toml without FILE).

    With the calibration of this machine, which counts above the file.

    \b
    Examples:
      hipbar config diff
      hipbar config diff station.toml
      hipbar config diff --station --json
    """
    from appliance.commands.explained import DEFAULT
    from appliance.config import entries

    source = _source(None if station else file, station=station)
    changed = [(key, now, was) for key, now, was, _ in entries(source.settings) if now != was]
    if as_json:
        rows = [
            {"key": key, "value": now, "default": was, "origin": source.origins.get(key, DEFAULT)}
            for key, now, was in changed
        ]
        click.echo(json.dumps(rows))
    elif changed:
        click.echo("\n".join(_unified(source)))
    else:
        aside(f"{source.name}: everything has its default")


def _keys(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Setting keys and tables that begin so, for the shell's completion."""
    from appliance.config import Settings, entries

    found = {key: text for key, _, _, text in entries(Settings()) if key.startswith(incomplete)}
    tables = dict.fromkeys(key.split(".")[0] for key in found) if "." not in incomplete else {}
    return [
        *(CompletionItem(table, help="the whole table") for table in tables),
        *(CompletionItem(key, help=text) for key, text in found.items()),
    ]


@command.command()
@click.argument("key", shell_complete=_keys)
@click.option("--config", type=FILE, help="Settings file to go by, instead of the running service.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, or a list of them for a table.")
def explain(key: str, config: Path | None, as_json: bool) -> None:
    """What KEY means, what it takes, its value and where that is from, and when a change counts.

    KEY is a setting such as lens.roll_deg, or a table such as lens. The value is the running service's; where none
    runs, that of /etc/hipbar/hipbar.toml and the calibration.

    \b
    Examples:
      hipbar config explain lens.roll_deg
      hipbar config explain strip
      hipbar config explain feedback.mode --json
    """
    from appliance.commands import explained

    keys = explained.named(key)
    source = _source(config) if config else _in_force()
    told = [explained.explain(one, source) for one in keys]
    if as_json:
        import msgspec

        plain = msgspec.to_builtins(told)
        click.echo(json.dumps(plain if len(keys) > 1 else plain[0]))
    else:
        click.echo("\n".join(_alone(told[0]) if len(told) == 1 else _table(told)))


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: changed, reopened.")
def reload(as_json: bool) -> None:
    """Have the running service read its settings file again.

    The session goes on: what can be changed in place is; a camera, bar or panel is opened anew only when its own
    settings have changed. A file with anything wrong in it is refused whole, and what was in force stays.

    \b
    Examples:
      hipbar config check /etc/hipbar/hipbar.toml && hipbar config reload
    """
    from appliance.station.client import Link

    with Link.open() as link:
        done = link.reload()
    if as_json:
        click.echo(json.dumps(done))
    else:
        click.echo("\n".join(_reloaded(done)))


def _reloaded(done: Mapping[str, Any]) -> Iterator[str]:
    """What a reload brought, for a person."""
    changed, reopened = list(done.get("changed", ())), list(done.get("reopened", ()))
    if not changed:
        yield "read again: nothing has changed"
        return
    yield f"in force now: {', '.join(changed)}"
    yield f"opened anew: {', '.join(reopened)}" if reopened else "no device had to be opened anew"


def _source(config: Path | None, *, station: bool = False) -> Source:
    """The settings asked for: the service's, a file's with the calibration above it, or the defaults."""
    from appliance.commands.explained import Source, origins
    from appliance.config import Settings, load
    from appliance.errors import CalibrationError
    from appliance.station.calibration import Calibration, read_calibration
    from appliance.station.places import state_dir

    if station and config:
        raise click.UsageError("--station and --config: one of them")
    if station:
        return _station()
    if config is None:
        return Source(Settings(), {}, "the defaults")
    settings = load(config)
    try:
        calibration = read_calibration(state_dir(settings))
        settings = load(config, calibration.over(settings))
    except CalibrationError as error:
        aside(f"without the calibration: {error}")
        calibration = Calibration()
    where = origins(settings, config, chosen_keys(config), calibration)
    return Source(settings, where, str(config))


def _station() -> Source:
    """What is in force in the running service."""
    import msgspec

    from appliance.commands.explained import Source
    from appliance.config import Settings
    from appliance.station.client import Link

    with Link.open() as link:
        told = link.settings()
    return Source(
        msgspec.convert(told["settings"], Settings), dict(told["origins"]), "the service that runs now"
    )


def _in_force() -> Source:
    """The running service's settings; where none runs, those that it would start with."""
    from appliance.errors import ServiceDown
    from appliance.station.places import runtime_dir
    from appliance.station.status import is_alive, read_status

    try:
        return _station()
    except ServiceDown as error:
        if is_alive(
            read_status(runtime_dir())
        ):  # it runs, and does not answer this user: what follows is a guess
            aside(f"the running service was not asked: {error}; {error.fix}")
        return _source(SETTINGS if SETTINGS.exists() else None)


def _unified(source: Source) -> Iterator[str]:
    """A unified diff from the defaults, each hunk with its table's name."""
    from appliance.commands.explained import Source, toml_lines
    from appliance.config import Settings

    before = list(toml_lines(Source(Settings(), {}, ""), comments=False))
    after = list(toml_lines(source, comments=False))
    for line in difflib.unified_diff(before, after, "defaults", source.name, n=0, lineterm=""):
        if line.startswith("@@"):
            first = int(line.split()[1].split(",")[0].lstrip("-"))
            table = next(text for text in reversed(before[:first]) if text.startswith("["))
            yield f"{line} {table}"
        else:
            yield line


def _alone(one: Explained) -> Iterator[str]:
    """One setting, for a person."""
    yield f"{one.key} = {json.dumps(one.value)}"
    rows = {
        "meaning": one.meaning,
        "takes": one.allowed,
        "default": json.dumps(one.default),
        "from": _whence(one),
        "affects": one.affects,
        "changes": one.applies,
    }
    if one.steps:
        rows["measured"] = "by " + " and ".join(f"`hipbar calibrate {step}`" for step in one.steps)
    for name, words in rows.items():
        yield from textwrap.wrap(words, _WIDTH, initial_indent=f"  {name:<9} ", subsequent_indent=" " * 12)


def _whence(one: Explained) -> str:
    from appliance.commands.explained import DEFAULT

    words = "the default" if one.origin == DEFAULT else one.origin
    return words if one.of in (one.origin, f"{words}s") else f"{words} ({one.of})"


def _table(rows: list[Explained]) -> Iterator[str]:
    """A table of settings, for a person: value, origin where it is not the default, meaning."""
    from appliance.commands.explained import DEFAULT

    yield f"[{rows[0].key.split('.')[0]}] of {rows[0].of}"
    names = [row.key.split(".")[1] for row in rows]
    values = [json.dumps(row.value) for row in rows]
    name_px, value_px = max(map(len, names)), min(16, max(map(len, values)))
    for row, name, value in zip(rows, names, values, strict=True):
        head = f"  {name:<{name_px}}  {value:<{value_px}}  "
        origin = "" if row.origin == DEFAULT else f" [{row.origin}; default {json.dumps(row.default)}]"
        indent = " " * (name_px + value_px + 6)
        yield from textwrap.wrap(
            row.meaning + origin, _WIDTH, initial_indent=head, subsequent_indent=indent, drop_whitespace=True
        )
