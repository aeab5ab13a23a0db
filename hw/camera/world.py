"""A scene at an exposure becomes pictures and places at any time: what the virtual camera sees, and the truth of it.

Metres in the room, sensor pixels in the picture, seconds of the scene. Every dot is drawn where it was when its own row
was exposed, smeared over its exposure. Nothing here waits or counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from appliance.records import F64, U8
from hw.camera import things
from hw.camera.acting import Acts
from hw.camera.actors import Actor
from hw.camera.board import board_corners, board_picture
from hw.camera.lighting import Light, Log, ground, light
from hw.camera.optics import Optics
from hw.camera.props import Lamp
from hw.camera.runner import Runner
from hw.camera.scene import Reflection, Scene, actor, worn


class World:
    """One scene, seen at one exposure, with a person who does what `acts` says."""

    def __init__(self, scene: Scene, exposed: Light | None = None, acts: Acts = ()) -> None:
        self.scene, self.acts = scene, acts or ((-math.inf, scene.act),)
        self.light = exposed or light(scene)
        self.actor: Actor = actor(scene, self.acts)
        self.worn = worn(scene)
        self._rows = [self.actor.marks.index(m) for m in self.worn]
        self.eye = (scene.right_m, -scene.distance_m, eye_height_m(scene))
        self.optics = Optics(scene, self.eye[2])
        self._middle = np.array([(scene.width_px - 1) / 2, (scene.height_px - 1) / 2])
        self._row_s = scene.row_us * 1e-6
        self._ground = ground(scene, self.light, self.eye[2])

    def picture(self, seq: int, t_s: float) -> U8:
        """(h, w) uint8: the picture taken at `t_s`; `seq` picks its noise."""
        luma, field = self._ground.picture(seq, t_s)
        scene, exposure_s = self.scene, self.light.exposure_s
        for way, depth_m in self._ways(t_s, exposure_s):
            radius = 0.5e-3 * scene.dot_mm * scene.focal_px / depth_m
            self._ground.add_disc(luma, field, way, radius, scene.dot_level * self.light.level)
        for spot in scene.clutter:
            way = np.stack([self._spot(spot, t_s + k * exposure_s / 2) for k in (-1, 0, 1)])
            self._ground.add_disc(luma, field, way, spot.diameter_px / 2, spot.level * self.light.level)
        return luma

    def add_lamp(self, luma: U8, seq: int, t_s: float, lit: Log) -> None:
        """Light the lamp in the picture of `t_s`, as far as its row's exposure saw the LED lit."""
        lamp = self.scene.lamp
        if lamp is None:
            return
        at = self.lamp_px(lamp)
        middle_s = t_s + self._row_s * float(at[1] + self._middle[1]) - lamp.delay_ms * 1e-3
        half_s = self.light.exposure_s / 2
        share = lit.share(lamp.led, middle_s - half_s, middle_s + half_s)
        if share > 0:
            field = self._ground.field(self._ground.window(seq))
            way = np.stack([at] * 3)
            self._ground.add_disc(luma, field, way, lamp.size_px / 2, lamp.level * self.light.level * share)

    def lamp_px(self, lamp: Lamp) -> F64:
        """(2,) sensor pixels from the middle."""
        return np.stack(self.optics.turned(np.array(lamp.x_px), np.array(lamp.y_px)))

    def things(self, t_s: float) -> dict[str, F64]:
        """Where each dot of the bar and of the plumb line is in the frame stamped `t_s`: sensor pixels."""
        at = things.places(self.scene, np.array([t_s]), self.eye)[0]
        xy, _ = self.optics.project(at)
        return dict(zip(things.names(self.scene), xy + self._middle, strict=True))

    def truth(self, t_s: float) -> dict[str, F64]:
        """Where each dot is: (3,) metres, x right and y forward from the pair's mean place, z up."""
        return dict(zip(self.actor.marks, self.actor.at(np.array([t_s]))[0], strict=True))

    def elevation_deg(self, t_s: float | F64) -> F64:
        """Angle of the worn pair to the horizontal in space, right side higher positive; shaped as `t_s`."""
        places = self.actor.at(np.atleast_1d(np.asarray(t_s, dtype=np.float64)))
        left, right = (self.actor.marks.index(m) for m in self.pair)
        return np.asarray(_elevation_deg(places[:, left], places[:, right]).reshape(np.shape(t_s)))

    @property
    def standing_deg(self) -> float:
        """`elevation_deg` of the runner standing still: the standing zero."""
        left, right = (self.actor.marks.index(m) for m in self.pair)
        return float(_elevation_deg(self.actor.standing[left], self.actor.standing[right]))

    @property
    def pair(self) -> tuple[str, str]:
        """The marks of the pelvis pair, left first."""
        left, right = sorted(self.actor.marks[:2], key=lambda mark: "right" in mark)
        return left, right

    def pixels(self, t_s: float) -> dict[str, F64]:
        """Where each worn dot's middle is in the frame stamped `t_s`: sensor pixels, rolling shutter included."""
        xy, _ = self.optics.project(self._places(self.actor, t_s, 0.0)[1])
        return dict(zip(self.worn, xy + self._middle, strict=True))

    def visible(self, t_s: float) -> dict[str, bool]:
        """Which worn dots nothing stands before."""
        return dict(zip(self.worn, self._seen(self.truth(t_s), t_s), strict=True))

    def corners(self) -> F64:
        """(24, 2) sensor pixels: the true places of the board's inner corners."""
        return board_corners(self.scene, self.eye[2])

    def _ways(self, t_s: float, exposure_s: float) -> Iterator[tuple[F64, float]]:
        """Each visible dot's way over the exposure, in pixels from the middle, and its depth."""
        scene = self.scene
        places = self._places(self.actor, t_s, exposure_s)
        xy, depth = self.optics.project(places)
        seen = self._seen(dict(zip(self.worn, places[1], strict=True)), t_s)
        yield from ((xy[:, k], float(depth[1, k])) for k in range(len(self.worn)) if seen[k])
        if scene.beam or scene.plumb:
            around = t_s + np.array([-0.5, 0.0, 0.5]) * exposure_s
            xy, depth = self.optics.project(things.places(scene, around, self.eye))
            yield from ((xy[:, k], float(depth[1, k])) for k in range(xy.shape[1]))
        if scene.other is not None and scene.act != "away":
            away = np.array([scene.other.right_m, scene.other.forward_m, scene.other.up_m])
            places = self._places(self.actor, t_s - scene.other.later_s, exposure_s) + away
            xy, depth = self.optics.project(places)
            yield from ((xy[:, k], float(depth[1, k])) for k in range(len(self.worn)))

    def _places(self, who: Actor, t_s: float, exposure_s: float) -> F64:
        """(3, K, 3) metres: the worn dots at the beginning, middle and end of their own rows' exposure."""
        around = np.array([-0.5, 0.0, 0.5]) * exposure_s
        if self._row_s == 0.0:
            return who.at(t_s + around)[:, self._rows]
        each = np.arange(len(self._rows))
        row_t_s = np.full(len(each), t_s)
        for _ in range(3):  # a dot moves 1% of a row's way per row: each round gains two digits
            xy, _ = self.optics.project(who.at(row_t_s)[each, self._rows])
            row_t_s = t_s + self._row_s * np.nan_to_num(xy[:, 1] + self._middle[1])
        at = who.at((row_t_s[None] + around[:, None]).ravel()).reshape(3, len(each), -1, 3)
        return at[:, each, self._rows]

    def _seen(self, places: dict[str, F64], t_s: float) -> list[bool]:
        if self.scene.act == "away":
            return [False] * len(self.worn)
        low, high = self.scene.hide_heels_below_m, self.scene.hide_heels_above_m
        hidden = {h.mark for h in self.scene.hidden if h.from_s <= t_s < h.to_s}
        for heel in ("left_heel", "right_heel"):
            z = places[heel][2] if heel in places else 0.0
            if (low is not None and z < low) or (high is not None and z > high):
                hidden.add(heel)
        return [mark not in hidden for mark in self.worn]

    def _spot(self, spot: Reflection, t_s: float) -> F64:
        """(2,) sensor pixels from the middle of a reflection at a time."""
        swing = math.sin(2 * math.pi * t_s / spot.period_s)
        x, y = spot.x_px + spot.path_x_px * swing, spot.y_px + spot.path_y_px * swing
        return np.stack(self.optics.turned(np.array(x), np.array(y)))


@lru_cache(maxsize=8)
def _mean_height_m(runner: str | Runner, pair: str, loop: bool, stand_s: float) -> float:
    """Mean height of the running pelvis pair over a while (standing still does not count)."""
    who = actor(Scene(runner=runner, pair=pair, loop=loop, stand_s=stand_s))
    t_s = stand_s + 1.0 + np.arange(0.0, 10.0, 0.01)
    return float(np.nanmean(who.at(t_s)[:, :2, 2]))


def eye_height_m(scene: Scene) -> float:
    """How high over the floor the camera is: the same whatever the person does."""
    return _mean_height_m(scene.runner, scene.pair, scene.loop, scene.stand_s) + scene.above_m


def prepared(scene: Scene) -> None:
    """Draw beforehand what takes longer than a frame lasts, so that it is at hand when the scene is seen."""
    board_picture(scene, eye_height_m(scene))


def _elevation_deg(left: F64, right: F64) -> F64:
    d = right - left
    return np.asarray(np.degrees(np.arctan2(d[..., 2], np.hypot(d[..., 0], d[..., 1]))))
