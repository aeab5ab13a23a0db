"""Roll and pitch: injected into the virtual camera, found again, and a runner's peaks right after it."""

from __future__ import annotations

import math
from functools import cache

import drawn
import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from watching import compared, watch

from appliance.calibration.board import Board, Sighting
from appliance.calibration.lens import solve
from appliance.calibration.level import (
    Level,
    Plumb,
    board_tilt_deg,
    from_bar,
    from_board,
    from_plumbs,
    gravity,
    left_to_right,
    pitch_by_height,
    plumb,
    pose_deg,
    tilt_deg,
)
from appliance.calibration.rays import optics
from appliance.config import Camera, Lens, Settings
from hw.camera.optics import Optics
from hw.camera.scene import Scene
from hw.camera.scene import settings as fitting

F64 = NDArray[np.float64]
BOARD = Board()
BENT = Lens(fx_px=640.0, k1=-0.2, k2=0.05, p1=0.001)
LIMIT_DEG = 0.1
MOUNTS = [(0, False), (90, True), (180, False), (270, True)]
POSES = [(4.0, 8.0), (-6.0, -5.0), (9.5, 0.0), (0.0, 12.0)]


class Stand:
    """A crooked camera at (0, -2.5 m, 1 m), and where things in the room are seen by it."""

    def __init__(self, roll_deg: float, pitch_deg: float, rotate_deg: int = 0, mirror: bool = False) -> None:
        w, h = (480, 640) if rotate_deg % 180 == 0 else (640, 480)
        self.camera = Camera(width_px=w, height_px=h, rotate_deg=rotate_deg, mirror=mirror)  # type: ignore[arg-type]
        scene = Scene(
            width_px=w, height_px=h, rotate_deg=rotate_deg, mirror=mirror, f_px=640.0, k1=BENT.k1, k2=BENT.k2,
            p1=BENT.p1, roll_deg=roll_deg, pitch_deg=pitch_deg,
        )  # type: ignore[arg-type]  # fmt: skip
        self._optics, self._middle = Optics(scene, 1.0), np.array([(w - 1) / 2, (h - 1) / 2])
        self.row = optics(self.camera, BENT)
        self._rng = np.random.default_rng(7)

    @classmethod
    def of(cls, scene: Scene, lens: Lens) -> Stand:
        """A camera like that of a scene, through a lens as somebody has found it."""
        stand = cls(scene.roll_deg, scene.pitch_deg)
        stand._optics, stand.row = Optics(scene, 1.0), optics(stand.camera, lens)
        return stand

    def pixels(self, *places: tuple[float, float, float], noise_px: float = 0.03) -> F64:
        xy = self._optics.project(np.array(places))[0] + self._middle
        return np.asarray(xy + self._rng.normal(0, noise_px, xy.shape))

    def line(self, right_m: float) -> list[Plumb]:
        found = [
            plumb(self.pixels(*((right_m, 0.0, z) for z in (0.5, 0.75, 1.0, 1.25))), self.row)
            for _ in range(20)
        ]
        return [line for line in found if line]

    def bar(self, raised_m: float = 0.0, up_m: float = 1.0) -> list[F64]:
        ends = (0.3, 0.0, up_m + raised_m), (-0.3, 0.0, up_m)
        return [left_to_right(self.pixels(*ends), self.row) for _ in range(20)]

    def board(
        self, turned: int = 0, tilted_deg: float = 0.0, n: int = 60, at_m: float = -1.8
    ) -> list[Sighting]:
        places = BOARD.places_m(np.arange(BOARD.corners)) - (0.105, 0.075, 0)
        angle = math.radians(90 * turned - tilted_deg)
        x = places[:, 0] * math.cos(angle) - places[:, 1] * math.sin(angle)
        y = places[:, 0] * math.sin(angle) + places[:, 1] * math.cos(angle)
        room = [(a + 0.03, at_m, 0.95 - b) for a, b in zip(x, y, strict=True)]
        corners = np.arange(BOARD.corners)
        return [Sighting(corners, self.pixels(*room), self.camera.mirror, 27, 0.7, 40, 190) for _ in range(n)]


def off_deg(found: Level, roll_deg: float, pitch_deg: float | None = None) -> float:
    """How far off the worse of the two is."""
    pitch_off = 0.0 if pitch_deg is None or found.pitch_deg is None else found.pitch_deg - pitch_deg
    return max(abs(found.roll_deg - roll_deg), abs(pitch_off))


@pytest.mark.parametrize("mount", MOUNTS, ids=str)
@pytest.mark.parametrize("pose", POSES, ids=str)
def test_every_method_finds_roll_and_pitch_to_a_tenth_of_a_degree(
    pose: tuple[float, float], mount: tuple[int, bool]
) -> None:
    stand = Stand(*pose, *mount)
    two = from_plumbs([stand.line(-0.4), stand.line(0.4)], pitch_deg=0.0)
    one = from_plumbs([stand.line(0.25)], pitch_deg=pose[1])
    bar = from_bar(stand.bar(), stand.row, pose[1])
    board = from_board(stand.board(), BOARD, stand.row)
    assert two.pitch_deg is not None
    assert board.pitch_deg is not None
    assert one.pitch_deg is bar.pitch_deg is None
    assert [off_deg(found, *pose) < LIMIT_DEG for found in (two, one, bar, board)] == [True] * 4
    assert [found.problems for found in (two, one, bar, board)] == [()] * 4
    assert board.pitch_error_deg is not None
    assert 0 < board.pitch_error_deg < 3 * LIMIT_DEG  # corners that are off alike in every picture count


@pytest.mark.parametrize("turned", range(4))
def test_a_board_may_stand_on_any_of_its_edges(turned: int) -> None:
    assert (
        off_deg(from_board(Stand(4.0, 8.0).board(turned), BOARD, Stand(4.0, 8.0).row), 4.0, 8.0) < LIMIT_DEG
    )


def test_a_bar_with_a_shim_under_its_right_end_reads_what_the_shim_says() -> None:
    stand = Stand(4.0, 8.0)
    found = from_bar(stand.bar(), stand.row, 8.0)
    raised = np.mean([tilt_deg(pair, stand.row, found.roll_deg, 8.0) for pair in stand.bar(raised_m=0.02)])
    assert raised == pytest.approx(math.degrees(math.atan(0.02 / 0.6)), abs=0.05)
    wrong = np.mean([tilt_deg(pair, stand.row, 0.0, 0.0) for pair in stand.bar(raised_m=0.02)])
    assert abs(wrong - 1.91) > 3.0


def test_a_board_on_a_shim_reads_what_the_shim_says() -> None:
    stand = Stand(-3.0, 6.0)
    roll = from_board(stand.board(), BOARD, stand.row).roll_deg
    tilts = [board_tilt_deg(one, BOARD, stand.row, roll) for one in stand.board(tilted_deg=2.0)]
    assert np.mean(tilts) == pytest.approx(2.0, abs=0.05)


def test_pitch_follows_from_the_heights_of_lens_and_bar() -> None:
    stand = Stand(4.0, 8.0)
    found = [pitch_by_height(pair, stand.row, 4.0, below=0.2 / 2.5) for pair in stand.bar(up_m=0.8)]
    assert np.mean(found) == pytest.approx(8.0, abs=0.02)


def test_gravity_and_pose_are_each_others_inverse() -> None:
    for roll_deg, pitch_deg in [(0, 0), (10, -20), (-30, 15)]:
        assert pose_deg(gravity(roll_deg, pitch_deg)) == pytest.approx((roll_deg, pitch_deg))


def test_a_line_is_told_from_other_bright_dots_and_a_flat_or_short_one_is_none() -> None:
    stand = Stand(2.0, 3.0)
    dots = stand.pixels(*((0.1, 0.0, z) for z in (0.5, 0.75, 1.0)), (-0.3, 0.0, 0.9), (0.3, 0.0, 0.6))
    line = plumb(dots, stand.row)
    assert line is not None
    assert line.dots == 3
    assert line.off_px < 0.1
    assert plumb(dots[2:], stand.row) is None
    assert plumb(stand.pixels((-0.3, 0, 1.0), (0.0, 0, 1.0), (0.3, 0, 1.0)), stand.row) is None
    assert plumb(dots[:1], stand.row) is None


def test_a_line_through_a_lens_that_nobody_calibrated_is_seen_to_bend() -> None:
    stand = Stand(0.0, 0.0)
    plain = optics(stand.camera, Lens())
    lines = [plumb(stand.pixels(*((0.4, 0.0, z) for z in np.linspace(0.2, 1.6, 8))), plain) for _ in range(5)]
    found = from_plumbs([[line for line in lines if line]], 0.0)
    assert any("calibrate the lens first" in hint for hint in found.hints)


def test_without_a_lens_roll_is_still_found() -> None:
    stand = Stand(5.0, 0.0)
    plain = optics(stand.camera, Lens())
    lines = [plumb(stand.pixels(*((0.0, 0.0, z) for z in (0.7, 0.9, 1.1, 1.3))), plain) for _ in range(5)]
    found = from_plumbs([[line for line in lines if line]], 0.0)
    assert found.roll_deg == pytest.approx(5.0, abs=0.1)
    assert from_bar(stand.bar(), plain, 0.0).roll_deg == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize("pose", POSES, ids=str)
def test_without_a_lens_two_lines_show_roll_whatever_the_pitch(pose: tuple[float, float]) -> None:
    stand = Stand(*pose)
    plain = optics(stand.camera, Lens())

    def line(right_m: float, low_m: float, high_m: float) -> list[Plumb]:
        heights = np.linspace(low_m, high_m, 4)
        seen = (plumb(stand.pixels(*((right_m, 0.0, z) for z in heights)), plain) for _ in range(5))
        return [one for one in seen if one]

    found = from_plumbs([line(-0.2, 0.6, 1.0), line(0.45, 0.8, 1.2)], 0.0, lens_known=False)
    assert found.pitch_deg is None
    assert found.hints == ()
    assert found.roll_deg == pytest.approx(pose[0], abs=0.2)  # the lens's middle is not the picture's


def test_a_board_too_far_away_to_show_pitch_says_so() -> None:
    stand = Stand(2.0, 3.0)
    near, far = (from_board(stand.board(at_m=at), BOARD, stand.row) for at in (-2.15, -1.5))
    assert near.hints == ()
    assert near.pitch_error_deg is not None
    assert near.pitch_error_deg < 0.1
    assert far.pitch_error_deg is not None
    assert 0.2 < far.pitch_error_deg < 0.8
    assert "half as far" in far.hints[0]


def test_two_lines_close_together_do_not_pretend_to_show_pitch() -> None:
    stand = Stand(4.0, 8.0)
    found = from_plumbs([stand.line(0.0), stand.line(0.05)], pitch_deg=8.0)
    assert found.pitch_deg is None
    assert any("pitch was not measured" in hint for hint in found.hints)
    assert off_deg(found, 4.0) < LIMIT_DEG


def test_what_swings_is_said_to_swing() -> None:
    stand = Stand(1.0, 0.0)
    swinging = [pair + np.array([(0, 0), (0, 3 * math.sin(k))]) for k, pair in enumerate(stand.bar())]
    assert any("goes to and fro" in problem for problem in from_bar(swinging, stand.row, 0.0).problems)


def test_a_board_seen_in_a_mirror_that_nobody_told_of_is_no_level() -> None:
    stand = Stand(4.0, 8.0)
    found = from_board([replace(one, mirrored=True) for one in stand.board(n=3)], BOARD, stand.row)
    assert any("calibrate sides first" in problem for problem in found.problems)


CROOKED = Scene(
    runner="rbds001", loop=False, duration_s=8.0, f_px=600.0, cx_px=250.0, cy_px=330.0, k1=-0.28, k2=0.09,
    p1=0.001, p2=-0.001, roll_deg=5.0, pitch_deg=9.0,
)  # fmt: skip
"""A camera that is crooked in every way, over a recorded runner."""


@cache
def calibrated() -> Settings:
    """The settings that lens and level find for the crooked camera, from what it sees of the board and a line."""
    camera = fitting(CROOKED).camera
    eye = drawn.Eye((480, 640), 600.0, 600.0, 250.0, 330.0, (-0.28, 0.09, 0.001, -0.001, 0.0))
    found = solve(drawn.views(eye, BOARD, camera), eye.size, BOARD)
    assert found.problems == ()
    lens = Lens(**found.values)
    seer, middle = Optics(CROOKED, 1.0), np.array([239.5, 319.5])
    rng = np.random.default_rng(3)

    def line(right_m: float) -> list[Plumb]:
        room = np.array([(right_m, 0.0, z) for z in (0.4, 0.7, 1.0, 1.2)])
        pixels = [seer.project(room)[0] + middle + rng.normal(0, 0.03, (4, 2)) for _ in range(20)]
        return [found for found in (plumb(px, optics(camera, lens)) for px in pixels) if found]

    level = from_plumbs([line(-0.4), line(0.4)], 0.0)
    assert level.pitch_deg is not None
    assert off_deg(level, 5.0, 9.0) < LIMIT_DEG
    return Settings(camera=camera, lens=replace(lens, roll_deg=level.roll_deg, pitch_deg=level.pitch_deg))


def test_after_the_calibration_a_runners_peaks_are_right_through_the_crooked_camera() -> None:
    one = compared(watch(CROOKED, calibrated()))
    assert one.true >= 18
    assert (one.wrong, one.invented) == (0, 0)
    assert abs(np.nanmean(one.peak_deg)) <= 0.15
    assert np.nanstd(one.peak_deg) <= 0.25


def test_without_the_calibration_they_are_wrong_by_degrees() -> None:
    one = compared(watch(CROOKED, replace(calibrated(), lens=Lens())))
    assert np.nanstd(one.peak_deg) > 3.0  # roll adds to one side what it takes from the other


def test_any_crooked_camera_measures_any_pair_in_view_to_a_twentieth_of_a_degree_once_calibrated() -> None:
    rng = np.random.default_rng(0)
    off: dict[str, list[float]] = {
        "nothing": [],
        "roll alone": [],
        "lens and plumb line": [],
        "lens and board": [],
    }
    for seed in range(5):
        f, c = rng.uniform(480, 760), np.array([239.5, 319.5]) + rng.uniform(-12, 12, 2)
        bend = (*rng.uniform((-0.3, 0.0), (0.05, 0.1)), *rng.uniform(-0.001, 0.001, 2), 0.0)
        roll, pitch = rng.uniform(-6, 6), rng.uniform(-10, 10)
        eye = drawn.Eye((480, 640), f, f, *c, bend)
        lens = Lens(**solve(drawn.views(eye, BOARD, Camera(), 14, seed=seed), eye.size, BOARD).values)
        scene = Scene(
            f_px=f, cx_px=c[0], cy_px=c[1], k1=bend[0], k2=bend[1], p1=bend[2], p2=bend[3], roll_deg=roll,
            pitch_deg=pitch,
        )  # fmt: skip
        stand = Stand.of(scene, lens)
        wide = 0.4 * 480 / f * 2.5
        level = from_plumbs([stand.line(-wide), stand.line(wide)], 0.0)
        board = from_board(stand.board(n=20), BOARD, stand.row)
        plain = optics(Camera(), Lens())
        for _ in range(40):
            x, z, tilt = rng.uniform((-0.25, 0.75, -8), (0.25, 1.25, 8))
            half = 0.14 * math.cos(math.radians(tilt)), 0.14 * math.sin(math.radians(tilt))
            pair = stand.pixels((x - half[0], 0, z - half[1]), (x + half[0], 0, z + half[1]), noise_px=0.0)
            off["nothing"].append(tilt_deg(pair, plain, 0.0, 0.0) - tilt)
            off["roll alone"].append(tilt_deg(pair, plain, roll, 0.0) - tilt)
            for name, found in (("lens and plumb line", level), ("lens and board", board)):
                off[name].append(tilt_deg(pair, stand.row, found.roll_deg, found.pitch_deg or 0.0) - tilt)
    worst = {name: float(np.max(np.abs(values))) for name, values in off.items()}
    assert worst["lens and plumb line"] < 0.05
    assert worst["lens and board"] < 0.05
    assert worst["roll alone"] > 0.2
    assert worst["nothing"] > 3.0
