"""All steps of the calibration, one after the other, on one link to the station.

Each is the same command as alone, with its own defaults. A step that is good already is offered, not forced; one that
fails is told and can be left for later, with `--yes` it ends the walk.
"""

from __future__ import annotations

import click

from appliance.commands.calibrate import STEPS
from appliance.commands.calibrate.keep import Ways, reaching, step_options
from appliance.errors import CalibrationError


@click.command(name="all")
@click.option(
    "--skip", multiple=True, type=click.Choice(STEPS), help="A step to leave out; can be given several times."
)
@click.option("--due", is_flag=True, help="Only what was never done, is old, or does not fit any more.")
@step_options
@click.pass_context
def every(ctx: click.Context, ways: Ways, skip: tuple[str, ...], due: bool) -> int:
    """Walk through all steps of the calibration.

    \b
    Examples:
      hipbar calibrate all
      hipbar calibrate all --due
      hipbar calibrate all --skip lens --skip latency
    """
    guide, left = ways.guide(), []
    with reaching(ways) as link:
        steps = [name for name in _wanted(ways, due=due) if name not in skip]
        for at, name in enumerate(steps, 1):
            guide.say(f"step {at} of {len(steps)}: {name}")
            if not guide.ask("do it now?"):
                left.append(name)
                continue
            before = link.settings()["tried"]
            try:
                _one(ctx, name, ways)
            except CalibrationError as error:
                if ways.yes:
                    raise
                guide.say(f"{error}\n  {error.fix}")
                left.append(name)
            if set(link.settings()["tried"]) - set(before):
                link.unset()  # what a step has tried and not kept is nothing for the next one to measure with
    guide.say(f"left for later: {', '.join(left)}" if left else "all of it is done")
    return 0


def _wanted(ways: Ways, *, due: bool) -> list[str]:
    """The steps that this software has, all of them or those that are not good."""
    import time

    from appliance.commands.calibrate import command
    from appliance.commands.calibrate.table import read_station, table

    known = command.list_commands(click.Context(command))
    settings, calibration = read_station(ways.config)
    good = {row.step for row in table(calibration, settings, time.time()) if row.verdict == "good"}
    return [name for name in STEPS if name in known and not (due and name in good)]


def _one(ctx: click.Context, name: str, ways: Ways) -> None:
    """One step as if it had been called alone with the same common options."""
    from appliance.commands.calibrate import command

    step = command.get_command(ctx, name)
    if step is None:
        raise click.UsageError(f"no step is called {name}")
    common = {
        "config": ways.config,
        "yes": ways.yes,
        "as_json": ways.as_json,
        "dry_run": ways.dry_run,
    }
    ctx.invoke(step, **common)
