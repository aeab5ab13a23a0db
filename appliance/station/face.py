"""The pipeline's still pictures become the station's own where it knows more: why nothing is seen, what is kept.

Only pictures are exchanged, never a measurement: what is neither "no data" nor "standing", byte for byte, goes through
untouched, fades included. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from appliance.config import Settings
from appliance.feedback.patterns import pattern, rest
from appliance.records import U8, Notice, Shown

SILENT_S = 1.0
"""After so long without a frame "no data" is "no camera"."""

RESTS_S = 0.5
"""The recording is shown when "standing" has rested for so long: a fluttering posture must not flash."""


Said = tuple[Notice, float | None]
"""A notice, and of a rest the share that is over."""


class _Strip(Protocol):
    @property
    def faults(self) -> int:
        """How many frames could not be written so far."""

    def show(self, rgb: U8, /) -> None:
        """Light the LEDs."""


class Face:
    """The bar as the service shows it. `now_s`, `silent_s` and `recording` are the loop's to say, each turn."""

    def __init__(
        self, strip: _Strip, settings: Settings, says: Callable[[float], Said | None] = lambda _now_s: None
    ) -> None:
        self._strip, self._says = strip, says
        self._said: Said | None = None
        self._said_s = float("-inf")
        self._stood_s: float | None = None
        self.now_s = self.silent_s = 0.0
        self.recording = False
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """The pictures as these settings draw them."""
        self._settings = settings
        self._words = None if self._said is None else _drawn(self._said, settings)
        self._no_data = pattern(Shown.NO_DATA, settings).tobytes()
        self._standing = pattern(Shown.STANDING, settings).tobytes()
        self._no_camera = pattern(Notice.NO_CAMERA, settings)
        self._recording = pattern(Notice.RECORDING, settings)

    @property
    def faults(self) -> int:
        """How many frames could not be written so far."""
        return self._strip.faults

    def show(self, rgb: U8, /) -> None:
        """Lights all LEDs: (n, 3) uint8."""
        self._strip.show(self._visit(self._known(rgb)))

    def parting(self, otherwise: Shown | Notice) -> U8:
        """What stays on the bar while the loop is left for other settings: the visit's words, if there are any."""
        return pattern(otherwise, self._settings) if self._words is None else self._words

    def _visit(self, rgb: U8) -> U8:
        """What the visit has to say, for at least half a second, where somebody is there to read it."""
        said = self._says(self.now_s)
        if said != self._said and not 0 <= self.now_s - self._said_s < RESTS_S:
            self._said, self._said_s = said, self.now_s
            self._words = None if said is None else _drawn(said, self._settings)
        unread = self.silent_s >= SILENT_S or (
            self._said == (Notice.STAND_STILL, None) and rgb.tobytes() == self._no_data
        )
        return rgb if self._words is None or unread else self._words

    def _known(self, rgb: U8) -> U8:
        data = rgb.tobytes()
        if data != self._standing:
            self._stood_s = None
            known = self.silent_s >= SILENT_S and data == self._no_data
            return self._no_camera if known else rgb
        self._stood_s = self.now_s if self._stood_s is None else self._stood_s
        return self._recording if self.recording and self.now_s - self._stood_s >= RESTS_S else rgb


def _drawn(said: Said, settings: Settings) -> U8:
    notice, share = said
    return pattern(notice, settings) if share is None else rest(share, settings)
