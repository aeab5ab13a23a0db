"""Exercise files become answers to a clinic, and an exercise that somebody does: sets, repetitions, holds and rests.

Shipped exercises and the clinic's own in `<state>/exercises`, which count above shipped ones of the same name. The
running service counts and paces on the bar; leaving a command leaves the exercise running. Refuses an exercise that
can't be used, with file, key and remedy.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.clinic import folder, json_option, opened, runner_codes, span, state_option, told
from appliance.commands.shelf import chosen, listing, names_of, shown

if TYPE_CHECKING:
    from appliance.clinic.exercise import Exercise
    from appliance.clinic.rows import VisitData


_names = names_of("exercises")


@click.group(name="exercise", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Do strength exercises on the bar: the pelvis live, repetitions counted, holds timed while it is level.

    An exercise of your own is a file in the folder `exercises` of the station's folder (docs/exercises.md).

    \b
    Examples:
      hipbar exercise list
      hipbar exercise show hip-drop
      hipbar exercise start P-07 hip-drop
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command(name="list")
@json_option
@state_option
def listed(state: Path | None, as_json: bool) -> None:
    """Which exercises there are: the shipped ones and the clinic's own.

    One that can't be used is listed with what is wrong; all others stay usable.

    \b
    Examples:
      hipbar exercise list
      hipbar exercise list --json | jq '.exercises[].name'
    """
    from appliance.clinic.exercise import parse_exercise

    listing("exercises", state, parse_exercise, plain=_plain, sized=_sized, as_json=as_json)


@command.command()
@click.argument("name", shell_complete=_names)
@json_option
@state_option
def show(name: str, state: Path | None, as_json: bool) -> None:
    """Print the file of exercise NAME, as a beginning for one of your own.

    \b
    Examples:
      hipbar exercise show wall-hold
      hipbar exercise show wall-hold > mine.toml
      hipbar exercise show wall-hold --json | jq -r '.how[]'
    """
    from appliance.clinic.exercise import parse_exercise
    from appliance.store.texts import text

    shown(text(folder(state), "exercises", name), parse_exercise, plain=_plain, as_json=as_json)


@command.command()
@click.argument("which", metavar="NAME|FILE", shell_complete=_names)
@json_option
@state_option
def check(which: str, state: Path | None, as_json: bool) -> None:
    """Say whether an exercise can be used, and what it will be like. NAME is one of the list; a FILE ends in .toml.

    \b
    Examples:
      hipbar exercise check mine
      hipbar exercise check /media/usb/mine.toml
    """
    from appliance.clinic.exercise import drill_plan, parse_exercise

    found = chosen(which, "exercises", state)
    exercise = found.parsed(parse_exercise)
    if as_json:
        told({"file": found.origin, **_plain(exercise), "blocks": drill_plan(exercise).blocks})
        return
    click.echo(f"{exercise.name} ({found.origin}): good; {_sized(exercise)}")
    click.echo(f"  {_counted(exercise)}")
    for line in exercise.how:
        click.echo(f"  - {line}")


@command.command()
@click.argument("runner", shell_complete=runner_codes)
@click.argument("name", shell_complete=_names)
@json_option
@state_option
def start(runner: str, name: str, state: Path | None, as_json: bool) -> None:
    """Begin exercise NAME with RUNNER, show how it goes, and at its end what was done.

    The bar paces it: nobody has to touch a key. Steer it with `hipbar visit pause`, `resume`, `skip`, `stop`, or the
    panel's button. Needs the running service. Ctrl-C leaves the exercise running.

    \b
    Examples:
      hipbar exercise start P-07 hip-drop
      hipbar exercise start P-07 wall-hold --json > done.json
    """
    from appliance.clinic.exercise import parse_exercise
    from appliance.commands.options import aside
    from appliance.commands.reach import reached
    from appliance.commands.visiting.awaited import begun, ended, followed
    from appliance.store.texts import text

    where = folder(state)
    exercise = text(where, "exercises", name).parsed(parse_exercise)
    with reached(None, start=False) as link:
        link.visit("start", kind="exercise", runner=runner, name=name)
        made = begun(link)
        for line in exercise.how:
            aside(line)
        last = followed(link, as_json=as_json)
    if last is None:
        aside(f"`hipbar report {made.id if made else 'last'}` shows what was done, once it is over")
        return
    with opened(where) as store:
        data = store.data(ended(store, last.id).id)
    if as_json:
        told({"visit": data.visit, "sets": list(_sets(data))})
    else:
        click.echo("\n".join(_table(data)))


def _sized(exercise: Exercise) -> str:
    """How large an exercise is: "3 sets of 15 a side, about 11 min"."""
    from appliance.clinic.exercise import drill_s

    many = f"{exercise.sets} set{'s' if exercise.sets > 1 else ''}"
    each = f"{exercise.of_a_set}"
    if exercise.hold_s is not None:
        each = f"{exercise.of_a_set} x {exercise.hold_s:g} s"
    side = " a side" if len(exercise.sides) == 2 else f", {exercise.sides[0]} only" if exercise.sides else ""
    return f"{many} of {each}{side}, about {drill_s(exercise) / 60:.0f} min"


def _counted(exercise: Exercise) -> str:
    """By what it is counted, in words."""
    if exercise.measure == "time":
        return "timed by the clock alone: nothing is measured"
    hold = exercise.kind == "hold"
    if exercise.measure == "height":
        return (
            f"a hold counts while the pelvis is {exercise.range_px:g} px or more above where it lay"
            if hold
            else f"counted when the pelvis has gone {exercise.range_px:g} px up or down and come back"
        )
    if hold:
        return f"a hold counts while the pelvis is level within {exercise.band_deg:g} deg"
    return f"counted when the pelvis has tilted by {exercise.range_deg:g} deg and come back"


def _plain(one: Exercise) -> dict[str, Any]:
    """An exercise, for JSON."""
    import msgspec

    from appliance.clinic.exercise import drill_s

    return {"usable": True, **msgspec.to_builtins(one), "all_s": drill_s(one)}


def _sets(data: VisitData) -> Iterator[dict[str, Any]]:
    """What was done in each set that was begun."""
    from appliance.clinic.terms import Kind

    for row in data.blocks:
        if row.block.kind not in (Kind.HOLD, Kind.REPS):
            continue
        reps = [rep for rep in data.reps if rep.n == row.n]
        ranges = [rep.range_deg for rep in reps if rep.range_deg is not None]
        yield {
            "block": row.n,
            "side": row.block.side,
            "set": row.block.set_number,
            "kind": row.block.kind,
            "done": len(reps),
            "wanted": row.block.reps,
            "range_deg": statistics.fmean(ranges) if ranges and row.block.kind is Kind.REPS else None,
            "held_s": row.ran_s if row.block.kind is Kind.HOLD else None,
            "seconds": None if row.ended_s is None else row.ended_s - row.began_s,
            "why": row.why,
        }


def _table(data: VisitData) -> Iterator[str]:
    """The sets of an exercise, a line each."""
    yield f"exercise {data.visit.id}, {data.visit.protocol}: {data.visit.state.value}"
    yield f"{'set':>5}  {'side':<6}{'done':>10}{'range, deg':>12}{'held':>7}{'took':>7}"
    for one in _sets(data):
        done = f"{one['done']} of {one['wanted']}"
        wide = "-" if one["range_deg"] is None else f"{one['range_deg']:.1f}"
        why = "" if one["why"] in (None, "done") else f"  {one['why']}"
        held, took = span(one["held_s"]), span(one["seconds"])
        yield f"{one['set'] or '-':>5}  {one['side'] or '-':<6}{done:>10}{wide:>12}{held:>7}{took:>7}{why}"
    yield f"`hipbar report {data.visit.id} -o FILE.html` writes its report"
