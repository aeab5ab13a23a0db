"""Sensor pixels become rays of the upright picture: undistorted, turned, mirrored back, as the loop itself does it.

In: sensor pixels. Out: (right, down) at distance 1 before an upright camera; roll, pitch and yaw are not applied.
`frontal` applies them as well, with the loop's own kernel, so that what is calibrated is what is used.
Without a calibrated lens, rays are pixels of a camera that is very far away: angles in the picture are then right.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from appliance.config import Camera, Lens
from appliance.kernels.lens import OPTICS, level
from appliance.records import F64

FAR_PX = 1e6
"""The focal length that stands for "not calibrated"."""


def optics(camera: Camera, lens: Lens, *, posed: bool = False) -> NDArray[np.void]:
    """One row of `OPTICS` for a mount and a lens; `posed` = with the settings' roll, pitch and yaw."""
    w, h = camera.width_px, camera.height_px
    fx = lens.fx_px or FAR_PX
    cx = (w - 1) / 2 if lens.cx_px < 0 else lens.cx_px
    cy = (h - 1) / 2 if lens.cy_px < 0 else lens.cy_px
    bend = (lens.k1, lens.k2, lens.p1, lens.p2, lens.k3) if lens.fx_px else (0.0,) * 5
    pose = (lens.pitch_deg, lens.roll_deg, lens.yaw_deg) if posed else (0.0,) * 3
    row = (
        w, h, camera.rotate_deg // 90, camera.mirror, fx, lens.fy_px or fx, cx, cy, *bend,
        *(math.radians(a) for a in pose),
    )  # fmt: skip
    return np.array([row], OPTICS)


def rays(xy_px: F64, seen_by: NDArray[np.void]) -> F64:
    """(n, 2) right and down at distance 1, upright, of (n, 2) sensor pixels; the row's pose is left out."""
    row = seen_by.copy()
    row["pitch"] = row["roll"] = row["yaw"] = 0.0
    return frontal(xy_px, row) * (1.0, -1.0)


def frontal(xy_px: F64, seen_by: NDArray[np.void]) -> F64:
    """(n, 2) right and up in the runner's frontal plane at distance 1, the row's pose applied."""
    plane = np.empty((len(xy_px), 2))
    level(np.ascontiguousarray(xy_px, np.float64), len(xy_px), seen_by, plane)
    return np.asarray(plane / seen_by[0]["fx"])
