"""A source that lies in a file becomes updates as fast as they can be made, and every frame goes into the books.

Times are the source's own; there is no clock here, so two runs give the same bytes. What the source refuses midway is
passed on after the frames before it are in the books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from appliance.pipeline import Pipeline
from appliance.records import Frame
from appliance.station.books import Book, Chunk, Gathering
from appliance.station.recording import Recording

Progress = Callable[[int], None]
"""Told how many more frames are done."""


def replay_frames(
    frames: Iterable[Frame | None], pipeline: Pipeline, leds: int, books: tuple[Book, ...], progress: Progress
) -> None:
    """Feeds pictures one by one."""
    gathering = Gathering(books, leds, frames=64)
    try:
        for frame in frames:
            if frame is not None:
                gathering.keep(pipeline.feed(frame))
                progress(1)
    finally:
        gathering.flush()


def replay_keypoints(
    recording: Recording, pipeline: Pipeline, books: tuple[Book, ...], progress: Progress, frames: int = 4096
) -> None:
    """Feeds recorded keypoints, many frames at once."""
    header = recording.header
    size = (header.width_px, header.height_px)
    for track in recording.tracks(frames):
        times, xy = (np.ascontiguousarray(track[key]) for key in ("t_s", "xy_px"))
        batch = pipeline.replay(times, xy, header.row_s, size)
        chunk = Chunk(track, batch.moments, batch.steps, batch.leds, batch.shown)
        for book in books:
            book.keep(chunk)
        progress(len(track))
