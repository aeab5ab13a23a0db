"""Repetitions and holds: counted when they are done, and nothing else is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.clinic.counting import Cycles, Done, Hold, Steady

RATE_HZ = 100.0


def counted(figures: np.ndarray, least: float = 6.0, rate_hz: float = RATE_HZ) -> list[Done]:
    cycles = Cycles(least)
    all_of_them = (cycles.feed(k / rate_hz, float(x)) for k, x in enumerate(figures))
    return [done for done in all_of_them if done]


def waves(many: int, low: float, high: float, period_s: float = 3.0) -> np.ndarray:
    t_s = np.arange(round(many * period_s * RATE_HZ) + 1) / RATE_HZ
    return low + (high - low) * 0.5 * (1 - np.cos(2 * math.pi * t_s / period_s))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("start", [0.0, 0.5], ids=["from the top", "from the bottom"])
def test_each_way_out_and_back_is_one_whichever_way_is_first(sign: float, start: float) -> None:
    path = sign * waves(6, -2.0, 8.0)
    done = counted(path[round(start * 300) :][: 5 * 300 + 1])
    assert len(done) == 5
    assert [round(one.way, 1) for one in done] == [10.0] * 5


def test_a_repetition_is_told_when_it_is_back_by_its_range_and_began_where_it_left() -> None:
    done = counted(waves(2, 0.0, 10.0), least=6.0)
    assert done[0].began_s < 0.05
    back_s = 3.0 * (1 - math.acos(1 - 2 * 0.4) / (2 * math.pi))
    assert done[0].ended_s == pytest.approx(back_s, abs=0.02)
    assert done[1].began_s == pytest.approx(3.0, abs=0.02)


def test_half_a_repetition_and_shaking_count_as_nothing() -> None:
    rng = np.random.default_rng(4)
    assert not counted(rng.uniform(-2.9, 2.9, 5000))
    assert not counted(waves(1, 0.0, 10.0)[:151])
    shaken = np.repeat(waves(5, 0.0, 10.0), 3) + np.tile([0.0, 2.0, -2.0], 1501)
    assert len(counted(shaken, rate_hz=3 * RATE_HZ)) == 5


def test_nothing_is_joined_across_a_gap() -> None:
    path = waves(2, 0.0, 10.0)
    path[140:170] = np.nan  # 0.3 s at the bottom of the first one
    assert len(counted(path)) == 1
    path = waves(2, 0.0, 10.0)
    path[140:160] = np.nan
    assert len(counted(path)) == 2


@given(
    st.lists(st.floats(-40, 40), min_size=2, max_size=60),
    st.floats(2, 20),
)
def test_no_more_is_counted_than_ways_of_the_range(turns: list[float], least: float) -> None:
    figures = np.interp(np.arange(len(turns) * 10) / 10, np.arange(len(turns)), turns)
    done = counted(figures, least)
    whole = float(np.abs(np.diff(figures)).sum())
    assert len(done) <= whole / (2 * least) + 1e-6
    for before, after in itertools.pairwise(done):
        assert before.began_s < before.ended_s <= after.ended_s
    assert all(one.way >= least - 1e-9 for one in done)


def test_a_wrong_dot_for_two_frames_is_no_figure() -> None:
    steady = Steady()
    told = [steady.feed(x) for x in (1.0, 1.0, 1.0, 1.0, 1.0, 40.0, -40.0, 1.0, 40.0, 1.0)]
    assert [x for x in told if x == x] == [1.0] * 6
    assert math.isnan(steady.feed(math.nan))
    steady.forget()
    assert math.isnan(steady.feed(1.0))


def test_a_hold_is_over_when_its_time_within_the_limits_is_full() -> None:
    hold, done = Hold(2.0), None
    for k in range(1000):
        within = k % 200 < 100  # a second in, a second out
        done = hold.feed(k / RATE_HZ, 1.0 + (k % 7) / 10, within)
        if done:
            break
    assert done is not None
    assert done.ended_s == pytest.approx(4.02, abs=0.02)
    assert (done.began_s, done.held_s) == (0.0, pytest.approx(2.0, abs=0.02))
    assert done.way == pytest.approx(0.6)


def test_time_that_nobody_saw_is_not_held() -> None:
    hold = Hold(10.0)
    hold.feed(0.0, 0.0, True)
    hold.feed(0.2, 0.0, True)
    hold.feed(5.2, 0.0, True)
    hold.loose()
    hold.feed(5.3, 0.0, True)
    assert hold.held_s == pytest.approx(0.2)
