"""A picture becomes its bright spots: where, how large, how bright, how sharp. For a technician, not for the loop.

Sensor pixels, the centre of the first at 0, 0; grey levels. The ground is taken tile by tile, as the station's sight
does, and spots at the picture's edge are told too: half a lamp is still a lamp. Refuses nothing.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.records import F64, U8

TILE = 32
SATURATED = 250
_GROUND_SHARE = 40.0
"""Percentile of a tile that is still ground when a dot fills almost half of it."""
_LEAST_RISE = 10.0
_NOISES = 6.0
_MOST_SPOTS = 64
_LEAST_AREA_PX = 3
_LEAST_LAMP_RISE = 8.0


class Spot(msgspec.Struct, frozen=True):
    """One bright spot. rise : grey levels of its peak above the ground. saturated : pixels that are burnt out."""

    x_px: float
    y_px: float
    across_px: float
    rise: float
    ground: float
    saturated: int

    @property
    def peak(self) -> float:
        """Grey level of its brightest pixel."""
        return self.ground + self.rise

    def distance_px(self, x: float, y: float) -> float:
        """How far its centre is from a place."""
        return math.hypot(self.x_px - x, self.y_px - y)


def ground(luma: U8) -> tuple[F64, float]:
    """The ground's grey at every pixel, and its noise."""
    import cv2

    h, w = luma.shape
    rows, columns = -(-h // TILE), -(-w // TILE)
    padded = np.pad(luma, ((0, rows * TILE - h), (0, columns * TILE - w)), mode="edge")
    tiles = padded.reshape(rows, TILE, columns, TILE).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    low = np.percentile(tiles, (15.87, _GROUND_SHARE), axis=2)
    noise = float(np.median(low[1] - low[0])) / 0.747  # 40th minus 16th percentile of a Gaussian
    level: NDArray[np.float32] = cv2.resize(
        low[1].astype(np.float32), (columns * TILE, rows * TILE), interpolation=cv2.INTER_LINEAR
    )
    return level[:h, :w].astype(np.float64), max(noise, 1.0)


def bright_spots(luma: U8, least_rise: float = 0.0) -> tuple[Spot, ...]:
    """The spots that stand out, the brightest first; at least `least_rise` above the ground when that is given."""
    import cv2

    level, noise = ground(luma)
    above = luma.astype(np.float64) - level
    threshold = max(_LEAST_RISE, _NOISES * noise, least_rise)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (above > threshold).astype(np.uint8), connectivity=8
    )
    large = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] >= _LEAST_AREA_PX]
    large.sort(key=lambda k: -int(stats[k, cv2.CC_STAT_AREA]))
    found = [_measured(luma, above, level, labels, k, stats[k]) for k in large[:_MOST_SPOTS]]
    return tuple(sorted(found, key=lambda s: -s.rise))


def _measured(luma: U8, above: F64, level: F64, labels: Any, k: int, box: NDArray[np.int32]) -> Spot:
    """One spot from its own pixels and the dimmer rim around them."""
    x, y, w, h = (int(v) for v in box[:4])
    part = (slice(max(0, y - 1), y + h + 1), slice(max(0, x - 1), x + w + 1))
    own = labels[part] == k
    mass = np.where(own, above[part], 0.0)
    total = float(mass.sum())
    rows, columns = np.arange(mass.shape[0]) + part[0].start, np.arange(mass.shape[1]) + part[1].start
    at = np.unravel_index(int(np.argmax(mass)), mass.shape)
    return Spot(
        x_px=float((mass.sum(axis=0) * columns).sum() / total),
        y_px=float((mass.sum(axis=1) * rows).sum() / total),
        across_px=float(max(w, h)),
        rise=float(mass[at]),
        ground=float(level[part][at]),
        saturated=int((own & (luma[part] >= SATURATED)).sum()),
    )


def near(found: tuple[Spot, ...], xy_px: F64, reach_px: float) -> tuple[Spot | None, ...]:
    """For each place the spot that is nearest to it, if within reach; None for a place that is NaN."""
    chosen: list[Spot | None] = []
    for x, y in xy_px:
        close = [s for s in found if s.distance_px(x, y) <= reach_px]  # NaN is near nothing
        chosen.append(min(close, key=lambda s: s.distance_px(x, y)) if close else None)
    return tuple(chosen)


def lamp(dark: list[U8], lit: list[U8]) -> tuple[int, int, int, int] | None:
    """x, y, width and height of what is brighter in all lit pictures than in all dark ones; None = nothing is.

    What moves, or flickers by itself, is brighter in some of them only.
    """
    import cv2

    rise = np.min(np.stack(lit).astype(np.float64), axis=0) - np.max(
        np.stack(dark).astype(np.float64), axis=0
    )
    smooth: F64 = cv2.blur(rise, (3, 3))
    y, x = np.unravel_index(int(np.argmax(smooth)), smooth.shape)
    peak = float(smooth[y, x])
    noise = float(np.median(np.abs(rise - np.median(rise)))) / 0.6745
    if peak < max(_LEAST_LAMP_RISE, _NOISES * noise):
        return None
    _, labels = cv2.connectedComponents((smooth > peak / 2).astype(np.uint8), connectivity=8)
    rows, columns = np.nonzero(labels == labels[y, x])
    left, top = int(columns.min()), int(rows.min())
    return left, top, int(columns.max()) - left + 1, int(rows.max()) - top + 1


def edge_px(luma: U8, spot: Spot) -> float:
    """Width of a spot's edge from 90 to 10 % of its height, from a smooth disc fitted to its pixels.

    NaN = not known: too few pixels, or burnt out, which cuts off the top and makes any edge look sharp.
    """
    if spot.saturated:
        return math.nan
    reach = spot.across_px * 0.5 + max(6.0, spot.across_px * 0.5)
    x0, y0 = max(0, math.floor(spot.x_px - reach)), max(0, math.floor(spot.y_px - reach))
    part = luma[y0 : math.ceil(spot.y_px + reach) + 1, x0 : math.ceil(spot.x_px + reach) + 1].astype(
        np.float64
    )
    y, x = np.mgrid[0 : part.shape[0], 0 : part.shape[1]]
    r = np.hypot(x + x0 - spot.x_px, y + y0 - spot.y_px).ravel()
    grey = part.ravel()[r <= reach]
    r = r[r <= reach]
    if len(r) < 16:
        return math.nan
    best, best_loss = math.nan, math.inf
    for radius in np.arange(0.5, 0.5 * spot.across_px + 2.0, 0.2):
        for soft in _SOFTNESS:
            shape = 1.0 / (1.0 + np.exp((r - radius) / soft))
            loss = _loss(shape, grey)
            if loss < best_loss:
                best, best_loss = soft, loss
    return float(best * _EDGE_OF_SOFTNESS)


_SOFTNESS = np.geomspace(0.15, 4.0, 28)
_EDGE_OF_SOFTNESS = 2 * math.log(9.0)
"""A logistic edge goes from 90 to 10 % over so many times its softness."""


def _loss(shape: F64, grey: F64) -> float:
    """What is left of the greys when the shape's height and ground are fitted."""
    centred, value = shape - shape.mean(), grey - grey.mean()
    power = float((centred * centred).sum())
    if power < 1e-9:
        return math.inf
    height = float((centred * value).sum()) / power
    return float((value * value).sum()) - height * height * power if height > 0 else math.inf
