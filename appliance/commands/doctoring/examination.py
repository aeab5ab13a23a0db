"""A station becomes its checks, one by one in the order of docs/doctor.md; each fact is gathered when it is needed.

Works on a station that runs, on one that was started for this, and on one that can't be: then every check says what
could be found out without it. A check that breaks is one that can't tell; nothing ends the examination.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from appliance.commands.doctoring import kept, machine, sight
from appliance.commands.doctoring.nodes import nodes
from appliance.config import Settings, keys_of, load
from appliance.errors import CameraLost, HipbarError, SettingsError, StripLost
from appliance.station import checks_bar, checks_camera, checks_clinic, checks_disk, checks_machine
from appliance.station.calibration import Calibration, read_calibration
from appliance.station.checkup import Check, Fact, Rule, Unknown, Verdict, judged, told, unknown_of
from appliance.station.flight import boot_id
from appliance.station.places import RUNTIME, runtime_dir, state_dir
from appliance.station.status import Status, is_alive, read_status, verdict
from hw.board import read_board
from hw.camera.listing import devices

if TYPE_CHECKING:
    from appliance.station.client import Link
    from appliance.station.link import Hello

T = TypeVar("T")
_NO_SETTINGS = "no settings that can be used"
_AS_ROOT = "`sudo hipbar doctor`"


def tried(get: Callable[[], T | Unknown], *, mend: bool = False) -> T | Unknown:
    """A fact, or why it could not be had; what we did not foresee included."""
    try:
        return get()
    except HipbarError as error:
        return unknown_of(error, mend=mend)
    except PermissionError as error:
        return Unknown(f"{error.filename}: this user may not look", _AS_ROOT)
    except Exception as error:  # a defect of ours in one check must not cost the others
        return Unknown(
            f"this check itself fails: {error!r}", "send it with `hipbar doctor --report FILE.tar.gz`"
        )


class Examination:
    """Looks at one station. link : to it, or the error in the way. sees : asks a person about the light.

    config : the settings file. seconds : for which frames are watched.
    """

    def __init__(
        self,
        config: Path,
        link: Link | HipbarError,
        sees: Callable[[], bool] | None,
        why: str,
        seconds: float,
    ) -> None:
        self.config, self._sees, self._why, self._seconds = config, sees, why, seconds
        self._refusal = link if isinstance(link, HipbarError) else None
        self._link = None if isinstance(link, HipbarError) else link
        self.runtime = runtime_dir()

    def checks(self) -> Iterator[tuple[str, Callable[[], Check]]]:
        """Every check by its name, to be made in this order."""
        eye, bar, box = checks_camera, checks_bar, checks_machine
        yield from (
            ("settings", self._of_settings),
            ("camera", self._of_camera),
            ("frame rate", lambda: told("frame rate", eye.frame_rate, self.watched, self._wanted_hz)),
            ("exposure", lambda: told("exposure", eye.exposure, self._lens_open, self.settings)),
            ("dots", lambda: told("dots", eye.dots, self.watched)),
            ("background", lambda: told("background", eye.background, self.backdrop, self._flicker)),
            ("wires", lambda: told("wires", bar.wires, self._nodes, self.settings)),
            ("light bar", lambda: told("light bar", bar.strip, self.walk, self.settings)),
            ("service", lambda: told("service", box.service, self.health, self.unit, self.private)),
            ("watchdog", lambda: told("watchdog", box.watchdog, machine.dog(self.unit, self.board))),
            ("kernel cache", lambda: told("kernel cache", box.kernel_cache, self._cache)),
            ("disk", lambda: told("disk", checks_disk.disk, self._disk)),
            ("card wear", lambda: told("card wear", checks_disk.card_wear, machine.card(self.state))),
            ("visits", lambda: told("visits", checks_clinic.visits, self._kept)),
            ("clock", lambda: told("clock", box.clock, machine.clock(self.board))),
            ("supply", lambda: told("supply", box.supply, machine.supply(self.board))),
            ("calibration", lambda: told("calibration", bar.calibration, self._calibrated)),
            ("delay", lambda: told("delay", bar.delay, self._ages)),
            ("faults", lambda: told("faults", box.faults, machine.faults(self.state, self.status))),
        )

    @cached_property
    def file(self) -> Fact[Settings]:
        """The settings file as it is now."""
        return tried(lambda: load(self.config), mend=True)

    @cached_property
    def calibration(self) -> Fact[Calibration]:
        """The station's own file of what it has measured of itself."""
        if self.state.exists() and not os.access(self.state, os.R_OK | os.X_OK):
            return Unknown(f"{self.state}: this user may not look", _AS_ROOT)
        return tried(lambda: read_calibration(self.state), mend=True)

    @cached_property
    def settings(self) -> Fact[Settings]:
        """Those in force, or those that would be."""
        link, file, known = self._link, self.file, self.calibration
        if link is not None:
            there = tried(lambda: msgspec.convert(link.settings()["settings"], Settings))
            return (
                Unknown(_NO_SETTINGS) if isinstance(there, Unknown) and isinstance(file, Unknown) else there
            )
        if isinstance(file, Unknown):
            return Unknown(_NO_SETTINGS)
        return file if isinstance(known, Unknown) else tried(lambda: load(self.config, known.over(file)))

    @property
    def state(self) -> Path:
        """The folder of what must last."""
        return state_dir(Settings() if isinstance(self.file, Unknown) else self.file)

    @cached_property
    def board(self) -> Any:
        """The machine's figures."""
        return read_board(data=self.state)

    @cached_property
    def service_status(self) -> Status | None:
        """What the service last wrote down, whether it answers or not."""
        return read_status(self.runtime)

    @cached_property
    def status(self) -> Status | None:
        """What the station says now, or said last."""
        link = self._link
        found = None if link is None else tried(link.status)
        return self.service_status if found is None or isinstance(found, Unknown) else found

    @cached_property
    def health(self) -> Any:
        """The verdict on the service, not on a station that was started for this."""
        status = self.service_status
        return verdict(status, time.monotonic(), boot_id(), is_alive(status))

    @cached_property
    def unit(self) -> checks_machine.Unit | None:
        """systemd's word; a station in a folder of its own is not systemd's."""
        return machine.unit_of(machine.properties()) if self.runtime == RUNTIME else None

    @cached_property
    def private(self) -> bool:
        """Whether the station was started for this."""
        link, status = self._link, self.service_status
        return link is not None and (status is None or link.hello().pid != status.pid)

    @cached_property
    def hello(self) -> Fact[Hello]:
        """Who is there, once it sees."""
        link = self._link
        if link is None:
            return self._without(CameraLost)
        there = tried(lambda: sight.awake(link), mend=True)
        return (
            Unknown(_NO_SETTINGS) if isinstance(there, Unknown) and isinstance(self.file, Unknown) else there
        )

    def _without(self, kind: type[HipbarError]) -> Unknown:
        """No link: the reason; it is to be mended where it is about this part."""
        error = self._refusal
        if error is None or isinstance(error, SettingsError) or isinstance(self.file, Unknown):
            return Unknown(_NO_SETTINGS)
        if isinstance(error, kind):
            return unknown_of(error, mend=True)
        return Unknown(f"no station: {error}", error.fix)

    @cached_property
    def about(self) -> Fact[dict[str, Any]]:
        """What the camera's driver tells."""
        return self.hello if isinstance(self.hello, Unknown) else dict(self.hello.camera)

    @property
    def _lens_open(self) -> Fact[dict[str, Any]]:
        return Unknown("no camera") if isinstance(self.about, Unknown) else self.about

    @cached_property
    def watched(self) -> Fact[checks_camera.Watched]:
        """Some seconds of frames."""
        link, hello = self._link, self.hello
        if link is None or isinstance(hello, Unknown):
            return Unknown("no frames")
        return tried(lambda: sight.watch(link, hello, self._seconds), mend=True)

    @cached_property
    def backdrop(self) -> Fact[checks_camera.Backdrop]:
        """One picture."""
        link, hello = self._link, self.hello
        if link is None or isinstance(hello, Unknown):
            return Unknown("no picture")
        return tried(lambda: sight.picture(link, hello))

    @cached_property
    def walk(self) -> Fact[checks_bar.Walk]:
        """A light along the bar."""
        link, settings = self._link, self.settings
        if link is None:
            return self._without(StripLost)
        if isinstance(settings, Unknown):
            return settings
        return tried(lambda: sight.walk(link, settings, link.hello(), self._sees, self._why), mend=True)

    @property
    def _wanted_hz(self) -> Fact[float]:
        if isinstance(self.settings, Unknown):
            return self.settings
        hello = self.hello
        own_hz = None if isinstance(hello, Unknown) else hello.rate_hz
        played = self.settings.camera.source == "video"
        return (own_hz or self.settings.camera.rate_hz) if played else self.settings.camera.rate_hz

    @property
    def _flicker(self) -> float | None:
        return None if isinstance(self.watched, Unknown) else self.watched.flicker

    @property
    def _nodes(self) -> Any:
        settings = self.settings
        return settings if isinstance(settings, Unknown) else tried(lambda: nodes(settings))

    @property
    def _cache(self) -> Fact[checks_machine.Cache]:
        installed = self.unit is not None and self.unit.load == "loaded"
        return machine.cache(machine.cache_folder(installed))

    @property
    def _disk(self) -> checks_disk.Disk:
        settings = Settings() if isinstance(self.settings, Unknown) else self.settings
        return machine.disk(self.state, settings, self.status)

    @property
    def _kept(self) -> Fact[checks_clinic.Visits]:
        return tried(lambda: kept.visits(self.state, self.status), mend=True)

    @property
    def _calibrated(self) -> Any:
        settings, known = self.settings, self.calibration
        if isinstance(settings, Unknown) or isinstance(known, Unknown):
            return known if isinstance(known, Unknown) else settings
        return checks_bar.Calibrated(known, settings, time.time())

    @property
    def _ages(self) -> Any:
        link = self._link
        if link is None:
            return Unknown("no figure without a link to the station")
        status = tried(link.status)  # not that of the beginning, when a station had perhaps just been started
        if isinstance(status, Unknown):
            return status
        ages = status.light_age_ms  # begun anew each minute
        return ages if ages.p50 is not None else status.stages_ms.total

    def _of_camera(self) -> Check:
        """Whether there is one; where the station does not say, what the kernel has."""
        check = told("camera", checks_camera.camera, self.about, self.settings)
        if check.verdict not in (Verdict.FAIL, Verdict.UNKNOWN):
            return check
        there = tried(devices)
        found = () if isinstance(there, Unknown) else there
        names = ", ".join(" ".join(filter(None, (one.device, one.name))) for one in found)
        words = f"{check.figure} (the kernel has {names or 'no video device'})"
        return msgspec.structs.replace(check, figure=words)

    def _of_settings(self) -> Check:
        """Whether the file can be used, and what counts above it."""
        if isinstance(self.file, Unknown):
            return told("settings", judged, self.file)
        keys = keys_of(self.config.read_text(encoding="utf-8"))
        known = self.calibration
        number = 0 if isinstance(known, Unknown) or known.current is None else known.current.number
        tried_now = self.status.tried if self.status else ()
        above = f", calibration {number} above it" if number else ""
        left_out = sorted({"camera.source", "strip.kind"} - keys)
        return judged(
            "settings",
            f"{self.config}: {len(keys)} set{above}",
            Rule(bool(left_out), Verdict.FAIL, "name it in that file", f"{', '.join(left_out)} not set"),
            Rule(
                bool(tried_now),
                Verdict.WARN,
                "write them into the file, or start the service anew to be rid of them",
                f"only tried: {', '.join(tried_now)}",
            ),
            keys=len(keys),
            calibration=number,
        )
