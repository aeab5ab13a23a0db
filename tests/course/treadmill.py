"""A learner on a treadmill becomes frames as fast as they can be made, and does what the visit asks for meanwhile.

Seconds of the camera's own clock, which goes on from one reading of the frames to the next. Drawn: pictures, as the
virtual camera draws them. Not drawn: the same world's marks as keypoints with a camera's noise, for `Seen` in the place
of sight, twenty times as fast; all the rest of the loop is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from appliance.config import Settings
from appliance.records import Frame, Keypoints
from hw.camera.acting import Act, Performer
from hw.camera.scene import Scene, settings
from hw.camera.world import World
from tests.course.trainee import Attempt

Told = Callable[[], tuple[Act, bool]]
"""What the visit wants of the runner now, and whether the bar shows a figure."""

_AT_ONCE = 30
"""So many frames are made before the runner looks at the bar again, when nothing is drawn."""
_NOISE_PX = 0.03
_ACTS = 4


class Treadmill:
    """A camera behind somebody who learns."""

    def __init__(self, attempt: Attempt, told: Told, *, drawn: bool) -> None:
        self.scene = Scene(runner=attempt.runner, act="stand", seed=3)
        self.size, self.rate_hz = (self.scene.width_px, self.scene.height_px), self.scene.rate_hz
        self.lost = self.restarts = 0
        self.drawn = drawn
        self._attempt, self._told = attempt, told
        self._world = World(self.scene)
        self._acts: tuple[tuple[float, Act], ...] = ((-1.0, "stand"),)
        self._seq, self._last_s, self._open = 0, 0.0, True
        self._rows = [
            self._world.actor.marks.index(m) for m in (*self._world.pair, "left_heel", "right_heel")
        ]
        self._made, self._made_from = np.empty((0, 4, 2)), 0
        self._rng = np.random.default_rng(11)
        self._who = attempt.runner
        self._perform()

    def frames(self) -> Iterator[Frame | None]:
        """The frames, without an end."""
        dark = np.broadcast_to(np.uint8(0), self.size[::-1])
        while self._open:
            at_s = self._seq / self.rate_hz
            if self.drawn:
                self._live(at_s, 1)
                luma = self._world.picture(self._seq, at_s)
            else:
                self._make_ready(at_s)
                luma = dark
            self._last_s, seq = at_s, self._seq
            self._seq += 1
            yield Frame(seq, at_s, luma)

    def keypoints(self, frame: Frame) -> Keypoints:
        """Where the marks are in a frame that was not drawn."""
        return Keypoints(frame.seq, frame.t_s, self._made[frame.seq - self._made_from].copy(), np.ones(4))

    def now_s(self) -> float:
        """The last frame's time: the loop is as fast as the frames."""
        return self._last_s

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician."""
        return {"driver": "course", "rate_hz": self.rate_hz}

    def expose(self, exposure_us: float, gain: float) -> None:
        """The light is as it is."""

    def close(self) -> None:
        """No more frames."""
        self._open = False

    def _make_ready(self, at_s: float) -> None:
        """The keypoints of the next frames, when those that were made are used up."""
        if self._seq < self._made_from + len(self._made):
            return
        t_s = at_s + np.arange(_AT_ONCE) / self.rate_hz
        self._live(at_s, _AT_ONCE)
        xy, _ = self._world.optics.project(self._world.actor.at(t_s)[:, self._rows])
        middle = (np.array(self.size) - 1) / 2
        self._made, self._made_from = xy + middle + self._rng.normal(0.0, _NOISE_PX, xy.shape), self._seq

    def _live(self, at_s: float, frames: int) -> None:
        """The runner looks at the bar and goes on for so many frames."""
        act, lit = self._told()
        if act != self._acts[-1][1]:
            self._acts = (*self._acts, (at_s, act))[-_ACTS:]
            self._perform()
        self._attempt.lives(at_s + (frames + 1) / self.rate_hz, lit=lit, running=act == "run")

    def _perform(self) -> None:
        self._world.actor = Performer(self._who, self._acts)


class Seen:
    """In the place of sight: the keypoints of frames that were not drawn."""

    def __init__(self, treadmill: Treadmill) -> None:
        self._treadmill, self.tracked = treadmill, True

    def locate(self, frame: Frame) -> Keypoints:
        """Where the marks are."""
        return self._treadmill.keypoints(frame)


def fitting(treadmill: Treadmill, base: Settings | None = None) -> Settings:
    """The settings of a station whose lens and mount have been calibrated for this treadmill."""
    return settings(treadmill.scene, base)
