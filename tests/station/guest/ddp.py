"""Frames that come as DDP over UDP become lines in a file: when each was there as a whole, and its colours in hex.

Runs in a container with nothing but Python, as a service that is ready when its socket is:  python3 ddp.py FILE
DDP (3waylabs.com/ddp): 10 bytes big-endian, flags (0x40 version 1, 0x01 the frame is whole), sequence, type 0x0B
(8-bit RGB), destination, offset and length in bytes; then the colours. Times are seconds on CLOCK_MONOTONIC, taken when
the last packet was read. Refuses nothing: what is no such packet is a line that says so.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time

HOST, PORT = "127.0.0.1", 4048
_HEAD = struct.Struct(">BBBBIH")
_VERSION, _WHOLE, _RGB = 0x40, 0x01, 0x0B


def ready() -> None:
    """Tells systemd, if it is there, that packets are taken from now on."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(b"READY=1", address.replace("@", "\0", 1))


def line_of(packet: bytes, colours: bytearray, now_s: float) -> str:
    """What a packet adds to the file; its colours go into `colours` until the frame is whole."""
    if len(packet) < _HEAD.size:
        return f"{now_s!r} !{packet.hex()}\n"
    flags, _, kind, _, offset, length = _HEAD.unpack_from(packet)
    if not flags & _VERSION or kind != _RGB or len(packet) != _HEAD.size + length:
        return f"{now_s!r} !{packet.hex()}\n"
    colours[offset : offset + length] = packet[_HEAD.size :]
    if not flags & _WHOLE:
        return ""
    line = f"{now_s!r} {colours.hex()}\n"
    colours.clear()
    return line


def watch(path: str) -> None:
    """Until it is killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link, open(path, "ab", buffering=0) as file:  # noqa: PTH123
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        link.bind((HOST, PORT))
        ready()
        colours = bytearray()
        while True:
            packet = link.recv(65536)
            if line := line_of(packet, colours, time.monotonic()):
                file.write(line.encode())


if __name__ == "__main__":
    watch(sys.argv[1])
