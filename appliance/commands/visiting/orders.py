"""Words of one who stands beside the runner become orders to the visit: pause, resume, skip, mark, note, stop.

Each says how the visit stands after it. Refuses, with `VisitError`, what makes no sense now, and with `ServiceDown`
steering without a service.
"""

from __future__ import annotations

import click

_LONGEST = 500
"""Characters of words with an event, as many as the control link takes."""


@click.command()
@click.argument("words", nargs=-1)
def pause(words: tuple[str, ...]) -> None:
    """Pause the visit: the bar is dark but for its pause picture, and the block's time stands.

    WORDS, if any, are kept with the event. Frames and steps are kept on, and marked as paused.

    \b
    Examples:
      hipbar visit pause
      hipbar visit pause lace open
    """
    _steered("pause", words)


@click.command()
@click.argument("words", nargs=-1)
def resume(words: tuple[str, ...]) -> None:
    """Let a paused visit go on, in the block where it was paused.

    \b
    Examples:
      hipbar visit resume
    """
    _steered("resume", words)


@click.command()
def skip() -> None:
    """End the block that runs and begin the next one; after the last the visit is done.

    A skipped stand keeps the standing zero that was in force.

    \b
    Examples:
      hipbar visit skip
    """
    _steered("skip", ())


@click.command()
@click.argument("words", nargs=-1)
def mark(words: tuple[str, ...]) -> None:
    """Put a mark at this moment of the visit, as a short press of the button does.

    \b
    Examples:
      hipbar visit mark
      hipbar visit mark speed 10 km/h
    """
    _steered("mark", words)


@click.command()
@click.argument("words", nargs=-1, required=True)
def note(words: tuple[str, ...]) -> None:
    """Keep WORDS with this moment of the visit. No names: the store holds codes only.

    \b
    Examples:
      hipbar visit note new shoes, treadmill at 1 %
    """
    _steered("note", words)


@click.command()
@click.argument("words", nargs=-1)
def stop(words: tuple[str, ...]) -> None:
    """End the visit now, before its plan is done. What was recorded stays.

    \b
    Examples:
      hipbar visit stop
      hipbar visit stop calf hurts
    """
    _steered("stop", words)


ORDERS = (pause, resume, skip, mark, note, stop)
"""In the order of the help."""


def _steered(do: str, words: tuple[str, ...]) -> None:
    """One order, and how the visit stands after it. The words become one line."""
    from appliance.commands.reach import reached
    from appliance.commands.visiting.live import running
    from appliance.commands.visiting.words import line

    said = " ".join(" ".join(words).split())
    if len(said) > _LONGEST:
        raise click.UsageError(f"{len(said):,} characters: at most {_LONGEST} are kept with an event")
    with reached(None, start=False) as link:
        before = running(link)
        after = running(link, do, words=said)
    if after:
        click.echo(f"{after.kind} {line(after)}")
    elif before:
        click.echo(f"{before.kind} {before.id} is over; `hipbar visit show {before.id}` shows it")
