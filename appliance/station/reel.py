"""One recording being written: each second of keypoints is on the disk when `add` returns, or it has failed.

The file is filled with zeros half a minute ahead. So a second is one page written in place and one flush, without the
file system's journal: 45 MB an hour reach an ext4 disk where appending writes 140 (docs/recordings.md). Whoever writes
a recording holds a lock on it. Refuses, with `OutputError`, what can't be written; the file then ends after the last
second that was acknowledged.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import zlib
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.output import output_error, sync_folder
from appliance.station import pages
from appliance.station.pages import PAGE, End, Ending
from appliance.station.recording import IN_PAGES, Header

_AHEAD = 32 * PAGE
_LOOKS, _LOOK_S = 50, 0.02  # somebody who lists recordings holds each of them for an instant


class Reel:
    """A new recording. acked_bytes : how much of it is surely on the disk; written_bytes : all that was sent there."""

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.frames = self.acked_bytes = self.written_bytes = 0
        self.first_t_s: float | None = None
        self.last_t_s: float | None = None
        self.last_seq: int | None = None
        page = pages.first_page(msgspec.json.encode(msgspec.structs.replace(header, version=IN_PAGES)))
        self._seed = zlib.crc32(page)
        self._filled = 0
        try:
            self._fd: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
        except OSError as error:
            raise output_error(path, error) from None
        try:
            _lock(self._fd)
            self._put(page)
            sync_folder(path.parent)
        except OSError as error:
            self.close()
            with contextlib.suppress(OSError):
                path.unlink()
            raise output_error(path, error) from None

    def add(self, track: NDArray[np.void]) -> None:
        """Writes frames, later than all before, and returns when they are on the disk."""
        try:
            for start in range(0, len(track), pages.MOST_RECORDS):
                self._put(pages.block(track[start : start + pages.MOST_RECORDS], self._seed))
            self._check_name()
        except OSError as error:
            self._cut_back()
            raise output_error(self.path, error) from None
        self.frames += len(track)
        if self.first_t_s is None:
            self.first_t_s = float(track["t_s"][0])
        self.last_t_s, self.last_seq = float(track["t_s"][-1]), int(track["seq"][-1])

    def end(self, how: Ending) -> None:
        """Writes how it ended, takes off what was filled ahead, and lets the file go."""
        try:
            self._put(
                pages.end_block(End(how, self.frames, self.first_t_s, self.last_t_s), self._seed), ahead=0
            )
            os.ftruncate(self._open(), self.acked_bytes)
            os.fsync(self._open())
        except OSError as error:
            self._cut_back()
            raise output_error(self.path, error) from None
        finally:
            self.close()

    def close(self) -> None:
        """Lets the file go as it is; closing twice is fine."""
        fd, self._fd = self._fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _open(self) -> int:
        if self._fd is None:
            raise OSError(errno.EBADF, "Is closed")
        return self._fd

    def _put(self, data: bytes, ahead: int = _AHEAD) -> None:
        """Whole pages after those that are there, with zeros after them where the file was not filled so far."""
        end = self.acked_bytes + len(data)
        if end > self._filled:
            data, self._filled = data + bytes(ahead), end + ahead
        left, at = memoryview(data), self.acked_bytes
        while left:
            done = os.pwrite(self._open(), left, at)
            left, at = left[done:], at + done
        os.fdatasync(self._open())
        self.acked_bytes, self.written_bytes = end, self.written_bytes + len(data)

    def _check_name(self) -> None:
        """A file that somebody has taken away would swallow everything without a word."""
        if not os.path.samestat(os.fstat(self._open()), self.path.stat(follow_symlinks=False)):
            raise FileNotFoundError(errno.ENOENT, "Was replaced by another file")

    def _cut_back(self) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._open(), self.acked_bytes)


def _lock(fd: int) -> None:
    for _ in range(_LOOKS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_LOOK_S)
    raise BlockingIOError(errno.EAGAIN, "Is held by another process")
