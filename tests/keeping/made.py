"""What the tests of keeping share: the runner of the load, and what the files hold of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from appliance.station.recording import Recording
from appliance.station.shelf import recordings
from tests.keeping.load import BOOT, HEADER, RATE, chunk, stamp, track

__all__ = ["BOOT", "HEADER", "RATE", "chunk", "frames_of", "names", "stamp", "track"]


def frames_of(path: Path) -> np.ndarray:
    """All frames of a recording; raises where it goes wrong."""
    recording = Recording(path)
    try:
        return np.concatenate(list(recording.tracks()))
    finally:
        recording.close()


def names(folder: Path) -> list[str]:
    """The recordings of a folder."""
    return [path.name for path in recordings(folder)]
