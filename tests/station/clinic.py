"""A scene, a service and a bar that somebody looks at become what a technician finds: a station that can be set up.

    with Clinic.open(folder) as clinic:
        clinic.acts(act="lift left")               # what is truly before the camera from now on
        clinic.half()                              # "left", "right" or "neither": what somebody sees of the bar
        clinic.environment                         # for programs that are to meet this station

The camera is the virtual one and looks at a scene that the settings know nothing of; the bar's frames come over the
network, as a WLED controller gets them. `turned` : somebody has mounted the bar the wrong way round. `order` : the
order of its colours, whatever the settings say. Every wait is bounded.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from appliance.records import U8
from appliance.station.calibration import read_calibration
from appliance.station.places import RUNTIME
from appliance.station.status import Status, read_status
from tests import worlds

ROOT = Path(__file__).resolve().parents[2]
LEDS = 60
SETTINGS = """\
[camera]
source = "virtual"
rate_hz = {rate_hz:g}
scene = "{scene}"
[strip]
kind = "wled"
host = "127.0.0.1"
port = {port}
leds = {leds}
[service]
record = false
"""
_DDP_HEADER = 10
_LONG_S = 60.0


class Places(NamedTuple):
    """Where a station's files are."""

    runtime: Path
    state: Path
    file: Path


class Clinic:
    """One station, from its scene to its bar."""

    def __init__(
        self,
        folder: Path,
        *,
        turned: bool = False,
        rate_hz: float = 60.0,
        places: Places | None = None,
        order: str = "rgb",
        **scene: Any,
    ) -> None:
        self._turned, self._order = turned, order
        self.runtime, self.state, self.file = places or Places(
            folder / "run", folder / "state", folder / "hipbar.toml"
        )
        for where in (self.runtime, self.state):
            where.mkdir(exist_ok=True)
        self.scene = worlds.world(folder, **scene)
        self._line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._line.bind(("127.0.0.1", 0))
        self._line.settimeout(0.2)
        port = self._line.getsockname()[1]
        self.file.write_text(SETTINGS.format(rate_hz=rate_hz, scene=self.scene, port=port, leds=LEDS))
        self.environment = {"HIPBAR_RUNTIME": str(self.runtime), "HIPBAR_STATE": str(self.state)}
        self._seen = np.zeros((LEDS, 3), np.uint8)
        self._ended = threading.Event()
        self._eye = threading.Thread(target=self._look, daemon=True)
        self._log = folder / "log"
        self._service: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def installed(cls, folder: Path) -> Iterator[Clinic]:
        """The same with its files where a station has them; `folder` is for the scene."""
        places = Places(RUNTIME, Path("/var/lib/hipbar"), Path("/etc/hipbar/hipbar.toml"))
        with cls.open(folder, places=places) as one:
            yield one

    @classmethod
    @contextmanager
    def open(cls, folder: Path, *, serve: bool = True, **more: Any) -> Iterator[Clinic]:
        """A station before a scene, running unless it is only to be there; gone when the block is left."""
        one = cls(folder, **{"act": "stand", **more})
        one._eye.start()
        try:
            if serve:
                one.serve()
            yield one
        finally:
            one.stop()
            one._ended.set()
            one._eye.join(5.0)
            one._line.close()

    def serve(self) -> None:
        """Starts the service, and waits until it measures."""
        words = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(self.file)]
        with self._log.open("ab") as log:
            self._service = subprocess.Popen(
                words, cwd=ROOT, env={**os.environ, **self.environment}, stderr=log, stdin=subprocess.DEVNULL
            )
        self.until(lambda status: status.frames > 20)

    def stop(self) -> None:
        """Ends the service."""
        if self._service is not None:
            self._service.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._service.wait(15)
            self._service.kill()
            self._service.wait()

    def acts(self, **changes: Any) -> None:
        """Changes what is before the camera."""
        worlds.act(self.scene, **changes)

    @property
    def revision(self) -> int:
        """The number of the calibration on the card."""
        now = read_calibration(self.state).current
        return now.number if now else 0

    def status(self) -> Status:
        """What the station said last."""
        return read_status(self.runtime) or Status()

    def until(self, so: Callable[[Status], bool], within_s: float = _LONG_S) -> Status:
        """Waits for such a status."""
        until_s = time.monotonic() + within_s
        while not so(status := self.status()):
            ended = self._service is not None and self._service.poll() is not None
            assert not ended, f"the service has ended: {self.log()}"
            assert time.monotonic() < until_s, f"never so: {status}\n{self.log()}"
            time.sleep(0.05)
        return status

    def log(self) -> str:
        """What the service wrote."""
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    def half(self) -> str:
        """The half of the bar that is lit, as somebody sees it who stands where the runner runs."""
        lit = self._glance().any(axis=1)
        first, second = bool(lit[: LEDS // 2].any()), bool(lit[LEDS // 2 :].any())
        return "left" if first and not second else "right" if second and not first else "neither"

    def colour(self) -> str:
        """The colour of what is lit; "o" for a mixture."""
        found = {"rgb"[int(np.argmax(led))] for led in self._glance() if led.any()}
        return found.pop() if len(found) == 1 else "o"

    def _glance(self) -> U8:
        """What is lit, from the runner's left to right."""
        time.sleep(0.3)  # longer than a cross-fade of the lights
        seen = self._seen[:, [self._order.index(colour) for colour in "rgb"]]
        return seen[::-1] if self._turned else seen

    def _look(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                data = self._line.recv(4096)[_DDP_HEADER:]
                if len(data) == self._seen.size:
                    self._seen = np.frombuffer(data, np.uint8).reshape(-1, 3)


def figure(text: str, form: str) -> float:
    """The last figure in a text that stands where `form` has its group."""
    found = re.findall(form, text)
    assert found, f"no {form!r} in: {text[-2000:]}"
    return float(found[-1])
