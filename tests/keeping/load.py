"""A runner who comes and goes far faster than anybody runs: a load on a card, and the check of what was promised of it.

For whoever cuts the power meanwhile: needs the product and numpy, nothing else of the tests, so it can be copied into
a machine of its own. Every frame follows from its number, so that what is read back can be told to the last bit.

    promises: python load.py FOLDER SECONDS       a line on standard output as soon as something is surely on the disk
    check:    python load.py FOLDER --check LINE  with the last line that came; says what is wrong, exit code 1
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from appliance.errors import HipbarError
from appliance.records import MOMENT, TRACK
from appliance.station.archive import Archive
from appliance.station.books import Chunk
from appliance.station.recording import Header, Recording
from appliance.station.shelf import Shelf, recordings, survey
from appliance.station.wallclock import Note

HEADER = Header(software="hipbar test", width_px=480, height_px=640, rate_hz=120.0)
BOOT = "1f2e3d4c-0000-4000-8000-000000000000"
RATE = 120
Promise = dict[str, str | int]


def stamp() -> Note:
    """A boot that everybody knows."""
    return Note(BOOT, 1000.0, 1_800_000_000.0, True)


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
    """The same as the loop hands it to the books."""
    moments, leds = np.zeros(frames, MOMENT), np.zeros((frames, 60, 3), np.uint8)
    return Chunk(track(second, seen=seen, frames=frames), moments, (), leds, np.zeros(frames, np.uint8))


def come_and_go(
    folder: Path, promise: Callable[[Promise], None], until_s: float, *, limit_mb: float = 40.0, seed: int = 4
) -> None:
    """Visits of 1 to 40 seconds, written as fast as the disk takes them, until CLOCK_MONOTONIC is `until_s`."""
    chance, second = random.Random(seed), 0
    archive = Archive(folder, HEADER, limit_mb=limit_mb, reserve_mb=1.0, stamp=stamp)
    while time.monotonic() < until_s:
        stays = chance.randrange(1, 40)
        for now in range(second, second + stays):
            archive.keep(chunk(now))
            kept = archive.kept
            if kept.on and kept.file:
                promise(
                    {
                        "recording": kept.file,
                        "frames": kept.frames,
                        "first": second,
                        "last_seq": now * RATE + 119,
                    }
                )
        archive.keep(chunk(second + stays + 90, seen=False))
        second += stays + 100
    archive.close()


def broken(promise: Promise, folder: Path) -> list[str]:
    """After a cut and a restart: how much less is there than was promised, and what is wrong with the rest."""
    Shelf(folder, limit_mb=1e6, reserve_mb=0.0).prepare()
    path = folder / str(promise["recording"])
    wrong = [f"recording damaged: {other.name}" for other in recordings(folder) if not _sound(other)]
    if not path.exists():
        return [*wrong, f"recording gone: {path.name}"]
    got = _frames(path)
    if len(got) < int(promise["frames"]):
        wrong.append(
            f"recording shorter than promised: {path.name}, {len(got)} of {promise['frames']} frames"
        )
    seconds = range(int(promise["first"]), int(promise["first"]) + len(got) // RATE + 1)
    told = np.concatenate([track(second) for second in seconds])[: int(promise["frames"])]
    if got[: len(told)].tobytes() != told.tobytes():
        wrong.append(f"recording with other frames than promised: {path.name}")
    return wrong


def _sound(path: Path) -> bool:
    try:
        found = survey(path)
    except HipbarError:
        return False
    return found.ended and found.damaged_at is None


def _frames(path: Path) -> np.ndarray:
    try:
        recording = Recording(path)
    except HipbarError:
        return np.zeros(0, TRACK)
    got = [np.zeros(0, TRACK)]
    try:
        got.extend(recording.tracks())
    except HipbarError:
        pass
    finally:
        recording.close()
    return np.concatenate(got)


def main(words: list[str]) -> int:
    """Promises or checks."""
    folder = Path(words[0])
    if words[1] != "--check":
        come_and_go(
            folder, lambda promise: print(json.dumps(promise), flush=True), time.monotonic() + float(words[1])
        )
        return 0
    wrong = broken(json.loads(words[2]), folder)
    print("\n".join(wrong) or "everything that was promised is there")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
