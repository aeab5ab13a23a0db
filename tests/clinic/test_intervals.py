"""Intervals that are meant to hold the truth in 95 of 100 cases do so in 93 to 97, for steps like real runners'."""

from __future__ import annotations

import math

import numpy as np
import pytest

from appliance.clinic.intervals import (
    Change,
    Spread,
    Verdict,
    change,
    difference,
    spread,
    t_quantile,
    verdict,
)
from tests.clinic.handmade import correlated

TRIALS = 2500
"""The share that is counted is then itself sure to within 0.9 of 100 (two standard errors)."""


def held(intervals: list[Spread] | list[Change], truth: float = 0.0) -> float:
    """In how many of 100 the truth is inside."""
    return 100.0 * sum(one.low <= truth <= one.high for one in intervals) / len(intervals)  # type: ignore[operator]


@pytest.mark.parametrize("phi", [-0.2, 0.0, 0.2, 0.4])
@pytest.mark.parametrize("count", [30, 85, 340])
def test_the_interval_of_a_side_s_mean_holds_the_truth(phi: float, count: int) -> None:
    """The recorded runners' peak drops are -0.06 to 0.40 like the same foot's one before; a minute has 85 of a side."""
    rng = np.random.default_rng(round(100 * phi) + count)
    assert 93.0 <= held([spread(one) for one in correlated(rng, phi, (TRIALS, count))]) <= 97.0


def test_taking_steps_for_independent_would_promise_too_much() -> None:
    """Why it is not done: at 0.4 the usual interval holds the truth in fewer than 83 of 100 cases."""
    series = correlated(np.random.default_rng(1), 0.4, (TRIALS, 85))
    usual = 1.99 * series.std(axis=1, ddof=1) / math.sqrt(85)
    assert 100.0 * np.mean(np.abs(series.mean(axis=1)) <= usual) < 83.0


@pytest.mark.parametrize("phi", [0.0, 0.4])
@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_the_interval_of_the_asymmetry_knows_that_both_sides_share_a_pelvis(
    phi: float, shared: float
) -> None:
    """What tilts the pelvis for a while adds to one side's drop what it takes from the other's."""
    rng = np.random.default_rng(7)
    right = np.arange(170) % 2
    tilt = shared * correlated(rng, 0.8, (TRIALS, 170)) * np.where(right == 1, 1.0, -1.0)
    own = np.zeros_like(tilt)
    own[:, ::2], own[:, 1::2] = (correlated(rng, phi, (TRIALS, 85)) for _ in range(2))
    series = own + tilt + np.where(right == 1, 2.0, 0.0)
    assert 92.5 <= held([difference(one, right) for one in series], 2.0) <= 97.0


@pytest.mark.parametrize("phi", [0.0, 0.4])
def test_the_interval_of_a_change_between_two_minutes_holds_the_truth(phi: float) -> None:
    rng = np.random.default_rng(11)
    before, after = correlated(rng, phi, (2, TRIALS, 85))
    pairs = zip(before, 0.5 * after - 1.5, strict=True)
    assert 93.0 <= held([change(spread(a), spread(b)) for b, a in pairs], -1.5) <= 97.0


@pytest.mark.parametrize("phi", [0.0, 0.4])
def test_the_interval_of_light_against_none_holds_the_truth_when_they_take_turns(phi: float) -> None:
    """Faded feedback: a minute lit, half a minute dark, for ten minutes, within one series."""
    rng = np.random.default_rng(13)
    series = correlated(rng, phi, (1000, 850))
    on = (np.arange(850) % 127) < 85
    assert 92.5 <= held([change(spread(one[on]), spread(one[~on])) for one in series]) <= 98.0


def test_a_drift_over_the_visit_widens_the_interval() -> None:
    rng = np.random.default_rng(3)
    still = rng.standard_normal(340)
    moving = still + np.linspace(-2.0, 2.0, 340)
    assert spread(moving).se > 3.0 * spread(still).se  # type: ignore[operator]


def test_student_s_quantile_is_that_of_the_tables() -> None:
    for df, known in ((3, 3.182), (4, 2.776), (7, 2.365), (12, 2.179), (30, 2.042), (120, 1.980)):
        assert t_quantile(df) == pytest.approx(known, rel=0.002)


@pytest.mark.parametrize("count", [7, 8, 30, 97, 340])
def test_the_variance_is_that_of_the_cosines_as_they_are_written_down(count: int) -> None:
    series = correlated(np.random.default_rng(count), 0.3, (count,))
    places = np.pi * (np.arange(count) + 0.5) / count
    many = max(3, round(0.4 * count ** (2 / 3)))
    waves = [
        math.sqrt(2 / count) * sum((series - series.mean()) * np.cos(k * places)) for k in range(1, many + 1)
    ]
    slow = math.sqrt(np.mean(np.square(waves)) / count)
    assert spread(series).se == pytest.approx(slow, rel=1e-12)
    assert spread(series).df == many


def test_below_seven_figures_there_is_a_mean_and_no_interval() -> None:
    assert spread(np.array([])) == Spread()
    assert spread(np.array([4.0])) == Spread(n=1, mean=4.0)
    few = spread(np.array([1.0, 2.0, 3.0, np.nan]))
    assert (few.n, few.mean, few.sd, few.low) == (3, 2.0, 1.0, None)
    assert spread(np.arange(7.0)).low is not None


def test_the_fewer_of_two_sides_count_for_the_asymmetry() -> None:
    right = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0, 0])
    few = difference(np.arange(10.0), right)
    assert (few.n, few.mean, few.low) == (2, 3.5 - 8.5, None)
    assert difference(np.arange(10.0), np.ones(10)) == Spread()


def test_equal_figures_have_an_interval_of_no_width() -> None:
    one, other = spread(np.full(20, 3.0)), spread(np.full(20, 5.0))
    assert (one.low, one.high) == (3.0, 3.0)
    assert change(other, one) == Change(change=2.0, low=2.0, high=2.0)


@pytest.mark.parametrize(
    ("by", "least", "said"),
    [
        (Change(), 2.8, Verdict.TOO_FEW),
        (Change(change=5.0), 2.8, Verdict.TOO_FEW),
        (Change(change=1.0, low=-0.1, high=2.1), 2.8, Verdict.NONE),
        (Change(change=3.0, low=-0.1, high=6.1), 2.8, Verdict.NONE),
        (Change(change=-1.0, low=-1.5, high=-0.5), 2.8, Verdict.WITHIN),
        (Change(change=-2.9, low=-3.5, high=-2.3), 2.8, Verdict.BEYOND),
        (Change(change=9.0, low=8.0, high=10.0), None, Verdict.CLEAR),
    ],
)
def test_what_may_be_said_of_a_change(by: Change, least: float | None, said: Verdict) -> None:
    assert verdict(by, least) is said
