"""The log of a disk's writes becomes the disk as a power cut would have left it at any moment.

The log is QEMU's `blklogwrites` (the format of Linux's dm-log-writes): writes and flushes in the order in which they
were completed. A disk promises nothing about a write until a flush after it has returned, so at a cut each of the
writes that no flush covers yet is lost with probability `LOST`, and of those that are not every `TORN`th is torn: only
its first pages are there. A page, which is a block of the file system, is there or not: ext4 itself relies on that, and
refuses a journal whose commit block is half a block. Refuses a log that is none.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

LOST, TORN = 0.5, 8
SECTOR, PAGE = 512, 4096
_FLUSH, _FUA, _DISCARD = 1, 2, 4
_MAGIC = 0x6A736677736872
_SUPER, _ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")


class Entry(NamedTuple):
    """A write (or, without data, a flush, or a range that reads as zeros from now on)."""

    at: int
    size: int
    flags: int
    data: bytes

    @property
    def is_write(self) -> bool:
        """Whether it changes the disk."""
        return bool(self.size)

    @property
    def is_flush(self) -> bool:
        """Whether all that was written before it lasts when it has returned."""
        return bool(self.flags & _FLUSH)

    @property
    def lasts(self) -> bool:
        """Whether it is a write that lasts without a flush."""
        return bool(self.flags & _FUA)

    def onto(self, image: bytearray, size: int | None = None) -> None:
        """Does it; only to its first bytes if so many are named."""
        size = self.size if size is None else size
        image[self.at : self.at + size] = bytes(size) if self.flags & _DISCARD else self.data[:size]


class Cut(NamedTuple):
    """A disk after a cut behind entry `after`, and what has become of the writes that no flush had covered."""

    after: int
    image: bytearray
    kept: int
    lost: int
    torn: int


def read(path: Path) -> list[Entry]:
    """All entries of a log."""
    log = memoryview(path.read_bytes())
    magic, _, _, sector = _SUPER.unpack_from(log)
    if magic != _MAGIC or sector != SECTOR:
        raise ValueError(f"{path}: no log of a disk's writes")
    entries, at = [], sector
    while at + sector <= len(log):
        first, sectors, flags, _ = _ENTRY.unpack_from(log, at)
        if not (first or sectors or flags):
            break
        at += sector
        size = sectors * sector
        data = b"" if flags & _DISCARD else bytes(log[at : at + size])
        if len(data) < size and not flags & _DISCARD:
            break  # the machine ended while this was being logged: nobody was told that it is done
        entries.append(Entry(first * sector, size, flags, data))
        at += len(data)
    return entries


def under_way(entries: Sequence[Entry]) -> list[int]:
    """For a cut behind each entry: how many writes no flush has covered by then."""
    found, waiting = [], 0
    for entry in entries:
        waiting = 0 if entry.is_flush else waiting + (entry.is_write and not entry.lasts)
        found.append(waiting)
    return found


def cuts(start: bytes, entries: Sequence[Entry], after: Sequence[int], rng: random.Random) -> Iterator[Cut]:
    """The disk as it would be after a cut behind each of these entries, in rising order."""
    safe, done = bytearray(start), 0
    for last in sorted(after):
        flushed = next((i + 1 for i in range(last, done - 1, -1) if entries[i].is_flush), done)
        for entry in entries[done:flushed]:
            if entry.is_write:
                entry.onto(safe)
        done = flushed
        yield _cut(bytearray(safe), entries[done : last + 1], last, rng)


def _cut(image: bytearray, waiting: Sequence[Entry], last: int, rng: random.Random) -> Cut:
    kept = lost = torn = 0
    for entry in waiting:
        if not entry.is_write:
            continue
        if not entry.lasts and rng.random() < LOST:
            lost += 1
        elif not entry.lasts and entry.size > PAGE and not rng.randrange(TORN):
            entry.onto(image, rng.randrange(1, -(-entry.size // PAGE)) * PAGE)
            torn += 1
        else:
            entry.onto(image)
            kept += 1
    return Cut(last, image, kept, lost, torn)
