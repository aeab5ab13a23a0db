"""What the station's camera sees, for steps that judge pictures: settings with the true size, and pictures with marks.

Sensor pixels, seconds on the frames' clock. Refuses a station whose camera gives nothing, with `CalibrationError`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.commands.calibrate.bar import settings_of
from appliance.errors import CalibrationError
from appliance.records import F64

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.station.client import Link, Picture

Rows = NDArray[np.void]
_SILENT_S = 3.0


class Look(NamedTuple):
    """Frames of some seconds, and some of their pictures, each with its marks (4, 2); NaN = not seen."""

    rows: Rows
    pictures: list[Picture]
    marks: list[F64]


def eye_of(link: Link) -> tuple[Settings, float]:
    """The settings in force with the size that frames really have, and the frames a second."""
    settings, hello = settings_of(link), link.hello()
    if not hello.width_px or not hello.height_px:
        raise CalibrationError("the station's camera gives no frames yet", fix="`hipbar status` says why")
    camera = msgspec.structs.replace(settings.camera, width_px=hello.width_px, height_px=hello.height_px)
    return msgspec.structs.replace(settings, camera=camera), hello.rate_hz or camera.rate_hz


def look(link: Link, seconds: float, every_s: float, tell: Callable[[Rows], bool | None]) -> Look:
    """Follows the frames and takes a picture every so often; True from `tell` means that this is enough."""
    rows: Rows | None = None
    pictures: list[Picture] = []
    began_s = heard_s = time.monotonic()
    with closing(link.follows()) as stream:
        for new in stream:
            now_s = time.monotonic()
            if len(new):
                rows, heard_s = new if rows is None else np.concatenate([rows, new]), now_s
                over = tell(rows) or now_s - began_s >= seconds
                if over and pictures and int(rows["seq"][-1]) >= pictures[-1].seq:
                    return Look(rows, pictures, [_marks(rows, p.seq) for p in pictures])
            if now_s - heard_s > _SILENT_S:
                break
            if now_s - began_s >= every_s * (len(pictures) + 0.5) and now_s - began_s < seconds:
                pictures.append(link.picture())
    raise CalibrationError(
        "no frames come from the station's camera", fix="`hipbar status` says what is wrong with it"
    )


def _marks(rows: Rows, seq: int) -> F64:
    """The marks in the frame with this number."""
    at = np.flatnonzero(rows["seq"] == seq)
    return np.array(rows["xy_px"][at[-1]]) if len(at) else np.full((4, 2), np.nan)
