"""A frame of pixels becomes the colours of the bar: sight, motion and feedback in one, and nothing else.

Pure: no clock, file, thread or device. The same frames give the same updates, bit for bit, live or replayed.
Refuses frames of another size midway and times that do not advance, with `SourceError`.
"""

from __future__ import annotations

import math

import numpy as np

from appliance.config import Settings
from appliance.errors import SourceError
from appliance.feedback.bar import Feedback
from appliance.motion.gait import Motion
from appliance.records import F64, MOMENT, U8, Asymmetry, Frame, Keypoints, Shown, Step, Update
from appliance.sight.markers import Sight


class Pipeline:
    """The whole per-frame path; one instance a source, fed in the order of time."""

    def __init__(self, settings: Settings) -> None:
        self._sight = Sight(settings)
        self._motion = Motion(settings)
        self._feedback = Feedback(settings)
        self._size: tuple[int, int] | None = None
        self._last_s = -math.inf

    def feed(self, frame: Frame) -> Update:
        """What one frame brings, and the light it asks for."""
        self._admit(frame.luma.shape, frame.t_s)
        keypoints = self._sight.locate(frame)
        moments, steps = self._motion.advance(frame.t_s, keypoints.xy_px, keypoints.score, frame.row_s)
        leds, shown = self._feedback.light(moments)
        return Update(
            frame.seq, frame.t_s, keypoints, moments[0], steps, leds[0], shown[0], self._feedback.guard_acts
        )
