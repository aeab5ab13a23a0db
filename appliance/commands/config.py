"""A settings file becomes a table of every setting in force and where it came from; or what is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from appliance.commands.options import FILE, chosen_keys


@click.group(name="config", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show the settings in force, or check a settings file.

    \b
    Examples:
      hipbar config show
      hipbar config show --config station.toml --json
      hipbar config check station.toml
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command()
@click.option("--config", "config", type=FILE, help="Settings file (TOML); defaults without.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object: key, value, default, origin, meaning."
)
def show(config: Path | None, as_json: bool) -> None:
    """Every setting: its value, where it comes from and what it means.

    What is printed without --json is itself a settings file: save it and edit it.
    """
    from appliance.config import entries, load

    settings = load(config)
    chosen = chosen_keys(config)
    rows = [(*row, str(config) if row[0] in chosen else "default") for row in entries(settings)]
    if as_json:
        click.echo(
            json.dumps(
                [dict(zip(("key", "value", "default", "meaning", "origin"), r, strict=True)) for r in rows]
            )
        )
    else:
        click.echo(_as_toml(rows))


@command.command()
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """Say whether FILE can be used, and what is wrong in it if not."""
    from appliance.config import load

    load(file)
    chosen = chosen_keys(file)
    click.echo(f"{file}: good; sets {len(chosen)} of the settings, the rest are defaults")


def _as_toml(rows: list[tuple[str, Any, Any, str, str]]) -> str:
    """The settings as TOML with meaning and origin as comments."""
    lines: list[str] = []
    section = ""
    for key, value, default, meaning, origin in rows:
        table, name = key.split(".")
        if table != section:
            lines += ["", f"[{table}]"] if section else [f"[{table}]"]
            section = table
        source = "default" if origin == "default" else f"from {origin}, default {json.dumps(default)}"
        lines.append(f"{name} = {json.dumps(value)}  # {source}: {meaning}")
    return "\n".join(lines)
