"""Spoken cues become a list that the clinic edits, and trials that show what one of them changes in a runner.

The clinic's list is `cues.toml` in the station's folder; where there is none, the shipped one counts, and the first
change writes it there. A trial runs in the service like a visit, and its result is printed when it is over. Refuses
lists that can't be used as they are written, cues that are not there, and visits that were no trial.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from appliance.commands.clinic import folder, json_option, opened, runner_codes, state_option, told
from appliance.commands.options import aside

if TYPE_CHECKING:
    from appliance.clinic.cue import Cue, CueResult
    from appliance.store.texts import Text


def _cue_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from appliance.errors import HipbarError

    with contextlib.suppress(HipbarError):
        cues = _cues(folder(ctx.params.get("state")))[1]
        return [CompletionItem(cue.name, help=cue.words) for cue in cues if cue.name.startswith(incomplete)]
    return []


@click.group(name="cue", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Try a spoken cue: a minute before it, a minute with it, a minute after it.

    \b
    Examples:
      hipbar cue list
      hipbar cue trial R07 push
      hipbar cue result
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command(name="list")
@json_option
@state_option
def listed(state: Path | None, as_json: bool) -> None:
    """The cues in force, with their words and the figure that each is meant to change.

    \b
    Examples:
      hipbar cue list
      hipbar cue list --json | jq -r '.cues[].words'
    """
    text, cues = _cues(folder(state))
    if as_json:
        told({"file": text.origin, "own": text.own, "cues": cues})
        return
    wide = max([len(cue.name) for cue in cues], default=0)
    for cue in cues:
        click.echo(f'{cue.name:<{wide}}  {cue.what:<7}  "{cue.words}"')
    whose = text.origin if text.own else "the shipped list; `hipbar cue add` begins one of your own"
    click.echo(f"{len(cues)} cues, from {whose}")


@command.command()
@click.argument("name")
@click.argument("words")
@click.option(
    "--what",
    type=click.Choice(["drop", "cadence", "sway"]),
    default="drop",
    show_default=True,
    help="The figure that it is meant to change.",
)
@json_option
@state_option
def add(name: str, words: str, what: str, state: Path | None, as_json: bool) -> None:
    """Add a cue to the clinic's list: a short NAME, and the WORDS to be spoken.

    \b
    Examples:
      hipbar cue add zip "Pull your zip up to the ceiling"
      hipbar cue add quick "Quick feet" --what cadence
    """
    from appliance.clinic.cue import Cue, What, with_cue

    meant: dict[str, What] = {"drop": "drop", "cadence": "cadence", "sway": "sway"}
    new = Cue(name=name, words=words, what=meant[what])
    where = folder(state)
    text, _ = _cues(where)
    path = _write(where, with_cue(text.text, new, text.origin))
    if as_json:
        told({"file": str(path), "added": new})
    else:
        click.echo(f'{name} is added: "{words}", in {path}')


@command.command()
@click.argument("name", shell_complete=_cue_names)
@json_option
@state_option
def remove(name: str, state: Path | None, as_json: bool) -> None:
    """Take the cue NAME off the clinic's list. Trials that were made with it stay.

    \b
    Examples:
      hipbar cue remove tall
    """
    from appliance.clinic.cue import without_cue

    where = folder(state)
    text, _ = _cues(where)
    path = _write(where, without_cue(text.text, name, text.origin))
    if as_json:
        told({"file": str(path), "removed": name})
    else:
        click.echo(f"{name} is taken off the list, in {path}")


@command.command()
@click.argument("runner", shell_complete=runner_codes)
@click.argument("name", shell_complete=_cue_names)
@click.option(
    "--seconds",
    type=click.IntRange(20, 600),
    default=60,
    show_default=True,
    help="Of running before the cue, with it, and after it.",
)
@json_option
@state_option
def trial(runner: str, name: str, seconds: int, state: Path | None, as_json: bool) -> None:
    """Run a trial of the cue NAME with RUNNER, and show what it has changed.

    The runner runs all the time, the bar stays dark. Say the words when the block "cue" begins, and say no more when
    it ends. Needs the running service. Ctrl-C leaves the trial running.

    \b
    Examples:
      hipbar cue trial R07 push
      hipbar cue trial R07 cadence --seconds 90
    """
    from appliance.clinic.cue import named
    from appliance.commands.reach import reached
    from appliance.commands.visiting.awaited import begun, ended, followed

    where = folder(state)
    cue = named(_cues(where)[1], name)
    with reached(None, start=False) as link:
        link.visit("start", kind="cue trial", runner=runner, name=name, number=seconds)
        made = begun(link)
        aside(f'say it when the block "cue" begins: "{cue.words}"')
        last = followed(link, as_json=as_json)
    if last is None:
        which = f" {made.id}" if made else ""
        aside(f"`hipbar cue result{which}` shows what it has changed, once it is over")
        return
    with opened(where) as store:
        ended(store, last.id)
    _show(where, str(last.id), as_json=as_json)


@command.command()
@click.argument("visit", default="last")
@json_option
@state_option
def result(visit: str, state: Path | None, as_json: bool) -> None:
    """What the trial of VISIT has changed; without a number, that of the last trial.

    Each figure before, with and after the cue, and the changes with their 95 % intervals (docs/cues.md).

    \b
    Examples:
      hipbar cue result
      hipbar cue result 12 --json | jq '.trials[0].rows[] | {figure, with_cue}'
    """
    _show(folder(state), visit, as_json=as_json)


def _cues(state: Path) -> tuple[Text, tuple[Cue, ...]]:
    """The list in force: its file, and what is in it."""
    from appliance.clinic.cue import parse_cues
    from appliance.store.texts import cues

    text = cues(state)
    return text, text.parsed(parse_cues)


def _write(state: Path, text: str) -> Path:
    """The clinic's list, whole or not at all."""
    from appliance.errors import OutputError
    from appliance.output import write_whole
    from appliance.store.texts import CUES

    path = state / CUES
    if state.is_dir() and not os.access(state, os.W_OK):
        raise OutputError(f"{path}: this user may not write it", fix="use sudo")
    write_whole(path, text.encode())
    return path


def _show(state: Path, visit: str, *, as_json: bool) -> None:
    """Prints all trials of a visit."""
    results = _results(state, visit)
    if as_json:
        told({"trials": results})
        return
    from appliance.commands.cueing import lines

    click.echo("\n\n".join("\n".join(lines(one)) for one in results))


def _results(state: Path, visit: str) -> tuple[CueResult, ...]:
    from appliance.clinic.cue import compare, trials
    from appliance.clinic.terms import VisitKind
    from appliance.errors import HipbarError, StoreError

    cues: tuple[Cue, ...] = ()
    with contextlib.suppress(HipbarError):  # it only says what a cue was meant for
        cues = _cues(state)[1]
    with opened(state) as store:
        if visit == "last":
            found = store.visits(kind=VisitKind.CUE, limit=1)
            if not found:
                raise StoreError("no cue trial is kept yet", fix="`hipbar cue trial RUNNER NAME` makes one")
            visit = str(found[0].id)
        if not visit.isdecimal():
            raise click.BadParameter(f"{visit!r} is no visit's number", param_hint="VISIT")
        data = store.data(int(visit))
    return trials(data, cues) or (compare(data, cues),)
