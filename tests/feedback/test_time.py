"""What time does to the light: slew, fades, gaps, idle, and that nothing stale is ever left on the bar."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cases import MODES, any_moments, any_settings, running, settings
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from appliance.config import Settings
from appliance.feedback.bar import Feedback
from appliance.feedback.patterns import pattern
from appliance.records import STALE_S, Shown


def within(leds: np.ndarray, chosen: Settings) -> bool:
    """Nothing is lit that the "no data" pattern does not light as strongly."""
    return bool((leds <= pattern(Shown.NO_DATA, chosen)).all())


@given(any_settings(), any_moments())
@examples(max_examples=300, deadline=None, derandomize=True)
def test_a_frame_without_a_fresh_pelvis_shows_nothing_but_no_data(chosen: Settings, rows: np.ndarray) -> None:
    leds, shown = Feedback(chosen).light(rows)
    stale = rows["t_s"] - rows["seen_s"] >= STALE_S
    assert (shown[stale] == Shown.NO_DATA).all()
    assert within(leds[stale], chosen)


@given(any_settings(), any_moments(40), st.lists(st.floats(0.0, 0.3), min_size=1, max_size=20))
@examples(max_examples=300, deadline=None, derandomize=True)
def test_idle_leaves_nothing_of_a_measurement_after_100_ms(
    chosen: Settings, rows: np.ndarray, waits_s: list[float]
) -> None:
    feedback = Feedback(chosen)
    feedback.light(rows)
    seen_s, t_s = float(rows["seen_s"][-1]), float(rows["t_s"][-1])
    for wait_s in waits_s:
        t_s += wait_s
        leds, shown = feedback.idle(t_s)
        if t_s - seen_s >= STALE_S:
            assert shown == Shown.NO_DATA
            assert within(leds, chosen)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fade_ms", [0.0, 200.0, 2000.0])
def test_no_data_is_complete_100_ms_after_the_last_measured_frame(mode: str, fade_ms: float) -> None:
    chosen = settings(mode=mode, fade_ms=fade_ms)
    feedback = Feedback(chosen)
    feedback.light(running(60, difference_deg=7.0, level_deg=7.0, left_last_deg=7.0, right_last_deg=3.0))
    last_s = 100.0 + 59 / 120
    assert feedback.idle(last_s + 0.05)[1] != Shown.NO_DATA
    leds, shown = feedback.idle(last_s + STALE_S + 1e-9)
    assert shown == Shown.NO_DATA
    assert (leds == pattern(Shown.NO_DATA, chosen)).all()


@pytest.mark.parametrize("rate_hz", [60, 120, 240])
def test_light_that_would_be_stale_before_the_next_frame_is_gone_already(rate_hz: int) -> None:
    chosen = settings()
    rows = running(30, difference_deg=7.0)
    rows["t_s"] = 100.0 + np.arange(30) / rate_hz
    rows["seen_s"] = np.minimum(rows["t_s"], rows["t_s"][5])  # from here on frames without a pelvis
    leds, shown = Feedback(chosen).light(rows)
    until_s = rows["t_s"] + 1 / rate_hz - rows["seen_s"]
    late = (np.arange(30) > 5) & (until_s >= STALE_S)
    assert late.any()
    assert (shown[late] == Shown.NO_DATA).all()
    assert within(leds[late], chosen)
    assert (shown[(until_s < 0.06) & (np.arange(30) <= 5)] != Shown.NO_DATA).all()


def test_before_the_first_frame_the_bar_says_no_data() -> None:
    leds, shown = Feedback(settings()).idle(5.0)
    assert shown == Shown.NO_DATA
    assert (leds == pattern(Shown.NO_DATA, settings())).all()


def test_a_figure_that_loses_its_ground_leaves_within_100_ms_however_slow_the_fade() -> None:
    feedback = Feedback(settings(fade_ms=2000.0))
    feedback.light(running(600, difference_deg=8.0))
    leds, _ = feedback.light(running(13, start_s=105.0, difference_deg=8.0, sides_sure=0))
    lost = leds[12].astype(int)
    assert (lost <= pattern(Shown.UNSURE_SIDES, settings(fade_ms=2000.0))).all()


def test_a_measurement_after_a_gap_starts_from_itself_not_from_what_was_held() -> None:
    feedback = Feedback(settings(slew_ms=2000.0, fade_ms=200.0))
    feedback.light(running(600, difference_deg=8.0))
    feedback.idle(106.0)
    leds, _ = feedback.light(running(10, start_s=106.1, difference_deg=-8.0))
    assert (leds[-1][:15] <= pattern(Shown.NO_DATA, settings())[:15]).all()
    assert leds[-1][16:].astype(int).sum() > 16 * 3 * 60


@pytest.mark.parametrize("rate_hz", [30.0, 120.0, 250.0])
def test_the_bar_takes_slew_ms_from_level_to_full_scale_at_any_rate(rate_hz: float) -> None:
    feedback = Feedback(settings(slew_ms=150.0, leds=64, palette="white"))
    feedback.light(running(1, difference_deg=0.0))
    rows = running(int(rate_hz), rate_hz=rate_hz, start_s=100.0 + 1 / rate_hz, difference_deg=8.0)
    light = feedback.light(rows)[0][:, :32].astype(int).sum((1, 2))
    full_s = (np.argmax(light == light[-1]) + 1) / rate_hz
    assert 0.15 - 1e-9 <= full_s <= 0.15 + 1 / rate_hz + 1e-9


def test_a_figure_that_changes_sides_passes_through_the_middle() -> None:
    feedback = Feedback(settings(slew_ms=150.0))
    feedback.light(running(120, difference_deg=8.0))
    for frame in feedback.light(running(60, start_s=101.0, difference_deg=-8.0))[0].astype(int):
        lit = frame.sum(1) > 0
        assert not (lit[:15].any() and lit[17:].any())


def test_patterns_cross_fade_in_linear_light() -> None:
    chosen = settings(fade_ms=200.0)
    feedback = Feedback(chosen)
    feedback.light(running(120, posture=1))
    leds, shown = feedback.light(running(30, start_s=101.0, sides_sure=0))
    standing, unsure = pattern(Shown.STANDING, chosen), pattern(Shown.UNSURE_SIDES, chosen)
    assert (shown == Shown.UNSURE_SIDES).all()
    halfway = np.round(0.5 * standing + 0.5 * unsure).astype(int)
    reached = 101.0 + 11 / 120 - (100.0 + 119 / 120)
    assert reached == pytest.approx(0.1)
    assert np.abs(leds[11].astype(int) - halfway).max() <= 1
    assert (leds[-1] == unsure).all()


def test_a_still_pattern_never_blinks() -> None:
    for fields in ({"posture": 0}, {"posture": 1}, {"sides_sure": 0}, {"step_s": np.nan}):
        leds = Feedback(settings(fade_ms=200.0)).light(running(500, **fields))[0]
        assert (leds == leds[0]).all()


def test_steps_are_not_held_for_ever() -> None:
    feedback = Feedback(settings())
    rows = running(360, difference_deg=6.0)
    rows["step_s"] = 100.0
    shown = feedback.light(rows)[1]
    fresh = rows["t_s"] - 100.0 < 1.5
    assert (shown[fresh] == Shown.MEASUREMENT).all()
    assert (shown[~fresh] == Shown.WARMING_UP).all()


def test_one_lost_frame_is_bridged_without_a_blink() -> None:
    rows = running(120, difference_deg=6.0)
    rows["seen_s"][60:63] = rows["t_s"][59]
    leds, shown = Feedback(settings(fade_ms=200.0)).light(rows)
    assert (shown == Shown.MEASUREMENT).all()
    assert (leds[30:] == leds[30]).all()


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf, 3.0, 100.0])
def test_a_stamp_that_is_no_later_time_moves_nothing_and_breaks_nothing(stamp: float) -> None:
    feedback, sound = Feedback(settings()), Feedback(settings())
    for one in (feedback, sound):
        one.light(running(120, difference_deg=6.0))
    bad = running(1, difference_deg=6.0)
    bad["t_s"], bad["seen_s"] = stamp, 100.0 + 119 / 120
    feedback.light(bad)
    rows = running(60, start_s=101.0, difference_deg=-3.0)
    assert (feedback.light(rows)[0] == sound.light(rows)[0]).all()


def test_a_clock_set_back_shows_no_data_instead_of_a_frozen_figure() -> None:
    feedback = Feedback(settings(fade_ms=2000.0))
    feedback.light(running(60, difference_deg=6.0))
    leds, shown = feedback.light(running(60, start_s=10.0, difference_deg=6.0))
    assert (shown == Shown.NO_DATA).all()
    assert (leds == pattern(Shown.NO_DATA, settings())).all()


def test_a_pelvis_seen_in_the_future_counts_as_not_seen() -> None:
    assert Feedback(settings()).light(running(seen_s=1e9))[1][0] == Shown.NO_DATA


def test_a_frame_older_than_the_last_idle_is_still_taken() -> None:
    feedback = Feedback(settings())
    feedback.light(running(5, difference_deg=6.0))
    feedback.idle(100.2)
    assert feedback.light(running(1, start_s=100.19, difference_deg=6.0))[1][0] == Shown.MEASUREMENT


def test_reset_forgets_everything() -> None:
    feedback, new = Feedback(Settings()), Feedback(Settings())
    feedback.light(running(200, difference_deg=6.0))
    feedback.reset()
    assert (feedback.idle(1.0)[0] == new.idle(1.0)[0]).all()
    rows = running(100, difference_deg=-4.0)
    assert (feedback.light(rows)[0] == new.light(rows)[0]).all()
