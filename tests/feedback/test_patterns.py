"""The patterns that stand for "no figure": nobody may take one for a measurement, or for another."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from cases import MODES, PALETTES, lit, running, settings

from appliance.feedback.patterns import OWN, VISIT, pattern, rest
from appliance.records import Notice, Shown

MEASURING = (Shown.NO_DATA, Shown.UNSURE_SIDES, Shown.WARMING_UP, Shown.STANDING)
PATTERNS: tuple[Shown | Notice, ...] = (*MEASURING, *Notice)
OF_A_VISIT = (Notice.STAND_STILL, Notice.BEGINS, Notice.ENDS, Notice.PAUSED)
OF_THE_STATION = tuple(notice for notice in Notice if notice not in OF_A_VISIT)
LENGTHS = range(4, 301)
BYTES = (1, 2, 3, 5, 12, 60, 127, 255)  # the most that the brightness setting allows a channel


def _all(leds: int, **changes: object) -> dict[Shown | Notice, np.ndarray]:
    """Every picture on a bar of so many LEDs."""
    chosen = settings(leds=leds, **changes)
    return {shown: pattern(shown, chosen) for shown in PATTERNS}


def _shapes(leds: int) -> dict[Shown | Notice, np.ndarray]:
    """Which LEDs are lit: all that a reader who sees no colours has to go by."""
    return {shown: frame.any(1) for shown, frame in _all(leds).items()}


def test_every_pattern_is_its_own_mirror_image_and_lit() -> None:
    for leds in LENGTHS:
        for frame in _all(leds).values():
            assert (frame == frame[::-1]).all()
            assert frame.any()


def test_from_twelve_leds_up_every_pattern_has_a_shape_of_its_own() -> None:
    for leds in LENGTHS[8:]:
        shapes = [shape.tobytes() for shape in _shapes(leds).values()]
        assert len(set(shapes)) == len(PATTERNS)


def test_on_ten_and_eleven_leds_only_no_camera_has_the_shape_of_no_data_when_no_visit_speaks() -> None:
    for leds in (10, 11):
        shapes = _shapes(leds)
        pairs = itertools.combinations((*MEASURING, *OF_THE_STATION), 2)
        alike = [pair for pair in pairs if (shapes[pair[0]] == shapes[pair[1]]).all()]
        assert alike == [(Shown.NO_DATA, Notice.NO_CAMERA)]


def test_what_the_pipeline_shows_differs_by_shape_alone_from_six_leds_up() -> None:
    for leds in LENGTHS[2:]:
        shapes = _shapes(leds)
        assert len({shapes[shown].tobytes() for shown in MEASURING}) == len(MEASURING)


def test_patterns_never_touch_the_middle_or_each_other_s_neighbours_from_eight_leds_up() -> None:
    for leds in LENGTHS[4:]:
        for shown, shape in _shapes(leds).items():
            assert not (shape[1:] & shape[:-1]).any()
            assert not shape[(leds - 1) // 2 : leds // 2 + 1].any()
            assert shape.sum() <= (24 if shown is Notice.FAULT else 10)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("top", BYTES)
def test_no_two_patterns_give_the_same_bytes_on_any_bar(palette: str, top: int) -> None:
    for leds, cap_ma in itertools.product(LENGTHS, (20.0, 20000.0)):
        frames = _all(leds, palette=palette, brightness=top / 255, current_cap_ma=cap_ma)
        assert len({frame.tobytes() for frame in frames.values()}) == len(PATTERNS)


@pytest.mark.parametrize("palette", PALETTES)
def test_a_fault_is_the_most_striking_of_all(palette: str) -> None:
    for leds, brightness in itertools.product(LENGTHS, (0.1, 0.5, 1.0)):
        frames = _all(leds, palette=palette, brightness=brightness)
        fault = frames.pop(Notice.FAULT)
        for frame in frames.values():
            assert fault.sum() > frame.sum()
            assert fault.any(1).sum() >= frame.any(1).sum() + (2 if leds >= 12 else 0)


@pytest.mark.parametrize("top", BYTES)
def test_standing_while_recording_is_standing_and_a_mark(top: int) -> None:
    for leds, palette in itertools.product(LENGTHS, PALETTES):
        frames = _all(leds, palette=palette, brightness=top / 255)
        standing, recording = frames[Shown.STANDING], frames[Notice.RECORDING]
        there = standing.any(1)
        assert (recording[there] == standing[there]).all()
        assert recording[~there].any(1).sum() == 2


def test_a_notice_is_the_same_in_every_mode() -> None:
    for notice in Notice:
        frames = [pattern(notice, settings(mode=mode)).tobytes() for mode in MODES]
        assert len(set(frames)) == 1


def test_the_station_speaks_of_itself_in_a_colour_that_nothing_else_has() -> None:
    for palette in PALETTES:
        frames = _all(32, palette=palette)
        own = [tuple(led) for led in frames[Notice.FAULT] if led.any()]
        assert len(set(own)) == 1
        for shown in MEASURING:
            assert own[0] not in [tuple(led) for led in frames[shown]]
        for notice in OF_THE_STATION:
            assert own[0] in [tuple(led) for led in frames[notice]]


def test_a_visit_speaks_in_a_colour_that_nothing_else_has() -> None:
    for palette in PALETTES:
        frames = _all(32, palette=palette)
        its = {tuple(led) for notice in OF_A_VISIT for led in frames[notice] if led.any()}
        assert len(its) == 1
        for shown in (*MEASURING, *OF_THE_STATION):
            assert not its & {tuple(led) for led in frames[shown]}


def test_what_a_visit_says_differs_by_shape_alone_from_six_leds_up() -> None:
    for leds in LENGTHS[2:]:
        shapes = _shapes(leds)
        assert len({shapes[notice].tobytes() for notice in OF_A_VISIT}) == len(OF_A_VISIT)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("mode", ["asymmetry", "live"])
def test_a_pattern_has_a_colour_that_its_bar_never_has_and_is_dimmer(palette: str, mode: str) -> None:
    rows = [running(difference_deg=deg, level_deg=0.0) for deg in (1.0, 2.0, 8.0)]
    bar = [led for row in rows for led in lit(row, palette=palette, mode=mode) if led.any()]
    dots = [led.astype(float) for frame in _all(32, palette=palette).values() for led in frame if led.any()]
    for dot, led in itertools.product(dots, bar):
        assert dot.max() < 0.35 * 255
        assert float(dot @ led / np.linalg.norm(dot) / np.linalg.norm(led)) < 0.97


def test_no_pattern_is_saturated_red_at_any_brightness_or_cap() -> None:
    assert set(OWN) == set(VISIT) == set(PALETTES)
    for top, palette, cap_ma in itertools.product(range(1, 256), PALETTES, (20.0, 20000.0)):
        for frame in _all(46, palette=palette, brightness=top / 255, current_cap_ma=cap_ma).values():
            assert (frame[:, 0] <= 0.75 * frame.sum(1)).all()


@pytest.mark.parametrize("top", BYTES)
@pytest.mark.parametrize("cap_ma", [20.0, 1000.0])
def test_patterns_stay_visible_and_within_the_current_cap(top: int, cap_ma: float) -> None:
    for leds in LENGTHS:
        frames = _all(leds, brightness=top / 255, current_cap_ma=cap_ma, led_ma=100.0)
        for shown, frame in frames.items():
            assert frame.any(1).sum() == pattern(shown, settings(leds=leds)).any(1).sum()
            assert int(frame.sum()) * 100.0 / 765 <= cap_ma
            assert frame.max() <= top


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


SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("top", BYTES)
def test_a_rest_is_no_other_picture_at_any_time_on_any_bar(palette: str, top: int) -> None:
    for leds, cap_ma in itertools.product(LENGTHS, (20.0, 20000.0)):
        changes = {"palette": palette, "brightness": top / 255, "current_cap_ma": cap_ma}
        others = {frame.tobytes() for frame in _all(leds, **changes).values()}
        for share in SHARES:
            assert rest(share, settings(leds=leds, **changes)).tobytes() not in others


def test_a_rest_has_a_shape_of_its_own_from_six_leds_up() -> None:
    for leds in LENGTHS[2:]:
        others = {shape.tobytes() for shape in _shapes(leds).values()}
        for share in SHARES:
            assert rest(share, settings(leds=leds)).any(1).tobytes() not in others


def test_a_rest_draws_back_from_the_middle_to_the_ends_and_never_leaves_them() -> None:
    for leds in LENGTHS:
        lengths = [int(rest(k / 500, settings(leds=leds)).any(1).sum()) for k in range(501)]
        assert lengths == sorted(lengths, reverse=True)
        assert lengths[-1] == (2 if leds < 6 else 4)
        assert max(a - b for a, b in itertools.pairwise(lengths)) <= 2
        for share in SHARES:
            lit_leds = rest(share, settings(leds=leds)).any(1)
            half = lit_leds[: leds // 2]
            assert half[0]
            assert (np.diff(half.astype(int)) <= 0).all()  # one piece, from the end inwards
            assert (lit_leds == lit_leds[::-1]).all()


def test_a_rest_leaves_the_middle_dark_from_six_leds_up() -> None:
    for leds in LENGTHS[2:]:
        assert not rest(0.0, settings(leds=leds))[(leds - 1) // 2 : leds // 2 + 1].any()


def test_a_rest_keeps_to_its_time() -> None:
    lengths = [int(rest(share, settings(leds=60)).any(1).sum()) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert lengths == [58, 44, 32, 18, 4]  # rounded to whole LEDs of either half
    for beyond, within in ((-1.0, 0.0), (7.0, 1.0)):
        assert (rest(beyond, settings()) == rest(within, settings())).all()


@pytest.mark.parametrize("top", BYTES)
@pytest.mark.parametrize("cap_ma", [20.0, 1000.0])
def test_a_rest_stays_visible_dim_and_within_the_current_cap(top: int, cap_ma: float) -> None:
    for leds, share, palette in itertools.product((4, 8, 32, 60, 144, 300), SHARES, PALETTES):
        changes = {"brightness": top / 255, "current_cap_ma": cap_ma, "led_ma": 100.0, "palette": palette}
        frame = rest(share, settings(leds=leds, **changes))
        assert int(frame.sum()) * 100.0 / 765 <= cap_ma
        assert frame.max() <= max(1, 0.3 * top)
        assert (frame[:, 0] <= 0.75 * frame.sum(1)).all()
        if cap_ma > 20.0:
            assert frame.any(1).sum() == rest(share, settings(leds=leds)).any(1).sum()
