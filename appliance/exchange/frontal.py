"""A runner's marks in a laboratory's axes become places in the plane across the running direction.

In: metres, whatever axes. Out: metres, x to the runner's right, z up. Up is the laboratory's axis that leads from the
heels to the pelvis; right leads from the left to the right pelvis mark, put onto the laboratory's axis when that is
near. The plane is cut straight across: no camera, no perspective. Refuses, with `SourceError`, marks without a clear
up, and a foot on the ground that moves forward: left and right are exchanged, or an axis points the wrong way.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from appliance.errors import SourceError
from appliance.records import F64

_NEAR_DEG = 20.0
_CLEAR = 0.8
_LOW_SHARE = 0.15
_SLOW_MPS = 0.3
_FEW = 20
"""Frames: a standing trial may be a single one, and says nothing of a belt."""


class Axes(msgspec.Struct, frozen=True):
    """Unit vectors in the laboratory's axes, and in words what they are."""

    right: F64
    up: F64
    words: str


def axes_of(places: F64, t_s: F64) -> Axes:
    """Where up and right are, from (n, 4, 3) places."""
    middles = np.stack([_middle(places[:, k]) for k in range(4)])
    rise, across = middles[:2].mean(axis=0) - middles[2:].mean(axis=0), _middle(places[:, 1] - places[:, 0])
    k = int(np.argmax(np.abs(rise)))
    if not np.isfinite(rise).all() or abs(rise[k]) < _CLEAR * float(np.linalg.norm(rise)):
        raise SourceError(
            "no axis of the file leads from the heels up to the pelvis", fix="check which markers were taken"
        )
    up = np.zeros(3)
    up[k] = math.copysign(1.0, rise[k])
    flat = across - up * (across @ up)
    if not np.linalg.norm(flat) > 0.02:
        raise SourceError("the two pelvis markers are at one place", fix="name another pair")
    flat /= np.linalg.norm(flat)
    right, turned_deg = _snapped(flat)
    _refuse_backwards(places, t_s, up, np.cross(up, right))
    words = f"up = {_axis(up)}, right = {_axis(right)}"
    if turned_deg is not None:
        words = (
            f"up = {_axis(up)}, right = {turned_deg:.0f} deg off {_axis(_nearest(flat))} (the runner's own)"
        )
    return Axes(right, up, words)


def onto_plane(places: F64, axes: Axes) -> F64:
    """(n, 4, 3) places as (n, 4, 2): right and up, from the pelvis's middle."""
    middle = _middle(places[:, :2].mean(axis=1))
    from_there = places - middle
    return np.stack((from_there @ axes.right, from_there @ axes.up), axis=2)


def _middle(rows: F64) -> F64:
    seen = rows[np.isfinite(rows).all(axis=1)]
    return np.median(seen, axis=0) if len(seen) else np.full(3, np.nan)


def _nearest(flat: F64) -> F64:
    axis = np.zeros(3)
    k = int(np.argmax(np.abs(flat)))
    axis[k] = math.copysign(1.0, flat[k])
    return axis


def _snapped(flat: F64) -> tuple[F64, float | None]:
    """The laboratory's axis when the runner's right is near it; else the runner's own, and by how much it is turned."""
    axis = _nearest(flat)
    off_deg = math.degrees(math.acos(min(1.0, float(flat @ axis))))
    return (axis, None) if off_deg <= _NEAR_DEG else (flat, off_deg)


def _axis(vector: F64) -> str:
    k = int(np.argmax(np.abs(vector)))
    return f"{'-' if vector[k] < 0 else '+'}{'XYZ'[k]}"


def _refuse_backwards(places: F64, t_s: F64, up: F64, forward: F64) -> None:
    """A foot on the ground moves backward under the pelvis, on a treadmill as on the floor."""
    if len(t_s) < _FEW:
        return
    pelvis = places[:, :2].mean(axis=1)
    speeds = []
    for k in (2, 3):
        height, ahead = places[:, k] @ up, (places[:, k] - pelvis) @ forward
        speed = np.gradient(ahead, t_s)
        low = height < np.nanquantile(height, 0.02) + _LOW_SHARE * np.nanmax(height - np.nanmin(height))
        speeds.append(float(np.nanmedian(speed[low])) if np.isfinite(speed[low]).any() else 0.0)
    if max(speeds) > _SLOW_MPS:
        raise SourceError(
            "the foot on the ground moves forward under the pelvis: left and right markers are exchanged, or the "
            "file's axes are mirrored",
            fix="name the markers with --pelvis-left, --pelvis-right, --left-heel and --right-heel",
        )
