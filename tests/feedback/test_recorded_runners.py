"""Real running, from marks to light: the modes are calm enough that the flash guard never has to act."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cases import MODES, settings

import appliance
from appliance.config import Settings
from appliance.pipeline import Pipeline
from appliance.records import Shown

TRIALS = Path(appliance.__file__).parent / "trials"
MARKS = {
    "rbds001_2.5mps": ("left_iliac_crest", "right_iliac_crest", "left_heel", "right_heel"),
    "rbds002_2.5mps": ("left_iliac_crest", "right_iliac_crest", "left_heel", "right_heel"),
    "ric_20160226": ("plate_left", "plate_right", "left_foot_1", "right_foot_1"),
}


def keypoints(trial: str, noise_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Times and (n, 4, 2) pixels of a level camera 2.5 m behind at hip height, 480 x 640, 700 px focal length."""
    data = np.genfromtxt(TRIALS / f"{trial}.csv", delimiter=",", names=True)
    names = MARKS[trial]
    x, y, z = (np.stack([data[f"{name}_{axis}_m"] for name in names], 1) for axis in "xyz")
    depth = y - np.nanmean(y[:, :2]) + 2.5
    across, up = x - np.nanmean(x[:, :2]), z - np.nanmean(z[:, :2])
    xy_px = np.stack([240 + 700 * across / depth, 220 - 700 * up / depth], 2)
    return data["t_s"].copy(), xy_px + np.random.default_rng(0).normal(0.0, noise_px, xy_px.shape)


@pytest.mark.parametrize("trial", MARKS)
@pytest.mark.parametrize("mode", MODES)
def test_a_recorded_runner_never_needs_the_guard(trial: str, mode: str) -> None:
    t_s, xy_px = keypoints(trial, 0.3)
    chosen = Settings(feedback=settings(mode=mode, slew_ms=150.0, fade_ms=200.0).feedback)
    pipeline = Pipeline(chosen)
    batch = pipeline.replay(t_s, xy_px, 0.0, (480, 640))
    assert pipeline.guard_acts == 0
    shown = Shown.OFF if mode == "off" else Shown.MEASUREMENT
    assert (batch.shown[len(t_s) // 2 :] == shown).all()
