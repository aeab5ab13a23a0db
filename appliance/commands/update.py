"""A signed package file becomes the version that runs; or, when it does not run well, the one before runs again.

The work is done by systemd's own process (`appliance.upkeep.worker`), away from this terminal: closing it, or a cut
connection, ends only the looking on. Refuses, before anything is changed, what `appliance.upkeep.orders` refuses.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.commands.options import FILE, aside

if TYPE_CHECKING:
    from appliance.upkeep.ledger import Ledger
    from appliance.upkeep.stages import Update

UNIT = "hipbar-updating"
_PACE_S = 0.2
_QUIET_S = 10.0
_TAKE_UP = (
    "`sudo systemctl start hipbar-update` takes it up again; `hipbar update --status` shows how far it is"
)


@click.command(name="update")
@click.argument("file", type=FILE, required=False)
@click.option("--back", is_flag=True, help="Go back to the version that is kept.")
@click.option("--status", is_flag=True, help="Show what is installed, what is kept, and the last update.")
@click.option("--allow-downgrade", is_flag=True, help="Take a version that is older than the one installed.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, file: Path | None, back: bool, status: bool, allow_downgrade: bool, as_json: bool
) -> int:
    """Install a signed package; go back by itself if the station is not well with it.

    The signature, FILE.deb.asc or FILE.deb.sig, has to lie beside the file. The version before is kept. Once the new
    one is installed the service has a minute to be healthy; if it is not, the version before is installed again, and
    the exit code is 8. The bar is dark for some seconds, so nobody should be running.

    \b
    Examples:
      sudo hipbar update hipbar_0.5.0_arm64.deb
      sudo hipbar update --back
      hipbar update --status
    """
    if (file is not None) + back + status != 1:
        raise click.UsageError("give a FILE.deb, or --back, or --status", ctx)
    if status:
        return _status(as_json)
    from appliance.errors import UpkeepError
    from appliance.upkeep.orders import Desk

    if os.geteuid() != 0:
        raise UpkeepError("only root may change what is installed", fix="the same with `sudo` before it")
    os.umask(0o022)  # everybody may see how it goes
    desk = Desk()
    if file is None:
        order = desk.back()
    else:
        aside(f"checking {file.name}")
        order = desk.update(file, allow_downgrade=allow_downgrade)
        aside(f"signed by {order.signer}")
    start(desk.ledger, order)
    return _told(follow(desk.ledger, order), as_json)


def start(ledger: Ledger, order: Update) -> None:
    """Hands an order over to systemd; from here on it is carried out, whoever looks on."""
    from appliance.errors import UpkeepError
    from appliance.output import write_whole
    from appliance.upkeep.worker import bundle

    write_whole(ledger.program, bundle())
    ledger.begin_log()
    ledger.write(order)
    words = ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}", "--description=Update of hipbar"]
    words += ["--property=Restart=on-failure", "--property=RestartSec=2", "--property=OOMScoreAdjust=-500"]
    words += ["--property=StartLimitIntervalSec=0", "/usr/bin/python3", "-I", str(ledger.program)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        reason = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        reason = str(error)
    if reason:
        ledger.stage.unlink()
        raise UpkeepError(
            f"the update can't be started: {reason}", fix="it needs a system started by systemd"
        )


def follow(ledger: Ledger, order: Update) -> Update:
    """Shows what is being done until it is over; Ctrl-C ends the looking on, not the update."""
    from appliance.errors import UpkeepError

    quiet_since_s = time.monotonic()
    try:
        with ledger.log.open(encoding="utf-8", errors="replace") as log:
            while True:
                # asked first: what ends between the two questions has written down how
                runs = time.monotonic() - quiet_since_s < _QUIET_S or _runs()
                last = ledger.last() if ledger.under_way() is None else None
                if text := log.read():
                    click.echo(text, nl=False, err=True)
                    quiet_since_s = time.monotonic()
                if last is not None and last.number == order.number:
                    return last
                if not runs:
                    raise UpkeepError("the update has stopped before it was over", fix=_TAKE_UP)
                time.sleep(_PACE_S)
    except KeyboardInterrupt:
        aside("\nthe update goes on without you; `hipbar update --status` shows how far it is")
        raise


def _runs() -> bool:
    """Whether systemd carries an update out, or will in a moment."""
    words = ["systemctl", "is-active", "--quiet", UNIT, "hipbar-update"]
    return subprocess.run(words, check=False).returncode == 0


def _told(update: Update, as_json: bool) -> int:
    """The outcome in words and as an exit code; raises it when the new version is not the one that runs."""
    from appliance.errors import UpkeepError
    from appliance.upkeep.stages import Stage, ending

    what, todo = ending(update)
    if as_json:
        click.echo(json.dumps(outcome(update), ensure_ascii=False))
    if update.stage != Stage.UPDATED:
        raise UpkeepError(what, fix=todo)
    if not as_json:
        click.echo(f"{what}\n  {todo}")
    return 0


def outcome(update: Update) -> dict[str, object]:
    """An update as the JSON object that this command prints."""
    from appliance.upkeep.stages import ending

    what, todo = ending(update) if update.over else (f"under way: {update.stage}", "wait until it is over")
    told = {"outcome": str(update.stage), "over": update.over, "words": what, "todo": todo}
    times = {"begun_utc": update.begun_utc, "seconds": update.seconds}
    return {**told, "from": update.old.version, "to": update.new.version, "signer": update.signer, **times}


def _status(as_json: bool) -> int:
    from appliance.upkeep.ledger import Ledger
    from appliance.upkeep.packages import Packages

    ledger = Ledger()
    facts = Packages().installed()
    update = ledger.under_way() or ledger.last()
    kept = [(package.version, ledger.size(package)) for package in ledger.kept()]
    if as_json:
        told = {
            "installed": facts.version if facts else None,
            "kept": [{"version": version, "bytes": size} for version, size in kept],
            "update": outcome(update) if update else None,
            "history": ledger.history(),
        }
        click.echo(json.dumps(told, ensure_ascii=False))
        return 0
    click.echo(f"installed  {facts.version if facts else 'not as a package'}")
    for version, size in kept:
        click.echo(f"kept       {version}, {'missing' if size is None else f'{size / 1e6:.1f} MB'}")
    click.echo(f"update     {_sentence(update) if update else 'none yet'}")
    return 0


def _sentence(update: Update) -> str:
    """One update for a person: when, how it ended or how far it is, and what to do."""
    from appliance.upkeep.stages import ending

    what, todo = ending(update) if update.over else (f"under way, at: {update.stage}", "")
    if not update.over and not _runs():
        what, todo = f"cut off at: {update.stage}", _TAKE_UP
    return f"{update.begun_utc}: {what}" + (f"\n           {todo}" if todo else "")
