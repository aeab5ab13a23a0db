"""What comes after the steps is right: peaks with the light that was chosen, a bar that looks ahead by the delay."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from appliance.calibration.light import (
    Light,
    Limits,
    at_the_end,
    contrast,
    following,
    good,
    joined,
    seen,
    shared,
)
from appliance.calibration.spots import bright_spots
from appliance.config import Settings
from appliance.pipeline import Pipeline
from appliance.records import Frame, Side, Step
from hw.camera.runner import Runner
from hw.camera.scene import Scene, settings
from hw.camera.virtual import VirtualCamera

RUNNER = Runner(pair_width_m=0.12, left_peak_drop_deg=3.0, right_peak_drop_deg=7.0)
RATE_HZ = 120.0
START = Light(1500.0, 4.0)
LIMITS = Limits(rate_hz=RATE_HZ, px_per_m=256.0)


def _lit(camera: VirtualCamera, light: Light) -> tuple[Light, int]:
    """The light and the threshold that the step would choose for this camera; four marks are in view."""
    for _ in range(14):
        camera.expose(light.exposure_us, light.gain)
        told = []
        for _ in range(3):
            frames = camera.frames()
            luma = next(frames).luma  # type: ignore[union-attr]
            spots = bright_spots(luma)
            told.append(seen(luma, spots, spots[:4]))
        dots = joined(told)
        wanted = shared(light.product, LIMITS) if good(dots) else following(light, dots, LIMITS)
        if at_the_end(light, wanted) and abs(wanted.exposure_us - light.exposure_us) < 20:
            break
        light = wanted
    return light, contrast(dots)


def _peaks(scene: Scene, light: Light, believed: Settings, seconds: float = 4.0) -> tuple[list[Step], float]:
    """The steps of a run under this light, and the share of frames with the pelvis seen."""
    camera, pipeline = VirtualCamera(scene), Pipeline(believed)
    camera.expose(light.exposure_us, light.gain)
    steps: list[Step] = []
    whole = 0
    frames = camera.frames()
    for _ in range(round(seconds * RATE_HZ)):
        frame = next(frames)
        assert isinstance(frame, Frame)
        update = pipeline.feed(frame)
        steps += update.steps
        whole += bool(np.isfinite(update.keypoints.xy_px[:2]).all())
    return steps, whole / (seconds * RATE_HZ)


def _spread(steps: list[Step]) -> float:
    """How much the peaks of one side differ from step to step; the true ones do not."""
    sides = [
        [s.peak_drop_deg for s in steps if s.stance is side and s.peak_drop_deg is not None] for side in Side
    ]
    return float(np.mean([np.std(peaks) for peaks in sides]))


@pytest.mark.parametrize(("dot_level", "background"), [(4000.0, 400.0), (25.0, 3.0)])
def test_drops_are_right_with_the_light_that_was_chosen(dot_level: float, background: float) -> None:
    scene = Scene(plate_dots=2, runner=RUNNER, dot_level=dot_level, background=background)
    base = settings(scene)
    light, threshold = _lit(VirtualCamera(scene), START)
    sight = msgspec.structs.replace(base.sight, contrast=threshold)
    steps, share = _peaks(scene, light, msgspec.structs.replace(base, sight=sight))
    assert share > 0.99
    for side, truth in ((Side.LEFT, 3.0), (Side.RIGHT, 7.0)):
        peaks = [s.peak_drop_deg for s in steps if s.stance is side and s.peak_drop_deg is not None]
        assert len(peaks) >= 3
        assert np.mean(peaks) == pytest.approx(truth, abs=0.3)
    assert _spread(steps) < 0.15


def test_burnt_out_dots_make_drops_scatter_and_the_chosen_light_does_not() -> None:
    scene = Scene(plate_dots=2, runner=RUNNER, dot_level=4000.0, background=400.0)
    light, _ = _lit(VirtualCamera(scene), START)
    burnt, chosen = (_spread(_peaks(scene, one, settings(scene))[0]) for one in (START, light))
    assert burnt > 0.1
    assert chosen < 0.04


def test_light_that_looks_ahead_by_the_measured_delay_shows_the_tilt_of_its_own_moment() -> None:
    delay_ms = 24.0
    scene = Scene(plate_dots=2, runner=RUNNER)
    late_ms = {}
    for predict_ms in (0.0, delay_ms):
        base = settings(scene)
        feedback = msgspec.structs.replace(base.feedback, predict_ms=predict_ms)
        pipeline, camera = Pipeline(msgspec.structs.replace(base, feedback=feedback)), VirtualCamera(scene)
        frames = camera.frames()
        moments = [pipeline.feed(next(frames)).moment for _ in range(round(4 * RATE_HZ))]  # type: ignore[arg-type]
        told = np.array(moments)[round(RATE_HZ) :]
        late_ms[predict_ms] = _late_ms(told["level_deg"], told["t_s"] + delay_ms / 1e3)
    assert late_ms[0.0] == pytest.approx(delay_ms, abs=3.0)
    assert abs(late_ms[delay_ms]) < 0.5 * delay_ms  # a straight line can't follow each bend


def _late_ms(level_deg: np.ndarray, lit_s: np.ndarray) -> float:
    """By how much what is lit at these times trails behind the runner: the shift that fits best."""
    shifts_ms = np.arange(-30.0, 60.0, 0.5)
    off = [np.mean((level_deg - RUNNER.obliquity_deg(lit_s - ms / 1e3)) ** 2) for ms in shifts_ms]
    return float(shifts_ms[int(np.argmin(off))])
