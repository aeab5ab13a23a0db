"""What the clinic's commands have in common: which folder, its store, the shell's completions, dates and progress.

Wall seconds since 1970 are shown in this machine's time zone. Light, because `--help` imports it. Refuses nothing
itself: the store says what is wrong with a folder.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from appliance.commands.options import FILE

if TYPE_CHECKING:
    from appliance.store.store import Store

_F = TypeVar("_F", bound=Callable[..., Any])

Ticked = Callable[[float, float], None]
"""How a long operation says how far it is: done, of how much, in any unit."""

_YEAR_10000_S = 253_402_300_800


def state_option(command: _F) -> _F:
    """Adds `--state DIR` to a command, which gets it as `state: Path | None`, for `folder` or `opened`."""
    return click.option(
        "--state",
        type=FILE,
        help="The station's folder.  [default: HIPBAR_STATE, or service.state of the settings]",
    )(command)


def json_option(command: _F) -> _F:
    """Adds `--json` to a command, which gets it as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def folder(state: Path | None) -> Path:
    """The station's folder: as asked, else HIPBAR_STATE, else the settings' `service.state`."""
    from appliance.commands.status import state_folder

    return state or state_folder()


def opened(state: Path | None, *, make: bool = False) -> Store:
    """The clinic's store, for a `with` statement; `make` makes it where there is none yet.

    Raises `StoreError` for a store that is not there, damaged, newer than the program, or another user's.
    """
    from appliance.store.store import Store

    return Store.open(folder(state), make=make)


def told(value: Any) -> None:
    """Prints a value as one line of JSON; what is not a number becomes null."""
    import msgspec

    click.echo(msgspec.json.encode(value).decode())


def date(wall_s: float | None) -> str:
    """Wall seconds as this machine's date and time, or a dash."""
    if wall_s is None or not 0 <= wall_s < _YEAR_10000_S:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall_s))


def span(seconds: float | None) -> str:
    """Seconds as minutes and seconds, or a dash."""
    if seconds is None or seconds != seconds:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def counted(number: int, word: str) -> str:
    """A number and what is counted: "1 visit", "2,000 visits"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


@contextlib.contextmanager
def progress(words: str) -> Iterator[Ticked]:
    """A line on standard error that fills up while something long goes on; none where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda done, whole: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(words, total=None)
        yield lambda done, whole: shown.update(task, completed=done, total=whole)


def runner_codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell's completion: the runners that there are."""
    from appliance.errors import HipbarError

    with contextlib.suppress(HipbarError), opened(ctx.params.get("state")) as store:
        codes = [row.code for row in store.runners()]
        return [CompletionItem(code) for code in codes if code.startswith(incomplete.upper())]
    return []
