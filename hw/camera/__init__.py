"""A source of pictures becomes a stream of `Frame`s; each driver is one file and opens its library only when opened.

Times are seconds on the source's own clock, `now_s` reads that same clock. `Frame.luma` may be the driver's own memory:
it is valid only until the next frame is asked for or the camera is closed, and is copied by whoever wants it for
longer; its rows may lie further apart than they are wide. Nothing is turned, mirrored or corrected
here: a frame is what the sensor delivered, and the mount is a setting that others apply to keypoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from appliance.records import Frame

LONGEST_WAIT_S = 0.05
"""A live camera never keeps its reader waiting for longer than this."""


class Camera(Protocol):
    """What every camera driver offers.

    size : (width, height) in sensor pixels. rate_hz : frames a second, as delivered. lost : frames known to be missed.
    """

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of every frame, in sensor pixels."""

    @property
    def rate_hz(self) -> float:
        """Frames a second that the source delivers."""

    @property
    def lost(self) -> int:
        """How many frames the source is known to have missed so far."""

    @property
    def restarts(self) -> int:
        """How often a silent stream was started anew; always 0 for a source that can't stall."""

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician: driver, size, rate, who stamps the frames, restarts and what else there is."""

    def now_s(self) -> float:
        """Now, on the clock that stamps the frames; for a file as fast as possible, the last frame's time."""

    def frames(self) -> Iterator[Frame | None]:
        """The frames in order; None from a live camera = nothing came for up to 50 ms.

        Ends with the source, or raises `CameraLost` (live) or `SourceError` (file).
        """

    def expose(self, exposure_us: float, gain: float) -> None:
        """Another exposure and gain, in force within a few frames; the stream goes on.

        0 us = the camera decides, where it can. Refuses, with `SourceError`, where there is nothing to expose.
        """

    def close(self) -> None:
        """Let go of the device or file; iterating again ends at once. Closing twice is fine."""
