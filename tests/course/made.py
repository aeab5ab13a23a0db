"""A short visit, made by hand and measured frame by frame: what the store would have kept of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from msgspec.structs import replace

from appliance.clinic.kept import step_rows
from appliance.clinic.rows import TRACE, BlockRow, EventRow, SpanRow, StretchRow, VisitData, VisitRow
from appliance.clinic.terms import DARK, Aim, Block, Kind, Plan, VisitKind, VisitState
from appliance.config import Settings
from appliance.pipeline import Pipeline
from appliance.records import TRACK, Frame, Step
from appliance.station.recording import Header
from appliance.store.places import placed as at_their_places
from appliance.store.places import sound
from hw.camera.acting import Act
from tests.course.trainee import Learner
from tests.course.treadmill import Seen, Treadmill, fitting

SPAN_S = 15.0
PAUSES = [(25.0, 28.0)]
PLAN = Plan(
    kind=VisitKind.VISIT,
    protocol="retraining",
    number=1,
    visits=8,
    blocks=(Block(kind=Kind.WARM_UP, seconds=10), Block(kind=Kind.FEEDBACK, seconds=30)),
)


class Short:
    """Two spans of one visit, measured frame by frame as on the station: the second with another zero."""

    def __init__(self) -> None:
        self.wanted: tuple[Act, bool] = ("run", False)
        self.attempt = Learner().arrives()
        treadmill = Treadmill(self.attempt, lambda: self.wanted, drawn=False)
        self.frames = treadmill.frames()
        first, second = fitting(treadmill), _zeroed(fitting(treadmill), 1.3)
        spans = [
            self._measured(treadmill, n, settings, at_s)
            for n, settings, at_s in ((0, first, 0.25), (1, second, 21.5))
        ]
        self.trace = [(span.n, track, np.zeros(len(track), TRACE)) for span, track, _ in spans]
        rows = np.concatenate([step_rows(steps, span) for span, _, steps in spans])
        rows["n"] = np.arange(len(rows))
        self.data = data_of(tuple(span for span, _, _ in spans), rows)

    def _measured(
        self, treadmill: Treadmill, n: int, settings: Settings, at_s: float
    ) -> tuple[SpanRow, np.ndarray, list[Step]]:
        pipeline = Pipeline(settings)
        pipeline._sight = Seen(treadmill)  # type: ignore[assignment]
        track, steps, frame = [], [], next(self.frames)
        t0_s = frame.t_s if frame else 0.0
        while isinstance(frame, Frame) and frame.t_s < t0_s + SPAN_S:
            update = pipeline.feed(frame)
            track.append((frame.seq, frame.t_s, update.keypoints.xy_px, update.keypoints.score))
            steps += update.steps
            frame = next(self.frames)
        header = Header.of(settings, treadmill.size, treadmill.rate_hz, 0.0, "test")
        span = SpanRow(
            n=n, at_s=at_s, t0_s=t0_s, boot_id=None, wall_s=1e9, clock_set=True, software="test",
            header=msgspec.json.encode(header).decode(), settings="{}", calibration="{}",
        )  # fmt: skip
        return span, np.array(track, TRACK), steps


def _zeroed(settings: Settings, zero_deg: float) -> Settings:
    return replace(settings, motion=replace(settings.motion, zero_deg=zero_deg))


def data_of(spans: tuple[SpanRow, ...], rows: np.ndarray) -> VisitData:
    visit = VisitRow(
        id=7, runner="R-1", kind=VisitKind.VISIT, protocol="retraining", number=1, state=VisitState.DONE,
        began_s=1e9, clock_set=True, ended_s=1e9 + 40, seconds=40.0, software="test", edition=1, plan=PLAN,
        protocol_text="# none", steps=len(rows),
    )  # fmt: skip
    blocks = (
        BlockRow(n=0, block=PLAN.blocks[0], began_s=0.0, ended_s=10.0),
        BlockRow(n=1, block=PLAN.blocks[1], began_s=10.0),
    )
    lit = (StretchRow(began_s=12.0, aim=Aim(mode="step")), StretchRow(began_s=30.0, aim=DARK))
    events = (
        EventRow(at_s=25.0, wall_s=1e9, kind="pause"),
        EventRow(at_s=26.0, wall_s=1e9, kind="mark"),
        EventRow(at_s=28.0, wall_s=1e9, kind="resume"),
    )
    steps = sound(at_their_places(rows, blocks, lit, PAUSES))
    return VisitData(
        visit=visit, blocks=blocks, stretches=lit, steps=steps, events=events, spans=spans, edition=1
    )


def placed(data: VisitData, steps: np.ndarray) -> np.ndarray:
    """As the store does it."""
    done = sound(at_their_places(steps, data.blocks, data.stretches, PAUSES))
    done["n"] = np.arange(len(done))
    return done


def in_pieces(short: Short, seed: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The trace in other chunks than it came in."""
    rng = np.random.default_rng(seed)
    for n, track, trace in short.trace:
        at = 0
        while at < len(track):
            more = int(rng.integers(1, 400))
            yield n, track[at : at + more], trace[at : at + more]
            at += more
