"""Its being here lets every folder of tests import `watching`: pytest puts this folder on the path."""

from __future__ import annotations

import os

# The decoder reads this once, at its first use; tests also write videos, before the product has said it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
