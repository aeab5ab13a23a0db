"""Settings that the loop has to be left for become a change: asked for by one thread, made by the loop's own, once.

Seconds on the monotonic clock. A change is taken when the loop is entered again with it, and never after its asker has
given up: what was refused is not in force a moment later. Refuses nothing itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from appliance.config import Settings, entries
from appliance.config.live import ADOPTED, EXPOSED
from appliance.errors import HipbarError, ServiceDown

MOUNT = frozenset({"camera.mirror", "camera.rotate_deg"})
_CHANGES_S = 18.0  # a camera may be closed and opened meanwhile, twice if the new settings don't do


class Change:
    """Other settings that the loop has to be left for. parts : what is to be opened anew: camera, strip, panel.

    take : done when it is in force. Without one nobody has asked: the loop was entered with what is not in force.
    """

    def __init__(
        self, settings: Settings, proved: bool, parts: frozenset[str], take: Callable[[], None] | None
    ) -> None:
        self.settings, self.proved, self.parts = settings, proved, parts
        self._take = take
        self.before = settings
        """Those that the loop had when it was left."""
        self._over, self._lock = threading.Event(), threading.Lock()
        self._left = False
        self._error: HipbarError | None = None

    @property
    def asked(self) -> bool:
        """Whether somebody has asked for it, and bears its being refused."""
        return self._take is not None

    def settle(self, error: HipbarError | None = None) -> None:
        """It is in force now, or it was refused, and what was before is."""
        with self._lock:
            if self._left:
                return
            if error is None and self._take:
                self._take()
            self._error = error
            self._over.set()

    def wait(self, most_s: float = _CHANGES_S) -> None:
        """Until it is settled; raises why it was refused. One that takes too long is not wanted any more."""
        if not self._over.wait(most_s):
            with self._lock:
                self._left = not self._over.is_set()
        if self._left:
            raise ServiceDown(
                "the change took too long: it is taken back", fix="`hipbar status` tells how the station is"
            )
        if self._error:
            raise self._error


def changed_keys(was: Settings, now: Settings) -> list[str]:
    """The dotted keys whose values differ, in the order of the file."""
    before = {key: value for key, value, *_ in entries(was)}
    return [key for key, value, *_ in entries(now) if value != before[key]]


def parts_of(changed: list[str], now: Settings) -> frozenset[str]:
    """What has to be opened anew for these changes."""
    wired = [key for key in changed if key not in ADOPTED | EXPOSED | MOUNT]
    tables = {key.partition(".")[0] for key in wired}
    parts = tables & {"camera", "strip", "panel"}
    if "gpio" in tables:
        parts |= {"panel", "strip"}
    made_of_settings = now.camera.source == "virtual"  # its pictures are what the settings say
    if made_of_settings and ("lens" in tables or MOUNT.intersection(changed)):
        parts |= {"camera"}
    return frozenset(parts)
