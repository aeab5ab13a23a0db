"""What frames brought becomes files: steps as JSON lines, frames and light as CSV; docs/recordings.md has the columns.

Times are the source's own seconds; numbers are written so that reading them gives the same bits. Absence is an empty
cell or null. Books are kept a chunk of frames at a time, after the light; they refuse nothing but a failing disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.output import Output
from appliance.records import MARKS, MOMENT, TRACK, U8, Shown, Step, Update, plain
from appliance.station.recording import Header, Recorder


class Chunk(msgspec.Struct, frozen=True):
    """Frames in a row and what they brought; the arrays are only lent, until `keep` returns.

    track : (n,) `TRACK`. moments : (n,) `MOMENT`. leds : (n, N, 3) uint8. shown : (n,) uint8, values of `Shown`.
    """

    track: NDArray[np.void]
    moments: NDArray[np.void]
    steps: tuple[Step, ...]
    leds: U8
    shown: U8


class Book(Protocol):
    """Something that is kept about the frames."""

    def keep(self, chunk: Chunk) -> None:
        """Takes in the frames of a chunk."""

    def close(self) -> None:
        """Brings the book to its end."""


class Gathering:
    """Updates, one a frame, become chunks for the books; its memory is taken once."""

    def __init__(self, books: tuple[Book, ...], leds: int, frames: int) -> None:
        self._books = books
        self._track = np.zeros(frames, TRACK)
        self._moments = np.zeros(frames, MOMENT)
        self._leds = np.zeros((frames, leds, 3), np.uint8)
        self._shown = np.zeros(frames, np.uint8)
        self._steps: list[Step] = []
        self._count = 0

    def keep(self, update: Update) -> None:
        """Notes one frame; hands a full chunk on."""
        i = self._count
        row = self._track[i]
        row["seq"], row["t_s"] = update.seq, update.t_s
        row["xy_px"], row["score"] = update.keypoints.xy_px, update.keypoints.score
        self._moments[i] = update.moment
        self._leds[i] = update.leds
        self._shown[i] = update.shown
        self._steps.extend(update.steps)
        self._count = i + 1
        if self._count == len(self._track):
            self.flush()

    def flush(self) -> None:
        """Hands on what is waiting."""
        n, self._count = self._count, 0
        steps, self._steps = tuple(self._steps), []
        if n:
            chunk = Chunk(self._track[:n], self._moments[:n], steps, self._leds[:n], self._shown[:n])
            for book in self._books:
                book.keep(chunk)


class StepsFile:
    """One JSON object a step, in the order in which steps were decided."""

    def __init__(self, path: Path) -> None:
        self._output = Output(path)

    def keep(self, chunk: Chunk) -> None:
        """Writes the chunk's steps."""
        if chunk.steps:
            self._output.write(b"".join(msgspec.json.encode(plain(step)) + b"\n" for step in chunk.steps))

    def close(self) -> None:
        """Ends the file."""
        self._output.close()


class FramesFile:
    """One CSV row a frame: time, obliquity, each mark's place and score, when the pair was exposed."""

    def __init__(self, path: Path) -> None:
        self._output = Output(path)
        marks = [f"{mark}_{what}" for mark in MARKS for what in ("x_px", "y_px", "score")]
        self._output.write((",".join(["t_s", "obliquity_deg", *marks, "exposed_s"]) + "\n").encode())

    def keep(self, chunk: Chunk) -> None:
        """Writes the chunk's frames."""
        n = len(chunk.track)
        table = np.empty((n, 3 + 3 * len(MARKS)))
        table[:, 0] = chunk.track["t_s"]
        table[:, 1] = chunk.moments["obliquity_deg"]
        table[:, 2:-1:3] = chunk.track["xy_px"][:, :, 0]
        table[:, 3:-1:3] = chunk.track["xy_px"][:, :, 1]
        table[:, 4:-1:3] = chunk.track["score"]
        table[:, -1] = chunk.moments["t_s"]
        rows = (",".join("" if v != v else repr(v) for v in row) for row in table.tolist())
        self._output.write(("\n".join(rows) + "\n").encode())

    def close(self) -> None:
        """Ends the file."""
        self._output.close()


class BarFile:
    """One CSV row a frame: time, what the bar shows, and every LED's colour as rrggbb, the runner's left first."""

    def __init__(self, path: Path) -> None:
        self._output = Output(path)
        self._output.write(b"t_s,shown,leds\n")

    def keep(self, chunk: Chunk) -> None:
        """Writes the chunk's light."""
        names = [shown.name.lower() for shown in Shown]
        rows = (
            f"{t_s!r},{names[shown]},{leds.tobytes().hex(' ', 3)}\n"
            for t_s, shown, leds in zip(
                chunk.track["t_s"].tolist(),
                chunk.shown.tolist(),
                np.ascontiguousarray(chunk.leds),
                strict=True,
            )
        )
        self._output.write("".join(rows).encode())

    def close(self) -> None:
        """Ends the file."""
        self._output.close()


class RecordFile:
    """The keypoint recording of the frames; see `appliance.station.recording`."""

    def __init__(self, path: Path, header: Header) -> None:
        self._recorder = Recorder(path, header)

    def keep(self, chunk: Chunk) -> None:
        """Writes the chunk's keypoints."""
        self._recorder.keep(chunk.track)

    def close(self) -> None:
        """Ends the file."""
        self._recorder.close()
