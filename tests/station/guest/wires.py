"""The bench's kernel modules become a few verbs: pull a plug, spoil a transfer, read what went out.

Runs in the guest as root. Times are seconds on CLOCK_MONOTONIC, the clock of the kernel, of the camera's stamps and of
`time.monotonic()`. Refuses nothing itself: what the kernel refuses is its own `OSError`.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

CAMERA = "/dev/v4l/by-path/platform-camsim-video-index0"
"""The camera's lasting name; its number changes when somebody still holds the old node."""
STRIP = "/dev/spidev0.0"
_HEAD = struct.Struct("<QQIIIBBBBI")  # struct record of spi-capture.c
_DRIVERS = {"camera": ("platform/drivers/camsim", "camsim"), "strip": ("spi/drivers/spidev", "spi0.0")}
_NODES = {"camera": CAMERA, "strip": STRIP}


class Transfer(NamedTuple):
    """One SPI transfer: when it began and ended, the errno it failed with (0 = it did not), and its bytes."""

    began_s: float
    ended_s: float
    speed_hz: int
    mode: int
    error: int
    chip_select: int
    data: bytes


class Capture:
    """Everything that goes out of the SPI bus, from now on or, `from_the_start`, all that nobody has read yet."""

    def __init__(self, *, from_the_start: bool = False) -> None:
        self._fd = os.open("/dev/spicapture", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        if not from_the_start:
            os.write(self._fd, b"\n")  # whatever was recorded before is thrown away

    def read(self) -> list[Transfer]:
        """The transfers since the last time, oldest first."""
        found: list[Transfer] = []
        while True:
            try:
                data = os.read(self._fd, 1 << 20)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                began, ended, hz, mode, error, cs, _, _, _, size = _HEAD.unpack_from(data, at)
                at += _HEAD.size + size
                found.append(Transfer(began / 1e9, ended / 1e9, hz, mode, error, cs, data[at - size : at]))

    def close(self) -> None:
        """Let go of the capture; it goes on in the kernel."""
        os.close(self._fd)


def set_knob(module: str, name: str, value: int | str) -> float:
    """Turn a knob of a module, and say when it was turned."""
    path = Path("/sys/module") / module / "parameters" / name
    path.write_text(str(value), encoding="ascii")
    return time.monotonic()


def knob(module: str, name: str) -> int:
    """How a knob stands."""
    return int((Path("/sys/module") / module / "parameters" / name).read_text(encoding="ascii"))


def unplug(what: str) -> float:
    """Take "camera" or "strip" away from under whoever has it open; when it went."""
    went_s = time.monotonic()
    _driver(what, "unbind")
    return went_s


def plug(what: str) -> float:
    """Bring it back; when its node was there."""
    _driver(what, "bind")
    wait_for(Path(_NODES[what]).exists, 10.0, f"{_NODES[what]} to come back")
    return time.monotonic()


def plugged(what: str) -> bool:
    """Whether the device is there."""
    folder, device = _DRIVERS[what]
    return (Path("/sys/bus") / folder / device).exists()


def camera_state() -> dict[str, str]:
    """How the simulated camera stands."""
    text = Path("/dev/camsim-feed").read_text(encoding="ascii")
    return dict(line.split(" ", 1) for line in text.splitlines())


def wait_for(condition: Callable[[], bool], patience_s: float, what: str) -> None:
    """Come back as soon as the condition holds; `TimeoutError` says what did not happen."""
    end_s = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > end_s:
            raise TimeoutError(f"waited {patience_s:g} s for {what}")
        time.sleep(0.002)


def _driver(what: str, verb: str) -> None:
    folder, device = _DRIVERS[what]
    (Path("/sys/bus") / folder / verb).write_text(device, encoding="ascii")
