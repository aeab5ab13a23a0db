"""Frames become bytes, and bytes one write each: what all strips on a real bus have in common.

A write that fails is counted and logged once an outage, the bus is opened again every 0.25 s, and after 2 s without
success `show` raises `StripLost`. `show` never waits longer than one write. Opening sends a dark frame, so that nothing
of a station that died stays lit; closing sends one too, and so does the interpreter when it ends without closing.
Refuses what is missing, not permitted or somebody else's before the light is touched.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from appliance.errors import StripLost
from appliance.records import U8
from hw.strip import checked
from hw.strip.outage import LOST_S, Outage
from hw.strip.wiring import Wiring

_AGAIN_S = 0.02  # between the dark frames of closing, where more than one is sent

log = logging.getLogger("hipbar.strip")


class Port(Protocol):
    """An open bus."""

    def write(self, data: bytes) -> None:
        """Send one frame whole, or raise `OSError`."""

    def close(self) -> None:
        """Let go of the bus."""


class FilePort:
    """An open file of the kernel as a port: one frame, one write. Takes the descriptor over."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> None:
        """Send one frame; a write that ends early is an error like any other."""
        written = os.write(self._fd, data)
        if written != len(data):
            raise OSError(errno.EIO, f"only {written:,} of {len(data):,} bytes were sent")

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class Bus(Protocol):
    """Where a strip hangs: opens ports, and says in a technician's words why it could not."""

    name: str

    def open(self) -> Port:
        """A port that nobody else has, or `OSError`."""

    def refusal(self, error: OSError) -> StripLost:
        """What `error` means on this bus and what to do about it."""


class _Gone(OSError):
    """There is no port since an attempt to open one failed; that one says why."""


class WiredStrip:
    """A strip on a bus. `encode` is the kind's pure function from wired colours to bytes."""

    def __init__(
        self,
        bus: Bus,
        wiring: Wiring,
        encode: Callable[[U8], bytes],
        *,
        proven: bool = True,
        dark_frames: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus, self._wiring, self._encode, self._clock = bus, wiring, encode, clock
        self._outage, self._dark_frames = Outage(proven=proven), dark_frames
        self._dark = encode(np.zeros((wiring.leds, 3), np.uint8))
        self._pid, self._open = os.getpid(), False
        self._port: Port | None = None
        self._cause: OSError = _Gone()
        try:
            self._port = bus.open()
            self._port.write(self._dark)
            atexit.register(self._leave)
            self._open = True
        except OSError as error:
            raise bus.refusal(error) from None
        finally:
            if not self._open:
                self._let_go()

    @property
    def faults(self) -> int:
        """How many frames did not reach the strip so far."""
        return self._outage.faults

    def show(self, rgb: U8) -> None:
        """Send one frame; `StripLost` when none has gone out for 2 s."""
        rgb = checked(rgb, self._wiring.leds, is_open=self._open)
        data = self._encode(self._wiring.sent(rgb))
        try:
            self._ready().write(data)
        except OSError as error:
            self._bear(error)
        else:
            self._note()

    def close(self) -> None:
        """Go dark, through a newly opened port when the old one fails, and let go."""
        if not self._open:
            return
        try:
            self._darken()
        except OSError as error:
            log.warning("%s: could not be darkened: %s", self._bus.name, _words(error))
        self._open = False
        self._let_go()
        atexit.unregister(self._leave)

    def _ready(self) -> Port:
        """The port, opened again when that is due in an outage."""
        if self._outage.may_open(self._clock()):
            self._let_go()
            self._port = self._bus.open()
        if self._port is None:
            raise _Gone
        return self._port

    def _bear(self, error: OSError) -> None:
        """Count a frame that did not go out; say so once; give up when it has gone on for too long."""
        now_s = self._clock()
        if self._outage.failed(now_s):
            log.warning("%s: writing failed: %s", self._bus.name, _words(error))
        if not isinstance(error, _Gone):
            self._cause = error
        if self._outage.lost(now_s):
            known = self._bus.refusal(self._cause)
            raise StripLost(f"{known}, for {LOST_S:g} s", fix=known.fix) from None

    def _note(self) -> None:
        took = self._outage.worked(self._clock()) if self._outage.lasts else None
        if took:
            log.info("%s: writing again after %.1f s, %d frames lost", self._bus.name, *took)

    def _darken(self) -> None:
        """Send the dark frame as often as this bus needs it."""
        try:
            self._once_more(self._port)
        except OSError:
            self._let_go()
            self._port = self._bus.open()
            self._once_more(self._port)

    def _once_more(self, port: Port | None) -> None:
        if port is None:
            raise _Gone
        for k in range(self._dark_frames):
            time.sleep(_AGAIN_S if k else 0)
            port.write(self._dark)

    def _let_go(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()

    def _leave(self) -> None:
        """The interpreter ends and nobody has closed; a forked child leaves its parent's light alone."""
        if os.getpid() == self._pid:
            self.close()


def _words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
