"""Boards seen one after another become the views of a lens calibration: which to take, and which to show next.

Places and tilts are those of the upright picture: x right and y down from -1 to 1 across it; `right_deg` is positive
when the board's right edge is farther from the camera than its left, `top_deg` when its upper edge is.
Refuses nothing: what a view lacks is said in words for the person who holds the board.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.calibration.board import Board, Sighting
from appliance.calibration.rays import optics, rays
from appliance.config import Camera, Lens
from appliance.records import F64

LEAST_VIEWS = 12
TILTED_DEG = 15.0
"""A board tilted by so much says how far away it is, and with that the focal length."""
_TILTED_VIEWS = 2
_CELL_CORNERS = 4
_LEAST_SPAN = 0.2
_BLURRED_PX = 2.0
_RESTING_PX = 1.5
"""From one picture to the next, a tenth of a second later: a hand that holds a board is never still, and at this speed
an exposure of 8 ms smears by a tenth of a pixel."""

CELLS = (
    *("upper left", "upper middle", "upper right"),
    *("middle left", "middle", "middle right"),
    *("lower left", "lower middle", "lower right"),
)
TILTS = ("upper edge away", "lower edge away", "right edge away", "left edge away")


class View(msgspec.Struct, frozen=True):
    """One board at rest.

    ids, xy_px, mirrored : as seen, in sensor pixels. at : (n, 2) the corners in the upright picture, -1..1.
    middle : their mean. span : the board's diagonal against the picture's. top_deg, right_deg : how it is tilted.
    """

    ids: NDArray[np.int64]
    xy_px: F64
    mirrored: bool
    blur_px: float
    at: F64
    middle: tuple[float, float]
    span: float
    top_deg: float
    right_deg: float

    @property
    def tilt_deg(self) -> float:
        """Angle between the board and the picture."""
        return math.hypot(self.top_deg, self.right_deg)


def view(seen: Sighting, board: Board, camera: Camera, lens: Lens) -> View:
    """What a sighting is as a view; without a calibrated `lens` its tilt is a good guess."""
    near = lens if lens.fx_px else Lens(fx_px=float(max(camera.width_px, camera.height_px)))
    straight = rays(seen.xy_px, optics(camera, near))
    top_deg, right_deg = _tilt_deg(straight, seen, board, camera)
    at = _upright(seen.xy_px, camera)
    full = board.places_m(np.arange(board.corners))[-1] - board.places_m(np.arange(1))[0]
    span = seen.square_px / board.square_mm * 1e3 * float(np.linalg.norm(full))
    middle = at.mean(axis=0)
    return View(
        seen.ids, seen.xy_px, seen.mirrored, seen.blur_px, at, (float(middle[0]), float(middle[1])),
        span / math.hypot(camera.width_px, camera.height_px), top_deg, right_deg,
    )  # fmt: skip


def resting(before: Sighting | None, now: Sighting) -> bool:
    """Whether the board is where it was one picture ago."""
    if before is None or before.mirrored != now.mirrored:
        return False
    common, a, b = np.intersect1d(before.ids, now.ids, return_indices=True)
    if len(common) < len(now.ids) / 2:
        return False
    return bool(np.median(np.linalg.norm(before.xy_px[a] - now.xy_px[b], axis=1)) < _RESTING_PX)


def useless(new: View, taken: Sequence[View]) -> str | None:
    """Why a view is not worth taking, in a few words; None when it is."""
    if new.blur_px > _BLURRED_PX:
        return f"not sharp (edges {new.blur_px:.1f} px wide)"
    if new.span < _LEAST_SPAN:
        return "too small: bring it closer"
    if taken and min(_difference(new, old) for old in taken) < 1.0:
        return "seen like this already"
    return None


def covered(taken: Sequence[View]) -> tuple[int, ...]:
    """How many corners were seen in each of the picture's nine parts, as `CELLS`."""
    if not taken:
        return (0,) * 9
    at = np.concatenate([v.at for v in taken])
    column, row = (np.clip(np.floor((at[:, k] + 1) * 1.5), 0, 2).astype(np.int64) for k in (0, 1))
    return tuple(int(n) for n in np.bincount(3 * row + column, minlength=9))


def tilted(taken: Sequence[View]) -> tuple[int, int, int, int]:
    """How many views were tilted each way, as `TILTS`."""
    ways = [(v.top_deg, -v.top_deg, v.right_deg, -v.right_deg) for v in taken]
    counts = [sum(way[k] >= TILTED_DEG for way in ways) for k in range(4)]
    return counts[0], counts[1], counts[2], counts[3]


def lacking(taken: Sequence[View]) -> tuple[str, ...]:
    """What the views do not cover yet, each in a few words; empty when they will do."""
    cells = [name for name, n in zip(CELLS, covered(taken), strict=True) if n < _CELL_CORNERS]
    tilts = [name for name, n in zip(TILTS, tilted(taken), strict=True) if n < _TILTED_VIEWS]
    more = LEAST_VIEWS - len(taken)
    return (
        *(f"nothing seen in the picture's {name}" for name in cells),
        *(f"fewer than {_TILTED_VIEWS} views with the board's {name}" for name in tilts),
        *([f"{more} more views"] if more > 0 else []),
    )


def wanted(taken: Sequence[View]) -> str | None:
    """What to show next; None when nothing is lacking."""
    if not lacking(taken):
        return None
    cells = [name for name, n in zip(CELLS, covered(taken), strict=True) if n < _CELL_CORNERS]
    counts = tilted(taken)
    tilts = [name for name, n in sorted(zip(TILTS, counts, strict=True), key=lambda t: t[1])]
    least = min(counts)
    tilt = f"its {tilts[0]} by about 30 degrees" if least < _TILTED_VIEWS else "tilted another way"
    if not taken:
        return "hold the board flat towards the camera, in the middle, half as wide as the picture"
    if cells:
        return f"bring it to the picture's {cells[0]}, {tilt}"
    return f"anywhere, {tilt}" if least < _TILTED_VIEWS else "a little closer or farther, tilted another way"


def chart(taken: Sequence[View]) -> str:
    """The nine parts of the picture as three rows of marks: # seen, . not yet."""
    marks = ["#" if n >= _CELL_CORNERS else "." for n in covered(taken)]
    return "/".join("".join(marks[k : k + 3]) for k in (0, 3, 6))


def _difference(a: View, b: View) -> float:
    """At 1 two views are as different as is worth having both."""
    place = math.dist(a.middle, b.middle) / 0.25
    tilt = math.dist((a.top_deg, a.right_deg), (b.top_deg, b.right_deg)) / 10.0
    size = abs(math.log(a.span / b.span)) / 0.25
    return math.sqrt(place * place + tilt * tilt + size * size)


def _tilt_deg(straight: F64, seen: Sighting, board: Board, camera: Camera) -> tuple[float, float]:
    import cv2

    places = board.places_m(seen.ids)
    if seen.mirrored != camera.mirror:  # the settings do not know yet that this picture is a mirror's
        places = places * (-1.0, 1.0, 1.0)
    found, turn, _ = cv2.solvePnP(places, straight, np.eye(3), np.zeros(5), flags=cv2.SOLVEPNP_IPPE)
    if not found:
        return 0.0, 0.0
    x, y, z = cv2.Rodrigues(turn)[0][:, 2]
    return math.degrees(math.atan2(y, z)), math.degrees(math.atan2(-x, z))


def _upright(xy_px: F64, camera: Camera) -> F64:
    """(n, 2) places in the upright picture, -1..1."""
    w, h = camera.width_px, camera.height_px
    x, y = (xy_px[:, 0] - (w - 1) / 2) / (w / 2), (xy_px[:, 1] - (h - 1) / 2) / (h / 2)
    for _ in range(camera.rotate_deg // 90):
        x, y = -y, x
    return np.stack([-x if camera.mirror else x, y], axis=1)
