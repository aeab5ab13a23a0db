"""A camera's frames become the visit's turns, once the loop is done with each: after light, panel and books.

Refuses nothing; what the visit can't do is a trouble in its own words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from appliance.records import Frame
from appliance.station.hatch import Hatch
from appliance.station.visits import Visits


class _Frames(Protocol):
    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""

    def frames(self) -> Iterator[Frame | None]:
        """The frames, in the order of time."""


class Attended:
    """A camera whose frames the visit hears of."""

    def __init__(self, camera: _Frames, hatch: Hatch, visits: Visits) -> None:
        self._camera, self._hatch, self._visits = camera, hatch, visits

    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""
        return self._camera.now_s()

    def frames(self) -> Iterator[Frame | None]:
        """The camera's own."""
        for frame in self._camera.frames():
            yield frame
            newest = self._hatch.newest
            self._visits.turn(newest.update if newest and frame else None, self._camera.now_s())
