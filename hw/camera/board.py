"""A ChArUco board in a pose becomes its picture through the true lens, and its corners' true places in it.

Each sensor pixel's ray goes back through mount, distortion and pose to the board's plane, sixteen times a pixel, into a
drawing of the board that is as coarse as those rays lie apart, so that an edge is neither jagged nor moved. Corners are
counted as OpenCV does: along the rows of the board, from its top left. Sensor pixels, metres, degrees.
Refuses nothing: a board that is out of view or seen from behind is not there.
"""

from __future__ import annotations

import math
from functools import lru_cache

import msgspec
import numpy as np

from appliance.records import F64, U8
from hw.camera.drawing import F32
from hw.camera.optics import Optics, turn
from hw.camera.props import Board
from hw.camera.scene import Scene

SQUARES = 7, 5
SQUARE_M, MARKER_M = 0.030, 0.022
SHEET_M = 0.297, 0.210
_TEXEL_M = 0.001 / 14
"""Of the finest drawing: a square is 420 of them and a marker 308, both whole."""
_RAYS = 4
_LENS_PX = 0.5
"""A decent lens in focus spreads an edge by so much (sigma)."""
_INSIDE = 0.97
_VIEWS = 9
"""Places over the picture that the poses go through."""


class BoardPicture(msgspec.Struct, frozen=True):
    """light : (h, w) grey levels of the sheet. cover : (h, w) share of each pixel that the sheet takes."""

    light: F32
    cover: F32


def board_picture(scene: Scene, eye_height_m: float) -> BoardPicture | None:
    """The sheet as the scene's camera sees it; None without one."""
    if scene.board is None:
        return None
    return _picture(_view(scene), scene.board, eye_height_m)


def board_corners(scene: Scene, eye_height_m: float) -> F64:
    """(24, 2) sensor pixels: where the inner corners of the squares truly are; NaN behind the camera."""
    if scene.board is None:
        return np.full(((SQUARES[0] - 1) * (SQUARES[1] - 1), 2), np.nan)
    optics = Optics(scene, eye_height_m)
    at = [
        ((i - SQUARES[0] / 2), (SQUARES[1] / 2 - j))
        for j in range(1, SQUARES[1])
        for i in range(1, SQUARES[0])
    ]
    middle, right, up = _pose(scene.board, optics)
    places = middle + SQUARE_M * (np.array(at) @ np.stack([right, up]))
    xy, _ = optics.project(places)
    return np.asarray(xy + np.array([(scene.width_px - 1) / 2, (scene.height_px - 1) / 2]))


def _view(scene: Scene) -> Scene:
    """Only what decides where a ray goes."""
    keys = (
        "width_px",
        "height_px",
        "rotate_deg",
        "mirror",
        "f_px",
        "cx_px",
        "cy_px",
        "k1",
        "k2",
        "p1",
        "p2",
        "k3",
    )
    pose = ("distance_m", "right_m", "pitch_deg", "roll_deg", "yaw_deg", "blur_px")
    return Scene(**{key: getattr(scene, key) for key in (*keys, *pose)})


@lru_cache(maxsize=4)
def _picture(scene: Scene, board: Board, eye_height_m: float) -> BoardPicture:
    import cv2

    optics = Optics(scene, eye_height_m)
    u, v = _on_sheet(scene, board, optics)
    part = _part(u, v)
    light, cover = (_nothing(scene) for _ in range(2))
    if part is None:
        return BoardPicture(light, cover)
    rows, cols = part
    around = (slice(rows.start, rows.stop + 2), slice(cols.start, cols.stop + 2))
    fine = [_between(each[around]) for each in (u, v)]
    apart_m = float(np.nanmedian(np.hypot(np.diff(fine[0], axis=1), np.diff(fine[1], axis=1))))
    sheet, texel_m = _drawn(board.white, board.black, _level(apart_m))
    x, y = ((each / texel_m - 0.5).astype(np.float32) for each in fine)
    outside = (cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT)
    size = (cols.stop - cols.start, rows.stop - rows.start)
    for whole, drawing in ((light, sheet), (cover, np.ones_like(sheet))):
        seen = cv2.remap(drawing, x, y, *outside, borderValue=0.0)
        whole[rows, cols] = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
    blur_px = math.hypot(_LENS_PX, scene.blur_px)
    return BoardPicture(
        *(cv2.GaussianBlur(each, (0, 0), blur_px).astype(np.float32) for each in (light, cover))
    )


def _nothing(scene: Scene) -> F32:
    return np.zeros((scene.height_px, scene.width_px), np.float32)


def _on_sheet(scene: Scene, board: Board, optics: Optics) -> tuple[F64, F64]:
    """(h + 2, w + 2): where each pixel's ray meets the sheet, metres from its top left; one pixel more all around."""
    middle, right, up = _pose(board, optics)
    rays = _rays(msgspec.structs.replace(scene, blur_px=0.0))
    facing = np.cross(right, up)  # towards whoever looks at it
    axes = np.array(optics.axes)
    to_middle, normal, across, upward = (
        axes @ each for each in (middle - np.array(optics.place), facing, right, up)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        far = float(normal @ to_middle) / (rays @ normal)
    far = np.where((far > 0) & (rays @ normal < 0), far, np.nan)
    on = rays * far[..., None] - to_middle
    return np.asarray(on @ across + SHEET_M[0] / 2), np.asarray(SHEET_M[1] / 2 - on @ upward)


@lru_cache(maxsize=2)
def _rays(scene: Scene) -> F64:
    """(h + 2, w + 2, 3): where each pixel looks, right, down and ahead of the camera."""
    w, h = scene.width_px, scene.height_px
    x, y = np.meshgrid(np.arange(-1.0, w + 1) - (w - 1) / 2, np.arange(-1.0, h + 1) - (h - 1) / 2)
    rays = np.stack([*Optics(scene, 0.0).ray(x, y), np.ones_like(x)], axis=-1)
    rays.flags.writeable = False
    return rays


def _pose(board: Board, optics: Optics) -> tuple[F64, F64, F64]:
    """Middle of the sheet in the room, and its right and up there."""
    if board.pose > 0:
        return _chosen(board.pose, optics)
    middle = np.array(optics.place) + np.array([board.right_m, board.distance_m, board.up_m])
    right, up = turn(board.yaw_deg, board.pitch_deg, board.roll_deg)
    return middle, right, up


def _chosen(pose: int, optics: Optics) -> tuple[F64, F64, F64]:
    """One of many poses in front of the camera: nine places over the picture, again and again, each time otherwise."""
    rng = np.random.default_rng(pose)
    column, row = (pose - 1) % _VIEWS % 3 - 1, (pose - 1) % _VIEWS // 3 - 1
    yaw, pitch = rng.uniform(12, 32, 2) * rng.choice([-1, 1], 2)
    axes = np.array(optics.axes)
    room = np.stack(
        [axes[0], axes[2], -axes[1]]
    )  # right, forward and up of a camera that looks straight ahead
    right, up = (each @ room for each in turn(yaw, pitch, rng.uniform(-20, 20)))
    sides = np.array([(x, y) for x in (-0.5, 0.5) for y in (-0.5, 0.5)]) * SQUARES * SQUARE_M
    spread = (sides @ np.stack([right, up])) @ axes.T  # of the board's own corners from its middle
    half_w, half_h = (each * _INSIDE for each in optics.reach)
    far_m = float(
        rng.uniform(1.3, 2.0) * max(np.ptp(spread[:, 0]) / half_w, np.ptp(spread[:, 1]) / half_h) / 2
    )
    middle = [
        _aside(column, half_w, far_m, spread[:, [0, 2]]),
        _aside(row, half_h, far_m, spread[:, [1, 2]]),
        far_m,
    ]
    return np.array(optics.place) + np.array(middle) @ axes, right, up


def _aside(where: int, half: float, far_m: float, spread: F64) -> float:
    """How far aside the middle is with the outermost corner just in view; -1, 0 and 1 = one end, between, the other."""
    ends = (
        float(np.max(-half * (far_m + spread[:, 1]) - spread[:, 0])),
        float(np.min(half * (far_m + spread[:, 1]) - spread[:, 0])),
    )
    return (ends[0], sum(ends) / 2, ends[1])[where + 1]


def _part(u: F64, v: F64) -> tuple[slice, slice] | None:
    """The pixels that the sheet may touch."""
    near = 0.002
    on = (u > -near) & (u < SHEET_M[0] + near) & (v > -near) & (v < SHEET_M[1] + near)
    rows, cols = np.flatnonzero(on.any(axis=1)), np.flatnonzero(on.any(axis=0))
    if not len(rows):
        return None
    h, w = u.shape[0] - 2, u.shape[1] - 2
    spans = [
        (max(0, int(each[0]) - 2), min(most, int(each[-1]) + 1)) for each, most in ((rows, h), (cols, w))
    ]
    return slice(*spans[0]), slice(*spans[1])


def _between(each: F64) -> F32:
    """Values at pixels (one more all around) become values at the rays between; smooth, so a straight line will do."""
    import cv2

    h, w = each.shape
    grown = cv2.resize(each, (w * _RAYS, h * _RAYS), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown[_RAYS:-_RAYS, _RAYS:-_RAYS])


def _level(apart_m: float) -> int:
    """By how much the finest drawing is made coarser, so that its texels are about as far apart as the rays."""
    return max(1, min(24, round(apart_m / _TEXEL_M))) if math.isfinite(apart_m) else 1


@lru_cache(maxsize=8)
def _drawn(white: float, black: float, coarser: int) -> tuple[F32, float]:
    """The sheet in grey levels, and the size of its texels."""
    import cv2

    fine = _drawing().astype(np.float32) / 255.0 * (white - black) + black
    h, w = fine.shape
    size = (math.ceil(w / coarser), math.ceil(h / coarser))
    padded = cv2.copyMakeBorder(
        fine, 0, size[1] * coarser - h, 0, size[0] * coarser - w, cv2.BORDER_CONSTANT, value=white
    )
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA)), _TEXEL_M * coarser


@lru_cache(maxsize=1)
def _drawing() -> U8:
    """The sheet as it is printed, 14 texels a millimetre: the board in the middle of white paper."""
    import cv2

    words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_100)
    board = cv2.aruco.CharucoBoard(SQUARES, SQUARE_M, MARKER_M, words)
    square = round(SQUARE_M / _TEXEL_M)
    drawn = board.generateImage((SQUARES[0] * square, SQUARES[1] * square), marginSize=0)
    beside, above = (
        round((sheet - n * SQUARE_M) / 2 / _TEXEL_M) for sheet, n in zip(SHEET_M, SQUARES, strict=True)
    )
    return np.asarray(cv2.copyMakeBorder(drawn, above, above, beside, beside, cv2.BORDER_CONSTANT, value=255))
