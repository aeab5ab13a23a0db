"""Places in the picture become light in it: discs with soft edges, blurred along their way, on a noisy ground.

Pixels from the picture's middle, x right and y down; grey levels 0..255, saturating. Every disc is rounded to whole
levels before it is added, so the order of drawing never matters. Refuses nothing: what lies outside is not drawn.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from appliance.records import F64, U8
from hw.camera.scene import Scene

F32 = NDArray[np.float32]

_EDGE_PX = 2.0
"""Over this width a disc's edge goes from full to nothing: the blur of a decent lens and the pixels' own size."""

_STEP_PX = 0.7
"""A moving disc is drawn this often along its way."""

POOL_PX = 64
"""The noise pool is this much larger than the picture; each frame takes another window of it."""


class Ground:
    """Background and sensor noise of a scene, ready to be lit."""

    def __init__(self, scene: Scene, grain: float = 1.0) -> None:
        w, h = scene.width_px, scene.height_px
        self._seed, self._shot, self._blur_px = scene.seed, scene.shot * grain, scene.blur_px
        self._reach = math.ceil(4 * scene.noise)
        unit = pool(scene.seed, w, h)
        read = np.clip(np.rint(unit * np.float32(scene.noise)), -self._reach, self._reach) + self._reach
        self._pool, self._read = unit[::-1], read.astype(np.uint8)
        self._flip = flip(scene)
        self._base = np.clip(np.rint(background(scene)) - self._reach, 0, 255 - 2 * self._reach).astype(
            np.uint8
        )
        self._middle = ((w - 1) / 2, (h - 1) / 2)

    def picture(self, seq: int, t_s: float = 0.0) -> tuple[U8, F32]:
        """The unlit picture number `seq`, and the field of unit noise that lights draw their shot noise from.

        `t_s` is for grounds whose light is not steady; this one's is.
        """
        window = self.window(seq)
        return self._base + self._read[window][self._flip], self.field(window)

    def window(self, seq: int) -> tuple[slice, slice]:
        """The part of the noise pool that picture `seq` takes."""
        spot = hashed(self._seed, seq)
        y, x = spot % POOL_PX, spot // POOL_PX % POOL_PX
        h, w = self._base.shape
        return slice(y, y + h), slice(x, x + w)

    def field(self, window: tuple[slice, slice]) -> F32:
        """Unit noise for lights, of a window."""
        return self._pool[window][self._flip]

    def add_disc(self, luma: U8, field: F32, way: F64, radius_px: float, level: float) -> None:
        """Light one disc; `way` (3, 2) = its middle at the beginning, middle and end of the exposure."""
        if not (np.isfinite(way).all() and math.isfinite(radius_px)):
            return
        reach = radius_px + _EDGE_PX / 2 + 3 * self._blur_px
        (cols, xs), (rows, ys) = (_span(way[:, k], reach, self._middle[k], luma.shape[1 - k]) for k in (0, 1))
        if len(xs) == 0 or len(ys) == 0:
            return
        light = blurred(level * _cover(xs, ys, _along(way), radius_px), self._blur_px)
        light = light + field[rows, cols] * np.sqrt(self._shot * light)
        lit = luma[rows, cols] + np.rint(np.maximum(light, 0.0))
        luma[rows, cols] = np.minimum(lit, 255.0).astype(np.uint8)


def blurred(light: F64, blur_px: float) -> F64:
    """The light out of focus: spread by a Gaussian, none of it lost but over the edge of what is given."""
    if blur_px <= 0:
        return light
    import cv2

    size = 2 * math.ceil(3 * blur_px) + 1
    return np.asarray(cv2.GaussianBlur(light, (size, size), blur_px, borderType=cv2.BORDER_CONSTANT))


@lru_cache(maxsize=2)
def pool(seed: int, width_px: int, height_px: int) -> F32:
    """Unit noise, larger than the picture, read only: drawing it takes longer than a frame lasts."""
    rng = np.random.default_rng(seed)
    unit = rng.standard_normal((height_px + POOL_PX, width_px + POOL_PX), dtype=np.float32)
    unit.flags.writeable = False
    return unit


def hashed(seed: int, seq: int) -> int:
    """A number below 2^32 that depends on both and looks like chance (the finaliser of SplitMix64)."""
    x = (seed * 0x9E3779B97F4A7C15 + (seq + 1) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (x ^ (x >> 31)) >> 32


def background(scene: Scene) -> F64:
    """(h, w) grey levels as the sensor sees the upright gradient."""
    w, h = scene.upright_px
    x = (np.arange(w) - (w - 1) / 2) / (w / 2)
    y = (np.arange(h) - (h - 1) / 2) / (h / 2)
    upright = scene.background + (scene.gradient_x * x[None, :] + scene.gradient_y * y[:, None])
    return np.rot90(upright[:, ::-1] if scene.mirror else upright, scene.rotate_deg // 90)


def flip(scene: Scene) -> tuple[slice, slice]:
    """How a mirrored world mirrors the noise: along the sensor axis on which the runner's sides lie."""
    back, same = slice(None, None, -1), slice(None)
    if not scene.mirrored:
        return same, same
    return (same, back) if scene.rotate_deg in (0, 180) else (back, same)


def _span(middles: F64, reach: float, middle: float, size: int) -> tuple[slice, F64]:
    """The pixels of one axis that a disc can touch: their slice, and their places from the middle."""
    first = max(0, math.floor(float(middles.min()) - reach + middle))
    last = min(size, math.ceil(float(middles.max()) + reach + middle) + 1)
    return slice(first, max(first, last)), np.arange(first, last, dtype=np.float64) - middle


def _along(way: F64) -> F64:
    """(m, 2) places evenly spread in time on the parabola through the way's three places."""
    a, b, c = way
    m = min(24, max(1, math.ceil(math.hypot(*(c - a)) / _STEP_PX)))
    s = ((np.arange(m) + 0.5) / m * 2 - 1)[:, None]
    return np.asarray(b + s * ((c - a) / 2 + s * ((a + c) / 2 - b)))


def _cover(xs: F64, ys: F64, places: F64, radius_px: float) -> F64:
    """Share of light at each pixel: 1 inside, 0 outside, smooth between, averaged over the places."""
    dx = xs[None, None, :] - places[:, 0][:, None, None]
    dy = ys[None, :, None] - places[:, 1][:, None, None]
    s = np.clip((radius_px - np.sqrt(dx * dx + dy * dy)) / _EDGE_PX + 0.5, 0.0, 1.0)
    share = s * s * (3 - 2 * s)
    return np.asarray(share[0] if len(places) == 1 else share.mean(axis=0))
