"""Obliquity, the live filter, parabolas and means against numpy's own, and what the filter does to a sine."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance import config
from appliance.kernels import gait
from appliance.motion.gait import Motion
from appliance.records import STALE_S

F64 = NDArray[np.float64]
SIZE = (480, 640)
MIDDLE = np.array([239.5, 319.5])
steady = examples(max_examples=60, deadline=None, derandomize=True)


def plain(kernel: Any) -> Callable[..., Any]:
    """The Python under a compiled kernel; uncompiled it is the kernel itself."""
    function: Callable[..., Any] = getattr(kernel, "py_func", kernel)
    return function


def motion(**chosen: float) -> Motion:
    """Of an uncalibrated camera: plane pixels are pixels, y upside down."""
    feedback = config.Feedback(predict_ms=chosen.pop("predict_ms", 0.0))
    new = Motion(config.Settings(motion=config.Motion(**chosen), feedback=feedback))  # type: ignore[arg-type]
    new.open(*SIZE)
    return new


def pairs(obliquity_deg: F64, span_px: float = 80.0) -> F64:
    """(n, 4, 2) keypoints of a pelvis pair with these obliquities in the middle of the picture, no heels."""
    xy = np.full((len(obliquity_deg), 4, 2), np.nan)
    half = (
        0.5
        * span_px
        * np.column_stack([np.cos(np.radians(obliquity_deg)), -np.sin(np.radians(obliquity_deg))])
    )
    xy[:, 0], xy[:, 1] = MIDDLE - half, MIDDLE + half
    return xy


def levels(t_s: F64, obliquity_deg: F64, **chosen: float) -> F64:
    moments, _ = motion(**chosen).advance(t_s, pairs(obliquity_deg), 0.0)
    return np.asarray(moments["level_deg"])


def twin_level(t_s: F64, obliquity_deg: F64, k: int, smooth_s: float, predict_s: float) -> float:
    """A straight line through the seen frames of the window, read off at the newest of them and on."""
    seen = [j for j in range(k + 1) if not math.isnan(obliquity_deg[j])]
    if not seen or t_s[k] - t_s[seen[-1]] > STALE_S:
        return math.nan
    newest = t_s[seen[-1]]
    window = [j for j in seen if newest - t_s[j] <= smooth_s + 1e-9]
    if len(window) < 3:
        return float(np.mean(obliquity_deg[window]))
    slope, now = np.polyfit(t_s[window] - newest, obliquity_deg[window], 1)
    return float(now + slope * predict_s)


@given(st.floats(-300, 300), st.floats(5, 300), st.floats(-200, 200), st.floats(-10, 10))
@steady
def test_obliquity_is_the_angle_of_the_line_from_left_to_right(
    x_px: float, run_px: float, rise_px: float, zero_deg: float
) -> None:
    xy = np.full((1, 4, 2), np.nan)
    xy[0, 0] = np.add(MIDDLE, (x_px, 0))
    xy[0, 1] = np.add(MIDDLE, (x_px + run_px, -rise_px))
    moments, _ = motion(zero_deg=zero_deg).advance(np.zeros(1), xy, 0.0)
    expected = math.degrees(math.atan2(rise_px, run_px)) - zero_deg
    assert moments["obliquity_deg"][0] == pytest.approx(expected, abs=1e-6)
    assert moments["sway_px"][0] == pytest.approx(x_px + run_px / 2, abs=1e-9)
    assert moments["height_px"][0] == pytest.approx(rise_px / 2, abs=1e-9)


def test_the_right_side_higher_is_positive() -> None:
    assert motion().advance(np.zeros(1), pairs(np.array([4.0])), 0.0)[0]["obliquity_deg"][0] == pytest.approx(
        4.0
    )


@pytest.mark.parametrize("unseen", [0, 1])
def test_half_a_pair_has_no_obliquity(unseen: int) -> None:
    xy = pairs(np.array([3.0, 3.0]))
    xy[1, unseen] = np.nan
    moments, _ = motion().advance(np.array([0.0, 0.01]), xy, 0.0)
    assert moments["obliquity_deg"][0] == pytest.approx(3.0)
    assert math.isnan(moments["obliquity_deg"][1])
    assert math.isnan(moments["sway_px"][1])
    assert moments["seen_s"][1] == 0.0


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 20.0, 50.0, 120.0]), st.sampled_from([0.0, 30.0]))
@steady
def test_the_live_level_is_the_line_that_numpy_fits(seed: int, smooth_ms: float, predict_ms: float) -> None:
    rng = np.random.default_rng(seed)
    t_s = np.cumsum(rng.choice([1 / 120, 1 / 60, 0.003, 0.04, 0.11], 60, p=[0.8, 0.1, 0.06, 0.02, 0.02]))
    true = 5 * np.sin(2 * math.pi * 1.4 * t_s) + rng.normal(0, 0.5, 60)
    true[rng.random(60) < 0.2] = np.nan
    got = levels(t_s, true, smooth_ms=smooth_ms, predict_ms=predict_ms)
    expected = [twin_level(t_s, true, k, smooth_ms / 1e3, predict_ms / 1e3) for k in range(60)]
    assert got == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_the_memory_may_run_full_and_round_without_a_trace() -> None:
    t_s = np.arange(gait.SIZE + 300) / 250
    true = 4 * np.sin(2 * math.pi * 1.3 * t_s)
    got = levels(t_s, true)
    assert got[-1] == pytest.approx(twin_level(t_s, true, len(t_s) - 1, 0.05, 0.0), abs=1e-6)
    later = levels(t_s[900:], true[900:])
    assert later[50:] == pytest.approx(got[950:], abs=1e-9)


@pytest.mark.parametrize("slope_deg_s", [-60.0, 0.0, 25.0])
def test_a_steady_change_is_shown_without_any_delay(slope_deg_s: float) -> None:
    t_s = np.arange(60) / 120
    ramp = slope_deg_s * (t_s - 0.25)
    assert levels(t_s, ramp)[6:] == pytest.approx(ramp[6:], abs=1e-6)
    ahead = levels(t_s, ramp, predict_ms=40.0)
    assert ahead[6:] == pytest.approx(ramp[6:] + 0.04 * slope_deg_s, abs=1e-6)


def response(hz: float, **chosen: float) -> tuple[float, float]:
    """Gain and delay (s) of the live level on a sine."""
    t_s = np.arange(480) / 120
    w = 2 * math.pi * hz
    got = levels(t_s, 5 * np.sin(w * t_s), **chosen)[60:]
    parts = np.column_stack([np.sin(w * t_s[60:]), np.cos(w * t_s[60:])])
    (along, across), *_ = np.linalg.lstsq(parts, got, rcond=None)
    return math.hypot(along, across) / 5, -math.atan2(across, along) / w


@pytest.mark.parametrize(
    ("hz", "gain", "delay_s"),
    [(1.5, 0.02, 0.001), (3.0, 0.08, 0.004)],
)
def test_the_live_filter_follows_the_sways_of_running_almost_at_once(
    hz: float, gain: float, delay_s: float
) -> None:
    measured, late_s = response(hz)
    assert abs(measured - 1) < gain
    assert abs(late_s) < delay_s


def test_without_a_window_the_level_is_the_frames_own() -> None:
    assert response(3.0, smooth_ms=0.0) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-9))


def test_the_filter_takes_noise_away() -> None:
    t_s = np.arange(600) / 120
    noise = np.random.default_rng(3).normal(0, 0.3, 600)
    assert np.std(levels(t_s, noise)[10:]) < 0.8 * 0.3


def test_the_level_lives_on_for_a_tenth_of_a_second_and_no_longer() -> None:
    t_s = np.arange(40) / 120
    true = np.where(np.arange(40) < 20, 5.0, np.nan)
    got = levels(t_s, true)
    age = t_s - t_s[19]
    assert np.isfinite(got[age <= STALE_S]).all()
    assert np.isnan(got[age > STALE_S + 1e-9]).all()


def memo(t_s: F64, height: F64, obliquity: F64) -> NDArray[np.void]:
    """Frames as the kernel remembers them."""
    rows = np.zeros(gait.SIZE, gait.MEMO)
    rows["t"][: len(t_s)], rows["h"][: len(t_s)], rows["obliquity"][: len(t_s)] = t_s, height, obliquity
    return rows


@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.06))
@steady
def test_value_slope_and_curvature_are_those_of_numpys_parabola(seed: int, half_s: float) -> None:
    rng = np.random.default_rng(seed)
    t_s = np.cumsum(rng.uniform(0.003, 0.012, 40))
    y = rng.normal(0, 5, 40)
    y[rng.random(40) < 0.3] = np.nan
    at_s = float(t_s[20])
    window = (abs(t_s - at_s) <= half_s) & ~np.isnan(y)
    for what in ("obliquity", "left_h", "right_h"):
        rows = memo(t_s, y * np.nan, y * np.nan)
        rows["left_h"] = rows["right_h"] = np.nan
        rows[what] = y if len(rows) == 40 else np.concatenate([y, np.full(len(rows) - 40, np.nan)])
        code = {"obliquity": gait.OBLIQUITY, "left_h": gait.LEFT_H, "right_h": gait.RIGHT_H}[what]
        got = plain(gait._fitted)(rows, 0, 40, at_s, half_s, code)
        if window.sum() < 4:
            assert np.isnan(got).all()
        else:
            bend, slope, value = np.polyfit((t_s - at_s)[window], y[window], 2)
            assert got == pytest.approx((value, slope, 2 * bend), rel=1e-5, abs=1e-5 / half_s**2)


def test_a_parabola_is_told_exactly_and_three_points_are_too_few() -> None:
    t_s = np.arange(12) * 0.008
    y = 3.0 - 2.0 * (t_s - 0.05) - 490.0 * (t_s - 0.05) ** 2
    fitted = plain(gait._fitted)
    assert fitted(memo(t_s, y, y), 0, 12, 0.05, 0.033, gait.OBLIQUITY) == pytest.approx(
        (3.0, -2.0, -980.0), rel=1e-9
    )
    assert np.isnan(fitted(memo(t_s, y, y), 0, 3, 0.01, 0.033, gait.OBLIQUITY)).all()
    same = np.full(12, 0.05)
    assert np.isnan(fitted(memo(same, y, y), 0, 12, 0.05, 0.033, gait.OBLIQUITY)).all()
