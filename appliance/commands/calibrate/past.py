"""The calibration's revisions become a list, one revision in full, or the way back to an earlier one.

Going back is one more revision: nothing is ever lost. Reading needs no service; going back is the service's to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from appliance.commands.calibrate.keep import Ways, config_option, reaching, shown, step_options
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.station.calibration import Calibration, Revision


@click.command(name="history")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print all revisions as one JSON object.")
def history(config: Path | None, as_json: bool) -> None:
    """List the calibration's revisions, newest first.

    \b
    Examples:
      hipbar calibrate history
      hipbar calibrate history --json | jq '.revisions[0].values'
    """
    from appliance.commands.calibrate.table import read_station

    calibration = read_station(config)[1]
    if as_json:
        click.echo(msgspec.json.encode({"revisions": calibration.revisions[::-1]}))
        return
    if not calibration.revisions:
        click.echo("nothing was calibrated yet; `hipbar calibrate all` goes through every step")
    for revision in calibration.revisions[::-1]:
        click.echo(_line(calibration, revision))


@click.command(name="show")
@click.argument("number", required=False, type=click.IntRange(1))
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the revision as one JSON object.")
def show(number: int | None, config: Path | None, as_json: bool) -> None:
    """Show a revision of the calibration: its values and figures. Without NUMBER the one in force.

    \b
    Examples:
      hipbar calibrate show
      hipbar calibrate show 3 --json
    """
    from appliance.commands.calibrate.table import read_station

    calibration = read_station(config)[1]
    revision = _revision(calibration, number)
    if as_json:
        click.echo(msgspec.json.encode(revision))
        return
    click.echo(_line(calibration, revision))
    for title, values in (
        ("in force with it", revision.values),
        ("what the step measured", revision.figures),
    ):
        click.echo(f"{title}:" if values else f"{title}: nothing")
        for key, value in values.items():
            click.echo(f"  {key:<26} {shown(value)}")
    for mode, values in revision.lenses.items():
        click.echo(f"lens of {mode}:")
        for key, value in values.items():
            click.echo(f"  {key:<26} {shown(value)}")
    click.echo("sides: proved" if revision.sides is not None else "sides: not proved")


@click.command(name="undo")
@step_options
def undo(ways: Ways) -> int:
    """Go back to before the last step.

    \b
    Examples:
      hipbar calibrate undo
      hipbar calibrate undo --yes --json
    """
    return _back(ways, None)


@click.command(name="rollback")
@click.argument("number", type=click.IntRange(0))
@step_options
def rollback(ways: Ways, number: int) -> int:
    """Go back to revision NUMBER of the calibration; 0 = nothing is calibrated.

    \b
    Examples:
      hipbar calibrate rollback 3
      hipbar calibrate rollback 0 --yes
    """
    return _back(ways, number)


def before_last(calibration: Calibration) -> int:
    """The revision that was in force before the last one that still counts: undo after undo goes on back."""
    revisions = {one.number: one for one in calibration.revisions}
    at = calibration.current
    while at is not None and at.went_back_to is not None:
        at = revisions.get(at.went_back_to)
    if at is None:
        raise CalibrationError(
            "there is nothing to undo", fix="`hipbar calibrate history` lists what there is"
        )
    earlier = [number for number in revisions if number < at.number]
    return max(earlier, default=0)


def _back(ways: Ways, number: int | None) -> int:
    """Shows what going back changes, asks, and has the service do it."""
    guide = ways.guide()
    with reaching(ways) as link:
        calibration = link.calibration()
        to = before_last(calibration) if number is None else number
        now = calibration.current.number if calibration.current else 0
        changes = _changes(calibration, to)
        guide.say(f"from calibration {now} back to {to or 'nothing calibrated'}")
        for key, (old, new) in changes.items():
            guide.say(f"  {key:<26} {shown(old):>10} -> {shown(new)}")
        kept = None
        if ways.dry_run:
            guide.say("nothing was changed (--dry-run)")
        elif guide.ask("go back?"):
            kept = link.rollback(to)
            guide.say(
                f"done: calibration {kept} is as {to} was; `hipbar calibrate rollback {now}` takes it back"
            )
        else:
            guide.say("nothing was changed")
    if ways.as_json:
        told = {key: {"before": old, "after": new} for key, (old, new) in changes.items()}
        click.echo(msgspec.json.encode({"from": now, "to": to, "revision": kept, "changed": told}))
    return 0


def _changes(calibration: Calibration, to: int) -> dict[str, tuple[Any, Any]]:
    """Every calibrated value that differs; what a calibration does not say is as the settings file has it."""
    file = "as in the settings file"
    now = _all(calibration.current) if calibration.current else {}
    then = _all(_revision(calibration, to)) if to else {}
    keys = [key for key in {**now, **then} if now.get(key, file) != then.get(key, file)]
    return {key: (now.get(key, file), then.get(key, file)) for key in keys}


def _all(revision: Revision) -> dict[str, Any]:
    """The values of a revision, those of each lens with its mode."""
    lenses = {
        f"{key} ({mode})": value for mode, values in revision.lenses.items() for key, value in values.items()
    }
    return {**revision.values, **lenses, "sides": "proved" if revision.sides is not None else "not proved"}


def _revision(calibration: Calibration, number: int | None) -> Revision:
    """The revision of that number, or the one in force."""
    found = (
        calibration.current
        if number is None
        else next((one for one in calibration.revisions if one.number == number), None)
    )
    if found is None:
        what = "nothing was calibrated yet" if number is None else f"there is no revision {number}"
        raise CalibrationError(what, fix="`hipbar calibrate history` lists what there is")
    return found


def _line(calibration: Calibration, revision: Revision) -> str:
    """One revision on a line."""
    from appliance.commands.calibrate.table import figure, when

    mark = "*" if revision is calibration.current else " "
    back = revision.went_back_to
    what = (
        f"back to {back or 'nothing calibrated'}"
        if back is not None
        else figure(revision) or ", ".join(revision.figures) or "-"
    )
    return f"{mark}{revision.number:>4}  {when(revision.made_s, revision.clock_set):<18} {revision.step:<9} {what}"
