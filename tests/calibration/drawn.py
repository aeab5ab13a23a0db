"""A board or dots in space become a picture: an independent, slow camera for tests.

Camera coordinates as OpenCV's: x right, y down, z ahead, metres; sensor pixels with the first pixel's centre at 0, 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.calibration.board import Board, Sighting
from appliance.calibration.views import LEAST_VIEWS, View, lacking, useless, view
from appliance.config import Camera, Lens

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]


class Eye:
    """A pinhole with OpenCV's distortion."""

    def __init__(
        self, size: tuple[int, int] = (480, 640), fx: float = 640.0, fy: float = 0.0, cx: float | None = None,
        cy: float | None = None, bend: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0),
    ) -> None:  # fmt: skip
        self.size = size
        cx = (size[0] - 1) / 2 if cx is None else cx
        cy = (size[1] - 1) / 2 if cy is None else cy
        self.matrix = np.array([[fx, 0, cx], [0, fy or fx, cy], [0, 0, 1.0]])
        self.bend = np.array(bend)

    def pixels(self, places: F64) -> F64:
        """(n, 2) sensor pixels of places in camera coordinates."""
        shaped = np.asarray(places, np.float64).reshape(-1, 1, 3)
        return cv2.projectPoints(shaped, np.zeros(3), np.zeros(3), self.matrix, self.bend)[0][:, 0]

    def rays(self, over: int = 1) -> F64:
        """(h * over, w * over, 2) straight rays of a picture's (sub)pixels, interpolated between whole pixels."""
        w, h = self.size
        pad = 1
        x, y = np.meshgrid(
            np.arange(-pad, w + pad, dtype=np.float64), np.arange(-pad, h + pad, dtype=np.float64)
        )
        f = self.matrix
        bent = np.stack([(x - f[0, 2]) / f[0, 0], (y - f[1, 2]) / f[1, 1]], axis=-1)
        straight = _straightened(bent, self.bend)
        sub = [((np.arange(n * over) + 0.5) / over - 0.5 + pad).astype(np.float32) for n in (w, h)]
        at = np.meshgrid(*sub)
        return np.dstack([cv2.remap(straight[..., k], *at, cv2.INTER_LINEAR) for k in (0, 1)])


def _straightened(bent: F64, bend: F64) -> F64:
    k1, k2, p1, p2, k3 = bend
    uv = bent.copy()
    for _ in range(60):
        u, v = uv[..., 0], uv[..., 1]
        r2 = u * u + v * v
        radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        du = 2 * p1 * u * v + p2 * (r2 + 2 * u * u)
        dv = p1 * (r2 + 2 * v * v) + 2 * p2 * u * v
        uv = (bent - np.stack([du, dv], axis=-1)) / radial[..., None]
    return uv


def turned(x_deg: float = 0.0, y_deg: float = 0.0, z_deg: float = 0.0) -> F64:
    """Rotation about the camera's axes: z first, then y, then x."""
    about = [cv2.Rodrigues(np.eye(3)[k] * np.radians(a))[0] for k, a in enumerate((x_deg, y_deg, z_deg))]
    return np.asarray(about[0] @ about[1] @ about[2])


def placed(board: Board, rotation: F64, middle_m: tuple[float, float, float]) -> tuple[F64, F64]:
    """Rotation and translation of a board whose middle is there."""
    width, height = (mm / 1e3 for mm in board.size_mm)
    return rotation, np.asarray(middle_m) - rotation @ np.array([width / 2, height / 2, 0])


def corners(eye: Eye, board: Board, pose: tuple[F64, F64]) -> F64:
    """(n, 2) where all corners of the board are truly seen."""
    places = board.places_m(np.arange(board.corners))
    return eye.pixels(places @ pose[0].T + pose[1])


def board_picture(
    eye: Eye, board: Board, pose: tuple[F64, F64], *, over: int = 4, blur_px: float = 0.6, noise: float = 1.5,
    black: float = 40.0, white: float = 190.0, ground: float = 60.0, seed: int = 1,
) -> U8:  # fmt: skip
    """The picture of a printed board (with a white rim of half a square), antialiased, blurred and noisy."""
    per_square = 84
    size = (board.columns * per_square, board.rows * per_square)
    drawn = cv2.aruco.CharucoBoard(
        (board.columns, board.rows), board.square_mm, board.marker_mm,
        cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary)),
    ).generateImage(size, marginSize=0)  # fmt: skip
    margin = per_square // 2
    print_ = cv2.copyMakeBorder(drawn, *[margin] * 4, cv2.BORDER_CONSTANT, value=255).astype(np.float32)
    grey = black + (white - black) * print_ / 255
    homography = np.column_stack([pose[0][:, 0], pose[0][:, 1], pose[1]])
    rays = eye.rays(over)
    flat = np.dstack([rays, np.ones(rays.shape[:2])]) @ np.linalg.inv(homography).T
    scale = per_square / (board.square_mm / 1e3)
    u, v = (flat[..., k] / flat[..., 2] * scale + margin - 0.5 for k in (0, 1))
    seen = cv2.remap(
        grey, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=float(ground),
    )  # fmt: skip
    if blur_px:
        seen = cv2.GaussianBlur(seen, (0, 0), blur_px * over)
    w, h = eye.size
    small = seen.reshape(h, over, w, over).mean(axis=(1, 3))
    small = small + np.random.default_rng(seed).normal(0, noise, small.shape)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def sighting(
    xy_px: F64,
    board: Board,
    size: tuple[int, int],
    *,
    noise_px: float = 0.05,
    mirrored: bool = False,
    seed: int = 0,
) -> Sighting | None:
    """What a detector makes of a board whose corners are there: those inside the picture, with a camera's noise."""
    noisy = xy_px + np.random.default_rng(seed).normal(0, noise_px, xy_px.shape)
    inside = ((noisy > 2) & (noisy < np.array(size) - 3)).all(axis=1)
    if inside.sum() < 8:
        return None
    side = float(np.median(np.linalg.norm(np.diff(noisy.reshape(board.rows - 1, -1, 2), axis=1), axis=2)))
    return Sighting(np.flatnonzero(inside), noisy[inside], mirrored, side, 0.7, 40.0, 190.0)


def poses(eye: Eye, board: Board, *, tilt_deg: float = 35.0, seed: int = 0) -> Iterator[tuple[F64, F64]]:
    """A board as a patient person would hold it: everywhere in the picture, near and far, tilted each way."""
    rng = np.random.default_rng(seed)
    f, (w, h) = eye.matrix[0, 0], eye.size
    while True:
        ahead = rng.uniform(0.35, 0.7) * f / max(w, h)
        middle = (rng.uniform(-0.45, 0.45) * w / f * ahead, rng.uniform(-0.45, 0.45) * h / f * ahead, ahead)
        turn = turned(*rng.uniform(-tilt_deg, tilt_deg, 2), rng.uniform(-20, 20))
        yield placed(board, turn, middle)


def views(
    eye: Eye, board: Board, camera: Camera, n: int = 20, *, heights_m: F64 | None = None, noise_px: float = 0.05,
    tilt_deg: float = 35.0, mirrored: bool = False, seed: int = 0,
) -> list[View]:  # fmt: skip
    """At least `n` views that the product takes of such a board, and more until nothing is lacking, if that helps.

    heights_m : (corners,) how far the board's corners stand off its plane.
    """
    taken: list[View] = []
    for k, pose in enumerate(poses(eye, board, tilt_deg=tilt_deg, seed=seed)):
        places = board.places_m(np.arange(board.corners))
        places[:, 2] += 0.0 if heights_m is None else heights_m
        xy = eye.pixels(places @ pose[0].T + pose[1])
        if mirrored:
            xy[:, 0] = eye.size[0] - 1 - xy[:, 0]
        seen = sighting(xy, board, eye.size, noise_px=noise_px, mirrored=mirrored, seed=k)
        new = view(seen, board, camera, Lens()) if seen else None
        if new and not useless(new, taken):
            taken.append(new)
        if (len(taken) >= n and not (n >= LEAST_VIEWS and lacking(taken))) or k > 200:
            return taken
    return taken
