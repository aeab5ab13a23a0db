"""Settings and machine become one diff of boot files, and on a yes the files; or what setup did before is undone.

Exit codes: 0 = done, nothing to do, or answered with no; 8 = refused. Asks only at a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.commands.options import FILE, aside
from appliance.errors import UpkeepError

if TYPE_CHECKING:
    from appliance.upkeep.boot import Machine
    from appliance.upkeep.files import Change

SETTINGS = "etc/hipbar/hipbar.toml"
REBOOT = "start the machine again for it to take effect: sudo reboot"


@click.command(name="setup")
@click.option("--yes", is_flag=True, help="Apply without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would change, change nothing.")
@click.option("--undo", is_flag=True, help="Put back what was there before setup.")
@click.option("--config", "config", type=FILE, help="Settings file instead of /etc/hipbar/hipbar.toml.")
@click.option(
    "--read-only",
    "read_only",
    type=click.Choice(["on", "off"]),
    help="Protect the system's own partition from writes and power cuts.",
)
@click.option(
    "--data", "data", type=FILE, help="With --read-only on: the partition for settings and recordings."
)
@click.option(
    "--root", "root", type=FILE, default=Path("/"), help="A system mounted there, instead of this one."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; without --yes only look.")
def command(
    yes: bool,
    dry_run: bool,
    undo: bool,
    config: Path | None,
    read_only: str | None,
    data: Path | None,
    root: Path,
    as_json: bool,
) -> None:
    """Prepare this machine's boot for hipbar: propose a diff, apply it on yes.

    SPI, camera and watchdog in config.txt, the watchdog for systemd, SSH by key only, no waiting for cloud-init.

    \b
    Examples:
      sudo hipbar setup
      sudo hipbar setup --dry-run
      sudo hipbar setup --undo
      sudo hipbar setup --read-only on --data /dev/sda1
      sudo hipbar setup --read-only off
    """
    if undo and read_only:
        raise click.UsageError("--undo and --read-only are two things: one after the other")
    if (data is not None) != (read_only == "on"):
        raise click.UsageError("--read-only on and --data PARTITION go together")
    if read_only and root != Path("/"):
        raise click.UsageError("--read-only is for this machine: leave --root out")
    answer = _Answer(yes=yes, dry_run=dry_run, as_json=as_json, root=root)
    if read_only:
        _protect(answer, read_only, data)
    elif undo:
        _undo(answer)
    else:
        _setup(answer, config or root / SETTINGS)


class _Answer:
    """How a plan is shown and a yes is had."""

    def __init__(self, *, yes: bool, dry_run: bool, as_json: bool, root: Path) -> None:
        self.yes, self.dry_run, self.as_json, self.root = yes, dry_run, as_json, root

    def settle(
        self,
        changes: Sequence[Change],
        remarks: Sequence[str],
        do: Callable[[], None],
        steps: Sequence[str] = (),
    ) -> None:
        """Shows the plan, and does it if that is wished; says how it ended."""
        from appliance.upkeep.files import words

        if not self.as_json:
            click.echo(words(changes), nl=False)
            for line in (*(f"then: {step}" for step in steps), *(f"note: {remark}" for remark in remarks)):
                click.echo(line)
        only_look = self.dry_run or (self.as_json and not self.yes)
        wished = bool(changes or steps) and not only_look and self._yes()
        if wished:
            do()
        self._told(changes, remarks, steps, done=wished)

    def _yes(self) -> bool:
        if os.geteuid() != 0 and self.root == Path("/"):
            raise UpkeepError("only root may change how this machine boots", fix="sudo hipbar setup")
        if self.yes:
            return True
        if not sys.stdin.isatty():
            raise UpkeepError(
                "nobody is here to say yes; nothing was changed", fix="add --yes to apply it, or --dry-run"
            )
        return click.confirm("Apply this?", default=False)

    def _told(
        self, changes: Sequence[Change], remarks: Sequence[str], steps: Sequence[str], *, done: bool
    ) -> None:
        from appliance.upkeep.files import words

        if self.as_json:
            listed = [{"path": one.path, "diff": words([one])} for one in changes]
            found = {
                "changes": listed,
                "steps": list(steps),
                "remarks": list(remarks),
                "applied": done,
                "reboot": done,
            }
            click.echo(json.dumps(found))
        elif done:
            click.echo(f"done: {len(changes)} {'file' if len(changes) == 1 else 'files'} changed; {REBOOT}")
        elif changes or steps:
            click.echo("nothing was changed")
        else:
            click.echo("nothing to change")


def _setup(answer: _Answer, config: Path) -> None:
    from appliance.config import load
    from appliance.upkeep import boot, files, overlay

    if not answer.dry_run:
        overlay.refuse_overlay(answer.root)
    proposal = boot.propose(answer.root, load(config), _machine(answer.root))
    changes = proposal.changes
    answer.settle(changes, proposal.remarks, lambda: files.apply(answer.root, changes))


def _undo(answer: _Answer) -> None:
    from appliance.upkeep import files, overlay

    if not answer.dry_run:
        overlay.refuse_overlay(answer.root)
    changes, remarks = files.undoing(answer.root)
    answer.settle(changes, remarks, lambda: files.undo(answer.root, changes))


def _protect(answer: _Answer, wish: str, data: Path | None) -> None:
    from appliance.upkeep import overlay

    plan = overlay.plan_on(data, _machine(answer.root)) if data else overlay.plan_off()
    aside(f"read-only system: {wish}")
    answer.settle(plan.changes, plan.remarks, plan.do, plan.steps)


def _machine(root: Path) -> Machine:
    from appliance.upkeep.boot import Machine
    from hw.board import read_board

    board = read_board(root)
    return Machine(board.model, board.watchdog is not None)
