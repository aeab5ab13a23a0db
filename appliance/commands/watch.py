"""What the station sees and shows becomes a live screen in the terminal; keys try other settings, nothing is kept."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.commands.options import FILE, finite
from appliance.commands.reach import CONFIG, reached

if TYPE_CHECKING:
    from appliance.commands.watching.feed import Feed
    from appliance.commands.watching.ink import Ink
    from appliance.commands.watching.pace import Pace

_ONCE_S, _FIRST_S = 1.0, 10.0
_NICE = 10


@click.command(name="watch")
@click.option(
    "--config", type=FILE, default=CONFIG, show_default=True, help="Settings, when the service is stopped."
)
@click.option("--once", is_flag=True, help="Print one screen as plain text and end; needs no terminal.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    callback=finite,
    help="End after so long; with --once: look so long first.",
)
@click.option(
    "--folder", type=FILE, default=Path(), help="Where the key s puts its PNG files; default: here."
)
@click.option(
    "--plain", is_flag=True, help="Draw with ASCII characters, whatever the terminal says of itself."
)
def command(config: Path, once: bool, seconds: float | None, folder: Path, plain: bool) -> int:
    """Watch what the station sees and shows, live, in this terminal.

    The camera's picture with the dots that were found, the bar as the runner sees it, each side's figures and the
    obliquity of the last seconds. Draws as often as the terminal can take it, up to ten times a second. Keys change
    mode, brightness, threshold and band of the running station until it ends; nothing goes into the settings file.

    \b
    Examples:
      hipbar watch
      hipbar watch --folder ~/snapshots
      hipbar watch --once --seconds 5
    """
    if once:
        return _once(config, seconds or _ONCE_S)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(
            "watch draws on a terminal, and this is none; `hipbar watch --once` prints one screen, "
            "`hipbar status --json` is for scripts"
        )
    return _live(config, seconds, folder, plain)


def _live(config: Path, seconds: float | None, folder: Path, plain: bool) -> int:
    from appliance.commands.watching.screen import Watch
    from appliance.commands.watching.still import save

    with _fed(config) as feed:
        ink, pace, word = _terminal(plain)
        app = Watch(feed, ink, pace, lambda still, view: save(still, view, folder))
        app.until_s = None if seconds is None else time.monotonic() + seconds
        if word:
            app.say(word)
        with contextlib.suppress(OSError):
            os.nice(_NICE)  # the station goes first, also where it has no priority of its own
        app.run(mouse=False)
        return app.return_code or 0


def _once(config: Path, seconds: float) -> int:
    from appliance.commands.watching.ink import Depth, Ink
    from appliance.commands.watching.page import SMALLEST, Page
    from appliance.errors import ServiceDown

    with _fed(config) as feed:
        page = Page(Ink(Depth.NONE, _stdout_is_utf8()))
        feed.size = page.picture_size(*SMALLEST)
        feed.start()
        began_s = time.monotonic()
        while time.monotonic() - began_s < seconds or (feed.told is None or not feed.knobs.mode):
            if time.monotonic() - began_s > max(_FIRST_S, seconds):
                why = feed.why_away or "nothing came"
                raise ServiceDown(f"the service says nothing: {why}", fix="`hipbar status` says how it is")
            time.sleep(0.05)
        click.echo(page.draw(feed.view(), *SMALLEST).text())
    return 0


@contextlib.contextmanager
def _fed(config: Path) -> Iterator[Feed]:
    """What the running service tells, or one that is started for as long as this lasts."""
    from appliance.commands.watching.feed import Feed
    from appliance.station.client import Link

    with reached(config) as first:
        runtime = first.runtime
        first.close()
        with contextlib.closing(Feed(lambda: Link.open(runtime))) as feed:
            yield feed


def _terminal(plain: bool) -> tuple[Ink, Pace, str]:
    """What the terminal can draw, how soon it answers, and a word for the person when it can't do something."""
    from appliance.commands.watching.ink import Depth, Ink
    from appliance.commands.watching.pace import Pace
    from appliance.commands.watching.probe import ask, depth_of, names_utf8

    found = ask(sys.stdin.fileno(), sys.stdout.fileno())
    utf8 = names_utf8(os.environ) if found.utf8 is None else found.utf8
    console = os.environ.get("TERM") == "linux"  # its 512 signs have the blocks, but no Braille
    ink = Ink(depth_of(os.environ), utf8 and _stdout_is_utf8() and not plain, not console)
    pace = Pace(found.round_s)
    if plain:
        return ink, pace, ""
    if not pace.answers:
        return ink, pace, "this terminal does not answer: one plain screen a second"
    if not ink.utf8:
        return ink, pace, "this terminal draws no UTF-8: drawn with letters"
    if ink.depth is Depth.NONE:
        return ink, pace, "no colours: drawn with letters"
    return ink, pace, ""


def _stdout_is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
