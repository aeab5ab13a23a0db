"""Sensor pixels become places in the runner's frontal plane: undistorted, levelled, at one moment.

In: sensor pixels, x right, y down. Out: plane pixels, x to the runner's right, z up, 0 on the camera's level axis,
scaled by the focal length so that near the axis of a level camera they are pixels. NaN in, NaN out.
A camera without calibration (`fx` 0) is taken as level and far away: its pixels, turned upright and rolled back.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64, int64, types

from appliance.kernels import kernel, rows_of

OPTICS = np.dtype(
    [
        ("width", "f8"), ("height", "f8"), ("turn", "i8"), ("mirror", "i8"),  # sensor size; quarter turns to upright
        ("fx", "f8"), ("fy", "f8"), ("cx", "f8"), ("cy", "f8"),
        ("k1", "f8"), ("k2", "f8"), ("p1", "f8"), ("p2", "f8"), ("k3", "f8"),
        ("pitch", "f8"), ("roll", "f8"), ("yaw", "f8"),  # radians
    ],
    align=True,
)  # fmt: skip


@kernel(types.UniTuple(float64, 2)(float64, float64, rows_of(OPTICS)), inner=True)
def _undistorted(x, y, o):  # type: ignore[no-untyped-def]
    """Normalised image coordinates without distortion: OpenCV's model turned round by fixed-point iteration."""
    k1, k2, p1, p2, k3 = o[0]["k1"], o[0]["k2"], o[0]["p1"], o[0]["p2"], o[0]["k3"]
    if k1 == 0.0 and k2 == 0.0 and p1 == 0.0 and p2 == 0.0 and k3 == 0.0:
        return x, y
    u, v = x, y
    for _ in range(20):
        r2 = u * u + v * v
        radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
        du = 2.0 * p1 * u * v + p2 * (r2 + 2.0 * u * u)
        dv = p1 * (r2 + 2.0 * v * v) + 2.0 * p2 * u * v
        u, v = (x - du) / radial, (y - dv) / radial
    return u, v


@kernel(types.void(float64[:, ::1], int64, rows_of(OPTICS), float64[:, ::1]))
def level(xy_px, n, o, plane):  # type: ignore[no-untyped-def]
    """The frontal-plane place of each of `n` points; the ray is turned by roll, pitch and yaw, then cut by the plane.

    xy_px : (n, 2) sensor pixels. plane : (n, 2) is filled with x (right) and z (up).
    """
    fx = o[0]["fx"] if o[0]["fx"] > 0.0 else 1.0
    fy = o[0]["fy"] if o[0]["fx"] > 0.0 else 1.0
    c_roll, s_roll = math.cos(o[0]["roll"]), math.sin(o[0]["roll"])
    c_pitch, s_pitch = math.cos(o[0]["pitch"]), math.sin(o[0]["pitch"])
    c_yaw, s_yaw = math.cos(o[0]["yaw"]), math.sin(o[0]["yaw"])
    turn = o[0]["turn"]
    for i in range(n):
        a, b = (xy_px[i, 0] - o[0]["cx"]) / fx, (xy_px[i, 1] - o[0]["cy"]) / fy
        if o[0]["fx"] > 0.0:
            a, b = _undistorted(a, b, o)
        if turn == 1:
            a, b = -b, a
        elif turn == 2:
            a, b = -a, -b
        elif turn == 3:
            a, b = b, -a
        if o[0]["mirror"]:
            a = -a
        a, b = a * c_roll - b * s_roll, a * s_roll + b * c_roll
        if o[0]["fx"] == 0.0:
            plane[i, 0], plane[i, 1] = a, -b
            continue
        down, ahead = b * c_pitch + s_pitch, c_pitch - b * s_pitch
        right, ahead = a * c_yaw + ahead * s_yaw, ahead * c_yaw - a * s_yaw
        plane[i, 0], plane[i, 1] = fx * right / ahead, -fx * down / ahead


@kernel(
    types.void(
        float64[::1],
        float64[:, :, ::1],
        float64,
        rows_of(OPTICS),
        float64[:, ::1],
        float64[:, :, ::1],
        float64[::1],
    )
)
def place(t_s, xy_px, row_s, o, was, plane, at_s):  # type: ignore[no-untyped-def]
    """Frames of marks in the frontal plane, each frame's at one moment: when its pelvis pair was exposed.

    t_s : (n,) mid-exposure of the first sensor row. xy_px : (n, 4, 2) sensor pixels. row_s : from row to row.
    was : (4, 3) each mark's last place and time, kept from call to call; a rolling shutter's marks are carried by
    their own speed to the common moment. plane : (n, 4, 2) and at_s : (n,) are filled.
    """
    for i in range(t_s.shape[0]):
        level(xy_px[i], 4, o, plane[i])
        at_s[i] = t_s[i]
        if row_s == 0.0:
            continue
        rows = 0.0
        seen = 0
        for k in range(2):
            if xy_px[i, k, 1] == xy_px[i, k, 1]:
                rows += xy_px[i, k, 1]
                seen += 1
        at_s[i] += row_s * (rows / seen if seen else (o[0]["height"] - 1.0) / 2.0)
        for k in range(4):
            mark_s = t_s[i] + row_s * xy_px[i, k, 1]
            if mark_s != mark_s:
                continue
            x, z = plane[i, k, 0], plane[i, k, 1]
            dt = mark_s - was[k, 2]
            if 0.0 < dt < 0.1:
                plane[i, k, 0] += (x - was[k, 0]) / dt * (at_s[i] - mark_s)
                plane[i, k, 1] += (z - was[k, 1]) / dt * (at_s[i] - mark_s)
            was[k, 0], was[k, 1], was[k, 2] = x, z, mark_s
