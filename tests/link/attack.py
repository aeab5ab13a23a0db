"""A running station, attacked over its control link, becomes a table: the bar's gaps and the age of its light.

    python -m tests.link.attack [--seconds 12] [--fifo] [--json]

The station is `hipbar serve` as a process of its own with the virtual camera at 120 Hz; its bar is told apart by the
kernel's own stamps on the datagrams it sends. Every attack is another process. `--fifo` runs the station with the
priority that its unit gives it (as root). The table's first and last rows are those without any attack.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from appliance.station import link
from appliance.station.status import Status, read_status

SETTINGS = '[camera]\nsource = "virtual"\nrate_hz = 120\n[service]\nrecord = false\n'
WINDOW_S = 9.0
"""The status has the last 1,024 frames."""

_SO_TIMESTAMPNS = 35
_SLICE_S = 0.5
Attack = Callable[[Path, random.Random], None]


# attacks: each does its worst for about half a second, and is called again and again


def knock(runtime: Path) -> socket.socket | None:
    """A connection, or None when the door is not opened just now."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        with link.reachable(runtime / link.SOCKET) as name:
            sock.connect(name)
    except OSError:
        sock.close()
        return None
    sock.settimeout(0.2)
    return sock


def shout(sock: socket.socket | None, data: bytes, *, hear: bool = True) -> None:
    """Sends it, and hears what there is to be heard."""
    if sock is None:
        time.sleep(0.005)
        return
    with sock, contextlib.suppress(OSError):
        sock.sendall(data)
        if hear:
            sock.recv(65536)


def timed(act: Callable[[], None]) -> None:
    until_s = time.monotonic() + _SLICE_S
    while time.monotonic() < until_s:
        act()


def noise(runtime: Path, rng: random.Random) -> None:
    """Random bytes, from one to many."""
    timed(lambda: shout(knock(runtime), rng.randbytes(rng.choice((1, 3, 4, 5, 100, 5000, 100_000)))))


def lengths(runtime: Path, rng: random.Random) -> None:
    """Lengths that nobody will ever send."""
    timed(
        lambda: shout(knock(runtime), struct.pack(">I", rng.choice((0, 65537, 2**31, 2**32 - 1))) + bytes(99))
    )


def halves(runtime: Path, rng: random.Random) -> None:
    """Requests that end in the middle."""

    def act() -> None:
        frame = link.framed(request(rng))
        shout(knock(runtime), frame[: rng.randrange(len(frame))], hear=False)

    timed(act)


def nested(runtime: Path, rng: random.Random) -> None:
    """Lists in maps in lists, and lists that claim to be endless."""
    start = link.framed({"id": 1, "ask": "commit", "step": "zero", "values": {}, "figures": {"a": 0}})[4:-1]

    def act() -> None:
        body = (
            start + rng.choice((b"\x91", b"\x81\xa1a")) * rng.randrange(60_000 // 3) + b"\xdd\xff\xff\xff\xff"
        )
        shout(knock(runtime), link.HEAD.pack(len(body)) + body)

    timed(act)


def nonsense(runtime: Path, rng: random.Random) -> None:
    """Requests with fields of any type, on one connection, until it is cut."""
    sock = knock(runtime)
    asks = [kind.__struct_config__.tag for kind in link.Request.__args__]

    def act() -> None:
        things = [
            None,
            True,
            -1,
            2**63,
            1e308,
            float("nan"),
            "x" * 999,
            b"\xff" * 999,
            [],
            {},
            [[[]]],
            {"a": {}},
        ]
        fields = {
            name: rng.choice(things)
            for name in rng.sample(("values", "to", "rate_hz", "spot", "on", "rgb"), 3)
        }
        if sock is not None:
            sock.sendall(
                link.framed({"id": rng.choice((1, -1, "a")), "ask": rng.choice((*asks, "", 7)), **fields})
            )

    with contextlib.suppress(OSError):
        timed(act)
    shout(sock, b"")


def flood(runtime: Path, rng: random.Random) -> None:
    """Requests as fast as they are taken, and no answer read."""
    sock, frames = knock(runtime), b"".join(link.framed(request(rng)) for _ in range(2000))
    with contextlib.suppress(OSError):
        timed(lambda: sock.sendall(frames) if sock else time.sleep(0.01))
    shout(sock, b"", hear=False)


def asking(runtime: Path, rng: random.Random) -> None:
    """Requests as fast as they are answered."""
    sock = knock(runtime)

    def act() -> None:
        if sock is not None:
            sock.sendall(link.framed(request(rng)))
            sock.recv(1 << 20)

    with contextlib.suppress(OSError):
        timed(act)
    shout(sock, b"", hear=False)


def crowd(runtime: Path, rng: random.Random) -> None:
    """Connections by the hundred, held and let go at once."""
    socks = [knock(runtime) for _ in range(500)]
    time.sleep(rng.random() * _SLICE_S)
    for sock in socks:
        if sock is not None:
            sock.close()


def killed(runtime: Path, rng: random.Random) -> None:
    """Clients that are killed in the middle of a request."""

    def act() -> None:
        if (child := os.fork()) == 0:
            sock = knock(runtime)
            with contextlib.suppress(OSError):
                if sock is not None:
                    sock.sendall(link.framed(request(rng))[:-1])
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)

    timed(act)


def unread(runtime: Path, rng: random.Random) -> None:
    """Eight full live pictures at the highest rate, of which nothing is ever read."""
    socks = [knock(runtime) for _ in range(8)]
    whole = {"ask": "live", "rate_hz": 30, "width": 16384, "height": 16384}
    for sock in socks:
        with contextlib.suppress(OSError):
            if sock is not None:
                sock.sendall(
                    link.framed({"id": 1, **whole}) + link.framed({"id": 2, "ask": "follow", "on": True})
                )
    time.sleep(3.0 + rng.random())
    for sock in socks:
        if sock is not None:
            sock.close()


def greedy(runtime: Path, rng: random.Random) -> None:
    """Eight full live pictures at the highest rate, all of them taken."""
    socks = [sock for sock in (knock(runtime) for _ in range(8)) if sock is not None]
    with contextlib.suppress(OSError):
        for sock in socks:
            sock.sendall(
                link.framed({"id": 1, "ask": "live", "rate_hz": 30, "width": 16384, "height": 16384})
            )
        until_s = time.monotonic() + 3.0
        while time.monotonic() < until_s:
            for sock in socks:
                sock.recv(1 << 20)
    for sock in socks:
        sock.close()


def tried(runtime: Path, choose: Callable[[], dict[str, Any]]) -> None:
    sock = knock(runtime)

    def act() -> None:
        if sock is not None:
            sock.sendall(link.framed({"id": 1, "ask": "set", "values": choose()}))
            sock.recv(1 << 16)

    with contextlib.suppress(OSError):
        timed(act)
    shout(sock, b"", hear=False)


def trying(runtime: Path, rng: random.Random) -> None:
    """Settings tried as fast as they are taken, of those that the loop takes between two frames."""
    tried(
        runtime, lambda: {"feedback.mode": rng.choice(("live", "box")), "feedback.brightness": rng.random()}
    )


def changing(runtime: Path, rng: random.Random) -> None:
    """Settings tried as fast as they are taken, of those that the loop has to begin anew for."""
    tried(runtime, lambda: {"lens.roll_deg": rng.random()})


def watching(runtime: Path, rng: random.Random) -> None:
    """No attack: somebody who looks on, as `hipbar watch` does on a quick line."""
    sock = knock(runtime)
    with contextlib.suppress(OSError):
        if sock is not None:
            sock.sendall(link.framed({"id": 1, "ask": "live", "rate_hz": 15, "width": 160, "height": 100}))
            until_s = time.monotonic() + 3.0
            while time.monotonic() < until_s and sock.recv(1 << 20):
                pass
    shout(sock, b"", hear=False)


def busy(runtime: Path, rng: random.Random) -> None:
    """No attack on the link: a program beside the station that takes all the time that it can get."""
    timed(lambda: None)


def request(rng: random.Random) -> dict[str, Any]:
    """One that is answered and changes nothing that a test would not have."""
    asks = ("hello", "status", "settings", "calibration", "picture", "reboot", "live", "follow")
    return {
        "id": rng.randrange(2**53),
        **rng.choice([{"ask": "live", "rate_hz": 30, "width": 80, "height": 60}, {"ask": "follow", "on": True}]
        + [{"ask": ask} for ask in asks]),
    }  # fmt: skip


_ALL = (
    noise,
    lengths,
    halves,
    nested,
    nonsense,
    flood,
    asking,
    crowd,
    killed,
    unread,
    greedy,
    trying,
    changing,
)
ATTACKS: dict[str, Attack] = {one.__name__: one for one in (*_ALL, watching, busy)}


def attacking(name: str, runtime: Path, seconds: float, seed: int) -> None:
    """One attack, for so long."""
    rng, until_s = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError):
            ATTACKS[name](runtime, rng)


@contextlib.contextmanager
def attacked(names: tuple[str, ...], runtime: Path, seconds: float) -> Iterator[None]:
    """All of these at once, each in a process of its own."""
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=attacking, args=(name, runtime, seconds, seed), daemon=True)
        for seed, name in enumerate(names)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.join(seconds + 10)
            process.kill()


# what it does to the station


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One phase. gap_ms : between two frames of the bar; age_ms : of a frame when its light was out.

    machine_ms : how late a program of the highest priority was woken at the worst: what the machine itself adds.
    """

    attack: str
    frames: int
    gap_p99_ms: float
    gap_max_ms: float
    age_p50_ms: float
    age_p99_ms: float
    age_max_ms: float
    cpu: float
    memory_mb: float
    descriptors: int
    machine_ms: float


def stamps_s(bar: socket.socket, seconds: float) -> np.ndarray:
    """When the bar's frames were sent, by the kernel's clock, of the next so many seconds."""
    bar.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    bar.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    bar.settimeout(5.0)
    times, until_s = [], time.time() + seconds
    while not times or times[-1] < until_s:
        for level, kind, data in bar.recvmsg(2048, 64)[1]:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                whole, part = struct.unpack("qq", data)
                times.append(whole + part * 1e-9)
    now_s = until_s - seconds
    return np.array([t_s for t_s in times if t_s >= now_s])


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def late_ms(processor: int, seconds: float, told: Any) -> None:
    """How late a program is woken that nothing may keep waiting, at the worst; told at the end."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, {processor})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(90))
    worst_s, until_s = 0.0, time.monotonic() + seconds
    while (now_s := time.monotonic()) < until_s:
        time.sleep(0.002)
        worst_s = max(worst_s, time.monotonic() - now_s - 0.002)
    told.send(worst_s * 1e3)


@contextlib.contextmanager
def clocked(seconds: float) -> Iterator[Callable[[], float]]:
    """Measures beside everything else how long the machine itself stands still; call what it gives to know."""
    context, ends = multiprocessing.get_context("fork"), []
    for processor in os.sched_getaffinity(0):
        here, there = context.Pipe()
        context.Process(target=late_ms, args=(processor, seconds, there), daemon=True).start()
        ends.append(here)
    yield lambda: max(float(end.recv()) for end in ends)


def fresh_status(runtime: Path) -> Status:
    """The next status that is written."""
    first, until_s = read_status(runtime), time.monotonic() + 5.0
    while time.monotonic() < until_s:
        now = read_status(runtime)
        if now is not None and first is not None and now.written_s != first.written_s:
            return now
        time.sleep(0.02)
    raise AssertionError("the status is not written any more")


def measured(names: tuple[str, ...], runtime: Path, bar: socket.socket, pid: int, seconds: float) -> Row:
    """One phase: the station as it is under these attacks."""
    began_s, used_s = time.monotonic(), cpu_s(pid)
    with clocked(seconds) as latest, attacked(names, runtime, seconds):
        gaps = np.diff(stamps_s(bar, seconds))
        status = fresh_status(runtime)
        machine_ms = latest()
        share = (cpu_s(pid) - used_s) / (time.monotonic() - began_s)
    total = status.stages_ms.total
    assert total.p50 is not None
    assert total.p99 is not None
    assert total.max is not None
    return Row(
        attack=" + ".join(names) or "nobody",
        frames=len(gaps) + 1,
        gap_p99_ms=float(np.percentile(gaps, 99)) * 1e3,
        gap_max_ms=float(gaps.max()) * 1e3,
        age_p50_ms=total.p50,
        age_p99_ms=total.p99,
        age_max_ms=total.max,
        cpu=share,
        memory_mb=status.memory_mb or 0.0,
        descriptors=status.descriptors or 0,
        machine_ms=machine_ms,
    )


HEAD = "            bar gap p99  longest  light age p50     p99   most   cpu  memory  files  machine"


def line(row: Row) -> str:
    """One row of the table."""
    bar = f"{row.gap_p99_ms:9.1f} ms {row.gap_max_ms:5.1f} ms"
    light = f"{row.age_p50_ms:11.2f} ms {row.age_p99_ms:6.2f} {row.age_max_ms:6.1f}"
    cost = f"{row.cpu:5.0%} {row.memory_mb:5.0f} MB {row.descriptors:6}"
    return f"{row.attack[:11]:<11} {bar} {light} {cost} {row.machine_ms:5.1f} ms"


def first_of_all() -> None:
    """The priority that the unit gives the service."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(30))


def in_memory() -> str | None:
    """Where a runtime folder belongs: the flight recorder's pages must never wait for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.link.attack", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--fifo", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("attacks", nargs="*")
    args = parser.parse_args(words)
    from tests.serving.conftest import Station

    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        one = Station(Path(folder), SETTINGS)
        with contextlib.closing(one), tempfile.TemporaryFile() as log:
            one.start(stderr=log, **({"preexec_fn": first_of_all} if args.fifo else {}))
            one.hears("READY=1")
            assert one.process
            print(HEAD)
            for name in ("", *(args.attacks or [one.__name__ for one in _ALL]), ""):
                row = measured(
                    tuple(name.split("+")) if name else (),
                    one.runtime,
                    one._bar,
                    one.process.pid,
                    args.seconds,
                )
                print(msgspec.json.encode(row).decode() if args.json else line(row), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
