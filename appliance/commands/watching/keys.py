"""A key and the settings in force become what is tried instead; nothing is written into a file here.

Brightness is a share of full, the threshold grey levels (0 = found by itself), the band degrees. A value at the end of
its range stays there. A key that changes nothing gives an empty map.
"""

from __future__ import annotations

from appliance.commands.options import MODES
from appliance.commands.watching.view import Knobs

_LIGHT = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)
_FIRST_CONTRAST, _CONTRAST_STEP, _MOST_CONTRAST = 20, 5, 250
_BAND_STEP_DEG, _MOST_BAND_DEG = 0.5, 20.0

Tried = dict[str, str | float | int]


def tried(key: str, knobs: Knobs) -> Tried:
    """What to try when this key was pressed, by dotted key of the settings."""
    if key in ("m", "M") and knobs.mode in MODES:
        step = 1 if key == "m" else -1
        return {"feedback.mode": MODES[(MODES.index(knobs.mode) + step) % len(MODES)]}
    if key in ("+", "=", "-") and knobs.brightness is not None:
        return _changed("strip.brightness", knobs.brightness, _light(knobs.brightness, key != "-"))
    if key in ("t", "T") and knobs.contrast is not None:
        return _changed("sight.contrast", knobs.contrast, _contrast(knobs.contrast, key == "T"))
    if key in ("b", "B") and knobs.band_deg is not None:
        step_deg = _BAND_STEP_DEG if key == "B" else -_BAND_STEP_DEG
        band_deg = min(max(round(knobs.band_deg + step_deg, 2), 0.0), _MOST_BAND_DEG)
        return _changed("feedback.band_deg", knobs.band_deg, band_deg)
    return {}


def said(values: Tried) -> str:
    """What is tried, in words."""
    told = ", ".join(f"{key} = {value}" for key, value in values.items())
    return f"{told}: tried, not kept in the settings file (u takes it back)"


def _light(now: float, up: bool) -> float:
    if up:
        return next((step for step in _LIGHT if step > now + 1e-6), _LIGHT[-1])
    return next((step for step in reversed(_LIGHT) if step < now - 1e-6), min(now, _LIGHT[0]))


def _contrast(now: int, up: bool) -> int:
    if up:
        return min(now + _CONTRAST_STEP, _MOST_CONTRAST) if now else _FIRST_CONTRAST
    return now - _CONTRAST_STEP if now > _CONTRAST_STEP else 0


def _changed(key: str, before: float, after: float) -> Tried:
    return {} if after == before else {key: after}
