"""Settings become the station as a service of systemd: lit at once, its state told, never waiting for ever.

The order: bar and panel, compiled code, camera, and only then "ready". What is missing is shown, asked for again for a
while, and then left to a fresh process: exit 5 without a camera, 6 without a bar. Settings that can't be used are a
fault on the bar until the file changes, then exit 2. systemd starts it anew after every end.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from appliance.commands.journal import journal
from appliance.commands.options import FILE, version, warmed_pipeline
from appliance.commands.stop import Stop, Stopped

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.errors import HipbarError, SettingsError
    from appliance.station.change import Change
    from appliance.station.service import Service
    from hw import Rig
    from hw.camera import Camera
    from hw.notify import Notifier

_log = logging.getLogger("hipbar.station")

LOOKS_S = 20.0
"""For so long a missing part is looked for before a fresh process has its turn."""

AGAIN_S = 1.0
_COMPILE_S = 300.0  # a cold kernel cache on a slow card
_HELD_S = 1.0
_NAP_S = 0.25
T = TypeVar("T")


@click.command(name="serve")
@click.option(
    "--config",
    type=FILE,
    default=Path("/etc/hipbar/hipbar.toml"),
    show_default=True,
    help="Settings file (TOML).",
)
def command(config: Path) -> int:
    """Run the station as a service: what systemd starts at power-up.

    Like `run`, but it never gives up by itself: it says by light what is missing and waits for it, records while marks
    are in view, tells systemd that frames and light go on, and writes its status for `hipbar status`. Whoever starts
    it must start it again when it ends; docs/operations.md has its states.

    \b
    Examples:
      sudo systemctl restart hipbar
      HIPBAR_RUNTIME=/tmp/run HIPBAR_STATE=/tmp/state hipbar serve --config station.toml
    """
    from appliance.errors import HipbarError
    from hw.notify import Notifier

    stop = Stop(None)
    notifier = Notifier()
    with journal(), stop.listening(), contextlib.closing(notifier):
        try:
            _Start(config, stop, notifier).run()
        except (
            HipbarError
        ) as error:  # told here, because a journal that hangs must not keep the process from ending
            _log.error("%s; %s", error, error.fix)
            return error.exit_code
        finally:
            notifier.stopping()
    return 0


class _Start:
    """From a dark bar to the first frame."""

    def __init__(self, config: Path, stop: Stop, notifier: Notifier) -> None:
        from appliance.station.hatch import Hatch
        from appliance.station.places import runtime_dir

        self._config, self._stop, self._notifier = config, stop, notifier
        self._hatch = Hatch()
        self._look()
        self._runtime = runtime_dir()
        with contextlib.suppress(OSError):
            self._runtime.mkdir(parents=True, exist_ok=True)

    def _look(self) -> None:
        """The settings and the calibration as they are on the card now."""
        from appliance.station import fallback
        from appliance.station.steward import Steward

        self._mark = fallback.mark_of(self._config)
        self._steward = steward = Steward(self._config, self._hatch, version())
        if steward.problem:
            _log.error("%s; %s", steward.problem, steward.problem.fix)
            steward.resort(self._known() or fallback.AS_DRAWN)
        for warning in steward.warnings:
            _log.warning(warning)
        self._wired = steward.settings
        """What the bar was opened with, until the loop runs: what is asked for meanwhile may be another bar."""

    @property
    def _settings(self) -> Settings:
        return self._steward.settings

    def run(self) -> None:
        """Everything, until the end."""
        from appliance.commands.machine import machine
        from appliance.feedback.patterns import pattern
        from appliance.records import Light, Notice

        with contextlib.closing(self._rig()) as rig:
            if self._stop():
                raise Stopped  # before anything is lit: what follows takes a while on a busy machine
            rig.strip.show(pattern(Notice.STARTING, self._wired))
            rig.panel.say(Light.WARMING_UP)
            self._notifier.extend(_COMPILE_S, "starting")
            for warning in rig.warnings:
                _log.warning(warning)
            from appliance.station.service import Service  # not before: light comes first

            service = Service(
                self._runtime,
                version(),
                self._steward,
                self._hatch,
                self._notifier,
                machine(self._steward.state),
            )
            try:
                service.panel(rig.panel)
                self._safe(rig, service)
                self._measure(rig, service)
            except BaseException as error:
                service.end(error)
                raise
            service.end(None)

    def _measure(self, rig: Rig, service: Service) -> None:
        from appliance.feedback.patterns import pattern
        from appliance.records import Light, Shown

        rig.strip.show(pattern(Shown.WARMING_UP, self._wired))
        service.say(Light.WARMING_UP)
        self._notifier.extend(_COMPILE_S, "warming up")
        with self._stop.at_once():
            warmed_pipeline(self._settings)
            from appliance.pipeline import Pipeline  # not before: it brings all compiled code with it
            from appliance.station.measuring import measure
        camera, settings, proved = self._patiently(partial(self._seen, rig), rig, service)
        over: Callable[[], None] = lambda: None  # noqa: E731
        while not self._steward.anew:
            pipeline = Pipeline(settings, sides_proved=proved)
            change = measure(service, settings, camera, rig.strip, rig.panel, pipeline, self._stop, over)
            if change is None:
                return
            refused = self._refused(rig, camera, change)
            camera = rig.reopen(change.settings, ()) if refused is None else self._as_before(rig, change)
            settings, proved = (change.settings, change.proved) if refused is None else self._steward.begin()
            over = partial(change.settle, refused)
            service.panel(rig.panel)

    def _seen(self, rig: Rig) -> tuple[Camera, Settings, bool]:
        """The camera as the settings of this moment want it, with them: they may have changed since the bar was lit."""
        settings, proved = self._steward.begin()
        return rig.reopen(settings, ()), settings, proved

    def _refused(self, rig: Rig, camera: Camera, change: Change) -> HipbarError | None:
        """Has devices as other settings want them; why that can't be.

        The watchdog grants these, and those of before again, as long as it would grant the loop.
        """
        from appliance.errors import HipbarError

        was, now = change.before.camera, change.settings.camera
        self._notifier.status("changing settings")
        self._notifier.alive()
        try:
            kept = rig.reopen(change.settings, change.parts) is camera
            if kept and (was.exposure_us, was.gain) != (now.exposure_us, now.gain):
                camera.expose(now.exposure_us, now.gain)
        except HipbarError as error:
            _log.warning("the new settings can't be used: %s; %s", error, error.fix)
            if not change.asked:
                raise
            return error
        for warning in rig.warnings if "panel" in change.parts else ():
            _log.warning(warning)
        return None

    def _as_before(self, rig: Rig, change: Change) -> Camera:
        """The devices that were left for a change that can't be; raises when they can't be had any more, either."""
        self._notifier.alive()
        return rig.reopen(change.before, change.parts)

    def _safe(self, rig: Rig, service: Service) -> None:
        """Measures with the file's settings, or with the button held at power-on with what is known of the wiring.

        Settings that can't be used end here, when somebody has mended them.
        """
        if self._first_start() and self._held(rig):
            if known := self._known():
                _log.warning("the button is held at power-on: safe settings, with the wiring that is known")
                service.facts.safe_settings = True
                self._steward.resort(known)
                return
            _log.warning("the button is held at power-on, but no settings say how the station is wired")
        if self._steward.problem:
            self._wait_for_settings(self._steward.problem, rig, service)

    def _known(self) -> Settings | None:
        """The wiring that somebody has named; asked for only when it is needed, for the state may be on a slow disk."""
        from appliance.station.fallback import known_wiring

        return known_wiring(self._steward.text, self._steward.state)

    def _first_start(self) -> bool:
        """Whether the service starts for the first time since the machine did."""
        with contextlib.suppress(OSError):
            (self._runtime / "started").touch(exist_ok=False)
            return True
        return False

    def _held(self, rig: Rig) -> bool:
        """Whether the button is held from the very start for long enough to be meant."""
        until_s = time.monotonic() + _HELD_S
        self._nap()
        while rig.panel.held_since_start:
            if time.monotonic() >= until_s:
                return True
            self._nap()
        return False

    def _wait_for_settings(self, problem: SettingsError, rig: Rig, service: Service) -> NoReturn:
        """A fault on the bar until the file is another one; ends the process then."""
        from appliance.feedback.patterns import pattern
        from appliance.records import Light, Notice

        while True:
            rig.strip.show(pattern(Notice.FAULT, self._wired))
            service.say(Light.FAULT, problem)
            self._wait(rig)

    def _patiently(self, open_part: Callable[[], T], rig: Rig, service: Service) -> T:
        """The camera, looked for again and again while the bar says that there is none, or no file to be played."""
        from appliance.errors import CameraLost, SourceError
        from appliance.feedback.patterns import pattern
        from appliance.station.service import signs_of

        until_s, told = time.monotonic() + LOOKS_S, ""
        while True:
            try:
                return open_part()
            except (CameraLost, SourceError) as error:
                if time.monotonic() >= until_s:
                    raise
                if str(error) != told:
                    _log.warning("%s; %s", error, error.fix)
                told, lost = str(error), error
            for _ in range(round(AGAIN_S / _NAP_S)):
                light, notice = signs_of(lost)
                rig.strip.show(pattern(notice, self._wired))
                service.say(light, lost)
                self._wait(rig)

    def _rig(self) -> Rig:
        """Bar and panel; a bar that is missing is looked for while the panel says so."""
        import hw
        from appliance.errors import StripLost
        from appliance.records import Light
        from hw.panel import open_panel

        try:
            return hw.open_rig(self._settings)
        except StripLost as error:
            _log.error("%s; %s", error, error.fix)
            lost = error
        until_s = time.monotonic() + LOOKS_S
        panel, _ = open_panel(self._settings)
        with contextlib.closing(panel):
            while True:
                panel.say(Light.FAULT)
                self._notifier.extend(_COMPILE_S, f"fault: {self._steward.problem or lost}")
                self._nap(AGAIN_S)
                try:
                    hw.open_strip(self._settings.strip, self._settings.gpio).close()
                    break
                except StripLost as error:
                    if time.monotonic() >= until_s:
                        raise
                    lost = error
        self._look()  # whoever had the bar may have calibrated with it
        return hw.open_rig(self._settings)

    def _wait(self, rig: Rig) -> None:
        """A nap, unless a new start is asked for: by a very long press, or by settings that have changed."""
        from appliance.records import PressKind
        from appliance.station.fallback import mark_of

        self._nap()
        if mark_of(self._config) != self._mark:
            _log.info("the settings file has changed: starting anew")
            raise Stopped
        if self._steward.anew:
            _log.info("settings were changed through the control link: starting anew")
            raise Stopped
        if any(press.kind is PressKind.VERY_LONG for press in rig.panel.presses()):
            raise Stopped

    def _nap(self, seconds: float = _NAP_S) -> None:
        with self._stop.at_once():
            time.sleep(seconds)
