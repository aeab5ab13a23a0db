"""Frames become light, then books: the station while it runs.

Times are the camera's seconds; where no frame comes, its clock is carried on by ours. The light never waits for the
books: a disk that fails ends the books and is told at the end, while the bar goes on. Refuses nothing itself; a camera
or strip that is lost ends the loop with its own error, after the bar has shown "no data".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from appliance.errors import HipbarError, OutputError
from appliance.pipeline import Pipeline
from appliance.records import U8, Frame, Update
from appliance.station.books import Book, Gathering
from appliance.station.tally import Delays

Stop = Callable[[], bool]


class Camera(Protocol):
    """Where frames come from; None means that nothing has come yet, at least every 50 ms."""

    def frames(self) -> Iterator[Frame | None]:
        """The frames, in the order of time."""


class Strip(Protocol):
    """The bar."""

    def show(self, rgb: U8, /) -> None:
        """Lights all LEDs: (n, 3) uint8."""


class Ledger:
    """The books of a running station: a failing disk is kept for the end, not thrown at the light."""

    def __init__(self, books: tuple[Book, ...], leds: int, frames: int) -> None:
        self._gathering = Gathering(books, leds, frames)
        self.trouble: OutputError | None = None
        self.delays = Delays()

    def keep(self, update: Update, delay_s: float) -> None:
        """Notes one frame and the delay from its being in memory to its colours."""
        self.delays.add(delay_s)
        if self.trouble is None:
            try:
                self._gathering.keep(update)
            except OutputError as error:
                self.trouble = error

    def flush(self) -> None:
        """Brings what is waiting into the books."""
        if self.trouble is None:
            try:
                self._gathering.flush()
            except OutputError as error:
                self.trouble = error


def watch(
    camera: Camera, strip: Strip, pipeline: Pipeline, ledger: Ledger, *, stop: Stop, no_data: U8
) -> None:
    """Runs until `stop` says so or the camera ends; `no_data` is what an unfed bar shows."""
    last_s = came_s = float("nan")
    try:
        for frame in camera.frames():
            if stop():
                break
            if frame is None:
                unseen = last_s != last_s  # NaN: no frame yet, so no clock to carry on
                strip.show(no_data if unseen else pipeline.idle(last_s + time.monotonic() - came_s)[0])
                continue
            began_s = time.perf_counter()
            update = pipeline.feed(frame)
            lit_s = time.perf_counter()
            strip.show(update.leds)
            ledger.keep(update, lit_s - began_s)
            last_s, came_s = frame.t_s, time.monotonic()
    except HipbarError:
        strip.show(no_data)
        raise
    finally:
        ledger.flush()
