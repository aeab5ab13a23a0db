"""Pictures and the marks in them become the bright spots that are nobody's dot: where, how bright, what each can cost.

Sensor pixels; places in words are those of the upright picture. A reflection stays where it is from picture to picture,
which no dot of a runner does; of somebody who stands, everything near the body is taken for theirs. Refuses nothing.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from appliance.calibration.rays import frontal, optics
from appliance.calibration.spots import Spot, near
from appliance.config import Camera, Settings
from appliance.records import F64, U8

_STAYS_PX = 3.0
_LEAST_SHARE = 0.6
_LEAST_OF_DOT = 0.2
"""What rises less than this share of a dot is below every threshold that is in use."""
_BODY_M = (0.45, -1.4, 0.3)
"""To each side of the pelvis, down and up from it."""
_SHARP_EDGE_PX = 1.6
MOST_EDGE_PX = 4.0


class Seen(msgspec.Struct, frozen=True):
    """One picture's spots, and where the marks were in it: (4, 2) sensor pixels, NaN = not seen."""

    spots: tuple[Spot, ...]
    xy_px: F64


class Reflection(msgspec.Struct, frozen=True):
    """A bright spot that stays. rise : grey levels over its ground. cost_deg : when a pelvis dot passes over it."""

    x_px: float
    y_px: float
    across_px: float
    rise: float
    share: float
    place: str
    cost_deg: float

    @property
    def words(self) -> str:
        """What to cover, and why."""
        cost = (
            f"a pelvis dot passes it: up to {self.cost_deg:.1f} deg"
            if self.cost_deg > 0
            else "no dot passes it, but a lost one may be looked for there"
        )
        return (
            f"cover the reflection {self.place} ({self.x_px:.0f}, {self.y_px:.0f}; {self.across_px:.0f} px across,"
            f" {self.rise:.0f} above its ground): {cost}"
        )


def reflections(
    pictures: list[Seen], paths_px: F64, running: bool, settings: Settings, plate_mm: float
) -> tuple[Reflection, ...]:
    """The spots that stay, the costliest and then the brightest first; paths_px (n, 4, 2): all places of the marks."""
    strange = [_strange(one, running, settings, plate_mm) for one in pictures]
    dots = [s for one in pictures for s in near(one.spots, one.xy_px, _reach_px(one)) if s is not None]
    least = _LEAST_OF_DOT * float(np.median([d.rise for d in dots])) if dots else 0.0
    separation = (
        float(np.nanmedian(np.hypot(*(paths_px[:, 1] - paths_px[:, 0]).T))) if len(paths_px) else math.nan
    )
    found: list[Reflection] = []
    for spot in (s for one in strange for s in one if s.rise >= least):
        if any(spot.distance_px(r.x_px, r.y_px) <= 2 * _STAYS_PX for r in found):
            continue
        alike = [[s for s in one if s.distance_px(spot.x_px, spot.y_px) <= _STAYS_PX] for one in strange]
        share = sum(bool(a) for a in alike) / len(strange)
        if share >= _LEAST_SHARE:
            cost = _cost_deg(spot, dots, paths_px, separation)
            place = place_words(spot.x_px, spot.y_px, settings)
            found.append(Reflection(spot.x_px, spot.y_px, spot.across_px, spot.rise, share, place, cost))
    return tuple(sorted(found, key=lambda r: (-r.cost_deg, -r.rise)))


def place_words(x_px: float, y_px: float, settings: Settings) -> str:
    """A sensor pixel as "upper left", "middle", "lower right" of the upright picture."""
    camera = settings.camera
    a, b = x_px - (camera.width_px - 1) / 2, y_px - (camera.height_px - 1) / 2
    w, h = float(camera.width_px), float(camera.height_px)
    for _ in range(camera.rotate_deg // 90):
        a, b, w, h = -b, a, h, w
    a = -a if camera.mirror else a
    row = "upper" if b < -h / 6 else "lower" if b > h / 6 else ""
    column = "left" if a < -w / 6 else "right" if a > w / 6 else ""
    if not row and not column:
        return "in the middle"
    return f"{row or 'middle'} {column or 'middle'}"


def upright(luma: U8, xy_px: F64, camera: Camera) -> tuple[U8, F64]:
    """A sensor's picture as the runner is seen upright, unmirrored, and (n, 2) places that go with it."""
    turns = camera.rotate_deg // 90
    x, y = (xy_px - (np.array(luma.shape[::-1]) - 1) / 2).T
    for _ in range(turns):
        x, y = -y, x
    turned = np.rot90(luma, -turns)
    if camera.mirror:
        x, turned = -x, turned[:, ::-1]
    h, w = turned.shape
    return np.ascontiguousarray(turned), np.stack([x + (w - 1) / 2, y + (h - 1) / 2], axis=1)


def blur_cost_deg(edge_px: float, across_px: float, noise_deg: float) -> float:
    """The part of an angle's noise that a soft edge is to blame for: noise is summed over the disc and its edge."""
    if not (edge_px > _SHARP_EDGE_PX and across_px > edge_px):
        return 0.0
    radius = (across_px - edge_px) / 2
    worse = ((radius + edge_px) / (radius + _SHARP_EDGE_PX)) ** 2
    return noise_deg * (1 - 1 / worse)


def _reach_px(one: Seen) -> float:
    """A spot belongs to a mark when it is within a dot's size of it."""
    return max(6.0, 0.8 * max((s.across_px for s in one.spots[:6]), default=0.0))


def _strange(one: Seen, running: bool, settings: Settings, plate_mm: float) -> tuple[Spot, ...]:
    """The spots that are no mark's, and for somebody who stands, not near the body."""
    mine = near(one.spots, one.xy_px, _reach_px(one))
    others = [s for s in one.spots if s not in mine]
    if running or not others or not np.isfinite(one.xy_px[:2]).all():
        return tuple(others)
    lens = settings.lens if settings.lens.fx_px else msgspec.structs.replace(settings.lens, fx_px=1000.0)
    seen_by = optics(settings.camera, lens, posed=True)
    pair = frontal(one.xy_px[:2], seen_by)
    middle, per_m = pair.mean(axis=0), np.hypot(*(pair[1] - pair[0])) / (plate_mm / 1e3)
    away = (frontal(np.array([[s.x_px, s.y_px] for s in others]), seen_by) - middle) / per_m
    aside, down, up = _BODY_M
    return tuple(s for s, (x, z) in zip(others, away, strict=True) if not (abs(x) < aside and down < z < up))


def _cost_deg(spot: Spot, dots: list[Spot], paths_px: F64, separation_px: float) -> float:
    """How far a pelvis dot that touches the spot is drawn aside, across the pelvis line; 0 when none comes near."""
    if not dots or not separation_px > 0:
        return 0.0
    dot_px = float(np.median([d.across_px for d in dots]))
    touching = (dot_px + spot.across_px) / 2 + 2.0
    pair = paths_px[:, :2].reshape(-1, 2)
    away = np.hypot(pair[:, 0] - spot.x_px, pair[:, 1] - spot.y_px)
    if not (away < touching).any():
        return 0.0
    dot = float(np.median([d.rise for d in dots])) * dot_px**2
    mine = spot.rise * spot.across_px**2
    return math.degrees(math.atan(touching * mine / (mine + dot) / separation_px))
