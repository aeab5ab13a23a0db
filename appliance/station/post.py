"""What each frame brought becomes the status light's state and a few words in the log; button presses become acts.

Times are seconds on the camera's clock. A state is logged once it has lasted for a second, so that a mark that comes
and goes does not fill the log; silence of the camera is logged by its driver. Refuses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from appliance.records import STALE_S, Light, Posture, Press, PressKind, Shown, Update

_LASTS_S = 1.0
_log = logging.getLogger("hipbar.station")

_WORDS = {
    Light.NO_CAMERA: "no frames: the bar says no data",
    Light.NO_MARKS: "no marks in view: the bar says no data",
    Light.READY: "marks in view, nobody runs",
    Light.RUNNING: "measuring",
    Light.RECORDING: "measuring and recording",
}


class Panel(Protocol):
    """Button and status light."""

    def say(self, light: Light, /) -> None:
        """Shows a state; said again and again while it holds."""

    def presses(self) -> tuple[Press, ...]:
        """The presses since it was last asked."""


class Post:
    """Who stands at the panel: says what the station does, and hears the button."""

    def __init__(
        self,
        panel: Panel | None = None,
        *,
        recording: bool = False,
        pressed: Callable[[Press], None] = lambda _press: None,
    ) -> None:
        self._panel, self._pressed = panel, pressed
        self.recording = recording
        """Whether what is measured is kept; may change on the way."""
        self._now, self._since_s, self._told = Light.WARMING_UP, 0.0, Light.WARMING_UP
        self._heard_s = float("-inf")
        self.stop_asked = False

    @property
    def light(self) -> Light:
        """What the status light says now."""
        return self._now

    def seen(self, update: Update, now_s: float) -> None:
        """A frame came and brought this."""
        self._heard_s = now_s
        if update.shown is Shown.NO_DATA or update.moment["posture"] == Posture.UNSEEN:
            self._hold(Light.NO_MARKS, now_s)
        elif update.moment["posture"] == Posture.RUNNING:
            self._hold(Light.RECORDING if self.recording else Light.RUNNING, now_s)
        else:
            self._hold(Light.READY, now_s)

    def silent(self, now_s: float) -> None:
        """No frame came; for as long as the last one is fresh nothing has changed."""
        fresh = now_s - self._heard_s < STALE_S
        self._hold(self._now if fresh else Light.NO_CAMERA, now_s)

    def _hold(self, light: Light, now_s: float) -> None:
        if self._panel:
            self._panel.say(light)
            for press in self._panel.presses():
                self._act(press, now_s)
        if light is not self._now:
            self._now, self._since_s = light, now_s
        elif light is not self._told and now_s - self._since_s >= _LASTS_S:
            self._told = light
            _log.info(_WORDS[light])

    def _act(self, press: Press, now_s: float) -> None:
        _log.info("button: %s press at %.3f s", press.kind, now_s)
        self._pressed(press)
        self.stop_asked |= press.kind is PressKind.VERY_LONG
