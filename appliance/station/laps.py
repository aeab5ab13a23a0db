"""The times at which one frame passes each stage become quantiles of where its time goes.

Seconds in, milliseconds out; the last 1,024 frames. The loop's thread writes, any other may ask. Refuses nothing.
"""

from __future__ import annotations

import time

import numpy as np

from appliance.station.told import Ages, Stages

ROWS = 1024
_STAGES = ("camera", "sight", "motion", "feedback", "strip", "total")
_SHARES = (50.0, 95.0, 99.0, 100.0)


class Laps:
    """A stop watch: `start`, then `lap` after each of sight, motion, feedback and strip, then `end`."""

    def __init__(self) -> None:
        self._rows = np.empty((ROWS, len(_STAGES)))
        self._count = self._at = 0
        self._marks = [0.0] * 5

    def start(self) -> None:
        """A frame has come."""
        self._marks[0] = time.perf_counter()
        self._at = 1

    def lap(self) -> None:
        """A stage is over."""
        self._marks[self._at] = time.perf_counter()
        self._at += 1

    def end(self, age_s: float) -> float:
        """The light is out, `age_s` after the frame's stamp; how long computing took, seconds."""
        start, sight, motion, feedback, strip = self._marks
        row = self._rows[self._count % ROWS]
        row[0], row[1], row[2] = age_s - (strip - start), sight - start, motion - sight
        row[3], row[4], row[5] = feedback - motion, strip - feedback, age_s
        self._count += 1
        return feedback - start

    def stages(self) -> Stages:
        """Quantiles of each stage; empty before the first frame."""
        rows = self._rows[: min(self._count, ROWS)]
        if not len(rows):
            return Stages()
        found = np.percentile(rows, _SHARES, axis=0).T * 1e3
        ages = {
            name: Ages(**dict(zip(("p50", "p95", "p99", "max"), map(float, row), strict=True)))
            for name, row in zip(_STAGES, found.round(4), strict=True)
        }
        return Stages(**ages)
