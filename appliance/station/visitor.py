"""One client's bytes become requests, and answers its bytes again; a client that is silly or slow only harms itself.

Seconds on the event loop's clock. One request is answered at a time; the next is not read before the answer was taken.
A live message is sent only when everything before it was taken, else it is dropped and counted. Refuses what is no
request (told, then cut off), half a request for more than `PATIENCE_S`, and a client that takes no answer for so long.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import socket
import struct
import termios
from collections.abc import Awaitable, Callable
from typing import Any

from appliance.errors import HipbarError
from appliance.station import link
from appliance.station.link import Misunderstood, Request

PATIENCE_S = 5.0
PAUSED_S = 60.0
"""So long a client may leave a live message lying: its terminal may stand still, or somebody may have stopped it."""

_log = logging.getLogger("hipbar.desk")


class Bucket:
    """So many units a second, with so many saved up at most; more have to wait."""

    def __init__(self, rate_hz: float, burst: float) -> None:
        self._unit_s, self._saved_s, self._full_s = 1 / rate_hz, burst / rate_hz, float("-inf")

    def spend(self, units: float, now_s: float) -> float:
        """Takes them; how many seconds to wait before going on."""
        self._full_s = max(self._full_s, now_s - self._saved_s) + units * self._unit_s
        return max(0.0, self._full_s - now_s)


class Visitor:
    """One connection. number : never used twice. buckets : what requests cost, here and desk-wide."""

    def __init__(self, number: int, buckets: tuple[Bucket, ...]) -> None:
        self.number, self.missed = number, 0
        self.streams: dict[str, asyncio.Task[None]] = {}
        self._buckets = buckets
        self._loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(limit=link.MOST_ASKED)
        self._writer: asyncio.StreamWriter | None = None
        self._untaken, self._untaken_s, self._telling = 0, self._loop.time(), False

    async def enter(self, sock: socket.socket) -> None:
        """From a socket to a connection."""
        protocol = asyncio.StreamReaderProtocol(self._reader)
        transport, _ = await self._loop.connect_accepted_socket(lambda: protocol, sock)
        transport.set_write_buffer_limits(high=0)  # `drain` returns when the last byte is the kernel's
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, self._loop)

    async def stay(
        self,
        cost: Callable[[Request], float],
        answer: Callable[[Visitor, Request], Awaitable[dict[str, Any]]],
    ) -> None:
        """Requests and their answers, until the client goes or is sent away."""
        try:
            body = await self._body(PATIENCE_S)
            while body:
                await self._tell(await self._answer(body, cost, answer))
                body = await self._body(None)
        except Misunderstood as error:
            with contextlib.suppress(OSError):
                await self._tell(link.refusal(0, error))
        except (OSError, EOFError, TimeoutError):
            return

    def offer(self, message: dict[str, Any]) -> bool:
        """A live message; whether the client had taken everything before it and so gets this one."""
        if self.untaken:
            self.missed += 1
            return False
        if self._writer is not None:
            self._writer.write(link.framed(message))
        return True

    @property
    def untaken(self) -> int:
        """Bytes, about, that the client has been sent and has not taken, here and in the kernel."""
        if self._writer is None or (transport := self._writer.transport).is_closing():
            return 0
        here = transport.get_write_buffer_size()
        queued = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int(here + struct.unpack("i", queued)[0])

    def look_after(self) -> None:
        """Once a second: cut off when it has taken nothing of what waits for it for too long."""
        untaken = self.untaken
        if untaken == 0 or untaken != self._untaken:
            self._untaken, self._untaken_s = untaken, self._loop.time()
        elif self._loop.time() - self._untaken_s >= (PATIENCE_S if self._telling else PAUSED_S):
            self.leave()

    def leave(self) -> None:
        """Ends the connection at once."""
        for stream in self.streams.values():
            stream.cancel()
        if self._writer is not None:
            self._writer.transport.abort()

    async def _body(self, patience_s: float | None) -> bytes:
        """The next frame's body; b"" when the client has gone."""
        async with asyncio.timeout(patience_s):
            first = await self._reader.read(1)
        if not first:
            return b""
        async with asyncio.timeout(PATIENCE_S):
            rest = await self._reader.readexactly(link.HEAD.size - 1)
            return await self._reader.readexactly(link.length_of(first + rest, link.MOST_ASKED))

    async def _answer(
        self,
        body: bytes,
        cost: Callable[[Request], float],
        answer: Callable[[Visitor, Request], Awaitable[dict[str, Any]]],
    ) -> dict[str, Any]:
        try:
            request = link.request_of(body)
        except Misunderstood as error:
            await self._wait(1.0)
            return link.refusal(link.number_of(body), error)
        await self._wait(cost(request))
        try:
            return {"id": request.id, "ok": True, **await answer(self, request)}
        except HipbarError as error:
            return link.refusal(request.id, error)
        except Exception:
            _log.exception("a request over the control link failed")
            defect = HipbarError("the station could not do that", fix="`hipbar logs` says why")
            return link.refusal(request.id, defect)

    async def _wait(self, units: float) -> None:
        now_s = self._loop.time()
        wait_s = max(bucket.spend(units, now_s) for bucket in self._buckets)
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _tell(self, message: dict[str, Any]) -> None:
        """An answer, until the kernel has all of it; `look_after` ends the wait for one who takes nothing."""
        try:
            frame = link.framed(message)
        except Misunderstood as error:
            frame = link.framed(link.refusal(message["id"], error))
        if self._writer is not None:
            self._telling = True
            self._writer.write(frame)
            await self._writer.drain()
            self._telling = False
