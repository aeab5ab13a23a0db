"""Whole records of bytes become a file that is intact at every moment, whatever happens to the disk.

A record that does not fit is cut off again, so the file ends after the last whole one; a file that is written whole is
the old one or the new one at any instant, power cuts included. Refuses, with `OutputError`, what can't be opened or
written; never overwrites the file that is being read.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
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
    errno.EIO: "the disk or card is failing: copy what is on it and replace it",
}


def output_error(path: Path, error: OSError) -> OutputError:
    """What an operating system's error means for a file that was to be written, with what to do."""
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
            raise output_error(path, error) from None

    def write(self, records: bytes) -> None:
        """Adds whole records; on failure the file ends after the last whole write."""
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        try:
            _pour(self._fd, records)
        except OSError as error:
            self._cut()
            raise output_error(self.path, error) from None
        self._whole_bytes += len(records)

    def sync(self) -> None:
        """Returns when everything written is on the disk."""
        if self._fd is None:
            raise ValueError(f"{self.path} is closed")
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise output_error(self.path, error) from None

    def close(self) -> None:
        """Ends the file; closing twice is fine."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                os.close(fd)
            except OSError as error:
                raise output_error(self.path, error) from None

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


def write_whole(path: Path, data: bytes) -> None:
    """Puts `data` into a file so that a power cut at any instant leaves the old file or the new one, whole.

    When it returns, the new one is on the disk. Mode and owner of a file that is there are kept; a link is followed.
    What a cut leaves is one hidden file beside it, which the next write takes away.
    """
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name}.part")
    try:
        with _locked_new(part) as fd:
            try:
                _dress_as(path, fd)
                _pour(fd, data)
                os.fsync(fd)
                part.replace(path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        sync_folder(path.parent)
    except OSError as error:
        raise output_error(path, error) from None


def sync_folder(folder: Path) -> None:
    """Makes names that were given or taken away in a folder last; file systems that can't do that are let be."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


@contextlib.contextmanager
def _locked_new(part: Path) -> Iterator[int]:
    """A new, empty file that is ours alone until the end; what a cut left under its name is taken away."""
    while True:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)  # another writer of the same file is at it: its turn first
            if not _is(fd, part):
                continue  # that writer has given it its name by now
            if os.fstat(fd).st_size:
                part.unlink()
                continue
            yield fd
            return
        finally:
            os.close(fd)


def _is(fd: int, path: Path) -> bool:
    """Whether a name still means the file that is open."""
    try:
        return os.path.samestat(os.fstat(fd), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _dress_as(path: Path, fd: int) -> None:
    """Gives the open file the owner and mode of `path`, where that is there and as far as this user may."""
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(old.st_mode):
        raise OSError(errno.EISDIR if stat.S_ISDIR(old.st_mode) else errno.EINVAL, "Is no ordinary file")
    with contextlib.suppress(PermissionError):
        os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))


def _pour(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left) :]
