"""The V4L2 controls that fix an exposure, and what a camera offers: formats, sizes and rates.

Structures as 64-bit Linux lays them out (linux/videodev2.h). Exposure times in seconds, the kernel's in 100 us.
Refuses nothing: a control or an answer that a driver does not have is None or left out.
"""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Callable, Iterator

import msgspec

from hw.camera.kernel_video import call_number

_AUTO_EXPOSURE, _MANUAL, _AUTO, _APERTURE_PRIORITY = 0x009A_0901, 1, 0, 3
_EXPOSURE, _EXPOSURE_UNIT_S = 0x009A_0902, 1e-4
_RATE_MAY_FALL = 0x009A_0903  # "exposure dynamic framerate": longer exposure in the dark, fewer frames
_DISABLED = 0x1
_CAPTURE, _DISCRETE = 1, 1

_CONTROL = struct.Struct("=Ii")
_QUERY = struct.Struct("=II32siiiiI8x")
_DESCRIPTION = struct.Struct("=3I32sII12x")
_SIZE = struct.Struct("=3I6I8x")
_INTERVAL = struct.Struct("=5I6I8x")

ENUM_FMT = call_number(2, _DESCRIPTION.size)
S_CTRL = call_number(28, _CONTROL.size)
G_CTRL = call_number(27, _CONTROL.size)
QUERYCTRL = call_number(36, _QUERY.size)
ENUM_FRAMESIZES = call_number(74, _SIZE.size)
ENUM_FRAMEINTERVALS = call_number(75, _INTERVAL.size)


class Offer(msgspec.Struct, frozen=True):
    """One pixel format with its sizes, each with its fastest rate (0 = the driver names none)."""

    fourcc: str
    sizes: tuple[tuple[int, int, float], ...]


def fix_exposure(fd: int, wanted_s: float) -> float | None:
    """Make the exposure manual and set it; the time that the driver then states, None when it can't be set."""
    limits = _limits(fd, _EXPOSURE)
    if limits is None:
        return None
    _set(fd, _AUTO_EXPOSURE, _MANUAL)
    _set(fd, _RATE_MAY_FALL, 0)
    low, high = limits
    if not _set(fd, _EXPOSURE, min(max(round(wanted_s / _EXPOSURE_UNIT_S), low), high)):
        return None
    return exposure_s(fd)


def free_exposure(fd: int) -> None:
    """Give the exposure back to the camera: webcams name that aperture priority, most others automatic."""
    if not _set(fd, _AUTO_EXPOSURE, _APERTURE_PRIORITY):
        _set(fd, _AUTO_EXPOSURE, _AUTO)


def exposure_s(fd: int) -> float:
    """The exposure time that the driver states; 0 when it states none."""
    try:
        _, value = _CONTROL.unpack(fcntl.ioctl(fd, G_CTRL, _CONTROL.pack(_EXPOSURE, 0)))
    except OSError:
        return 0.0
    return float(max(0, value) * _EXPOSURE_UNIT_S)


def offers(fd: int) -> tuple[Offer, ...]:
    """What the device says it can deliver."""
    found = []
    for answer in _each(fd, ENUM_FMT, lambda k: _DESCRIPTION.pack(k, _CAPTURE, 0, bytes(32), 0, 0)):
        code = _DESCRIPTION.unpack(answer)[4]
        sizes = tuple((w, h, _fastest_hz(fd, code, w, h)) for w, h in _sizes(fd, code))
        found.append(Offer(code.to_bytes(4, "little").decode("latin-1").strip(), sizes))
    return tuple(found)


def _sizes(fd: int, code: int) -> Iterator[tuple[int, int]]:
    for answer in _each(fd, ENUM_FRAMESIZES, lambda k: _SIZE.pack(k, code, 0, *([0] * 6))):
        _, _, kind, *numbers = _SIZE.unpack(answer)
        if kind == _DISCRETE:
            yield numbers[0], numbers[1]
        else:  # from, to and step of the width, then of the height
            yield numbers[1], numbers[4]
            return


def _fastest_hz(fd: int, code: int, width: int, height: int) -> float:
    """Intervals come as fractions of a second, single ones or the shortest first."""
    fastest = 0.0
    ask = _INTERVAL.pack
    for answer in _each(fd, ENUM_FRAMEINTERVALS, lambda k: ask(k, code, width, height, 0, *([0] * 6))):
        seconds, frames = _INTERVAL.unpack(answer)[5:7]
        fastest = max(fastest, frames / seconds if seconds else 0.0)
    return fastest


def _each(fd: int, call: int, question: Callable[[int], bytes]) -> Iterator[bytes]:
    """The kernel's answers to a numbered question, until it has no more."""
    for k in range(64):
        try:
            yield fcntl.ioctl(fd, call, question(k))
        except OSError:
            return


def _limits(fd: int, control: int) -> tuple[int, int] | None:
    """Lowest and highest value of a control; None when the driver has none."""
    try:
        answer = fcntl.ioctl(fd, QUERYCTRL, _QUERY.pack(control, 0, bytes(32), 0, 0, 0, 0, 0))
    except OSError:
        return None
    _, _, _, low, high, _, _, flags = _QUERY.unpack(answer)
    return None if flags & _DISABLED else (low, high)


def _set(fd: int, control: int, value: int) -> bool:
    try:
        fcntl.ioctl(fd, S_CTRL, _CONTROL.pack(control, value))
    except OSError:
        return False
    return True
