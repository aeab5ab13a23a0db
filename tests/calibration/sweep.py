"""Many cameras, rooms and people become a table of the steps' errors: `python -m tests.calibration.sweep [STEP ...]`.

Every case is a scene with a truth of its own before a service that runs; the steps are the commands' own. What is
refused counts as refused; what is kept is held against the truth. Options: `--cases N` a step and camera, `--seed`.
Minutes: half a minute a case for the lens and the delay, 3 to 10 s for the others.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/calibration")]

import numpy as np  # noqa: E402

from tests.calibration import cases  # noqa: E402
from tests.calibration.hands import Bench, bench  # noqa: E402


class Camera(NamedTuple):
    """What is in the settings file of one camera, and its upright picture's height."""

    text: str
    height_px: int


CAMERAS = {
    "480x640 120": Camera("rate_hz = 120.0", 640),
    "640x480 200 rolling, turned": Camera(
        "width_px = 640\nheight_px = 480\nrate_hz = 200.0\nrow_us = 9.452\nrotate_deg = 90", 640
    ),
    "640x480 60 rolling, turned back, mirror": Camera(
        "width_px = 640\nheight_px = 480\nrate_hz = 60.0\nrow_us = 28.0\nrotate_deg = 270\nmirror = true", 640
    ),
    "480x640 30 on its head": Camera("rate_hz = 30.0\nrotate_deg = 180", 640),
    "1280x800 60 turned": Camera("width_px = 1280\nheight_px = 800\nrate_hz = 60.0\nrotate_deg = 90", 1280),
    "640x480 60 lying": Camera("width_px = 640\nheight_px = 480\nrate_hz = 60.0", 480),
}
STEPS: dict[str, Callable[[Bench, np.random.Generator, int], cases.Found]] = {
    "zero": cases.zero, "sides": cases.sides, "level": cases.level, "lens": cases.lens, "light": cases.light,
    "latency": cases.latency, "aim": cases.aim,
}  # fmt: skip


def main() -> None:
    """Prints a line for each case, and for each step the worst of what was kept."""
    asked = _asked()
    told: dict[str, list[cases.Found]] = {step: [] for step in asked.steps}
    for name, camera in CAMERAS.items():
        if asked.camera and asked.camera not in name:
            continue
        with tempfile.TemporaryDirectory() as scratch, bench(Path(scratch), camera.text) as station:
            for step in asked.steps:
                rng = np.random.default_rng([asked.seed, list(STEPS).index(step), list(CAMERAS).index(name)])
                for _ in range(asked.cases):
                    began_s = time.monotonic()
                    found = STEPS[step](station, rng, camera.height_px)
                    told[step].append(found)
                    print(f"{found.verdict:<8} {step:<8} {found.words}  <{name}; {found.case}>"
                          f" {time.monotonic() - began_s:.0f} s", flush=True)  # fmt: skip
    for step, found_all in told.items():
        print(step, _summary(found_all))


def _summary(found: list[cases.Found]) -> str:
    counts = {v: sum(one.verdict == v for one in found) for v in ("right", "refused", "WRONG")}
    names = sorted({name for one in found for name in one.errors})
    errors = {name: [abs(one.errors[name]) for one in found if name in one.errors] for name in names}
    worst = ", ".join(
        f"{name} rms {np.sqrt(np.mean(np.square(e))):.3f} worst {max(e):.3f}" for name, e in errors.items()
    )
    return f"{counts}  {worst}"


def _asked() -> Any:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", nargs="*", default=list(STEPS), choices=[*STEPS, []])
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--camera", help="Only cameras with this in their name.")
    return parser.parse_args()


if __name__ == "__main__":
    main()
