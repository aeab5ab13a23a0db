"""A view becomes a screen: real runner, known curves, and any two screens that follow one another."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.commands.watching import paint, picture, trace
from appliance.commands.watching.canvas import Canvas, Look
from appliance.commands.watching.ink import OWN, Depth, Ink
from appliance.commands.watching.page import Page
from appliance.commands.watching.view import Mount, Past, Told, View, upright, upright_px
from tests.watch.conftest import Run

LETTERS = Ink(Depth.NONE, utf8=False)


def told_of(view: View) -> Told:
    assert view.told is not None
    return view.told


def test_a_screen_of_80_by_24_shows_everything_that_a_technician_asks_for(view: View) -> None:
    text = Page(Ink()).draw(view, 80, 24).text()
    for words in ("running", "mode asymmetry", "120/s", "lost 0", "9.1/14.2 ms", "the bar: measurement"):
        assert words in text
    for words in (
        "left hip  right hip",
        "drop, mean",
        "difference",
        "cadence",
        "dots       L 1.00",
        "threshold auto",
    ):
        assert words in text
    assert "q quit" in text.splitlines()[-1]


def test_the_hip_that_drops_is_named_not_the_foot_that_stands(view: View) -> None:
    told = told_of(view)
    moment = {**told.moment, "right_drop_deg": 6.25, "left_drop_deg": 1.5, "difference_deg": 4.75}
    text = (
        Page(Ink())
        .draw(msgspec.structs.replace(view, told=msgspec.structs.replace(told, moment=moment)), 80, 24)
        .text()
    )
    mean = next(line for line in text.splitlines() if "drop, mean" in line)
    assert mean.index("6.2") < mean.index(
        "1.5"
    )  # right stance: the left hip drops, and its column is the left one
    assert "left drops more" in text


def test_a_figure_that_was_not_measured_is_a_dash(view: View) -> None:
    told = msgspec.structs.replace(told_of(view), moment={}, xy_px=np.full((4, 2), np.nan))
    text = Page(Ink()).draw(msgspec.structs.replace(view, told=told), 80, 24).text()
    assert "drop, mean         -         -  deg" in text
    assert "dots       L -" in text
    assert "nan" not in text.lower()


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60)])
def test_the_letters_lie_where_the_dots_of_the_picture_are(run: Run, size: tuple[int, int]) -> None:
    for view in run.views[-20:]:
        canvas = Page(LETTERS).draw(view, *size)
        told, facts = told_of(view), view.facts
        wide, high = picture.fitted(facts.width_px, facts.height_px, size[0] - 40, size[1] - 6)
        for k in (0, 1):
            x, y = told.xy_px[k] * (wide, high) / (facts.width_px, facts.height_px)
            assert canvas.signs[4 + int(y), int(x)] == picture.SIGNS[k]


@pytest.mark.parametrize("rotate_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_turned_camera_s_picture_and_dots_are_upright(rotate_deg: int, mirror: bool) -> None:
    mount = Mount(rotate_deg=rotate_deg, mirror=mirror)
    luma = np.zeros((6, 9), np.uint8)
    luma[1, 7] = 255
    (x, y), *_ = upright_px(np.array([[7.0, 1.0]]), 9, 6, mount).tolist()
    turned = upright(luma, mount)
    assert turned[int(y), int(x)] == 255
    assert turned.shape == ((9, 6) if rotate_deg in (90, 270) else (6, 9))


def test_a_dot_of_few_pixels_is_not_lost_when_the_picture_is_made_small() -> None:
    luma = np.full((640, 480), 20, np.uint8)
    luma[300:306, 200:206] = 255
    small = picture.resampled(luma, 27, 36)
    assert small.shape == (36, 27)
    assert small.max() > 150
    assert small[int(303 / 640 * 36), int(203 / 480 * 27)] == small.max()


def test_noise_of_one_grey_level_changes_nothing_on_the_screen() -> None:
    rng = np.random.default_rng(1)
    shade, flat = picture.Shade(), np.full((36, 27), 100, np.uint8)
    first = shade.steps(flat, 24)
    for _ in range(50):
        noisy = (flat + rng.integers(-3, 4, flat.shape)).astype(np.uint8)
        assert (shade.steps(noisy, 24) == first).all()
    assert (shade.steps(np.full((36, 27), 140, np.uint8), 24) != first).all()


def test_without_utf8_nothing_but_ascii_is_drawn(view: View) -> None:
    for depth in Depth:
        for changed in (view, msgspec.structs.replace(view, helping=True)):
            assert Page(Ink(depth, utf8=False)).draw(changed, 80, 24).text().isascii()


def test_without_colours_no_cell_has_one(view: View) -> None:
    canvas = Page(Ink(Depth.NONE)).draw(view, 80, 24)
    assert (canvas.fore == OWN).all()
    assert (canvas.back == OWN).all()


@pytest.mark.parametrize("depth", [Depth.NAMED, Depth.INDEXED])
def test_a_terminal_of_few_colours_gets_only_numbers_of_its_palette(view: View, depth: Depth) -> None:
    canvas = Page(Ink(depth)).draw(view, 80, 24)
    used = np.concatenate((canvas.fore.ravel(), canvas.back.ravel()))
    assert used.max() < (16 if depth is Depth.NAMED else 256)
    assert len(np.unique(used)) > 3


def test_a_window_that_is_too_small_says_so(view: View) -> None:
    text = Page(Ink()).draw(view, 79, 24).text()
    assert "needs 80x24, this is 79x24" in text
    assert "cadence" not in text


def test_a_service_that_is_away_is_told_above_the_keys(view: View) -> None:
    text = Page(Ink()).draw(msgspec.structs.replace(view, away_s=7.0, note="saved"), 80, 24).text()
    assert "the service is away, for 7 s" in text.splitlines()[-2]


def test_frames_that_stop_coming_are_told(view: View) -> None:
    text = Page(Ink()).draw(msgspec.structs.replace(view, age_s=2.5), 80, 24).text()
    assert "no new frame for 2.5 s" in text


def test_a_bar_with_more_leds_than_columns_keeps_its_brightest(view: View) -> None:
    leds = np.zeros((300, 3), np.uint8)
    leds[299] = 255
    told = msgspec.structs.replace(told_of(view), leds=leds)
    canvas = Page(Ink()).draw(msgspec.structs.replace(view, told=told), 80, 24)
    lit = np.flatnonzero(canvas.back[1] == Ink().colour(255, 255, 255))
    assert lit.tolist() == [77]


def sweep(seconds: float, scale: float = 4.0) -> Past:
    t_s = np.arange(0, seconds, 1 / 120)
    return Past(t_s=t_s, obliquity_deg=scale * np.sin(2 * math.pi * 1.4 * t_s))


def test_the_curve_goes_up_when_the_right_side_is_higher() -> None:
    t_s = np.arange(0, 2, 1 / 120)
    up = trace.points(Past(t_s=t_s, obliquity_deg=np.full(len(t_s), 4.0)), 80, 20, 5.0)
    assert up[:10].any()
    assert not up[10:].any()


def test_the_curve_has_a_hole_where_nothing_was_measured() -> None:
    past = sweep(5.0)
    hidden = (past.t_s > 2.0) & (past.t_s < 3.0)
    holed = msgspec.structs.replace(past, obliquity_deg=np.where(hidden, np.nan, past.obliquity_deg))
    touched = trace.points(holed, 100, 20, 5.0).any(axis=0)
    assert not touched[42:58].any()
    assert touched[62:95].all()


def test_only_the_columns_under_the_pen_change_from_one_screen_to_the_next() -> None:
    whole = sweep(20.0)
    early, late = (
        Past(t_s=whole.t_s[end - 600 : end], obliquity_deg=whole.obliquity_deg[end - 600 : end])
        for end in (2000, 2012)
    )
    changed = (trace.points(early, 100, 20, 5.0) != trace.points(late, 100, 20, 5.0)).any(axis=0)
    assert 0 < changed.sum() <= 8


def test_the_scale_grows_with_the_runner_and_not_with_one_wrong_frame() -> None:
    past = sweep(5.0)
    assert trace.scale_deg(past) == 5.0
    past.obliquity_deg[17] = 40.0
    assert trace.scale_deg(past) == 5.0
    assert trace.scale_deg(sweep(5.0, scale=12.0)) == 20.0


inks = st.sampled_from([OWN, 0, 7, 9, 15, 16, 200, 255, 0x1000000, 0x1FF8040])
cells = st.tuples(st.sampled_from("aZ ▀⣿*"), inks, inks, st.booleans())


@st.composite
def canvases(draw: st.DrawFn) -> tuple[Canvas, Canvas]:
    width, height = draw(st.integers(1, 12)), draw(st.integers(1, 5))
    pair = Canvas(width, height), Canvas(width, height)
    for canvas in pair:
        for x, y, (sign, fore, back, bold) in draw(
            st.lists(st.tuples(st.integers(0, width - 1), st.integers(0, height - 1), cells), max_size=20)
        ):
            canvas.write(x, y, sign, Look(fore, back, bold))
    return pair


def seen(screen: pyte.Screen) -> list[tuple[str, str, str, bool]]:
    return [
        (cell.data, cell.fg, cell.bg, cell.bold)
        for y in range(screen.lines)
        for cell in (screen.buffer[y][x] for x in range(screen.columns))
    ]


@given(canvases())
def test_what_is_written_turns_one_screen_into_the_next(pair: tuple[Canvas, Canvas]) -> None:
    before, after = pair
    empty = Canvas(before.width, before.height)
    step, whole = (pyte.Screen(before.width, before.height) for _ in range(2))
    for text in (paint.changes(empty, before), paint.changes(before, after)):
        pyte.Stream(step).feed(text)
    pyte.Stream(whole).feed(paint.changes(empty, after))
    assert seen(step) == seen(whole)
    assert [sign for sign, *_ in seen(step)] == after.signs.ravel().tolist()
    assert paint.changes(after, after) == ""


def test_a_screen_after_the_first_is_a_few_hundred_bytes(run: Run) -> None:
    page, before, sizes = Page(Ink(Depth.INDEXED)), None, []
    for view in run.views[-30:]:
        canvas = page.draw(view, 80, 24)
        if before is not None:
            sizes.append(len(paint.changes(before, canvas).encode()))
        before = canvas
    assert np.median(sizes) < 600
