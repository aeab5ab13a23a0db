"""A plumb line, a levelled bar or an upright board becomes the camera's roll and pitch; a tilted bar proves them.

Degrees with the settings' signs: rolled clockwise, seen from behind the camera, is positive roll, looking down positive
pitch. In the upright camera's axes (right, down, ahead) the direction of gravity is
(sin roll cos pitch, cos roll cos pitch, sin pitch); every method looks for it. Dots are sensor pixels.
Refuses nothing by itself: what is not there is None, what should not be used is said in `problems`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.calibration.board import Board, Sighting
from appliance.calibration.rays import frontal, rays
from appliance.records import F64

SPREAD_DEG = 0.3
"""Pictures that differ by more are of something that moves."""
_STRAIGHT_PX = 1.0
_STEEP_DEG = 30.0
_APART_DEG = 8.0
"""Two plumb lines seen closer together than this say little about pitch."""
_CORNER_PX, _DOUBTFUL_DEG = 0.06, 0.1
"""How far off OpenCV's corners are, RMS, in pictures without noise (docs/cameras.md); told when pitch suffers."""
_ELSEWHERE = 0.2
"""Nor do they about roll, less than a tenth of the picture apart."""


class Plumb(msgspec.Struct, frozen=True):
    """A hanging line in one picture.

    normal : (3,) of the plane through camera and line, in the upright camera's axes. dots : how many are on it.
    off_px : RMS distance of its dots from a straight line. across : where it is, -1 left to 1 right in the picture.
    """

    normal: F64
    dots: int
    off_px: float
    across: float


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """How the camera stands.

    pitch_deg : None where the method does not show it. spread : standard deviation of single pictures.
    error : standard error of the mean, as far as pictures tell it. problems : why it should not be used.
    hints : what is worth knowing although it can be.
    """

    method: str
    roll_deg: float
    pitch_deg: float | None = None
    roll_spread_deg: float
    pitch_spread_deg: float | None = None
    roll_error_deg: float
    pitch_error_deg: float | None = None
    pictures: int
    problems: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


def gravity(roll_deg: float, pitch_deg: float) -> F64:
    """(3,) where down is, for a camera that stands so."""
    roll, pitch = math.radians(roll_deg), math.radians(pitch_deg)
    return np.array([math.sin(roll) * math.cos(pitch), math.cos(roll) * math.cos(pitch), math.sin(pitch)])


def pose_deg(down: F64) -> tuple[float, float]:
    """Roll and pitch of a camera for which gravity points there."""
    x, y, z = down / np.linalg.norm(down)
    return math.degrees(math.atan2(x, y)), math.degrees(math.asin(z))


def plumb(dots_px: F64, seen_by: NDArray[np.void]) -> Plumb | None:
    """The hanging line among bright dots: three or more on a straight and steep line; None when there is none."""
    straight = rays(dots_px, seen_by)
    best = np.zeros(len(straight), bool)
    focal = float(seen_by[0]["fx"])
    for i in range(len(straight)):
        for j in range(i + 1, len(straight)):
            way = straight[j] - straight[i]
            if abs(way[0]) > abs(way[1]) * math.tan(math.radians(_STEEP_DEG)):
                continue
            off = np.abs(way[0] * (straight - straight[i])[:, 1] - way[1] * (straight - straight[i])[:, 0])
            on = off * focal < 2 * _STRAIGHT_PX * math.hypot(*way)
            best = on if on.sum() > best.sum() else best
    if best.sum() < 3:
        return None
    chosen = straight[best]
    flat = np.column_stack([chosen, np.ones(len(chosen))])
    normal = np.linalg.svd(flat, full_matrices=False)[2][2]
    normal = normal * (1.0 if normal[0] > 0 else -1.0)
    off_px = float(np.sqrt(np.mean((flat @ normal / np.linalg.norm(normal[:2])) ** 2))) * focal
    wide = (seen_by[0]["height"] if seen_by[0]["turn"] % 2 else seen_by[0]["width"]) / 2
    return Plumb(normal, int(best.sum()), off_px, float(chosen[:, 0].mean()) * focal / float(wide))


def from_plumbs(places: Sequence[Sequence[Plumb]], pitch_deg: float, *, lens_known: bool = True) -> Level:
    """Roll, and with lines at two or more places pitch too, from pictures of each place.

    Seen at one place only, the line's lean is taken for roll, given the pitch that is known. Where lines at two places
    meet is straight below the camera; seen from the picture's middle that is roll, whatever the lens's focal length.
    """
    n = min(len(place) for place in places)
    angle = _apart_deg(places)
    across = [float(np.mean([line.across for line in place])) for place in places]
    meet = len(places) > 1 and max(across) - min(across) > _ELSEWHERE
    found = np.array([_hung([place[k] for place in places], pitch_deg, meet=meet) for k in range(n)])
    with_pitch = meet and lens_known and angle >= _APART_DEG
    told = _level("plumb line", found, with_pitch=with_pitch)
    hints = []
    off_px = float(np.median([line.off_px for place in places for line in place]))
    if off_px > _STRAIGHT_PX / 2:
        hints.append(f"the line's dots are {off_px:.1f} px off a straight line: calibrate the lens first")
    if len(places) > 1 and lens_known and not with_pitch:
        hints.append(f"the places of the line are only {angle:.0f} degrees apart: pitch was not measured")
    return msgspec.structs.replace(told, hints=tuple(hints))


def from_bar(pairs_px: Sequence[F64], seen_by: NDArray[np.void], pitch_deg: float) -> Level:
    """Roll from pictures of a level bar: each (2, 2), left dot first; seen from straight behind."""
    found = []
    for pair in pairs_px:
        roll = 0.0
        for _ in range(8):  # each step leaves a hundredth of the error
            roll += tilt_deg(pair, seen_by, roll, pitch_deg)
        found.append((roll, pitch_deg))
    return _level("level bar", np.array(found), with_pitch=False)


def pitch_by_height(pair_px: F64, seen_by: NDArray[np.void], roll_deg: float, below: float) -> float:
    """Pitch from two dots whose middle is `below` the lens: by so many metres a metre of distance straight ahead."""
    middle = rays(pair_px, seen_by).mean(axis=0)
    roll = math.radians(roll_deg)
    down = middle[0] * math.sin(roll) + middle[1] * math.cos(roll)
    return math.degrees(math.atan(below) - math.atan(down))


def from_board(seen: Sequence[Sighting], board: Board, seen_by: NDArray[np.void]) -> Level:
    """Roll and pitch from pictures of a board that stands upright and level, any of its edges down."""
    found = np.array([pose_deg(board_down(one, board, seen_by)) for one in seen])
    told = _level("board", found, with_pitch=True)
    doubt = float(np.median([_pitch_doubt_deg(one, board, seen_by) for one in seen]))
    hints = (f"so far away the board shows pitch to ±{doubt:.1f} deg only: half as far shows it better",)
    told = msgspec.structs.replace(
        told,
        pitch_error_deg=math.hypot(told.pitch_error_deg or 0.0, doubt),
        hints=hints if doubt > _DOUBTFUL_DEG else (),
    )
    if any(one.mirrored != bool(seen_by[0]["mirror"]) for one in seen):
        words = "the board is seen in a mirror, which the settings do not say: calibrate sides first"
        return msgspec.structs.replace(told, problems=(*told.problems, words))
    return told


def turned_about(first: Level, second: Level) -> Level:
    """The mean of a thing and of the same thing turned end for end, or upside down: its own error is gone."""
    askew = (first.roll_deg - second.roll_deg) / 2
    pitch = None
    if first.pitch_deg is not None and second.pitch_deg is not None:
        pitch = (first.pitch_deg + second.pitch_deg) / 2
    return msgspec.structs.replace(
        first,
        roll_deg=(first.roll_deg + second.roll_deg) / 2,
        pitch_deg=pitch,
        pictures=first.pictures + second.pictures,
        problems=(*first.problems, *second.problems),
        hints=(*first.hints, f"the {first.method} itself is askew by {askew:+.2f} deg; that is allowed for"),
    )


def board_down(seen: Sighting, board: Board, seen_by: NDArray[np.void]) -> F64:
    """(3,) the one of the board's own four directions that points down, in the upright camera's axes."""
    turn, _ = _posed(seen, board, seen_by)
    return _down(turn)


def _posed(seen: Sighting, board: Board, seen_by: NDArray[np.void]) -> tuple[F64, F64]:
    """The board's pose: its rotation vector and its place, in the upright camera's axes."""
    import cv2

    straight = rays(seen.xy_px, seen_by)
    places = board.places_m(seen.ids)
    posed = cv2.solvePnPGeneric(places, straight, np.eye(3), np.zeros(5), flags=cv2.SOLVEPNP_IPPE)
    turn, shift = np.asarray(posed[1][0], np.float64), np.asarray(posed[2][0], np.float64)
    turn, shift = cv2.solvePnPRefineLM(places, straight, np.eye(3), np.zeros(5), turn, shift)  # type: ignore[assignment]
    return np.ravel(turn), np.ravel(shift)


def _down(turn: F64) -> F64:
    import cv2

    axes = np.asarray(cv2.Rodrigues(turn)[0], np.float64)
    ways = (axes[:, 1], -axes[:, 1], axes[:, 0], -axes[:, 0])
    return max(ways, key=lambda way: float(way[1]))


def _pitch_doubt_deg(seen: Sighting, board: Board, seen_by: NDArray[np.void]) -> float:
    """What the corners' own error leaves open of pitch; the same in every picture, so no mean removes it."""
    import cv2

    turn, shift = _posed(seen, board, seen_by)
    sloped = cv2.projectPoints(board.places_m(seen.ids), turn, shift, np.eye(3), np.zeros(5))[1][:, :6]
    corner = _CORNER_PX / float(seen_by[0]["fx"])
    spread = np.linalg.pinv(sloped.T @ sloped)[:3, :3] * corner**2
    step = 1e-4
    now = pose_deg(_down(turn))[1]
    slope = np.array([(pose_deg(_down(turn + step * axis))[1] - now) / step for axis in np.eye(3)])
    return math.sqrt(float(slope @ spread @ slope))


def tilt_deg(pair_px: F64, seen_by: NDArray[np.void], roll_deg: float, pitch_deg: float) -> float:
    """Obliquity of two dots, left first, as the loop would tell it with this roll and pitch."""
    row = seen_by.copy()
    row["roll"], row["pitch"] = math.radians(roll_deg), math.radians(pitch_deg)
    (x0, z0), (x1, z1) = frontal(pair_px, row)
    return math.degrees(math.atan2(z1 - z0, x1 - x0))


def board_tilt_deg(seen: Sighting, board: Board, seen_by: NDArray[np.void], roll_deg: float) -> float:
    """How far a board is turned in its plane from upright, its right side higher positive, with this roll."""
    return pose_deg(board_down(seen, board, seen_by))[0] - roll_deg


def gravity_roll_deg(line: Plumb, pitch_deg: float) -> float:
    """The roll at which gravity lies in the line's plane, given the pitch."""
    x, y, z = line.normal
    lean = math.asin(float(np.clip(-z * math.tan(math.radians(pitch_deg)) / math.hypot(x, y), -1.0, 1.0)))
    return math.degrees(lean - math.atan2(y, x))


def left_to_right(dots_px: F64, seen_by: NDArray[np.void]) -> F64:
    """Two dots in the order of the upright picture, left first."""
    straight = rays(dots_px, seen_by)
    return np.asarray(dots_px[np.argsort(straight[:, 0])])


def _apart_deg(places: Sequence[Sequence[Plumb]]) -> float:
    """Angle at the camera between the outermost lines."""
    normals = [np.mean([line.normal for line in place], axis=0) for place in places]
    return max(
        (
            math.degrees(math.acos(min(1.0, abs(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))))
            for k, a in enumerate(normals)
            for b in normals[k + 1 :]
        ),
        default=0.0,
    )


def _hung(lines: Sequence[Plumb], pitch_deg: float, *, meet: bool) -> tuple[float, float]:
    """Roll and pitch of one picture of each place: gravity lies in all the planes, wherever they `meet`."""
    if meet:
        normals = np.stack([line.normal / np.linalg.norm(line.normal) for line in lines])
        down = np.linalg.svd(normals, full_matrices=True)[2][2]
        return pose_deg(down * (1.0 if down[1] > 0 else -1.0))
    return float(np.mean([gravity_roll_deg(line, pitch_deg) for line in lines])), pitch_deg


def _level(method: str, found: F64, *, with_pitch: bool) -> Level:
    """The mean over pictures, each row roll and pitch."""
    mean, n = found.mean(axis=0), len(found)
    spread = found.std(axis=0, ddof=1) if n > 1 else np.full(2, math.inf)
    error = spread / math.sqrt(n)
    names = ("roll", "pitch") if with_pitch else ("roll",)
    problems = [
        f"{name} goes to and fro by {spread[k]:.2f} deg from picture to picture: let it come to rest"
        for k, name in enumerate(names)
        if not spread[k] <= SPREAD_DEG
    ]
    return Level(
        method=method,
        roll_deg=float(mean[0]),
        roll_spread_deg=float(spread[0]),
        roll_error_deg=float(error[0]),
        pitch_deg=float(mean[1]) if with_pitch else None,
        pitch_spread_deg=float(spread[1]) if with_pitch else None,
        pitch_error_deg=float(error[1]) if with_pitch else None,
        pictures=n,
        problems=tuple(problems),
    )
