"""The synthetic runner moves as physics and his figures say."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.records import Side
from hw.camera.runner import GRAVITY, Runner

runners = st.builds(
    Runner,
    cadence_spm=st.floats(150, 200),
    contact_time_s=st.floats(0.16, 0.29),
    speed_mps=st.floats(2.5, 4.5),
    left_peak_drop_deg=st.floats(-3, 10),
    right_peak_drop_deg=st.floats(-3, 10),
    tilt_deg=st.floats(-4, 4),
    first=st.sampled_from(Side),
)


def _second_derivative(f, t_s, dt_s=1e-4):
    return (f(t_s + dt_s) - 2 * f(t_s) + f(t_s - dt_s)) / dt_s**2


@given(runners)
@settings(max_examples=30, deadline=None)
def test_flight_is_free_fall(runner):
    inside = np.linspace(0.05, 0.95, 9) * runner.flight_s + runner.contact_time_s
    fall = _second_derivative(runner.height_m, inside + 7 * runner.step_s)
    assert fall == pytest.approx(np.full(9, -GRAVITY), abs=1e-4)


@given(runners)
@settings(max_examples=30, deadline=None)
def test_the_pelvis_path_is_smooth_where_flight_meets_stance(runner):
    for edge_s in (0.0, runner.contact_time_s, runner.step_s):
        at = np.array([edge_s - 1e-7, edge_s + 1e-7])
        before, after = runner.height_m(at)
        assert abs(after - before) < 1e-6
        up, down = _second_derivative(runner.height_m, np.array([edge_s - 2e-4, edge_s + 2e-4]))
        assert abs(up - down) < 1.0  # the push starts from nothing, it does not jump


@given(runners)
@settings(max_examples=30, deadline=None)
def test_a_step_of_push_carries_a_step_of_weight(runner):
    t_s = (np.arange(4000) + 0.5) / 4000 * runner.step_s
    assert np.mean(_second_derivative(runner.height_m, t_s)) == pytest.approx(0.0, abs=0.05)


def test_the_fall_is_stopped_45_to_50_ms_after_contact():
    t_s = np.arange(0.0, 0.25, 1e-4)
    speed = np.gradient(Runner().height_m(t_s), t_s)
    assert 0.04 < t_s[np.argmin(speed)] < 0.055


@given(runners)
@settings(max_examples=50, deadline=None)
def test_the_peak_of_every_stance_is_the_one_asked_for(runner):
    for step in runner.steps(0.0, 4.1):
        sign = 1 if step.stance is Side.RIGHT else -1
        t_s = np.linspace(step.contact_s, step.off_s, 2001)
        drop = sign * (runner.obliquity_deg(t_s) - runner.tilt_deg)
        assert np.max(np.abs(drop)) == pytest.approx(abs(step.peak_drop_deg), abs=1e-5)
        top = float(sign * (runner.obliquity_deg(np.array([step.peak_s]))[0] - runner.tilt_deg))
        assert top == pytest.approx(step.peak_drop_deg, abs=1e-9)
        assert drop[0] == pytest.approx(step.contact_drop_deg, abs=1e-9)
        assert drop[1000] == pytest.approx(step.midstance_drop_deg, abs=1e-9)


def test_feet_alternate_and_steps_lie_within_the_time_asked_for():
    runner = Runner(first=Side.LEFT)
    steps = runner.steps(1.0, 5.0)
    assert all(s.contact_s >= 1.0 and s.off_s <= 5.0 for s in steps)
    assert all(a.stance is not b.stance for a, b in pairwise(steps))
    assert runner.step(0).stance is Side.LEFT
    assert (
        len(steps)
        == math.floor((5.0 - runner.contact_time_s) / runner.step_s) - math.ceil(1 / runner.step_s) + 1
    )


def test_the_stance_heel_rides_on_the_belt_and_the_swing_heel_is_thrown_up():
    runner = Runner()
    for side, start in ((Side.RIGHT, 0.0), (Side.LEFT, runner.step_s)):
        carried = start + np.linspace(0.035, 0.12, 20)
        y, z = runner.heel_m(side, carried).T
        assert np.gradient(y, carried) == pytest.approx(np.full(20, -runner.speed_mps), abs=1e-6)
        assert z == pytest.approx(np.full(20, runner.heel_floor_m), abs=1e-9)
        whole = runner.heel_m(side, start + np.linspace(0, 2 * runner.step_s, 2000))
        assert whole[:, 1].max() == pytest.approx(runner.heel_floor_m + runner.heel_lift_m, abs=0.01)


@given(runners)
@settings(max_examples=20, deadline=None)
def test_the_stance_heel_is_the_lower_one_at_mid_stance(runner):
    for step in runner.steps(0.0, 2.5):
        mid = np.array([(step.contact_s + step.off_s) / 2])
        left, right = (float(runner.heel_m(side, mid)[0, 1]) for side in (Side.LEFT, Side.RIGHT))
        assert (right < left) == (step.stance is Side.RIGHT)


@given(runners)
@settings(max_examples=20, deadline=None)
def test_no_heel_jumps(runner):
    t_s = np.arange(0, 4 * runner.step_s, 1e-3)
    for side in Side:
        assert np.abs(np.diff(runner.heel_m(side, t_s), axis=0)).max() < 0.012  # 12 m/s


@given(runners, st.floats(-3, 30))
@settings(max_examples=50, deadline=None)
def test_the_pair_in_space_has_exactly_the_obliquity(runner, t_s):
    at = runner.at(np.array([t_s]))[0]
    d = at[1] - at[0]
    angle = math.degrees(math.atan2(d[2], math.hypot(d[0], d[1])))
    assert angle == pytest.approx(float(runner.obliquity_deg(np.array([t_s]))[0]), abs=1e-9)
    assert math.dist(at[0], at[1]) == pytest.approx(runner.pair_width_m, abs=1e-12)
