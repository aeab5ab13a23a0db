"""How long silence is borne, as plain functions of time; and calls that hang, with calls that really do."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from hw.camera.aside import Aside, within
from hw.camera.patience import ABSENT_S, FIRST_S, LOOK_S, LOST_S, RESTART_S, Absence, Patience, Verdict


def test_a_stream_that_falls_silent_is_restarted_once_and_then_given_up():
    patience = Patience(10.0)
    patience.heard(10.1)
    assert patience.verdict(10.1 + RESTART_S - 0.01) is Verdict.WAIT
    assert patience.verdict(10.1 + RESTART_S) is Verdict.RESTART
    assert patience.verdict(10.1 + RESTART_S + 0.05) is Verdict.WAIT
    assert patience.verdict(10.1 + RESTART_S + LOST_S - 0.01) is Verdict.WAIT
    assert patience.verdict(10.1 + RESTART_S + LOST_S) is Verdict.LOST
    assert (RESTART_S, LOST_S) == (1.0, 1.5)


def test_a_frame_after_a_restart_makes_all_well_again():
    patience = Patience(0.0)
    patience.heard(0.5)
    assert patience.verdict(1.5) is Verdict.RESTART
    assert patience.heard(2.0) == pytest.approx(1.5)
    assert patience.verdict(2.9) is Verdict.WAIT
    assert patience.verdict(3.0) is Verdict.RESTART


def test_the_first_frame_may_take_longer():
    patience = Patience(0.0)
    assert patience.verdict(FIRST_S - 0.01) is Verdict.WAIT
    assert patience.verdict(FIRST_S) is Verdict.RESTART
    assert patience.verdict(FIRST_S + LOST_S) is Verdict.LOST


@examples(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.floats(0.001, 0.3), min_size=1, max_size=100))
def test_whatever_the_steps_of_time_a_silent_stream_is_restarted_once_and_then_lost(steps):
    patience, now_s, said = Patience(0.0), 0.0, []
    patience.heard(0.0)
    while Verdict.LOST not in said:
        now_s += steps[len(said) % len(steps)]
        said.append(patience.verdict(now_s))
    assert said.count(Verdict.RESTART) == 1
    assert now_s <= RESTART_S + LOST_S + 2 * max(steps)


def test_a_device_that_was_pulled_out_is_looked_for_four_times_a_second_for_half_a_minute():
    absence = Absence(5.0)
    assert not absence.due(5.0 + LOOK_S - 0.01)
    looks = [k for k in range(3000) if absence.due(5.0 + 0.01 * k)]
    assert len(looks) == pytest.approx(30.0 / LOOK_S, abs=6)
    assert not absence.over(5.0 + ABSENT_S - 0.1)
    assert absence.over(5.0 + ABSENT_S)
    assert absence.lasted_s(7.0) == 2.0


def test_a_call_that_hangs_keeps_nobody_waiting():
    never = threading.Event()
    start_s = time.monotonic()
    with pytest.raises(TimeoutError):
        within(0.05, never.wait)
    assert time.monotonic() - start_s < 0.5
    never.set()


def test_what_a_call_returns_or_raises_comes_back():
    assert within(5.0, lambda: 42) == 42
    failing = Aside(lambda: {}.pop(1))
    assert failing.ended(5.0)
    with pytest.raises(KeyError):
        failing.result()
