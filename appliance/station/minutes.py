"""What happens in a visit and what is seen meanwhile become items for the store, in the order in which they happened.

Belongs to the loop's thread. Visit time is camera time shifted by one sum a span. Refuses nothing: the writer bears a
card that is full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.kept import step_rows
from appliance.clinic.rows import TRACE, SpanRow
from appliance.clinic.terms import DARK, Act, Aim, Progress, VisitState
from appliance.config import Settings
from appliance.station.books import Chunk
from appliance.station.recording import Header
from appliance.station.wallclock import Note
from appliance.store.items import Happened, Second, Span
from appliance.store.writer import Writer

if TYPE_CHECKING:
    # it brings all compiled code with it, which a cold start has not made yet
    from appliance.pipeline import Pipeline


class Stretch(msgspec.Struct, frozen=True):
    """What the visit needs of the loop that runs. lost : the frames that its camera has missed so far.

    settings : those that the loop was made with; those in force are the pipeline's. revision : of the calibration in
    force, JSON. flush : brings the frames that wait into the books.
    """

    pipeline: Pipeline
    header: Header
    settings: Settings
    revision: str
    lost: Callable[[], int]
    flush: Callable[[], None]

    @property
    def aim(self) -> Aim:
        """What the bar shows, whoever wanted it."""
        feedback = self.pipeline.settings.feedback
        if feedback.mode == "off" or not self.pipeline.sides_proved:
            return DARK
        return Aim(mode=feedback.mode, target_deg=feedback.target_deg, band_deg=feedback.band_deg)


class Minutes:
    """The record of one visit, as far as this process makes it. spans : how many it has already."""

    def __init__(self, writer: Writer, visit: int, spans: int, note: Callable[[], Note]) -> None:
        self._writer, self._visit, self._spans, self._note = writer, visit, spans, note
        self._span: SpanRow | None = None
        self._lost = 0
        self._missed: Callable[[], int] = lambda: 0

    @property
    def on(self) -> bool:
        """Whether frames belong to a span now."""
        return self._span is not None

    def leave(self) -> None:
        """The loop has ended."""
        self._span = None

    def begin(self, stretch: Stretch, t_s: float, at_s: float) -> None:
        """From this frame on one pipeline runs, which knew nothing before it."""
        note = self._note()
        self._missed, self._lost = stretch.lost, stretch.lost()
        self._span = SpanRow(
            n=self._spans,
            at_s=at_s,
            t0_s=t_s,
            boot_id=note.boot_id,
            wall_s=note.wall_s,
            clock_set=note.synchronised,
            software=stretch.header.software,
            header=msgspec.json.encode(stretch.header).decode(),
            settings=msgspec.json.encode(stretch.pipeline.settings).decode(),
            calibration=stretch.revision,
        )
        self._spans += 1
        self._writer.post(Span(visit=self._visit, span=self._span))

    def keep(self, chunk: Chunk, progress: Progress) -> None:
        """A second of frames; the chunk is only lent."""
        span = self._span
        if span is None:
            return
        missed = self._missed()
        second = Second(
            visit=self._visit,
            span=span.n,
            track=chunk.track.copy(),
            trace=_trace(chunk, span.at_s - span.t0_s),
            steps=step_rows(chunk.steps, span),
            progress=progress,
            lost=missed - self._lost,
        )
        self._lost = missed
        self._writer.post(second)

    def happened(self, act: Act, progress: Progress, state: VisitState) -> None:
        """One act of the visit."""
        wall_s = self._note().wall_s
        self._writer.post(Happened(visit=self._visit, act=act, wall_s=wall_s, progress=progress, state=state))


def _trace(chunk: Chunk, shift_s: float) -> NDArray[np.void]:
    """The chunk's frames as they are kept, in the visit's own time."""
    rows = np.empty(len(chunk.moments), TRACE)
    for name in ("obliquity_deg", "sway_px", "height_px", "posture"):
        rows[name] = chunk.moments[name]
    rows["t_s"] = chunk.moments["t_s"] + shift_s
    rows["shown"] = chunk.shown
    return rows
