"""Frames of somebody's marks become how the camera stands, and what each fault of it costs in degrees.

Degrees, metres, sensor pixels. Elevation is positive when the pelvis is above the camera, azimuth when it is to the
camera's right, tilt when the right side is higher. Distance comes from the known width between the pelvis dots, taken
at the moments at which the runner's axial rotation hides least of it. A camera without a calibrated lens is taken as
one with the usual angle of view, and the figures say so. Refuses nothing; `problems` tells the gravest first.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.calibration.rays import frontal, optics
from appliance.config import Settings
from appliance.records import F64, MARKS

PLATE_MM = 120.0
"""Between the dots of the printed plate (docs/plate)."""
ROTATION_DEG = 7.0
"""The pelvis turns to and fro by so much in running: half of 10 to 14 deg (Perpina-Martinez 2023)."""
DROP_DEG = 6.0
"""A drop at whose peak the cost of a camera off to the side is told."""
MOST_ELEVATION_DEG, MOST_AZIMUTH_DEG = 5.0, 5.0
MOST_TILT_DEG = 3.0
LEAST_SEEN, LEAST_MARGIN_PX = 0.98, 12.0
LEAST_DISTANCE_M, MOST_DISTANCE_M = 1.2, 6.0
"""Nobody puts a camera nearer or further: beyond, the width between the dots is not what was said."""
MOST_NOISE_DEG = 0.15
_MARK_WORDS = ("left pelvis dot", "right pelvis dot", "left heel", "right heel")
_FIFTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])  # a fourth difference: motion vanishes from it, noise does not


class InView(msgspec.Struct, frozen=True):
    """One mark over the whole stride: the share of frames it is seen in, and how near it comes to which edge."""

    mark: str
    seen: float
    margin_px: float
    edge: str


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """How the camera stands to the runner. NaN = not known.

    height_m : the pelvis over the camera. tilt_deg : of the pelvis line on the average, standing zero subtracted.
    separation_px : between the pelvis dots. centre_noise_px : of one dot in one frame, noise_deg : of its angle.
    elevation_cost_deg, azimuth_cost_deg : the error that they leave at the peak. lens_known, level_known : whether
    both were calibrated.
    """

    frames: int
    seconds: float
    running: bool
    elevation_deg: float
    height_m: float
    distance_m: float
    azimuth_deg: float
    tilt_deg: float
    separation_px: float
    centre_noise_px: float
    noise_deg: float
    elevation_cost_deg: float
    azimuth_cost_deg: float
    marks: tuple[InView, ...]
    lens_known: bool
    level_known: bool
    problems: tuple[str, ...] = ()


def rotation_leak_deg(elevation_deg: float, rotation_deg: float = ROTATION_DEG) -> float:
    """The false obliquity of a level pelvis that turns by so much, seen from above or below.

    The side that comes nearer to the camera moves away from the horizon: height over distance times the tangent.
    """
    height = math.tan(math.radians(abs(elevation_deg)))
    return math.degrees(math.atan(height * math.tan(math.radians(rotation_deg))))


def side_cost_deg(
    azimuth_deg: float, drop_deg: float = DROP_DEG, rotation_deg: float = ROTATION_DEG
) -> float:
    """What a peak drop gains when a camera off to the side sees the turned pelvis foreshortened once more."""
    drop = math.tan(math.radians(drop_deg))
    aside = math.atan(drop / math.cos(math.radians(abs(azimuth_deg) + rotation_deg)))
    behind = math.atan(drop / math.cos(math.radians(rotation_deg)))
    return math.degrees(aside - behind)


def noise_deg(centre_noise_px: float, separation_px: float) -> float:
    """Noise of one frame's angle: two centres' noise across the distance between them."""
    return math.degrees(math.atan2(math.sqrt(2.0) * centre_noise_px, separation_px))


def yaw_deg(settings: Settings, azimuth_deg: float) -> float:
    """`lens.yaw_deg` for a camera that stands straight behind the runner: all that it is off is its own turning."""
    return settings.lens.yaw_deg - azimuth_deg


def aim(
    t_s: F64,
    xy_px: F64,
    running: bool,
    settings: Settings,
    *,
    plate_mm: float = PLATE_MM,
    level_known: bool = True,
) -> Aim:
    """Everything that frames of marks say; t_s (n,), xy_px (n, 4, 2) sensor pixels, in the order of time."""
    camera, lens = settings.camera, settings.lens
    known = lens.fx_px > 0
    usual_px = float(camera.width_px if camera.rotate_deg in (90, 270) else camera.height_px)
    seen_by = optics(camera, lens if known else msgspec.structs.replace(lens, fx_px=usual_px), posed=True)
    pair = frontal(xy_px[:, :2].reshape(-1, 2), seen_by).reshape(-1, 2, 2)
    middle = _mean(pair.mean(axis=1))
    across = pair[:, 1] - pair[:, 0]
    width, separation = _most(np.hypot(*across.T)), _most(np.hypot(*(xy_px[:, 1] - xy_px[:, 0]).T))
    distance = plate_mm / 1e3 / width if width > 0 else math.nan
    centre_noise = centre_noise_px(xy_px[:, :2])
    elevation = math.degrees(math.atan2(middle[1], math.hypot(1.0, middle[0])))
    azimuth = math.degrees(math.atan(middle[0]))
    found = Aim(
        frames=len(t_s),
        seconds=float(t_s[-1] - t_s[0]) if len(t_s) else 0.0,
        running=running,
        elevation_deg=elevation,
        height_m=distance * middle[1],
        distance_m=distance,
        azimuth_deg=azimuth,
        tilt_deg=_tilt(across) - settings.motion.zero_deg,
        separation_px=separation,
        centre_noise_px=centre_noise,
        noise_deg=noise_deg(centre_noise, separation),
        elevation_cost_deg=rotation_leak_deg(elevation),
        azimuth_cost_deg=side_cost_deg(azimuth),
        marks=in_view(xy_px, (camera.width_px, camera.height_px), settings),
        lens_known=known,
        level_known=level_known,
    )
    return msgspec.structs.replace(found, problems=problems(found))


def in_view(xy_px: F64, size: tuple[int, int], settings: Settings) -> tuple[InView, ...]:
    """Each mark's share of frames, and the smallest distance to an edge of the picture over all of them."""
    told = []
    for k, mark in enumerate(MARKS):
        xy = xy_px[:, k]
        xy = xy[np.isfinite(xy).all(axis=1)]
        share = len(xy) / max(len(xy_px), 1)
        if not len(xy):
            told.append(InView(mark, share, math.nan, ""))
            continue
        gaps = (xy[:, 0].min(), size[0] - 1 - xy[:, 0].max(), xy[:, 1].min(), size[1] - 1 - xy[:, 1].max())
        nearest = int(np.argmin(gaps))
        told.append(InView(mark, share, float(gaps[nearest]), upright_edge(nearest, settings)))
    return tuple(told)


def upright_edge(edge: int, settings: Settings) -> str:
    """What an edge of the sensor (0 left, 1 right, 2 top, 3 bottom) is for whoever sees the runner upright."""
    around = ("left", "top", "right", "bottom")  # clockwise, as turning clockwise counts
    sensor = (0, 2, 1, 3)[edge]
    name = around[(sensor + settings.camera.rotate_deg // 90) % 4]
    swapped = {"left": "right", "right": "left"}
    return swapped.get(name, name) if settings.camera.mirror else name


def centre_noise_px(pair_px: F64) -> float:
    """Noise of a dot's centre in one frame, along one axis, from what no motion of a person explains."""
    found = []
    for k in range(2):
        for axis in range(2):
            path = pair_px[:, k, axis]
            if len(path) >= 12:
                left = np.convolve(path, _FIFTH, mode="valid")
                left = np.abs(left[np.isfinite(left)])
                if len(left) >= 8:
                    found.append(float(np.median(left)) / 0.6745 / math.sqrt(float((_FIFTH**2).sum())))
    return float(np.mean(found)) if found else math.nan


def problems(a: Aim) -> tuple[str, ...]:
    """What should be mended, the costliest first, each with its cost in degrees."""
    if math.isnan(a.separation_px):
        return ("the pelvis dots are not seen: nothing can be said of the aim",)
    found: list[tuple[float, str]] = []
    if abs(a.elevation_deg) > MOST_ELEVATION_DEG:
        found.append((a.elevation_cost_deg, _height_words(a)))
    if abs(a.azimuth_deg) > MOST_AZIMUTH_DEG:
        aside = "left" if a.azimuth_deg > 0 else "right"
        words = (
            f"the camera is {abs(a.azimuth_deg):.0f} deg off to the {aside}: put it straight behind the runner;"
            f" a peak of {DROP_DEG:g} deg gains {a.azimuth_cost_deg:.1f} deg"
        )
        found.append((a.azimuth_cost_deg, words))
    if abs(a.tilt_deg) > MOST_TILT_DEG:
        words = (
            f"the pelvis line lies {a.tilt_deg:+.1f} deg askew on the average, one to one in every angle:"
            " `hipbar calibrate level`, then `zero`"
        )
        found.append((abs(a.tilt_deg), words))
    if a.noise_deg > MOST_NOISE_DEG:
        words = (
            f"{a.separation_px:.0f} px between the pelvis dots, centres noisy by {a.centre_noise_px:.2f} px:"
            f" {a.noise_deg:.2f} deg of noise a frame; go nearer, take a longer lens or larger dots"
        )
        found.append((a.noise_deg, words))
    words_by_cost = [text for _, text in sorted(found, key=lambda one: -one[0])]
    return (*_views(a), *words_by_cost, *_unknown(a))


def _height_words(a: Aim) -> str:
    move = "raise" if a.elevation_deg > 0 else "lower"
    by = "" if math.isnan(a.height_m) else f" by {abs(a.height_m) * 100:.0f} cm"
    return (
        f"{move} the camera{by}, to the height of the pelvis: at {abs(a.elevation_deg):.1f} deg the runner's axial"
        f" rotation leaks in as {a.elevation_cost_deg:.1f} deg"
    )


def _views(a: Aim) -> list[str]:
    """What leaves the picture; a mark that is not seen costs whole steps, not degrees."""
    words = []
    for name, mark in zip(_MARK_WORDS, a.marks, strict=True):
        if mark.seen < LEAST_SEEN and a.running:
            near = f", nearest to the {mark.edge} edge ({mark.margin_px:.0f} px)" if mark.edge else ""
            words.append(
                f"the {name} is seen in only {100 * mark.seen:.0f} % of the stride{near}: such steps may have no peak"
            )
        elif mark.margin_px < LEAST_MARGIN_PX:
            words.append(
                f"the {name} comes within {mark.margin_px:.0f} px of the {mark.edge} edge: turn the camera that way,"
                " or go further back"
            )
    return words


def _unknown(a: Aim) -> list[str]:
    """What the figures rest on that nobody has measured."""
    words = []
    if not a.lens_known:
        words.append(
            "the lens is not calibrated: distance and angles are those of a usual one (`hipbar calibrate lens`)"
        )
    if not LEAST_DISTANCE_M <= a.distance_m <= MOST_DISTANCE_M:
        words.append(
            f"a distance of {a.distance_m:.1f} m is not likely: is --plate-mm the width between the dots?"
        )
    if not a.level_known:
        words.append(
            "roll and pitch are not calibrated: a pitch that nobody knows of counts as height"
            f" ({rotation_leak_deg(5.0):.1f} deg for 5 deg), roll one to one (`hipbar calibrate level`)"
        )
    if not a.running:
        words.append("nobody was running: the marks' way over a whole stride was not seen")
    return words


def _mean(places: F64) -> tuple[float, float]:
    known = places[np.isfinite(places).all(axis=1)]
    return (float(known[:, 0].mean()), float(known[:, 1].mean())) if len(known) else (math.nan, math.nan)


def _most(lengths: NDArray[np.float64]) -> float:
    """The length where rotation takes least from it, without the single outlier."""
    known = lengths[np.isfinite(lengths)]
    return float(np.quantile(known, 0.9)) if len(known) else math.nan


def _tilt(across: F64) -> float:
    known = across[np.isfinite(across).all(axis=1)]
    return (
        math.degrees(math.atan2(float(known[:, 1].mean()), float(known[:, 0].mean())))
        if len(known)
        else math.nan
    )
