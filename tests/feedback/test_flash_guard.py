"""At most three flashes in any second, whatever comes: proved against a slow checker that knows nothing of ours."""

from __future__ import annotations

import numpy as np
import pytest
from cases import MODES, PALETTES, any_moments, any_settings, running, settings
from flashes import assert_no_more_than_three, changes, luminances, most_flashes
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from appliance.config import Settings
from appliance.feedback.bar import Feedback
from appliance.feedback.patterns import top_byte
from appliance.kernels import light as kernels
from appliance.records import MOMENT


def raw(frames: np.ndarray, t_s: np.ndarray, top: int = 255) -> tuple[np.ndarray, float]:
    """Any stream of LED bytes through the compiled path: each frame stands in for the "no data" picture."""
    count = frames.shape[1]
    rules = np.zeros(kernels.RULES)
    rules[kernels.TOP], rules[kernels.BUDGET] = top, 1e9
    rows, state = np.zeros(1, MOMENT), kernels.fresh(count)
    words = rows.view(np.float64).reshape(1, -1)
    looks, leds, shown = (
        np.zeros((6, count, 3)),
        np.empty((len(frames), count, 3), np.uint8),
        np.empty(1, np.uint8),
    )
    for k, frame in enumerate(frames):
        words[0, 0], looks[2] = t_s[k], frame
        kernels.light(
            words, words.view(np.int64), rules, np.zeros((2, 3)), looks, state, leds[k : k + 1], shown
        )
    return leds, float(state[-1, kernels.ACTS])


def blinking(
    rate_hz: float, seconds: float = 4.0, fps: float = 120.0, leds: int = 6
) -> tuple[np.ndarray, np.ndarray]:
    t_s = np.arange(int(seconds * fps)) / fps
    on = (np.floor(t_s * rate_hz * 2) % 2 == 0)[:, None, None]
    return np.broadcast_to(255 * on, (len(t_s), leds, 3)), t_s


@st.composite
def streams(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """LED bytes and times made to provoke: few levels near the threshold, rhythms near three a second, gaps."""
    count, leds = draw(st.integers(20, 150)), draw(st.integers(4, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    top = draw(st.sampled_from((255, 127, 20, 2)))
    levels = draw(
        st.sampled_from(((0, 255), (0, 9, 11, 25, 27, 51), (100, 120, 130, 140, 155), tuple(range(256))))
    )
    choice = rng.choice(levels, (count, leds, 3))
    if draw(st.booleans()):  # grey, so that luminances have few values
        choice = np.repeat(choice[:, :, :1], 3, axis=2)
    if draw(st.booleans()):  # all together, so that halves and whole flash
        choice = np.repeat(choice[:, :1], leds, axis=1)
    steps_s = draw(
        st.sampled_from(
            ((1 / 120,), (1 / 30, 1 / 250), (0.05, 0.1), (0.166, 0.167), (0.33, 0.34), (0.0, 0.02, 1.2))
        )
    )
    return np.minimum(choice, top), 7.0 + np.cumsum(rng.choice(steps_s, count)), top


@given(streams())
@examples(max_examples=400, deadline=None, derandomize=True)
def test_no_stream_of_bytes_gets_a_fourth_flash_through(stream: tuple[np.ndarray, np.ndarray, int]) -> None:
    frames, t_s, top = stream
    leds, _ = raw(frames, t_s, top)
    assert_no_more_than_three(t_s, leds, top / 255)


@given(streams())
@examples(max_examples=200, deadline=None, derandomize=True)
def test_the_guard_only_lowers_so_nothing_lit_is_ever_frozen(
    stream: tuple[np.ndarray, np.ndarray, int],
) -> None:
    frames, t_s, top = stream
    assert (raw(frames, t_s, top)[0] <= frames).all()


@given(any_settings(), any_moments())
@examples(max_examples=200, deadline=None, derandomize=True)
def test_no_run_in_any_mode_gets_a_fourth_flash_through(chosen: Settings, rows: np.ndarray) -> None:
    leds, _ = Feedback(chosen).light(rows)
    assert_no_more_than_three(rows["t_s"], leds, top_byte(chosen.strip) / 255)


@given(any_settings(fade_ms=0.0, slew_ms=0.0), any_moments(40), st.integers(0, 2**32))
@examples(max_examples=150, deadline=None, derandomize=True)
def test_frames_and_idle_share_one_guard(chosen: Settings, rows: np.ndarray, seed: int) -> None:
    rng, feedback, frames, times = np.random.default_rng(seed), Feedback(chosen), [], []
    t_s = float(rows["t_s"][0])
    for k in range(len(rows)):
        t_s += rng.choice([0.01, 0.1, 0.12])
        row = rows[k : k + 1].copy()
        row["t_s"] = row["seen_s"] = row["step_s"] = t_s
        frames.append(feedback.light(row)[0][0])
        times.append(t_s)
        if rng.random() < 0.5:
            t_s += rng.choice([0.05, 0.101, 0.2])
            frames.append(feedback.idle(t_s)[0])
            times.append(t_s)
    assert_no_more_than_three(np.array(times), np.array(frames), top_byte(chosen.strip) / 255)


@pytest.mark.parametrize("rate_hz", [4.5, 6.0, 10.0, 25.0, 60.0])
def test_a_blinking_bar_is_cut_to_three_flashes_and_counted_as_episodes(rate_hz: float) -> None:
    frames, t_s = blinking(rate_hz)
    leds, acts = raw(frames, t_s)
    before = most_flashes(t_s, luminances(frames)[:, -1], 0.1)
    after = most_flashes(t_s, luminances(leds)[:, -1], 0.1)
    assert before > 3
    assert 2 <= after <= 3
    assert 1 <= acts <= 4 * rate_hz


def test_a_light_that_blinks_slowly_is_left_alone() -> None:
    frames, t_s = blinking(2.5)
    leds, acts = raw(frames, t_s)
    assert (leds == frames).all()
    assert acts == 0


def test_small_ripples_are_left_alone() -> None:
    t_s = np.arange(480) / 120
    frames = np.broadcast_to(np.where(np.arange(480) % 2, 200, 205)[:, None, None], (480, 6, 3))
    leds, acts = raw(frames, t_s)
    assert (leds == frames).all()
    assert acts == 0


def test_one_flickering_led_does_not_darken_its_neighbours() -> None:
    frames, t_s = blinking(20.0)
    frames = np.where(np.arange(6)[None, :, None] == 2, frames, 200)
    leds, acts = raw(frames, t_s)
    assert acts > 0
    assert (leds[:, [0, 1, 3, 4, 5]] >= 150).all()
    assert_no_more_than_three(t_s, leds, 1.0)


def test_after_a_second_of_quiet_the_light_comes_back_whole() -> None:
    frames, t_s = blinking(20.0, seconds=2.0)
    frames = np.concatenate([frames, np.full((240, 6, 3), 255)])
    t_s = np.concatenate([t_s, 2.0 + np.arange(240) / 120])
    leds, _ = raw(frames, t_s)
    assert (leds[-1] == 255).all()


def test_a_half_that_flashes_by_taking_turns_between_its_leds_is_seen() -> None:
    """Each LED alone blinks 2.5 times a second; together they make their half flash 5 times."""
    t_s = np.arange(480) / 120
    phase = np.floor(t_s * 10) % 4
    frames = np.zeros((480, 6, 3))
    frames[phase == 0, 0], frames[phase == 2, 1] = 255, 255
    leds, acts = raw(frames, t_s)
    assert most_flashes(t_s, luminances(frames)[:, 6], 0.1) > 3
    assert acts > 0
    assert_no_more_than_three(t_s, leds, 1.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cadence_spm", [150.0, 180.0, 210.0])
def test_an_ordinary_run_never_needs_the_guard(mode: str, cadence_spm: float) -> None:
    rng, stride_hz = np.random.default_rng(3), cadence_spm / 120
    rows = running(3600)
    phase = (rows["t_s"] - 100.0) * stride_hz
    rows["level_deg"] = 5 * np.sin(2 * np.pi * phase) + 1.5 * np.sin(4 * np.pi * phase) + 1.0
    peaks = rng.normal(5.0, 1.0, (2, 200))
    for name, side in (("left_last_deg", 0), ("right_last_deg", 1)):
        rows[name] = peaks[side][np.floor(phase + 0.5 * side).astype(int)]
    means = (peaks[1] - peaks[0]).cumsum()
    rows["difference_deg"] = ((means[7:] - means[:-7]) / 7)[np.floor(phase).astype(int)] + 2.0
    feedback = Feedback(settings(mode=mode, slew_ms=150.0, fade_ms=200.0))
    leds, _ = feedback.light(rows)
    assert feedback.guard_acts == 0
    assert_no_more_than_three(rows["t_s"][:150], leds[:150], 1.0)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("brightness", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("sensitivity", [1.0, 10.0])
def test_the_live_bubble_is_too_dark_to_flash_however_fast_it_moves(
    palette: str, brightness: float, sensitivity: float
) -> None:
    rows = running(600, level_deg=np.random.default_rng(5).normal(0.0, 4.0, 600))
    feedback = Feedback(
        settings(mode="live", palette=palette, brightness=brightness, sensitivity=sensitivity)
    )
    leds, _ = feedback.light(rows)
    assert feedback.guard_acts == 0
    each = luminances(leds[1:]) * 255 / top_byte(settings(brightness=brightness).strip)
    assert each.max() < 0.1


@pytest.mark.parametrize("palette", PALETTES)
def test_on_a_screen_that_takes_the_bytes_for_srgb_the_live_bubble_is_too_dark_as_well(palette: str) -> None:
    rows = running(60, level_deg=np.linspace(-9, 9, 60))
    shares = Feedback(settings(mode="live", palette=palette)).light(rows)[0] / 255
    light = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    assert luminances(255 * light).max() < 0.1


def test_the_checker_itself_counts_flashes() -> None:
    assert changes(np.array([0.0, 1, 0, 1, 0]), 0.1) == 4
    assert changes(np.array([0.0, 0.05, 0.1, 0.15, 0.2]), 0.1) == 1
    assert changes(np.array([0.5, 0.45, 0.5, 0.45]), 0.1) == 0
    assert changes(np.array([1.0, 0.95, 0.89, 0.95, 1.0]), 0.1) == 2
    t_s = np.arange(8) / 8
    assert most_flashes(t_s, np.arange(8) % 2.0, 0.1) == 3
    assert most_flashes(t_s, np.arange(8) % 2.0, 0.1, window_s=0.5) == 2
