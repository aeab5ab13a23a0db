"""Frames of a runner who stands still become the standing zero, in degrees: the mean obliquity, right side up positive.

The placing of the marks tilts their line by degrees; what is seen standing level is subtracted from then on. Refuses to
name a zero from too little: without enough measured frames it is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from appliance.pipeline import Pipeline
from appliance.records import Frame
from appliance.station.loop import Camera, Stop, Strip

_LEAST_FRAMES = 30
_SETTLE_S = 0.2


def standing_zero(
    frames: Iterator[Frame | None],
    camera: Camera,
    strip: Strip,
    pipeline: Pipeline,
    *,
    seconds: float,
    stop: Stop,
) -> float | None:
    """Watches for so many seconds of the camera's time; `pipeline` must be one that subtracts nothing."""
    first_s = math.nan
    total, count = 0.0, 0
    for frame in frames:
        if stop():
            break
        if frame is None:
            strip.show(pipeline.idle(camera.now_s())[0])
            continue
        first_s = frame.t_s if math.isnan(first_s) else first_s
        update = pipeline.feed(frame)
        strip.show(update.leds)
        tilt_deg = float(update.moment["obliquity_deg"])
        if frame.t_s - first_s >= _SETTLE_S and math.isfinite(tilt_deg):
            total, count = total + tilt_deg, count + 1
        if frame.t_s - first_s >= seconds:
            break
    return total / count if count >= _LEAST_FRAMES else None
