"""The standing zero from frames whose truth is known, and the refusal of those who move."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.calibration.zero import StandingZero, standing_zero
from appliance.errors import CalibrationError
from appliance.records import F64, Posture

RATE_HZ = 120.0


def standing(
    mean_deg: float = 1.2, seconds: float = 3.0, sway_deg: float = 0.12, seed: int = 1
) -> tuple[F64, F64, np.ndarray, F64]:
    """Somebody who stands: slow sway, a little noise, a pelvis that wanders by a few pixels."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    angle = mean_deg + sway_deg * np.sin(2 * np.pi * 0.7 * t + seed) + rng.normal(0, 0.05, len(t))
    posture = np.full(len(t), Posture.STANDING, np.int64)
    xy = np.empty((len(t), 4, 2))
    xy[:] = [(210.0, 200.0), (270.0, 200.0), (200.0, 560.0), (280.0, 560.0)]
    xy[:, :2] += 3.0 * np.sin(2 * np.pi * 0.4 * t)[:, None, None]
    return t, angle, posture, xy


def zero(*frames: np.ndarray, old_deg: float = 0.0) -> StandingZero:
    return standing_zero(*frames, old_deg)


@given(st.floats(-8, 8), st.floats(-8, 8), st.integers(1, 50))
def test_the_new_zero_is_the_old_one_and_what_was_still_seen(old: float, mean: float, seed: int) -> None:
    found = zero(*standing(mean, seed=seed), old_deg=old)
    assert found.zero_deg == pytest.approx(old + mean, abs=0.08)
    assert found.change_deg == pytest.approx(found.zero_deg - old)
    assert abs(found.zero_deg - old - mean) < 5 * found.error_deg + 0.02
    assert 0.05 < found.spread_deg < 0.15


def test_frames_without_the_pair_are_left_out_and_counted() -> None:
    t, angle, posture, xy = standing()
    angle[100:120] = np.nan
    found = zero(t, angle, posture, xy)
    assert found.frames == len(t) - 20
    assert found.seen == pytest.approx(1 - 20 / len(t))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t, a, p, xy: a.__setitem__(slice(0, 60), np.nan), "were seen in"),
        (lambda t, a, p, xy: a.__setitem__(slice(None), np.nan), "0 % of"),
        (lambda t, a, p, xy: p.__setitem__(slice(None), Posture.RUNNING), "they run"),
        (lambda t, a, p, xy: p.__setitem__(slice(None), Posture.MOVING), "up and down"),
        (lambda t, a, p, xy: a.__iadd__(0.6 * np.sin(2 * np.pi * t)), "to and fro"),
        (lambda t, a, p, xy: a.__iadd__(0.22 * t), "drifts"),
        (lambda t, a, p, xy: xy[:, :2, 0].__iadd__(20 * t[:, None]), "wanders"),
        (lambda t, a, p, xy: a.__iadd__(19.5), "no zero is so large"),
    ],
)
def test_who_moves_or_is_not_seen_is_refused_with_the_reason(spoil: object, words: str) -> None:
    frames = standing(sway_deg=0.02)
    spoil(*frames)  # type: ignore[operator]
    with pytest.raises(CalibrationError, match=words) as refused:
        zero(*frames)
    assert refused.value.fix


def test_a_plate_alone_is_measured_by_the_distance_of_its_dots() -> None:
    t, angle, posture, xy = standing()
    xy[:, 2:] = np.nan
    assert zero(t, angle, posture, xy).wander_is_of == "the dots' distance"
    xy[:, :2, 1] += 15 * t[:, None]
    with pytest.raises(CalibrationError, match="the dots' distance"):
        zero(t, angle, posture, xy)


def test_no_frames_at_all_are_refused_and_not_divided_by() -> None:
    nothing = [part[:0] for part in standing()]
    with pytest.raises(CalibrationError):
        zero(*nothing)


def test_a_large_zero_is_kept_with_a_question() -> None:
    assert zero(*standing(2.0)).problems == ()
    assert "plate" in zero(*standing(7.0)).problems[0]
