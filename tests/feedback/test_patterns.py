"""The patterns that stand for "no figure": nobody may take one for a measurement, or for another."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from cases import PALETTES, lit, running, settings

from appliance.feedback.patterns import pattern
from appliance.records import Shown

PATTERNS = (Shown.NO_DATA, Shown.UNSURE_SIDES, Shown.WARMING_UP, Shown.STANDING)
LENGTHS = (*range(4, 60), 144, 299, 300)


@pytest.mark.parametrize("leds", LENGTHS)
def test_every_pattern_is_its_own_mirror_image_and_lit(leds: int) -> None:
    for shown in PATTERNS:
        frame = pattern(shown, settings(leds=leds))
        assert (frame == frame[::-1]).all()
        assert frame.any()


@pytest.mark.parametrize("leds", [n for n in LENGTHS if n >= 8])
def test_patterns_differ_by_shape_and_never_touch_the_middle_or_each_other_s_neighbours(leds: int) -> None:
    shapes = [pattern(shown, settings(leds=leds)).any(1) for shown in PATTERNS]
    for one, other in itertools.combinations(shapes, 2):
        assert (one != other).any()
    for shape in shapes:
        assert not (shape[1:] & shape[:-1]).any()
        assert not shape[(leds - 1) // 2 : leds // 2 + 1].any()
        assert shape.sum() <= 10


@pytest.mark.parametrize("leds", [4, 5, 6, 7])
def test_on_a_very_short_bar_patterns_still_differ_by_light_alone(leds: int) -> None:
    profiles = [tuple(pattern(shown, settings(leds=leds)).max(1)) for shown in PATTERNS]
    assert len(set(profiles)) == len(PATTERNS)


@pytest.mark.parametrize("palette", PALETTES)
def test_a_pattern_has_a_colour_that_its_bar_never_has_and_is_dimmer(palette: str) -> None:
    bar = [lit(running(difference_deg=deg), palette=palette)[15] for deg in (1.0, 2.0, 8.0)]
    for shown in PATTERNS:
        dot = pattern(shown, settings(palette=palette)).max(0).astype(float)
        assert dot.max() < 0.35 * 255
        for led in bar:
            cosine = float(dot @ led / np.linalg.norm(dot) / np.linalg.norm(led))
            assert cosine < 0.97


@pytest.mark.parametrize("brightness", [0.001, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("cap_ma", [20.0, 1000.0])
def test_patterns_stay_visible_and_within_the_current_cap(brightness: float, cap_ma: float) -> None:
    for leds, shown in itertools.product((4, 32, 300), PATTERNS):
        chosen = settings(leds=leds, brightness=brightness, current_cap_ma=cap_ma, led_ma=100.0)
        frame = pattern(shown, chosen)
        assert frame.any()
        assert int(frame.sum()) * 100.0 / 765 <= cap_ma
        assert frame.max() <= max(1, int(255 * brightness))


def test_the_byte_budget_is_the_largest_that_keeps_the_cap() -> None:
    for cap_ma, led_ma in itertools.product((20.0, 333.3, 1000.0, 19999.9), (1.0, 12.3, 60.0, 99.9)):
        strip = settings(current_cap_ma=cap_ma, led_ma=led_ma).strip
        assert strip.byte_budget * led_ma <= cap_ma * 765 < (strip.byte_budget + 1.001) * led_ma


def test_off_and_a_measurement_have_no_pattern() -> None:
    assert not pattern(Shown.OFF, settings()).any()
    assert not pattern(Shown.MEASUREMENT, settings()).any()


def test_patterns_are_drawn_without_loading_compiled_code() -> None:
    code = "import sys; import appliance.feedback.patterns; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_dark_leds_draw_counts_against_the_cap() -> None:
    dark, free = settings(leds=32, current_cap_ma=100.0, idle_ma=1.0), settings(leds=32, current_cap_ma=68.0)
    assert dark.strip.byte_budget == free.strip.byte_budget
    assert settings(leds=32, current_cap_ma=20.0, idle_ma=1.0).strip.byte_budget == 0
