"""The board: found in rendered pictures where it truly is, mirrored or not, and drawn as OpenCV draws it."""

from __future__ import annotations

import cv2
import drawn
import numpy as np
import pytest

from appliance.calibration.board import Board, Sighting, seek, squares_mm

BOARD = Board()
BENDS = [(0.0, 0.0, 0.0, 0.0, 0.0), (-0.25, 0.08, 0.001, -0.0015, 0.0)]


def seen(
    eye: drawn.Eye, x_deg: float, y_deg: float, z_deg: float, ahead_m: float = 0.6
) -> tuple[Sighting, float]:
    """What is found of a board, and the RMS distance of its corners from the truth in pixels."""
    pose = drawn.placed(BOARD, drawn.turned(x_deg, y_deg, z_deg), (0.02, -0.01, ahead_m))
    found = seek(drawn.board_picture(eye, BOARD, pose), BOARD)
    assert found is not None
    off = found.xy_px - drawn.corners(eye, BOARD, pose)[found.ids]
    return found, float(np.sqrt(np.mean(off**2)))


@pytest.mark.parametrize("bend", BENDS, ids=["straight", "bent"])
@pytest.mark.parametrize("turn", [(0, 0, 0), (30, 0, 10), (-20, 25, 95), (5, -35, 180)], ids=str)
def test_corners_are_found_to_a_twentieth_of_a_pixel(bend: tuple[float, ...], turn: tuple[int, ...]) -> None:
    found, off_px = seen(drawn.Eye(bend=bend), *turn)
    assert len(found.ids) >= BOARD.corners - 2
    assert off_px < 0.06
    assert not found.mirrored


def test_a_picture_in_a_mirror_gives_the_same_corners_in_the_sensors_own_pixels() -> None:
    eye = drawn.Eye()
    pose = drawn.placed(BOARD, drawn.turned(10, -20, 5), (0.0, 0.0, 0.6))
    picture = drawn.board_picture(eye, BOARD, pose)
    straight, flipped = seek(picture, BOARD), seek(picture[:, ::-1], BOARD)
    assert straight is not None
    assert flipped is not None
    assert flipped.mirrored
    assert np.array_equal(straight.ids, flipped.ids)
    assert flipped.xy_px[:, 0] == pytest.approx(479 - straight.xy_px[:, 0], abs=0.02)


def test_how_sharp_and_how_bright_a_board_is_seen_is_told() -> None:
    eye, pose = drawn.Eye(), drawn.placed(BOARD, drawn.turned(5, 5, 0), (0.0, 0.0, 0.5))
    for blur_px in (0.6, 1.2):
        found = seek(drawn.board_picture(eye, BOARD, pose, blur_px=blur_px, black=30.0, white=160.0), BOARD)
        assert found is not None
        assert found.blur_px == pytest.approx(np.hypot(blur_px, 0.29), abs=0.25)
        assert found.black == pytest.approx(30, abs=12)
        assert found.white == pytest.approx(160, abs=12)
        assert found.square_px == pytest.approx(640 * 0.03 / 0.5, rel=0.03)


def test_half_a_board_is_enough_and_no_board_is_none() -> None:
    eye = drawn.Eye()
    pose = drawn.placed(BOARD, drawn.turned(0, 0, 0), (0.2, 0.0, 0.6))
    found = seek(drawn.board_picture(eye, BOARD, pose), BOARD)
    assert found is not None
    assert 6 <= len(found.ids) < BOARD.corners
    off = found.xy_px - drawn.corners(eye, BOARD, pose)[found.ids]
    assert np.sqrt(np.mean(off**2)) < 0.06
    assert seek(np.full((640, 480), 60, np.uint8), BOARD) is None
    noise = np.random.default_rng(1).integers(0, 255, (640, 480), dtype=np.uint8)
    assert seek(noise, BOARD) is None


def test_what_is_printed_is_black_where_opencvs_own_drawing_is_black() -> None:
    per_mm = 7  # a marker's field is 22/7 mm
    size = tuple(round(mm * per_mm) for mm in BOARD.size_mm)
    theirs = cv2.aruco.CharucoBoard(
        (7, 5), 30.0, 22.0, cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_100)
    ).generateImage(size)
    ours = np.full(size[::-1], 255, np.uint8)
    for shape in squares_mm(BOARD):
        for x, y, w, h in shape:
            rows = slice(round(y * per_mm), round((y + h) * per_mm))
            ours[rows, round(x * per_mm) : round((x + w) * per_mm)] = 0
    assert (ours == theirs).mean() > 0.9999


def test_a_board_of_another_scale_is_the_same_board() -> None:
    large = BOARD.scaled(50.0)
    assert (large.square_mm, large.marker_mm) == (50.0, pytest.approx(110 / 3))
    assert large.places_m(np.array([23])) == pytest.approx(BOARD.places_m(np.array([23])) * 5 / 3)
