"""A lit station becomes one that keeps, tells and is watched over: the service's loop with everything beside it.

Times are seconds on the monotonic clock. The loop's thread reads frames and lights the bar; one thread writes to the
card, one tells how the station is. What an earlier process left behind when it died becomes a crash report. Refuses
nothing: a part that can't do its work is a trouble in the status, and the bar goes on.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from appliance.config import Settings
from appliance.errors import CameraLost, HipbarError, StripLost
from appliance.records import Frame, Light, Notice, Press
from appliance.station import crash
from appliance.station.fallback import remember
from appliance.station.flight import FILE, Flight, left_behind
from appliance.station.sentinel import Beat, Doing
from appliance.station.status import Keeping, Machine
from appliance.station.tally import Delays
from appliance.station.teller import Teller

_log = logging.getLogger("hipbar.station")
TRACE = "traceback"
"""In the runtime folder: where a process that dies leaves what it was doing."""

_GRANTED_S = 30.0  # what systemd grants with each word of a start that waits for something
_SWITCH_S = 0.0005  # the other threads let the loop have Python's lock after so long, not after 5 ms


class Notifier(Protocol):
    """The line to systemd."""

    def ready(self, status: str = "") -> None:
        """The station has started."""

    def alive(self) -> None:
        """Frames and light go on."""

    def extend(self, seconds: float, status: str = "") -> None:
        """The start may take so much longer."""

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""


class Panel(Protocol):
    """Button and status light."""

    def say(self, light: Light, /) -> None:
        """Shows a state."""

    def presses(self) -> tuple[Press, ...]:
        """The presses since it was last asked."""


class Camera(Protocol):
    """Where frames come from."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def rate_hz(self) -> float:
        """Frames a second."""

    @property
    def lost(self) -> int:
        """How many frames are known to be missed."""

    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""

    def frames(self) -> Iterator[Frame | None]:
        """The frames, in the order of time."""


def signs_of(error: Exception) -> tuple[Light, Notice]:
    """What panel and bar say of what ended the measuring, or keeps it from beginning."""
    lost = isinstance(error, CameraLost)
    return (Light.NO_CAMERA, Notice.NO_CAMERA) if lost else (Light.FAULT, Notice.FAULT)


class Facts:
    """What the loop's side knows, for the teller to read."""

    def __init__(self) -> None:
        self.light: str = "starting"
        self.lost = self.strip_faults = 0
        self.ages, self.ages_told = Delays(), False
        self.keeping = Keeping()
        self.troubles: tuple[str, ...] = ()
        self.safe_settings = False


class Service:
    """Whoever runs as a service, from its first light to its end; leaving the block in order is no crash.

    runtime, state : the folders. text : the settings file's as it was loaded, for the crash reports and to be kept
    once it has proved itself, by which time the file may be another. machine : the board's figures.
    """

    def __init__(
        self,
        runtime: Path,
        state: Path,
        version: str,
        text: str | None,
        notifier: Notifier,
        machine: Callable[[], Machine],
        settings: Settings,
    ) -> None:
        sys.setswitchinterval(_SWITCH_S)
        self.beat, self.facts = Beat(), Facts()
        self.runtime, self.state, self.version, self._text = runtime, state, version, text
        self.notifier = notifier
        self._panel: Panel | None = None
        ring = runtime / FILE
        self._trace = runtime / TRACE
        self._last_words = crash.collected(self._trace)
        crash.listen(self._trace)
        self._wreck = left_behind(ring)
        self.flight = Flight(ring, settings.camera.rate_hz, software=version, settings_text=text or "")
        memory_mb = settings.service.memory_mb
        self.teller = Teller(runtime, version, self.beat, self.facts, machine, self._stuck, memory_mb)
        self.teller.later(self._report_wreck)

    def end(self, error: BaseException | None) -> None:
        """The last state, and what the process after this one has to know; `error` is what ended it."""
        self.beat.turned_s = None
        defect = isinstance(error, Exception) and not isinstance(error, HipbarError)
        self.teller.close(signs_of(error)[0] if isinstance(error, Exception) else Light.OFF)
        if defect:
            self._leave("".join(traceback.format_exception(error)))  # the next process reports it as a crash
        else:
            self.flight.landed(str(error or "ended in order"))

    def panel(self, panel: Panel) -> None:
        """There is a status light from now on."""
        self._panel = panel

    def turned(self, light: Light) -> None:
        """The loop has come to another state, which it has said on the panel itself."""
        self.facts.light = light
        self.flight.say(light)
        self.notifier.status(light)

    def say(self, light: Light, trouble: HipbarError | None = None) -> None:
        """A state of the start, on panel and status and for systemd; said again while it lasts."""
        if self._panel:
            self._panel.say(light)
        if light != self.facts.light:
            self.flight.say(light)
        self.facts.light = light
        self.facts.troubles = (f"{trouble}; {trouble.fix}",) if trouble else ()
        self.notifier.extend(_GRANTED_S, f"{light}: {trouble}" if trouble else light)

    def proved(self) -> None:
        """The settings have brought frames and light: they are kept for the day on which the file is spoilt."""
        self.teller.later(self._remember)

    def _remember(self) -> None:
        if trouble := remember(self._text, self.state):
            _log.warning("%s", trouble)

    def _stuck(self, seconds: float) -> None:
        """The loop hangs: no call of ours can free it, so the process ends, and systemd darkens the bar."""
        doing = self.beat.doing
        _log.critical("hung for %.1f s while %s: starting anew", seconds, doing)
        self._leave(f"hung for {seconds:.1f} s while {doing}\n")
        with contextlib.suppress(OSError), self._trace.open("ab") as file:
            faulthandler.dump_traceback(file, all_threads=True)
        code = {Doing.CAMERA: CameraLost.exit_code, Doing.STRIP: StripLost.exit_code}.get(doing, 1)
        os._exit(code)

    def _leave(self, words: str) -> None:
        """Last words, for the process after this one."""
        with contextlib.suppress(OSError), self._trace.open("a", encoding="utf-8", errors="replace") as file:
            file.write(words)

    def _report_wreck(self) -> None:
        """What the process before this one left, if it died."""
        if self._wreck:
            folder, text = self.state / "crashes", self._wreck.settings_text
            crash.report(folder, self._wreck, self._last_words, text, {"software": self.version})
            self._wreck = None
