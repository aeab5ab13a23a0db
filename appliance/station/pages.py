"""A second of keypoints becomes whole pages of a file, which a power cut can tear but never falsify, and back again.

Bit for bit (`appliance.packing`). A block begins at a page, and the page it ends in is filled with zeros, so that what
was acknowledged is never written to again. Every block has a checksum that also covers the file's header. Refuses, with
`Torn` or `Damaged`, everything that is not a whole block.
"""

from __future__ import annotations

import struct
import zlib
from enum import StrEnum
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.packing import packed, unpacked
from appliance.records import TRACK

PAGE = 4096
"""Bytes that a file system writes at a time."""

MOST_RECORDS = 65536
_HEAD = struct.Struct("<4sIII")  # mark, number of records, bytes of what follows, CRC
_RECORDS, _END = b"HBKZ", b"HBKE"
_MOST_BYTES = MOST_RECORDS * TRACK.itemsize + PAGE


class Ending(StrEnum):
    """How a recording ended."""

    LEFT = "left"
    FULL_LENGTH = "full length"
    STOPPED = "stopped"
    NO_ROOM = "no room"
    CUT = "cut"


class End(msgspec.Struct, frozen=True):
    """The last page of a recording: how it ended and how much is in it; times are the camera's."""

    how: Ending
    frames: int
    first_t_s: float | None
    last_t_s: float | None


class Torn(Exception):
    """The file ends in the middle of a block."""

    def __init__(self, at: int) -> None:
        super().__init__(f"torn at byte {at}")
        self.at = at


class Damaged(Exception):
    """What stands at byte `at` is no block of this file."""

    def __init__(self, at: int) -> None:
        super().__init__(f"damaged at byte {at}")
        self.at = at


class Block(msgspec.Struct, frozen=True):
    """One whole block: where it begins, where the next one does, and its records (None = it is the end)."""

    at: int
    next_at: int
    count: int
    payload: bytes
    is_end: bool

    def records(self) -> bytes:
        """The records as they went in."""
        try:
            return unpacked(self.payload, self.count, TRACK).tobytes()
        except zlib.error:
            raise Damaged(self.at) from None

    def end(self) -> End:
        """What the last page says."""
        try:
            return msgspec.json.decode(self.payload, type=End)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise Damaged(self.at) from None


def first_page(header: bytes) -> bytes:
    """A header, JSON in one line, filled with spaces to whole pages."""
    return header.rstrip(b"\n") + b" " * (-(len(header.rstrip(b"\n")) + 1) % PAGE) + b"\n"


def block(track: NDArray[np.void], seed: int) -> bytes:
    """Frames (records of 112 bytes, at most `MOST_RECORDS`) as a block of whole pages; `seed`: the header's CRC."""
    return _sealed(_RECORDS, len(track), packed(track), seed)


def end_block(end: End, seed: int) -> bytes:
    """The last page of a recording."""
    return _sealed(_END, 0, msgspec.json.encode(end), seed)


def read_block(file: BinaryIO, at: int, seed: int) -> Block | None:
    """The block at byte `at`; None where the file ends or, after its last block, holds nothing but zeros."""
    file.seek(at)
    head = file.read(_HEAD.size)
    if not any(head):
        if any(file.read()):
            raise Damaged(at)
        return None
    if len(head) < _HEAD.size:
        raise Torn(at)
    mark, count, size, crc = _HEAD.unpack(head)
    sizes_fit = size <= _MOST_BYTES and (count == 0 if mark == _END else 0 < count <= MOST_RECORDS)
    if mark not in (_RECORDS, _END) or not sizes_fit:
        raise Damaged(at)
    payload = file.read(size)
    if len(payload) < size:
        raise Torn(at)
    if _crc(mark, count, payload, seed) != crc:
        raise Damaged(at)
    next_at = at + _HEAD.size + size + -(_HEAD.size + size) % PAGE
    return Block(at, next_at, count, payload, mark == _END)


def _sealed(mark: bytes, count: int, payload: bytes, seed: int) -> bytes:
    whole = _HEAD.pack(mark, count, len(payload), _crc(mark, count, payload, seed)) + payload
    return whole + bytes(-len(whole) % PAGE)


def _crc(mark: bytes, count: int, payload: bytes, seed: int) -> int:
    return zlib.crc32(payload, zlib.crc32(_HEAD.pack(mark, count, len(payload), 0), seed))
