"""The delay from wire to light is found from frames alone; late stamps, rows, lost frames and noise are no excuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.calibration.latency import (
    Shutter,
    Trial,
    delay,
    disagreement_ms,
    interval,
    mass,
    quantile,
    whole,
)

FRAME_S = 1 / 120
DARK, LIT = 20.0, 180.0


def trials(
    delay_ms: float,
    *,
    count: int = 60,
    exposure_s: float = 0.0015,
    row_delay_s: float = 0.0,
    late_s: float = 0.0,
    jitter_ms: float = 0.0,
    noise: float = 0.5,
    locked: bool = False,
    lost: float = 0.0,
    seed: int = 7,
) -> list[Trial]:
    """Switchings of an LED that is lit `delay_ms` after each write, seen by a camera whose stamps are `late_s` late."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(count):
        t_s = np.arange(-20, 40) * FRAME_S
        t_s = t_s[rng.random(len(t_s)) >= lost]
        shown_s = 0.003 + (rng.normal(0, 1e-4) if locked else rng.uniform(-FRAME_S, FRAME_S))
        change_s = shown_s + (delay_ms + rng.normal(0, 1) * jitter_ms) / 1e3
        ends_s = t_s + row_delay_s + exposure_s / 2
        share = np.clip((ends_s - change_s) / exposure_s, 0, 1)
        on = k % 2 == 0
        grey = DARK + (LIT - DARK) * (share if on else 1 - share) + rng.normal(0, noise, len(t_s))
        made.append(Trial(shown_s, on, t_s + late_s, grey))
    return made


@pytest.mark.parametrize("delay_ms", [0.0, 0.9, 4.0, 17.3, 60.0])
@pytest.mark.parametrize("exposure_s", [0.0005, 0.0015, 0.0075])
def test_the_delay_is_found_within_a_quarter_of_a_frame(delay_ms: float, exposure_s: float) -> None:
    found = delay(trials(delay_ms, exposure_s=exposure_s), Shutter(exposure_s, 0.0, FRAME_S))
    assert not found.problems
    assert found.seen == found.trials == 60
    assert abs(found.median_ms - delay_ms) < 0.25e3 * FRAME_S
    assert found.low_ms - 0.3 <= delay_ms <= found.high_ms + 0.3


def test_a_long_exposure_finds_it_to_a_tenth_of_a_millisecond_even_in_step_with_the_bar() -> None:
    found = delay(trials(5.3, exposure_s=0.0080, locked=True), Shutter(0.0080, 0.0, FRAME_S))
    assert abs(found.median_ms - 5.3) < 0.3
    assert found.resolution_ms < 1.2


def test_a_short_exposure_in_step_with_the_bar_says_how_little_it_knows() -> None:
    found = delay(trials(9.0, exposure_s=0.0010, locked=True), Shutter(0.0010, 0.0, FRAME_S))
    assert found.resolution_ms > 6
    assert found.low_ms <= 9.0 <= found.high_ms
    assert abs(found.median_ms - 9.0) < 0.5e3 * FRAME_S


def test_late_stamps_and_the_row_of_the_led_add_up_as_they_do_in_the_world() -> None:
    made = trials(6.0, exposure_s=0.006, row_delay_s=0.004, late_s=0.0025)
    found = delay(made, Shutter(0.006, 0.004, FRAME_S))
    assert abs(found.median_ms - 8.5) < 0.5


def test_lost_frames_widen_the_intervals_and_do_not_move_the_answer() -> None:
    found = delay(trials(9.0, exposure_s=0.006, lost=0.1, count=100), Shutter(0.006, 0.0, FRAME_S))
    assert abs(found.median_ms - 9.0) < 1.0


def test_scatter_is_told_as_it_is() -> None:
    found = delay(trials(10.0, exposure_s=0.0075, jitter_ms=2.0, count=200), Shutter(0.0075, 0.0, FRAME_S))
    assert abs(found.median_ms - 10.0) < 0.7
    assert 4.5 < found.spread_ms < 9.0  # 2 x 1.645 x 2 = 6.6 ms
    assert not found.problems


@pytest.mark.parametrize("locked", [False, True])
def test_an_led_that_burns_out_is_no_excuse_for_a_wrong_answer(locked: bool) -> None:
    burnt = [
        Trial(t.shown_s, t.on, t.t_s, np.minimum(DARK + 30 * (t.spot - DARK), 255.0))
        for t in trials(9.0, exposure_s=0.0075, count=80, noise=0.05, locked=locked)
    ]
    found = delay(burnt, Shutter(0.0075, 0.0, FRAME_S, clipped=True))
    assert abs(found.median_ms - 9.0) < 0.5e3 * FRAME_S
    assert found.low_ms - 0.3 <= 9.0 <= found.high_ms + 0.3


def test_two_exposures_agree_unless_the_stamps_shift_with_them() -> None:
    found = delay(trials(6.0, exposure_s=0.0075), Shutter(0.0075, 0.0, FRAME_S))
    short = Shutter(0.0015, 0.0, FRAME_S)
    same = trials(6.0, exposure_s=0.0015, count=10, seed=9)
    assert abs(disagreement_ms(found, same, short)) < 0.3
    shifted = trials(6.0, exposure_s=0.0015, count=10, seed=9, late_s=0.012)
    assert disagreement_ms(found, shifted, short) > 4.0  # 12 but for the gap between two frames
    dark = [Trial(t.shown_s, t.on, t.t_s, np.full(len(t.t_s), DARK)) for t in same]
    assert np.isnan(disagreement_ms(found, dark, short))


def test_wild_scatter_is_refused() -> None:
    found = delay(trials(40.0, jitter_ms=15.0, count=80), Shutter(0.0015, 0.0, FRAME_S))
    assert any("scatters" in words for words in found.problems)


def test_an_led_that_is_not_in_view_gives_no_figure() -> None:
    dull = [Trial(t.shown_s, t.on, t.t_s, np.full(len(t.t_s), 20.0)) for t in trials(5.0)]
    found = delay(dull, Shutter(0.0015, 0.0, FRAME_S))
    assert np.isnan(found.median_ms)
    assert "not in the camera's view" in found.problems[0]


def test_an_led_that_shows_only_now_and_then_gives_no_figure() -> None:
    made = trials(5.0)
    hidden = [
        Trial(t.shown_s, t.on, t.t_s, np.full(len(t.t_s), DARK)) if k % 3 == 0 else t
        for k, t in enumerate(made)
    ]
    found = delay(hidden, Shutter(0.0015, 0.0, FRAME_S))
    assert np.isnan(found.median_ms)
    assert "only 40 of 60" in found.problems[0]


def test_no_trials_give_no_figure() -> None:
    assert np.isnan(delay([], Shutter(0.0015, 0.0, FRAME_S)).median_ms)


def test_a_sensor_that_does_not_count_light_evenly_errs_one_way_on_and_the_other_way_off() -> None:
    bent = [
        Trial(
            t.shown_s,
            t.on,
            t.t_s,
            DARK + (LIT - DARK) * np.clip((t.spot - DARK) / (LIT - DARK), 0, 1) ** 0.45,
        )
        for t in trials(9.0, exposure_s=0.0080, count=100)
    ]
    found = delay(bent, Shutter(0.0080, 0.0, FRAME_S))
    assert abs(found.median_ms - 9.0) < 1.0


def test_the_whole_is_the_service_s_own_age_and_the_wire_and_stays_within_what_the_predictor_bridges() -> (
    None
):
    found = delay(trials(5.0, exposure_s=0.006), Shutter(0.006, 0.0, FRAME_S))
    both = whole(found, 9.0, 12.0)
    assert both.predict_ms == pytest.approx(14.0, abs=0.5)
    assert both.p95_ms > both.median_ms
    assert not both.problems
    late = whole(found, 120.0, 130.0)
    assert late.predict_ms == 100.0
    assert "the predictor bridges" in late.problems[0]
    early = whole(found, -30.0, -29.0)
    assert early.predict_ms == 0.0
    assert "stamps are wrong" in early.problems[0]


@given(
    delay_ms=st.floats(-3, 80),
    exposure_ms=st.floats(0.2, 8.3),
    phase=st.floats(0, 1),
    row_ms=st.floats(0, 8),
)
def test_one_trial_s_interval_always_holds_the_truth(
    delay_ms: float, exposure_ms: float, phase: float, row_ms: float
) -> None:
    exposure_s, t_s = exposure_ms / 1e3, np.arange(-20, 40) * FRAME_S
    shown_s = phase * FRAME_S
    ends_s = t_s + row_ms / 1e3 + exposure_s / 2
    share = np.clip((ends_s - shown_s - delay_ms / 1e3) / exposure_s, 0, 1)
    spot = DARK + (LIT - DARK) * share
    one = interval(
        Trial(shown_s, True, t_s, spot), Shutter(exposure_s, row_ms / 1e3, FRAME_S), DARK, LIT, 0.5
    )
    assert one is not None
    assert one[0] - 1e-9 <= delay_ms / 1e3 <= one[1] + 1e-9
    assert one[1] - one[0] <= FRAME_S - exposure_s + 0.7 * exposure_s + 1e-9


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 20)), min_size=1, max_size=40))
def test_the_estimate_is_a_distribution_within_its_intervals(pairs: list[tuple[float, float]]) -> None:
    intervals = np.array([(low, low + width) for low, width in pairs])
    places, weights = mass(intervals)
    assert weights.sum() == pytest.approx(1.0, abs=1e-6)
    assert (weights >= 0).all()
    assert intervals[:, 0].min() <= places.min() <= places.max() <= intervals[:, 1].max()
    marks = [quantile(places, weights, q) for q in (0.05, 0.5, 0.95)]
    assert marks == sorted(marks)


def test_points_give_their_own_median() -> None:
    places, weights = mass(np.array([[1.0, 1.0], [2.0, 2.0], [9.0, 9.0]]))
    assert quantile(places, weights, 0.5) == 2.0
    places, weights = mass(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [9.0, 9.0]]))
    assert quantile(places, weights, 0.5) == 2.5
