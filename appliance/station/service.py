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
from typing import Any, Protocol

import numpy as np

from appliance.config import Settings
from appliance.errors import CameraLost, HipbarError, StripLost
from appliance.records import Frame, Light, Notice, Posture, Press
from appliance.station import crash
from appliance.station.desk import Desk
from appliance.station.fallback import remember
from appliance.station.faults import Faults
from appliance.station.flight import FILE, Flight, left_behind
from appliance.station.hands import Hands
from appliance.station.hatch import Hatch
from appliance.station.laps import Laps
from appliance.station.reception import Reception
from appliance.station.sentinel import Beat, Doing
from appliance.station.status import Gait, Keeping, Machine, Stages
from appliance.station.steward import Steward
from appliance.station.tally import Delays
from appliance.station.teller import Teller
from appliance.station.visits import Visits
from appliance.station.wallclock import Note, note_now
from appliance.store.clocks import Clocks, clocks_now
from appliance.store.writer import Writer

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

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician."""

    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""

    def frames(self) -> Iterator[Frame | None]:
        """The frames, in the order of time."""

    def expose(self, exposure_us: float, gain: float) -> None:
        """Other exposure and gain, without a new start of the stream."""


def signs_of(error: Exception) -> tuple[Light, Notice]:
    """What panel and bar say of what ended the measuring, or keeps it from beginning."""
    lost = isinstance(error, CameraLost)
    return (Light.NO_CAMERA, Notice.NO_CAMERA) if lost else (Light.FAULT, Notice.FAULT)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


class Facts:
    """What the loop's side knows, for the teller to read."""

    def __init__(self) -> None:
        self.light: str = "starting"
        self.lost = self.strip_faults = 0
        self.ages, self.ages_told = Delays(), False
        self.keeping = Keeping()
        self.troubles: tuple[str, ...] = ()
        self.safe_settings = False
        self.laps: Laps | None = None


class Service:
    """Whoever runs as a service, from its first light to its end; leaving the block in order is no crash.

    steward : of the settings, whose text is kept once it has proved itself. hatch : what others may see of the loop.
    machine : the board's figures.
    """

    def __init__(
        self,
        runtime: Path,
        version: str,
        steward: Steward,
        hatch: Hatch,
        notifier: Notifier,
        machine: Callable[[], Machine],
    ) -> None:
        sys.setswitchinterval(_SWITCH_S)
        self.beat, self.facts = Beat(), Facts()
        self.runtime, self.state, self.version = runtime, steward.state, version
        self.steward, self.hatch, self.notifier = steward, hatch, notifier
        self._faults = Faults()
        logging.getLogger("hipbar").addHandler(self._faults)
        settings = steward.settings
        self._panel: Panel | None = None
        ring = runtime / FILE
        self._trace = runtime / TRACE
        self._last_words = crash.collected(self._trace)
        crash.listen(self._trace)
        self._wreck = left_behind(ring)
        self.flight = Flight(
            ring, settings.camera.rate_hz, software=version, settings_text=steward.text or ""
        )
        memory_mb = settings.service.memory_mb
        self._summed = (0, np.zeros(4))
        self._desk: Desk | None = None
        reserve_mb = settings.service.reserve_mb
        self.visits = Visits(
            Writer(steward.state, reserve_mb=reserve_mb, stamp=self._clocks), Hands(steward.visit), self._note
        )
        self._reception = Reception(self.visits, steward.state, self._in_force, version, self._note)
        self.teller = Teller(
            runtime, version, self.beat, self.facts, machine, self._stuck, self._more, memory_mb
        )
        steward.clock_set, steward.last_status = self.teller.clock_set, lambda: self.teller.last
        self._desk = Desk(runtime, hatch, steward, self._reception.steer)
        self.teller.later(self._report_wreck)

    def end(self, error: BaseException | None) -> None:
        """The last state, and what the process after this one has to know; `error` is what ended it."""
        self.beat.turned_s = None
        if self._desk:
            self._desk.close()
        self.visits.end()
        logging.getLogger("hipbar").removeHandler(self._faults)
        defect = isinstance(error, Exception) and not isinstance(error, HipbarError)
        self.teller.close(signs_of(error)[0] if isinstance(error, Exception) else Light.OFF)
        if defect:
            self._leave("".join(traceback.format_exception(error)))  # the next process reports it as a crash
        else:
            self.flight.landed(str(error or "ended in order"))

    def panel(self, panel: Panel) -> None:
        """There is a status light from now on."""
        self._panel = panel

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is wrong with visits and with the control link, in words."""
        visit, desk = self.visits.told, self._desk
        trouble = visit.trouble if visit else self.visits.writer.behind
        unkept = f"the visit is not kept: {trouble}" if trouble else None
        found = (unkept, self._reception.trouble, desk.trouble if desk else None)
        return tuple(one for one in found if one)

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
        self.visits.hands.do(self._reception.resume)

    def _remember(self) -> None:
        if self.facts.safe_settings or self.steward.problem:
            return  # what works now is not what the file says
        if trouble := remember(self.steward.text, self.state):
            _log.warning("%s", trouble)

    def _more(self) -> dict[str, Any]:
        """What the status says beyond the loop's own facts."""
        steward, now = self.steward, self.steward.calibration().current
        return {
            "stages_ms": self.facts.laps.stages() if self.facts.laps else Stages(),
            "gait": self._gait(),
            "mode": steward.settings.feedback.mode,
            "calibration": now.number if now else 0,
            "sides_proved": steward.proved,
            "tried": tuple(sorted(steward.tried)),
            "clients": self._desk.clients if self._desk else 0,
            "lent": self.hatch.is_lent,
            "faults": self._faults.last(),
            "visit": self.visits.told,
            "visit_ready": self._reception.ready,
        }

    def _in_force(self) -> Settings:
        return self.steward.settings

    def _clocks(self) -> Clocks:
        return clocks_now(self.teller.clock_set())

    def _note(self) -> Note:
        return note_now(self.teller.clock_set())

    def _gait(self) -> Gait:
        """What the runner does, from the last frame and from how well the marks were seen since this was last asked."""
        (frames, sums), glimpse = self._summed, self.hatch.newest
        self._summed = self.beat.frames, self.hatch.scores.copy()
        if glimpse is None or self.beat.frames == frames:
            return Gait()
        moment = glimpse.update.moment
        right, left = _known(moment["left_drop_deg"]), _known(moment["right_drop_deg"])
        return Gait(
            quality=float((self._summed[1] - sums).mean() / (self.beat.frames - frames)),
            posture=Posture(int(moment["posture"])).name.lower(),
            left_hip_drop_deg=left,  # it drops in right stance
            right_hip_drop_deg=right,
            difference_deg=_known(moment["difference_deg"]),
            cadence_spm=_known(moment["cadence_spm"]),
        )

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
