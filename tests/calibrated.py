"""A station whose sides somebody has proved: without that its bar shows no figure."""

from __future__ import annotations

import tempfile
from pathlib import Path

from appliance.config import Settings
from appliance.station.calibration import FILE, committed, read_calibration, write_calibration


def prove_sides(state: Path, settings: Settings) -> Path:
    """The calibration of a station with these settings on which left was proved to be left; its file."""
    write_calibration(state, committed(read_calibration(state), settings, "sides", {}, {}, proves_sides=True))
    return state / FILE


def proof(settings: Settings) -> str:
    """The text of that file."""
    with tempfile.TemporaryDirectory() as folder:
        return prove_sides(Path(folder), settings).read_text(encoding="utf-8")
