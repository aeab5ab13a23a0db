"""A reduced grey picture and the found dots become a block of characters.

Two points of the picture are one cell: the upper one the half block's foreground, the lower one its background. Where a
terminal has no colours or no half blocks, a cell is one letter, from blank (dark) to @ (bright), of two points' mean.
Dots are letters, so that nobody has to tell colours: L and R the pelvis, l and r the heels. Refuses nothing: a picture
without points is blank.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.commands.watching.canvas import Canvas, Look
from appliance.commands.watching.ink import OWN, Depth, Ink
from appliance.records import F64, U8

SIGNS = ("L", "R", "l", "r")
"""The letters of the marks, in the order of `MARKS`."""

_LETTERS = np.array(list(" .:-=+*#%@"), "<U1")
_UPPER = "▀"
_STICK = 0.75
"""A point changes its grey only once it is so many steps from it: noise would be sent over the wire for nothing."""


class Shade:
    """Brightness -> a few steps, with a memory of the last picture, so that noise does not flicker between two."""

    def __init__(self) -> None:
        self._was: NDArray[np.int64] | None = None

    def steps(self, luma: U8, count: int) -> NDArray[np.int64]:
        """(h, w) numbers from 0 to count - 1."""
        exact = luma * ((count - 1) / 255.0)
        near: NDArray[np.int64] = np.rint(exact).astype(np.int64)
        was = self._was
        if was is not None and was.shape == near.shape and was.max(initial=0) < count:
            near = np.asarray(np.where(np.abs(exact - was) < _STICK, was, near), dtype=np.int64)
        self._was = near
        return near


def fitted(width: int, height: int, columns: int, rows: int) -> tuple[int, int]:
    """Columns and rows of cells for a picture of this shape, as large as fits; a cell is twice as high as wide."""
    if min(width, height, columns, rows) <= 0:
        return 0, 0
    wide = min(columns, round(2 * rows * width / height))
    return max(wide, 1), max(min(rows, round(wide * height / width / 2)), 1)


def resampled(luma: U8, columns: int, rows: int) -> U8:
    """(rows, columns) points: of each area the brightest of mean and a share of its peak, so that no dot is lost."""
    height, width = luma.shape
    ys = np.arange(rows + 1) * height // rows
    xs = np.arange(columns + 1) * width // columns
    if height < rows or width < columns:
        return np.asarray(luma[ys[:-1, None], xs[:-1]], dtype=np.uint8)
    peaks = np.maximum.reduceat(np.maximum.reduceat(luma, ys[:-1], 0), xs[:-1], 1)
    sums = np.add.reduceat(np.add.reduceat(luma, ys[:-1], 0, dtype=np.int64), xs[:-1], 1)
    means = sums / (np.diff(ys)[:, None] * np.diff(xs))
    return np.asarray(np.maximum(means, 0.7 * peaks), dtype=np.uint8)


def draw(canvas: Canvas, x: int, y: int, points: U8, ink: Ink, shade: Shade, greys: int) -> None:
    """Puts a picture of (2 * rows, columns) points at x, y."""
    rows, columns = points.shape[0] // 2, points.shape[1]
    own = np.full((rows, columns), OWN, np.int32)
    if not ink.shaded:
        means = (points[0::2].astype(np.int64) + points[1::2]) // 2
        canvas.fill(x, y, _LETTERS[shade.steps(means.astype(np.uint8), len(_LETTERS))], own, own)
        return
    shades = ink.greys(greys)
    drawn = shades[shade.steps(points, len(shades))]
    upper, lower = drawn[0::2], drawn[1::2]
    plain = upper == lower
    signs = np.where(plain, " ", _UPPER).astype("<U1")
    canvas.fill(x, y, signs, np.where(plain, OWN, upper).astype(np.int32), lower)


def mark_looks(ink: Ink) -> tuple[Look, ...]:
    """How each mark's letter is drawn: left blue, right amber, white and black where there are no colours."""
    if ink.depth is Depth.NONE:
        return (Look(bold=True),) * 4
    left, right = ink.colour(40, 120, 255), ink.colour(255, 160, 0)
    white, black = ink.colour(255, 255, 255), ink.colour(0, 0, 0)
    return tuple(Look(white, left, True) if k % 2 == 0 else Look(black, right) for k in range(4))


def mark(canvas: Canvas, box: tuple[int, int, int, int], places: F64, ink: Ink) -> None:
    """Puts the marks' letters over a picture in box (x, y, columns, rows); places (4, 2) as shares of it."""
    x, y, columns, rows = box
    looks = mark_looks(ink)
    for k in (2, 3, 0, 1):  # the pelvis pair last, so that nothing hides it
        across, down = places[k]
        if 0 <= across < 1 and 0 <= down < 1:  # never so for NaN
            canvas.write(x + int(across * columns), y + int(down * rows), SIGNS[k], looks[k])
