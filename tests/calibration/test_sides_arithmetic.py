"""Which heel rose, from bright spots alone: by place, not by name, on every mount, and nothing when it is unclear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.calibration.sides import (
    Lift,
    Look,
    Stand,
    gone,
    lifted,
    look,
    mirrored,
    on_one_leg,
    stand,
    upright,
)
from appliance.calibration.spots import Spot
from appliance.config import Camera
from appliance.records import F64, Side
from tests.calibration.turned_cameras import station, verdict

SIZE = (480, 640)
PAIR = np.array([(-30.0, -120.0), (30.0, -120.0)])
HEELS = np.array([(-45.0, 240.0), (45.0, 240.0)])
LEG = 360.0


def looks(
    heels: F64 = HEELS,
    *,
    seconds: float = 1.0,
    clutter: F64 | None = None,
    rate_hz: float = 8.0,
    seed: int = 3,
) -> list[Look]:
    """Pictures of somebody who keeps still, heels where they are said to be."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(round(seconds * rate_hz) + 1):
        spots = np.concatenate([PAIR, heels, *([clutter] if clutter is not None else [])])
        spots = spots + rng.normal(0, 0.4, spots.shape)
        found.append(Look(k / rate_hz, rng.permutation(spots), PAIR, 640.0))
    return found


def resting(**more: F64) -> Stand:
    found = stand(looks(**more))
    assert found
    return found


def up(which: int, by_px: float = 80.0) -> F64:
    heels = HEELS.copy()
    heels[which] += (-10.0 if which else 10.0, -by_px)
    return heels


def test_the_heel_that_goes_up_is_told_by_where_it_had_rested() -> None:
    for which in (0, 1):
        found = lifted(looks(up(which)), resting(), Side.LEFT)
        assert found
        assert (found.x_px, found.y_px) == pytest.approx(tuple(HEELS[which]), abs=2)
        assert found.height == pytest.approx(80 / LEG, abs=0.01)


def test_reflections_that_stay_change_nothing() -> None:
    clutter = np.array([(-150.0, 250.0), (5.0, 230.0), (60.0, 100.0), (0.0, -250.0)])
    found = lifted(looks(up(1), clutter=clutter), resting(clutter=clutter), Side.RIGHT)
    assert found
    assert found.x_px == pytest.approx(45, abs=2)


def test_shoes_with_reflectors_of_their_own_are_lifted_as_a_whole() -> None:
    shoes = np.concatenate([HEELS, HEELS + np.array([18.0, -10.0])])
    rest = resting(heels=shoes)
    raised = shoes.copy()
    raised[[0, 2]] += (6.0, -90.0)
    found = lifted(looks(raised), rest, Side.LEFT)
    assert found
    assert found.x_px == pytest.approx(-36, abs=2)
    one_of_them = shoes.copy()
    one_of_them[[0, 3]] += (0.0, -90.0)
    assert lifted(looks(one_of_them), rest, Side.LEFT) is None, "a spot of each foot is no foot"


def test_a_slow_machine_that_sees_few_pictures_sees_the_lift_all_the_same() -> None:
    few = looks(up(0), seconds=2.0, rate_hz=3.0)
    assert lifted(few, resting(), Side.LEFT)
    assert lifted(few[:3], resting(), Side.LEFT) is None


def test_what_is_much_dimmer_than_the_dots_is_no_dot() -> None:
    spots = [
        Spot(x, y, 9.0, rise, 18.0, 0)
        for x, y, rise in ((210, 200, 180), (270, 200, 170), (200, 560, 90), (9, 9, 40))
    ]
    marks = np.array([(210.0, 200.0), (270.0, 200.0), (np.nan, np.nan), (np.nan, np.nan)])
    seen = look(1.0, spots, marks, Camera(), SIZE)
    assert len(seen.spots) == 3
    assert len(look(1.0, spots, np.full((4, 2), np.nan), Camera(), SIZE).spots) == 4


@pytest.mark.parametrize("rotate_deg", [0, 90, 180, 270])
@given(st.floats(-200, 200), st.floats(-200, 200))
def test_every_mount_is_turned_upright(rotate_deg: int, right: float, down: float) -> None:
    turns = {0: (right, down), 90: (down, -right), 180: (-right, -down), 270: (-down, right)}
    a, b = turns[rotate_deg]
    sensor = np.array([a + (SIZE[0] - 1) / 2, b + (SIZE[1] - 1) / 2])
    assert upright(sensor, SIZE, rotate_deg) == pytest.approx([right, down], abs=1e-9)


def test_a_lifted_heel_whose_dot_is_hidden_says_nothing() -> None:
    hidden = looks(HEELS[1:])
    assert lifted(hidden, resting(), Side.LEFT) is None
    assert gone(hidden[-1], resting())
    assert not gone(looks()[-1], resting())


def test_both_feet_moved_says_nothing() -> None:
    heels = up(0)
    heels[1, 0] += 60
    assert lifted(looks(heels), resting(), Side.LEFT) is None


def test_a_jump_with_both_feet_says_nothing() -> None:
    assert lifted(looks(HEELS - (0, 80)), resting(), Side.LEFT) is None


def test_a_small_a_short_and_a_past_lift_are_none() -> None:
    assert lifted(looks(up(0, 30.0)), resting(), Side.LEFT) is None
    assert lifted(looks(up(0), seconds=0.3), resting(), Side.LEFT) is None
    past = [*looks(up(0)), *(Look(1.1 + one.t_s, one.spots, one.pair, 640.0) for one in looks(seconds=0.2))]
    assert lifted(past, resting(), Side.LEFT) is None


@pytest.mark.parametrize("rolled_deg", [-8.0, 0.0, 8.0])
@pytest.mark.parametrize("rise_px", [40.0, 110.0])
def test_who_stands_on_one_leg_is_told_from_who_stands_on_two(rise_px: float, rolled_deg: float) -> None:
    angle = np.radians(rolled_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

    def seen(heels: F64) -> bool | None:
        return on_one_leg(Look(0.0, np.concatenate([PAIR, heels]) @ turn, PAIR @ turn, 640.0))

    assert seen(HEELS) is False
    assert seen(np.concatenate([HEELS, HEELS - (0, 30)])) is False
    assert seen(up(0, rise_px)) is True
    assert seen(up(1, rise_px)) is True
    assert seen(HEELS[:1]) is None
    assert on_one_leg(Look(0.0, HEELS, np.full((2, 2), np.nan), 640.0)) is None


def test_a_foot_that_is_set_aside_is_not_lifted() -> None:
    heels = HEELS.copy()
    heels[0] += (-90.0, -40.0)
    assert lifted(looks(heels), resting(), Side.LEFT) is None


def test_nobody_in_view_and_feet_that_move_do_not_stand() -> None:
    assert stand([]) is None
    assert stand(looks(seconds=0.2)) is None
    blind = [Look(one.t_s, one.spots, np.full((2, 2), np.nan), 640.0) for one in looks()]
    assert stand(blind) is None
    assert stand(looks(HEELS[:1])) is None
    moving = [Look(one.t_s, one.spots + np.array([40.0 * one.t_s, 0]), PAIR, 640.0) for one in looks()]
    assert stand(moving) is None


def lift(x_px: float) -> Lift:
    return Lift(Side.LEFT, x_px, 240.0, 0.2, LEG)


def test_two_lifts_say_whether_the_picture_is_mirrored_and_the_same_heel_twice_says_nothing() -> None:
    assert mirrored(lift(-45.0), lift(45.0)) is False
    assert mirrored(lift(45.0), lift(-45.0)) is True
    assert mirrored(lift(45.0), lift(46.0)) is None


@pytest.mark.parametrize(
    ("runner", "turn", "mirror", "room"),
    [
        ("rbds001", 0, False, "somebody beside"),
        ("rbds002", 90, True, "reflections"),
        ("ric", 180, True, "camera high"),
    ],
)
def test_rendered_feet_are_told_apart_on_turned_and_mirrored_cameras(
    runner: str, turn: int, mirror: bool, room: str
) -> None:
    assert verdict(*station(runner, turn, mirror, room)) is mirror
