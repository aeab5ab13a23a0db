"""What a technician holds before the camera, as data: a board, a bar with two dots, a plumb line, a lamp of the strip.

Metres, degrees, pixels, milliseconds and grey levels as the names say. A place is given from the camera: so far ahead
along the running direction, to the right, and up, all of the room and not of the camera, so that a camera that is
mounted askew sees a true plumb line askew. Places in the picture are pixels from its middle, x right and y down, as
the runner is seen upright. Levels hold at the scene's reference exposure.
"""

from __future__ import annotations

import msgspec


class Board(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A printed ChArUco board: 7x5 squares of 30 mm, markers of 22 mm, DICT_5X5_100, in the middle of an A4 sheet.

    Upright and facing the camera at 0, 0, 0. yaw_deg : its right edge goes away. pitch_deg : its top goes away.
    roll_deg : turned clockwise as the camera sees it. pose : 1, 2, ... = one of many places within the camera's
    view, whichever way that looks; the other figures of the place are not used then.
    """

    pose: int = 0
    distance_m: float = 0.5
    right_m: float = 0.0
    up_m: float = 0.0
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    white: float = 175.0
    black: float = 25.0


class Beam(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bar with a reflecting dot near either end; tilt_deg positive = its right end is higher.

    turn_deg : turned about the vertical, its right end further away.
    """

    tilt_deg: float = 0.0
    width_m: float = 0.6
    distance_m: float = 2.5
    right_m: float = 0.0
    up_m: float = 0.0
    turn_deg: float = 0.0


class Plumb(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A weight on a thread with dots along it, evenly, the first at the top; up_m is that of its middle.

    swing_deg : how far it swings to either side (0 = hangs still), about a point half a metre above the first dot.
    """

    dots: int = 4
    length_m: float = 1.0
    distance_m: float = 2.5
    right_m: float = 0.0
    up_m: float = 0.0
    swing_deg: float = 0.0


class Lamp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One LED of this station's own strip, in view of the camera.

    led : which, from the bar's left. delay_ms : from the end of the write to light, or to dark.
    level : grey levels of the LED at full brightness, lit for the whole exposure.
    """

    x_px: float = 0.0
    y_px: float = 0.0
    size_px: float = 10.0
    led: int = 0
    delay_ms: float = 0.0
    level: float = 220.0
