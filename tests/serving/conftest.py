"""`hipbar serve` as a process of its own: its bar arrives over the network, its words to systemd on a socket."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from appliance.config import Settings, parse
from appliance.feedback.patterns import pattern
from appliance.records import Notice, Shown
from appliance.station.crash import crashes
from appliance.station.status import Status, read_status
from tests.calibrated import prove_sides

ROOT = Path(__file__).resolve().parents[2]
_DDP_HEADER = 10
LONG_S = 40.0
"""Nothing here takes so long, not even on a busy machine."""


class Station:
    """One station: its folders, its settings file, its bar, and what it told whoever started it."""

    def __init__(self, folder: Path, settings: str, *, proved: bool = True) -> None:
        self.file, self.runtime, self.state = folder / "hipbar.toml", folder / "run", folder / "state"
        self.runtime.mkdir()
        self.state.mkdir()
        self._bar = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._bar.bind(("127.0.0.1", 0))
        self._words = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._words.bind(str(folder / "notify"))
        self._address = str(folder / "notify")
        self.text = settings + (
            f'\n[strip]\nkind = "wled"\nhost = "127.0.0.1"\nport = {self._bar.getsockname()[1]}\n'
        )
        self.file.write_text(self.text)
        self.settings: Settings = parse(self.text)
        if proved:
            prove_sides(self.state, self.settings)
        self.told: list[tuple[float, str]] = []
        self.process: subprocess.Popen[str] | None = None

    def start(self, **more: Any) -> float:
        """Starts it; when. `more` is for `Popen`."""
        env = {**os.environ, "HIPBAR_RUNTIME": str(self.runtime), "HIPBAR_STATE": str(self.state)}
        env |= {"NOTIFY_SOCKET": self._address, "WATCHDOG_USEC": "5000000"}
        words = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(self.file)]
        began_s = time.monotonic()
        self.process = subprocess.Popen(
            words, cwd=ROOT, text=True, **{"env": env, "stderr": subprocess.PIPE, **more}
        )
        return began_s

    def lit(self, wanted: Shown | Notice | Callable[[np.ndarray], bool], within_s: float = LONG_S) -> float:
        """Waits until the bar shows this; when it did."""
        picture = None if callable(wanted) else pattern(wanted, self.settings)
        self._bar.settimeout(within_s)
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            rgb = np.frombuffer(self._bar.recv(4096)[_DDP_HEADER:], np.uint8).reshape(-1, 3)
            if np.array_equal(rgb, picture) if picture is not None else wanted(rgb):  # type: ignore[operator]
                return time.monotonic()
        raise AssertionError(f"the bar never showed {wanted}")

    def fills_systemd_s_queue(self) -> None:
        """From now until it hears again, systemd has no room for another word."""
        with contextlib.suppress(BlockingIOError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            while True:
                line.sendto(b"STATUS=busy", self._address)

    def freshest_s(self, within_s: float) -> float:
        """The longest time between two frames of the bar, in so many seconds."""
        self._bar.settimeout(within_s)
        last_s = time.monotonic()
        worst_s, until_s = 0.0, last_s + within_s
        while last_s < until_s:
            self._bar.recv(4096)
            now_s = time.monotonic()
            worst_s, last_s = max(worst_s, now_s - last_s), now_s
        return worst_s

    def hears(self, words: str, within_s: float = LONG_S) -> float:
        """Waits until it tells systemd a line that begins so; when it did."""
        self._words.settimeout(within_s)
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            lines = self._words.recv(4096).decode().splitlines()
            self.told += [(time.monotonic(), line) for line in lines]
            if any(line.startswith(words) for line in lines):
                return time.monotonic()
        raise AssertionError(f"systemd never heard {words}")

    def status(self, wanted: Callable[[Status], bool] = lambda _: True, within_s: float = LONG_S) -> Status:
        """Waits for such a status."""
        until_s = time.monotonic() + within_s
        seen = None
        while time.monotonic() < until_s:
            seen = read_status(self.runtime)
            if seen is not None and wanted(seen):
                return seen
            assert self.process is not None
            if self.process.poll() is not None and self.process.returncode:
                break
            time.sleep(0.02)
        raise AssertionError(f"never so: {seen and msgspec.json.encode(seen)!r}")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> tuple[int, str]:
        """Exit code and log, once it has ended."""
        assert self.process is not None
        log = self.process.communicate(timeout=LONG_S)[1]
        return self.process.returncode, log

    def report(self) -> Path:
        """Waits for a crash report."""
        until_s = time.monotonic() + LONG_S
        while time.monotonic() < until_s:
            if found := crashes(self.state / "crashes"):
                return found[0]
            time.sleep(0.05)
        raise AssertionError("no crash report")

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None and not (self.process.stderr and self.process.stderr.closed):
            self.process.communicate()
        self._bar.close()
        self._words.close()


Make = Callable[[str], Station]


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Make]:
    """Makes a station with these settings, and ends it."""
    made: list[Station] = []

    def make(settings: str = "") -> Station:
        made.append(Station(tmp_path, settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
