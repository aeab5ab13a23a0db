"""The runtime folder becomes the control link: one thread that answers every tool, and lets none of them near the loop.

The socket's mode is 0660: its group may, nobody else. Eight clients at a time. Nothing here raises into the service: a
desk that can't open or that fails is a trouble in words, and the bar goes on. Refuses to take the socket from a process
that still lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import logging
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.errors import HipbarError, ServiceDown
from appliance.station import link
from appliance.station.answers import Answers, Orders, Steer, cost, no_visits
from appliance.station.hatch import Hatch
from appliance.station.visitor import Bucket, Visitor

MOST_VISITORS = 8
_EACH_HZ, _EACH = 60.0, 60.0
_ALL_HZ, _ALL = 200.0, 100.0
_KNOCKS_HZ, _KNOCKS = 50.0, 20.0
_BACKLOG = 16
_AGAIN_S = 1.0
_LOOKS_S = 1.0
_MOST_LOGGED = 20
_log = logging.getLogger("hipbar.desk")


class Desk:
    """Answers from when it is made until it is closed. trouble : why it does not, in words; None when all is well."""

    def __init__(self, runtime: Path, hatch: Hatch, orders: Orders, steer: Steer = no_visits) -> None:
        self.trouble: str | None = None
        self._hatch, self._orders, self._steer = hatch, orders, steer
        self._door: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._closing = threading.Event()
        self._lock: int | None = None
        self._path = runtime / link.SOCKET
        self._room: _Room | None = None
        self._numbers = itertools.count(1)
        self._thread = threading.Thread(target=self._work, name="desk", daemon=True)
        try:
            self._lock = _locked(runtime)
            self._door = _opened(self._path)
        except (OSError, HipbarError) as error:
            self.trouble = f"no control link: {error}"
            _log.error("%s", self.trouble)
            self._unlock()
            return
        self._inode = self._path.stat().st_ino
        self._thread.start()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._room.visitors) if self._room else 0

    @property
    def lent(self) -> bool:
        """Whether one of them has the bar."""
        return self._room is not None and self._room.answers.loans.lent is not None

    def close(self) -> None:
        """Cuts everybody off and takes the socket away; waits a second at most."""
        if self._door is None:
            return
        self._closing.set()
        if self._loop is not None and self._ended is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(1.0)
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        self._door.close()
        self._door = None
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _work(self) -> None:
        """Attends until it is closed; after a defect of ours anew, with everybody sent away."""
        _step_back()
        while not self._closing.is_set():
            try:
                asyncio.run(self._attend())
            except Exception:
                _log.exception("the control link has failed")
                self.trouble = "the control link has failed and begins anew; `hipbar logs` says why"
                self._closing.wait(_AGAIN_S)

    async def _attend(self) -> None:
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._closing.is_set() or self._door is None:
            return
        self._room = room = _Room(self._door, Answers(self._hatch, self._orders, self._steer), self._numbers)
        self._loop.set_exception_handler(room.complain)
        self.trouble = None
        try:
            await room.open(self._ended)
        finally:
            room.close()


class _Room:
    """Who is in, and who may come in."""

    def __init__(self, door: socket.socket, answers: Answers, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._door, self.answers, self._loop = door, answers, asyncio.get_running_loop()
        self.visitors: dict[int, Visitor] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._all, self._knocks = Bucket(_ALL_HZ, _ALL), Bucket(_KNOCKS_HZ, _KNOCKS)
        self._complaints = 0

    async def open(self, ended: asyncio.Event) -> None:
        """Until it has ended; once a second it is seen whether everybody takes what is theirs."""
        self._listen()
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOKS_S):
                    await ended.wait()
            self.look_after()

    def look_after(self) -> None:
        """Cuts off who does not take what is theirs."""
        for visitor in list(self.visitors.values()):
            visitor.look_after()

    def close(self) -> None:
        """Everybody out."""
        self._loop.remove_reader(self._door)
        for visitor in list(self.visitors.values()):
            visitor.leave()
            self.answers.gone(
                visitor
            )  # before the last order, so that nothing that was tried outlives its client
        self.answers.close()

    def complain(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What went wrong beside any request; told a few times, because a client may bring it about again and again."""
        self._complaints += 1
        if self._complaints <= _MOST_LOGGED:
            _log.error("control link: %s", context.get("message"), exc_info=context.get("exception"))

    def _listen(self) -> None:
        self._loop.add_reader(self._door, self._knock)

    def _pause(self, seconds: float) -> None:
        """Nobody is let in for a while; the kernel keeps those who wait."""
        self._loop.remove_reader(self._door)
        self._loop.call_later(seconds, self._listen)

    def _knock(self) -> None:
        """Somebody is at the door."""
        try:
            sock, _ = self._door.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # no descriptor or memory left
            self._pause(_AGAIN_S)
            return
        wait_s = self._knocks.spend(1, self._loop.time())
        if wait_s > 0:
            self._pause(wait_s)
        sock.setblocking(False)
        if len(self.visitors) >= MOST_VISITORS:
            _turn_away(sock)
            return
        visitor = Visitor(next(self._numbers), (Bucket(_EACH_HZ, _EACH), self._all))
        self.visitors[visitor.number] = visitor
        task = self._loop.create_task(self._visit(visitor, sock))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _visit(self, visitor: Visitor, sock: socket.socket) -> None:
        try:
            await visitor.enter(sock)
            await visitor.stay(cost, self.answers.answer)
        finally:
            del self.visitors[visitor.number]
            self.answers.gone(visitor)
            visitor.leave()


def _turn_away(sock: socket.socket) -> None:
    full = ServiceDown(
        f"{MOST_VISITORS} tools are connected already", fix="end another `hipbar watch`, then try again"
    )
    with sock, contextlib.suppress(OSError):
        sock.send(link.framed(link.refusal(0, full)))


def _locked(runtime: Path) -> int:
    """The right to have the socket: a lock that ends with the process, whatever its end."""
    lock = os.open(
        runtime / f"{link.SOCKET}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ServiceDown("another station uses this runtime folder", fix="stop the other one") from None
    return lock


def _opened(path: Path) -> socket.socket:
    """The listening socket under its name, in one move: what a dead process left there is replaced."""
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with link.reachable(new) as name:
            door.bind(name)
        new.chmod(0o660)
        door.listen(_BACKLOG)
        new.replace(path)
    except OSError:
        door.close()
        raise
    return door


def _step_back() -> None:
    """This thread is less urgent than the loop, but as real-time as it is.

    At ordinary priority any program could keep it from its processor while it holds Python's lock, and with it the
    loop: with two busy programs beside a desk that is asked without pause, one light in a hundred was 12 ms old instead
    of 3, and the oldest 30 ms instead of 5.
    """
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):
            os.sched_setparam(0, os.sched_param(1))
