"""What a witness wrote becomes what a person saw on the bar: which picture, from when to when.

Times are seconds on CLOCK_MONOTONIC, which a container shares. A picture has the name of the pattern that it is,
"dark", "measuring" when it has a colour that no pattern has, else "fading": between two patterns. The bar keeps its
last picture for as long as nobody sends another. Refuses a packet that was no frame.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from appliance.config import Settings
from appliance.feedback.patterns import pattern
from appliance.records import U8, Notice, Shown

DARK, MEASURING, FADING = "dark", "measuring", "fading"
STARTING, NO_CAMERA, FAULT = Notice.STARTING.name, Notice.NO_CAMERA.name, Notice.FAULT.name
WARMING_UP, NO_DATA = Shown.WARMING_UP.name, Shown.NO_DATA.name


class Look(NamedTuple):
    """The same picture for a while: when its first and its last frame came, and how many there were."""

    name: str
    from_s: float
    to_s: float
    frames: int


class Bar:
    """The bar that a witness watches, through the file that it appends to."""

    def __init__(self, file: Path, settings: Settings) -> None:
        self._file, self._at = file, 0
        self._leds, self._blue = settings.strip.leds, 2
        shown = (picture for picture in Shown if picture not in {Shown.OFF, Shown.MEASUREMENT})
        self._names = {pattern(picture, settings).tobytes(): picture.name for picture in (*shown, *Notice)}
        self._names[np.zeros((self._leds, 3), np.uint8).tobytes()] = DARK
        self._looks: list[Look] = []
        self._came_s: list[float] = []

    def looks(self, since_s: float = 0.0) -> list[Look]:
        """What was seen since then, the picture that was there already included."""
        self._read()
        return [
            look
            for look, following in zip(self._looks, [*self._looks[1:], None], strict=False)
            if following is None or following.from_s > since_s
        ]

    @property
    def now(self) -> str:
        """What it shows."""
        self._read()
        return self._looks[-1].name if self._looks else DARK

    def first(self, since_s: float, *names: str) -> float | None:
        """When one of these came up, at that moment or later; None = not yet."""
        return next(
            (look.from_s for look in self.looks(since_s) if look.name in names and look.from_s >= since_s),
            None,
        )

    def await_first(self, since_s: float, *names: str, timeout_s: float = 20.0) -> float:
        """As `first`, but waits for it."""
        found = _within(lambda: self.first(since_s, *names), timeout_s)
        assert found is not None, f"{names} never came up in {timeout_s:.0f} s: {self.story(since_s)}"
        return found

    def longest_gap_s(self, from_s: float, to_s: float) -> float:
        """The longest time without a frame in that span."""
        self._read()
        came_s = [from_s, *(at_s for at_s in self._came_s if from_s < at_s < to_s), to_s]
        return max(after - before for before, after in itertools.pairwise(came_s))

    def story(self, since_s: float = 0.0) -> str:
        """What was seen since then, in words."""
        return ", ".join(
            f"{look.name} {look.from_s - since_s:+.3f} s ({look.frames})"
            for look in self.looks(since_s)[-30:]
        )

    def _read(self) -> None:
        """Takes in the lines that are new."""
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._at)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._at += len(whole)
        for line in whole.decode().splitlines():
            at, colours = line.split()
            self._add(float(at), bytes.fromhex(colours))

    def _add(self, at_s: float, colours: bytes) -> None:
        name = self._names.get(colours) or self._named(np.frombuffer(colours, np.uint8).reshape(-1, 3))
        self._came_s.append(at_s)
        last = self._looks[-1] if self._looks else None
        if last and last.name == name:
            self._looks[-1] = last._replace(to_s=at_s, frames=last.frames + 1)
        else:
            self._looks.append(Look(name, at_s, at_s, 1))

    def _named(self, rgb: U8) -> str:
        """No pattern has blue in it, in the palette that the bench uses."""
        assert len(rgb) == self._leds, f"a frame of {len(rgb)} LEDs"
        return MEASURING if rgb[:, self._blue].any() else FADING


def _within(found: Callable[[], float | None], timeout_s: float) -> float | None:
    """What it gives as soon as that is not None."""
    until_s = time.monotonic() + timeout_s
    while (one := found()) is None and time.monotonic() < until_s:
        time.sleep(0.005)
    return one
