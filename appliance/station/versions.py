"""What is installed here becomes a few words: the program, what it stands on, and the machine's kind.

Nothing that tells one machine from another of its kind: no name, no serial number. Refuses nothing: what can't be had
is left out.
"""

from __future__ import annotations

import contextlib
import platform
from importlib import metadata
from pathlib import Path

PACKAGES = ("hipbar", "numpy", "numba", "llvmlite", "msgspec", "opencv-python-headless", "picamera2")


def installed() -> dict[str, str]:
    """Name and version of everything that a defect may depend on; takes some milliseconds."""
    found = {"python": platform.python_version(), "kernel": platform.release(), "machine": platform.machine()}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    with contextlib.suppress(OSError):
        found["system"] = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    with contextlib.suppress(OSError):
        found["board"] = Path("/proc/device-tree/model").read_bytes().strip(b"\0\n ").decode(errors="replace")
    return {name: version for name, version in found.items() if version}
