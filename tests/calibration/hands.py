"""A service before a scene, and somebody who does there what the steps say: the real steps without their terminal.

A `Bench` is one camera; its scenes, and what the station believes of its lens, change from case to case. `Hands` reads
each sentence of a step and acts. The steps run in this process, against the service's real link.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import worlds

from appliance.commands.calibrate.guide import Guide, Outcome
from appliance.errors import HipbarError
from appliance.station.client import Link
from tests.serving.conftest import Station

NOBODY: dict[str, Any] = {"act": "away", "board": None, "beam": None, "plumb": None, "lamp": None}
LENS = {"f_px": "fx_px", "cx_px": "cx_px", "cy_px": "cy_px"} | {k: k for k in ("k1", "k2", "p1", "p2", "k3")}
"""A scene's lens and the settings that say the same."""
Turns = Mapping[str, Callable[[], None]]


class Hands(Guide):
    """Answers yes, and does what the first pattern that is found in a sentence stands for."""

    def __init__(self, turns: Turns, idle_s: float = 1.2, idle: Callable[[], None] | None = None) -> None:
        super().__init__(yes=True, out=io.StringIO())
        self._turns, self._idle_s, self._idle = turns, idle_s, idle
        self._acted_s = time.monotonic()
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Reads the sentence, and acts."""
        self.said.append(text)
        for words, turn in self._turns.items():
            if re.search(words, text):
                self._acted_s = time.monotonic()
                turn()
                return

    def figure(self, text: str, good: bool | None = None) -> None:
        """Sees the live figure; when nothing has come of it for a while, does something else."""
        self.said[-1:] = [*self.said[-1:], text][:2]
        if self._idle and time.monotonic() - self._acted_s > self._idle_s:
            self._acted_s = time.monotonic()
            self._idle()


class Bench:
    """One camera's service."""

    def __init__(self, folder: Path, camera: str = "", more: str = "", **scene: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = worlds.world(folder, **{**NOBODY, **scene})
        text = f'[camera]\nsource = "virtual"\nscene = "{self.path}"\n{camera}\n{more}'
        self.station = Station(folder, text)
        self._log = (folder / "log").open("w")
        self.station.start(stderr=self._log)
        self.station.status(lambda status: status.frames > 30)
        self.camera = self.station.settings.camera
        self._link: Link | None = None

    @property
    def link(self) -> Link:
        """One connection: what a case tried is taken back at the next."""
        if self._link is None:
            self._link = Link.open(self.station.runtime)
        return self._link

    def scene(self, **fields: Any) -> None:
        """A whole new scene, nothing of the one before left, and nothing tried or kept."""
        worlds.act(self.path, **{**dict.fromkeys(_fields(self.path)), **NOBODY, **fields})
        self.link.rollback(0)
        self.link.unset()
        time.sleep(0.3)

    def act(self, **changes: Any) -> None:
        """Something changes in the scene."""
        worlds.act(self.path, **changes)

    def believes(self, **values: Any) -> None:
        """The station takes the scene's lens, and these values beside, for true."""
        scene = self.truth().scene
        known = {f"lens.{name}": getattr(scene, field) for field, name in LENS.items()}
        known["lens.fx_px"] = known["lens.fy_px"] = scene.focal_px
        self.link.set({**known, **values})

    def truth(self) -> Any:
        """The scene as a perfect instrument has it."""
        return worlds.truth(self.path, self.camera)

    def step(self, name: str, hands: Hands, **params: Any) -> Outcome | HipbarError:
        """Runs the step as the command does, with its options' defaults under `params`; what it found or refused."""
        module = import_module(f"appliance.commands.calibrate.{name}")
        told = {p.name: p.default for p in module.command.params}
        for known in ("config", "yes", "as_json", "dry_run"):
            del told[known]
        try:
            found: Outcome = module.step(self.link, hands, **{**_plain(told), **params})
        except HipbarError as error:
            return error
        return found

    def close(self) -> None:
        """Ends the service."""
        if self._link:
            self._link.close()
        self.station.close()
        self._log.close()


@contextmanager
def bench(folder: Path, camera: str = "", more: str = "", **scene: Any) -> Iterator[Bench]:
    """A `Bench` that is closed."""
    one = Bench(folder, camera, more, **scene)
    try:
        yield one
    finally:
        one.close()


def _fields(path: Path) -> list[str]:
    import tomllib

    return list(tomllib.loads(path.read_text(encoding="utf-8")))


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    """An option without a default is None."""
    return {
        name: value if isinstance(value, bool | int | float | str) else None for name, value in told.items()
    }
