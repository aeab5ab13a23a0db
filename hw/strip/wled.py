"""Colours become DDP packets over UDP for a WLED controller on the network.

DDP (3waylabs.com/ddp): 10 bytes big-endian and up to 480 LEDs: flags 0x40 (version 1) | 0x01 (push, in the last packet
of a frame), sequence 1 to 15, type 0x0B (8-bit RGB), destination 1, offset and length in bytes. WLED leaves this mode
2.5 s after the last packet and goes back to what it was set to, so have it set to off.
Nothing here waits for the network but opening, for up to 3 s: names are resolved aside. A packet that is lost on its
way is known to nobody; one that nobody listens for is reported with a later one, so a write that works proves nothing.
Refuses names that can't be resolved.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from appliance.config import Strip
from appliance.errors import StripLost
from appliance.records import U8
from hw.strip.wired import WiredStrip
from hw.strip.wiring import Wiring

_CHUNK = 480 * 3
_VERSION_1, _PUSH, _RGB, _DISPLAY = 0x40, 0x01, 0x0B, 1
_RESOLVE_S = 3.0
_DARK_FRAMES = 3  # any of them may be lost

_REMEDY = {
    errno.ECONNREFUSED: ("nothing takes DDP there", "check strip.host and strip.port; WLED listens on 4048"),
    errno.EHOSTUNREACH: ("does not answer", "check that the controller is on and in the same network"),
    errno.ENETUNREACH: ("no network", "check the station's network cable or Wi-Fi"),
    errno.ENETDOWN: ("no network", "check the station's network cable or Wi-Fi"),
    errno.ENOENT: ("no such name", "check strip.host, or give the controller's address"),
    errno.ETIMEDOUT: ("its name was not resolved in time", "give the controller's address in strip.host"),
}


def encode(rgb: U8) -> bytes:
    """The colours of (n, 3) red, green, blue as DDP carries them."""
    return rgb.tobytes()


def packets(colours: bytes, sequence: int) -> Iterator[bytes]:
    """One frame as packets, numbered from `sequence` on: 1 to 15, then 1 again."""
    for offset in range(0, len(colours), _CHUNK):
        chunk = colours[offset : offset + _CHUNK]
        flags = _VERSION_1 | (_PUSH if offset + _CHUNK >= len(colours) else 0)
        number = (sequence + offset // _CHUNK - 1) % 15 + 1
        yield struct.pack(">BBBBIH", flags, number, _RGB, _DISPLAY, offset, len(chunk)) + chunk


class UdpPort:
    """A connected socket that never waits; takes it over."""

    def __init__(self, link: socket.socket) -> None:
        self._link, self._sequence = link, 1

    def write(self, data: bytes) -> None:
        """Send one frame's packets."""
        for packet in packets(data, self._sequence):
            self._sequence = self._sequence % 15 + 1
            self._link.send(packet)

    def close(self) -> None:
        """Close the socket."""
        self._link.close()


class Network:
    """One controller in the network; its last known address is used until a newer one is known."""

    def __init__(self, host: str, port: int) -> None:
        self.name = f"{host}:{port}"
        self._host, self._port = host, port
        self._known: tuple[Any, ...] | None = None
        self._asking: threading.Thread | None = None

    def open(self) -> UdpPort:
        """A socket to the controller. Only the first time waits for its name."""
        self._ask()
        if self._known is None:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        if not self._known:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        family, kind, protocol, _, address = self._known
        link = socket.socket(family, kind, protocol)
        try:
            link.setblocking(False)
            link.connect(address)
        except OSError:
            link.close()
            raise
        return UdpPort(link)

    def refusal(self, error: OSError) -> StripLost:
        """What went wrong on the way to this controller, and what to do."""
        what, fix = _REMEDY.get(
            error.errno or 0, ((error.strerror or str(error)).lower(), "check the controller and the network")
        )
        return StripLost(f"{self.name}: {what}", fix=fix)

    def _ask(self) -> None:
        """Have the name resolved aside, unless that is still going on; wait for it only if nothing is known."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._resolve, name="hipbar-resolve", daemon=True)
            self._asking.start()
        if self._known is None:
            self._asking.join(_RESOLVE_S)

    def _resolve(self) -> None:
        found: list[Any] = []
        with contextlib.suppress(OSError, UnicodeError):
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)
        if found or not self._known:
            self._known = (
                min(found, key=lambda way: way[0] != socket.AF_INET) if found else ()
            )  # WLED has no IPv6


def open_wled(wanted: Strip, clock: Callable[[], float] = time.monotonic) -> WiredStrip:
    """The controller that the settings name."""
    bus = Network(wanted.host, wanted.port)
    return WiredStrip(bus, Wiring(wanted, "rgb"), encode, proven=False, dark_frames=_DARK_FRAMES, clock=clock)
