"""What `kernels.blobs` does, written to be read: sorted tiles, flood fill, whole numbers and fractions; slow."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.kernels import blobs

U8 = NDArray[np.uint8]
Pixel = tuple[int, int]


class Dot(NamedTuple):
    """One row of `BLOB`."""

    x: float
    y: float
    mass: float
    peak: float
    across: float
    crowded: float


class Window(NamedTuple):
    """Half-open: columns x0 to x1, rows y0 to y1."""

    x0: int
    x1: int
    y0: int
    y1: int


def surveyed(tile: U8) -> tuple[float, float]:
    """Background and noise of a tile, from its sorted grey levels."""
    grey = np.sort(tile.ravel()).astype(float)
    low, high = (grey[math.ceil(len(grey) * share) - 1] for share in (0.05, 0.3))
    noise = max((high - low) / 1.12, 1.0)
    return high + 0.52 * noise, noise


def spots(bright: NDArray[np.bool_]) -> list[list[Pixel]]:
    """Every patch of bright pixels that touch at a side or a corner."""
    left = {(int(y), int(x)) for y, x in np.argwhere(bright)}
    found = []
    while left:
        patch, edge = [], [left.pop()]
        while edge:
            y, x = edge.pop()
            patch.append((y, x))
            near = {(y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(patch)
    return found


def found(luma: U8, levels: U8, windows: list[Window], width: int, least: float, most: float) -> list[Dot]:
    """The dots in the windows; with several windows, none that a window's edge may cut."""
    per_pixel = np.kron(levels, np.ones((blobs.TILE, blobs.TILE), np.uint8))[: luma.shape[0], : luma.shape[1]]
    dots = []
    for window in windows:
        looked = np.zeros(luma.shape, bool)
        looked[window.y0 : window.y1, window.x0 : window.x1] = True
        for patch in spots(looked & (luma > per_pixel)):
            dot = _measured(luma, patch, levels, width, least, most)
            if dot and (len(windows) == 1 or not _at_the_rim(patch, window)):
                dots.append(dot)
    return dots


def _at_the_rim(patch: list[Pixel], w: Window) -> bool:
    return any(y in (w.y0, w.y1 - 1) or x in (w.x0, w.x1 - 1) for y, x in patch)


def _measured(luma: U8, patch: list[Pixel], levels: U8, width: int, least: float, most: float) -> Dot | None:
    height = luma.shape[0]
    top, bottom = min(y for y, _ in patch), max(y for y, _ in patch)
    left, right = min(x for _, x in patch), max(x for _, x in patch)
    across = max(bottom - top, right - left) + 1
    if len(patch) < 3 or not least <= across <= most:
        return None
    if top == 0 or left == 0 or bottom == height - 1 or right >= width - 1:
        return None
    rows = {(top + bottom) // 2 // blobs.TILE, (top + bottom + 1) // 2 // blobs.TILE}
    columns = {(left + right) // 2 // blobs.TILE, (left + right + 1) // 2 // blobs.TILE}
    level = max(int(levels[row, column]) for row in rows for column in columns)
    margin = 2
    box = _cropped(top - margin, bottom + margin, left - margin, right + margin, height, width)
    rim = [int(luma[y, x]) for y, x in _rim(*box)]
    calm = [v for v in rim if v <= level]
    if not calm:
        return None
    crowded = len(calm) < len(rim)
    if crowded:
        box = _cropped(top - 1, bottom + 1, left - 1, right + 1, height, width)
    ground = 16 * sum(calm) // len(calm)
    peak = 16 * int(luma[top : bottom + 1, left : right + 1].max()) - ground
    weights = {(y, x): 16 * int(luma[y, x]) - ground for y, x in _inside(*box)}
    weights = {p: w for p, w in weights.items() if w > (peak // 10 if crowded else 0)}
    mass = sum(weights.values())
    return Dot(
        _rounded(Fraction(sum(w * x for (_, x), w in weights.items()), mass)),
        _rounded(Fraction(sum(w * y for (y, _), w in weights.items()), mass)),
        mass / 16,
        peak / 16,
        across,
        float(crowded),
    )


def _cropped(y0: int, y1: int, x0: int, x1: int, height: int, width: int) -> tuple[int, int, int, int]:
    return max(y0, 0), min(y1, height - 1), max(x0, 0), min(x1, width - 1)


def _inside(y0: int, y1: int, x0: int, x1: int) -> list[Pixel]:
    return [(y, x) for y in range(y0, y1 + 1) for x in range(x0, x1 + 1)]


def _rim(y0: int, y1: int, x0: int, x1: int) -> list[Pixel]:
    return [(y, x) for y, x in _inside(y0, y1, x0, x1) if y in (y0, y1) or x in (x0, x1)]


def _rounded(value: Fraction) -> float:
    """To 1/4096 px, halves to even."""
    return round(value * 4096) / 4096
