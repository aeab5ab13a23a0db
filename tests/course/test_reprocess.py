"""Steps computed anew: the same bits under the same edition, and every difference told under another."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from appliance.clinic.kept import step_rows
from appliance.clinic.rows import (
    STEP,
    TRACE,
    BlockRow,
    EventRow,
    SpanRow,
    StretchRow,
    VisitData,
    VisitRow,
)
from appliance.clinic.terms import DARK, Aim, Block, Kind, VisitKind, VisitState
from appliance.config import Settings
from appliance.errors import StoreError
from appliance.pipeline import Pipeline
from appliance.records import TRACK, Frame, Step
from appliance.station.recording import Header
from appliance.station.reprocess import anew, compared
from appliance.store.places import placed as at_their_places
from appliance.store.places import sound
from hw.camera.acting import Act
from tests.course.trainee import Learner
from tests.course.treadmill import Seen, Treadmill, fitting

SPAN_S = 15.0
PAUSES = [(25.0, 28.0)]


class _Short:
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
        self.data = _data(tuple(span for span, _, _ in spans), rows)

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


def _data(spans: tuple[SpanRow, ...], rows: np.ndarray) -> VisitData:
    visit = VisitRow(
        id=7, runner="R-1", kind=VisitKind.VISIT, protocol="retraining", number=1, state=VisitState.DONE,
        began_s=1e9, clock_set=True,
    )  # fmt: skip
    blocks = (
        BlockRow(n=0, block=Block(kind=Kind.WARM_UP, seconds=10), began_s=0.0, ended_s=10.0),
        BlockRow(n=1, block=Block(kind=Kind.FEEDBACK, seconds=30), began_s=10.0),
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


@pytest.fixture(scope="module")
def short() -> _Short:
    return _Short()


def in_pieces(short: _Short, seed: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The trace in other chunks than it came in."""
    rng = np.random.default_rng(seed)
    for n, track, trace in short.trace:
        at = 0
        while at < len(track):
            more = int(rng.integers(1, 400))
            yield n, track[at : at + more], trace[at : at + more]
            at += more


@pytest.mark.parametrize("seed", range(5))
def test_steps_of_the_same_edition_are_the_same_bits_however_the_trace_is_cut(
    short: _Short, seed: int
) -> None:
    steps = placed(short.data, anew(short.data, in_pieces(short, seed)))
    assert len(steps) > 60
    assert steps.tobytes() == short.data.steps.tobytes()
    told = compared(short.data, steps, 1)
    assert told.same
    assert (told.added, told.lost, told.moved) == (0, 0, 0)


def test_every_step_knows_its_block_its_light_and_its_pause(short: _Short) -> None:
    steps = short.data.steps
    at_s = steps["contact_s"]
    assert ((steps["block"] == 0) == (at_s < 10)).all()
    assert ((steps["lit"] == 1) == ((at_s >= 12) & (at_s < 30))).all()
    assert ((steps["paused"] == 1) == ((at_s >= 25) & (at_s < 28))).all()
    assert {0, 1} == set(steps["lit"]) == set(steps["paused"]) == set(steps["block"])


def test_the_zero_of_each_span_is_its_own(short: _Short) -> None:
    step_s = short.attempt.runner.step_s
    true = {round(step.contact_s / step_s): step for step in short.attempt.steps(0.0, 2 * SPAN_S)}
    for span, tilt_deg in zip(short.data.spans, (1.3, 0.0), strict=True):
        since_s = span.at_s + 2.0  # the first steps glide in from standing
        steps = short.data.steps
        steps = steps[(steps["span"] == span.n) & (steps["contact_s"] > since_s)]
        numbers = np.rint((steps["contact_s"] - span.at_s + span.t0_s) / step_s)
        truth = [true[int(k)] for k in numbers]
        assert [one.right for one in truth] == list(steps["right"] == 1)
        off = steps["peak_drop_deg"] - [one.peak_drop_deg for one in truth]
        for right, sign in ((1, 1), (0, -1)):
            assert np.mean(off[steps["right"] == right]) == pytest.approx(sign * tilt_deg, abs=0.15)


def test_what_another_edition_changes_is_told(short: _Short) -> None:
    after = short.data.steps.copy()
    after["contact_s"][5] += 0.02
    after["peak_drop_deg"][6] = np.nan
    after["peak_drop_deg"][after["right"] == 1] -= 0.5
    after = np.delete(after, [10, 11, 12])
    invented = after[-1:].copy()
    invented["contact_s"] += 0.4
    invented["right"] = 1 - invented["right"]
    after = np.concatenate([after, invented])
    told = compared(short.data, after, 2)
    rights = int(np.count_nonzero(short.data.steps["right"] == 1))
    assert not told.same
    assert (told.before, told.after, told.added, told.lost) == (1, 2, 1, 3)
    assert rights - 3 <= told.moved <= rights + 2
    assert told.right_before_deg is not None
    assert told.right_after_deg is not None
    assert told.right_before_deg - told.right_after_deg == pytest.approx(0.5, abs=0.15)
    assert told.left_after_deg == pytest.approx(told.left_before_deg, abs=0.15)


def test_a_step_of_the_other_foot_is_never_taken_for_the_same_one(short: _Short) -> None:
    after = short.data.steps.copy()
    after["right"] = 1 - after["right"]
    told = compared(short.data, after, 2)
    assert (told.lost, told.added) == (len(after), len(after))


def test_nothing_against_something_is_all_lost_or_all_added(short: _Short) -> None:
    none = np.zeros(0, STEP)
    told = compared(short.data, none, 2)
    assert (told.lost, told.added, told.left_after_deg, told.right_after_deg) == (
        len(short.data.steps),
        0,
        None,
        None,
    )
    back = compared(replace(short.data, steps=none), short.data.steps, 2)
    assert (back.lost, back.added) == (0, len(short.data.steps))
    one = compared(replace(short.data, steps=short.data.steps[:1]), short.data.steps[:1], 1)
    assert one.same


def test_a_visit_that_runs_is_left_alone(short: _Short) -> None:
    running = replace(short.data, visit=replace(short.data.visit, state=VisitState.PAUSED))
    with pytest.raises(StoreError, match="visit 7 still runs"):
        anew(running, short.trace)


def test_a_span_without_a_readable_header_is_named(short: _Short) -> None:
    bad = replace(short.data, spans=(short.data.spans[0], replace(short.data.spans[1], header='{"width')))
    with pytest.raises(StoreError, match="span 1") as refused:
        anew(bad, short.trace)
    assert "verify" in refused.value.fix


def test_only_mount_lens_and_zero_have_a_part_in_a_step(short: _Short) -> None:
    span, track = short.data.spans[0], short.trace[0][1]
    header = msgspec.json.decode(span.header, type=Header)
    settings = header.onto(Settings(), set())
    other = replace(
        settings,
        motion=replace(settings.motion, smooth_ms=180.0, steps=31),
        feedback=replace(settings.feedback, predict_ms=60.0, mode="box"),
    )
    found = []
    for one in (settings, other):
        batch = Pipeline(one).replay(
            np.ascontiguousarray(track["t_s"]), np.ascontiguousarray(track["xy_px"]), 0.0, (480, 640)
        )
        found.append(step_rows(batch.steps, span))
    assert found[0].tobytes() == found[1].tobytes()
