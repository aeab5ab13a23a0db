"""Buses of the kernel that a strip can really write to, for tests on machines that have no SPI: pairs of sockets.

A SOCK_SEQPACKET pair keeps writes apart as an SPI device keeps transfers apart; an end that is closed is a device that
is gone, a full queue is one that does not answer, and a byte stream takes only a part of what is written.
"""

from __future__ import annotations

import errno
import os
import socket

from appliance.errors import StripLost
from hw.strip.wired import FilePort


class SocketBus:
    """A bus whose far ends are in our hands; each `open` makes a new pair while `there`."""

    name = "a pair of sockets"

    def __init__(self, kind: socket.SocketKind = socket.SOCK_SEQPACKET, *, queue: int = 0) -> None:
        self._kind, self._queue = kind, queue
        self.there = True
        self.ends: list[socket.socket] = []

    def open(self) -> FilePort:
        if not self.there:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        near, far = socket.socketpair(socket.AF_UNIX, self._kind)
        near.setblocking(False)
        far.setblocking(False)
        if self._queue:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._queue)
        self.ends.append(far)
        return FilePort(near.detach())

    def refusal(self, error: OSError) -> StripLost:
        return StripLost(f"{self.name}: {error.strerror}", fix="open the other end")

    def arrived(self) -> list[bytes]:
        """All that came through and was not yet asked for, write by write."""
        frames = []
        for end in self.ends:
            try:
                while data := end.recv(65536):
                    frames.append(data)
            except (BlockingIOError, ConnectionError, OSError):
                continue
        return frames

    def pull_out(self) -> None:
        """The device is gone, until `there` says otherwise."""
        self.there = False
        self.close()

    def close(self) -> None:
        for end in self.ends:
            end.close()
