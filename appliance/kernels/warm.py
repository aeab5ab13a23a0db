"""A cold kernel cache becomes a warm one in the time of its slowest half: two processes compile side by side.

The compiler's memory goes with them; this process only loads what they made. Loading from a warm cache takes a fraction
of a second and no other process. Where the cache cannot be written, the work is done once more here: slower, never a
failure.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

_HALVES = (("blobs", "light", "gait", "lens"), ("names",))
"""Two shares of about the same work (`names` brings `tracks` with it), and the order in which they are loaded."""

_AT_NO_PRIORITY = """\
import contextlib, os
with contextlib.suppress(OSError):
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
"""
"""The service is real-time and its children would be, too: a compiler ahead of all else stops a small machine."""


def warm() -> None:
    """Load every kernel, having had those compiled that the cache does not have."""
    if not _cached():
        _wait_for([child for child in map(_compiling, _HALVES) if child])
    for half in _HALVES:
        for name in half:
            importlib.import_module(f"appliance.kernels.{name}")


def _wait_for(children: list[subprocess.Popen[bytes]]) -> None:
    """Until they have ended; whoever breaks the waiting off ends them with it."""
    try:
        for child in children:
            child.wait()
    finally:
        for child in children:
            child.kill()


def _cached() -> bool:
    """Whether a cache is there at all (a stale one is found out by Numba, and then costs the time of one process)."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(__file__).parent / "__pycache__"] if folder is None else [*Path(folder).glob("*")]
    return any(next(place.glob("names.settle-*.nbi"), None) for place in places)


def _compiling(names: tuple[str, ...]) -> subprocess.Popen[bytes] | None:
    code = "\n".join([_AT_NO_PRIORITY, *(f"import appliance.kernels.{name}" for name in names)])
    try:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
