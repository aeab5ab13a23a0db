"""A device's descriptor becomes this process's alone, or a sentence about who has it.

The lock (flock) is advisory: it keeps a second station away, whatever the driver itself would allow, and ends with the
process. Refuses with EBUSY.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path


def claim(fd: int) -> None:
    """Lock the device, or EBUSY."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from None


def holder(device: str) -> str | None:
    """Who uses a device, as "process 123 (hipbar)"; None when nobody does, or it can't be seen."""
    with contextlib.suppress(OSError):
        wanted = Path(device).stat()
        pid = _locker(wanted) or _opener(wanted)
        if pid:
            return process(Path(f"/proc/{pid}"))
    return None


def process(folder: Path) -> str:
    """The process of a folder in /proc, in words; a station by its own name."""
    words = _read(folder / "cmdline").split("\0")
    ours = any(Path(w).name == "hipbar" or w == "appliance.cli" for w in words)
    return f"process {folder.name} ({'hipbar' if ours else _read(folder / 'comm').strip() or 'gone'})"


def _read(file: Path) -> str:
    """A file of /proc; empty when the process has gone or may not be seen."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _locker(wanted: os.stat_result) -> int:
    """The process that holds a lock on the device; 0 = none. /proc/locks is there for every user to read."""
    major, minor = os.major(wanted.st_dev), os.minor(wanted.st_dev)
    file = f"{major:02x}:{minor:02x}:{wanted.st_ino}"
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        words = line.split()
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == file:
            return max(0, int(words[4]))
    return 0


def _opener(wanted: os.stat_result) -> int:
    """Another process that has the device open; 0 = none that this user may see."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for fd in (entry / "fd").iterdir():
                with contextlib.suppress(OSError):
                    found = fd.stat()
                    if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                        return int(entry.name)
    return 0
