"""What the loop does becomes a heartbeat: what systemd is told, and whether the loop is stuck or the camera lost.

Seconds on one monotonic clock. The loop says what it does through `Beat`; nothing else in the station is asked whether
it lives. A ping is due when frames and light have both gone on since the last one, at most every `PING_S`. Refuses to
ping for a loop that only turns: a bar that shows "no data" for long is no station.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Protocol

from appliance.errors import CameraLost
from appliance.records import U8, Frame

PING_S = 0.5
STUCK_S = 2.0
"""A loop that has not turned for so long hangs in what it does: it turns every 50 ms with or without a camera."""

SILENT_S = 3.0
"""No frame for so long ends the process: a driver's own patience is 2.5 s, but for a camera that was pulled out."""

FIRST_S = 8.0
"""Both before the first frame, which may take a restart of the stream, and a slow machine to be made."""


class Doing(StrEnum):
    """Where the loop is."""

    STARTING = "starting"
    CAMERA = "waiting for the camera"
    STRIP = "lighting the bar"
    WORK = "working"


class Beat:
    """What the loop has done so far: written by the loop alone, read by anybody."""

    def __init__(self) -> None:
        self.doing = Doing.STARTING
        self.turned_s: float | None = None
        self.frames = self.lit = 0
        self._pinged = (0, 0)
        self._pinged_s = float("-inf")

    def due(self, now_s: float) -> bool:
        """Whether systemd may be told that frames and light go on; being told yes counts as telling."""
        frames, lit = self._pinged
        if self.frames == frames or self.lit == lit or now_s - self._pinged_s < PING_S:
            return False
        self._pinged, self._pinged_s = (self.frames, self.lit), now_s
        return True

    def stuck_s(self, now_s: float) -> float:
        """For how long the loop has not turned, if that is too long; else 0. A loop that has not begun is not stuck."""
        still_s = 0.0 if self.turned_s is None else now_s - self.turned_s
        return still_s if still_s >= (STUCK_S if self.frames else FIRST_S) else 0.0


class _Camera(Protocol):
    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""

    def frames(self) -> Iterator[Frame | None]:
        """The frames, in the order of time."""


class _Strip(Protocol):
    @property
    def faults(self) -> int:
        """How many frames could not be written so far."""

    def show(self, rgb: U8, /) -> None:
        """Light the LEDs."""


Clock = Callable[[], float]
"""Seconds on a monotonic clock."""


class BeatingCamera:
    """A camera whose frames are counted, and whose silence has an end whatever its driver does."""

    def __init__(self, camera: _Camera, beat: Beat, clock: Clock) -> None:
        self._camera, self._beat, self._clock = camera, beat, clock

    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""
        return self._camera.now_s()

    def frames(self) -> Iterator[Frame | None]:
        """The camera's own; `CameraLost` when none has come for too long."""
        beat, heard_s, bears_s = self._beat, self._clock(), FIRST_S
        beat.turned_s = heard_s
        frames = iter(self._camera.frames())
        while True:
            beat.doing = Doing.CAMERA
            frame = next(frames, _END)
            beat.turned_s = now_s = self._clock()
            beat.doing = Doing.WORK
            if isinstance(frame, _End):
                return
            if frame is not None:
                beat.frames += 1
                heard_s, bears_s = now_s, SILENT_S
            elif now_s - heard_s >= bears_s:
                raise CameraLost(
                    f"the camera gave no frame for {now_s - heard_s:.1f} s", fix="reseat the camera's cable"
                )
            yield frame


class BeatingStrip:
    """A strip whose writes are counted when they worked."""

    def __init__(self, strip: _Strip, beat: Beat) -> None:
        self._strip, self._beat = strip, beat

    def show(self, rgb: U8, /) -> None:
        """Lights all LEDs."""
        beat, faults = self._beat, self._strip.faults
        beat.doing = Doing.STRIP
        self._strip.show(rgb)
        beat.doing = Doing.WORK
        beat.lit += self._strip.faults == faults


class _End:
    pass


_END = _End()
