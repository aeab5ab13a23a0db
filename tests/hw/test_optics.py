"""Projection and drawing: dots are where an independent oracle, and their own rows' time, say."""

import math
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hw.camera.optics import Optics
from hw.camera.runner import Runner
from hw.camera.scene import Hidden, Other, Reflection, Scene, mounted, reflected, worn
from hw.camera.scene import settings as fitting_settings
from hw.camera.virtual import VirtualCamera

QUIET = {"noise": 0.0, "shot": 0.0, "background": 0.0}

angles = st.floats(-20, 20)


def _turn(axis, deg):
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    z = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    return {"x": x, "y": y, "z": z}[axis]


scenes = st.builds(
    Scene,
    yaw_deg=angles,
    pitch_deg=angles,
    roll_deg=angles,
    k1=st.floats(-0.3, 0.3),
    k2=st.floats(-0.05, 0.05),
    k3=st.floats(-0.02, 0.02),
    p1=st.floats(-0.01, 0.01),
    p2=st.floats(-0.01, 0.01),
    right_m=st.floats(-0.3, 0.3),
    cx_px=st.just(230.5),
    cy_px=st.just(333.0),
)


@given(scenes)
@settings(max_examples=60, deadline=None)
def test_projection_agrees_with_opencv_for_an_upright_camera(scene):
    yaw, pitch, roll = scene.yaw_deg, scene.pitch_deg, scene.roll_deg
    bend = np.array([scene.k1, scene.k2, scene.p1, scene.p2, scene.k3])
    room = np.random.default_rng(1).uniform([-0.5, -0.5, 0.1], [0.5, 0.5, 1.2], (20, 3))
    mine, _ = Optics(scene, 1.0).project(room)
    # camera axes x right, y down, z ahead; undo yaw (about down), then pitch (about right), then roll (about ahead)
    level = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    world_to_camera = _turn("z", -roll) @ _turn("x", pitch) @ _turn("y", -yaw) @ level
    place = np.array([scene.right_m, -scene.distance_m, 1.0])
    matrix = np.array([[640.0, 0, 230.5], [0, 640.0, 333.0], [0, 0, 1]])
    turn, _ = cv2.Rodrigues(world_to_camera)
    theirs, _ = cv2.projectPoints(room, turn, -world_to_camera @ place, matrix, bend)
    assert np.add(mine, (239.5, 319.5)) == pytest.approx(theirs[:, 0], abs=1e-6)


def test_signs_of_the_pose_are_those_of_the_settings():
    ahead = np.array([[0.0, 0.0, 1.0]])
    assert (
        Optics(Scene(pitch_deg=10), 1.0).project(ahead)[0][0, 1] < -50
    )  # looks down: the pelvis rises in the picture
    assert Optics(Scene(yaw_deg=10), 1.0).project(ahead)[0][0, 0] < -50  # turned to its right: it moves left
    pair = np.array([[-0.1, 0, 1.0], [0.1, 0, 1.0]])
    left, right = Optics(Scene(roll_deg=10), 1.0).project(pair)[0]
    assert right[1] < left[1]  # rolled clockwise: the room turns the other way, the right side rises


def test_behind_the_camera_nothing_is_seen():
    xy, depth = Optics(Scene(), 1.0).project(np.array([[0.0, -5.0, 1.0]]))
    assert np.isnan(xy).all()
    assert np.isnan(depth).all()


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_undoing_the_mount_gives_the_upright_picture(rotate, mirror):
    w, h = (480, 640) if rotate in (0, 180) else (640, 480)
    upright = VirtualCamera(Scene(**QUIET, gradient_x=40, gradient_y=-30)).picture(0, 0.3)
    turned = VirtualCamera(
        Scene(
            **QUIET, gradient_x=40, gradient_y=-30, width_px=w, height_px=h, rotate_deg=rotate, mirror=mirror
        )
    ).picture(0, 0.3)
    clockwise = np.rot90(turned, -rotate // 90)  # what camera.rotate_deg says must be done to it
    assert np.array_equal(clockwise[:, ::-1] if mirror else clockwise, upright)


SIDEWAYS = Scene(
    yaw_deg=3,
    pitch_deg=12,
    roll_deg=-2,
    right_m=0.2,
    row_us=13,
    exposure_ms=3,
    gradient_x=8,
    cx_px=230.5,
    k1=-0.1,
    p1=0.002,
    p2=0.003,
    clutter=(Reflection(x_px=100, y_px=-50, path_x_px=40),),
    other=Other(),
)


@pytest.mark.parametrize("runner", ["rbds001", "ric", Runner()])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_a_mirrored_world_gives_the_mirrored_picture_to_the_last_bit(runner, rotate):
    scene = replace(SIDEWAYS, runner=runner, rotate_deg=rotate)
    if rotate in (90, 270):  # there the rows' own times run from one side of the runner to the other
        scene = replace(scene, row_us=0.0)
    one, other = VirtualCamera(scene), VirtualCamera(reflected(scene))
    for seq in (0, 7, 40):
        picture = one.picture(seq, seq / 120)
        flipped = picture[:, ::-1] if rotate in (0, 180) else picture[::-1]
        assert np.array_equal(other.picture(seq, seq / 120), flipped)
    assert other.elevation_deg(0.4) == -one.elevation_deg(0.4)
    assert reflected(reflected(scene)) == scene


def _centroid(luma, around, reach=12):
    x0, y0 = (round(float(v)) - reach for v in around)
    patch = luma[y0 : y0 + 2 * reach + 1, x0 : x0 + 2 * reach + 1].astype(float)
    ys, xs = np.mgrid[y0 : y0 + 2 * reach + 1, x0 : x0 + 2 * reach + 1]
    return np.array([(patch * xs).sum(), (patch * ys).sum()]) / patch.sum()


@pytest.mark.parametrize("dot_mm", [10, 14, 25, 60])
def test_a_dot_is_drawn_where_its_mark_is(dot_mm):
    camera = VirtualCamera(Scene(**QUIET, runner="rbds001", dot_mm=dot_mm, exposure_ms=0.01))
    off = []
    for k in range(40):
        luma, pixels = camera.picture(k, k / 120), camera.pixels(k / 120)
        for mark in camera.pair:
            off.append(_centroid(luma, pixels[mark]) - pixels[mark])
    assert np.sqrt(np.mean(np.square(off))) < 0.01
    assert np.max(np.abs(off)) < 0.04


def test_a_moving_dot_is_smeared_over_the_exposure_around_where_it_was():
    still = VirtualCamera(Scene(**QUIET, exposure_ms=0.01))
    smeared = VirtualCamera(Scene(**QUIET, exposure_ms=8))
    t_s = 0.5
    way = still.pixels(t_s + 0.004)["left_heel"] - still.pixels(t_s - 0.004)["left_heel"]
    assert np.hypot(*way) > 2
    sharp, soft = still.picture(0, t_s), smeared.picture(0, t_s)
    at = still.pixels(t_s)["left_heel"]
    assert _centroid(soft, at) == pytest.approx(_centroid(sharp, at), abs=0.1)
    assert soft.max() <= sharp.max()
    assert float(soft.sum()) == pytest.approx(float(sharp.sum()), rel=0.02)  # the same light, spread out
    x0, y0 = np.round(at).astype(int) - 12
    spread = [np.count_nonzero(p[y0 : y0 + 25, x0 : x0 + 25] > 20) for p in (sharp, soft)]
    assert spread[1] > spread[0]


@pytest.mark.parametrize("rotate", [0, 90])
def test_rolling_shutter_draws_each_dot_where_it_was_when_its_row_was_exposed(rotate):
    row_us = 20.0
    rolling = VirtualCamera(Scene(**QUIET, row_us=row_us, rotate_deg=rotate, width_px=640, height_px=640))
    whole = VirtualCamera(Scene(**QUIET, rotate_deg=rotate, width_px=640, height_px=640))
    t_s = 0.62
    for mark, at in rolling.pixels(t_s).items():
        row_t_s = t_s + row_us * 1e-6 * at[1]
        assert at == pytest.approx(whole.pixels(row_t_s)[mark], abs=1e-4)
        assert _centroid(rolling.picture(0, t_s), at) == pytest.approx(at, abs=0.06)
    moved = [np.hypot(*(rolling.pixels(t_s)[m] - whole.pixels(t_s)[m])) for m in worn(rolling.scene)]
    assert max(moved) > 1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_ones():
    scene = Scene(lost=0.1, duration_s=0.5)
    runs = [[(f.seq, f.t_s, f.luma.tobytes()) for f in VirtualCamera(scene).frames()] for _ in range(2)]
    assert runs[0] == runs[1]
    other = [f.luma.tobytes() for f in VirtualCamera(Scene(lost=0.1, duration_s=0.5, seed=2)).frames()]
    assert other != [luma for *_, luma in runs[0]]


def test_noise_is_as_large_as_asked_for_and_changes_from_frame_to_frame():
    camera = VirtualCamera(Scene(noise=2.5, background=30, heels=False))
    a, b = (camera.picture(k, 0.0).astype(float)[:200] for k in (1, 2))
    assert a.std() == pytest.approx(2.5, rel=0.05)
    assert a.mean() == pytest.approx(30, abs=0.1)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


def test_bright_light_saturates_and_never_wraps_round():
    luma = VirtualCamera(Scene(dot_level=400, background=240, noise=3)).picture(0, 0.1)
    assert luma.max() == 255
    assert luma.min() > 200


def test_lost_frames_leave_gaps_in_the_count_at_the_share_asked_for():
    camera = VirtualCamera(Scene(width_px=64, height_px=64, lost=0.2, duration_s=20))
    seqs = [f.seq for f in camera.frames()]
    assert 2400 - len(seqs) == camera.lost == pytest.approx(480, abs=80)
    assert all(b > a for a, b in pairwise(seqs))


def test_hidden_marks_are_dark_exactly_while_they_are_hidden():
    camera = VirtualCamera(Scene(**QUIET, hidden=(Hidden("right_heel", 0.2, 0.3),)))
    for t_s, dark in ((0.19, False), (0.2, True), (0.29, True), (0.3, False)):
        x, y = np.round(camera.pixels(t_s)["right_heel"]).astype(int)
        assert (camera.picture(0, t_s)[y, x] == 0) == dark
        assert camera.visible(t_s)["right_heel"] != dark


def test_heels_can_be_hidden_while_low_and_while_high():
    low = VirtualCamera(Scene(hide_heels_below_m=0.12))
    high = VirtualCamera(Scene(hide_heels_above_m=0.25))
    for t_s in np.arange(0, 2, 0.02):
        z = low.truth(t_s)["left_heel"][2]
        assert low.visible(t_s)["left_heel"] == (z >= 0.12)
        assert high.visible(t_s)["left_heel"] == (z <= 0.25)
        assert low.visible(t_s)["left_iliac_crest"]


def test_heels_and_plate_dots_are_worn_as_asked_for():
    assert worn(Scene(runner="ric", plate_dots=2, heels=False)) == ("plate_left", "plate_right")
    assert worn(Scene(runner="ric", plate_dots=3)) == (
        "plate_left",
        "plate_right",
        "plate_a",
        "left_heel",
        "right_heel",
    )
    assert worn(Scene(runner="rbds001", pair="psis", heels=False)) == ("left_psis", "right_psis")


def test_settings_that_fit_the_scene_describe_the_same_scene():
    scene = Scene(pitch_deg=12, roll_deg=1, rotate_deg=90, mirror=True, row_us=10, k1=-0.1, f_px=700.0)
    assert mounted(fitting_settings(scene)) == scene


def test_a_frame_is_drawn_within_a_millisecond():
    for scene in (Scene(runner="ric", width_px=640, height_px=480), Scene(row_us=13), Scene(runner=Runner())):
        camera = VirtualCamera(scene)
        times_s = []
        for seq in range(200):
            start_s = time.thread_time()
            camera.picture(seq, seq / 120)
            times_s.append(time.thread_time() - start_s)
        assert np.percentile(times_s, 20) < 1e-3  # the machine's other work slows some of them down
