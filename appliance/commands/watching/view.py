"""What is known of the station at one moment, as the screen needs it: plain values, nothing that is still coming.

Sensor pixels as delivered in; `upright` turns pictures and places as the mount's settings say, so that the runner is
seen from behind, left on the left. Times are seconds of the machine's monotonic clock. NaN and None are what is not
known.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from appliance.records import F64, U8

Steps = tuple[tuple[float, float, str], ...]
"""The last steps, the oldest first: when the foot touched the belt, when it left it, "L" or "R"."""

SPAN_S = 5.0
"""So much of the past does the trace show."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One live message, understood.

    luma : (h, w) reduced picture in the sensor's orientation, (0, 0) without one. leds : (n, 3). came_s : when it was
    here. missed : live messages that the service had to leave out for us.
    """

    seq: int
    t_s: float
    came_s: float
    age_ms: float | None
    state: str
    shown: str
    mode: str
    moment: Mapping[str, float | None]
    xy_px: F64
    score: F64
    leds: U8
    steps: Steps
    missed: int
    luma: U8


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The station as it said hello: sensor pixels, frames a second."""

    width_px: int = 0
    height_px: int = 0
    rate_hz: float = 0.0
    leds: int = 0
    software: str = ""


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """How the picture is turned to be upright, as the settings in force say."""

    rotate_deg: int = 0
    mirror: bool = False


class Knobs(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in force that keys can change, and what is only tried: dotted key -> value."""

    mode: str = ""
    brightness: float | None = None
    contrast: int | None = None
    band_deg: float | None = None
    tried: Mapping[str, object] = {}


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What the status says of the last minute, and of the visit that runs, in a line."""

    rate_hz: float | None = None
    lost: int | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    trouble: str = ""
    visit: str = ""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """The last seconds, frame by frame: times, obliquity (NaN = not seen); and the last steps."""

    t_s: F64
    obliquity_deg: F64
    steps: Steps = ()


NO_PAST = Past(t_s=np.empty(0), obliquity_deg=np.empty(0))


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one screen is drawn from.

    away_s : for how long the service has been away. age_s : how old the newest frame is. screen_s : how old the last
    screen was when the terminal had drawn it. screens_hz : how many it takes. detail : see `pace`.
    """

    told: Told | None = None
    facts: Facts = Facts()
    mount: Mount = Mount()
    knobs: Knobs = Knobs()
    health: Health = Health()
    past: Past = NO_PAST
    note: str = ""
    away_s: float | None = None
    frozen: bool = False
    helping: bool = False
    age_s: float | None = None
    screen_s: float | None = None
    screens_hz: float | None = None
    slow: str = ""


def upright(luma: U8, mount: Mount) -> U8:
    """The picture as the runner is seen from behind; a view, nothing is copied."""
    turned = np.rot90(luma, -(mount.rotate_deg // 90))
    return turned[:, ::-1] if mount.mirror else turned


def upright_px(xy_px: F64, width_px: float, height_px: float, mount: Mount) -> F64:
    """(n, 2) places in the upright picture of places in the sensor's, whose size is given; NaN stays NaN."""
    x, y = xy_px[:, 0], xy_px[:, 1]
    quarter = mount.rotate_deg // 90 % 4
    if quarter == 1:
        x, y = height_px - 1 - y, x
    elif quarter == 2:
        x, y = width_px - 1 - x, height_px - 1 - y
    elif quarter == 3:
        x, y = y, width_px - 1 - x
    if mount.mirror:
        x = (height_px if quarter % 2 else width_px) - 1 - x
    return np.stack((x, y), axis=1)


def upright_size(width_px: int, height_px: int, mount: Mount) -> tuple[int, int]:
    """Width and height once it is upright."""
    return (height_px, width_px) if mount.rotate_deg in (90, 270) else (width_px, height_px)
