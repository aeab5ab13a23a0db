"""What the machine's clocks show becomes one value, so that a gap between two processes can be told.

Seconds; wall seconds since 1970, monotonic ones since the machine was switched on. Refuses nothing.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple


class Clocks(NamedTuple):
    """One moment. boot_id : the kernel's name for the time since power-on. clock_set : None = not known."""

    wall_s: float
    boot_id: str | None
    mono_s: float
    clock_set: bool | None


def clocks_now(clock_set: bool | None = None) -> Clocks:
    """Now."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = None
    return Clocks(time.time(), boot, time.monotonic(), clock_set)


def gap_s(before: Clocks, now: Clocks) -> float | None:
    """How long after; None where no clock can tell."""
    if before.boot_id and before.boot_id == now.boot_id:
        return max(0.0, now.mono_s - before.mono_s)
    passed_s = now.wall_s - before.wall_s
    return passed_s if before.clock_set and now.clock_set and passed_s >= 0.0 else None
