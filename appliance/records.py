"""Every value that crosses from one module to another, frozen, with its unit in its name.

Degrees, seconds and pixels; left and right are always the runner's. Image x points to the image's right, y down.
Absence is NaN (or None), never zero. `obliquity_deg` is positive when the runner's right side is higher;
a `drop_deg` (contralateral pelvic drop) is positive when the swing side is lower than the stance side.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

MARKS = ("pelvis_left", "pelvis_right", "left_heel", "right_heel")
"""The rows of every keypoint array: left before right."""

TRACK = np.dtype([("seq", "<i8"), ("t_s", "<f8"), ("xy_px", "<f8", (4, 2)), ("score", "<f8", (4,))])
"""One frame's keypoints as they are kept: 112 bytes; NaN = not seen."""

STALE_S = 0.1
"""Nothing measured longer ago than this is ever shown as live."""

LOOK_S = 0.02
"""A live camera that has fallen silent says so at least this often."""


class Side(StrEnum):
    """The runner's own side."""

    LEFT = "left"
    RIGHT = "right"


class Posture(IntEnum):
    """What the runner is doing, as far as the pelvis shows."""

    UNSEEN = 0
    STANDING = 1
    MOVING = 2
    RUNNING = 3


class Shown(IntEnum):
    """What the bar shows: a measurement, or one of the patterns that nobody can take for one."""

    OFF = 0
    MEASUREMENT = 1
    NO_DATA = 2
    UNSURE_SIDES = 3
    WARMING_UP = 4
    STANDING = 5


class Notice(StrEnum):
    """What the edge shows on the bar while no pipeline does: still pictures, none like a measurement."""

    STARTING = "starting"
    NO_CAMERA = "no camera"
    FAULT = "fault"
    RECORDING = "standing, recording"
    STAND_STILL = "stand still"
    BEGINS = "a block begins"
    ENDS = "a block has ended"
    PAUSED = "paused"


class Light(StrEnum):
    """What the status light at the station says; each has a rhythm of its own (docs/panel.md)."""

    OFF = "off"
    WARMING_UP = "warming up"
    NO_CAMERA = "no camera"
    NO_MARKS = "no marks"
    READY = "ready"
    RUNNING = "running"
    RECORDING = "recording"
    FAULT = "fault"


class PressKind(StrEnum):
    """How long the button was held."""

    SHORT = "short"
    LONG = "long"
    VERY_LONG = "very long"


class Press(msgspec.Struct, frozen=True):
    """One press of the button: when it began, on the machine's monotonic clock, and how long it was held so far."""

    kind: PressKind
    t_s: float
    held_s: float


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One picture.

    luma : (h, w) uint8, brightness as the sensor delivered it (turned or mirrored as the mount is).
    t_s : seconds on the source's monotonic clock at mid-exposure of the first row.
    row_s : seconds from one row's exposure to the next row's; 0 for a global shutter.
    """

    seq: int
    t_s: float
    luma: U8
    row_s: float = 0.0


class Keypoints(msgspec.Struct, frozen=True, gc=False):
    """Where the marks are in one frame.

    xy_px : (4, 2) float64, rows as `MARKS`, columns x and y in sensor pixels; NaN = not seen.
    score : (4,) float64, 0 (not seen) to 1 (crisp, alone, where it was expected).
    """

    seq: int
    t_s: float
    xy_px: F64
    score: F64


MOMENT = np.dtype(
    [
        ("t_s", "f8"),  # when the pelvis pair of this frame was exposed
        ("obliquity_deg", "f8"),  # of this frame, standing zero subtracted; NaN = pair not seen
        ("level_deg", "f8"),  # filtered and looked ahead by `predict_ms`; NaN when nothing is fresh
        ("seen_s", "f8"),  # when the pair was last measured; NaN = never
        ("height_px", "f8"),  # of the pelvis, up positive, from the picture's middle
        ("sway_px", "f8"),  # of the pelvis, to the runner's right positive, from the picture's middle
        ("difference_deg", "f8"),  # asymmetry: mean peak drop in right stance minus in left stance
        ("left_drop_deg", "f8"),  # mean peak drop in LEFT STANCE over the last N steps (the right hip drops)
        ("right_drop_deg", "f8"),  # mean peak drop in RIGHT STANCE
        ("left_last_deg", "f8"),  # peak drop of the last left stance
        ("right_last_deg", "f8"),
        ("left_steps", "i8"),  # how many steps stand behind the means
        ("right_steps", "i8"),
        ("step_s", "f8"),  # when the last step was decided; NaN = none in this bout of running
        ("cadence_spm", "f8"),  # steps a minute
        ("posture", "i8"),  # Posture
        (
            "sides_sure",
            "i8",
        ),  # 1 when the heels say which foot is which; -1 for a bar whose own sides are unproved
    ],
    align=True,
)
"""What motion knows at one frame: one row a frame, the only thing that feedback sees."""


class Step(msgspec.Struct, frozen=True, gc=False):
    """One foot's contact with the belt, and what the pelvis did in it. Times are the source's own seconds.

    `sway_px` is the range of the pelvis's sideways path from contact to off; `flight_s` the time without contact
    before this contact (None for the first step of a bout); `quality` 0..1 falls with unseen frames and weak witnesses.
    A figure that could not be measured is None; nothing is filled in.
    """

    stance: Side
    contact_s: float
    off_s: float
    midstance_s: float
    peak_s: float | None
    peak_drop_deg: float | None
    contact_drop_deg: float | None
    midstance_drop_deg: float | None
    excursion_deg: float | None
    sway_px: float | None
    contact_time_s: float
    flight_s: float | None
    quality: float
    decided_s: float


class Asymmetry(msgspec.Struct, frozen=True, gc=False):
    """The running comparison of the two sides over the last N steps of each.

    difference_deg : mean peak drop in right stance minus mean peak drop in left stance.
    left_, right_ : by stance side; sd is the sample standard deviation (NaN below two steps).
    """

    t_s: float
    difference_deg: float
    left_drop_deg: float
    right_drop_deg: float
    left_sd_deg: float
    right_sd_deg: float
    left_steps: int
    right_steps: int


class Update(msgspec.Struct, frozen=True, gc=False):
    """What one frame brought.

    leds : (n, 3) uint8 red, green, blue, from the runner's left to right as wired.
    moment : one row of `MOMENT`. steps : the steps decided at this frame, mostly none.
    guard_acts : how often the flash guard has had to step in since the start.
    """

    seq: int
    t_s: float
    keypoints: Keypoints
    moment: np.void
    steps: tuple[Step, ...]
    leds: U8
    shown: Shown
    guard_acts: int


def plain(record: msgspec.Struct) -> dict[str, Any]:
    """A record as plain numbers and words, ready for JSON: NaN becomes None."""
    values = msgspec.to_builtins(record)
    return {k: None if isinstance(v, float) and v != v else v for k, v in values.items()}
