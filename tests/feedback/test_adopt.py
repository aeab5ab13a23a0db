"""Settings that change while somebody runs: the light goes on from where it is, and an unproved side is never shown."""

from __future__ import annotations

import numpy as np
import pytest
from cases import MODES, running, settings
from flashes import assert_no_more_than_three

from appliance.feedback.bar import Feedback
from appliance.records import Shown


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "off"])
def test_while_the_sides_are_not_proved_no_mode_shows_a_figure(mode: str) -> None:
    feedback = Feedback(settings(mode=mode))
    rows = running(60, level_deg=5.0, difference_deg=6.0, sides_sure=-1)
    assert set(feedback.light(rows)[1]) == {Shown.UNSURE_SIDES}
    assert set(feedback.light(running(60, start_s=101.0, posture=1, sides_sure=-1))[1]) == {Shown.STANDING}


def test_a_bar_that_is_faded_out_stays_dark_without_proof_too() -> None:
    assert Feedback(settings(mode="off")).light(running(sides_sure=-1))[0].sum() == 0


def test_after_a_change_of_mode_the_light_is_soon_that_of_a_bar_that_always_had_it() -> None:
    rows = running(480, difference_deg=5.0, level_deg=3.0)
    changed, always = Feedback(settings(mode="asymmetry")), Feedback(settings(mode="box"))
    changed.light(rows[:240])
    always.light(rows[:240])
    changed.adopt(settings(mode="box"))
    assert (changed.light(rows[240:])[0][-1] == always.light(rows[240:])[0][-1]).all()


def test_a_change_of_brightness_makes_no_jump() -> None:
    feedback = Feedback(settings(mode="asymmetry", brightness=0.5))
    rows = running(242, difference_deg=5.0)
    before = feedback.light(rows[:240])[0][-1].astype(int)
    feedback.adopt(settings(mode="asymmetry", brightness=0.25))
    after = feedback.light(rows[240:])[0][-1].astype(int)
    assert (before > 0).tolist() == (after > 0).tolist()


def test_settings_that_change_ten_times_a_second_do_not_flash() -> None:
    rows = running(720, difference_deg=6.0, level_deg=4.0, left_last_deg=8.0, right_last_deg=2.0)
    feedback = Feedback(settings(mode="asymmetry", fade_ms=0.0, slew_ms=0.0))
    leds = []
    for k in range(0, 720, 12):
        mode = "asymmetry" if k % 24 else "off"
        feedback.adopt(settings(mode=mode, fade_ms=0.0, slew_ms=0.0))
        leds.append(feedback.light(rows[k : k + 12])[0])
    assert_no_more_than_three(rows["t_s"], np.concatenate(leds), settings().strip.brightness)
