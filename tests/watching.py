"""A scene of the virtual camera becomes what the product saw of it, beside the truth; each scene is rendered once."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from appliance.config import Settings
from appliance.pipeline import Pipeline
from appliance.records import F64, Side, Step
from hw.camera import trials
from hw.camera.runner import Runner
from hw.camera.scene import Scene, settings
from hw.camera.virtual import VirtualCamera

EDGE_S = 0.15
"""Steps nearer to the end than this may not be decided yet."""


class Watched(NamedTuple):
    """Keypoints, moments and steps of one scene, and the true pixel of every mark.

    true_px : (n, 4, 2) sensor pixels, NaN for a mark not worn. shown : (n, 4) nothing stands before the mark.
    """

    scene: Scene
    t_s: F64
    xy_px: F64
    score: F64
    tracked: NDArray[np.bool_]
    moments: NDArray[np.void]
    steps: tuple[Step, ...]
    true_px: F64
    shown: NDArray[np.bool_]
    elevation_deg: F64

    @property
    def seen(self) -> NDArray[np.bool_]:
        return np.isfinite(self.xy_px[..., 0])

    @property
    def off_px(self) -> F64:
        """(n, 4) distance of every keypoint from its own mark; NaN where it is not seen."""
        return np.hypot(*np.moveaxis(self.xy_px - self.true_px, -1, 0))


@cache
def watch(scene: Scene, chosen: Settings | None = None) -> Watched:
    """Every frame of the scene through the whole pipeline; without settings those that fit the scene."""
    camera, pipeline = VirtualCamera(scene), Pipeline(chosen or settings(scene))
    marks = (*camera.pair, "left_heel", "right_heel")
    rows, moments, steps = [], [], []
    unseen = np.full(2, np.nan)
    for frame in camera.frames():
        assert frame is not None
        update = pipeline.feed(frame)
        steps += update.steps
        moments.append(update.moment)
        true, shown = camera.pixels(frame.t_s), camera.visible(frame.t_s)
        rows.append(
            (
                frame.t_s,
                update.keypoints.xy_px,
                update.keypoints.score,
                pipeline.tracked,
                [true.get(m, unseen) for m in marks],
                [shown.get(m, False) for m in marks],
            )
        )
    t_s, xy, score, tracked, true_px, visible = (np.array(column) for column in zip(*rows, strict=True))
    at_s = np.array([m["t_s"] for m in moments])
    return Watched(
        scene, t_s, xy, score, tracked, np.array(moments), tuple(steps), true_px, visible,
        camera.elevation_deg(at_s),
    )  # fmt: skip


class Compared(NamedTuple):
    """Steps against the truth: errors in seconds and degrees, one entry a step that was found."""

    true: int
    missed: int
    invented: int
    wrong: int
    contact_s: F64
    off_s: F64
    peak_deg: F64
    decided_s: F64


def compared(seen: Watched) -> Compared:
    """The steps of a scene against the force plate, or against the synthetic runner's own."""
    camera, last_s = VirtualCamera(seen.scene), float(seen.t_s[-1]) - EDGE_S
    left = list(seen.steps)
    found: list[tuple[float, float, float, float]] = []
    true = [s for s in true_steps(seen.scene) if s[1] > 0.05 and s[2] < last_s]
    missed = wrong = 0
    for stance, contact_s, off_s in true:
        step = next((s for s in left if abs(s.contact_s - contact_s) < 0.12), None)
        if step is None:
            missed += 1
            continue
        left.remove(step)
        wrong += step.stance is not stance
        sign = 1.0 if step.stance is Side.RIGHT else -1.0
        peak = float(np.max(sign * camera.elevation_deg(np.arange(contact_s, off_s, 1 / 300))))
        drop = math.nan if step.peak_drop_deg is None else step.peak_drop_deg
        found.append(
            (step.contact_s - contact_s, step.off_s - off_s, drop - peak, step.decided_s - step.off_s)
        )
    invented = sum(s.contact_s > 0.05 and s.off_s < last_s for s in left)
    columns = np.array(found).reshape(-1, 4).T
    return Compared(len(true), missed, invented, wrong, *columns)


def true_steps(scene: Scene) -> list[tuple[Side, float, float]]:
    """Stance, contact and off of every step: the force plate's, or known by construction."""
    if isinstance(scene.runner, Runner):
        steps = scene.runner.steps(0.0, scene.duration_s or 0.0)
    else:
        steps = trials.load(scene.runner).steps
    return [(s.stance, s.contact_s, s.off_s) for s in steps]


def rms(values: F64) -> float:
    """Root of the mean square of what is there."""
    return float(np.sqrt(np.nanmean(np.square(values))))


def keypoints(scene: Scene, noise_px: float = 0.05, seed: int = 1) -> tuple[F64, F64]:
    """(n,) times and (n, 4, 2) keypoints of a scene without drawing it: true pixels with a camera's noise."""
    camera = VirtualCamera(scene)
    t_s = np.arange(0.0, scene.duration_s or 1.0, 1 / scene.rate_hz)
    marks = (*camera.pair, "left_heel", "right_heel")
    unseen = np.full(2, np.nan)
    xy = np.array([[px.get(m, unseen) for m in marks] for px in map(camera.pixels, t_s)])
    for k, at_s in enumerate(t_s):
        seen = camera.visible(float(at_s))
        xy[k, [not seen.get(m, False) for m in marks]] = np.nan
    return t_s, xy + np.random.default_rng(seed).normal(0.0, noise_px, xy.shape)


def exchanged(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The same steps of the runner in the mirror."""
    other = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
    return tuple(replace(s, stance=other[s.stance]) for s in steps)
