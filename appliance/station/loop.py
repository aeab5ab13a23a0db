"""Frames become light, then books: the station while it runs.

Times are seconds on the camera's clock. The light never waits for the
books: a disk that fails ends the books and is told at the end, while the bar goes on. Refuses nothing itself; a camera
or strip that is lost ends the loop with its own error.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from appliance.config import Settings
from appliance.errors import OutputError
from appliance.pipeline import Pipeline
from appliance.records import U8, Frame, Update
from appliance.station.books import Book, Chunk, Gathering
from appliance.station.laps import Laps
from appliance.station.tally import Delays, Tally

Stop = Callable[[], bool]


class Camera(Protocol):
    """Where frames come from; None means that nothing has come yet, at least every 50 ms."""

    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""

    def frames(self) -> Iterator[Frame | None]:
        """The frames, in the order of time."""


class Strip(Protocol):
    """The bar."""

    def show(self, rgb: U8, /) -> None:
        """Lights all LEDs: (n, 3) uint8."""


class Witness(Protocol):
    """Who is told of every turn after the light, and may end the loop; `Post` is one."""

    @property
    def stop_asked(self) -> bool:
        """Whether the loop is to end."""

    def seen(self, update: Update, now_s: float) -> None:
        """A frame came and brought this."""

    def silent(self, now_s: float) -> None:
        """No frame came."""


class _Tolerant:
    """A file that is given up when its disk fails, with the trouble kept for the end."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.trouble: OutputError | None = None

    def keep(self, chunk: Chunk) -> None:
        if self.trouble is None:
            try:
                self._book.keep(chunk)
            except OutputError as error:
                self.trouble = error

    def close(self) -> None:
        self._book.close()


class Ledger:
    """The books of a running station: sums, delays and files; a failing file is told at the end, the light goes on."""

    def __init__(self, tally: Tally, files: tuple[Book, ...], leds: int, frames: int) -> None:
        self._files = [_Tolerant(book) for book in files]
        self._gathering = Gathering((tally, *self._files), leds, frames)
        self.delays, self.ages = Delays(), Delays()
        self.laps = Laps()

    @property
    def trouble(self) -> OutputError | None:
        """What the first failing file had to say."""
        return next((book.trouble for book in self._files if book.trouble), None)

    def keep(self, update: Update, delay_s: float, age_s: float) -> None:
        """Notes one frame, the delay from its being in memory to its colours, and its age when they were lit."""
        self.delays.add(delay_s)
        self.ages.add(age_s)
        self._gathering.keep(update)

    def flush(self) -> None:
        """Brings what is waiting into the books."""
        self._gathering.flush()


def warmed(settings: Settings) -> Pipeline:
    """A pipeline whose compiled code is loaded and has run, with nothing left for the garbage collector to walk.

    Freezing what exists now cut the longest pause of the loop from 107 to 5 ms when it was tried.
    """
    picture = np.zeros((64, 64), np.uint8)
    trial = Pipeline(settings)
    for seq in range(3):
        trial.feed(Frame(seq, seq / 120, picture))
    trial.idle(1.0)
    pipeline = Pipeline(settings)
    gc.collect()
    gc.freeze()
    return pipeline


def watch(
    camera: Camera, strip: Strip, pipeline: Pipeline, ledger: Ledger, post: Witness, stop: Stop
) -> None:
    """Until `stop` says so or the camera ends: read a frame, feed it, show the light first, keep the books after."""
    laps = ledger.laps
    for frame in camera.frames():
        if stop() or post.stop_asked:
            break
        if frame is None:
            now_s = camera.now_s()
            strip.show(pipeline.idle(now_s)[0])
            post.silent(now_s)
            continue
        laps.start()
        update = pipeline.feed(frame, laps.lap)
        strip.show(update.leds)
        laps.lap()
        now_s = camera.now_s()
        post.seen(update, now_s)
        ledger.keep(update, laps.end(now_s - update.t_s), now_s - update.t_s)
