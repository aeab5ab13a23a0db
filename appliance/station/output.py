"""Whole records of bytes become a file that is intact at every moment, whatever happens to the disk.

A record that does not fit is cut off again, so the file ends after the last whole one. Refuses, with `OutputError`,
what can't be opened or written; never overwrites the file that is being read.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from appliance.errors import OutputError

_FIXES = {
    errno.ENOSPC: "make room on that disk, or name a file on another one",
    errno.EDQUOT: "make room in this user's quota, or name a file elsewhere",
    errno.EACCES: "name a file in a folder that this user may write to",
    errno.EPERM: "name a file in a folder that this user may write to",
    errno.EROFS: "that disk is read-only; name a file on another one",
    errno.ENOENT: "create the folder first, or mend the path",
    errno.ENOTDIR: "create the folder first, or mend the path",
    errno.EISDIR: "that is a folder; name a file in it",
}


def _error(path: Path, error: OSError) -> OutputError:
    fix = _FIXES.get(error.errno or 0, "name another file")
    return OutputError(f"{path}: can't be written: {error.strerror or error}", fix=fix)


class Output:
    """One file being written, record after record."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._whole_bytes = 0
        try:
            self._fd: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        except OSError as error:
            raise _error(path, error) from None

    def write(self, records: bytes) -> None:
        """Adds whole records; on failure the file ends after the last whole write."""
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        left = memoryview(records)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as error:
            self._cut()
            raise _error(self.path, error) from None
        self._whole_bytes += len(records)

    def close(self) -> None:
        """Ends the file; closing twice is fine."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                os.close(fd)
            except OSError as error:
                raise _error(self.path, error) from None

    def _cut(self) -> None:
        """Takes a half-written record off again; devices and pipes can't, and need not."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._whole_bytes)


def refuse_clashes(outputs: Iterable[Path], source: Path) -> None:
    """Refuses an output that is the source itself, or two outputs that are one file."""
    seen: dict[str, Path] = {os.path.realpath(source): source}
    for path in outputs:
        real = os.path.realpath(path)
        if real in seen and not real.startswith("/dev/"):
            what = "the source itself" if seen[real] is source else "named twice"
            raise OutputError(f"{path}: is {what}", fix="give every output a file of its own")
        seen.setdefault(real, path)
