"""How the camera stands is read off a runner's marks, and every fault of it is priced in degrees."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pytest

from appliance.calibration.aim import Aim, aim, noise_deg, rotation_leak_deg, side_cost_deg, yaw_deg
from appliance.calibration.rays import frontal, optics
from appliance.calibration.reflections import Seen, blur_cost_deg, place_words, reflections, upright
from appliance.calibration.spots import bright_spots, edge_px, near
from appliance.config import Settings
from appliance.records import Frame
from appliance.sight.markers import Sight
from hw.camera.runner import Runner
from hw.camera.scene import Reflection, Scene, settings
from hw.camera.virtual import VirtualCamera

PLATE_MM = 120.0
RUNNER = Runner(pair_width_m=PLATE_MM / 1e3, cadence_spm=165.0)
SECONDS = 3.0


@lru_cache(maxsize=4)
def _run(scene: Scene) -> tuple[np.ndarray, np.ndarray, list[Seen], list[np.ndarray]]:
    """What the station sees of a scene: times, marks, and now and then a picture."""
    camera, sight = VirtualCamera(scene), Sight(settings(scene))
    n = round(SECONDS * scene.rate_hz)
    xy, pictures, kept = np.empty((n, 4, 2)), [], []
    for seq in range(n):
        luma = camera.picture(seq, seq / scene.rate_hz)
        xy[seq] = sight.locate(Frame(seq, seq / scene.rate_hz, luma)).xy_px
        if seq > 150 and seq % 23 == 0:
            pictures.append(Seen(bright_spots(luma), xy[seq].copy()))
            kept.append(luma)
    settled = 120  # heels get their names within the first second
    return np.arange(n)[settled:] / scene.rate_hz, xy[settled:], pictures, kept


def _aimed(scene: Scene, believed: Settings | None = None, **more: Any) -> Aim:
    t_s, xy_px, _, _ = _run(scene)
    return aim(t_s, xy_px, True, believed or settings(scene), plate_mm=PLATE_MM, **more)


def test_a_good_aim_has_no_problems_and_true_figures() -> None:
    found = _aimed(Scene(plate_dots=2, runner=RUNNER))
    assert found.problems == ()
    assert found.distance_m == pytest.approx(2.5, rel=0.01)
    assert abs(found.elevation_deg) < 0.1
    assert abs(found.azimuth_deg) < 0.3
    assert abs(found.tilt_deg) < 0.6  # the two peaks differ: 4 and 6 degrees
    assert found.separation_px == pytest.approx(PLATE_MM / 1e3 * 640 / 2.5, rel=0.01)
    assert all(m.seen == 1.0 and m.margin_px > 12 for m in found.marks)


@pytest.mark.parametrize(("above_m", "pitch"), [(0.40, 0.0), (-0.35, 0.0), (0.35, 8.0)])
def test_the_height_of_the_camera_is_found_and_priced(above_m: float, pitch: float) -> None:
    found = _aimed(Scene(plate_dots=2, runner=RUNNER, above_m=above_m, pitch_deg=pitch, f_px=560))
    assert found.height_m == pytest.approx(-above_m, abs=0.02)
    assert found.elevation_deg == pytest.approx(-math.degrees(math.atan(above_m / 2.5)), abs=0.3)
    words = "lower" if above_m > 0 else "raise"
    assert any(p.startswith(f"{words} the camera by") and " deg" in p for p in found.problems)


def test_a_camera_off_to_the_side_is_found_and_priced() -> None:
    found = _aimed(Scene(plate_dots=2, runner=RUNNER, right_m=0.45, yaw_deg=-9.0, f_px=560))
    assert found.azimuth_deg == pytest.approx(-math.degrees(math.atan(0.45 / 2.5)), abs=0.3)
    assert any("off to the right" in p for p in found.problems)


def test_a_camera_straight_behind_that_is_turned_gets_its_yaw() -> None:
    scene = Scene(plate_dots=2, runner=RUNNER, yaw_deg=5.0, f_px=560)
    believed = msgspec.structs.replace(
        settings(scene), lens=msgspec.structs.replace(settings(scene).lens, yaw_deg=0.0)
    )
    assert yaw_deg(believed, _aimed(scene, believed).azimuth_deg) == pytest.approx(5.0, abs=0.3)


def test_a_rolled_camera_shows_as_a_tilted_pelvis_one_to_one() -> None:
    scene = Scene(plate_dots=2, runner=RUNNER, roll_deg=6.0)
    believed = msgspec.structs.replace(
        settings(scene), lens=msgspec.structs.replace(settings(scene).lens, roll_deg=0.0)
    )
    crooked, straight = _aimed(scene, believed), _aimed(scene)
    assert crooked.tilt_deg - straight.tilt_deg == pytest.approx(6.0, abs=0.1)
    assert any("calibrate level" in p for p in crooked.problems)


def test_without_a_lens_and_a_level_the_figures_say_so() -> None:
    scene = Scene(plate_dots=2, runner=RUNNER)
    bare = msgspec.structs.replace(settings(scene), lens=Settings().lens)
    found = _aimed(scene, bare, level_known=False)
    assert found.distance_m == pytest.approx(2.5, rel=0.02)  # the usual lens happens to be this one
    assert any("the lens is not calibrated" in p for p in found.problems)
    assert any("roll and pitch are not calibrated" in p for p in found.problems)


def test_a_heel_that_leaves_the_picture_is_told_with_its_edge() -> None:
    found = _aimed(Scene(plate_dots=2, runner=RUNNER, f_px=900))
    assert any("heel" in p and "bottom edge" in p for p in found.problems)


@pytest.mark.parametrize(
    ("rotate", "mirror", "edge"), [(0, False, "bottom"), (90, False, "bottom"), (270, True, "bottom")]
)
def test_edges_are_named_as_the_runner_is_seen_upright(rotate: Any, mirror: bool, edge: str) -> None:
    width, height = (480, 640) if rotate == 0 else (640, 480)
    scene = Scene(
        runner=RUNNER,
        f_px=660,
        pitch_deg=-4.0,
        rotate_deg=rotate,
        mirror=mirror,
        width_px=width,
        height_px=height,
    )
    found = _aimed(scene)
    heels = [m for m in found.marks if "heel" in m.mark and m.edge]
    assert heels
    assert {m.edge for m in heels} == {edge}


def test_the_noise_of_a_centre_is_told_from_motion() -> None:
    quiet, loud = (
        _aimed(Scene(plate_dots=2, runner=RUNNER, noise=0.5)),
        _aimed(Scene(plate_dots=2, runner=RUNNER, noise=5.0, dot_level=90)),
    )
    assert quiet.centre_noise_px < 0.03
    assert loud.centre_noise_px > 2 * quiet.centre_noise_px
    rng = np.random.default_rng(1)
    t_s, xy_px, _, _ = _run(Scene(plate_dots=2, runner=RUNNER, noise=0.5))
    found = aim(
        t_s, xy_px + rng.normal(0, 0.3, xy_px.shape), True, settings(Scene(plate_dots=2, runner=RUNNER))
    )
    assert found.centre_noise_px == pytest.approx(0.3, rel=0.15)
    assert any("of noise a frame" in p for p in found.problems)


def test_the_prices_are_those_of_the_error_budget() -> None:
    assert rotation_leak_deg(5.0, 7.0) == pytest.approx(0.6, abs=0.05)
    assert rotation_leak_deg(10.0, 7.0) == pytest.approx(1.2, abs=0.05)
    assert side_cost_deg(10.0) == pytest.approx(0.2, abs=0.05)
    assert side_cost_deg(0.0) == 0.0
    assert noise_deg(0.05, 60.0) == pytest.approx(0.07, abs=0.005)
    assert noise_deg(3.0, 100.0) == pytest.approx(2.4, abs=0.05)


def test_the_price_of_height_is_what_a_turning_pelvis_really_shows() -> None:
    """A level bar turned by 7 degrees before a camera that looks up at it by 5, projected point by point."""
    high, turned, half = math.tan(math.radians(5.0)), math.radians(7.0), 0.06 / 2.5
    x = [s * half * math.cos(turned) / (1 + s * half * math.sin(turned)) for s in (-1, 1)]
    z = [high / (1 + s * half * math.sin(turned)) for s in (-1, 1)]
    shown = math.degrees(math.atan2(z[1] - z[0], x[1] - x[0]))
    assert abs(shown) == pytest.approx(rotation_leak_deg(5.0, 7.0), abs=0.01)


def _worst_deg(scene: Scene) -> float:
    """The largest error of a frame's angle, lens and pose being known: what geometry alone costs."""
    t_s, xy_px, _, _ = _run(scene)
    believed = settings(scene)
    pair = frontal(xy_px[:, :2].reshape(-1, 2), optics(believed.camera, believed.lens, posed=True))
    left, right = pair.reshape(-1, 2, 2).transpose(1, 0, 2)
    told = np.degrees(np.arctan2(right[:, 1] - left[:, 1], right[:, 0] - left[:, 0]))
    return float(np.quantile(np.abs(told - VirtualCamera(scene).elevation_deg(t_s)), 0.98))


def test_the_price_of_height_is_what_a_run_before_a_camera_too_high_really_loses() -> None:
    runner = msgspec.structs.replace(RUNNER, rotation_deg=7.0)
    high, level = (_worst_deg(Scene(plate_dots=2, runner=runner, above_m=m)) for m in (0.25, 0.0))
    told = _aimed(Scene(plate_dots=2, runner=runner, above_m=0.25)).elevation_cost_deg
    assert told == pytest.approx(0.70, abs=0.02)
    assert high == pytest.approx(told, abs=0.2)
    assert level < 0.2


def test_reflections_that_stay_are_found_and_dots_are_not() -> None:
    lamp = Reflection(x_px=-180, y_px=-260, diameter_px=12, level=190)
    passed = Reflection(x_px=-25, y_px=4, diameter_px=8, level=150)
    scene = Scene(plate_dots=2, runner=RUNNER, clutter=(lamp, passed))
    _, xy_px, pictures, _ = _run(scene)
    found = reflections(pictures, xy_px, True, settings(scene), PLATE_MM)
    assert len(found) == 2
    assert found[0].cost_deg > 0.5
    assert found[0].place == "in the middle"
    assert "a pelvis dot passes it" in found[0].words
    assert found[1].place == "upper left"
    assert found[1].cost_deg == 0.0
    assert abs(found[1].x_px - 59.5) < 0.5
    assert abs(found[1].y_px - 59.5) < 0.5


def test_a_clean_picture_has_none() -> None:
    scene = Scene(plate_dots=2, runner=RUNNER)
    _, xy_px, pictures, _ = _run(scene)
    assert reflections(pictures, xy_px, True, settings(scene), PLATE_MM) == ()


def test_of_somebody_who_stands_dots_without_a_name_are_not_reflections() -> None:
    lamp = Reflection(x_px=200, y_px=-150, diameter_px=10, level=190)
    scene = Scene(plate_dots=2, runner=RUNNER, stand_s=60.0, clutter=(lamp,))
    camera = VirtualCamera(scene)
    assert set(camera.truth(1.0)) > {"left_heel", "right_heel"}
    pictures = []
    for seq in range(0, 100, 11):
        spots = bright_spots(camera.picture(seq, seq / 120))
        pair = near(spots, np.array([[239.5 - 15.4, 319.5], [239.5 + 15.4, 319.5]]), 8.0)
        xy = np.full((4, 2), np.nan)
        xy[:2] = [[s.x_px, s.y_px] for s in pair if s is not None]
        pictures.append(Seen(spots, xy))
    paths = np.stack([p.xy_px for p in pictures])
    found = reflections(pictures, paths, False, settings(scene), PLATE_MM)
    assert [r.place for r in found] == ["upper right"]


def test_places_are_words_of_the_upright_picture() -> None:
    turned = Settings()
    turned = msgspec.structs.replace(
        turned, camera=msgspec.structs.replace(turned.camera, width_px=640, height_px=480, rotate_deg=90)
    )
    assert place_words(10, 10, turned) == "upper right"
    assert place_words(10, 10, Settings()) == "upper left"
    assert place_words(240, 320, Settings()) == "in the middle"


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_picture_is_drawn_upright_with_its_places(rotate: Any, mirror: bool) -> None:
    width, height = (480, 640) if rotate in (0, 180) else (640, 480)
    scene = Scene(
        plate_dots=2, runner=RUNNER, rotate_deg=rotate, mirror=mirror, width_px=width, height_px=height
    )
    camera = VirtualCamera(scene)
    luma, at = camera.picture(0, 0.0), camera.pixels(0.0)
    names = ("plate_left", "plate_right", "left_heel", "right_heel")
    turned, xy = upright(luma, np.array([at[n] for n in names]), settings(scene).camera)
    assert turned.shape == (640, 480)
    assert xy[0, 0] < xy[1, 0]
    assert xy[:2, 1].max() < xy[2:, 1].min()
    assert all(turned[round(y), round(x)] > 150 for x, y in xy)


def test_the_edge_of_a_sharp_dot_is_sharp_and_a_soft_one_is_priced() -> None:
    _, _, _, kept = _run(Scene(plate_dots=2, runner=RUNNER))
    luma = kept[0]
    widths = [edge_px(luma, s) for s in bright_spots(luma)[:2]]
    assert all(1.0 < w < 2.5 for w in widths)
    burnt = np.minimum(luma * 1.0 * 1.6, 255).astype(np.uint8)
    assert math.isnan(edge_px(burnt, bright_spots(burnt)[0]))
    assert blur_cost_deg(1.2, 8.0, 0.05) == 0.0
    assert 0.02 < blur_cost_deg(5.0, 12.0, 0.1) < 0.1
