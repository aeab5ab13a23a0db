"""Each frame's keypoints become a row in a ring of the last ten seconds, which outlives the process that wrote it.

The ring is a file in memory, mapped: no call, no copy to a disk, and whatever ends the process (SIGKILL, the watchdog,
a segmentation fault) leaves what was written. Times are seconds on the camera's clock (`started_s`: CLOCK_MONOTONIC).
Rows and words carry checksums: what was torn by the end is recognised and left out. Whoever writes holds a lock, so a
living station's ring is never taken for a wreck. Refuses nothing: without its file a `Flight` is one warning, and then
silent.

    words     2 slots of 4096 bytes, written in turn: length, CRC-32, number; then a `Head` as JSON
    settings  65536 bytes: length, CRC-32, text
    ring      `rows` times 136 bytes (`ROW`)
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import math
import mmap
import os
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.records import TRACK, Update
from appliance.station.recording import Header
from appliance.station.status import process_state
from appliance.station.wallclock import this_boot

FILE = "flight"
FORMAT = "hipbar-flight"
VERSION = 1
LAST_S = 10.0
ROW = np.dtype([("track", TRACK), ("lit_s", "<f8"), ("number", "<u8"), ("shown", "<u4"), ("crc", "<u4")])
"""One frame: its keypoints, when its light was out (NaN = not told), how many rows came before, `Shown`, CRC-32."""

_SLOT, _SLOTS = 4096, 2
_TEXT_AT = _SLOT * _SLOTS
_TEXT = 65536
_ROWS_AT = _TEXT_AT + _TEXT
_MOST_ROWS = 8192
_MOST_WORDS = 400
_SEAL = struct.Struct("<IIQ")  # length, CRC-32, number
_CRC = struct.Struct("<I")
_pack, _pack_crc = struct.Struct("<qd64s32sdQI").pack, _CRC.pack  # a `ROW` but for its last field, and that
_ROW = ROW.itemsize
_log = logging.getLogger("hipbar.station")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Who flies. state : in words, as last said; ended : in order. header : of the keypoints, once they are known."""

    format: str = FORMAT
    version: int = VERSION
    boot_id: str | None = None
    pid: int = 0
    process_start: int | None = None
    software: str = ""
    settings_sha256: str = ""
    started_s: float = 0.0
    said_s: float = 0.0
    state: str = ""
    rows: int = 0
    ended: bool = False
    header: Header | None = None


class Wreck(msgspec.Struct, frozen=True):
    """What a process left that did not end in order. track, lit_s, shown : the last frames, oldest first.

    torn : rows that were half-written at the end. settings_text : as in force then, "" if it can't be read.
    """

    head: Head
    track: NDArray[np.void]
    lit_s: NDArray[np.float64]
    shown: NDArray[np.uint32]
    torn: int
    settings_text: str


class Flight:
    """The recorder of this process. `rate_hz` sets how many rows ten seconds are."""

    def __init__(self, path: Path, rate_hz: float, *, software: str = "", settings_text: str = "") -> None:
        self.trouble: str | None = None
        self._ring: mmap.mmap | None = None
        self._path, self._count, self._slot = path, 0, 0
        self._rows = math.ceil(min(_MOST_ROWS, max(1.0, LAST_S * rate_hz)))  # a rate that is none: one row
        text = settings_text.encode(errors="replace")
        self._head = Head(
            boot_id=boot_id(),
            pid=os.getpid(),
            process_start=process_state("self")[1],
            software=_words(software),
            settings_sha256=hashlib.sha256(text).hexdigest() if text else "",
            started_s=time.monotonic(),
            rows=self._rows,
        )
        try:
            self._ring = _new(path, _ROWS_AT + self._rows * _ROW)
            self._seal(_TEXT_AT, text[: _TEXT - _SEAL.size], 0)
            self._write_head()
        except OSError as error:
            self._give_up(error.strerror or str(error))

    def note(self, update: Update, lit_s: float = math.nan) -> None:
        """One frame, after its light: some 2 us, whatever the machine's disks do."""
        ring = self._ring
        if ring is None:
            return
        count, marks = self._count, update.keypoints
        seen, scores = marks.xy_px.tobytes(), marks.score.tobytes()
        row = _pack(update.seq, update.t_s, seen, scores, lit_s, count, update.shown)
        at = _ROWS_AT + count % self._rows * _ROW
        try:
            ring[at : at + _ROW] = row + _pack_crc(zlib.crc32(row))
        except (ValueError, IndexError) as error:
            self._give_up(str(error))
        self._count = count + 1

    def say(self, state: str) -> None:
        """What the station does now, in words; nothing is written while they stay the same."""
        words = _words(state)
        if words != self._head.state:
            self._head = msgspec.structs.replace(self._head, state=words, said_s=time.monotonic())
            self._write_head()

    def carry(self, header: Header) -> None:
        """What the keypoints are of: picture, mount and lens, so that they can be replayed."""
        self._head = msgspec.structs.replace(self._head, header=header)
        self._write_head()

    def landed(self, state: str = "ended in order") -> None:
        """This process ends in order: what it leaves is no wreck. Landing twice is fine."""
        if self._ring is not None:
            self._head = msgspec.structs.replace(self._head, ended=True, state=_words(state))
            self._write_head()
            self._close()

    def _write_head(self) -> None:
        if self._ring is not None:
            data = msgspec.json.encode(self._head)
            if len(data) > _SLOT - _SEAL.size:
                data = msgspec.json.encode(msgspec.structs.replace(self._head, header=None))
            self._seal(self._slot % _SLOTS * _SLOT, data, self._slot + 1)
            self._slot += 1

    def _seal(self, at: int, data: bytes, number: int) -> None:
        assert self._ring is not None
        sealed = _SEAL.pack(len(data), zlib.crc32(data), number) + data
        self._ring[at : at + len(sealed)] = sealed

    def _give_up(self, why: str) -> None:
        self.trouble = f"{self._path}: no flight recorder: {why}"
        _log.warning("%s: a crash would leave no keypoints", self.trouble)
        self._close()

    def _close(self) -> None:
        ring, self._ring = self._ring, None
        if ring is not None:
            ring.close()


def left_behind(path: Path) -> Wreck | None:
    """What a process left that did not end in order; None when there is nothing, or its writer lives."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            data = file.read(_ROWS_AT + _MOST_ROWS * _ROW)
    except OSError:
        return None
    head = _newest_head(data)
    if head is None or head.ended:
        return None
    rows, torn = _whole_rows(data[_ROWS_AT:], head.rows)
    text = _sealed(data[_TEXT_AT:_ROWS_AT])
    return Wreck(
        head=head,
        track=rows["track"].copy(),
        lit_s=rows["lit_s"].copy(),
        shown=rows["shown"].copy(),
        torn=torn,
        settings_text="" if text is None else text[1].decode(errors="replace"),
    )


def boot_id() -> str | None:
    """The kernel's name for this boot."""
    return this_boot() or None


def _words(text: str) -> str:
    """Cut to what a slot holds, and without halves of characters, which no JSON takes."""
    return text[:_MOST_WORDS].encode(errors="replace").decode()


def _new(path: Path, size: int) -> mmap.mmap:
    """A new file of zeros with all its room taken, so that a full memory is an error now and no signal later."""
    with contextlib.suppress(FileNotFoundError):
        old = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            fcntl.flock(old, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held: another station flies
            path.unlink()
        finally:
            os.close(old)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fallocate(fd, 0, size)
        populated = mmap.MAP_SHARED | mmap.MAP_POPULATE  # no page is missing later, in the loop
        return mmap.mmap(fd, size, flags=populated)  # keeps the lock: it holds the file open
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _sealed(data: bytes) -> tuple[int, bytes] | None:
    """Number and content of what was sealed; None when it is torn or was never written."""
    if len(data) < _SEAL.size:
        return None
    length, crc, number = _SEAL.unpack_from(data)
    content = data[_SEAL.size : _SEAL.size + length]
    return (number, content) if len(content) == length and zlib.crc32(content) == crc else None


def _newest_head(data: bytes) -> Head | None:
    """The last words that are whole and of this format."""
    slots = [_sealed(data[at : at + _SLOT]) for at in range(0, _TEXT_AT, _SLOT)]
    for number, content in sorted((slot for slot in slots if slot), reverse=True):
        if number:
            try:
                head = msgspec.json.decode(content, type=Head)
            except (msgspec.MsgspecError, ValueError):
                continue
            if head.format == FORMAT and head.version == VERSION:
                return head
    return None


def _whole_rows(data: bytes, rows: int) -> tuple[NDArray[Any], int]:
    """The rows whose checksum fits, in the order of writing, and how many are torn; zeros were never written."""
    count = max(0, min(rows, len(data) // _ROW))
    ring = np.frombuffer(data, ROW, count)
    crcs = [zlib.crc32(data[at : at + _ROW - _CRC.size]) for at in range(0, count * _ROW, _ROW)]
    whole = ring["crc"] == np.array(crcs, np.uint32)
    used = np.frombuffer(data, np.uint8, count * _ROW).reshape(count, _ROW).any(axis=1)
    kept = ring[whole]
    return kept[np.argsort(kept["number"], kind="stable")], int((used & ~whole).sum())
