"""Chunks of frames as the loop makes them, with real movement in them, and what the files hold of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from appliance.records import MOMENT
from appliance.station.books import Chunk
from appliance.station.recording import TRACK, Header, Recording
from appliance.station.shelf import recordings
from appliance.station.wallclock import Note

HEADER = Header(software="hipbar test", width_px=480, height_px=640, rate_hz=120.0)
BOOT = "1f2e3d4c-0000-4000-8000-000000000000"
RATE = 120


def track(second: int, *, seen: bool = True, frames: int = RATE) -> np.ndarray:
    """One second of a runner: whole 4096ths of a pixel, as sight makes them, and nanoseconds of jitter."""
    rng = np.random.default_rng(second)
    made = np.zeros(frames, TRACK)
    made["seq"] = second * RATE + np.arange(frames)
    made["t_s"] = 1000.0 + made["seq"] / RATE + rng.integers(0, 50_000, frames) * 1e-9
    beat = np.sin(2 * np.pi * 2.7 * made["t_s"])[:, None, None]
    places = np.array([[200.0, 310.0], [280.0, 309.0], [230.0, 590.0], [255.0, 560.0]])
    made["xy_px"] = np.round((places + 12 * beat + rng.normal(0, 0.05, (frames, 4, 2))) * 4096) / 4096
    made["xy_px"][rng.random(frames) < 0.02, 3] = np.nan
    made["score"] = np.where(np.isnan(made["xy_px"][:, :, 0]), 0.0, 1.0)
    if not seen:
        made["xy_px"], made["score"] = np.nan, 0.0
    return made


def chunk(second: int, *, seen: bool = True, frames: int = RATE) -> Chunk:
    moments, leds = np.zeros(frames, MOMENT), np.zeros((frames, 60, 3), np.uint8)
    return Chunk(track(second, seen=seen, frames=frames), moments, (), leds, np.zeros(frames, np.uint8))


def stamp() -> Note:
    return Note(BOOT, 1000.0, 1_800_000_000.0, True)


def frames_of(path: Path) -> np.ndarray:
    """All frames of a recording."""
    recording = Recording(path)
    try:
        return np.concatenate(list(recording.tracks()))
    finally:
        recording.close()


def names(folder: Path) -> list[str]:
    return [path.name for path in recordings(folder)]
