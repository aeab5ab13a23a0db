"""A `/dev/spidev` device becomes an open port that only this process writes to, or a refusal with its remedy.

The kernel is spoken to directly (linux/spi/spidev.h): one `write` is one transfer, with no library in between; PyPI has
none built for the Pi. Mode 0, 8 bits a word, speed in hertz. The lock is taken before anything is set, so that a
second station is refused before it disturbs the first one's light.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

from appliance.errors import StripLost
from hw.claim import claim, holder
from hw.strip.wired import FilePort

WR_MODE, WR_BITS, WR_SPEED = 0x40016B01, 0x40016B03, 0x40046B04

_BUFFER = Path("/sys/module/spidev/parameters/bufsiz")
_USUAL_BUFFER = 4096

_CABLE = "check the strip's cable and supply; `hipbar leds --test` tries it alone"
_REMEDY = {
    errno.EACCES: ("not permitted", "add this user to the group `spi` and log in again"),
    errno.EPERM: ("not permitted", "add this user to the group `spi` and log in again"),
    errno.EISDIR: ("is a folder", "name the device itself, for example /dev/spidev0.0"),
    errno.ENOTTY: ("not an SPI device", "set strip.device to an SPI device, for example /dev/spidev0.0"),
    errno.EINVAL: ("this SPI bus can't do mode 0 with 8 bits", "set strip.device to another SPI device"),
    errno.ETIMEDOUT: ("the SPI bus did not finish a transfer in time", _CABLE),
    errno.EIO: ("the SPI bus failed", _CABLE),
    errno.ENODEV: ("the device is gone", "check `dtparam=spi=on`, then `hipbar leds --list`"),
    errno.ENXIO: ("the device is gone", "check `dtparam=spi=on`, then `hipbar leds --list`"),
    errno.ESHUTDOWN: ("the device is gone", "check `dtparam=spi=on`, then `hipbar leds --list`"),
}


class Spi:
    """One SPI device: the bus of a strip whose frames are `frame_bytes` long."""

    def __init__(self, device: str, speed_hz: int, frame_bytes: int) -> None:
        self.name, self._speed_hz, self._frame_bytes = device, speed_hz, frame_bytes

    def open(self) -> FilePort:
        """Lock the device, then set it up."""
        fd = os.open(self.name, os.O_RDWR | os.O_CLOEXEC)
        try:
            claim(fd)
            fcntl.ioctl(fd, WR_MODE, b"\x00")
            fcntl.ioctl(fd, WR_BITS, b"\x08")
            fcntl.ioctl(fd, WR_SPEED, struct.pack("=I", self._speed_hz))
            if self._frame_bytes > buffer_bytes():
                raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        except BaseException:
            os.close(fd)
            raise
        return FilePort(fd)

    def refusal(self, error: OSError) -> StripLost:
        """What went wrong with this device, and what to do."""
        number = error.errno or 0
        if number == errno.EBUSY:
            return StripLost(
                f"{self.name}: busy: used by {holder(self.name) or 'another process'}",
                fix="stop that one first; only one program can light the bar",
            )
        if number == errno.EMSGSIZE:
            return StripLost(
                f"{self.name}: a frame is {self._frame_bytes:,} bytes, the SPI driver takes {buffer_bytes():,}",
                fix="add spidev.bufsiz=8192 to /boot/firmware/cmdline.txt and start again",
            )
        if number == errno.ENOENT:
            return StripLost(f"{self.name}: no such device", fix=_missing())
        what, fix = _REMEDY.get(number, ((error.strerror or str(error)).lower(), _CABLE))
        return StripLost(f"{self.name}: {what}", fix=fix)


def devices() -> list[str]:
    """The SPI devices of this machine."""
    return sorted(str(path) for path in Path("/dev").glob("spidev*"))


def buffer_bytes() -> int:
    """The most that the kernel's SPI driver takes in one write."""
    try:
        return int(_BUFFER.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return _USUAL_BUFFER


def _missing() -> str:
    there = devices()
    if there:
        return f"set strip.device to one of {', '.join(there)}"
    return "switch SPI on: dtparam=spi=on in /boot/firmware/config.txt, then start the Pi again"
