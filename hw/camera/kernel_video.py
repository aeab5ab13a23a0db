"""The V4L2 calls that one streaming camera needs, and what its buffers mean.

Structures as 64-bit Linux lays them out (linux/videodev2.h), packed and unpacked by hand: a call's number contains its
structure's size, so a wrong layout is refused by the kernel instead of being misread. Times in seconds. Errors are the
kernel's own `OSError`s; a device that can't stream pictures is EINVAL.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import struct

import msgspec
import numpy as np

from appliance.records import U8

_CAPTURE, _MMAP, _ANY_FIELD = 1, 1, 0
_CAN_CAPTURE, _CAN_STREAM, _HAS_DEVICE_CAPS = 0x1, 0x0400_0000, 0x8000_0000
_DAMAGED, _CLOCK_MASK, _CLOCK_MONOTONIC = 0x40, 0xE000, 0x2000
_SOURCE_MASK, _START_OF_EXPOSURE = 0x7_0000, 0x1_0000

_CAPABILITY = struct.Struct("=16s32s32s3I12x")
_FORMAT = struct.Struct("=I4x12I152x")
_PARAMETERS = struct.Struct("=I2I2I2I176x")
_REQUEST = struct.Struct("=5I")
_BUFFER = struct.Struct("=5I4xqq16x2IQI8x4x")

_LUMA_FIRST = ("GREY", "NV12", "YU12")
_FOURCCS = (*_LUMA_FIRST, "YUYV", "UYVY", "MJPG")
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


_NOTHING = (errno.EAGAIN, errno.EIO, errno.EINVAL)
"""No buffer now: EIO is "a temporary problem" (the kernel's manual), EINVAL a stream that does not run."""


def call_number(number: int, size: int, *, reads: bool = True, writes: bool = True) -> int:
    """The kernel's number of a V4L2 call whose structure has that size; `reads` = the kernel answers in it."""
    return (reads << 31) | (writes << 30) | (size << 16) | (ord("V") << 8) | number


QUERYCAP = call_number(0, _CAPABILITY.size, writes=False)
S_FMT = call_number(5, _FORMAT.size)
REQBUFS = call_number(8, _REQUEST.size)
QUERYBUF = call_number(9, _BUFFER.size)
QBUF = call_number(15, _BUFFER.size)
DQBUF = call_number(17, _BUFFER.size)
STREAMON = call_number(18, 4, reads=False)
STREAMOFF = call_number(19, 4, reads=False)
S_PARM = call_number(22, _PARAMETERS.size)


class Layout(msgspec.Struct, frozen=True):
    """How a buffer holds a picture."""

    fourcc: str
    width_px: int
    height_px: int
    stride: int

    @property
    def shares(self) -> bool:
        """Whether luma is the buffer's own memory: valid only until the driver has the buffer back."""
        return self.fourcc in _LUMA_FIRST

    def luma(self, data: mmap.mmap | bytes, used: int) -> U8 | None:
        """(h, w) uint8; None when the buffer does not hold a whole picture.

        Rows of a shared picture may lie further apart than they are wide.
        """
        if self.fourcc == "MJPG":
            return self._decoded(bytes(data[:used]))
        w, h = self.width_px, self.height_px
        wide = w if self.shares else 2 * w
        if min(used, len(data)) < self.stride * (h - 1) + wide:
            return None
        rows: U8 = np.ndarray((h, wide), np.uint8, data, strides=(self.stride, 1))
        return rows if self.shares else np.ascontiguousarray(rows[:, self.fourcc == "UYVY" :: 2])

    def _decoded(self, packet: bytes) -> U8 | None:
        import cv2

        if not packet.startswith(_JPEG_START) or _JPEG_END not in packet[-len(packet) // 2 :]:
            return None  # cut off: the decoder would fill the rest with grey
        if _jpeg_size(packet) != (self.width_px, self.height_px):
            return None  # damaged: the decoder would take the memory and the time for any size
        try:  # as it is: a word about orientation in it could exchange the sides
            how = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
            picture = cv2.imdecode(np.frombuffer(packet, np.uint8), how)
        except cv2.error:
            return None
        if picture is None or picture.shape != (self.height_px, self.width_px):
            return None
        return np.ascontiguousarray(picture, dtype=np.uint8)


def _jpeg_size(packet: bytes) -> tuple[int, int] | None:
    """Width and height as the frame's header says, which is one of the segments before the picture."""
    at = 2
    while at + 9 <= len(packet) and packet[at] == 0xFF:
        kind = packet[at + 1]
        if kind in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", packet, at + 5)
            return width, height
        at += 1 if kind == 0xFF else 2 + int.from_bytes(packet[at + 2 : at + 4], "big")
    return None


class Buffer(msgspec.Struct, frozen=True):
    """What the driver says about one filled buffer."""

    index: int
    used: int
    flags: int
    stamp_s: float
    seq: int

    @property
    def damaged(self) -> bool:
        """The driver knows that something of it is missing."""
        return bool(self.flags & _DAMAGED)

    def exposed_s(self, exposure_s: float, readout_s: float) -> float | None:
        """Mid-exposure of the first row on the monotonic clock; None when the driver stamps by another clock.

        A stamp is taken at the start of exposure or at the end of the read-out, `readout_s` after the first row's.
        """
        if self.flags & _CLOCK_MASK != _CLOCK_MONOTONIC or self.stamp_s <= 0:
            return None
        if self.flags & _SOURCE_MASK == _START_OF_EXPOSURE:
            return self.stamp_s + exposure_s / 2
        return self.stamp_s - readout_s - exposure_s / 2


def read_buffer(raw: bytes) -> Buffer:
    """The kernel's structure as a `Buffer`."""
    index, _, used, flags, _, seconds, micros, seq, *_ = _BUFFER.unpack(raw)
    return Buffer(index=index, used=used, flags=flags, stamp_s=seconds + micros * 1e-6, seq=seq)


def describe(fd: int) -> tuple[str, str]:
    """The names of the driver and of the card; EINVAL when it can't stream pictures."""
    driver, card, _, _, whole, device = _CAPABILITY.unpack(fcntl.ioctl(fd, QUERYCAP, bytes(_CAPABILITY.size)))
    can = device if whole & _HAS_DEVICE_CAPS else whole
    if not (can & _CAN_CAPTURE and can & _CAN_STREAM):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return _text(driver), _text(card)


def configure(fd: int, size: tuple[int, int], rate_hz: float) -> tuple[Layout, float]:
    """Choose the first pixel format that reaches the rate, or else the fastest; what the driver granted."""
    describe(fd)
    granted: list[tuple[Layout, float]] = []
    for fourcc in _FOURCCS:
        choice = _try(fd, fourcc, size, rate_hz)
        if choice is not None:
            granted.append(choice)
            if choice[1] >= 0.95 * rate_hz:
                return choice
    if not granted:
        raise OSError(errno.EINVAL, "no pixel format with luma")
    best = max(granted, key=lambda g: g[1])
    return _try(fd, best[0].fourcc, size, rate_hz) or best


def map_buffers(fd: int, count: int) -> list[mmap.mmap]:
    """Ask the driver for buffers and map them."""
    granted = _REQUEST.unpack(fcntl.ioctl(fd, REQBUFS, _REQUEST.pack(count, _CAPTURE, _MMAP, 0, 0)))[0]
    maps = []
    for index in range(granted):
        *_, offset, length = _BUFFER.unpack(fcntl.ioctl(fd, QUERYBUF, _blank(index)))
        maps.append(mmap.mmap(fd, length, prot=mmap.PROT_READ, offset=offset & 0xFFFF_FFFF))
    return maps


def free_buffers(fd: int) -> None:
    """Give the driver's buffers back; a device that is gone has none."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(fd, REQBUFS, _REQUEST.pack(0, _CAPTURE, _MMAP, 0, 0))


def give(fd: int, index: int) -> None:
    """Hand a buffer to the driver to be filled."""
    fcntl.ioctl(fd, QBUF, _blank(index))


def take(fd: int) -> Buffer | None:
    """A filled buffer, if one is waiting."""
    try:
        return read_buffer(fcntl.ioctl(fd, DQBUF, _blank(0)))
    except OSError as error:
        if error.errno in _NOTHING:
            return None
        raise


def stream(fd: int, *, on: bool) -> None:
    """Start or stop the flow of frames."""
    fcntl.ioctl(fd, STREAMON if on else STREAMOFF, struct.pack("=i", _CAPTURE))


def _blank(index: int) -> bytes:
    return _BUFFER.pack(index, _CAPTURE, 0, 0, _ANY_FIELD, 0, 0, 0, _MMAP, 0, 0)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _try(fd: int, fourcc: str, size: tuple[int, int], rate_hz: float) -> tuple[Layout, float] | None:
    """Ask for a format and rate; what was granted, or None when it is another format."""
    code = int.from_bytes(fourcc.encode("ascii"), "little")
    asked = _FORMAT.pack(_CAPTURE, *size, code, _ANY_FIELD, *([0] * 8))
    try:
        _, width, height, got, _, stride, *_ = _FORMAT.unpack(fcntl.ioctl(fd, S_FMT, asked))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise
    if got != code:
        return None
    narrowest = width if fourcc in _LUMA_FIRST else 2 * width
    return Layout(fourcc, width, height, max(stride, narrowest)), _granted_rate(fd, rate_hz)


def _granted_rate(fd: int, rate_hz: float) -> float:
    asked = _PARAMETERS.pack(_CAPTURE, 0, 0, 1000, round(1000 * rate_hz), 0, 0)
    try:
        _, _, _, seconds, frames, *_ = _PARAMETERS.unpack(fcntl.ioctl(fd, S_PARM, asked))
    except OSError:
        return rate_hz  # a driver without a choice of rates; what it delivers will show
    return float(frames / seconds) if seconds and frames else rate_hz
