"""Raw pictures on a disk become what a V4L2 loopback camera sees, at a steady rate, with a log of when.

Runs in the guest. GREY pictures, one after the other on the disk. The first is shown until SIGUSR1 comes, then all in
turn, then the last until SIGTERM; each is written when it is due, and one whose time has passed is left out as a camera
would. The log has one line a write: number of the picture, CLOCK_MONOTONIC before and after in nanoseconds.

    python loopback.py DEVICE DISK WIDTH HEIGHT RATE PICTURES LOG
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_S_FMT = 0xC0D0_5605
_FORMAT = struct.Struct("=I4x12I152x")
_OUTPUT, _PROGRESSIVE, _SRGB = 2, 1, 8


class Film:
    """Which picture is due: the first until `go`, then one after the other, then the last."""

    def __init__(self, pictures: int) -> None:
        self._last, self._began = pictures - 1, -1
        self.going, self.over = False, False
        signal.signal(signal.SIGUSR1, self._go)
        signal.signal(signal.SIGTERM, self._stop)

    def due(self, tick: int) -> int:
        """The picture of that tick of the camera."""
        if self.going and self._began < 0:
            self._began = tick
        return min(self._last, tick - self._began) if self.going else 0

    def _go(self, *_: object) -> None:
        self.going = True

    def _stop(self, *_: object) -> None:
        self.over = True


def ticks(rate_hz: float, film: Film) -> Iterator[int]:
    """The camera's ticks when they are due, until the film is over; those that were missed are left out."""
    began_s, tick = time.monotonic(), 0
    while not film.over:
        late_s = time.monotonic() - began_s - tick / rate_hz
        if late_s < 0:
            time.sleep(-late_s)
        elif late_s > 1 / rate_hz:
            tick += int(late_s * rate_hz)
        yield tick
        tick += 1


def opened(device: str, width_px: int, height_px: int) -> int:
    """The device, told what is about to be written."""
    fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    fourcc = int.from_bytes(b"GREY", "little")
    wanted = (width_px, height_px, fourcc, _PROGRESSIVE, width_px, width_px * height_px, _SRGB, 0, 0, 0, 0, 0)
    fcntl.ioctl(fd, _S_FMT, _FORMAT.pack(_OUTPUT, *wanted))
    return fd


def feed(
    device: str, disk: str, width_px: int, height_px: int, rate_hz: float, pictures: int, log: Path
) -> None:
    """Show the film."""
    picture = memoryview(bytearray(width_px * height_px))
    out, source = opened(device, width_px, height_px), os.open(disk, os.O_RDONLY | os.O_CLOEXEC)
    os.posix_fadvise(source, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    film, held, lines, played = Film(pictures), -1, [], False
    for tick in ticks(rate_hz, film):
        due = film.due(tick)
        if due != held:
            os.preadv(source, [picture], due * len(picture))
            held = due
        before_ns = time.monotonic_ns()
        os.write(out, picture)
        lines.append(f"{due} {before_ns} {time.monotonic_ns()}\n")
        if tick == 0:
            print("showing the first picture", flush=True)
        if due == pictures - 1 and not played:
            played = True
            print("played", flush=True)
    log.write_text("".join(lines))


if __name__ == "__main__":
    device, disk, width, height, rate, pictures, log = sys.argv[1:]
    feed(device, disk, int(width), int(height), float(rate), int(pictures), Path(log))
