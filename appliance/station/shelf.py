"""A folder of recordings: their names, how each of them ended, what a power cut left, and room for the next one.

Names are sortable numbers with the boot that made them, `rec-000042-1f2e3d4c.hbk`: no clock is trusted. Megabytes are
10^6 bytes. Only files with such names are ever touched. Refuses, with `OutputError`, to go on without the free room
that was asked for, and what the file system refuses.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import zlib
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from appliance.errors import OutputError, SourceError
from appliance.output import output_error, sync_folder
from appliance.records import TRACK
from appliance.station import pages
from appliance.station.pages import PAGE, End, Ending
from appliance.station.recording import IN_PAGES, SUFFIX, Header, Recording

MOST_FILES = 10_000
"""However small they are, no more recordings than this are kept."""

MB = 1_000_000
_MENDED = 20  # as many of the newest are looked at after a start: a cut leaves one, a card that failed at times some
_NAME = re.compile(rf"rec-(\d{{6,}})-[0-9a-f]{{8}}\{SUFFIX}")
_HEADER_BYTES = 65536


class Survey(msgspec.Struct, frozen=True):
    """What a recording holds. end : its last page, or what was found instead (`Ending.CUT`); good_bytes : whole blocks.

    damaged_at : where something is that is no block although whole ones follow it, or that nothing can mend.
    """

    header: Header
    end: End
    good_bytes: int
    ended: bool
    damaged_at: int | None = None


class Shelf:
    """The recordings of a folder, oldest first; the folder is made when it is missing (its parent is not)."""

    def __init__(self, folder: Path, *, limit_mb: float, reserve_mb: float) -> None:
        self.folder = folder
        self._limit, self._reserve = int(limit_mb * MB), int(reserve_mb * MB)
        self._last_number = 0

    @property
    def longest_bytes(self) -> int:
        """A single recording is never longer than a quarter of what all of them may take."""
        return max(64 * PAGE, self._limit // 4)

    def check(self, more_mb: float = 0.0) -> None:
        """Refuses when less is free than the reserve and `more_mb`, and where nothing can be written."""
        try:
            disk = os.statvfs(self.folder)
        except OSError as error:
            raise output_error(self.folder, error) from None
        if disk.f_flag & os.ST_RDONLY:
            raise output_error(self.folder, OSError(errno.EROFS, os.strerror(errno.EROFS)))
        free = disk.f_bavail * disk.f_frsize
        if free < self._reserve + more_mb * MB:
            raise OutputError(
                f"{self.folder}: {free / MB:,.0f} MB free; recordings need {self._reserve / MB + more_mb:,.0f} MB",
                fix="make room on that disk, or set service.reserve_mb lower",
            )

    def prepare(self, more_mb: float = 0.0) -> None:
        """Makes the folder, finishes what a cut left, and makes room for so much; refuses as `check` does."""
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(mode=0o750)
                sync_folder(self.folder.parent)
            for path in recordings(self.folder)[-_MENDED:]:
                with contextlib.suppress(
                    OSError
                ):  # an old file that can't be mended keeps no new one from being made
                    mend(path)
            self.prune(more_mb=more_mb)
        except OSError as error:
            raise output_error(self.folder, error) from None
        self.check(more_mb)

    def prune(self, writing: Path | None = None, more_mb: float = 0.0) -> None:
        """Takes the oldest recordings away until all together, with the one being written, are within the limit.

        For the reserve's sake they go too, but never the newest tenth of the limit: what else fills a disk must not
        cost all recordings.
        """
        files = [path for path in recordings(self.folder) if path != writing]
        sizes = [_size(path) for path in files]
        total = sum(sizes) + (_size(writing) if writing else 0)
        left, gone = len(files), 0
        lacking = self._reserve + more_mb * MB - self._free_bytes()
        while gone < len(files) and (
            total > self._limit
            or left - gone >= MOST_FILES
            or (lacking > 0 and total - sizes[gone] >= self._limit // 10)
        ):
            files[gone].unlink(missing_ok=True)
            total -= sizes[gone]
            lacking -= sizes[gone]
            gone += 1
        if gone:
            sync_folder(self.folder)

    def _free_bytes(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize

    def next_path(self, boot_id: str) -> Path:
        """A name after all that are there, and after all that this object gave out."""
        there = recordings(self.folder)
        newest = _NAME.fullmatch(there[-1].name) if there else None
        self._last_number = max(self._last_number, int(newest[1]) if newest else 0) + 1
        boot = re.sub("[^0-9a-f]", "", boot_id.lower())[:8].ljust(8, "0")
        return self.folder / f"rec-{self._last_number:06d}-{boot}{SUFFIX}"


def recordings(folder: Path) -> list[Path]:
    """The recordings of a folder in the order in which they were made; none where the folder is missing."""
    try:
        found = [(int(m[1]), path) for path in folder.iterdir() if (m := _NAME.fullmatch(path.name))]
    except FileNotFoundError:
        return []
    return [path for _, path in sorted(found)]


def survey(path: Path) -> Survey:
    """What a recording holds: from its last page, or where that is missing from every block. Refuses no recordings."""
    recording = Recording(path)
    try:
        header = recording.header
        if header.version != IN_PAGES:
            return _of_plain(recording)
        with path.open("rb") as file:
            seed = zlib.crc32(file.readline(_HEADER_BYTES))
            return _of_end(file, header, seed) or _of_blocks(file, header, seed)
    except OSError as error:
        raise SourceError(
            f"{path}: can't be read: {error.strerror}", fix="check the card, and who may read the file"
        ) from None
    finally:
        recording.close()


def mend(path: Path) -> bool:
    """Ends a recording that a power cut broke off after its last whole block; True when there was something to do.

    One that is being written, is whole, or has damage before whole blocks is let be. One without any frame goes.
    """
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    with os.fdopen(fd, "r+b") as file:
        if not _free(file):
            return False
        try:
            found = survey(path)
        except SourceError:
            return _drop_empty(path, file)
        if found.damaged_at is not None or found.header.version != IN_PAGES:
            return False
        if not found.end.frames:
            return _drop_empty(path, file)
        if found.ended and found.good_bytes == _size(path):
            return False
        _finish(file, found)
    return True


def being_written(path: Path) -> bool:
    """Whether somebody is writing a recording now."""
    try:
        with path.open("rb") as file:
            return not _free(file)
    except OSError:
        return False


def _free(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _finish(file: BinaryIO, found: Survey) -> None:
    """Takes off what follows the last whole block, and says on a last page that it was cut, unless there is one."""
    file.seek(0)
    seed = zlib.crc32(file.readline(_HEADER_BYTES))
    file.truncate(found.good_bytes)
    if not found.ended:
        file.seek(found.good_bytes)
        file.write(pages.end_block(found.end, seed))
        file.flush()
    os.fsync(file.fileno())


def _drop_empty(path: Path, file: BinaryIO) -> bool:
    """A file in which nothing can have been acknowledged goes; damage that may hide something stays as it is."""
    file.seek(PAGE)
    if any(file.read()):
        return False
    path.unlink(missing_ok=True)
    return True


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def _of_end(file: BinaryIO, header: Header, seed: int) -> Survey | None:
    """By the last page alone, when it is there."""
    size = file.seek(0, os.SEEK_END)
    with contextlib.suppress(pages.Torn, pages.Damaged):
        block = pages.read_block(file, max(0, size - PAGE), seed)
        if block and block.is_end:
            return Survey(header, block.end(), size, ended=True)
    return None


def _of_blocks(file: BinaryIO, header: Header, seed: int) -> Survey:
    """By all blocks, up to the first that is none; whether whole ones follow that tells damage from a torn end."""
    file.seek(0)
    at, frames, wrong = len(file.readline(_HEADER_BYTES)), 0, None
    first = last = None
    try:
        while (block := pages.read_block(file, at, seed)) and not block.is_end:
            times = _times(block)
            first = times[0] if first is None else first
            last, at, frames = times[1], block.next_at, frames + block.count
        if block:
            return Survey(header, block.end(), block.next_at, ended=True)
    except (pages.Torn, pages.Damaged) as bad:
        wrong = bad.at if _whole_after(file, bad.at, seed) else None
    return Survey(header, End(Ending.CUT, frames, first, last), at, ended=False, damaged_at=wrong)


def _times(block: pages.Block) -> tuple[float, float]:
    times = np.frombuffer(block.records(), TRACK)["t_s"]
    return float(times[0]), float(times[-1])


def _whole_after(file: BinaryIO, at: int, seed: int) -> bool:
    size = file.seek(0, os.SEEK_END)
    for start in range(at - at % PAGE + PAGE, size, PAGE):
        with contextlib.suppress(pages.Torn, pages.Damaged):
            if pages.read_block(file, start, seed):
                return True
    return False


def _of_plain(recording: Recording) -> Survey:
    """A recording that was made by hand (`--record`): it has no end page, so all of it is read."""
    frames, first, last, wrong = 0, None, None, None
    try:
        for track in recording.tracks():
            first = float(track["t_s"][0]) if first is None else first
            last, frames = float(track["t_s"][-1]), frames + len(track)
    except SourceError:
        wrong = frames
    end = End(Ending.STOPPED if wrong is None else Ending.CUT, frames, first, last)
    return Survey(recording.header, end, recording.bytes_total, ended=wrong is None)
