"""A running visit becomes a screen that is drawn anew until the visit is over, or somebody has seen enough.

Asks the running service twice a second; on a terminal, keys steer the visit. A service that starts anew meanwhile is
waited for: its visit may go on. On what is no terminal each new block is a line. Refuses to wait for a service that
stays away, with `ServiceDown`.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from appliance.commands.options import aside
from appliance.commands.stop import Stop
from appliance.commands.visiting.keys import HINT, LEAVE, heard, order_of
from appliance.commands.visiting.words import screen, standing, whose
from appliance.errors import HipbarError, ServiceDown
from appliance.station.told import Visit

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.station.client import Link
    from appliance.station.told import Gait

EACH_S = 0.5
AWAY_S = 60.0
"""So long is a service waited for that has gone away; systemd starts one that failed again within seconds."""
_SETTLED_S = 5.0
"""A service that has just come back may still be about to let its visit go on."""

_LEFT = "the visit goes on; `hipbar visit follow` shows it again, `hipbar visit stop` ends it"

Draw = Callable[["Visit", "Gait", str], None]
"""Shows one look, and what came of the last key."""


class Look(NamedTuple):
    """The visit that runs, None = none does; and what is measured."""

    visit: Visit | None
    gait: Gait


def follow(link: Link, *, each_s: float = EACH_S, away_s: float = AWAY_S) -> Visit | None:
    """Shows the visit that runs until it is over: how it was last seen; None when it was left running.

    Raises `ServiceDown` when the service does not come back.
    """
    stop, looks = Stop(None), Looks(link.runtime, away_s)
    last, said = None, ""
    with stop.listening(), _drawing() as draw, contextlib.closing(looks), heard(stop) as pressed:
        while not stop():
            seen = looks.look()
            if seen and seen.visit and (last is None or seen.visit.id == last.id):
                last = seen.visit
                draw(last, seen.gait, said)
            elif seen and looks.settled:
                return last
            key = pressed(each_s)
            if key == LEAVE:
                break
            said = looks.steer(order_of(key, paused=last.state == "paused")) if key and last else said
    if last is not None:
        aside(_LEFT)
    return None


def running(link: Link, do: str = "", **fields: Any) -> Visit | None:
    """The visit that runs, after something was asked of it, if anything."""
    found = link.visit(do, **fields)
    return None if found is None else msgspec.convert(found, Visit)


class Looks:
    """What the service says of its visit, over a link of its own that is made again when the service was."""

    def __init__(self, runtime: Path | None, away_s: float) -> None:
        self._runtime, self._away_s = runtime, away_s
        self._link: Link | None = None
        self._gone_s: float | None = None
        self._back_s = -_SETTLED_S

    @property
    def settled(self) -> bool:
        """Whether the service has been there for a while."""
        return time.monotonic() - self._back_s >= _SETTLED_S

    def look(self) -> Look | None:
        """How the visit stands; None while the service is away."""
        from appliance.station.client import Link

        try:
            if self._link is None or self._link.closed:
                self._link = Link.open(self._runtime)
            look = Look(running(self._link), self._link.status().gait)
        except ServiceDown:
            self.close()
            now_s = time.monotonic()
            self._gone_s = self._gone_s or now_s
            if now_s - self._gone_s > self._away_s:
                raise
            return None
        if self._gone_s is not None:
            self._gone_s, self._back_s = None, time.monotonic()
        return look

    def steer(self, do: str) -> str:
        """Has the visit paused, marked, ...; what was wrong with that, in words."""
        try:
            if do and self._link is not None:
                running(self._link, do)
        except HipbarError as error:
            return str(error)
        return ""

    def close(self) -> None:
        """Ends the link."""
        if self._link is not None:
            self._link.close()
            self._link = None


@contextlib.contextmanager
def _drawing() -> Iterator[Draw]:
    """How one look is shown on what standard output is."""
    if not sys.stdout.isatty():
        yield _Lines().draw
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    utf8 = "utf" in (sys.stdout.encoding or "").lower()
    with Live(Text(""), console=Console(highlight=False), auto_refresh=False) as shown:

        def draw(visit: Visit, gait: Gait, said: str) -> None:
            width, height = shutil.get_terminal_size()
            lines = [*screen(visit, gait, width - 1, utf8=utf8), said[: width - 1], HINT[: width - 1]]
            shown.update(Text("\n".join(lines[: max(height - 1, 1)]), no_wrap=True), refresh=True)

        yield draw


class _Lines:
    """A line for each block, pause and end of a pause."""

    def __init__(self) -> None:
        self._said: tuple[object, ...] = ()

    def draw(self, visit: Visit, gait: Gait, said: str) -> None:
        """Says it if it is new."""
        view = visit.view
        new = (visit.id, view and view.block, visit.state, visit.trouble)
        if new != self._said:
            self._said = new
            cue = f'; say: "{view.cue}"' if view and view.cue else ""
            click.echo(f"{visit.kind} {visit.id}, {whose(visit)}: {standing(visit)}{cue}")
            sys.stdout.flush()
