"""The lens: found from noisy corners within its own uncertainty, or refused with the reason why not."""

from __future__ import annotations

import drawn
import numpy as np
import pytest
from msgspec.structs import replace

from appliance.calibration.board import Board, Sighting
from appliance.calibration.lens import NAMES, solve
from appliance.calibration.views import (
    CELLS,
    LEAST_VIEWS,
    chart,
    covered,
    lacking,
    resting,
    tilted,
    useless,
    view,
    wanted,
)
from appliance.config import Camera, Lens
from appliance.errors import CalibrationError

BOARD, CAMERA = Board(), Camera()
LENSES = {
    "straight": drawn.Eye(),
    "bent": drawn.Eye(fx=600.0, fy=603.0, cx=250.0, cy=310.0, bend=(-0.25, 0.08, 0.001, -0.0015, 0.0)),
    "wide": drawn.Eye(fx=380.0, bend=(-0.35, 0.2, 0.0, 0.0, -0.1)),
}


@pytest.mark.parametrize("name", LENSES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_lens_is_found_within_its_own_uncertainty(name: str, seed: int) -> None:
    eye = LENSES[name]
    found = solve(drawn.views(eye, BOARD, CAMERA, seed=seed), eye.size, BOARD)
    true = dict(
        zip(
            NAMES,
            (eye.matrix[0, 0], eye.matrix[1, 1], eye.matrix[0, 2], eye.matrix[1, 2], *eye.bend),
            strict=True,
        )
    )
    assert found.problems == ()
    assert found.rms_px < 0.09
    assert found.dropped == ()
    for key, value in true.items():
        assert abs(found.values[key] - value) <= 4 * found.sd[key] + 1e-4, key
    assert found.values["fx_px"] == pytest.approx(true["fx_px"], rel=0.004)
    assert (found.values["k3"] != 0.0) == (name == "wide")


def test_straight_lines_stay_straight_to_a_fifth_of_a_pixel_all_over_the_picture() -> None:
    eye = LENSES["bent"]
    found = solve(drawn.views(eye, BOARD, CAMERA), eye.size, BOARD).values
    again = drawn.Eye(eye.size, found["fx_px"], found["fy_px"], found["cx_px"], found["cy_px"],
                      (found["k1"], found["k2"], found["p1"], found["p2"], found["k3"]))  # fmt: skip
    x = np.linspace(-0.36, 0.36, 15)
    room = np.array([(a, b, 1.0) for a in x for b in x * 1.35])
    off = again.pixels(room) - eye.pixels(room)
    flat = np.column_stack(
        [room[:, :2], np.ones(len(room))]
    )  # a shift of the middle is a pose's, not the lens's
    left = off - flat @ np.linalg.lstsq(flat, off, rcond=None)[0]
    assert np.abs(left).max() < 0.2


def test_a_picture_in_a_mirror_gives_the_lens_of_the_sensor() -> None:
    eye = LENSES["bent"]
    plain = solve(drawn.views(eye, BOARD, CAMERA), eye.size, BOARD).values
    found = solve(drawn.views(eye, BOARD, CAMERA, mirrored=True), eye.size, BOARD).values
    assert found["cx_px"] == pytest.approx(479 - plain["cx_px"], abs=3)
    assert found["p2"] == pytest.approx(-plain["p2"], abs=1e-3)
    assert found["k1"] == pytest.approx(plain["k1"], abs=0.01)


@pytest.mark.parametrize("bend_mm", [0.5, 2.0])
def test_a_bent_board_is_found_out_and_allowed_for(bend_mm: float) -> None:
    across = BOARD.places_m(np.arange(BOARD.corners))[:, 0]
    eye = drawn.Eye()
    heights = bend_mm / 1e3 * ((across - across.mean()) / np.ptp(across) * 2) ** 2
    found = solve(drawn.views(eye, BOARD, CAMERA, heights_m=heights), eye.size, BOARD)
    assert found.bend_mm == pytest.approx(bend_mm * 0.57, rel=0.25)
    assert found.rms_px < 0.09
    assert found.values["fx_px"] == pytest.approx(640, rel=0.004)


def test_a_board_bent_like_a_book_is_refused() -> None:
    across = BOARD.places_m(np.arange(BOARD.corners))[:, 0]
    heights = 0.1 * np.abs(across - across.mean())
    found = solve(drawn.views(drawn.Eye(), BOARD, CAMERA, heights_m=heights), (480, 640), BOARD)
    assert any("bent by" in problem for problem in found.problems)


def test_views_that_moved_are_left_out_and_named() -> None:
    eye = drawn.Eye()
    taken = drawn.views(eye, BOARD, CAMERA)
    rng = np.random.default_rng(1)
    for k in (3, 11):
        taken[k] = replace(taken[k], xy_px=taken[k].xy_px + rng.normal(0, 1.0, taken[k].xy_px.shape))
    found = solve(taken, eye.size, BOARD)
    assert found.dropped == (3, 11)
    assert found.rms_px < 0.09
    assert found.view_rms_px[3] > 0.8
    assert found.views == len(taken) - 2


def test_flat_views_alone_are_refused_with_what_to_do() -> None:
    found = solve(drawn.views(drawn.Eye(), BOARD, CAMERA, 12, tilt_deg=0.5), (480, 640), BOARD)
    assert any(
        "tilt the board more" in problem or "are tilted, show more" in problem for problem in found.problems
    )
    assert any("upper edge away" in problem for problem in found.problems)


def test_shaky_views_are_refused_for_their_error_and_blurred_ones_for_their_edges() -> None:
    taken = drawn.views(drawn.Eye(), BOARD, CAMERA, noise_px=0.5)
    shaky = solve(taken, (480, 640), BOARD)
    assert any("px reprojection error (limit 0.3)" in problem for problem in shaky.problems)
    blurred = solve([replace(v, blur_px=1.8) for v in taken], (480, 640), BOARD)
    assert any("edges are 1.8 px wide" in problem for problem in blurred.problems)


def test_too_few_views_are_no_lens() -> None:
    with pytest.raises(CalibrationError, match="2 views"):
        solve(drawn.views(drawn.Eye(), BOARD, CAMERA, 2), (480, 640), BOARD)


def test_the_same_view_six_times_is_refused_without_a_traceback() -> None:
    one = drawn.views(drawn.Eye(), BOARD, CAMERA, 1)
    assert solve(one * 6, (480, 640), BOARD).problems


def test_a_print_that_is_too_long_one_way_is_found_out() -> None:
    taken = drawn.views(drawn.Eye(fx=640.0, fy=660.0), BOARD, CAMERA)
    assert any("too long one way" in problem for problem in solve(taken, (480, 640), BOARD).problems)


def at_rest(x: float, y: float, x_deg: float = 0.0, y_deg: float = 0.0, ahead_m: float = 0.5) -> Sighting:
    eye = drawn.Eye()
    pose = drawn.placed(BOARD, drawn.turned(x_deg, y_deg, 0), (x, y, ahead_m))
    seen = drawn.sighting(drawn.corners(eye, BOARD, pose), BOARD, eye.size)
    assert seen is not None
    return seen


def test_a_view_knows_where_it_is_and_which_edge_is_away() -> None:
    one = view(at_rest(-0.1, -0.15, x_deg=25.0), BOARD, CAMERA, Lens(fx_px=640.0))
    assert one.middle[0] < -0.3
    assert one.middle[1] < -0.3
    assert abs(one.top_deg) == pytest.approx(25, abs=2)
    assert abs(one.right_deg) < 2
    nearer_top = drawn.turned(25, 0, 0) @ np.array([0, -1.0, 0])  # where the board's upper edge goes
    assert (one.top_deg > 0) == (nearer_top[2] > 0)
    turned_right = view(at_rest(0, 0, y_deg=20.0), BOARD, CAMERA, Lens(fx_px=640.0))
    assert (turned_right.right_deg > 0) == ((drawn.turned(0, 20, 0) @ np.array([1.0, 0, 0]))[2] > 0)
    assert turned_right.tilt_deg == pytest.approx(20, abs=2)


@pytest.mark.parametrize(
    ("rotate_deg", "corner"),
    [(0, "upper left"), (90, "upper right"), (180, "lower right"), (270, "lower left")],
)
def test_parts_of_the_picture_are_those_of_the_upright_picture(rotate_deg: int, corner: str) -> None:
    camera = Camera(rotate_deg=rotate_deg)  # type: ignore[arg-type]
    seen = at_rest(-0.12, -0.17, ahead_m=0.6)
    counts = dict(zip(CELLS, covered([view(seen, BOARD, camera, Lens())]), strict=True))
    assert counts[corner] == max(counts.values())


def test_a_view_that_was_seen_already_or_is_small_or_not_sharp_is_not_taken() -> None:
    one = view(at_rest(0, 0), BOARD, CAMERA, Lens())
    assert useless(one, []) is None
    assert useless(one, [one]) == "seen like this already"
    assert "closer" in str(useless(view(at_rest(0, 0, ahead_m=1.2), BOARD, CAMERA, Lens()), []))
    assert "not sharp" in str(useless(replace(one, blur_px=3.0), []))
    assert useless(view(at_rest(0, 0, x_deg=20.0), BOARD, CAMERA, Lens()), [one]) is None


def test_a_board_rests_when_its_corners_stay_where_they_are() -> None:
    one = at_rest(0, 0)
    assert resting(one, one)
    assert not resting(None, one)
    assert not resting(one, replace(one, xy_px=one.xy_px + 2.0))
    assert not resting(replace(one, ids=one.ids[:4], xy_px=one.xy_px[:4]), one)


def test_what_is_lacking_is_said_until_nothing_is() -> None:
    assert "middle" in str(wanted([]))
    taken = drawn.views(drawn.Eye(), BOARD, CAMERA, 20)
    told = [wanted(taken[:n]) for n in range(len(taken) + 1)]
    assert told[-1] is None
    assert lacking(taken) == ()
    assert all(told[:LEAST_VIEWS])
    assert chart(taken) == "###/###/###"
    assert min(tilted(taken)) >= 2
    flat = drawn.views(drawn.Eye(), BOARD, CAMERA, 12, tilt_deg=0.5)
    assert "30 degrees" in str(wanted(flat))
