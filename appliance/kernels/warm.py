"""A cold kernel cache becomes a warm one in the time of its slowest half: two processes compile side by side.

Loading from a warm cache takes a fraction of a second and no second process. Where the cache cannot be written the
work is done here alone: slower, never a failure.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

_HERE = ("blobs", "lens", "gait", "light")
_BESIDE = "names"
"""About half of the work, compiled by a second process."""


def warm() -> None:
    """Load every kernel, compiling those that the cache does not have."""
    beside = None if _cached() else _second()
    for name in _HERE:
        importlib.import_module(f"appliance.kernels.{name}")
    if beside is not None:
        beside.wait()
    importlib.import_module(f"appliance.kernels.{_BESIDE}")


def _cached() -> bool:
    """Whether a cache is there at all (a stale one is found out by Numba, and then costs the time of one process)."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(__file__).parent / "__pycache__"] if folder is None else [*Path(folder).glob("*")]
    return any(next(place.glob(f"{_BESIDE}.settle-*.nbi"), None) for place in places)


def _second() -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            [sys.executable, "-c", f"import appliance.kernels.{_BESIDE}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
