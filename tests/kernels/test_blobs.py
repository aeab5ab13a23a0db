"""The pass over the pixels against its slow twin, its mirror image, and discs whose middle is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from blob_twin import Dot, Window, found, surveyed
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from appliance.kernels import blobs

U8 = NDArray[np.uint8]
steady = examples(max_examples=80, deadline=None, derandomize=True)


def plain(kernel: Any) -> Callable[..., Any]:
    """The Python under a compiled kernel; uncompiled it is the kernel itself."""
    function: Callable[..., Any] = getattr(kernel, "py_func", kernel)
    return function


@st.composite
def pictures(draw: st.DrawFn, most_x: int = 9, most_y: int = 70) -> U8:
    """Grounds with grain, discs, bars and single pixels on them: touching, nested, and over the edges."""
    shape = draw(st.integers(3, most_y)), 8 * draw(st.integers(1, most_x))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    picture = np.full(shape, draw(st.sampled_from([0, 18, 90, 200])), float)
    picture += rng.integers(0, draw(st.sampled_from([1, 4, 30])), shape)
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    for _ in range(draw(st.integers(0, 6))):
        y, x, reach = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(0.5, 9)
        kind = draw(st.sampled_from(["disc", "bar", "ring"]))
        away = np.hypot(xs - x, ys - y)
        lit = {
            "disc": np.clip(reach - away, 0, 1),
            "bar": (abs(ys - y) < 1) & (abs(xs - x) < 3 * reach),
            "ring": abs(away - reach) < 0.8,
        }
        picture += lit[kind] * rng.uniform(20, 250)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def tiles_of(luma: U8) -> tuple[int, int]:
    return -(-luma.shape[0] // blobs.TILE), -(-luma.shape[1] // blobs.TILE)


def armed(
    base: NDArray[np.float64], noise: NDArray[np.float64], words: int, least: float, share: float, peak: float
) -> tuple[U8, NDArray[np.uint64], NDArray[np.uint64]]:
    levels = np.zeros(base.shape, np.uint8)
    add, keep = (np.zeros((base.shape[0], words), np.uint64) for _ in range(2))
    blobs.arm(base, noise, least, share, peak, levels, add, keep)
    return levels, add, keep


def at_levels(levels: U8, words: int) -> tuple[U8, NDArray[np.uint64], NDArray[np.uint64]]:
    """`arm` asked for exactly these levels."""
    return armed(levels.astype(float), np.zeros(levels.shape), words, 0.0, 0.0, 0.0)


def find(
    luma: U8, levels: U8, windows: list[Window], *, width: int = 0, least: float = 1, most: float = 99,
    room: int = blobs.MAX_BLOBS, runs: int = blobs.MAX_RUNS, spots: int = blobs.MAX_SPOTS,
) -> list[Dot] | None:  # fmt: skip
    """The kernel with its memory around it; None when it was overrun."""
    _, add, keep = at_levels(levels, luma.shape[1] // 8)
    out = np.zeros(room, blobs.BLOB)
    n = blobs.find(
        luma, luma.view(np.uint64), levels, add, keep, np.array(windows, blobs.WINDOW), len(windows),
        width or luma.shape[1], float(least), float(most), np.zeros((2, runs, 3), np.int64),
        np.zeros((spots, 6), np.int64), out,
    )  # fmt: skip
    return None if n < 0 else [Dot(*row.tolist()) for row in out[:n]]


def whole(luma: U8) -> list[Window]:
    return [Window(0, luma.shape[1], 0, luma.shape[0])]


def disc(x: float, y: float, radius: float, shape: tuple[int, int] = (64, 64), level: float = 180.0) -> U8:
    """A disc with soft edges whose middle is known, on a dark ground."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    cover = np.clip((radius - np.hypot(xs - x, ys - y)) / 2 + 0.5, 0, 1)
    return np.rint(20 + level * cover * cover * (3 - 2 * cover)).astype(np.uint8)


@given(pictures())
@steady
def test_background_and_noise_are_those_of_the_sorted_tile(luma: U8) -> None:
    down, across = tiles_of(luma)
    base, noise = np.full((down, across), np.nan), np.full((down, across), np.nan)
    for row in range(down):
        for column in range(across):
            blobs.survey(luma, row, column, np.zeros(256, np.int64), base, noise)
            y, x = row * blobs.TILE, column * blobs.TILE
            tile = luma[y : y + blobs.TILE, x : x + blobs.TILE]
            assert (base[row, column], noise[row, column]) == surveyed(tile)


@given(
    arrays(float, (2, 3), elements=st.floats(0, 255)),
    arrays(float, (2, 3), elements=st.floats(1, 60)),
    st.floats(0, 250),
    st.floats(0, 1),
    st.floats(0, 255),
)
@steady
def test_a_threshold_is_the_strictest_of_its_three_reasons(
    base: NDArray[np.float64], noise: NDArray[np.float64], least: float, share: float, peak: float
) -> None:
    levels, *_ = armed(base, noise, 12, least, share, peak)
    for at in np.ndindex(base.shape):
        rise = max(least, 6 * noise[at], share * (peak - base[at]))
        assert levels[at] == min(254, math.floor(base[at] + rise))


def test_eight_pixels_at_a_time_see_exactly_the_pixels_above_every_level() -> None:
    levels = np.arange(255, dtype=np.uint8)[:, None]
    _, add, keep = at_levels(levels, 1)
    any_bright = plain(blobs._any)
    for level in range(255):
        for value in {0, level - 1, level, level + 1, 127, 128, 255} - {-1}:
            pixels = np.full(8, min(level, value), np.uint8)
            pixels[value % 8] = value
            assert any_bright(pixels.view(np.uint64), add[level], keep[level]) == (value > level)


@given(pictures(), st.data())
@steady
def test_the_dots_of_a_picture_are_those_of_the_flood_fill(luma: U8, data: st.DataObject) -> None:
    levels = data.draw(
        arrays(np.uint8, tiles_of(luma), elements=st.sampled_from([30, 60, 110, 127, 128, 215]))
    )
    least, most = data.draw(st.sampled_from([(1, 99), (2, 12), (4, 30)]))
    expected = found(luma, levels, whole(luma), luma.shape[1], least, most)
    assert sorted(find(luma, levels, whole(luma), least=least, most=most) or []) == sorted(expected)


@given(pictures(most_x=12), st.data())
@steady
def test_windows_show_what_lies_inside_them_and_nothing_that_they_cut(luma: U8, data: st.DataObject) -> None:
    levels = np.full(tiles_of(luma), 60, np.uint8)
    height, words = luma.shape[0], luma.shape[1] // 8
    windows = []
    for _ in range(4):
        x0, y0 = data.draw(st.integers(0, words - 1)), data.draw(st.integers(0, height - 1))
        x1, y1 = data.draw(st.integers(x0 + 1, words)), data.draw(st.integers(y0 + 1, height))
        windows.append(Window(8 * x0, 8 * x1, y0, y1))
    expected = found(luma, levels, windows, luma.shape[1], 1, 99)
    assert sorted(find(luma, levels, windows) or []) == sorted(expected)


def on_the_border_of_two_tiles() -> U8:
    """A spot whose middle lies on it, with a neighbour that only one of the two thresholds sees."""
    luma = np.full((32, 64), 20, np.uint8)
    luma[10:16, 29:35] = 200
    luma[7, 33] = 70
    return luma


@given(pictures(), st.integers(0, 2**32 - 1))
@example(on_the_border_of_two_tiles(), 0)
@example(np.ascontiguousarray(on_the_border_of_two_tiles().T), 0)
@steady
def test_a_mirrored_picture_gives_exactly_mirrored_dots(luma: U8, seed: int) -> None:
    height, width = (blobs.TILE * n for n in tiles_of(luma))
    luma = np.pad(luma, ((0, height - luma.shape[0]), (0, width - luma.shape[1])), mode="edge")
    levels = np.random.default_rng(seed).choice(np.array([50, 90], np.uint8), tiles_of(luma))
    levels.flat[:2] = (50, 90)[: levels.size]
    upright = find(luma, levels, whole(luma)) or []
    for axis in (0, 1):
        flipped, mirrored = (np.ascontiguousarray(np.flip(a, axis)) for a in (luma, levels))
        last = luma.shape[axis] - 1
        back = [
            d._replace(y=last - d.y) if axis == 0 else d._replace(x=last - d.x)
            for d in find(flipped, mirrored, whole(luma)) or []
        ]
        assert sorted(back) == sorted(upright)


@pytest.mark.parametrize(("radius", "bound_px"), [(1.5, 0.03), (2.5, 0.02), (4.0, 0.015), (12.5, 0.01)])
def test_a_disc_is_found_where_its_middle_is(radius: float, bound_px: float) -> None:
    rng = np.random.default_rng(5)
    levels = np.full((2, 2), 50, np.uint8)
    off = []
    for _ in range(40):
        x, y = rng.uniform(28, 36, 2)
        (dot,) = find(disc(x, y, radius), levels, whole(disc(x, y, radius))) or []
        off += [dot.x - x, dot.y - y]
        assert abs(dot.across - 2 * radius) < 3
        assert not dot.crowded
    assert np.sqrt(np.mean(np.square(off))) < bound_px


def test_a_bright_ground_does_not_pull_the_centre() -> None:
    dark = disc(30.4, 33.7, 4.0, level=100)
    (one,) = find(dark, np.full((2, 2), 60, np.uint8), whole(dark)) or []
    light = dark + np.uint8(90)
    (other,) = find(light, np.full((2, 2), 150, np.uint8), whole(light)) or []
    assert (one.x, one.y, one.mass) == (other.x, other.y, other.mass)


def test_a_dot_that_the_edge_of_the_picture_cuts_is_refused() -> None:
    levels = np.full((2, 2), 50, np.uint8)
    for x, y in ((1.0, 30.0), (62.0, 30.0), (30.0, 1.0), (30.0, 62.0)):
        cut = disc(x, y, 4.0)
        assert find(cut, levels, whole(cut)) == []


def test_padding_beyond_the_width_is_an_edge_too() -> None:
    luma = disc(57.0, 30.0, 4.0)
    luma[:, 60:] = 0
    levels = np.full((2, 2), 50, np.uint8)
    assert find(luma, levels, whole(luma), width=60) == []
    assert len(find(luma, levels, whole(luma), width=64) or []) == 1


def test_a_neighbour_is_said_to_crowd() -> None:
    luma = np.maximum(disc(24.0, 30.0, 4.0), disc(34.0, 30.0, 4.0))
    dots = find(luma, np.full((2, 2), 50, np.uint8), whole(luma)) or []
    assert [d.crowded for d in dots] == [1.0, 1.0]
    assert sorted(d.x for d in dots) == pytest.approx([24, 34], abs=0.1)


def test_too_much_clutter_is_owned_up_to_and_never_half_read() -> None:
    luma = np.zeros((32, 64), np.uint8)
    luma[2:30:4, 2:62:4] = luma[3:31:4, 2:62:4] = luma[2:30:4, 3:62:4] = 255
    levels = np.full((1, 2), 50, np.uint8)
    dots = find(luma, levels, whole(luma), room=200)
    assert dots is not None
    assert len(dots) == 7 * 15
    assert find(luma, levels, whole(luma), room=20) is None
    assert find(luma, levels, whole(luma), runs=4) is None
    assert find(luma, levels, whole(luma), spots=4) is None


def test_a_snake_that_joins_late_is_one_spot() -> None:
    luma = np.zeros((32, 32), np.uint8)
    luma[4:20, 4::4] = 200  # teeth of a comb that meet only in the last row
    luma[20, 4:29] = 200
    levels = np.full((1, 1), 50, np.uint8)
    (comb,) = find(luma, levels, whole(luma)) or []
    assert [comb] == found(luma, levels, whole(luma), 32, 1, 99)
    assert comb.across == 25
