"""A backup becomes the clinic's store again; what was there stays beside it.

Refuses a damaged backup, one of a newer version, and to do it while the service runs or nobody has agreed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from appliance.commands.clinic import counted, date, folder, json_option, progress, state_option, told
from appliance.commands.options import FILE


@click.command(name="restore")
@click.argument("file", type=FILE)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@state_option
def command(file: Path, yes: bool, state: Path | None, as_json: bool) -> None:
    """Put the backup FILE into the place of the clinic's store.

    The backup is read through first; a damaged one changes nothing. What was there stays beside it under another
    name. The service has to be stopped meanwhile.

    \b
    Examples:
      sudo systemctl stop hipbar
      sudo hipbar restore /media/usb/hipbar-2026-11-21.zip
      sudo systemctl start hipbar
    """
    from appliance.store.copies import restore

    where = folder(state)
    if not yes:
        _agreed(where, file)
    before = set(where.glob("clinic-before-restore-*.db"))
    with progress("restore") as ticked:
        made = restore(file, where, ticked)
    kept = sorted(set(where.glob("clinic-before-restore-*.db")) - before)
    if as_json:
        told({"folder": str(where), "manifest": made, "kept": [str(path) for path in kept]})
        return
    click.echo(f"{where}: {counted(made.visits, 'visit')}, as of {date(made.made_s)}")
    for path in kept:
        click.echo(f"  what was there before is {path.name}; delete it when nobody needs it")


def _agreed(where: Path, file: Path) -> None:
    """Has somebody say yes. Raises `click.Abort` for no."""
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is there to be asked: --yes restores without asking")
    click.echo(f"{file} takes the place of {where / 'clinic.db'}: {_there(where)}.", err=True)
    click.confirm("Restore it?", abort=True, err=True)


def _there(where: Path) -> str:
    """What is in the store now, in words."""
    from appliance.commands.clinic import opened
    from appliance.errors import HipbarError

    try:
        with opened(where) as store:
            last = store.visits(limit=1)
            runners = len(store.runners())
    except HipbarError:
        return "there is none that can be read"
    since = f", the last visit began {date(last[0].began_s)}" if last else ", no visits"
    return f"it has {counted(runners, 'runner')}{since}"
