"""The table of delays put in and found, as docs/calibration.md has it: `python -m tests.calibration.delays`.

Each row is a service of its own at 120 frames a second, with an LED of its bar in view that is lit so late after the
write, frames whose stamps are so late, and rows so far apart; 100 trials each, about 50 s.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/calibration")]

CASES = (
    (0.0, 0.0, 0.0),
    (2.9, 4.0, 0.0),
    (7.0, 0.0, 0.0),
    (11.1, -2.0, 0.0),
    (31.0, 0.0, 12.0),
    (48.3, 1.7, 0.0),
)
"""Delay, lateness of the stamps (ms), microseconds a row."""


def row(folder: Path, delay_ms: float, late_ms: float, row_us: float) -> str:
    """One line of the table."""
    import worlds
    from walking import Place

    from tests.serving.conftest import Station

    class Fast(Place):
        def __init__(self) -> None:
            lamp = {"x_px": -120.0, "y_px": 180.0, "led": 5, "delay_ms": delay_ms}
            self.scene = worlds.world(folder, act="away", lamp=lamp, stamp_late_ms=late_ms)
            camera = (
                f'[camera]\nsource = "virtual"\nscene = "{self.scene}"\nrate_hz = 120.0\nrow_us = {row_us}\n'
            )
            self.station = Station(folder, camera)
            self.log = (folder / "log").open("w")
            self.station.start(stderr=self.log)
            self.station.status(lambda status: status.frames > 120)

        def told(self, *words: str) -> object:
            import subprocess

            import msgspec

            words = (*words, "--json")
            done = subprocess.run(
                self.words(*words), cwd=ROOT, env=self.env, capture_output=True, check=False
            )
            return msgspec.json.decode(done.stdout)

    place = Fast()
    try:
        told = place.told("latency", "--yes", "--seed", "1")
    finally:
        place.close()
    wire, figures = told["figures"]["wire"], told["figures"]  # type: ignore[index]
    return (
        f"| {delay_ms:g} | {late_ms:g} | {row_us:g} | {wire['median_ms']:.2f} ({wire['low_ms']:.2f} to"
        f" {wire['high_ms']:.2f}) | {wire['median_ms'] - delay_ms - late_ms:+.2f} | {figures['age_ms']:.1f} |"
        f" {figures['seen']} of {figures['trials']} |"
    )


if __name__ == "__main__":
    for case in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            print(row(Path(scratch), *case), flush=True)
