"""`hipbar calibrate`: words become one step of the calibration, its history, or the table of what is calibrated.

Each subcommand is a module of its own and is imported when it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import click

from appliance.commands.calibrate.keep import config_option

STEPS = ("aim", "light", "lens", "strip", "sides", "level", "zero", "latency")
"""In the order in which a station is set up."""

_ELSEWHERE = {"history": "past", "show": "past", "undo": "past", "rollback": "past", "all": "every"}
_COMMANDS = (*STEPS, "board", "all", "history", "show", "undo", "rollback")


class _Lazy(click.Group):
    """A group that imports a subcommand's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in _COMMANDS if _there(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS or not _there(cmd_name):
            return None
        module = importlib.import_module(_module(cmd_name))
        name = "command" if cmd_name not in _ELSEWHERE else cmd_name
        found: click.Command = getattr(module, "every" if name == "all" else name)
        return found


def _module(name: str) -> str:
    return f"{__name__}.{_ELSEWHERE.get(name, name)}"


def _there(name: str) -> bool:
    return importlib.util.find_spec(_module(name)) is not None


@click.group(name="calibrate", cls=_Lazy, invoke_without_command=True)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the table as one JSON object.")
@click.pass_context
def command(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Calibrate the station, step by step; alone: what is calibrated, how well, and what is due.

    Every step shows a live figure and says when it is good, asks before it keeps anything, and can be undone. What is
    kept goes to the station's own calibration file, never into the settings file.

    \b
    Examples:
      hipbar calibrate
      hipbar calibrate all
      hipbar calibrate zero
      hipbar calibrate undo
    """
    if ctx.invoked_subcommand is not None:
        if config is not None or as_json:
            raise click.UsageError("write options after the name of the step", ctx)
        return
    from appliance.commands.calibrate.table import print_table

    print_table(config, as_json=as_json)
