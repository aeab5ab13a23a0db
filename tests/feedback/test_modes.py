"""What each mode lights for a figure, on which side, how far and how bright."""

from __future__ import annotations

import numpy as np
import pytest
from cases import MODES, lit, mirrored, running, settings

from appliance.feedback.bar import Feedback
from appliance.records import Shown


def halves(leds: np.ndarray) -> tuple[int, int]:
    half = len(leds) // 2
    return int(leds[:half].sum()), int(leds[len(leds) - half :].sum())


def length(leds: np.ndarray, side: int) -> float:
    """Lit length of a half in LEDs, in units of its innermost (whole) LED."""
    half = len(leds) // 2
    light = leds[:half][::-1].sum(1) if side == 0 else leds[len(leds) - half :].sum(1)
    return float((light / light[0]).sum())


def test_the_left_half_lights_when_the_right_stance_drops_more() -> None:
    left, right = halves(lit(running(difference_deg=5.0), mode="asymmetry"))
    assert left > 10 * right


def test_the_stance_convention_and_the_swap_each_exchange_the_ends() -> None:
    rows = running(difference_deg=5.0)
    plain = lit(rows)
    assert (lit(rows, lights="stance") == plain[::-1]).all()
    assert (lit(rows, swap=True) == plain[::-1]).all()
    assert (lit(rows, swap=True, lights="stance") == plain).all()


@pytest.mark.parametrize("mode", MODES)
def test_swap_exchanges_the_ends_in_every_mode(mode: str) -> None:
    rows = running(difference_deg=5.0, level_deg=-3.0, left_last_deg=2.0, right_last_deg=7.0)
    assert (lit(rows, mode=mode, swap=True) == lit(rows, mode=mode)[::-1]).all()


@pytest.mark.parametrize("difference_deg", [2.5, 3.0, 4.0, 5.3, 6.1, 8.0])
def test_length_is_the_share_of_full_scale_to_a_fraction_of_an_led(difference_deg: float) -> None:
    leds = lit(running(difference_deg=difference_deg), leds=32, palette="white")
    assert length(leds, 0) == pytest.approx(difference_deg / 8.0 * 16, abs=0.02)


def test_sensitivity_multiplies_the_length() -> None:
    leds = lit(running(difference_deg=3.0), leds=32, sensitivity=2.0, palette="white")
    assert length(leds, 0) == pytest.approx(12.0, abs=0.02)


def test_a_figure_beyond_full_scale_fills_its_half_and_no_more() -> None:
    leds = lit(running(difference_deg=-40.0), leds=32)
    assert (leds[16:] == 255).all()
    assert leds[:15].sum() == 0


def test_no_difference_shows_only_the_middle_mark() -> None:
    leds = lit(running(difference_deg=0.0), leds=32)
    assert np.flatnonzero(leds.sum(1)).tolist() == [15, 16]
    assert leds.max() < 128


def test_a_difference_up_to_the_band_is_dim_and_beyond_it_full() -> None:
    inside, beyond = lit(running(difference_deg=2.0)), lit(running(difference_deg=2.01))
    assert inside.max() < 0.4 * 255
    assert beyond.max() == 255


def test_a_figure_that_hovers_at_the_band_does_not_change_its_look() -> None:
    feedback = Feedback(settings())
    rows = running(40, difference_deg=np.where(np.arange(40) % 2, 2.01, 1.99))
    leds = feedback.light(rows)[0]
    assert (leds[1:, 15].max(1) == 255).all()
    assert feedback.guard_acts == 0


def test_step_mode_shows_each_hip_s_own_last_drop() -> None:
    leds = lit(running(right_last_deg=3.0, left_last_deg=6.0), mode="step", leds=32)
    left, right = leds[:16][::-1], leds[16:]
    assert np.count_nonzero(left.sum(1)) == 6  # right stance: the left hip drops 3 of 8 deg
    assert np.count_nonzero(right.sum(1)) == 12
    assert left.max() < 0.4 * 255  # on target
    assert right.max() == 255  # beyond 5 deg


def test_step_mode_leaves_a_side_dark_that_was_not_measured() -> None:
    leds = lit(running(right_last_deg=3.0, left_last_deg=np.nan), mode="step", leds=32)
    assert leds[:16].sum() > 0
    assert leds[16:].sum() == 0


def test_step_mode_shows_a_hike_as_no_drop() -> None:
    leds = lit(running(right_last_deg=-3.0, left_last_deg=-1.0), mode="step", leds=32)
    assert np.flatnonzero(leds.sum(1)).tolist() == [15, 16]


def test_live_mode_moves_a_bubble_of_constant_width_to_the_lower_side() -> None:
    level, tilted = lit(running(), mode="live", leds=32), lit(running(level_deg=4.0), mode="live", leds=32)
    assert np.flatnonzero(level.sum(1)).tolist() == list(range(8, 24))
    assert np.flatnonzero(tilted.sum(1)).tolist() == list(range(4, 20))  # right hip higher: left lower
    assert level.sum() == tilted.sum()


def test_live_mode_needs_no_heels_no_steps_and_no_running() -> None:
    rows = running(level_deg=4.0, sides_sure=0, left_steps=0, right_steps=0, step_s=np.nan, posture=1)
    assert Feedback(settings(mode="live")).light(rows)[1][0] == Shown.MEASUREMENT


def test_a_live_runner_makes_the_light_move_but_hardly_pulse() -> None:
    rows = running(600, level_deg=5.0 * np.sin(2 * np.pi * 1.67 * np.arange(600) / 120))
    feedback = Feedback(settings(mode="live", palette="white"))
    light = feedback.light(rows)[0].sum((1, 2)).astype(float)
    assert light.std() < 0.01 * light.mean()
    assert feedback.guard_acts == 0


def test_the_box_is_dark_up_to_the_band_and_shows_the_excess_beyond() -> None:
    assert lit(running(difference_deg=2.0), mode="box").sum() == 0
    assert lit(running(difference_deg=-2.0), mode="box").sum() == 0
    leds = lit(running(difference_deg=6.0), mode="box", leds=32)
    assert np.flatnonzero(leds.sum(1)).tolist() == list(range(8, 16))


def test_off_is_dark_while_the_runner_is_measured() -> None:
    rows = running(50, difference_deg=9.0, level_deg=9.0)
    leds, shown = Feedback(settings(mode="off")).light(rows)
    assert leds.sum() == 0
    assert (shown == Shown.OFF).all()


def test_off_still_says_when_nothing_is_measured() -> None:
    leds, shown = Feedback(settings(mode="off")).light(running(posture=0, seen_s=np.nan))
    assert leds.sum() > 0
    assert shown[0] == Shown.NO_DATA


@pytest.mark.parametrize("leds", [5, 33])
@pytest.mark.parametrize("mode", ["asymmetry", "step", "live"])
def test_an_odd_bar_has_a_middle_led_of_its_own(mode: str, leds: int) -> None:
    rows = running(difference_deg=3.0, level_deg=1.0, left_last_deg=4.0, right_last_deg=6.0)
    frame = lit(rows, mode=mode, leds=leds)
    assert frame[leds // 2].sum() > 0
    assert (lit(mirrored(rows), mode=mode, leds=leds) == frame[::-1]).all()


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"posture": 0}, Shown.NO_DATA),
        ({"posture": 1}, Shown.STANDING),
        ({"sides_sure": 0}, Shown.UNSURE_SIDES),
        ({"left_steps": 2}, Shown.WARMING_UP),
        ({"right_steps": 2}, Shown.WARMING_UP),
        ({"step_s": np.nan}, Shown.WARMING_UP),
        ({"step_s": 98.4}, Shown.WARMING_UP),
        ({"step_s": 98.6}, Shown.MEASUREMENT),
        ({"difference_deg": np.nan}, Shown.WARMING_UP),
        ({"posture": 2}, Shown.MEASUREMENT),
    ],
)
def test_without_a_sound_difference_the_bar_says_why(fields: dict[str, float], shown: Shown) -> None:
    for mode in ("asymmetry", "box"):
        assert Feedback(settings(mode=mode)).light(running(**fields))[1][0] == shown


def test_step_mode_warms_up_until_a_drop_was_measured() -> None:
    feedback = Feedback(settings(mode="step"))
    assert feedback.light(running(left_last_deg=np.nan, right_last_deg=np.nan))[1][0] == Shown.WARMING_UP


def test_colour_only_repeats_what_place_and_length_say() -> None:
    """A colour-blind runner loses nothing: in grey, the two sides differ and so do inside and beyond."""
    for palette in ("blue-white", "amber-white", "white"):
        inside = lit(running(difference_deg=1.9), palette=palette).max(1)
        beyond = lit(running(difference_deg=2.1), palette=palette).max(1)
        assert inside[:16].sum() > inside[16:].sum()
        assert beyond.max() > 2 * inside.max()
