"""Targets: percent of the runner's own baseline, or degrees, never below the floor; and where they come from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.clinic.target import aim_of, aim_words
from appliance.clinic.terms import DARK, Aim, Baseline, Mode, Target
from appliance.config import Feedback, Settings, laid

SETTINGS = Feedback(band_deg=2.0, target_deg=5.0)
MODES: tuple[Mode, ...] = ("asymmetry", "step", "live", "box", "off")


def baseline(left_deg: float, right_deg: float) -> Baseline:
    return Baseline(
        left_drop_deg=left_deg,
        right_drop_deg=right_deg,
        difference_deg=right_deg - left_deg,
        left_steps=80,
        right_steps=80,
    )


FIRST, TODAY = baseline(4.0, 8.0), baseline(3.0, 5.0)


def test_in_step_mode_the_target_is_percent_of_the_worse_side_s_drop() -> None:
    aim = aim_of("step", Target(percent=75), FIRST, TODAY, SETTINGS)
    assert aim == Aim(mode="step", target_deg=6.0, band_deg=2.0)


@pytest.mark.parametrize("mode", ["asymmetry", "box", "live"])
def test_in_the_other_modes_it_is_percent_of_the_difference_whichever_side_is_worse(mode: Mode) -> None:
    for first in (FIRST, baseline(8.0, 4.0)):
        aim = aim_of(mode, Target(percent=80, floor_deg=1.0), first, None, SETTINGS)
        assert aim.band_deg == pytest.approx(3.2)
        assert aim.target_deg == 5.0


def test_nothing_is_asked_for_below_the_floor() -> None:
    assert aim_of("step", Target(percent=50), TODAY, None, SETTINGS).target_deg == 2.8
    assert aim_of("step", Target(degrees=1.0), None, None, SETTINGS).target_deg == 2.8
    assert aim_of("step", Target(degrees=1.0, floor_deg=0.5), None, None, SETTINGS).target_deg == 1.0
    assert aim_of("step", Target(percent=70), baseline(-2.0, -1.0), None, SETTINGS).target_deg == 2.8


def test_degrees_need_no_baseline() -> None:
    assert aim_of("box", Target(degrees=4.0), None, None, SETTINGS).band_deg == 4.0


def test_the_first_visit_s_own_baseline_is_the_first_one() -> None:
    assert aim_of("step", Target(percent=100), None, TODAY, SETTINGS).target_deg == 5.0


def test_a_target_of_the_day_goes_by_the_day() -> None:
    target = Target(percent=100, of="visit")
    assert aim_of("step", target, FIRST, TODAY, SETTINGS).target_deg == 5.0
    assert aim_of("step", target, FIRST, None, SETTINGS).target_deg == 8.0


@pytest.mark.parametrize("target", [None, Target(percent=70)])
def test_without_baseline_or_target_the_station_s_own_settings_count(target: Target | None) -> None:
    for mode in ("step", "asymmetry"):
        aim = aim_of(mode, target, None, None, SETTINGS)
        assert (aim.target_deg, aim.band_deg) == (5.0, 2.0)


def test_a_baseline_that_could_not_be_measured_is_none() -> None:
    aim = aim_of("asymmetry", Target(percent=70), baseline(math.nan, math.nan), None, SETTINGS)
    assert aim.band_deg == 2.0


def test_a_dark_block_has_a_dark_aim() -> None:
    assert aim_of("off", Target(percent=70), FIRST, TODAY, SETTINGS) == DARK


degrees = st.floats(-90, 90)


@given(
    st.sampled_from(MODES),
    st.none() | st.builds(Target, percent=st.floats(10, 100), of=st.sampled_from(["first", "visit"])),
    st.none() | st.builds(baseline, degrees, degrees),
    st.none() | st.builds(baseline, degrees, degrees),
)
def test_whatever_the_runner_does_the_aim_is_one_that_the_settings_take(
    mode: Mode, target: Target | None, first: Baseline | None, own: Baseline | None
) -> None:
    aim = aim_of(mode, target, first, own, SETTINGS)
    assert laid(Settings(), aim.settings()).feedback.mode == mode
    assert aim_words(mode, target, first, own, SETTINGS)


def test_words_name_the_hip_that_drops_and_the_leg_that_stands() -> None:
    words = aim_words("step", Target(percent=75), FIRST, TODAY, SETTINGS)
    assert words == (
        "a drop of at most 6.0 deg: 75 % of the first visit's worse drop of 8.0 deg (left hip, right stance)"
    )
    other = aim_words("step", Target(percent=75), baseline(8, 4), None, SETTINGS)
    assert "(right hip, left stance)" in other


def test_words_say_when_the_floor_the_settings_or_the_protocol_decided() -> None:
    floor = aim_words("step", Target(percent=50), TODAY, None, SETTINGS)
    assert floor.startswith("a drop of at most 2.8 deg")
    assert floor.endswith("would be 2.5 deg, below the floor")
    assert "because there is no baseline" in aim_words("step", Target(percent=50), None, None, SETTINGS)
    assert "the station's own settings" in aim_words("box", None, FIRST, None, SETTINGS)
    assert "as the protocol says" in aim_words("box", Target(degrees=4), FIRST, None, SETTINGS)
    today = aim_words("asymmetry", Target(percent=90, of="visit", floor_deg=1), FIRST, TODAY, SETTINGS)
    assert today == "a difference between the sides of at most 1.8 deg: 90 % of today's difference of 2.0 deg"
    assert aim_words("off", None, None, None, SETTINGS) == "nothing is shown"
