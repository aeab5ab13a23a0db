"""A scene becomes frames: the virtual camera, with the truth beside its pictures.

Times are exact multiples of the frame time at mid-exposure of the sensor's first row; row y comes `row_s * y` later
and every dot is drawn where it was then (a scene may make it lie about its times). Without `realtime`, frames come as
fast as they are drawn; with it they come when a real camera would have read them out, and those that the reader was too
late for are lost. A scene file (`hw.camera.stage`) may change what is there while frames come; a lamp is drawn when its
exposure is over, because nobody knows before that when it will be lit.
Refuses a scene without sense.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from appliance.config import Lens
from appliance.records import F64, U8, Frame
from hw.camera.drawing import hashed
from hw.camera.lighting import Log, light
from hw.camera.pacing import Pace
from hw.camera.scene import Scene, check, lens
from hw.camera.stage import Stage
from hw.camera.world import World

_LOST_SALT = 0x5EED
_ACTS = 4
"""So many of the last acts are remembered: a person may be told the next thing before having done the last."""


class VirtualCamera:
    """A camera whose subject is a recorded or a synthetic runner."""

    def __init__(
        self,
        scene: Scene | None = None,
        *,
        realtime: bool = False,
        speed: float = 1.0,
        stage: Stage | None = None,
        lit: Log | None = None,
    ) -> None:
        scene = scene or (stage.scene if stage else Scene())
        check(scene)
        self._world = World(scene)
        self._stage, self._lit = stage, lit
        self._asked = self._exposed = (0.0, 0.0)
        self._row_s = scene.row_us * 1e-6
        self._realtime, self._speed = realtime, speed
        self._pace: Pace | None = None
        self._last_s = 0.0
        self._open, self._lost = True, 0

    @property
    def scene(self) -> Scene:
        """What is there now."""
        return self._world.scene

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sensor's picture."""
        return self.scene.width_px, self.scene.height_px

    @property
    def rate_hz(self) -> float:
        """Frames a second."""
        return self.scene.rate_hz

    @property
    def lost(self) -> int:
        """Frames that the scene loses, or that the reader was too late for."""
        return self._lost

    @property
    def restarts(self) -> int:
        """It never stalls."""
        return 0

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician."""
        return {
            "driver": "virtual",
            "device": str(self.scene.runner) if isinstance(self.scene.runner, str) else "synthetic runner",
            "width_px": self.scene.width_px,
            "height_px": self.scene.height_px,
            "rate_hz": self.scene.rate_hz,
            "exposure_us": round(self._world.light.exposure_s * 1e6, 3),
            "row_us": self.scene.row_us,
            "stamped_by": "scene",
            "restarts": 0,
            "lost": self._lost,
        }

    @property
    def lens(self) -> Lens:
        """The calibration record that fits these pictures exactly."""
        return lens(self.scene)

    def now_s(self) -> float:
        """Now on the frames' clock."""
        return self._pace.now_s() if self._pace else self._last_s

    def expose(self, exposure_us: float, gain: float) -> None:
        """Expose so long, at such a gain, from the next frame on; 0 = as the scene has it."""
        self._asked = (exposure_us, gain)

    def close(self) -> None:
        """End the stream."""
        self._open = False
        if self._stage:
            self._stage.close()

    def frames(self) -> Iterator[Frame | None]:
        """The frames; endless unless the scene says otherwise."""
        self._pace = Pace(self._speed) if self._realtime else None
        self._world = World(self.scene, self._world.light)  # what the person did before was in other seconds
        stamp = self._pace.stamp_s if self._pace else float
        end_s = self._world.actor.end_s if self.scene.duration_s is None else self.scene.duration_s
        seq = 0
        while self._open and (at_s := seq / self.scene.rate_hz) < end_s:
            if self._is_lost(seq):
                self._lost += 1
                seq += 1
                continue
            self._changed(at_s)
            luma = self.picture(seq, at_s)
            while self._pace and self._open and not self._pace.wait(self._read_out_s(seq)):
                yield None
            if self._lit:
                self._world.add_lamp(luma, seq, stamp(at_s), self._lit)
            self._last_s = stamp(at_s) + self.scene.stamp_late_ms * 1e-3
            yield Frame(seq=seq, t_s=self._last_s, luma=luma, row_s=self._row_s)
            seq = self._following(seq)

    def picture(self, seq: int, t_s: float) -> U8:
        """(h, w) uint8: the picture taken at `t_s`; `seq` picks its noise."""
        return self._world.picture(seq, t_s)

    def truth(self, t_s: float) -> dict[str, F64]:
        """Where each dot is: (3,) metres, x right and y forward from the pair's mean place, z up."""
        return self._world.truth(t_s)

    def elevation_deg(self, t_s: float | F64) -> F64:
        """Angle of the worn pair to the horizontal in space, right side higher positive; shaped as `t_s`."""
        return self._world.elevation_deg(t_s)

    @property
    def standing_deg(self) -> float:
        """`elevation_deg` of the runner standing still: the standing zero."""
        return self._world.standing_deg

    @property
    def pair(self) -> tuple[str, str]:
        """The marks of the pelvis pair, left first."""
        return self._world.pair

    def pixels(self, t_s: float) -> dict[str, F64]:
        """Where each worn dot's middle is in the frame stamped `t_s`: sensor pixels, rolling shutter included."""
        return self._world.pixels(t_s)

    def visible(self, t_s: float) -> dict[str, bool]:
        """Which worn dots nothing stands before."""
        return self._world.visible(t_s)

    def things(self, t_s: float) -> dict[str, F64]:
        """Where each dot of the bar and of the plumb line is in the frame stamped `t_s`: sensor pixels."""
        return self._world.things(t_s)

    def corners(self) -> F64:
        """(24, 2) sensor pixels: the true places of the board's inner corners; NaN without a board."""
        return self._world.corners()

    def _changed(self, at_s: float) -> None:
        """Another scene or exposure is in force from here on; the person goes over to another act."""
        scene = (self._stage.news() if self._stage else None) or self.scene
        if scene is self.scene and self._asked == self._exposed:
            return
        self._exposed, acts = self._asked, self._world.acts
        if acts[-1][1] != scene.act:
            acts = (*acts, (at_s, scene.act))[-_ACTS:]
        self._world = World(scene, light(scene, *self._exposed), acts)

    def _is_lost(self, seq: int) -> bool:
        return hashed(self.scene.seed ^ _LOST_SALT, seq) < self.scene.lost * 2**32

    def _read_out_s(self, seq: int) -> float:
        """When the last row of frame `seq` is exposed, in source seconds."""
        last_row_s = (self.scene.height_px - 1) * self._row_s
        return seq / self.scene.rate_hz + self._world.light.exposure_s / 2 + last_row_s

    def _following(self, seq: int) -> int:
        """The next frame to deliver: in real time the newest that is read out, older ones are lost."""
        if self._pace is None:
            return seq + 1
        newest = math.floor((self._pace.source_s() - self._read_out_s(0)) * self.scene.rate_hz)
        self._lost += max(0, newest - seq - 1)
        return max(seq + 1, newest)
