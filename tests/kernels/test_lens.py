"""Pixels to the frontal plane: against OpenCV and rotation matrices, the virtual camera's lens, and rows' own times."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray

from appliance.kernels import lens
from hw.camera.optics import Optics
from hw.camera.scene import Scene

F64 = NDArray[np.float64]
SIZE = (640, 480)
steady = examples(max_examples=80, deadline=None, derandomize=True)

angles = st.floats(-15, 15)
bends = st.fixed_dictionaries(
    {
        "k1": st.floats(-0.2, 0.2),
        "k2": st.floats(-0.05, 0.05),
        "p1": st.floats(-0.005, 0.005),
        "p2": st.floats(-0.005, 0.005),
        "k3": st.floats(-0.02, 0.02),
    }
)
poses = st.fixed_dictionaries({"pitch_deg": angles, "roll_deg": angles, "yaw_deg": angles})
turns = st.integers(0, 3)


def optics(
    *, size: tuple[int, int] = SIZE, turn: int = 0, mirror: bool = False, fx: float = 0.0, fy: float = 0.0,
    cx: float | None = None, cy: float | None = None, k1: float = 0.0, k2: float = 0.0, p1: float = 0.0,
    p2: float = 0.0, k3: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0, yaw_deg: float = 0.0,
) -> NDArray[np.void]:  # fmt: skip
    """One row of `OPTICS`; the principal point is in the middle unless told otherwise."""
    middle = [(n - 1) / 2 for n in size]
    row = (
        *size, turn, mirror, fx, fy or fx, middle[0] if cx is None else cx, middle[1] if cy is None else cy,
        k1, k2, p1, p2, k3, *(math.radians(a) for a in (pitch_deg, roll_deg, yaw_deg)),
    )  # fmt: skip
    return np.array([row], lens.OPTICS)


def levelled(xy_px: F64, row: NDArray[np.void]) -> F64:
    plane = np.full(xy_px.shape, -1.0)
    lens.level(np.ascontiguousarray(xy_px), len(xy_px), row, plane)
    return plane


def some_pixels(seed: int = 1) -> F64:
    return np.random.default_rng(seed).uniform((120, 90), (520, 390), (12, 2))


def turned(axis: tuple[float, float, float], deg: float) -> F64:
    return np.asarray(cv2.Rodrigues(np.array(axis) * math.radians(deg))[0])


@given(bends, poses, turns, st.booleans(), st.floats(500, 900), st.floats(500, 900))
@steady
def test_a_ray_that_opencv_bent_is_straightened_turned_upright_and_levelled_as_matrices_say(
    bend: dict[str, float], pose: dict[str, float], turn: int, mirror: bool, fx: float, fy: float
) -> None:
    flat = np.random.default_rng(1).uniform((-0.35, -0.25), (0.35, 0.25), (12, 2))
    rays = np.column_stack([flat, np.ones(12)])
    matrix = np.array([[fx, 0, 310.0], [0, fy, 255.0], [0, 0, 1]])
    coefficients = np.array([bend[k] for k in ("k1", "k2", "p1", "p2", "k3")])
    pixels = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), matrix, coefficients)[0][:, 0]
    to_upright = np.diag([-1.0 if mirror else 1.0, 1, 1]) @ turned((0, 0, 1), 90 * turn)
    # yaw to the right is a turn about the axis that points down; then pitch down about the one to the right; then roll
    to_room = (
        turned((0, 1, 0), pose["yaw_deg"])
        @ turned((1, 0, 0), -pose["pitch_deg"])
        @ turned((0, 0, 1), pose["roll_deg"])
    )
    right, down, ahead = to_room @ to_upright @ rays.T
    row = optics(turn=turn, mirror=mirror, fx=fx, fy=fy, cx=310.0, cy=255.0, **bend, **pose)
    expected = np.column_stack([fx * right / ahead, -fx * down / ahead])
    assert levelled(pixels, row) == pytest.approx(expected, abs=1e-5)


@given(bends, poses, turns, st.booleans(), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
@steady
def test_what_the_virtual_lens_bends_and_tips_comes_back_to_its_place_in_the_room(
    bend: dict[str, float], pose: dict[str, float], turn: int, mirror: bool, right_m: float, above_m: float
) -> None:
    width, height = SIZE if turn % 2 == 0 else SIZE[::-1]
    scene = Scene(
        width_px=width, height_px=height, rotate_deg=(0, 90, 180, 270)[turn], mirror=mirror, f_px=640.0,
        right_m=right_m, **bend, **pose,
    )  # fmt: skip
    room = np.random.default_rng(2).uniform((-0.3, 0, 0.7), (0.3, 0, 1.3), (12, 3)) * (1, 0, 1)
    pixels, _ = Optics(scene, 1.0 + above_m).project(room)
    row = optics(size=(width, height), turn=turn, mirror=mirror, fx=640.0, **bend, **pose)
    plane = levelled(np.add(pixels, ((width - 1) / 2, (height - 1) / 2)), row)
    expected = 640.0 / scene.distance_m * np.column_stack([room[:, 0] - right_m, room[:, 2] - 1 - above_m])
    assert plane == pytest.approx(expected, abs=1e-4)


@given(bends, poses, turns, st.booleans())
@steady
def test_the_mirrored_lens_sees_the_mirrored_plane_to_the_last_bit(
    bend: dict[str, float], pose: dict[str, float], turn: int, mirror: bool
) -> None:
    pixels = np.round(some_pixels() * 4096) / 4096
    one = levelled(pixels, optics(turn=turn, mirror=mirror, fx=700.0, **bend, **pose))
    upright = turn % 2 == 0
    flipped = pixels.copy()
    axis = 0 if upright else 1
    flipped[:, axis] = SIZE[axis] - 1 - pixels[:, axis]
    bent = bend | ({"p2": -bend["p2"]} if upright else {"p1": -bend["p1"]})
    posed = pose | {"roll_deg": -pose["roll_deg"], "yaw_deg": -pose["yaw_deg"]}
    other = levelled(flipped, optics(turn=turn, mirror=mirror, fx=700.0, **bent, **posed))
    assert np.array_equal(other * (-1, 1), one)
    through = levelled(flipped, optics(turn=turn, mirror=not mirror, fx=700.0, **bent, **pose))
    assert np.array_equal(through, one)


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("mirror", [False, True])
def test_without_calibration_pixels_are_turned_upright_and_rolled_back_only(turn: int, mirror: bool) -> None:
    pixels = some_pixels()
    x, y = (pixels - ((SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2)).T
    upright = [(x, y), (-y, x), (-x, -y), (y, -x)][turn]
    right, down = (-upright[0] if mirror else upright[0]), upright[1]
    assert levelled(pixels, optics(turn=turn, mirror=mirror)) == pytest.approx(
        np.column_stack([right, -down])
    )
    rolled = levelled(pixels, optics(turn=turn, mirror=mirror, roll_deg=7.0))
    both = turned((0, 0, 1), 7.0)[:2, :2] @ np.stack([right, down])
    assert rolled == pytest.approx((both * [[1], [-1]]).T)


def test_a_camera_rolled_clockwise_sees_the_right_hip_high_and_is_put_right() -> None:
    scene = Scene(roll_deg=10.0)
    pair, _ = Optics(scene, 1.0).project(np.array([[-0.1, 0, 1.0], [0.1, 0, 1.0]]))
    assert pair[1, 1] < pair[0, 1]
    plane = levelled(np.add(pair, (239.5, 319.5)), optics(size=(480, 640), fx=640.0, roll_deg=10.0))
    assert plane[0, 1] == pytest.approx(plane[1, 1], abs=1e-9)


@pytest.mark.parametrize("fx", [0.0, 700.0])
@pytest.mark.parametrize("unseen", [(np.nan, 200.0), (200.0, np.nan), (np.nan, np.nan)])
def test_what_is_not_seen_has_no_place(fx: float, unseen: tuple[float, float]) -> None:
    pixels = np.array([[300.0, 200.0], unseen])
    for turn in range(4):
        row = optics(turn=turn, fx=fx, k1=-0.1 if fx else 0.0, roll_deg=3.0)
        plane = levelled(pixels, row)
        assert np.isfinite(plane[0]).all()
        assert np.isnan(plane[1]).any()
        if np.isnan(unseen).all():
            assert np.isnan(plane[1]).all()


SPEEDS = np.array([[30.0, -60.0], [35.0, -55.0], [-200.0, 900.0], [150.0, -700.0]])
STARTS = np.array([[200.0, 150.0], [270.0, 155.0], [220.0, 300.0], [260.0, 330.0]])


def rolled(t_s: F64, row_s: float) -> F64:
    """(n, 4, 2) where marks of constant speed are when their own rows are exposed."""
    y = (STARTS[:, 1] + SPEEDS[:, 1] * t_s[:, None]) / (1 - SPEEDS[:, 1] * row_s)
    x = STARTS[:, 0] + SPEEDS[:, 0] * (t_s[:, None] + row_s * y)
    return np.stack([x, y], axis=-1)


def placed(t_s: F64, xy: F64, row_s: float, row: NDArray[np.void]) -> tuple[F64, F64]:
    plane, at_s = np.empty(xy.shape), np.empty(len(t_s))
    lens.place(t_s, xy, row_s, row, np.full((4, 3), np.nan), plane, at_s)
    return plane, at_s


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("row_us", [5.0, 15.0, 30.0])
def test_a_rolling_shutters_marks_are_brought_to_the_moment_of_the_pelvis(turn: int, row_us: float) -> None:
    t_s = np.arange(10) / 120
    xy = rolled(t_s, row_us * 1e-6)
    row = optics(turn=turn)
    plane, at_s = placed(t_s, xy, row_us * 1e-6, row)
    assert at_s == pytest.approx(t_s + row_us * 1e-6 * xy[:, :2, 1].mean(axis=1), abs=1e-12)
    for k in range(1, 10):  # in the first frame no speed is known yet
        truth = levelled(STARTS + SPEEDS * at_s[k], row)
        assert plane[k] == pytest.approx(truth, abs=1e-9)
    skewed = [abs(levelled(xy[k], row) - plane[k]).max() for k in range(1, 10)]
    assert min(skewed) > row_us * 0.05  # without it the swing heel would be a pixel off


def test_a_global_shutter_needs_no_bringing() -> None:
    t_s, row = np.arange(5) / 120, optics(turn=1, fx=700.0, pitch_deg=4.0)
    xy = rolled(t_s, 0.0)
    plane, at_s = placed(t_s, xy, 0.0, row)
    assert np.array_equal(at_s, t_s)
    assert np.array_equal(plane, np.stack([levelled(frame, row) for frame in xy]))


def test_without_a_pelvis_the_moment_is_the_middle_rows_and_one_mark_alone_gives_its_own() -> None:
    t_s = np.arange(4) / 120
    xy = rolled(t_s, 2e-5)
    xy[1:, 0] = np.nan
    xy[2:, 1] = np.nan
    _, at_s = placed(t_s, xy, 2e-5, optics())
    assert at_s[1] == t_s[1] + 2e-5 * xy[1, 1, 1]
    assert at_s[2:] == pytest.approx(t_s[2:] + 2e-5 * (SIZE[1] - 1) / 2, abs=1e-15)


def test_a_mark_that_was_away_is_not_carried_by_the_speed_of_its_absence() -> None:
    t_s = np.array([0.0, 1 / 120, 0.2, 0.2 + 1 / 120])
    xy, row = rolled(t_s, 2e-5), optics()
    plane, at_s = placed(t_s, xy, 2e-5, row)
    assert np.array_equal(plane[2], levelled(xy[2], row))
    assert plane[3] == pytest.approx(levelled(STARTS + SPEEDS * at_s[3], row), abs=1e-9)


@pytest.mark.parametrize("up_px", [64.0, 100.0])
def test_a_mark_that_outran_the_rows_has_no_speed_and_stays_where_it_was_seen(up_px: float) -> None:
    """Its second row is exposed when, or before, its first was: no division by nothing, no time that runs back."""
    t_s, row_s = np.array([0.0, 2.0**-7]), 2.0**-13
    xy = np.full((2, 4, 2), np.nan)
    xy[:, 2] = (100.0, 128.0), (100.0, 128.0 - up_px)
    plane, _ = placed(t_s, xy, row_s, optics())
    assert np.array_equal(plane[1, 2], levelled(xy[1, 2:3], optics())[0])


def test_frames_one_by_one_are_placed_as_all_at_once() -> None:
    t_s, row = np.arange(12) / 120, optics(fx=700.0, k1=-0.1)
    xy = rolled(t_s, 2e-5)
    xy[4:6, 2] = np.nan
    whole, at_s = placed(t_s, xy, 2e-5, row)
    was, plane, at = np.full((4, 3), np.nan), np.empty((1, 4, 2)), np.empty(1)
    for k in range(12):
        lens.place(t_s[k : k + 1], xy[k : k + 1], 2e-5, row, was, plane, at)
        assert np.array_equal(plane[0], whole[k], equal_nan=True)
        assert at[0] == at_s[k]
