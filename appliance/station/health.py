"""A status becomes one line for the journal each minute: what the station does, how fresh its light is, how it is.

Frames a second, milliseconds, megabytes, Celsius. What is not known is left out. Refuses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.station.status import Keeping, Machine, Status, size


def health_line(status: Status) -> str:
    """One line, which the journal puts "health: " before; what is not known is left out."""
    return ", ".join(re.sub(r"\s+", " ", part) for part in _parts(status))


def _parts(status: Status) -> Iterator[str]:
    yield status.state
    if status.rate_hz is not None:
        yield f"{status.rate_hz:.1f} frames/s"
    yield f"{status.lost:,} lost"
    ages = status.light_age_ms
    if ages.p50 is not None and ages.p99 is not None:
        yield f"light p50 {ages.p50:.1f} p99 {ages.p99:.1f} ms"
    if status.strip_faults:
        yield f"{status.strip_faults:,} strip faults"
    if status.memory_mb is not None:
        yield f"{status.memory_mb:.0f} MB"
    yield from _machine_parts(status.board)
    yield _recording_part(status.recording)
    if status.board.clock_synchronised is not None:
        yield "clock set" if status.board.clock_synchronised else "clock not set"
    if status.safe_settings:
        yield "safe settings"
    yield from status.troubles


def _machine_parts(board: Machine) -> Iterator[str]:
    if board.temperature_c is not None:
        yield f"{board.temperature_c:.0f} C"
    yield from board.throttled or (("under-voltage",) if board.under_voltage else ())
    if board.disk_free_mb is not None:
        yield f"disk {size(board.disk_free_mb)}"


def _recording_part(recording: Keeping) -> str:
    if recording.on:
        return f"recording {recording.mb or 0:.1f} MB"
    return f"not recording: {recording.trouble}" if recording.trouble else "not recording"
