"""The running station's frames become one array, with a live figure while they come.

Rows are `FOLLOW`: every frame, in the order of time. Refuses a stream that stands still, with `CalibrationError`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.station.client import Link

Rows = NDArray[np.void]
_SILENT_S = 3.0


def gathered(
    link: Link,
    seconds: float,
    tell: Callable[[Rows], bool | None],
    *,
    spot: tuple[int, int, int, int] | None = None,
) -> Rows:
    """All frames of the next `seconds` of the camera's own time.

    `tell` is given everything so far, several times a second; True from it means that this is enough.
    """
    parts: list[Rows] = []
    first_s, heard_s = float("nan"), time.monotonic()
    with contextlib.closing(link.follows(spot=spot)) as stream:
        for rows in stream:
            now_s = time.monotonic()
            if len(rows):
                heard_s = now_s
                parts = [np.concatenate([*parts, rows])]
                first_s = float(parts[0]["t_s"][0])
                enough = tell(parts[0])
                if enough or float(parts[0]["t_s"][-1]) - first_s >= seconds:
                    return parts[0]
            if now_s - heard_s > _SILENT_S:
                break
    raise silent(link)


def silent(link: Link) -> CalibrationError:
    """The error for a camera that gives no frames, in the station's own words where it has some."""
    troubles = link.status().troubles
    what = f"no frames come from the camera{f': {troubles[0]}' if troubles else ''}"
    return CalibrationError(what, fix="`hipbar status` says what is wrong with it")
