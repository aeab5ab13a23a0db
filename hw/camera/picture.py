"""A frame and the places found in it become a PNG, to be looked at.

Places in sensor pixels with a name each; the picture stays as the sensor delivered it. Refuses nothing.
"""

from __future__ import annotations

import numpy as np

from appliance.records import F64, U8

_COLOURS = ((255, 160, 0), (255, 255, 255), (0, 220, 255), (0, 255, 120))  # blue, green, red
_FONT = 0  # OpenCV's FONT_HERSHEY_SIMPLEX


def as_png(luma: U8, places: dict[str, F64]) -> bytes:
    """The picture with a ring and a name at each place; NaN = not seen, not drawn."""
    import cv2

    picture = cv2.cvtColor(np.ascontiguousarray(luma), cv2.COLOR_GRAY2BGR)
    radius = max(8, luma.shape[0] // 60)
    for k, (name, (x, y)) in enumerate(places.items()):
        if np.isfinite((x, y)).all():
            at, colour = (round(x), round(y)), _COLOURS[k % len(_COLOURS)]
            cv2.circle(picture, at, radius, colour, 1, cv2.LINE_AA)
            width = cv2.getTextSize(name, _FONT, 0.4, 1)[0][0]
            away = -radius - 2 - width if "left" in name else radius + 2
            cv2.putText(picture, name, (at[0] + away, at[1] + 4), _FONT, 0.4, colour, 1, cv2.LINE_AA)
    png: bytes = cv2.imencode(".png", picture)[1].tobytes()
    return png
