"""Rows of moments, settings and Hypothesis strategies that the feedback tests share."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from appliance.config import Settings
from appliance.feedback.bar import Feedback
from appliance.records import MOMENT, Posture

MODES = ("asymmetry", "step", "live", "box", "off")
PALETTES = ("blue-white", "amber-white", "green-violet", "white")
STRIP_KEYS = set(Settings().strip.__struct_fields__)


def settings(**changes: Any) -> Settings:
    """Default settings with changes to the feedback and strip sections; nothing fades unless asked for."""
    strip = {k: v for k, v in changes.items() if k in STRIP_KEYS}
    feedback = {"fade_ms": 0.0, "slew_ms": 0.0} | {k: v for k, v in changes.items() if k not in STRIP_KEYS}
    return Settings(
        feedback=msgspec.convert(feedback, type(Settings().feedback)),
        strip=msgspec.convert(
            {"brightness": 1.0, "current_cap_ma": 20000.0, "idle_ma": 0.0} | strip, type(Settings().strip)
        ),
    )


def running(count: int = 1, rate_hz: float = 120.0, start_s: float = 100.0, **fields: Any) -> np.ndarray:
    """A runner followed well, with every figure level; `fields` override."""
    rows = np.zeros(count, MOMENT)
    rows["t_s"] = start_s + np.arange(count) / rate_hz
    rows["posture"], rows["sides_sure"] = Posture.RUNNING, 1
    rows["left_steps"] = rows["right_steps"] = 7
    rows["step_s"] = rows["t_s"] if "t_s" not in fields else fields["t_s"]
    rows["seen_s"] = rows["step_s"]
    for name, values in fields.items():
        rows[name] = values
    return rows


def lit(moments: np.ndarray, **changes: Any) -> np.ndarray:
    """The last frame's bytes under default settings with `changes`."""
    return Feedback(settings(**changes)).light(moments)[0][-1].astype(int)


def mirrored(moments: np.ndarray) -> np.ndarray:
    """The same run by the runner's mirror image."""
    rows = moments.copy()
    for name in ("obliquity_deg", "level_deg", "sway_px", "difference_deg"):
        rows[name] = -moments[name]
    for name in ("drop_deg", "last_deg", "steps"):
        rows[f"left_{name}"], rows[f"right_{name}"] = moments[f"right_{name}"], moments[f"left_{name}"]
    return rows


@st.composite
def any_settings(draw: st.DrawFn, **fixed: Any) -> Settings:
    """Any settings of the bar, small enough to check slowly."""
    chosen = {
        "mode": draw(st.sampled_from(MODES)),
        "palette": draw(st.sampled_from(PALETTES)),
        "lights": draw(st.sampled_from(("dropping", "stance"))),
        "swap": draw(st.booleans()),
        "band_deg": draw(st.sampled_from((0.0, 2.0, 5.0))),
        "fade_ms": draw(st.sampled_from((0.0, 40.0, 200.0, 2000.0))),
        "slew_ms": draw(st.sampled_from((0.0, 150.0, 2000.0))),
        "sensitivity": draw(st.sampled_from((0.1, 1.0, 10.0))),
        "leds": draw(st.integers(4, 17)),
        "brightness": draw(st.sampled_from((0.01, 0.1, 0.5, 1.0))),
        "current_cap_ma": draw(st.sampled_from((20.0, 77.7, 300.0, 20000.0))),
        "led_ma": draw(st.sampled_from((12.3, 60.0, 100.0))),
    }
    return settings(**chosen | fixed)


@st.composite
def any_moments(draw: st.DrawFn, most: int = 120) -> np.ndarray:
    """A hostile run: jumping figures, lost marks, gaps, rates from 30 to 250 Hz, stamps that stand still."""
    count = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    step_s = draw(
        st.sampled_from(((1 / 120,), (1 / 30,), (1 / 250, 0.0), (0.004, 0.033, 0.15), (0.01, 0.07, 1.3)))
    )
    change = draw(st.sampled_from((1.0, 0.2, 0.03)))
    rows = running(count, t_s=50.0 + np.cumsum(rng.choice(step_s, count)))
    held = np.maximum.accumulate(np.where(rng.random(count) < change, np.arange(count), 0))
    for name in ("level_deg", "difference_deg", "left_last_deg", "right_last_deg"):
        rows[name] = np.where(rng.random(count) < 0.05, np.nan, rng.normal(0.0, 6.0, count))[held]
    rows["posture"] = rng.choice([0, 1, 2, 3, 3, 3, 3, 3], count)[held]
    rows["sides_sure"] = rng.choice([1, 1, 1, 1, 1, 1, 1, 1, 0, -1], count)[held]
    rows["left_steps"], rows["right_steps"] = rng.integers(2, 9, count)[held], rng.integers(2, 9, count)[held]
    rows["seen_s"] -= rng.choice([0.0, 0.0, 0.0, 0.05, 0.08, 0.3], count)[held]
    rows["step_s"] -= rng.choice([0.0, 0.4, 2.0], count)[held]
    return rows
