"""A TOML file of scene fields becomes what is truly before the virtual camera, and changes when the file does.

The scene is the truth, the settings are what the station believes. Only what a real sensor would take from its driver
(size, rate, row time, and who runs) is the settings' where the file does not say; mount, lens and pose are the scene's
own. The file is looked at every 0.1 s by its mark (time, size, inode) in a thread aside, which also draws what takes
long, so that the camera goes on meanwhile.
Refuses, with `SettingsError`, an unreadable file, unknown keys and figures without sense when opened; a change for the
worse, or one of size, rate or row time, is told once in the log and the scene stays as it was.
"""

from __future__ import annotations

import logging
import threading
import tomllib
from pathlib import Path

import msgspec

from appliance.config import Camera
from appliance.errors import SettingsError
from hw.camera.scene import Scene, check
from hw.camera.world import prepared

_LOOK_S = 0.1
_FIXED = ("width_px", "height_px", "rate_hz", "row_us")
_log = logging.getLogger("hipbar.camera")


def read_scene(path: Path, camera: Camera) -> Scene:
    """The scene in the file, before a sensor as the settings ask for it."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path}: {error.strerror}", fix="correct camera.scene, or leave it empty"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}", fix="write it as TOML, one `field = value` a line") from None
    sensor = {key: getattr(camera, key) for key in (*_FIXED, "runner")}
    try:
        scene = msgspec.convert({**sensor, **fields}, Scene)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {error}", fix="docs/cameras.md lists what a scene can say") from None
    check(scene)
    return scene


class Stage:
    """A scene file that is watched."""

    def __init__(self, path: Path, camera: Camera) -> None:
        self._path, self._camera = path, camera
        self._mark = _mark(path)
        self.scene = read_scene(path, camera)
        self._news: Scene | None = None
        self._ended = threading.Event()
        self._hand = threading.Thread(target=self._watch, name="hipbar scene", daemon=True)

    def news(self) -> Scene | None:
        """Another scene, when there is one since the last question."""
        if not self._hand.is_alive() and not self._ended.is_set():
            self._hand.start()
        scene, self._news = self._news, None
        return scene

    def close(self) -> None:
        """Look no more. Closing twice is fine."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_S):
            if (mark := _mark(self._path)) != self._mark:
                self._mark = mark
                self._look()

    def _look(self) -> None:
        try:
            scene = read_scene(self._path, self._camera)
            if any(getattr(scene, key) != getattr(self.scene, key) for key in _FIXED):
                raise SettingsError(
                    f"{self._path}: size, rate and row time can't change while the camera runs",
                    fix="start the station anew",
                )
            prepared(scene)
        except SettingsError as error:
            _log.warning("the scene stays as it was: %s", error)
            return
        if scene != self.scene:
            self.scene = self._news = scene


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever the file does; None while there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
