"""Settings become the lens's row of figures, and marks on the sensor become places in the runner's frontal plane.

Plane pixels: x to the runner's right, z up, 0 on the camera's level axis. Seconds. NaN in, NaN out. Refuses nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from appliance.config import Camera, Lens
from appliance.kernels import lens
from appliance.records import F64


def optics_of(camera: Camera, optics: Lens, width_px: int, height_px: int) -> NDArray[np.void]:
    """One row of `lens.OPTICS`: the picture's size, the mount and the lens."""
    fy = optics.fy_px or optics.fx_px
    cx = (width_px - 1) / 2.0 if optics.cx_px < 0 else optics.cx_px
    cy = (height_px - 1) / 2.0 if optics.cy_px < 0 else optics.cy_px
    row = np.zeros(1, lens.OPTICS)
    row[0] = (
        width_px, height_px, camera.rotate_deg // 90, camera.mirror, optics.fx_px, fy, cx, cy,
        optics.k1, optics.k2, optics.p1, optics.p2, optics.k3,
        math.radians(optics.pitch_deg), math.radians(optics.roll_deg), math.radians(optics.yaw_deg),
    )  # fmt: skip
    return row


class Plane:
    """Frames of marks, in the order of time, as `Motion` places them before it reads them."""

    def __init__(self, camera: Camera, optics: Lens, size_px: tuple[int, int], row_s: float) -> None:
        self._optics = optics_of(camera, optics, *size_px)
        self._row_s = row_s
        self._was = np.full((4, 3), np.nan)

    def placed(self, t_s: F64, xy_px: F64) -> tuple[F64, F64]:
        """(n,) times and (n, 4, 2) sensor pixels as (n, 4, 2) of the plane and (n,) times of its pelvis pair."""
        plane, at_s = np.empty((len(t_s), 4, 2)), np.empty(len(t_s))
        lens.place(t_s, np.ascontiguousarray(xy_px), self._row_s, self._optics, self._was, plane, at_s)
        return plane, at_s
