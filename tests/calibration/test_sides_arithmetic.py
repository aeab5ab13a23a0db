"""Which heel rose, from marks alone: by place and not by name, on every mount, and nothing when it is unclear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.calibration.sides import Lift, lifted, mirrored, stand, upright
from appliance.records import F64, Side

RATE_HZ = 120.0
SIZE = (480, 640)
REST = np.array([(-30.0, -120.0), (30.0, -120.0), (-45.0, 240.0), (45.0, 240.0)])


def frames(seconds: float = 1.0, *, lift: int | None = None, by_px: float = 80.0, seed: int = 3) -> F64:
    """Upright marks of somebody who stands, or has lifted the heel of row `lift`."""
    rng = np.random.default_rng(seed)
    xy = np.repeat(REST[None], round(seconds * RATE_HZ), axis=0) + rng.normal(0, 0.3, (1, 4, 2))
    if lift is not None:
        xy[:, lift, 1] -= by_px
        xy[:, lift, 0] *= 0.8
    return xy


def times(points: F64) -> F64:
    return np.arange(len(points)) / RATE_HZ


def lift_of(points: F64, asked: Side = Side.LEFT) -> Lift | None:
    still = frames()
    rest = stand(times(still), still)
    assert rest
    return lifted(times(points), points, rest, asked)


def test_the_heel_that_goes_up_is_told_by_its_place() -> None:
    for row, side in ((2, Side.LEFT), (3, Side.RIGHT)):
        found = lift_of(frames(lift=row))
        assert found
        assert found.rose is side
        assert found.named is side
        assert found.height == pytest.approx(80 / 360, abs=0.01)


def test_exchanged_names_change_what_it_is_called_and_not_which_it_is() -> None:
    exchanged = frames(lift=2)[:, [0, 1, 3, 2]]
    found = lift_of(exchanged)
    assert found
    assert (found.rose, found.named) == (Side.LEFT, Side.RIGHT)


@pytest.mark.parametrize("rotate_deg", [0, 90, 180, 270])
@given(st.floats(-200, 200), st.floats(-200, 200))
def test_every_mount_is_turned_upright(rotate_deg: int, right: float, down: float) -> None:
    turns = {0: (right, down), 90: (down, -right), 180: (-right, -down), 270: (-down, right)}
    a, b = turns[rotate_deg]
    sensor = np.array([a + (SIZE[0] - 1) / 2, b + (SIZE[1] - 1) / 2])
    assert upright(sensor, SIZE, rotate_deg) == pytest.approx([right, down], abs=1e-9)


def test_a_hidden_heel_says_nothing() -> None:
    for row in (2, 3):
        points = frames(lift=2)
        points[:, row] = np.nan
        assert lift_of(points) is None


def test_both_feet_moved_says_nothing() -> None:
    points = frames(lift=2)
    points[:, 3] += (60.0, -5.0)
    assert lift_of(points) is None


def test_a_step_up_with_both_feet_says_nothing() -> None:
    points = frames()
    points[:, 2:, 1] -= 80
    assert lift_of(points) is None


def test_a_small_or_short_lift_is_none() -> None:
    assert lift_of(frames(lift=2, by_px=25)) is None
    assert lift_of(frames(0.3, lift=2)) is None
    over = np.concatenate([frames(lift=2), frames(0.5)])
    assert lift_of(over) is None, "it is over"


def test_holes_of_a_few_frames_do_not_end_a_lift() -> None:
    points = frames(lift=3)
    points[20:25, 3] = np.nan
    points[80:84] = np.nan
    found = lift_of(points)
    assert found
    assert found.rose is Side.RIGHT


def test_somebody_with_a_foot_up_does_not_stand() -> None:
    up = frames(lift=2)
    assert stand(times(up), up) is None


def test_somebody_whose_feet_move_does_not_stand() -> None:
    points = frames()
    points[:, 2, 0] += np.linspace(0, 60, len(points))
    assert stand(times(points), points) is None


def test_a_heel_that_is_not_seen_is_no_stand() -> None:
    points = frames()
    points[:, 3] = np.nan
    assert stand(times(points), points) is None
    assert stand(times(points[:0]), points[:0]) is None


def lift(asked: Side, rose: Side) -> Lift:
    return Lift(asked, rose, 0.2, None)


def test_two_lifts_say_whether_the_picture_is_mirrored_and_contradictions_say_nothing() -> None:
    left, right = Side.LEFT, Side.RIGHT
    assert mirrored((lift(left, left), lift(right, right))) is False
    assert mirrored((lift(left, right), lift(right, left))) is True
    assert mirrored((lift(left, left), lift(right, left))) is None
    assert mirrored((lift(left, right), lift(right, right))) is None
    assert mirrored((lift(left, left),)) is None
