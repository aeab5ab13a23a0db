"""The newest of a `Feed` becomes screens in the terminal, one after the other, and keys what is tried.

textual keeps the terminal (modes, keys, size, its way back) and draws whole screens; what changes between two of them
is written beside it (see `paint`). Behind each screen the terminal is asked where its cursor is; until it has answered,
nothing more is drawn (see `pace`). Refuses to let a slow terminal hold anything up: only the drawing waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual import events
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from appliance.commands.watching import keys, paint
from appliance.commands.watching.feed import Feed
from appliance.commands.watching.glass import ASK, Sheet, Terminal
from appliance.commands.watching.ink import Ink
from appliance.commands.watching.pace import Pace
from appliance.commands.watching.page import Page
from appliance.commands.watching.still import Still, take
from appliance.commands.watching.view import View
from appliance.errors import HipbarError

if TYPE_CHECKING:
    from appliance.station.client import Link

_NOTE_S = 8.0
_LOOK_S = 0.5
"""So often at least the screen is looked after: ages grow also when nothing comes."""

SLOW = {"full": "", "coarse": "slow line", "dots": "slow line"}


class Watch(App[None]):
    """The program between the feed and the terminal."""

    CSS = "Screen { background: ansi_default; }"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [Binding("ctrl+c", "quit", priority=True), Binding("ctrl+q", "quit", priority=True)]

    def __init__(self, feed: Feed, ink: Ink, pace: Pace, save: Callable[[Still, View], str]) -> None:
        super().__init__(driver_class=Terminal, ansi_color=True)
        self._feed, self._page, self._pace, self._save = feed, Page(ink), pace, save
        self._something = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._note, self._note_s = "", -1e9
        self._sheet = Sheet()
        self._helping = self._leaving = False
        self._still: Still | None = None
        self._still_view: View | None = None
        self._drawn_from = 0
        self._began_s = self._frame_age_s = 0.0
        self._screen_s: float | None = None
        self.until_s: float | None = None

    def compose(self) -> ComposeResult:
        """The one widget."""
        yield self._sheet

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """None: its keys are all there is."""
        return ()

    async def on_mount(self) -> None:
        """Begins to listen and to draw."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._loop.add_signal_handler(number, self._leave, 128 + number)
        self._wish()
        self._feed.start(lambda: self.in_turn(self._something.set))
        self.run_worker(self._lasting(), exclusive=True)

    def gone(self) -> None:
        """There is no terminal any more."""
        self._leave(128 + signal.SIGHUP)

    def _leave(self, code: int = 0) -> None:
        """The one way out, whoever asks first."""
        if not self._leaving:
            self._leaving = True
            self.exit(return_code=code)

    async def action_quit(self) -> None:
        """Ctrl-C."""
        self._leave()

    def on_resize(self) -> None:
        """Another size: everything anew."""
        self._something.set()

    def in_turn(self, act: Callable[[], None]) -> None:
        """Has something done by the drawing thread; for threads of the feed and the driver."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(act)

    def answered(self) -> None:
        """The terminal has drawn a screen."""
        now_s = time.monotonic()
        self._pace.answered(now_s)
        if self._pace.screen_s is not None:
            self._screen_s = self._frame_age_s + self._pace.screen_s
        self._wish()
        self._something.set()

    def post_display_hook(self) -> None:
        """textual has drawn something by itself, mostly all of it."""
        if isinstance(self._driver, Terminal):
            self._sent(self._driver)

    def _sent(self, driver: Terminal) -> None:
        """A screen is on its way, if anything was written: the question goes behind it."""
        size = driver.written - self._drawn_from
        if size > 0:
            now_s = time.monotonic()
            if self._pace.answers:
                driver.write(ASK)
            self._pace.sent(now_s, size, now_s - self._began_s)
            self._drawn_from = driver.written

    def say(self, note: str) -> None:
        """Puts a line above the keys for some seconds."""
        self._note, self._note_s = note, time.monotonic()
        self._something.set()

    async def on_key(self, event: events.Key) -> None:
        """One key."""
        key = event.character or event.key
        if key == "q":
            self._leave()
        elif key == "?":
            self._helping = not self._helping
            self._something.set()
        elif event.key == "escape" and self._helping:
            self._helping = False
            self._something.set()
        elif key == "f":
            self._freeze()
        elif key == "s":
            self._snapshot()
        elif key == "u":
            self._ask(lambda link: link.unset(), "everything that was tried is taken back")
        elif values := keys.tried(key, self._feed.knobs):
            self._ask(lambda link: link.set(values, keep=True), keys.said(values))

    def view(self) -> View:
        """Everything as it is now, or as it was frozen."""
        live = msgspec.structs.replace(
            self._feed.view(),
            screen_s=self._screen_s,
            screens_hz=self._pace.screens_hz(),
            slow=SLOW[self._pace.detail],
        )
        view = live if self._still_view is None else self._still_view
        note = self._note if time.monotonic() - self._note_s < _NOTE_S else ""
        return msgspec.structs.replace(view, note=note, helping=self._helping, away_s=live.away_s)

    async def _lasting(self) -> None:
        """Draws whenever there is something new, the terminal is ready and it is time."""
        while self.until_s is None or time.monotonic() < self.until_s:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), _LOOK_S)
            self._something.clear()
            self._pace.waited(time.monotonic())
            if self._pace.busy:
                continue
            await asyncio.sleep(max(self._pace.due_s() - time.monotonic(), 0.0))
            if self._leaving:
                return
            self._draw()
        self._leave()

    def _draw(self) -> None:
        self._began_s = time.monotonic()
        view = self.view()
        sheet, driver = self._sheet, self._driver
        before, sheet.canvas = sheet.canvas, self._page.draw(view, *self.size, self._pace.detail)
        self._frame_age_s = view.age_s or 0.0
        if not isinstance(driver, Terminal) or not paint.same(before, sheet.canvas):
            sheet.refresh()
        elif text := paint.changes(before, sheet.canvas):
            driver.write(text)
            self._sent(driver)

    def _wish(self) -> None:
        """What to ask of the service now: a picture that the terminal can draw, or none."""
        wide, high = self._page.picture_size(*self.size) if self._pace.detail != "dots" else (0, 0)
        turned = self._feed.mount.rotate_deg in (90, 270)
        self._feed.size = (high, wide) if turned else (wide, high)

    def _ask(self, question: Callable[[Link], object], said: str) -> None:
        """Asks the service for something, and says that it was done or why not."""

        def job(link: Link) -> None:
            try:
                question(link)
                words = said
            except HipbarError as error:
                words = f"{error}; {error.fix}"
            self.in_turn(lambda: self.say(words))

        self._feed.do(job)
        self._feed.look_again()

    def _freeze(self) -> None:
        if self._still is not None:
            self._still = self._still_view = None
            self._something.set()
            return
        self._taken(self._stop_here)

    def _snapshot(self) -> None:
        if self._still is not None and self._still_view is not None:
            self._saved(self._still, self._still_view)
        else:
            self._taken(lambda still: self._saved(still, still.on(self.view())))

    def _taken(self, then: Callable[[Still], None]) -> None:
        """Takes a whole picture with its dots; what then, in the drawing thread."""

        def job(link: Link) -> None:
            try:
                still = take(link, self._feed)
            except HipbarError as error:
                words = f"no picture: {error}; {error.fix}"
                self.in_turn(lambda: self.say(words))
            else:
                self.in_turn(lambda: then(still))

        self._feed.do(job)

    def _stop_here(self, still: Still) -> None:
        self._still_view = still.on(self.view())
        self._still = still
        self._something.set()

    def _saved(self, still: Still, view: View) -> None:
        try:
            self.say(f"saved: {self._save(still, view)}")
        except HipbarError as error:
            self.say(f"{error}; {error.fix}")
