"""The heartbeat: told only when frames and light both go on, and what a loop that hangs or a silent camera comes to."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import CameraLost
from appliance.records import Frame
from appliance.station.sentinel import (
    FIRST_S,
    PING_S,
    SILENT_S,
    STUCK_S,
    Beat,
    BeatingCamera,
    BeatingStrip,
    Doing,
)

LUMA = np.zeros((16, 16), np.uint8)
DARK = np.zeros((8, 3), np.uint8)


class Reel:
    """A camera that plays a list, and a clock that goes on by a step a turn."""

    def __init__(self, plays: list[Frame | None], step_s: float) -> None:
        self.plays, self.step_s, self.t_s = plays, step_s, 0.0

    def now_s(self) -> float:
        return self.t_s

    def frames(self) -> Iterator[Frame | None]:
        for play in self.plays:
            self.t_s += self.step_s
            yield play


class Wire:
    """A strip whose writes fail when it is told so."""

    def __init__(self) -> None:
        self.faults, self.fails = 0, False

    def show(self, rgb: np.ndarray, /) -> None:
        self.faults += self.fails


def picture(seq: int) -> Frame:
    return Frame(seq, seq / 120, LUMA)


def beating(reel: Reel, beat: Beat) -> Iterator[Frame | None]:
    return BeatingCamera(reel, beat, reel.now_s).frames()


def test_no_ping_is_due_before_anything_was_done() -> None:
    assert not Beat().due(100.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0.0, 1.0)), max_size=60))
def test_a_ping_is_due_only_when_a_frame_was_fed_and_a_light_worked_since_the_last(
    turns: list[tuple[bool, bool, float]],
) -> None:
    beat, now_s, last_s, fed, lit = Beat(), 0.0, float("-inf"), False, False
    for frame, light, later_s in turns:
        now_s += later_s
        beat.frames += frame
        beat.lit += light
        fed, lit = fed or frame, lit or light
        said = beat.due(now_s)
        assert said is (fed and lit and now_s - last_s >= PING_S)
        if said:
            last_s, fed, lit = now_s, False, False


def test_a_light_that_fails_is_no_heartbeat() -> None:
    beat, wire = Beat(), Wire()
    strip = BeatingStrip(wire, beat)
    wire.fails = True
    strip.show(DARK)
    beat.frames += 1
    assert not beat.due(1.0)
    wire.fails = False
    strip.show(DARK)
    assert beat.due(1.0)


def test_a_loop_that_has_not_begun_is_not_stuck() -> None:
    assert Beat().stuck_s(1e9) == 0.0


def test_a_loop_that_does_not_turn_is_stuck_and_says_in_what() -> None:
    beat, seen = Beat(), []

    class Watching(Wire):
        def show(self, rgb: np.ndarray, /) -> None:
            seen.append(beat.doing)

    reel = Reel([picture(0), picture(1)], 0.01)
    for _ in beating(reel, beat):
        BeatingStrip(Watching(), beat).show(DARK)
        assert beat.doing is Doing.WORK
    assert seen == [Doing.STRIP, Doing.STRIP]
    assert beat.stuck_s(reel.t_s + STUCK_S - 0.01) == 0.0
    assert beat.stuck_s(reel.t_s + STUCK_S) == pytest.approx(STUCK_S)


def test_a_camera_that_hangs_is_seen_as_waiting_for_the_camera() -> None:
    beat = Beat()

    class Looking(Reel):
        def frames(self) -> Iterator[Frame | None]:
            assert beat.doing is Doing.CAMERA
            yield picture(0)

    assert len(list(beating(Looking([], 0.01), beat))) == 1


def test_frames_are_counted_and_silence_is_not() -> None:
    beat = Beat()
    assert len(list(beating(Reel([picture(0), None, picture(1), None], 0.02), beat))) == 4
    assert beat.frames == 2


@pytest.mark.parametrize(
    ("before", "bears_s"), [([], FIRST_S), ([picture(0)], SILENT_S)], ids=["never", "any more"]
)
def test_a_silence_without_end_is_a_lost_camera(before: list[Frame | None], bears_s: float) -> None:
    reel = Reel([*before, *[None] * 1000], 0.05)
    with pytest.raises(CameraLost, match="no frame for"):
        list(beating(reel, Beat()))
    assert reel.t_s - 0.05 * len(before) == pytest.approx(bears_s, abs=0.06)
