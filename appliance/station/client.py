"""Calls become requests to the running service, and its answers values: the tools' side of the control link.

One `Link` is one connection, for one thread at a time. Seconds of CLOCK_MONOTONIC, pixels the sensor's. Refuses, with
`ServiceDown`, a service that is not there or does not answer in time; what the service refuses is raised as the
`HipbarError` that it was there.
"""

from __future__ import annotations

import errno
import socket
import time
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.errors import HipbarError, ServiceDown
from appliance.records import U8
from appliance.station import link
from appliance.station.calibration import Calibration
from appliance.station.hatch import FOLLOW
from appliance.station.link import Hello, Live
from appliance.station.places import runtime_dir
from appliance.station.status import Status

PROMPT_S = 2.0
ORDER_S = 20.0
"""What changes the station may take the service 15 s."""

_KEPT = 64
_AGAIN_S = 0.02
_START = "`sudo systemctl start hipbar` starts it"


class Picture(msgspec.Struct, frozen=True):
    """One whole frame; luma : (h, w) uint8."""

    seq: int
    t_s: float
    row_s: float
    luma: U8


class Link:
    """A connection to the service; `open` makes one. Leaving the block closes it, and ends what it tried and lent."""

    def __init__(self, sock: socket.socket, timeout_s: float = PROMPT_S, runtime: Path | None = None) -> None:
        self.runtime = runtime
        """The folder whose service this is, for one who wants another connection to it."""
        self._sock, self._timeout_s, self._number = sock, timeout_s, 0
        self._buffer = bytearray()
        self._streams: dict[int, deque[dict[str, Any]]] = {}
        self.closed = False

    @classmethod
    def open(cls, runtime: Path | None = None, timeout_s: float = PROMPT_S) -> Link:
        """Connects to the service whose runtime folder this is (or the environment's), or raises `ServiceDown`."""
        runtime = runtime or runtime_dir()
        path = runtime / link.SOCKET
        until_s = time.monotonic() + timeout_s
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                with link.reachable(path) as name:
                    sock.setblocking(False)
                    sock.connect(name)
                return cls(sock, timeout_s, runtime)
            except OSError as error:
                sock.close()
                if error.errno != errno.EAGAIN or time.monotonic() >= until_s:  # EAGAIN: many knock at once
                    raise _down(path, error) from None
            time.sleep(_AGAIN_S)

    def __enter__(self) -> Self:
        """The link itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Ends the connection; twice is fine."""
        self.closed = True
        self._sock.close()

    def fileno(self) -> int:
        """For `select`: readable when something has come."""
        return self._sock.fileno()

    # one method a request

    def hello(self) -> Hello:
        """Who is there; refuses a service that speaks another version of the link."""
        hello = msgspec.convert(self._ask("hello"), Hello)
        if hello.protocol != link.PROTOCOL:
            words = (
                f"the service speaks version {hello.protocol} of the control link, this tool {link.PROTOCOL}"
            )
            raise ServiceDown(words, fix="restart the service: it is from before the last update")
        return hello

    def status(self) -> Status:
        """What the station knows of itself, now."""
        return msgspec.convert(self._ask("status")["status"], Status)

    def settings(self) -> dict[str, Any]:
        """settings (in force, by table), origins, file, tried, revision."""
        return self._plain("settings")

    def set(self, values: Mapping[str, Any], keep: bool = False) -> list[str]:
        """Tries settings until this link closes, or (keep) the service ends; the keys that changed."""
        return list(self._ask("set", ORDER_S, values=dict(values), keep=keep)["changed"])

    def unset(self) -> None:
        """Takes back everything that anybody tries."""
        self._ask("unset", ORDER_S)

    def reload(self) -> dict[str, Any]:
        """Has the settings file read again: changed, reopened."""
        return self._plain("reload")

    def commit(
        self,
        step: str,
        values: Mapping[str, Any],
        figures: Mapping[str, Any],
        lens_mode: str | None = None,
        proves_sides: bool = False,
    ) -> int:
        """Keeps what a calibration step has found; the new revision."""
        found = {"step": step, "values": dict(values), "figures": dict(figures)}
        return int(
            self._ask("commit", ORDER_S, **found, lens_mode=lens_mode, proves_sides=proves_sides)["revision"]
        )

    def rollback(self, to: int) -> int:
        """Goes back to what was in force after a revision; the new one that this makes."""
        return int(self._ask("rollback", ORDER_S, to=to)["revision"])

    def calibration(self) -> Calibration:
        """All revisions."""
        return msgspec.convert(self._ask("calibration", ORDER_S)["calibration"], Calibration)

    def visit(self, do: str = "", **fields: Any) -> dict[str, Any] | None:
        """Begins, steers or ends a visit (docs/control.md); how the one that runs stands then, or None."""
        told = self._ask("visit", ORDER_S, do=do, **fields)["visit"]
        return None if told is None else dict(told)

    def picture(self) -> Picture:
        """One whole frame, exposed after this call."""
        told = msgspec.convert(self._ask("picture"), link.Picture)
        luma = np.frombuffer(told.luma, np.uint8).reshape(told.height, told.width)
        return Picture(told.seq, told.t_s, told.row_s, luma)

    def live(self, rate_hz: float, size: tuple[int, int] = (0, 0)) -> Generator[Live, None, None]:
        """What is seen and shown, so many times a second, until the iterator is closed."""
        number, told = self._begin("live", rate_hz=float(rate_hz), width=size[0], height=size[1])
        patience_s = self._timeout_s + (1 / told["rate_hz"] if told.get("rate_hz") else 0.0)
        try:
            while True:
                yield msgspec.convert(self._next(number, patience_s)["live"], Live)
        finally:
            self._end(number, "live", rate_hz=0.0)

    def follows(
        self, spot: tuple[int, int, int, int] | None = None
    ) -> Generator[NDArray[np.void], None, None]:
        """Every frame's marks, in arrays of FOLLOW, several times a second, until the iterator is closed."""
        number, _ = self._begin("follow", on=True, spot=spot)
        try:
            while True:
                yield np.frombuffer(self._next(number, self._timeout_s)["rows"], FOLLOW)
        finally:
            self._end(number, "follow", on=False)

    def follow(self, seconds: float, spot: tuple[int, int, int, int] | None = None) -> NDArray[np.void]:
        """All frames of the next so many seconds."""
        until_s, parts = time.monotonic() + seconds, [np.zeros(0, FOLLOW)]
        with closing(self.follows(spot)) as stream:
            for rows in stream:
                parts.append(rows)
                if time.monotonic() >= until_s:
                    break
        return np.concatenate(parts)

    def bar(self, rgb: U8 | bytes | None, for_s: float = 1.0) -> float:
        """Lends the bar and shows this, (n, 3) red, green, blue, or gives it back; when its light was on the wire."""
        colours = (
            None
            if rgb is None
            else bytes(np.asarray(rgb, np.uint8).tobytes() if not isinstance(rgb, bytes) else rgb)
        )
        return float(self._ask("bar", ORDER_S, rgb=colours, for_s=for_s)["shown_s"])

    # frames

    def _plain(self, ask: str) -> dict[str, Any]:
        told = self._ask(ask, ORDER_S)
        return {name: value for name, value in told.items() if name not in ("id", "ok")}

    def _ask(self, ask: str, within_s: float | None = None, **more: Any) -> dict[str, Any]:
        return self._answer(self._send(ask, more), within_s)

    def _begin(self, ask: str, **more: Any) -> tuple[int, dict[str, Any]]:
        number = self._send(ask, more)
        self._streams[number] = deque(maxlen=_KEPT)
        try:
            return number, self._answer(number, None)
        except BaseException:
            del self._streams[number]
            raise

    def _end(self, number: int, ask: str, **more: Any) -> None:
        if not self.closed:
            with suppress(HipbarError):
                self._ask(ask, None, **more)
        self._streams.pop(number, None)

    def _send(self, ask: str, more: dict[str, Any]) -> int:
        self._number += 1
        frame = link.framed({"id": self._number, "ask": ask, **more}, link.MOST_ASKED)
        self._sock.settimeout(self._timeout_s)
        try:
            self._sock.sendall(frame)
        except TimeoutError:
            self._silent()
        except OSError:  # sent away: why is still there to be read
            self._answer(-1, self._timeout_s)
        return self._number

    def _answer(self, number: int, within_s: float | None) -> dict[str, Any]:
        """The answer with this number; live messages that come before it are kept for who iterates."""
        until_s = time.monotonic() + (within_s or self._timeout_s)
        while True:
            told = self._message(until_s)
            if "error" in told and told["id"] in (0, number):
                raise _raised(told)
            if told["id"] == number and "ok" in told:
                return told

    def _next(self, number: int, within_s: float) -> dict[str, Any]:
        """The next live message with this number."""
        waiting, until_s = self._streams[number], time.monotonic() + within_s
        while not waiting:
            told = self._message(until_s)
            if "error" in told and told["id"] == 0:
                raise _raised(told)
        return waiting.popleft()

    def _message(self, until_s: float) -> dict[str, Any]:
        """Whatever comes next; a stream's message is put with its stream."""
        length = link.length_of(self._take(link.HEAD.size, until_s), link.MOST_TOLD)
        told = link.answer_of(self._take(length, until_s))
        told.setdefault("id", 0)
        if ("live" in told or "rows" in told) and told["id"] in self._streams:
            self._streams[told["id"]].append(told)
        return told

    def _take(self, size: int, until_s: float) -> bytes:
        while len(self._buffer) < size:
            self._sock.settimeout(max(until_s - time.monotonic(), 0.001))
            try:
                part = self._sock.recv(1 << 20)
            except TimeoutError:
                self._silent()
            except OSError:
                part = b""
            if not part:
                self.close()
                raise ServiceDown(
                    "the service has ended the connection", fix="`hipbar status` says how it is"
                )
            self._buffer += part
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _silent(self) -> NoReturn:
        self.close()
        raise ServiceDown("the service does not answer", fix="`hipbar status` says how it is")


def _raised(told: dict[str, Any]) -> HipbarError:
    """The service's refusal as the error that it was there."""
    kinds = {
        kind.exit_code: kind for kind in HipbarError.__subclasses__() if kind.__module__ == "appliance.errors"
    }
    kind = kinds.get(told.get("code", 1), HipbarError)
    return kind(str(told["error"]), fix=str(told.get("fix", "")))


def _down(path: Path, error: OSError) -> ServiceDown:
    if error.errno == errno.EACCES:
        fix = "use sudo, or become one of the group: `sudo usermod -aG hipbar $USER`, then log in again"
        return ServiceDown(f"{path}: this user may not talk to the service", fix=fix)
    if error.errno == errno.EAGAIN:
        return ServiceDown("too many tools want to talk to the service", fix="try again in some seconds")
    return ServiceDown("the service does not run", fix=_START)
