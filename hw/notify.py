"""What a service has to tell systemd becomes datagrams on its socket: ready, alive, status, stopping (sd_notify(3)).

Paths and abstract names ("@...") are understood. Times in seconds. Without `NOTIFY_SOCKET` nothing is sent and nothing
fails; a manager that does not listen is not waited for, so a call takes microseconds whatever happens. "Ready" is said
once only, so where it does not get through it goes ahead of what is said next.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_LONGEST = 1000  # characters of a status: a datagram that is too long is not sent at all


class Notifier:
    """The line to systemd, from the environment that it started us with.

    watchdog_s : how long systemd lets us be silent before it restarts us; None = it does not watch this process.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.watchdog_s = _watchdog_s(environ)
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._socket: socket.socket | None = None
        self._owed = False
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @property
    def active(self) -> bool:
        """Whether somebody is to be told."""
        return self._socket is not None

    def ready(self, status: str = "") -> None:
        """The station has started."""
        self._owed = not self._send("READY=1", status)

    def alive(self) -> None:
        """Frames and light go on: say so at least twice in `watchdog_s`."""
        self._send("WATCHDOG=1")

    def extend(self, seconds: float, status: str = "") -> None:
        """What goes on now (starting, stopping) may take so much longer."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}", status)

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("", text)

    def stopping(self, status: str = "") -> None:
        """The station ends in order."""
        self._send("STOPPING=1", status)

    def close(self) -> None:
        """Nothing more will be said. Closing twice is fine."""
        line, self._socket = self._socket, None
        if line:
            line.close()

    def _send(self, state: str, status: str = "") -> bool:
        """Whether it is with the manager, or there is none."""
        told = "STATUS=" + " ".join(status.split())[:_LONGEST] if status else ""
        text = "\n".join(part for part in ("READY=1" if self._owed else "", state, told) if part)
        if self._socket and text:
            try:
                self._socket.sendto(text.encode(errors="replace"), self._address)
            except OSError:
                return False
            self._owed = False
        return True


def _address(named: str) -> str:
    """A socket's address as the kernel takes it; "" when it is none of AF_UNIX."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else ""


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """systemd's limit, when it is meant for this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    micros = environ.get("WATCHDOG_USEC", "")
    return int(micros) * 1e-6 if micros.isdigit() and int(micros) else None
