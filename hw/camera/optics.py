"""A place in the room becomes a place in the sensor's picture: pose, mount, distortion, focal length.

In: metres, x right, y forward, z up from the floor, against the mean place of the pelvis pair. Out: sensor pixels from
the picture's middle, x right and y down in the sensor's own rows and columns, and the depth in metres. Counting from
the middle keeps a mirrored scene's pictures mirrored to the last bit; for the same reason every sum is written out.
Behind the camera is nowhere: NaN.
"""

from __future__ import annotations

import math

import numpy as np

from appliance.records import F64
from hw.camera.scene import Scene

_NEAREST_M = 0.1
_ROUNDS = 24


class Optics:
    """The lens and the mount of a scene, seen from a given height over the floor."""

    def __init__(self, scene: Scene, height_m: float) -> None:
        self.place = (scene.right_m, -scene.distance_m, height_m)
        self.axes = _axes(scene.yaw_deg, scene.pitch_deg, scene.roll_deg)
        self._turns, self._mirror = scene.rotate_deg // 90, scene.mirror
        self._f = scene.focal_px
        self._upright_px = scene.upright_px
        mid_x, mid_y = (scene.width_px - 1) / 2, (scene.height_px - 1) / 2
        self._shift = (
            0.0 if scene.cx_px < 0 else scene.cx_px - mid_x,
            0.0 if scene.cy_px < 0 else scene.cy_px - mid_y,
        )
        self._bend = (scene.k1, scene.k2, scene.p1, scene.p2, scene.k3)

    def project(self, places: F64) -> tuple[F64, F64]:
        """(..., 2) pixels from the middle of the sensor picture, and (...) depth in metres."""
        dx, dy, dz = (places[..., k] - self.place[k] for k in range(3))
        right, down, ahead = (a[0] * dx + a[1] * dy + a[2] * dz for a in self.axes)
        depth = np.where(ahead > _NEAREST_M, ahead, np.nan)
        x, y = self._bent(*self.turned(right / depth, down / depth))
        return np.stack([self._f * x + self._shift[0], self._f * y + self._shift[1]], axis=-1), depth

    def ray(self, x_px: F64, y_px: F64) -> tuple[F64, F64]:
        """The way back: what looks at a pixel (from the middle) lies right and down by so much for each metre ahead.

        The distortion is undone by putting its own amount back, again and again: each round is several times nearer.
        """
        bent_x, bent_y = (x_px - self._shift[0]) / self._f, (y_px - self._shift[1]) / self._f
        x, y = bent_x, bent_y
        for _ in range(_ROUNDS):
            at_x, at_y = self._bent(x, y)
            x, y = x + (bent_x - at_x), y + (bent_y - at_y)
        for _ in range(self._turns):
            x, y = -y, x
        return (-x if self._mirror else x), y

    @property
    def reach(self) -> tuple[float, float]:
        """How far the upright picture reaches to the right and down, for each metre ahead, the distortion left out."""
        w, h = self._upright_px
        return w / 2 / self._f, h / 2 / self._f

    def turned(self, x: F64, y: F64) -> tuple[F64, F64]:
        """Upright x (right) and y (down) as the sensor sees them: mirrored first, then turned the other way round."""
        if self._mirror:
            x = -x
        for _ in range(self._turns):
            x, y = y, -x
        return x, y

    def _bent(self, x: F64, y: F64) -> tuple[F64, F64]:
        k1, k2, p1, p2, k3 = self._bend
        r2 = x * x + y * y
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        xy = 2 * x * y
        return x * radial + (p1 * xy + p2 * (r2 + 2 * x * x)), y * radial + (p1 * (r2 + 2 * y * y) + p2 * xy)


def turn(yaw_deg: float, pitch_deg: float, roll_deg: float) -> tuple[F64, F64]:
    """Right and up, in the room, of a sheet that faces the camera: turned so that its right edge, then its top goes
    away, then clockwise as the camera sees it."""
    cy, sy = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    cp, sp = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
    cr, sr = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    right, up = np.array([cy, sy, 0.0]), np.array([-sy * sp, cy * sp, cp])
    return cr * right - sr * up, cr * up + sr * right


def _axes(yaw_deg: float, pitch_deg: float, roll_deg: float) -> tuple[tuple[float, float, float], ...]:
    """The camera's right, down and ahead in the room: turned to its right, then tipped down, then rolled clockwise."""
    cy, sy = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    cp, sp = math.cos(math.radians(pitch_deg)), math.sin(math.radians(pitch_deg))
    cr, sr = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    ahead = (cp * sy, cp * cy, -sp)
    right = (cy, -sy, 0.0)
    up = (sp * sy, sp * cy, cp)
    rolled_right = tuple(cr * r - sr * u for r, u in zip(right, up, strict=True))
    rolled_down = tuple(-(cr * u + sr * r) for r, u in zip(right, up, strict=True))
    return (
        (rolled_right[0], rolled_right[1], rolled_right[2]),
        (rolled_down[0], rolled_down[1], rolled_down[2]),
        ahead,
    )
