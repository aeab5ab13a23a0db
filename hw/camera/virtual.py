"""A scene becomes frames: the virtual camera, with the truth beside its pictures.

Times are exact multiples of the frame time at mid-exposure of the sensor's first row; row y comes `row_s * y` later
and every dot is drawn where it was then. Without `realtime`, frames come as fast as they are drawn; with it they come
when a real camera would have read them out, and those that the reader was too late for are lost.
Refuses a scene without sense.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from appliance.config import Lens
from appliance.records import F64, U8, Frame
from hw.camera.actors import Actor
from hw.camera.drawing import Ground, hashed
from hw.camera.optics import Optics
from hw.camera.pacing import Pace
from hw.camera.scene import Reflection, Scene, actor, check, lens, worn

_LOST_SALT = 0x5EED


class VirtualCamera:
    """A camera whose subject is a recorded or a synthetic runner."""

    def __init__(self, scene: Scene | None = None, *, realtime: bool = False, speed: float = 1.0) -> None:
        self.scene = scene = scene or Scene()
        check(scene)
        self._actor: Actor = actor(scene)
        self._worn = worn(scene)
        self._rows = [self._actor.marks.index(m) for m in self._worn]
        self._optics = Optics(scene, self._height_m() + scene.above_m)
        self._middle = np.array([(scene.width_px - 1) / 2, (scene.height_px - 1) / 2])
        self._row_s = scene.row_us * 1e-6
        self._ground = Ground(scene)
        self._realtime, self._speed = realtime, speed
        self._pace: Pace | None = None
        self._last_s = 0.0
        self._open, self._lost = True, 0

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
            "exposure_us": self.scene.exposure_ms * 1e3,
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

    def close(self) -> None:
        """End the stream."""
        self._open = False

    def frames(self) -> Iterator[Frame | None]:
        """The frames; endless unless the scene says otherwise."""
        self._pace = Pace(self._speed) if self._realtime else None
        stamp = self._pace.stamp_s if self._pace else float
        end_s = self._actor.end_s if self.scene.duration_s is None else self.scene.duration_s
        seq = 0
        while self._open and (at_s := seq / self.scene.rate_hz) < end_s:
            if self._is_lost(seq):
                self._lost += 1
                seq += 1
                continue
            luma = self.picture(seq, at_s)
            while self._pace and self._open and not self._pace.wait(self._read_out_s(seq)):
                yield None
            self._last_s = stamp(at_s)
            yield Frame(seq=seq, t_s=self._last_s, luma=luma, row_s=self._row_s)
            seq = self._following(seq)

    def picture(self, seq: int, t_s: float) -> U8:
        """(h, w) uint8: the picture taken at `t_s`; `seq` picks its noise."""
        luma, field = self._ground.picture(seq)
        scene, exposure_s = self.scene, self.scene.exposure_ms * 1e-3
        for way, depth_m in self._ways(t_s, exposure_s):
            radius = 0.5e-3 * scene.dot_mm * scene.focal_px / depth_m
            self._ground.add_disc(luma, field, way, radius, scene.dot_level)
        for spot in scene.clutter:
            way = np.stack([self._spot(spot, t_s + k * exposure_s / 2) for k in (-1, 0, 1)])
            self._ground.add_disc(luma, field, way, spot.diameter_px / 2, spot.level)
        return luma

    def truth(self, t_s: float) -> dict[str, F64]:
        """Where each dot is: (3,) metres, x right and y forward from the pair's mean place, z up."""
        return dict(zip(self._actor.marks, self._actor.at(np.array([t_s]))[0], strict=True))

    def elevation_deg(self, t_s: float | F64) -> F64:
        """Angle of the worn pair to the horizontal in space, right side higher positive; shaped as `t_s`."""
        places = self._actor.at(np.atleast_1d(np.asarray(t_s, dtype=np.float64)))
        left, right = (self._actor.marks.index(m) for m in self.pair)
        return np.asarray(_elevation_deg(places[:, left], places[:, right]).reshape(np.shape(t_s)))

    @property
    def standing_deg(self) -> float:
        """`elevation_deg` of the runner standing still: the standing zero."""
        left, right = (self._actor.marks.index(m) for m in self.pair)
        return float(_elevation_deg(self._actor.standing[left], self._actor.standing[right]))

    @property
    def pair(self) -> tuple[str, str]:
        """The marks of the pelvis pair, left first."""
        left, right = sorted(self._actor.marks[:2], key=lambda mark: "right" in mark)
        return left, right

    def pixels(self, t_s: float) -> dict[str, F64]:
        """Where each worn dot's middle is in the frame stamped `t_s`: sensor pixels, rolling shutter included."""
        xy, _ = self._optics.project(self._places(self._actor, t_s, 0.0)[1])
        return dict(zip(self._worn, xy + self._middle, strict=True))

    def visible(self, t_s: float) -> dict[str, bool]:
        """Which worn dots nothing stands before."""
        return dict(zip(self._worn, self._seen(self.truth(t_s), t_s), strict=True))

    def _height_m(self) -> float:
        """Mean height of the running pelvis pair over a while (standing still does not count)."""
        t_s = self.scene.stand_s + 1.0 + np.arange(0.0, 10.0, 0.01)
        return float(np.nanmean(self._actor.at(t_s)[:, :2, 2]))

    def _is_lost(self, seq: int) -> bool:
        return hashed(self.scene.seed ^ _LOST_SALT, seq) < self.scene.lost * 2**32

    def _read_out_s(self, seq: int) -> float:
        """When the last row of frame `seq` is exposed, in source seconds."""
        last_row_s = (self.scene.height_px - 1) * self._row_s
        return seq / self.scene.rate_hz + self.scene.exposure_ms * 0.5e-3 + last_row_s

    def _following(self, seq: int) -> int:
        """The next frame to deliver: in real time the newest that is read out, older ones are lost."""
        if self._pace is None:
            return seq + 1
        newest = math.floor((self._pace.source_s() - self._read_out_s(0)) * self.scene.rate_hz)
        self._lost += max(0, newest - seq - 1)
        return max(seq + 1, newest)

    def _ways(self, t_s: float, exposure_s: float) -> Iterator[tuple[F64, float]]:
        """Each visible dot's way over the exposure, in pixels from the middle, and its depth."""
        scene = self.scene
        places = self._places(self._actor, t_s, exposure_s)
        xy, depth = self._optics.project(places)
        seen = self._seen(dict(zip(self._worn, places[1], strict=True)), t_s)
        yield from ((xy[:, k], float(depth[1, k])) for k in range(len(self._worn)) if seen[k])
        if scene.other is not None:
            away = np.array([scene.other.right_m, scene.other.forward_m, scene.other.up_m])
            places = self._places(self._actor, t_s - scene.other.later_s, exposure_s) + away
            xy, depth = self._optics.project(places)
            yield from ((xy[:, k], float(depth[1, k])) for k in range(len(self._worn)))

    def _places(self, who: Actor, t_s: float, exposure_s: float) -> F64:
        """(3, K, 3) metres: the worn dots at the beginning, middle and end of their own rows' exposure."""
        around = np.array([-0.5, 0.0, 0.5]) * exposure_s
        if self._row_s == 0.0:
            return who.at(t_s + around)[:, self._rows]
        each = np.arange(len(self._rows))
        row_t_s = np.full(len(each), t_s)
        for _ in range(3):  # a dot moves 1% of a row's way per row: each round gains two digits
            xy, _ = self._optics.project(who.at(row_t_s)[each, self._rows])
            row_t_s = t_s + self._row_s * np.nan_to_num(xy[:, 1] + self._middle[1])
        at = who.at((row_t_s[None] + around[:, None]).ravel()).reshape(3, len(each), -1, 3)
        return at[:, each, self._rows]

    def _seen(self, places: dict[str, F64], t_s: float) -> list[bool]:
        low, high = self.scene.hide_heels_below_m, self.scene.hide_heels_above_m
        hidden = {h.mark for h in self.scene.hidden if h.from_s <= t_s < h.to_s}
        for heel in ("left_heel", "right_heel"):
            z = places[heel][2] if heel in places else 0.0
            if (low is not None and z < low) or (high is not None and z > high):
                hidden.add(heel)
        return [mark not in hidden for mark in self._worn]

    def _spot(self, spot: Reflection, t_s: float) -> F64:
        """(2,) sensor pixels from the middle of a reflection at a time."""
        swing = math.sin(2 * math.pi * t_s / spot.period_s)
        x, y = spot.x_px + spot.path_x_px * swing, spot.y_px + spot.path_y_px * swing
        return np.stack(self._optics.turned(np.array(x), np.array(y)))


def _elevation_deg(left: F64, right: F64) -> F64:
    d = right - left
    return np.asarray(np.degrees(np.arctan2(d[..., 2], np.hypot(d[..., 0], d[..., 1]))))
