"""Views of a board become a lens: focal length, middle and distortion, how well each is known, and what is wrong.

OpenCV's model in sensor pixels, the centre of the first pixel at 0, 0. A coefficient that the views do not determine is
left at 0 (k2 below 2, k3 below 4 standard deviations) and k3 is tried last. Views that fit far worse than the others
are left out and named. A board that is not flat is found out and allowed for. Refuses with `CalibrationError` only
what can't be calculated at all; `problems` says why a result should not be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.calibration.board import Board
from appliance.calibration.views import LEAST_VIEWS, TILTED_DEG, View, lacking
from appliance.errors import CalibrationError
from appliance.records import F64

LIMIT_PX = 0.3
"""RMS distance between where corners were seen and where the model puts them."""
NAMES = ("fx_px", "fy_px", "cx_px", "cy_px", "k1", "k2", "p1", "p2", "k3")
_FOCAL_SHARE, _MIDDLE_SHARE, _STRETCH = 0.005, 0.01, 0.01
_BEND_MM = 1.5
_BEND_SHARE = 0.95
"""A shape for the board is believed when it brings the error down to this share of a flat board's."""
_BLUR_PX = 1.5


class Intrinsics(msgspec.Struct, frozen=True, kw_only=True):
    """A lens as far as the views show it.

    values, sd : by the names of the settings' `lens` table, sd as one standard deviation. rms_px : over all corners.
    view_rms_px : of each view given, in order. dropped : which of them were left out.
    bend_mm : how far the board is from flat (largest distance from its mean plane).
    """

    values: dict[str, float]
    sd: dict[str, float]
    rms_px: float
    views: int
    view_rms_px: tuple[float, ...]
    dropped: tuple[int, ...]
    tilts_deg: tuple[float, ...]
    bend_mm: float
    problems: tuple[str, ...] = ()


class _Fit(msgspec.Struct, frozen=True):
    """One solution of OpenCV's: parameters as `NAMES`, their deviations, and each view's pose and error."""

    values: F64
    sd: F64
    turns: tuple[F64, ...]
    shifts: tuple[F64, ...]
    view_rms_px: F64
    rms_px: float

    @property
    def matrix(self) -> F64:
        """The camera matrix."""
        fx, fy, cx, cy = self.values[:4]
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])

    @property
    def bend(self) -> F64:
        """The distortion coefficients."""
        return self.values[4:]


def solve(views: Sequence[View], size: tuple[int, int], board: Board) -> Intrinsics:
    """The lens that these views show, and why it should not be used, if so."""
    if len(views) < 3:
        raise CalibrationError(
            f"{len(views)} views of the board",
            fix=f"show it at least {LEAST_VIEWS} times, tilted and in all corners",
        )
    heights = np.zeros(board.corners)
    fit, bad = _without_outliers(views, size, board, heights)
    used = [v for k, v in enumerate(views) if k not in bad]
    for _ in range(2):
        shaped = heights + _shape(fit, used, board, heights)
        better = _fitted(used, size, board, shaped, fit)
        if better.rms_px > _BEND_SHARE * fit.rms_px:
            break
        heights, fit = shaped, better
    return _told(fit, views, used, bad, size, board, heights)


def _told(
    fit: _Fit, views: Sequence[View], used: Sequence[View], bad: tuple[int, ...], size: tuple[int, int],
    board: Board, heights: F64,
) -> Intrinsics:  # fmt: skip
    everywhere = np.full(len(views), np.nan)
    everywhere[[k for k in range(len(views)) if k not in bad]] = fit.view_rms_px
    everywhere[list(bad)] = [_reprojected(fit, views[k], board, heights) for k in bad]
    bend_mm = 1e3 * float(np.max(np.abs(heights)))
    return Intrinsics(
        values=dict(zip(NAMES, fit.values.tolist(), strict=True)),
        sd=dict(zip(NAMES, fit.sd.tolist(), strict=True)),
        rms_px=fit.rms_px,
        views=len(used),
        view_rms_px=tuple(everywhere.tolist()),
        dropped=bad,
        tilts_deg=tuple(v.tilt_deg for v in used),
        bend_mm=bend_mm,
        problems=tuple(_problems(fit, used, size, bend_mm)),
    )


def _without_outliers(
    views: Sequence[View], size: tuple[int, int], board: Board, heights: F64
) -> tuple[_Fit, tuple[int, ...]]:
    """The fit, and which views are not part of it: up to a quarter of all, of those three times worse than most."""
    fit = _fitted(views, size, board, heights)
    limit = max(3 * float(np.median(fit.view_rms_px)), 0.15)
    worst = np.argsort(-fit.view_rms_px)[: len(views) // 4]
    bad = tuple(sorted(int(k) for k in worst if fit.view_rms_px[k] > limit))
    if bad:
        fit = _fitted([v for k, v in enumerate(views) if k not in bad], size, board, heights)
    return fit, bad


def _fitted(
    views: Sequence[View], size: tuple[int, int], board: Board, heights: F64, near: _Fit | None = None
) -> _Fit:
    """The fit with as many coefficients as the views determine; `near` to start from (needed by a board with shape)."""
    import cv2

    flags = cv2.CALIB_FIX_K3
    fit = _fit(views, size, board, heights, near, flags)
    with_k3 = _fit(views, size, board, heights, near, 0)
    if abs(with_k3.values[8]) > 4 * with_k3.sd[8] and with_k3.rms_px < fit.rms_px:
        return with_k3
    if abs(fit.values[5]) <= 2 * fit.sd[5]:
        return _fit(views, size, board, heights, near, flags | cv2.CALIB_FIX_K2)
    return fit


def _fit(
    views: Sequence[View], size: tuple[int, int], board: Board, heights: F64, near: _Fit | None, flags: int
) -> _Fit:
    import cv2

    places = [_places(v, board, heights).astype(np.float32) for v in views]
    seen = [v.xy_px.astype(np.float32).reshape(-1, 1, 2) for v in views]
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 60, 1e-9)
    matrix, bend = (near.matrix, near.bend.copy()) if near else (np.eye(3), np.zeros(5))
    if near:
        flags |= cv2.CALIB_USE_INTRINSIC_GUESS
        bend[4 if flags & cv2.CALIB_FIX_K3 else 5 :] = 0.0
        bend[1 if flags & cv2.CALIB_FIX_K2 else 5 : 2] = 0.0
    try:
        found: tuple[Any, ...] = cv2.calibrateCameraExtended(
            places, seen, size, matrix, bend, flags=flags, criteria=stop
        )
    except cv2.error:
        raise _undetermined() from None
    rms, matrix, bend, turns, shifts, sd, _, errors = found
    values = np.array(
        [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], *np.ravel(bend)[:5]], np.float64
    )
    if not (np.isfinite(values).all() and np.isfinite(rms) and values[0] > 0):
        raise _undetermined()
    return _Fit(
        values, np.ravel(sd)[:9].astype(np.float64), tuple(np.ravel(t) for t in turns),
        tuple(np.ravel(t) for t in shifts), np.ravel(errors).astype(np.float64), float(rms),
    )  # fmt: skip


def _undetermined() -> CalibrationError:
    return CalibrationError(
        "the views do not determine a lens",
        fix="show the board tilted by 30 degrees, each way, and start again",
    )


def _places(view: View, board: Board, heights: F64) -> F64:
    """The corners on the board; seen in a mirror, the mirrored board is what lies before the camera."""
    places = board.places_m(view.ids) * ((-1.0, 1.0, 1.0) if view.mirrored else (1.0, 1.0, 1.0))
    places[:, 2] = heights[view.ids]
    return places


def _reprojected(fit: _Fit, view: View, board: Board, heights: F64) -> float:
    """RMS error of a view that was not part of the fit, at its best pose."""
    import cv2

    places = _places(view, board, heights)
    posed: tuple[Any, ...] = cv2.solvePnP(
        places, view.xy_px, fit.matrix, fit.bend, flags=cv2.SOLVEPNP_ITERATIVE
    )
    at = _sloped(places, posed[1], posed[2], fit)[0]
    return float(np.sqrt(np.mean(np.sum((at - view.xy_px) ** 2, axis=1))))


def _shape(fit: _Fit, views: Sequence[View], board: Board, heights: F64) -> F64:
    """(corners,) metres by which corners stand off the board's mean plane: one step of a fit with free heights."""
    blocks, misses = [], []
    for k, view in enumerate(views):
        places = _places(view, board, heights)
        at, slopes = _sloped(places, fit.turns[k], fit.shifts[k], fit)
        higher = places + np.array([0, 0, 1e-4])
        raised = (_sloped(higher, fit.turns[k], fit.shifts[k], fit)[0] - at) / 1e-4
        block = np.zeros((len(places), 2, 9 + 6 * len(views) + board.corners))
        block[:, :, :9] = slopes.reshape(-1, 2, slopes.shape[1])[:, :, 6:15]
        block[:, :, 9 + 6 * k : 15 + 6 * k] = slopes.reshape(-1, 2, slopes.shape[1])[:, :, :6]
        block[np.arange(len(places)), :, 9 + 6 * len(views) + view.ids] = raised
        blocks.append(block.reshape(-1, block.shape[2]))
        misses.append((view.xy_px - at).ravel())
    whole = np.concatenate(blocks)
    whole[:, :9] *= fit.sd > 0  # what the fit left at 0 stays there
    scale = np.maximum(np.linalg.norm(whole, axis=0), 1e-12)
    step = np.linalg.lstsq(whole / scale, np.concatenate(misses), rcond=1e-7)[0] / scale
    seen = np.unique(np.concatenate([v.ids for v in views]))
    return _off_plane(board, seen, step[-board.corners :])


def _sloped(places: F64, turn: F64, shift: F64, fit: _Fit) -> tuple[F64, F64]:
    """Where places are seen, and how that changes with pose (3 + 3), focal lengths, middle and distortion."""
    import cv2

    found: tuple[Any, Any] = cv2.projectPoints(places, turn, shift, fit.matrix, fit.bend)
    return np.asarray(found[0][:, 0], np.float64), np.asarray(found[1], np.float64)


def _off_plane(board: Board, seen: NDArray[np.int64], heights: F64) -> F64:
    """The heights without the plane that fits them best; 0 for corners that were not seen."""
    places = board.places_m(seen)
    flat = np.column_stack([places[:, :2], np.ones(len(seen))])
    off = np.zeros(board.corners)
    off[seen] = heights[seen] - flat @ np.linalg.lstsq(flat, heights[seen], rcond=None)[0]
    return off


def _problems(fit: _Fit, views: Sequence[View], size: tuple[int, int], bend_mm: float) -> list[str]:
    """Everything that speaks against using this lens, in words."""
    found = list(lacking(views))
    tilts = sum(v.tilt_deg >= TILTED_DEG for v in views)
    fx, fy, cx, cy = fit.values[:4]
    if fit.sd[0] > _FOCAL_SHARE * fx:
        found.append(
            f"the focal length is only known to {100 * fit.sd[0] / fx:.1f} %: {tilts} views are tilted, show more"
        )
    if max(fit.sd[2] / size[0], fit.sd[3] / size[1]) > _MIDDLE_SHARE:
        found.append(
            f"the lens's middle is only known to {max(fit.sd[2:4]):.1f} px: tilt the board more, each way"
        )
    if not (0.2 * size[0] < cx < 0.8 * size[0] and 0.2 * size[1] < cy < 0.8 * size[1]):
        found.append(f"the lens's middle would be at {cx:.0f}, {cy:.0f}, far from the picture's")
    if abs(fx / fy - 1) > _STRETCH:
        found.append(
            f"the board is {100 * abs(fx / fy - 1):.1f} % too long one way: print it without any fitting"
        )
    if fit.rms_px > LIMIT_PX:
        found.append(f"{fit.rms_px:.2f} px reprojection error (limit {LIMIT_PX:g}): {_why(views)}")
    if bend_mm > _BEND_MM:
        found.append(f"the board is bent by {bend_mm:.1f} mm: glue it onto something flat")
    return found


def _why(views: Sequence[View]) -> str:
    """The likeliest reason for a large error."""
    blur = float(np.median([v.blur_px for v in views]))
    if blur > _BLUR_PX:
        return f"edges are {blur:.1f} px wide, so focus, or give light and hold the board still"
    return "a lens that the model does not fit, or a board that moved: hold it still, and look for other boards in view"
