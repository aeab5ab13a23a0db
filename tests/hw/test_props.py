"""Things before the camera are where the truth says; light is what exposure, mains, strip and focus make of it."""

import math
import time
from contextlib import closing

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from appliance import config
from hw import open_rig
from hw.camera.board import board_corners
from hw.camera.lighting import Log
from hw.camera.pacing import Pace
from hw.camera.props import Beam, Board, Lamp, Plumb
from hw.camera.scene import Scene, reflected
from hw.camera.virtual import VirtualCamera
from tests.worlds import truth, world

QUIET = {"noise": 0.0, "shot": 0.0, "background": 0.0, "act": "away"}
LENS = {"k1": -0.25, "k2": 0.05, "p1": 0.002, "p2": -0.001, "cx_px": 231.0, "cy_px": 329.0}


def _centroids(luma):
    """Middles of the bright spots, from left to right, then from top to bottom."""
    many, marks = cv2.connectedComponents((luma > 0).astype(np.uint8))
    ys, xs = np.mgrid[: luma.shape[0], : luma.shape[1]]
    weights = [np.where(marks == k, luma, 0).astype(float) for k in range(1, many)]
    return np.array([((w * xs).sum() / w.sum(), (w * ys).sum() / w.sum()) for w in weights])


@pytest.mark.parametrize(
    "pose", [{}, {"pitch_deg": 8.0, "roll_deg": -3.0, "yaw_deg": 2.0}, {"rotate_deg": 90, "mirror": True}]
)
@pytest.mark.parametrize("things", [{"beam": Beam(tilt_deg=2.5, up_m=0.1)}, {"plumb": Plumb(right_m=0.05)}])
def test_dots_of_things_are_drawn_where_they_are(things, pose):
    camera = VirtualCamera(Scene(**QUIET, **things, **pose, **LENS))
    found = _centroids(camera.picture(0, 0.0))
    true = np.array(list(camera.things(0.0).values()))
    assert len(found) == len(true) == (2 if "beam" in things else 4)
    off = np.hypot(*(found[:, None] - true[None]).transpose(2, 0, 1)).min(axis=0)
    assert off.max() < 0.06


def test_a_level_camera_sees_a_level_bar_level_and_a_rolled_one_sees_it_turned_back():
    def seen_deg(**pose):
        left, right = (
            VirtualCamera(Scene(**QUIET, beam=Beam(**pose.pop("beam", {})), **pose)).things(0.0).values()
        )
        return math.degrees(math.atan2(left[1] - right[1], right[0] - left[0]))

    assert seen_deg() == pytest.approx(0.0, abs=1e-9)
    assert seen_deg(beam={"tilt_deg": 3.0}) == pytest.approx(3.0)
    assert seen_deg(roll_deg=2.0) == pytest.approx(2.0)
    assert seen_deg(roll_deg=2.0, pitch_deg=10.0) == pytest.approx(2.0), (
        "in the picture's middle pitch does nothing"
    )


def test_a_plumb_line_is_straight_down_and_swings_when_it_is_told_to():
    hung = np.array(list(VirtualCamera(Scene(**QUIET, plumb=Plumb(dots=5))).things(0.0).values()))
    assert np.ptp(hung[:, 0]) == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(hung[:, 1]) > 50).all()
    swinging = VirtualCamera(Scene(**QUIET, plumb=Plumb(swing_deg=2.0)))
    lowest = np.array([swinging.things(t_s)["plumb_4"][0] for t_s in np.arange(0, 3, 0.02)])
    assert np.ptp(lowest) == pytest.approx(2 * math.sin(math.radians(2.0)) * 1.5 * 640 / 2.5, rel=0.02)


def test_things_are_mirrored_with_the_world():
    scene = Scene(
        act="stand",
        beam=Beam(tilt_deg=2.0, right_m=0.1, turn_deg=5.0),
        plumb=Plumb(right_m=-0.2, swing_deg=3.0),
        roll_deg=1.0,
    )
    one, other = (VirtualCamera(s).picture(3, 0.4) for s in (scene, reflected(scene)))
    assert np.array_equal(other, one[:, ::-1])


def test_the_lamp_is_as_bright_as_the_share_of_the_exposure_that_saw_it_lit():
    log = Log()
    camera = VirtualCamera(
        Scene(**QUIET, lamp=Lamp(led=2, x_px=40, y_px=-30, delay_ms=4.0, level=200)), lit=log
    )
    dark, lit = np.zeros((8, 3), np.uint8), np.zeros((8, 3), np.uint8)
    lit[2] = 255
    log.note(-1.0, dark)
    log.note(10 / 120 - 0.004 + 0.00025, lit)  # the light comes 3/4 through the exposure of frame 10
    log.note(20 / 120 - 0.004, dark)  # and goes half through that of frame 20
    seen = [float(f.luma.max()) for f, _ in zip(camera.frames(), range(30), strict=False)]
    assert seen[:10] == [0.0] * 10
    assert seen[10] == pytest.approx(50, abs=1)
    assert seen[11:20] == pytest.approx([200.0] * 9, abs=1)
    assert seen[20] == pytest.approx(100, abs=1)
    assert seen[21:] == [0.0] * 9


def test_a_rolling_shutter_sees_the_lamp_when_its_row_is_exposed():
    log = Log()
    scene = Scene(**QUIET, row_us=12.0, lamp=Lamp(led=0, y_px=200.0, level=200))
    camera = VirtualCamera(scene, lit=log)
    row_s = 12e-6 * (319.5 + 200.0)
    lit = np.full((1, 3), 255, np.uint8)
    log.note(5 / 120 + row_s, lit)
    seen = [float(f.luma.max()) for f, _ in zip(camera.frames(), range(8), strict=False)]
    assert seen == pytest.approx([0, 0, 0, 0, 0, 100, 200, 200], abs=1)


def test_an_led_that_is_half_as_bright_and_another_led_are_told_apart():
    log = Log()
    camera = VirtualCamera(Scene(**QUIET, lamp=Lamp(led=1, level=200)), lit=log)
    rgb = np.zeros((4, 3), np.uint8)
    rgb[1, 2], rgb[0] = 51, 255
    log.note(0.0, rgb)
    assert [float(f.luma.max()) for f, _ in zip(camera.frames(), range(3), strict=False)][1:] == [40.0, 40.0]
    beyond = VirtualCamera(Scene(**QUIET, lamp=Lamp(led=9)), lit=log)
    assert next(beyond.frames()).luma.max() == 0, "the strip has no such LED"


def test_a_log_of_more_than_it_keeps_still_knows_what_was_last():
    log = Log()
    for k in range(10_000):
        log.note(k * 0.001, np.full((2, 3), k % 256, np.uint8))
    assert log.share(0, 20.0, 21.0) == pytest.approx(9_999 % 256 / 255)


def test_mains_light_beats_in_short_exposures_and_not_in_whole_periods():
    camera = VirtualCamera(
        Scene(act="away", noise=0.0, background=40.0, flicker_hz=100.0, reference_us=6000.0)
    )
    frames = camera.frames()
    swing = []
    for exposure_us, gain in ((1500.0, 4.0), (8000.0, 0.75), (10_000.0, 0.6)):
        camera.expose(exposure_us, gain)
        means = [float(next(frames).luma.mean()) for _ in range(12)]  # 120 and 100 Hz meet every 6 frames
        swing.append((max(means) - min(means)) / 2)
        assert np.mean(means) == pytest.approx(40.0, abs=0.6)
    assert swing == pytest.approx([0.5 * 40 * s for s in (np.sinc(0.15), np.sinc(0.8), 0.0)], abs=0.7)


def test_a_rolling_shutter_sees_mains_light_as_bands():
    rolling = VirtualCamera(Scene(act="away", noise=0.0, background=40.0, flicker_hz=100.0, row_us=12.0))
    rows = rolling.picture(0, 0.0).mean(axis=1)
    assert np.ptp(rows) > 25
    assert np.ptp(rolling.picture(0, 0.0), axis=1).max() == 0


def test_out_of_focus_dots_are_larger_and_dimmer_but_of_the_same_light_and_place():
    sharp, soft = (VirtualCamera(Scene(**QUIET, beam=Beam(), blur_px=b)) for b in (0.0, 2.5))
    one, other = sharp.picture(0, 0.0).astype(float), soft.picture(0, 0.0).astype(float)
    assert other.sum() == pytest.approx(one.sum(), rel=0.03)
    assert other.max() < 0.5 * one.max()
    assert _centroids(other.astype(np.uint8)) == pytest.approx(_centroids(one.astype(np.uint8)), abs=0.1)


def test_a_camera_can_be_made_to_stamp_its_frames_late():
    honest, late = (VirtualCamera(Scene(act="away", stamp_late_ms=ms)) for ms in (0.0, 7.0))
    for a, b, _ in zip(honest.frames(), late.frames(), range(4), strict=False):
        assert b.t_s - a.t_s == pytest.approx(0.007)
        assert np.array_equal(a.luma, b.luma)


BOARD = cv2.aruco.CharucoBoard(
    (7, 5), 0.030, 0.022, cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_100)
)
VIEWS = {
    "upright": {},
    "bent, pitched and rolled": {**LENS, "pitch_deg": 4.0, "roll_deg": 2.0},
    "a quarter turned": {"rotate_deg": 90, "width_px": 640, "height_px": 480},
    "upside down, to its right": {"rotate_deg": 180, "yaw_deg": 9.0, "right_m": 0.2},
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_board_is_found_where_it_truly_is_through_the_true_lens(view):
    off = []
    for pose in (1, 5, 9, 12):
        camera = VirtualCamera(Scene(act="away", board=Board(pose=pose), **VIEWS[view]))
        corners, numbers, _, _ = cv2.aruco.CharucoDetector(BOARD).detectBoard(camera.picture(0, 0.0))
        assert len(numbers) >= 22, pose
        off.append(corners.reshape(-1, 2) - camera.corners()[numbers.ravel()])
    off = np.concatenate(off)
    assert np.sqrt(np.mean(np.sum(off**2, axis=1))) < 0.1  # OpenCV's own share of it is 0.06
    assert np.abs(off.mean(axis=0)).max() < 0.02


def test_a_hundred_poses_are_all_in_view_and_cover_the_picture():
    scenes = [Scene(board=Board(pose=k)) for k in range(1, 101)]
    places = np.concatenate([board_corners(scene, 1.0) for scene in scenes])
    inside = ((places > 4) & (places < np.array([475, 635]))).all(axis=1)
    assert inside.mean() > 0.98
    cells, _, _ = np.histogram2d(*places[: 24 * 18].T, bins=(6, 8), range=((0, 480), (0, 640)))
    assert (cells > 0).mean() > 0.9, "eighteen of them are enough for nearly every corner of the picture"


def test_a_board_that_is_held_upright_shows_the_camera_s_roll():
    camera = VirtualCamera(Scene(board=Board(distance_m=0.6), roll_deg=1.5))
    row = camera.corners().reshape(4, 6, 2)[2]
    across = row[-1] - row[0]
    assert math.degrees(math.atan2(-across[1], across[0])) == pytest.approx(1.5, abs=1e-6)


def test_a_board_seen_from_behind_or_out_of_view_is_not_there():
    for board in (Board(yaw_deg=180.0), Board(right_m=3.0), Board(distance_m=-1.0)):
        luma = VirtualCamera(Scene(act="away", noise=0.0, shot=0.0, board=board)).picture(0, 0.0)
        assert np.ptp(luma) == 0


def test_white_paper_saturates_when_it_is_exposed_too_long():
    camera = VirtualCamera(Scene(act="away", board=Board(distance_m=0.5)))
    camera.expose(1500.0, 4.0)
    frames = camera.frames()
    usual = next(frames).luma
    assert 165 < np.percentile(usual, 95) < 185
    camera.expose(3000.0, 4.0)
    assert np.percentile(next(frames).luma, 90) == 255


def test_the_truth_of_a_scene_file_is_at_hand_for_tests(tmp_path):
    path = world(tmp_path, board=Board(pose=3), act="away", k1=-0.2)
    camera = truth(path, config.Camera(width_px=320, height_px=240))
    assert camera.size == (320, 240)
    assert camera.lens.k1 == -0.2
    assert np.isfinite(camera.corners()).all()
    assert np.isnan(VirtualCamera(replace(camera.scene, board=None)).corners()).all()


def _lit_and_seen(rig, trials):
    """Lights and darkens the bar; for each light: when it was shown, the last frame without it, the first with it."""
    rng, dark, full = np.random.default_rng(4), np.zeros((8, 3), np.uint8), np.full((8, 3), 255, np.uint8)
    lit_s, before, found = None, None, []
    for frame in rig.see().frames():
        if frame is None:
            continue
        bright = frame.luma.max() > 0
        if bright and lit_s is not None:
            found.append((lit_s, before.t_s, frame.t_s))
            rig.strip.show(dark)
            lit_s = None
            if len(found) == trials:
                return np.array(found).T
        elif not bright and lit_s is None:
            pace, busy_s = Pace(), rng.uniform(0.0, 0.009)  # so that it falls anywhere between two frames
            while not pace.wait(busy_s):
                pass
            rig.strip.show(full)
            lit_s = time.monotonic()
        before = frame
    raise AssertionError("the frames have ended")


def test_a_lamp_of_the_rig_s_own_strip_is_seen_exactly_when_it_was_lit(tmp_path):
    path = world(tmp_path, **QUIET, lamp=Lamp(led=4, delay_ms=30.0, level=200))
    text = f'[camera]\nscene = "{path}"\nrate_hz = 100\n[strip]\nkind = "memory"\nleds = 8\n'
    with closing(open_rig(config.parse(text))) as rig:
        lit_s, without_s, with_s = _lit_and_seen(rig, trials=12)
    light_s, half_s = lit_s + 0.030, 0.5 * 1500e-6
    assert (light_s - (without_s + half_s)).min() > -1e-4, "not before the last exposure without it ended"
    assert (with_s + half_s - light_s).min() > -1e-4, "but before the first one with it did"
    assert np.median(with_s - light_s) < 0.02
