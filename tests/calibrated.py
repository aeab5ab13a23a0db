"""A station whose sides somebody has proved: without that its bar shows no figure."""

from __future__ import annotations

from pathlib import Path

from appliance.config import Settings
from appliance.station.calibration import Calibration, committed, write_calibration


def prove_sides(state: Path, settings: Settings) -> Path:
    """The calibration of a station with these settings on which left was proved to be left; its file."""
    write_calibration(state, committed(Calibration(), settings, "sides", {}, {}, proves_sides=True))
    return state / "calibration.json"
