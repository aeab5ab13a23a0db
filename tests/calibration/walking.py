"""A technician at a real terminal before a real service: reads prompts, acts before the virtual camera, sees the bar.

The bar is what arrives over the network, so what this person sees is what the wire carries, through a strip that may be
wired in any way: which end is first, which order the colours have, how many LEDs there are.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pexpect
import worlds

from appliance.records import U8
from tests.serving.conftest import LONG_S, ROOT, Station

SETTINGS = '[camera]\nsource = "virtual"\nrate_hz = 60.0\nscene = "{scene}"\n'
_DDP_HEADER = 10


class Place:
    """A service that runs, what is truly before its camera, and its bar as it hangs there."""

    def __init__(self, folder: Path, **scene: Any) -> None:
        self.scene = worlds.world(folder, **{"act": "stand", **scene})
        self.station = Station(folder, SETTINGS.format(scene=self.scene))
        self.wire_from_right, self.order, self.leds = False, "rgb", self.station.settings.strip.leds
        self.log = (folder / "log").open("w")
        self.station.start(stderr=self.log)
        self.station.status(lambda status: status.frames > 60)

    @property
    def env(self) -> dict[str, str]:
        runtime, state = self.station.runtime, self.station.state
        wide = {"COLUMNS": "140", "LINES": "40", "TERM": "xterm", "NO_COLOR": "1"}
        return {**os.environ, **wide, "HIPBAR_RUNTIME": str(runtime), "HIPBAR_STATE": str(state)}

    def act(self, **changes: Any) -> None:
        worlds.act(self.scene, **changes)

    def sees(self) -> U8:
        """The bar from the runner's left to right, as it is now: a question comes when its picture is on the wire."""
        bar: socket.socket = self.station._bar
        bar.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                bar.recv(4096)
        bar.settimeout(LONG_S)
        last = bar.recv(4096)
        wire = np.frombuffer(last[_DDP_HEADER:], np.uint8).reshape(-1, 3)[: self.leds]
        seen = np.zeros((self.leds, 3), np.uint8)
        seen[: len(wire)] = wire[:, ["rgb".index(colour) for colour in self._lit_by()]]
        return seen[::-1] if self.wire_from_right else seen

    def _lit_by(self) -> list[str]:
        """Which byte of the wire lights red, green and blue."""
        return ["rgb"[self.order.index(colour)] for colour in "rgb"]

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "appliance.cli", "calibrate", *words]

    def said(self, *words: str, code: int = 0) -> str:
        """What a command without a terminal prints."""
        done = subprocess.run(
            self.words(*words),
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=2 * LONG_S,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    def told(self, *words: str) -> Any:
        return json.loads(self.said(*words, "--json"))

    @contextmanager
    def walk(self, *words: str) -> Iterator[pexpect.spawn]:
        """A command on a terminal of its own."""
        program, *rest = self.words(*words)
        child = pexpect.spawn(
            program, rest, cwd=str(ROOT), env=self.env, timeout=LONG_S, encoding="utf-8", dimensions=(40, 140)
        )
        try:
            yield child
        finally:
            child.close(force=True)

    def close(self) -> None:
        self.station.close()
        self.log.close()


def ended(child: pexpect.spawn) -> int:
    """The exit code of a walk that is over."""
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus is not None, child.before
    return int(child.exitstatus)


def lifts(child: pexpect.spawn, place: Place, feet: Callable[[str], str] = lambda asked: asked) -> None:
    """Lifts the foot that is asked for, or the one that `feet` makes of it, and puts it down."""
    child.expect("Lift the (LEFT|RIGHT) foot")
    place.act(act=f"lift {feet(child.match[1].lower())}")
    child.expect("Put it down|no heel rose|once more")
    place.act(act="stand")


def half(place: Place) -> str:
    """Which half of the bar is lit."""
    lit = place.sees().any(axis=1)
    left, right = lit[: len(lit) // 2].mean(), lit[-(len(lit) // 2) :].mean()
    return "l" if left > 0.9 and right < 0.1 else "r" if right > 0.9 and left < 0.1 else "n"
