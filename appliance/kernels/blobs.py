"""Pixels become bright dots: one pass over the words of a picture, then exact centroids of what stood out.

The pass tests eight pixels at a time against a threshold of their own 32 x 32 tile, links runs of bright pixels into
spots, and measures each spot's intensity-weighted centre above its own background. All sums are whole numbers and
centres are rounded to 1/4096 px, so a mirrored picture gives exactly mirrored dots. Sensor pixels throughout:
x to the right, y down, the centre of the first pixel at 0, 0. Spots that touch the picture's edge are refused:
half a dot has its centre elsewhere.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, float64, int64, types, uint8, uint64

from appliance.kernels import kernel, picture_of, rows_of

TILE = 32
MAX_BLOBS = 64
MAX_RUNS = 512
MAX_SPOTS = 512

BLOB = np.dtype(
    [
        ("x", "f8"),
        ("y", "f8"),
        ("mass", "f8"),  # sum of grey levels above the background
        ("peak", "f8"),  # highest grey level above the background
        ("across", "f8"),  # longer side of its box, px
        ("crowded", "f8"),  # 1 when something bright touches its surroundings
    ],
    align=True,
)

WINDOW = np.dtype([("x0", "i8"), ("x1", "i8"), ("y0", "i8"), ("y1", "i8")], align=True)

LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
HIGH = np.uint64(0x8080808080808080)
ONES = np.uint64(0x0101010101010101)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)

WORDS = types.Array(uint64, 1, "C", readonly=True)
PIXELS = types.Array(uint8, 1, "C", readonly=True)


@kernel(types.void(picture_of(uint8), int64, int64, int64[::1], float64[:, ::1], float64[:, ::1]))
def survey(luma, row, column, histogram, base, noise):  # type: ignore[no-untyped-def]
    """Background level and noise of one tile, from its 5th and 30th percentiles as if noise were Gaussian.

    Low percentiles, because a large dot may fill more than half of a tile.
    """
    histogram[:] = 0
    y1 = min((row + 1) * TILE, luma.shape[0])
    x1 = min((column + 1) * TILE, luma.shape[1])
    for y in range(row * TILE, y1):
        for x in range(column * TILE, x1):
            histogram[luma[y, x]] += 1
    count = (y1 - row * TILE) * (x1 - column * TILE)
    low = high = -1
    total = 0
    for level in range(256):
        total += histogram[level]
        if low < 0 and total * 20 >= count:
            low = level
        if total * 10 >= count * 3:
            high = level
            break
    noise[row, column] = max((high - low) / 1.12, 1.0)
    base[row, column] = high + 0.52 * noise[row, column]


@kernel(
    types.void(
        float64[:, ::1],
        float64[:, ::1],
        float64,
        float64,
        float64,
        uint8[:, ::1],
        uint64[:, ::1],
        uint64[:, ::1],
    )
)
def arm(base, noise, least, share, peak, levels, add, keep):  # type: ignore[no-untyped-def]
    """Thresholds from the tiles: `least` grey levels, six times the noise, or a `share` of the way to `peak`.

    levels : (tiles down, tiles across) uint8, a pixel above it is bright.
    add, keep : (tiles down, words across) uint64, the same as constants for eight pixels at a time.
    """
    for row in range(levels.shape[0]):
        for column in range(levels.shape[1]):
            rise = max(least, 6.0 * noise[row, column], share * (peak - base[row, column]))
            levels[row, column] = np.uint8(min(254, int(base[row, column] + rise)))
        for word in range(add.shape[1]):
            level = np.uint64(levels[row, min(word // 4, levels.shape[1] - 1)])
            if level < np.uint64(128):
                add[row, word] = (np.uint64(127) - level) * ONES
                keep[row, word] = ALL
            else:
                add[row, word] = (np.uint64(255) - level) * ONES
                keep[row, word] = np.uint64(0)


@kernel(int64(int64[:, ::1], int64), inner=True)
def _root(spots, spot):  # type: ignore[no-untyped-def]
    while spots[spot, 0] != spot:
        spot = spots[spot, 0]
    return spot


@kernel(boolean(WORDS, uint64[::1], uint64[::1]), inner=True)
def _any(words, add, keep):  # type: ignore[no-untyped-def]
    """Whether any pixel is bright: this loop is the pass over the picture, eight pixels a word, all vector code."""
    found = np.uint64(0)
    for k in range(words.shape[0]):
        word = words[k]
        found |= (((word & LOW) + add[k]) | (word & keep[k])) & (word | keep[k])
    return found & HIGH != 0


@kernel(int64(WORDS, PIXELS, uint8[::1], uint64[::1], uint64[::1], int64, int64[:, ::1]), inner=True)
def _runs(words, pixels, levels, add, keep, first, runs):  # type: ignore[no-untyped-def]
    """The runs of bright pixels of one row from word `first` on, as start and end; how many, or -1 for too many."""
    n = 0
    start = -1
    for k in range(words.shape[0]):
        x = 8 * (first + k)
        word = words[k]
        if (((word & LOW) + add[k]) | (word & keep[k])) & (word | keep[k]) & HIGH == 0:
            if start >= 0:
                runs[n, 0], runs[n, 1], n, start = start, x, n + 1, -1
            continue
        level = levels[min((first + k) // 4, levels.shape[0] - 1)]
        for i in range(x, x + 8):
            if pixels[i] > level:
                if start < 0:
                    if n == runs.shape[0]:
                        return -1
                    start = i
            elif start >= 0:
                runs[n, 0], runs[n, 1], n, start = start, i, n + 1, -1
    if start >= 0:
        runs[n, 0], runs[n, 1], n = start, 8 * (first + words.shape[0]), n + 1
    return n


@kernel(int64(int64[:, ::1], int64, int64[:, ::1], int64, int64, int64[:, ::1], int64), inner=True)
def _link(runs, n, above, n_above, y, spots, n_spots):  # type: ignore[no-untyped-def]
    """Join the runs of row `y` to the spots of the row above (touching at corners counts); spots so far, or -1."""
    first = 0
    for i in range(n):
        start, end = runs[i, 0], runs[i, 1]
        while first < n_above and above[first, 1] < start:
            first += 1
        spot = -1
        j = first
        while j < n_above and above[j, 0] <= end:
            other = _root(spots, above[j, 2])
            if spot < 0:
                spot = other
            elif other != spot:
                spots[max(spot, other), 0] = min(spot, other)
                spot = min(spot, other)
            j += 1
        if spot < 0:
            if n_spots == spots.shape[0]:
                return -1
            spot = n_spots
            n_spots += 1
            spots[spot, 0], spots[spot, 1], spots[spot, 2], spots[spot, 3] = spot, 0, start, end
            spots[spot, 4], spots[spot, 5] = y, y
        runs[i, 2] = spot
        spots[spot, 1] += end - start
        spots[spot, 2] = min(spots[spot, 2], start)
        spots[spot, 3] = max(spots[spot, 3], end)
        spots[spot, 5] = y
    return n_spots


@kernel(int64(int64[:, ::1], int64, uint8[:, ::1]), inner=True)
def _level_of(spots, spot, levels):  # type: ignore[no-untyped-def]
    """The threshold where a spot has its middle; on the border of two tiles the higher: no side is preferred."""
    level = 0
    for down in range(2):
        for right in range(2):
            row = (spots[spot, 4] + spots[spot, 5] + down) // 2 // TILE
            column = (spots[spot, 2] + spots[spot, 3] - 1 + right) // 2 // TILE
            level = max(level, int(levels[row, column]))
    return level


@kernel(
    boolean(picture_of(uint8), int64[:, ::1], int64, int64, int64, int64, rows_of(BLOB), int64), inner=True
)
def _measure(luma, spots, spot, level, width, height, blobs, n):  # type: ignore[no-untyped-def]
    """Weighted centre of one spot above the mean of the ring around it; False where the picture's edge cuts it."""
    size = max(spots[spot, 3] - spots[spot, 2], spots[spot, 5] + 1 - spots[spot, 4])
    margin = 2  # a soft edge lies below the threshold
    x0, x1 = spots[spot, 2] - margin, spots[spot, 3] + margin
    y0, y1 = spots[spot, 4] - margin, spots[spot, 5] + 1 + margin
    if spots[spot, 2] <= 0 or spots[spot, 3] >= width or spots[spot, 4] <= 0 or spots[spot, 5] + 1 >= height:
        return False
    x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
    total = count = crowd = top = 0
    for y in range(y0, y1):
        step = 1 if y == y0 or y == y1 - 1 else x1 - 1 - x0
        for x in range(x0, x1, step):
            value = int(luma[y, x])
            if value > level:
                crowd += 1
            else:
                total += value
                count += 1
    if count == 0:
        return False
    ground = 16 * total // count
    for y in range(spots[spot, 4], spots[spot, 5] + 1):
        for x in range(spots[spot, 2], spots[spot, 3]):
            top = max(top, int(luma[y, x]))
    cut = 0
    if crowd:  # a neighbour is near: keep to the spot's own box and the pixel around it, and to what is clearly its own
        cut = (16 * top - ground) // 10
        x0, x1 = max(spots[spot, 2] - 1, 0), min(spots[spot, 3] + 1, width)
        y0, y1 = max(spots[spot, 4] - 1, 0), min(spots[spot, 5] + 2, height)
    mass = along = down = 0
    for y in range(y0, y1):
        for x in range(x0, x1):
            weight = 16 * int(luma[y, x]) - ground
            if weight > cut:
                mass += weight
                along += weight * (x - x0)
                down += weight * (y - y0)
    blobs[n]["x"] = np.rint((x0 + along / mass) * 4096.0) / 4096.0
    blobs[n]["y"] = np.rint((y0 + down / mass) * 4096.0) / 4096.0
    blobs[n]["mass"] = mass / 16.0
    blobs[n]["peak"] = (16 * top - ground) / 16.0
    blobs[n]["across"] = size
    blobs[n]["crowded"] = 1.0 if crowd else 0.0
    return True


@kernel(
    int64(
        picture_of(uint8),
        picture_of(uint64),
        uint8[:, ::1],
        uint64[:, ::1],
        uint64[:, ::1],
        rows_of(WINDOW),
        int64,
        int64,
        float64,
        float64,
        int64[:, :, ::1],
        int64[:, ::1],
        rows_of(BLOB),
    )
)
def find(luma, words, levels, add, keep, windows, n_windows, width, smallest, largest, runs, spots, blobs):  # type: ignore[no-untyped-def]
    """The bright dots inside the windows (word-aligned in x): how many are in `blobs`, or -1 when overrun by clutter.

    A spot that a window cuts is left out, as is one smaller than `smallest` or larger than `largest` px across.
    """
    n = 0
    height = luma.shape[0]
    for i in range(n_windows):
        y0, y1 = windows[i]["y0"], windows[i]["y1"]
        first, last = windows[i]["x0"] // 8, (windows[i]["x1"] + 7) // 8
        n_spots = n_above = 0
        for y in range(y0, y1):
            tile, now = y // TILE, y & 1
            n_runs = 0
            if _any(words[y, first:last], add[tile, first:last], keep[tile, first:last]):
                n_runs = _runs(
                    words[y, first:last],
                    luma[y],
                    levels[tile],
                    add[tile, first:last],
                    keep[tile, first:last],
                    first,
                    runs[now],
                )
                if n_runs < 0:
                    return -1
                n_spots = _link(runs[now], n_runs, runs[1 - now], n_above, y, spots, n_spots)
                if n_spots < 0:
                    return -1
            n_above = n_runs
        for spot in range(n_spots - 1, -1, -1):
            into = spots[spot, 0]
            if into != spot:
                spots[into, 1] += spots[spot, 1]
                spots[into, 2] = min(spots[into, 2], spots[spot, 2])
                spots[into, 3] = max(spots[into, 3], spots[spot, 3])
                spots[into, 4] = min(spots[into, 4], spots[spot, 4])
                spots[into, 5] = max(spots[into, 5], spots[spot, 5])
        for spot in range(n_spots):
            across = max(spots[spot, 3] - spots[spot, 2], spots[spot, 5] + 1 - spots[spot, 4])
            if spots[spot, 0] != spot or spots[spot, 1] < 3 or across < smallest or across > largest:
                continue
            if n_windows > 1 and (
                spots[spot, 2] <= 8 * first
                or spots[spot, 3] >= 8 * last
                or spots[spot, 4] <= y0
                or spots[spot, 5] >= y1 - 1
            ):
                continue
            if n == blobs.shape[0]:
                return -1
            level = _level_of(spots, spot, levels)
            if _measure(luma, spots, spot, level, width, height, blobs, n):
                n += 1
    return n
