"""A recorded runner goes through the whole path, and what came out is printed: pixels, then keypoints.

Run by tests/test_uncompiled.py in a process of its own, with Numba switched off, and in its own process with it on.
"""

from __future__ import annotations

import json

import numpy as np

from appliance.config import Settings, parse
from appliance.pipeline import Pipeline
from appliance.records import plain
from hw.camera.scene import Scene
from hw.camera.virtual import VirtualCamera

SETTINGS = parse("strip.leds = 8")
PICTURES, KEYPOINTS = 40, 600


def pixels(settings: Settings) -> list[object]:
    """Every figure of some frames of pixels."""
    camera = VirtualCamera(Scene(width_px=240, height_px=320, dot_mm=24, duration_s=PICTURES / 120))
    pipeline, told = Pipeline(settings), []
    for frame in camera.frames():
        assert frame
        update = pipeline.feed(frame)
        told.append([update.keypoints.xy_px.tolist(), update.moment.tolist(), update.leds.tolist()])
    return told


def keypoints(settings: Settings) -> list[object]:
    """Every figure of some seconds of exact keypoints."""
    camera = VirtualCamera(Scene())
    times = np.arange(KEYPOINTS) / 120
    marks = (*camera.pair, "left_heel", "right_heel")
    xy = np.array([[at[mark] for mark in marks] for at in map(camera.pixels, times)])
    batch = Pipeline(settings).replay(times, xy, 0.0, camera.size)
    return [batch.moments.tolist(), [plain(step) for step in batch.steps], batch.leds.tolist()]


def everything() -> str:
    """All of it as one text; the same text means the same bits."""
    return json.dumps([pixels(SETTINGS), keypoints(SETTINGS)])


if __name__ == "__main__":
    print(everything())
