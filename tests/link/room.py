"""A desk with a hatch whose loop is a thread of the test's, and orders that are kept in memory."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import CalibrationError
from appliance.records import MOMENT, Frame, Keypoints, Light, Shown, Update
from appliance.station import link
from appliance.station.calibration import Calibration, Revision
from appliance.station.client import Link
from appliance.station.desk import Desk
from appliance.station.hatch import About, Hatch
from appliance.station.status import Status

LEDS, SIZE, RATE_HZ = 10, (320, 240), 120.0
LONG_S = 20.0


class InMemory:
    """Orders that only note what they are told."""

    def __init__(self) -> None:
        self.tried: dict[int | None, dict[str, Any]] = {}
        self.revisions: list[Revision] = []
        self.hang = threading.Event()
        self.hang.set()

    def status(self) -> Status:
        return Status(version="hipbar test", pid=1, boot_id="boot", state="ready", mode="step")

    def settings_told(self) -> dict[str, Any]:
        return {
            "settings": {"feedback": {"mode": "step"}},
            "origins": {},
            "file": "f",
            "tried": {},
            "revision": 0,
        }

    def try_values(self, values: Mapping[str, Any], owner: int | None) -> list[str]:
        self.hang.wait(LONG_S)
        self.tried[owner] = dict(values)
        return list(values)

    def untry(self, owner: int | None) -> None:
        if owner is None:
            self.tried.clear()
        self.tried.pop(owner, None)

    def reload(self) -> dict[str, Any]:
        raise ZeroDivisionError("a defect of ours")

    def commit(
        self, step: str, values: Mapping[str, Any], figures: Mapping[str, Any], mode: str | None, proved: bool
    ) -> int:
        if step == "never":
            raise CalibrationError("there is no such step", fix="take another")
        number = len(self.revisions) + 1
        self.revisions.append(
            Revision(number=number, step=step, made_s=0.0, values=dict(values), figures=dict(figures))
        )
        return number

    def rollback(self, to: int) -> int:
        return to + 1

    def calibration(self) -> Calibration:
        return Calibration(tuple(self.revisions))


class Room:
    """Runs until it is closed; `pause` keeps its frames from coming."""

    def __init__(self, runtime: Path) -> None:
        self.runtime, self.hatch, self.orders = runtime, Hatch(), InMemory()
        self.hatch.about = About(
            width_px=SIZE[0],
            height_px=SIZE[1],
            rate_hz=RATE_HZ,
            leds=LEDS,
            byte_budget=9999,
            camera={"driver": "t"},
        )
        self.pause = threading.Event()
        self.lit: list[tuple[float, bytes | None]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()
        self.desk = Desk(runtime, self.hatch, self.orders)

    def link(self) -> Link:
        return Link.open(self.runtime)

    def raw(self) -> socket.socket:
        """A connection without any manners."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(LONG_S)
        with link.reachable(self.runtime / link.SOCKET) as name:
            sock.connect(name)
        return sock

    def close(self) -> None:
        self.desk.close()
        self._ended.set()
        self._thread.join(LONG_S)

    def _loop(self) -> None:
        seq, picture = 0, np.arange(SIZE[0] * SIZE[1], dtype=np.uint32).astype(np.uint8).reshape(SIZE[::-1])
        moment = np.zeros(1, MOMENT)[0]
        moment["level_deg"] = np.nan
        while not self._ended.wait(1 / RATE_HZ):
            if self.pause.is_set():
                continue
            t_s = time.monotonic()
            marks = Keypoints(
                seq, t_s, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [np.nan] * 2]), np.ones(4)
            )
            leds = np.full((LEDS, 3), 7, np.uint8)
            update = Update(seq, t_s, marks, moment, (), leds, Shown.MEASUREMENT, 0)
            self._light(t_s)
            self.hatch.saw(update, time.monotonic(), Light.READY)
            self.hatch.past(Frame(seq, t_s, picture, 1e-5))
            seq += 1

    def _light(self, now_s: float) -> None:
        lent = self.hatch.lit(now_s)
        shown = None if lent is None else lent.tobytes()
        if lent is not None:
            self.hatch.written(lent, time.monotonic())
        if not self.lit or self.lit[-1][1] != shown:
            self.lit.append((time.monotonic(), shown))


def received(sock: socket.socket) -> dict[str, Any]:
    """The next message on a bare connection."""
    head = _exactly(sock, link.HEAD.size)
    return link.answer_of(_exactly(sock, link.length_of(head, link.MOST_TOLD)))


def ended(sock: socket.socket) -> bool:
    """Waits for the other side to end the connection."""
    try:
        while sock.recv(1 << 16):
            pass
    except ConnectionError:
        pass
    return True


def until(wanted: Any, within_s: float = LONG_S) -> None:
    """Waits until it is so."""
    until_s = time.monotonic() + within_s
    while not wanted():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionError("the connection has ended")
        data += part
    return data
