"""Its being here lets every folder of tests import `watching`: pytest puts this folder on the path."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The decoder reads this once, at its first use; tests also write videos, before the product has said it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

# The same examples at every run, and no failure for a machine that is busy.
settings.register_profile(
    "house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")
