"""What loop, books and machine say becomes the status file each second and a line in the journal each minute.

One thread beside the loop, which it only reads. Seconds on the monotonic clock, milliseconds for ages, megabytes. It
is also the inner watchman: a loop that hangs ends the process with words for what it hangs in, and a process that has
grown too big is asked to end as soon as nobody runs. What writes to the card has a thread of its own, because a card
may hang. Refuses to fail: a figure that can't be had is None.
"""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from appliance.records import Light
from appliance.station.flight import boot_id
from appliance.station.health import health_line
from appliance.station.sentinel import Beat
from appliance.station.status import Ages, Keeping, Machine, Status, StatusFile, process_state
from appliance.station.tally import Delays

TICK_S = 1.0
HEALTH_S = 60.0
BOARD_S = 10.0
"""The machine's figures are asked for so often: a Pi's firmware takes a process and some milliseconds."""

FROZEN_S = 1.6 * TICK_S
"""A nap that took so long: the whole process stood still (stopped, a machine asleep), so the loop is not to blame."""

GROWS_S = 600.0
"""A process that is too big when it is younger than this was born so: a fresh one would be no smaller."""

FAR_TOO_BIG = 1.5
"""Times the limit on memory: then the process ends even while somebody runs, before the kernel ends it for us."""

_log = logging.getLogger("hipbar.health")


class Facts(Protocol):
    """What the loop's side knows; each is one attribute, read without a lock."""

    light: str
    lost: int
    strip_faults: int
    ages: Delays
    ages_told: bool
    keeping: Keeping
    troubles: tuple[str, ...]
    safe_settings: bool


class Teller:
    """Tells from when it is made until it is closed.

    facts : what the loop's side knows now. machine : the board's figures. stuck : called once, from the thread, with
    the seconds for which the loop has hung. more : what else belongs into the status, by its names there. memory_mb :
    the limit, for a process that is older than `grows_s`.
    """

    def __init__(
        self,
        runtime: Path,
        version: str,
        beat: Beat,
        facts: Facts,
        machine: Callable[[], Machine],
        stuck: Callable[[float], None],
        more: Callable[[], dict[str, Any]],
        memory_mb: float,
        *,
        grows_s: float = GROWS_S,
    ) -> None:
        self._began_s, self._grows_s = time.monotonic(), grows_s
        self._file, self._beat, self._facts, self._stuck = StatusFile(runtime), beat, facts, stuck
        self._more = more
        self._ask_machine, self._memory_mb = machine, memory_mb
        pid = os.getpid()
        self.last = self._about = Status(
            version=version,
            pid=pid,
            process_start=process_state(pid)[1],
            boot_id=boot_id(),
            started_s=self._began_s,
        )
        self._machine, self._asked_s, self._health_s = Machine(), float("-inf"), time.monotonic()
        self._state, self._state_s = "", 0.0
        self._frames, self._frames_s = 0, time.monotonic()
        self._rate_hz: float | None = None
        self.too_big = self.far_too_big = False
        self._jobs: list[threading.Thread] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="teller", daemon=True)
        self._tick()
        self._thread.start()

    def clock_set(self) -> bool | None:
        """Whether the wall clock is set, as the machine last said."""
        return self._machine.clock_synchronised

    def later(self, job: Callable[[], None]) -> None:
        """Something that may take a while, or for ever, done a second later; `close` waits a second for it."""

        def do() -> None:
            self._ended.wait(TICK_S)  # the start has other things to do now
            _tried(job)

        self._jobs.append(threading.Thread(target=do, name="teller's job", daemon=True))
        self._jobs[-1].start()

    def close(self, state: str = Light.OFF) -> None:
        """Tells the last state and ends."""
        self._ended.set()
        until_s = time.monotonic() + TICK_S
        for thread in (self._thread, *self._jobs):
            thread.join(max(0.0, until_s - time.monotonic()))
        self._facts.light = state
        _tried(self._tick)

    def _tell(self) -> None:
        began_s = time.monotonic()
        while not self._ended.wait(TICK_S):
            now_s = time.monotonic()
            stuck_s = self._beat.stuck_s(now_s)
            if stuck_s and now_s - began_s < FROZEN_S:
                self._stuck(stuck_s)
            _tried(self._tick)
            began_s = time.monotonic()

    def _tick(self) -> None:
        now_s = time.monotonic()
        if now_s - self._asked_s >= BOARD_S:
            self._asked_s, self._machine = now_s, self._ask_machine()
        status = self._status(now_s)
        self.last = status
        self._mind_memory(status.memory_mb)
        self._file.write(status)
        if now_s - self._health_s >= HEALTH_S:
            self._health_s = now_s
            self._facts.ages_told = True  # the loop begins new ones
            _log.info(health_line(status))

    def _status(self, now_s: float) -> Status:
        facts = self._facts
        if facts.light != self._state:
            self._state, self._state_s = facts.light, now_s
        since_s = now_s - self._frames_s
        if since_s >= TICK_S / 2:
            self._rate_hz = (self._beat.frames - self._frames) / since_s
            self._frames, self._frames_s = self._beat.frames, now_s
        return msgspec.structs.replace(
            self._about,
            state=self._state,
            state_since_s=self._state_s,
            written_s=now_s,
            frames=self._beat.frames,
            rate_hz=self._rate_hz,
            lost=facts.lost,
            strip_faults=facts.strip_faults,
            light_age_ms=ages_ms(facts.ages),
            recording=facts.keeping,
            memory_mb=resident_mb(),
            descriptors=descriptors(),
            safe_settings=facts.safe_settings,
            troubles=self._troubles(),
            board=self._machine,
            **self._more(),
        )

    def _troubles(self) -> tuple[str, ...]:
        grown = (
            (f"memory beyond {self._memory_mb:g} MB: starts anew when nobody runs",) if self.too_big else ()
        )
        return (*self._facts.troubles, *grown)

    def _mind_memory(self, mb: float | None) -> None:
        if mb is None or mb <= self._memory_mb:
            return
        if time.monotonic() - self._began_s < self._grows_s:
            return
        if not self.too_big:
            _log.warning(
                "memory: %.0f MB, the limit is %g: starting anew when nobody runs", mb, self._memory_mb
            )
        self.too_big = True
        self.far_too_big = mb > FAR_TOO_BIG * self._memory_mb


def _tried(act: Callable[[], None]) -> None:
    """Whatever it raises, the bar must not end because of it, nor the watch over it."""
    try:
        act()
    except Exception:
        _log.exception("the station could not be told of")


def ages_ms(delays: Delays) -> Ages:
    """Quantiles of how old pictures were when their light was out."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    found = {name: delays.quantile_us(share) for name, share in shares.items()}
    return Ages(**{name: None if us is None else us / 1e3 for name, us in found.items()})


def resident_mb() -> float | None:
    """What of this process lies in memory."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * resource.getpagesize() / 1e6
    return None


def descriptors() -> int | None:
    """How many files, sockets and devices this process has open."""
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208  # the listing itself is one
    return None


def keeping_of(record: msgspec.Struct | None) -> Keeping:
    """What the archive says of itself, in the words of the status."""
    known = {} if record is None else msgspec.structs.asdict(record)
    return Keeping(**{name: known[name] for name in Keeping.__struct_fields__ if name in known})
