"""A grey picture becomes the corners of the ChArUco board that is in it; a board's measures become what is printed.

Corners are sensor pixels, x right and y down, the centre of the first pixel at 0, 0. On the board: metres or
millimetres from its upper left corner, x to the right and y down, as one reads it. Corner `id` counts from the upper
left, row by row. Angles and lenses do not depend on the board's scale, so a print that is 1 % small does no harm.
Refuses nothing: no board, or too few corners, is None.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.records import F64, U8

_LEAST_CORNERS = 6
"""Fewer corners do not say how a board lies."""
_LARGEST_WINDOW_PX = 7


class Board(msgspec.Struct, frozen=True):
    """A chessboard with a marker in every white square; the upper left square is black."""

    columns: int = 7
    rows: int = 5
    square_mm: float = 30.0
    marker_mm: float = 22.0
    dictionary: str = "DICT_5X5_100"

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of the squares together."""
        return self.columns * self.square_mm, self.rows * self.square_mm

    @property
    def corners(self) -> int:
        """How many corners there are inside."""
        return (self.columns - 1) * (self.rows - 1)

    def places_m(self, ids: NDArray[np.int64]) -> F64:
        """(n, 3) where these corners are on the board: x right, y down, z 0."""
        down, across = np.divmod(ids, self.columns - 1)
        flat = np.stack([across + 1.0, down + 1.0, np.zeros(len(ids))], axis=1)
        return np.asarray(flat * self.square_mm / 1e3)

    def scaled(self, square_mm: float) -> Board:
        """The same board with squares of another size."""
        marker_mm = self.marker_mm * square_mm / self.square_mm
        return msgspec.structs.replace(self, square_mm=square_mm, marker_mm=marker_mm)


class Sighting(msgspec.Struct, frozen=True):
    """A board in one picture.

    ids : (n,) which corners. xy_px : (n, 2) where. mirrored : the sensor's picture shows the world in a mirror.
    square_px : median length of a square's side. blur_px : width (standard deviation) of its edges.
    black, white : grey levels on both sides of its edges.
    """

    ids: NDArray[np.int64]
    xy_px: F64
    mirrored: bool
    square_px: float
    blur_px: float
    black: float
    white: float


def seek(luma: U8, board: Board, *, mirrored: bool = False) -> Sighting | None:
    """The board in a picture, tried as `mirrored` says first and then the other way round; None when there is none."""
    luma = np.ascontiguousarray(luma)
    for flip in (mirrored, not mirrored):
        found = _corners(np.ascontiguousarray(luma[:, ::-1]) if flip else luma, board)
        if found is not None:
            ids, xy = found
            if flip:
                xy[:, 0] = luma.shape[1] - 1 - xy[:, 0]
            return _judged(luma, board, ids, xy, flip)
    return None


def squares_mm(board: Board) -> list[list[tuple[float, float, float, float]]]:
    """What is black on the board, shape by shape: each a list of (x, y, width, height) in mm that lie side by side."""
    side, gap = board.square_mm, (board.square_mm - board.marker_mm) / 2
    shapes = []
    marker = 0
    for row in range(board.rows):
        for column in range(board.columns):
            x, y = column * side, row * side
            if (row + column) % 2 == 0:
                shapes.append([(x, y, side, side)])
                continue
            shapes.append(_runs_mm(_modules(board, marker), x + gap, y + gap, board.marker_mm))
            marker += 1
    return shapes


def _modules(board: Board, marker: int) -> NDArray[np.bool_]:
    """(n, n) which of a marker's fields are black, its border included."""
    import cv2

    dictionary = _dictionary(board)
    n = dictionary.markerSize + 2
    return np.asarray(np.asarray(cv2.aruco.generateImageMarker(dictionary, marker, n)) == 0, np.bool_)


def _runs_mm(
    black: NDArray[np.bool_], x: float, y: float, size_mm: float
) -> list[tuple[float, float, float, float]]:
    """A marker's black fields as the fewest bars, line by line."""
    step = size_mm / len(black)
    bars = []
    for row, line in enumerate(black):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
        for start, end in edges.reshape(-1, 2):
            bars.append((x + float(start) * step, y + row * step, float(end - start) * step, step))
    return bars


def _dictionary(board: Board) -> Any:
    import cv2

    return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))


@functools.lru_cache(maxsize=4)
def _detector(board: Board) -> Any:
    import cv2

    size = (board.columns, board.rows)
    drawn = cv2.aruco.CharucoBoard(size, board.square_mm, board.marker_mm, _dictionary(board))
    return cv2.aruco.CharucoDetector(drawn)


def _corners(luma: U8, board: Board) -> tuple[NDArray[np.int64], F64] | None:
    """Ids and places, refined on the picture itself: OpenCV's own refinement is half a pixel off before 4.13.

    The window keeps clear of the markers, which lie 4 mm from a corner on a board of 30 mm (opencv pull request 28380).
    """
    import cv2

    corners, ids, _, _ = _detector(board).detectBoard(luma)
    if ids is None or len(ids) < _LEAST_CORNERS:
        return None
    which = np.asarray(ids, np.int64).reshape(-1)
    rough = np.asarray(corners, np.float32).reshape(-1, 1, 2)
    side = _square_px(board, which, rough[:, 0].astype(np.float64))
    if side is None:
        return None
    clear = (board.square_mm - board.marker_mm) / 2 / board.square_mm
    half = int(np.clip(side * clear, 2, _LARGEST_WINDOW_PX))
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 60, 1e-4)
    fine = cv2.cornerSubPix(luma, rough.copy(), (half, half), (-1, -1), stop)
    near = np.linalg.norm((fine - rough)[:, 0], axis=1) < half + 1.0
    order = np.argsort(which[near])
    if near.sum() < _LEAST_CORNERS:
        return None
    return which[near][order], fine[near][order][:, 0].astype(np.float64)


def _neighbours(board: Board, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """(m, 2) rows of `ids` whose corners are the two ends of one square's side."""
    at = {int(corner): row for row, corner in enumerate(ids)}
    across = board.columns - 1
    pairs = [
        (at[i], at[j]) for i in at for j in (i + 1, i + across) if j in at and (j != i + 1 or j % across)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _square_px(board: Board, ids: NDArray[np.int64], xy_px: F64) -> float | None:
    pairs = _neighbours(board, ids)
    if not len(pairs):
        return None
    return float(np.median(np.linalg.norm(xy_px[pairs[:, 0]] - xy_px[pairs[:, 1]], axis=1)))


def _judged(luma: U8, board: Board, ids: NDArray[np.int64], xy_px: F64, mirrored: bool) -> Sighting | None:
    """The sighting with how sharp and how bright it is, from the grey levels across the middles of squares' sides."""
    import cv2

    side = _square_px(board, ids, xy_px)
    if side is None:
        return None
    pairs = _neighbours(board, ids)
    a, b = xy_px[pairs[:, 0]], xy_px[pairs[:, 1]]
    along = (b - a) / np.linalg.norm(b - a, axis=1)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    gap = side * (board.square_mm - board.marker_mm) / 2 / board.square_mm  # beyond it a marker begins
    reach = max(1.5, 0.6 * gap)
    steps = np.linspace(-reach, reach, 25)
    way = ((a + b) / 2)[:, None, :] + across[:, None, :] * steps[None, :, None]
    at_x, at_y = way[..., 0].astype(np.float32), way[..., 1].astype(np.float32)
    grey = np.asarray(cv2.remap(luma.astype(np.float32), at_x, at_y, cv2.INTER_LINEAR), np.float64)
    rising = np.where((grey[:, -1] > grey[:, 0])[:, None], grey, grey[:, ::-1])
    profile = np.median(rising, axis=0)
    black, white = float(profile.min()), float(profile.max())
    steepest = float(np.median(np.max(np.diff(rising, axis=1), axis=1))) / (steps[1] - steps[0])
    blur = (white - black) / (steepest * np.sqrt(2 * np.pi)) if steepest > 0 else float("inf")
    return Sighting(ids, xy_px, mirrored, side, float(blur), black, white)
