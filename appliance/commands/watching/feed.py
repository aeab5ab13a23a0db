"""Streams of the control link become the newest of everything, kept for whoever draws next.

Two threads, each with a connection of its own: live messages and questions (status, settings, what keys ask for), and
every frame's marks. They read as fast as things come, so nothing is ever old because it waited here; what came in
between two screens is gone. A service that goes away is asked for again each half second. Times are seconds of
CLOCK_MONOTONIC. Refuses nothing: an error is told and the next try made.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from appliance.commands.visiting.words import short
from appliance.commands.watching.view import (
    NO_PAST,
    SPAN_S,
    Facts,
    Health,
    Knobs,
    Mount,
    Past,
    Told,
    View,
)
from appliance.errors import HipbarError
from appliance.station.link import Hello, Live

if TYPE_CHECKING:
    from appliance.station.client import Link

LIVE_HZ = 5.0
"""So many pictures and figures a second: each takes the service's processor half a millisecond beside the loop."""

_AGAIN_S = 0.5
_LOOK_EACH_S, _VISIT_EACH_S = 2.0, 1.0
_KEPT_S = SPAN_S + 1.0


class Feed:
    """The newest of everything; its threads end with `close`."""

    def __init__(self, open_link: Callable[[], Link], wake: Callable[[], None] = lambda: None) -> None:
        self._open_link, self._wake = open_link, wake
        self.told: Told | None = None
        self.facts, self.mount, self.knobs, self.health = Facts(), Mount(), Knobs(), Health()
        self.away_since_s: float | None = None
        self.why_away = ""
        self.size: tuple[int, int] = (0, 0)
        """The picture's largest size; 0 = none is wanted."""
        self._rows: deque[NDArray[np.void]] = deque()
        self._jobs: queue.SimpleQueue[Callable[[Link], None]] = queue.SimpleQueue()
        self._looked_s = -1e9
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._lasting, args=(part, told), name=part.__name__, daemon=True)
            for part, told in ((self._hear, self._away), (self._follow, lambda _: None))
        ]

    def start(self, wake: Callable[[], None] | None = None) -> None:
        """Begins; `wake` is called, in a thread of the feed, whenever something new is there."""
        self._wake = wake or self._wake
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends; the threads are gone within a second, whatever the service does."""
        self._ended.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(1.0)

    def do(self, job: Callable[[Link], None]) -> None:
        """Has something asked of the service, in a thread of the feed."""
        self._jobs.put(job)

    def look_again(self) -> None:
        """Status and settings are asked for at once."""
        self.do(self._look)

    def row(self, seq: int) -> np.void | None:
        """The marks of one frame, while they are kept."""
        for rows in reversed(tuple(self._rows)):
            found = np.flatnonzero(rows["seq"] == seq)
            if len(found):
                return rows[int(found[0])]  # type: ignore[no-any-return]
        return None

    def past(self) -> Past:
        """The last seconds, frame by frame."""
        rows, told = tuple(self._rows), self.told
        if not rows:
            return NO_PAST
        t_s = np.concatenate([part["t_s"] for part in rows])
        recent = t_s > t_s[-1] - SPAN_S
        degrees = np.concatenate([part["obliquity_deg"] for part in rows])
        return Past(t_s=t_s[recent], obliquity_deg=degrees[recent], steps=told.steps if told else ())

    def view(self) -> View:
        """Everything as it is now."""
        now_s, told = time.monotonic(), self.told
        return View(
            told=told,
            facts=self.facts,
            mount=self.mount,
            knobs=self.knobs,
            health=self.health,
            past=self.past(),
            away_s=None if self.away_since_s is None else now_s - self.away_since_s,
            age_s=None if told is None or told.age_ms is None else told.age_ms / 1e3 + now_s - told.came_s,
        )

    def _lasting(self, part: Callable[[Link], None], failed: Callable[[str], None]) -> None:
        """One part of the feed, over and over while the service comes and goes."""
        while not self._ended.is_set():
            try:
                with contextlib.closing(self._open_link()) as link:
                    part(link)
            except (HipbarError, OSError) as error:
                failed(str(error))
            self._ended.wait(_AGAIN_S)

    def _away(self, why: str) -> None:
        """The service is not there; what was asked of it meanwhile is not done when it is back."""
        if self.away_since_s is None:
            self.away_since_s = time.monotonic()
        self.why_away = why
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()
        self._wake()

    def _hear(self, link: Link) -> None:
        self._look(link)
        while not self._ended.is_set():
            size = self.size
            with contextlib.closing(link.live(LIVE_HZ, size)) as messages:
                for message in messages:
                    self._take(told_of(message, time.monotonic()))
                    self._work(link)
                    if self._ended.is_set() or self.size != size:
                        break

    def _work(self, link: Link) -> None:
        """What was asked for since the last message; a look from time to time."""
        each_s = _LOOK_EACH_S if self.facts.width_px else _AGAIN_S  # a camera that comes is soon known
        each_s = min(each_s, _VISIT_EACH_S) if self.health.visit else each_s
        if time.monotonic() - self._looked_s > each_s:
            self._look(link)
        with contextlib.suppress(queue.Empty):
            while not self._ended.is_set():
                self._jobs.get_nowait()(link)

    def _take(self, told: Told) -> None:
        self.told = told
        self.away_since_s = None
        self._wake()

    def _follow(self, link: Link) -> None:
        self._rows.clear()
        for rows in link.follows():
            if len(rows):
                self._rows.append(rows)
            while len(self._rows) > 1 and self._rows[0]["t_s"][-1] < self._rows[-1]["t_s"][-1] - _KEPT_S:
                self._rows.popleft()
            self._wake()
            if self._ended.is_set():
                return

    def _look(self, link: Link) -> None:
        self._looked_s = time.monotonic()
        hello, status, told = link.hello(), link.status(), link.settings()
        self.facts = facts_of(hello)
        ages = status.light_age_ms
        self.health = Health(
            rate_hz=status.rate_hz,
            lost=status.lost,
            p50_ms=ages.p50,
            p99_ms=ages.p99,
            trouble=status.troubles[0] if status.troubles else "",
            visit=short(status.visit) if status.visit else "",
        )
        self.mount, self.knobs = mount_of(told["settings"]), knobs_of(told["settings"], told["tried"])
        self._wake()


def facts_of(hello: Hello) -> Facts:
    """Who the service is; without a camera yet, its size is 0."""
    return Facts(
        width_px=hello.width_px or 0,
        height_px=hello.height_px or 0,
        rate_hz=hello.rate_hz or 0.0,
        leds=hello.leds or 0,
        software=hello.software,
    )


def told_of(message: Live, came_s: float) -> Told:
    """A live message with its bytes as arrays."""
    luma = np.frombuffer(message.luma, np.uint8)
    unseen = np.full((4, 2), np.nan)
    return Told(
        seq=-1 if message.seq is None else message.seq,
        t_s=float("nan") if message.t_s is None else message.t_s,
        came_s=came_s,
        age_ms=None if message.age_ms is None else message.age_ms + (message.quiet_ms or 0.0),
        state=message.state,
        shown=message.shown,
        mode=message.mode,
        moment=message.moment,
        xy_px=unseen if message.xy_px is None else np.asarray(message.xy_px, np.float64).reshape(4, 2),
        score=np.asarray(message.score, np.float64),
        leds=np.frombuffer(message.leds, np.uint8).reshape(-1, 3),
        steps=tuple((contact_s, off_s, stance[:1].upper()) for stance, contact_s, off_s in message.steps),
        missed=message.missed,
        luma=luma.reshape(message.height, message.width),
    )


def mount_of(settings: dict[str, Any]) -> Mount:
    """How the picture is turned, from the settings in force."""
    camera = settings.get("camera", {})
    return Mount(rotate_deg=camera.get("rotate_deg", 0), mirror=camera.get("mirror", False))


def knobs_of(settings: dict[str, Any], tried: dict[str, Any]) -> Knobs:
    """What keys can change, from the settings in force."""
    return Knobs(
        mode=settings.get("feedback", {}).get("mode", ""),
        brightness=settings.get("strip", {}).get("brightness"),
        contrast=settings.get("sight", {}).get("contrast"),
        band_deg=settings.get("feedback", {}).get("band_deg"),
        tried=tried,
    )
