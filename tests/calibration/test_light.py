"""Exposure, gain and threshold come from the dots in pictures; what flickers with the mains is told from noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.calibration.flicker import beat_hz, flicker
from appliance.calibration.light import (
    HIGH_PEAK,
    LOW_PEAK,
    MOST_BLUR_PX,
    Dots,
    Light,
    Limits,
    at_the_end,
    bars,
    blur_px,
    contrast,
    following,
    good,
    histogram,
    joined,
    problems,
    seen,
    shared,
)
from appliance.calibration.spots import bright_spots, edge_px, near
from hw.camera.scene import Reflection, Scene
from hw.camera.virtual import VirtualCamera

LIMITS = Limits(rate_hz=120.0, px_per_m=256.0)


def dots_at(light: Light, shine: tuple[float, ...], ground: float = 0.001) -> Dots:
    """Dots that shine so many grey levels for each unit of exposure times gain."""
    raw = [light.product * s for s in shine]
    floor = min(255.0, ground * light.product)
    return Dots(
        peaks=tuple(min(255.0, p) for p in raw),
        rises=tuple(min(255.0, p) - floor for p in raw),
        burnt=sum(p >= 250 for p in raw),
        clutter_rise=4.0,
        ground=floor,
    )


@given(
    brightest=st.floats(0.009, 1.0),
    faintest=st.floats(0.4, 1.0),
    exposure_us=st.floats(100, 8000),
    gain=st.floats(1, 16),
)
def test_from_any_start_the_dots_end_up_bright_and_not_burnt_out(
    brightest: float, faintest: float, exposure_us: float, gain: float
) -> None:
    light = Light(exposure_us, gain)
    for _ in range(12):
        now = dots_at(light, (brightest, brightest * faintest))
        if good(now):
            break
        light = following(light, now, LIMITS)
    now = dots_at(light, (brightest, brightest * faintest))
    assert good(now)
    assert LOW_PEAK <= max(now.peaks) <= HIGH_PEAK
    final = shared(light.product, LIMITS)
    assert blur_px(final.exposure_us, LIMITS.px_per_m) <= MOST_BLUR_PX + 0.01
    assert not problems(now, final)


def test_a_scene_too_dark_ends_at_the_highest_gain_and_says_so() -> None:
    light = Light(500.0, 1.0)
    for _ in range(12):
        wanted = following(light, dots_at(light, (0.002,)), LIMITS)
        if at_the_end(light, wanted):
            break
        light = wanted
    assert light.gain == 16.0
    words = problems(dots_at(light, (0.002,)), light)
    assert any("more light" in w for w in words)


def test_no_dots_at_all_is_searched_for_and_then_told() -> None:
    nothing = Dots((), (), 0, 0.0, 10.0)
    assert following(Light(1000.0, 1.0), nothing, LIMITS).product == pytest.approx(2500.0, rel=0.02)
    white = Dots((), (), 0, 0.0, 250.0)
    assert following(Light(1000.0, 1.0), white, LIMITS).product == pytest.approx(400.0, rel=0.02)
    assert "no dot was found" in problems(nothing, Light(1000.0, 1.0))[0]


def test_a_reflection_as_bright_as_a_dot_leaves_no_safe_threshold() -> None:
    clear = Dots((210.0, 200.0), (190.0, 180.0), 0, 15.0, 18.0)
    assert 30 <= contrast(clear) <= 90
    shiny = Dots((210.0, 200.0), (190.0, 180.0), 0, 170.0, 18.0)
    assert contrast(shiny) == 0
    assert any("cover it" in w for w in problems(shiny, Light(1500.0, 4.0)))


def test_a_faint_dot_and_a_burnt_one_are_told() -> None:
    words = problems(Dots((255.0, 40.0), (240.0, 22.0), 1, 3.0, 18.0), Light(50.0, 1.0))
    assert any("burn out" in w for w in words)
    assert any("faintest dot stands only 22" in w for w in words)


def test_several_pictures_count_as_one() -> None:
    one = joined([Dots((200.0,), (180.0,), 0, 5.0, 20.0), Dots((150.0,), (130.0,), 1, 7.0, 22.0)])
    assert (min(one.rises), one.burnt, one.clutter_rise, one.ground) == (130.0, 1, 6.0, 21.0)


def test_the_histogram_shows_few_bright_pixels_beside_a_large_ground() -> None:
    luma = np.full((480, 640), 18, np.uint8)
    luma[100:108, 100:108] = 210
    counts = histogram(luma)
    assert counts.sum() == luma.size
    lines = bars(counts)
    assert len(lines) == 5
    assert all(len(line) == 64 for line in lines)
    assert lines[-1][210 * 64 // 256] != " "
    assert lines[0][18 * 64 // 256] == "█"
    assert lines[0][40] == " "


def test_spots_of_a_virtual_picture_are_where_the_dots_are() -> None:
    scene = Scene(clutter=(Reflection(x_px=-150, y_px=-200, diameter_px=10, level=150),))
    luma = VirtualCamera(scene).picture(5, 5 / 120)
    found = bright_spots(luma)
    lamp = near(found, np.array([[239.5 - 150, 319.5 - 200]]), 3.0)[0]
    assert lamp is not None
    assert abs(lamp.x_px - 89.5) < 0.2
    assert abs(lamp.y_px - 119.5) < 0.2
    assert 130 < lamp.rise < 160
    assert near(found, np.array([[math.nan, math.nan]]), 3.0) == (None,)
    dots = tuple(s for s in found if s is not lamp)
    told = seen(luma, found, dots)
    assert len(dots) in (4, 6)
    assert told.clutter_rise == lamp.rise
    assert not told.burnt


def test_half_a_lamp_at_the_edge_is_told_too() -> None:
    luma = np.full((64, 96), 12, np.uint8)
    luma[20:30, 90:] = 255
    (spot,) = bright_spots(luma)
    assert spot.x_px > 88
    assert spot.saturated == 60


def _disc(edge: float, radius: float = 6.0) -> np.ndarray:
    """A disc whose edge goes from 90 to 10 % over so many pixels."""
    y, x = np.mgrid[0:48, 0:48]
    r = np.hypot(x - 23.4, y - 24.1)
    shape = 1 / (1 + np.exp((r - radius) / (edge / (2 * math.log(9)))))
    return (
        np.rint(20 + 180 * shape + np.random.default_rng(3).normal(0, 1.5, r.shape))
        .clip(0, 255)
        .astype(np.uint8)
    )


@pytest.mark.parametrize("edge", [1.2, 2.0, 3.5, 5.0])
def test_the_width_of_an_edge_is_measured(edge: float) -> None:
    luma = _disc(edge)
    assert edge_px(luma, bright_spots(luma)[0]) == pytest.approx(edge, rel=0.15)


@pytest.mark.parametrize(
    ("mains", "rate", "beat"), [(100, 120, 20), (120, 120, 0), (100, 60, 20), (120, 100, 20)]
)
def test_beats_are_where_they_are_seen(mains: float, rate: float, beat: float) -> None:
    assert beat_hz(mains, rate) == beat


@pytest.mark.parametrize("mains", [100.0, 120.0])
@pytest.mark.parametrize("rate", [119.3, 90.0, 60.0, 200.0])
def test_flicker_is_measured_whatever_the_frame_rate(mains: float, rate: float) -> None:
    t_s = np.arange(round(2.0 * rate)) / rate
    noise = np.random.default_rng(5).normal(0, 0.5, len(t_s))
    depth = 0.4 if beat_hz(mains, rate) > 0.01 else 0.0
    found = flicker(t_s, 60 * (1 + 0.4 * np.cos(2 * math.pi * (mains + 0.1) * t_s)) + noise, rate)
    if depth:
        assert found.strong
        assert found.share == pytest.approx(0.4, abs=0.08)
        assert found.mains_hz == mains


def test_a_light_that_beats_too_slowly_is_named_and_never_called_still() -> None:
    t_s = np.arange(240) / 120.0
    found = flicker(t_s, np.full(240, 60.0), 120.0)
    assert found.hidden == (120.0,)
    assert not found.strong


def test_still_light_with_noise_and_a_slow_drift_is_not_flicker() -> None:
    rng = np.random.default_rng(2)
    t_s = np.arange(240) / 117.0
    found = flicker(t_s, 60 + 2 * t_s + rng.normal(0, 1.0, 240), 117.0)
    assert not found.strong
    assert found.grey < 1.0


def test_a_few_frames_say_nothing() -> None:
    found = flicker(np.arange(5) / 120, np.full(5, 40.0), 120.0)
    assert math.isnan(found.grey)
    assert not found.strong
