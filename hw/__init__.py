"""Settings become a rig: camera, strip and panel as they say, opened. Everything that touches a wire is in here.

A driver's library is imported only when that driver is opened. Refuses what the settings name and the machine lacks,
with `CameraLost`, `SourceError` or `StripLost`, which say whether the station can run without it; a panel that is
missing or busy is a warning. What was opened before is closed again.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import config
from appliance.errors import CameraLost, StripLost
from hw.camera import Camera
from hw.panel import Panel, open_panel
from hw.strip import Strip

if TYPE_CHECKING:
    from hw.camera.lighting import Log


class Rig:
    """The wires of one station: `strip` and `panel` from the start, a camera once `see` is called.

    warnings : what is missing without being needed, each a sentence for the log.
    """

    def __init__(self, settings: config.Settings) -> None:
        self._settings = settings
        self._camera: Camera | None = None
        try:
            self.strip: Strip = open_strip(settings.strip, settings.gpio)
        except StripLost as error:
            raise StripLost(f"{error} (no light bar, no station)", fix=error.fix) from None
        self._lit: Log | None = None
        self._keep_in_view()
        self.panel: Panel
        try:
            self.panel, warning = open_panel(settings)
        except BaseException:
            self.strip.close()
            raise
        self.warnings = (f"{warning} (the station runs without its panel)",) if warning else ()

    def see(self) -> Camera:
        """Opens the camera, after strip and panel, so that they can show what is going on meanwhile."""
        try:
            self._camera = open_camera(self._settings, lit=self._lit)
        except CameraLost as error:
            raise CameraLost(f"{error} (no camera, no station)", fix=error.fix) from None
        return self._camera

    def _keep_in_view(self) -> None:
        """A virtual camera with a scene of its own may see an LED of the strip."""
        if self._settings.camera.source == "virtual" and self._settings.camera.scene:
            from hw.camera.lighting import Log
            from hw.strip.seen import SeenStrip

            self._lit = self._lit or Log()
            if not isinstance(self.strip, SeenStrip):
                self.strip = SeenStrip(self.strip, self._lit)

    def reopen(self, settings: config.Settings, parts: Collection[str]) -> Camera:
        """Closes these parts ("camera", "strip", "panel"), opens them as other settings say; a camera in any case.

        Raises what opening raises; call it again with the settings of before, then.
        """
        self._settings = settings
        if "camera" in parts and self._camera:
            self._camera.close()
            self._camera = None
        if "strip" in parts:
            self.strip.close()
            self.strip = open_strip(settings.strip, settings.gpio)
        self._keep_in_view()
        if "panel" in parts:
            self.panel.close()
            self.panel, warning = open_panel(settings)
            self.warnings = (f"{warning} (the station runs without its panel)",) if warning else ()
        return self._camera or self.see()

    def close(self) -> None:
        """Leaves the strip dark, puts the status light out and lets go of the camera, even when one complains.

        In this order: a camera may take seconds, in which the bar would go on showing what is over.
        """
        try:
            self.strip.close()
        finally:
            try:
                self.panel.close()
            finally:
                if self._camera:
                    self._camera.close()


def open_rig(settings: config.Settings) -> Rig:
    """Strip and panel, opened; the camera follows with `see`, when there is light to say so."""
    return Rig(settings)


def open_strip(wanted: config.Strip, gpio: config.Gpio | None = None) -> Strip:
    """The strip that the settings name; `gpio` tells one that hangs on pins which chip they are of."""
    if wanted.kind == "terminal":
        from hw.strip.terminal import TerminalStrip

        return TerminalStrip(wanted.leds)
    if wanted.kind == "memory":
        from hw.strip.memory import MemoryStrip

        return MemoryStrip(wanted.leds)
    if wanted.kind == "none":
        from hw.strip.none import NoStrip

        return NoStrip(wanted.leds)
    return _open_wired(wanted, gpio or config.Gpio())


def _open_wired(wanted: config.Strip, gpio: config.Gpio) -> Strip:
    if wanted.kind == "apa102":
        from hw.strip.apa102 import open_apa102

        return open_apa102(wanted)
    if wanted.kind == "ws2812":
        from hw.strip.ws2812 import open_ws2812

        return open_ws2812(wanted)
    if wanted.kind == "wled":
        from hw.strip.wled import open_wled

        return open_wled(wanted)
    from hw.strip.shift_register import open_shift_register

    return open_shift_register(wanted, gpio)


def open_camera(
    settings: config.Settings, *, speed: float = 1.0, stand_s: float = 0.0, lit: Log | None = None
) -> Camera:
    """The camera that the settings name, live; `speed` and `stand_s` are for the sources that are only played.

    `lit` : when which LED of the strip was lit, for a virtual camera that has one of them in view.
    """
    wanted = settings.camera
    if wanted.source == "v4l2":
        from hw.camera.v4l2 import V4l2Camera

        return V4l2Camera(
            wanted.device,
            size=(wanted.width_px, wanted.height_px),
            rate_hz=wanted.rate_hz,
            row_s=wanted.row_us * 1e-6,
            exposure_us=wanted.exposure_us,
        )
    if wanted.source == "picamera":
        from appliance.sensors import SENSORS
        from hw.camera.picamera import PiCamera

        return PiCamera(
            SENSORS[wanted.sensor],
            number=wanted.number,
            rate_hz=wanted.rate_hz,
            row_s=wanted.row_us * 1e-6,
            exposure_us=wanted.exposure_us,
            gain=wanted.gain,
            focus_dpt=wanted.focus_dpt,
        )
    if wanted.source == "video":
        from hw.camera.video import VideoFile

        return VideoFile(wanted.file, row_s=wanted.row_us * 1e-6, realtime=True, speed=speed)
    return _open_virtual(settings, speed, stand_s, lit)


def _open_virtual(settings: config.Settings, speed: float, stand_s: float, lit: Log | None) -> Camera:
    """What the settings say is what is there, unless a scene file says otherwise."""
    from hw.camera.scene import mounted
    from hw.camera.stage import Stage
    from hw.camera.virtual import VirtualCamera

    wanted = settings.camera
    if not wanted.scene:
        return VirtualCamera(mounted(settings, stand_s=stand_s), realtime=True, speed=speed)
    camera = VirtualCamera(realtime=True, speed=speed, stage=Stage(Path(wanted.scene), wanted), lit=lit)
    camera.expose(wanted.exposure_us, wanted.gain)
    return camera
