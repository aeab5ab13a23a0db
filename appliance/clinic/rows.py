"""What is kept of runners and visits, as its readers get it: rows, and arrays of steps and frames.

Degrees and seconds; `..._s` is the visit's own time unless a field says wall seconds (since 1970). Drops are by STANCE
side. Absence is None, in arrays NaN; never zero.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.terms import Aim, Baseline, Block, Plan, Progress, Rep, VisitKind, VisitState

STEP = np.dtype(
    [
        ("n", "<i8"),
        ("span", "<i8"),
        ("block", "<i8"),  # of the plan; -1 = in none
        ("lit", "<i8"),  # 1 = the runner saw a figure at its contact
        ("paused", "<i8"),
        ("right", "<i8"),  # 1 = right stance, 0 = left stance
        ("contact_s", "<f8"),  # this and the next three in the visit's own time
        ("off_s", "<f8"),
        ("midstance_s", "<f8"),
        ("peak_s", "<f8"),
        ("peak_drop_deg", "<f8"),
        ("contact_drop_deg", "<f8"),
        ("midstance_drop_deg", "<f8"),
        ("excursion_deg", "<f8"),
        ("sway_px", "<f8"),
        ("contact_time_s", "<f8"),
        ("flight_s", "<f8"),
        ("quality", "<f8"),
        ("decided_s", "<f8"),
    ]
)
"""One step as it is kept: 152 bytes; NaN = could not be measured."""

TRACE = np.dtype(
    [
        ("t_s", "<f8"),  # when the pelvis pair was exposed, in the visit's own time
        ("obliquity_deg", "<f8"),  # standing zero subtracted; NaN = not seen
        ("sway_px", "<f8"),
        ("height_px", "<f8"),
        ("posture", "<i8"),
        ("shown", "<i8"),
    ]
)
"""One frame as it is kept beside its keypoints."""


class RunnerRow(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, under a code. made_s : wall seconds since 1970."""

    id: int
    code: str
    made_s: float
    visits: int = 0
    last_s: float | None = None
    note: str = ""


class VisitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One visit. runner is None until somebody says whose it was. Wall seconds as far as the clock was right.

    seconds : of the visit's own time. ran_s : running time that was counted, of `planned_s`. steps : kept ones.
    protocol_text : the whole file that was in force.
    """

    id: int
    runner: str | None
    kind: VisitKind
    protocol: str
    number: int
    state: VisitState
    began_s: float
    clock_set: bool | None
    ended_s: float | None = None
    seconds: float = 0.0
    planned_s: float = 0.0
    ran_s: float = 0.0
    steps: int = 0
    software: str = ""
    protocol_text: str = ""
    edition: int = 0
    plan: Plan | None = None
    progress: Progress | None = None
    first_baseline: Baseline | None = None
    baseline: Baseline | None = None
    dropped: int = 0


class SpanRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a visit in which one pipeline ran, from its first frame: what its trace can be computed anew with.

    at_s : visit time of the camera's second `t0_s`. header : of a recording (size, rate, lens, mount, zero), JSON.
    settings, calibration : all in force, JSON. frames, lost : kept, and known to be missed by the camera.
    """

    n: int
    at_s: float
    t0_s: float
    boot_id: str | None
    wall_s: float
    clock_set: bool | None
    software: str
    header: str
    settings: str
    calibration: str
    frames: int = 0
    lost: int = 0


class BlockRow(msgspec.Struct, frozen=True, kw_only=True):
    """A block that was begun."""

    n: int
    block: Block
    began_s: float
    ended_s: float | None = None
    why: str | None = None
    ran_s: float = 0.0


class StretchRow(msgspec.Struct, frozen=True, kw_only=True):
    """From when on the bar showed what; until the next one."""

    began_s: float
    aim: Aim


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened."""

    at_s: float
    wall_s: float
    kind: str
    words: str = ""


class VisitData(msgspec.Struct, frozen=True, kw_only=True):
    """All of a visit but its trace. steps : (n,) `STEP`, in the order of contact; edition : of their arithmetic."""

    visit: VisitRow
    blocks: tuple[BlockRow, ...]
    stretches: tuple[StretchRow, ...]
    steps: NDArray[np.void]
    events: tuple[EventRow, ...]
    spans: tuple[SpanRow, ...]
    reps: tuple[Rep, ...] = ()
    edition: int = 0
