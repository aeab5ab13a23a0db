"""An exposure and the room's light become the ground that everything is drawn on: how bright, how noisy, how steady.

`level` multiplies every grey level, `grain` the noise; both are 1 at the scene's reference exposure and a gain of 4.
Mains light swings as a sine; what an exposure sees of it is the mean over its own time, row by row, so that an exposure
of whole periods sees none of it. What is beyond 255 is 255. `Log` keeps when which LED was lit, on the frames' clock.
Refuses nothing.
"""

from __future__ import annotations

import math
import threading
from collections import deque

import msgspec
import numpy as np

from appliance.records import F64, U8
from hw.camera.board import board_picture
from hw.camera.drawing import F32, Ground, background, flip, pool
from hw.camera.scene import Scene

_GAIN = 4.0
_KEPT = 4096


class Light(msgspec.Struct, frozen=True):
    """How long a frame is exposed, and what that does to levels and noise."""

    exposure_s: float
    level: float = 1.0
    grain: float = 1.0


def light(scene: Scene, exposure_us: float = 0.0, gain: float = 0.0) -> Light:
    """The light of a scene at an exposure that somebody has set; 0 = as the scene has it."""
    if exposure_us <= 0 or gain <= 0:
        return Light(scene.exposure_ms * 1e-3)
    return Light(exposure_us * 1e-6, exposure_us * gain / scene.reference_us, gain / _GAIN)


class LitGround(Ground):
    """Background and noise of a scene at some exposure, under mains light."""

    def __init__(self, scene: Scene, light: Light, eye_height_m: float) -> None:
        super().__init__(scene, light.grain)
        self._scene, self._light = scene, light
        base = background(scene)
        if sheet := board_picture(scene, eye_height_m):
            base = base * (1 - sheet.cover) + sheet.light
        self._light_base = (base * light.level).astype(np.float32)
        unit = pool(scene.seed, scene.width_px, scene.height_px)
        self._grain = np.rint(unit * np.float32(scene.noise * light.grain))
        self._side = flip(scene)
        self._rows: F64 = np.arange(scene.height_px, dtype=np.float64) * (scene.row_us * 1e-6)

    def picture(self, seq: int, t_s: float = 0.0) -> tuple[U8, F32]:
        """The unlit picture number `seq`, taken at `t_s`, and the field that lights draw their shot noise from."""
        window = self.window(seq)
        base = self._light_base
        if self._scene.flicker_hz > 0:
            base = np.asarray(base * self._steady(t_s + self._rows)[:, None])
        level = base + self._grain[window][self._side]
        np.clip(level, 0.0, 255.0, out=level)
        level += np.float32(0.5)
        return level.astype(np.uint8), self.field(window)

    def _steady(self, t_s: F64) -> F32:
        """The share of its mean light that each row's exposure catches."""
        turns = self._scene.flicker_hz * self._light.exposure_s
        swing = self._scene.flicker * float(np.sinc(turns))
        return (1 + swing * np.cos(2 * math.pi * self._scene.flicker_hz * t_s)).astype(np.float32)


def ground(scene: Scene, light: Light, eye_height_m: float) -> Ground:
    """The plain ground wherever that is all there is: its pictures are drawn in less than half the time."""
    plain = light.level == 1.0 and light.grain == 1.0 and scene.flicker_hz == 0 and scene.board is None
    return Ground(scene) if plain else LitGround(scene, light, eye_height_m)


class Log:
    """When each LED of a strip was how bright; written by who shows, read by who sees."""

    def __init__(self) -> None:
        self._changes: deque[tuple[float, U8]] = deque(maxlen=_KEPT)
        self._lock = threading.Lock()

    def note(self, t_s: float, rgb: U8) -> None:
        """The strip has shown this since `t_s`."""
        level = rgb.max(axis=1)
        with self._lock:
            if not self._changes or not np.array_equal(self._changes[-1][1], level):
                self._changes.append((t_s, level))

    def share(self, led: int, from_s: float, to_s: float) -> float:
        """Mean brightness of an LED between two times, 0 to 1; dark before the first note."""
        with self._lock:
            changes = list(self._changes)
        seen = 0.0
        until_s = to_s
        for t_s, level in reversed(changes):
            start_s = max(t_s, from_s)
            if start_s < until_s:
                seen += (until_s - start_s) * (float(level[led]) if led < len(level) else 0.0)
                until_s = start_s
            if t_s <= from_s:
                break
        return seen / 255.0 / max(to_s - from_s, 1e-9)
