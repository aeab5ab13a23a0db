"""A bar with two dots and a plumb line become places in the room at any time.

Metres, x right, y forward, z up from the floor, as for the runner; the camera's place is given. Names are those under
which their pixels are told: beam_left, beam_right, plumb_1 (the highest), plumb_2 and so on.
"""

from __future__ import annotations

import math

import numpy as np

from appliance.records import F64
from hw.camera.props import Beam, Plumb
from hw.camera.scene import Scene

_GRAVITY = 9.81
_ABOVE_M = 0.5
"""From the point that the thread hangs from to its first dot."""


def names(scene: Scene) -> tuple[str, ...]:
    """The dots of the things in the scene."""
    hanging = scene.plumb.dots if scene.plumb else 0
    return (*(("beam_left", "beam_right") if scene.beam else ()), *(f"plumb_{k + 1}" for k in range(hanging)))


def places(scene: Scene, t_s: F64, eye: tuple[float, float, float]) -> F64:
    """(n, K, 3) metres: the things' dots at each time, `eye` being where the camera is."""
    parts = []
    if scene.beam:
        parts.append(np.repeat(_beam(scene.beam)[None], len(t_s), axis=0))
    if scene.plumb:
        parts.append(_plumb(scene.plumb, t_s))
    if not parts:
        return np.empty((len(t_s), 0, 3))
    return np.asarray(np.concatenate(parts, axis=1) + np.array(eye))


def _beam(beam: Beam) -> F64:
    tilt, turn = math.radians(beam.tilt_deg), math.radians(beam.turn_deg)
    along = np.array([math.cos(tilt) * math.cos(turn), math.cos(tilt) * math.sin(turn), math.sin(tilt)])
    middle = np.array([beam.right_m, beam.distance_m, beam.up_m])
    return np.stack([middle - beam.width_m / 2 * along, middle + beam.width_m / 2 * along])


def _plumb(plumb: Plumb, t_s: F64) -> F64:
    down = _ABOVE_M + np.linspace(0.0, plumb.length_m, plumb.dots)
    own_hz = math.sqrt(_GRAVITY / down[-1]) / (2 * math.pi)
    angle = math.radians(plumb.swing_deg) * np.sin(2 * math.pi * own_hz * t_s)[:, None]
    top = plumb.up_m + plumb.length_m / 2 + _ABOVE_M
    x, z = plumb.right_m + down * np.sin(angle), top - down * np.cos(angle)
    return np.stack([x, np.full_like(x, plumb.distance_m), z], axis=-1)
