"""The values that cross between clinic, store and station: plans, and what happens in a visit.

Degrees and seconds. `at_s` is a visit's own time: seconds since it began, pauses and restarts included; it never goes
back. `t_s` is the camera's clock. Drops are named by the STANCE side, as in `appliance.records`; which hip dropped is
the other one. Absence is None.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

import msgspec

from appliance.records import Notice, Side

SDD_DEG = 2.8
"""Smallest detectable difference of the drop over a week, one camera: Dingenen 2018, 10.1016/j.ptsp.2018.06.009."""

LEAST_STEPS = 7
"""A side; fewer give no stable mean (the same source)."""

Mode = Literal["asymmetry", "step", "live", "box", "off"]

Measure = Literal["angle", "height", "time"]
"""By what an exercise is counted: the pelvis's obliquity, its height in the picture, or the clock alone."""


class Kind(StrEnum):
    """What a block is for. Only `FEEDBACK` and the lit parts of `FADED`, and exercises, show figures on the bar."""

    STAND = "stand"
    WARM_UP = "warm-up"
    BASELINE = "baseline"
    FEEDBACK = "feedback"
    FADED = "faded"
    RETENTION = "retention"
    COOL_DOWN = "cool-down"
    CUE_BEFORE = "before cue"
    CUE = "cue"
    CUE_AFTER = "after cue"
    HOLD = "hold"
    REPS = "repetitions"
    REST = "rest"


RUNNING_KINDS = frozenset(
    {Kind.BASELINE, Kind.FEEDBACK, Kind.FADED, Kind.RETENTION, Kind.CUE_BEFORE, Kind.CUE, Kind.CUE_AFTER}
)
"""Their time is the time that somebody runs; of `STAND` that of standing still; that of others goes on by itself."""


class VisitKind(StrEnum):
    """What was done."""

    VISIT = "visit"
    CUE = "cue trial"
    EXERCISE = "exercise"
    IMPORTED = "imported"


class VisitState(StrEnum):
    """How a visit stands. All but the first two are ends."""

    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a runner is to reach: percent of the own baseline, or degrees; never asked for more than `floor_deg`."""

    percent: float | None = None
    degrees: float | None = None
    floor_deg: float = SDD_DEG
    of: Literal["first", "visit"] = "first"


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a plan. `seconds` of running, standing or time (see `RUNNING_KINDS`).

    mode : what the bar shows while it is lit. on_s, off_s : of `FADED`: lit for so long, dark for so long, of running
    time, lit first. cue : the words to be spoken. side, reps, hold_s : of exercises: `side` is the side that works.
    measure : by what an exercise is counted; range_deg, range_px : how far a repetition goes out and comes back;
    pause_s : between two holds of one block.
    """

    kind: Kind
    seconds: float
    name: str = ""
    mode: Mode = "off"
    target: Target | None = None
    on_s: float | None = None
    off_s: float | None = None
    cue: str | None = None
    exercise: str | None = None
    side: Side | None = None
    set_number: int | None = None
    reps: int | None = None
    hold_s: float | None = None
    band_deg: float | None = None
    measure: Measure | None = None
    range_deg: float | None = None
    range_px: float | None = None
    pause_s: float | None = None


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """How somebody runs without feedback: means of peak drops by stance side, right minus left as `difference_deg`."""

    left_drop_deg: float
    right_drop_deg: float
    difference_deg: float
    left_steps: int
    right_steps: int
    cadence_spm: float | None = None


class Aim(msgspec.Struct, frozen=True, kw_only=True):
    """What the bar is set to for a target: values of feedback.mode, .target_deg and .band_deg."""

    mode: Mode
    target_deg: float | None = None
    band_deg: float | None = None

    def settings(self) -> dict[str, Any]:
        """As dotted settings."""
        values: dict[str, Any] = {"feedback.mode": self.mode}
        if self.target_deg is not None:
            values["feedback.target_deg"] = self.target_deg
        if self.band_deg is not None:
            values["feedback.band_deg"] = self.band_deg
        return values


DARK = Aim(mode="off")


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done in one visit. first_baseline : that of the runner's first visit by this protocol, if any."""

    kind: VisitKind
    protocol: str
    number: int
    visits: int
    blocks: tuple[Block, ...]
    title: str = ""
    first_baseline: Baseline | None = None


# What happens in a visit: the session's answers to frames and orders, in the order of time


class BlockBegan(msgspec.Struct, frozen=True, tag=True):
    """Block `n` of the plan begins."""

    at_s: float
    n: int


class BlockEnded(msgspec.Struct, frozen=True, tag=True):
    """Block `n` is over. ran_s : how much of its time was counted."""

    at_s: float
    n: int
    why: Literal["done", "skipped", "stopped", "interrupted"]
    ran_s: float


class Lit(msgspec.Struct, frozen=True, tag=True):
    """From now on the bar shows this: `DARK` = nothing, while everything is still kept."""

    at_s: float
    aim: Aim

    @property
    def on(self) -> bool:
        """Whether the runner sees a figure."""
        return self.aim.mode != "off"


class Zeroed(msgspec.Struct, frozen=True, tag=True):
    """Somebody has stood still: `zero_deg` is the whole zero to be subtracted from now on."""

    at_s: float
    zero_deg: float
    spread_deg: float
    seconds: float


class Measured(msgspec.Struct, frozen=True, tag=True):
    """A baseline is known."""

    at_s: float
    baseline: Baseline


class Show(msgspec.Struct, frozen=True, tag=True):
    """The bar says something that is no measurement, for so long. share : of a rest that is over, 0 to 1, or None."""

    at_s: float
    notice: Notice
    seconds: float
    share: float | None = None


class Noted(msgspec.Struct, frozen=True, tag=True):
    """Something worth a line in the visit's events: "pause", "resume", "mark", "note", "waiting", ... and words."""

    at_s: float
    kind: str
    words: str = ""


class Rep(msgspec.Struct, frozen=True, tag=True):
    """One repetition or hold of an exercise block. range_deg : from its highest to its lowest pelvis.

    level_s : of a hold, how long the pelvis was within the band.
    """

    at_s: float
    n: int
    number: int
    began_s: float
    ended_s: float
    range_deg: float | None = None
    level_s: float | None = None


class Over(msgspec.Struct, frozen=True, tag=True):
    """The visit has ended."""

    at_s: float
    state: VisitState


Act = BlockBegan | BlockEnded | Lit | Zeroed | Measured | Show | Noted | Rep | Over


class Order(StrEnum):
    """What can be asked of a visit that runs."""

    PAUSE = "pause"
    RESUME = "resume"
    SKIP = "skip"
    MARK = "mark"
    NOTE = "note"
    STOP = "stop"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """From where a visit can go on after a restart. block : of the plan; ran_s : of it; own : a machine's own."""

    at_s: float = 0.0
    block: int = 0
    ran_s: float = 0.0
    paused: bool = False
    baseline: Baseline | None = None
    zero_deg: float | None = None
    own: dict[str, Any] = {}


class View(msgspec.Struct, frozen=True, kw_only=True):
    """How a visit stands now, for people. waiting : what it waits for, in words ("" = nothing)."""

    block: int
    blocks: int
    kind: str
    name: str
    planned_s: float
    ran_s: float
    at_s: float
    paused: bool = False
    waiting: str = ""
    lit: bool = False
    mode: str = "off"
    target_deg: float | None = None
    band_deg: float | None = None
    left_steps: int = 0
    right_steps: int = 0
    cue: str | None = None
    side: str | None = None
    set_number: int | None = None
    reps: int | None = None
    reps_wanted: int | None = None
    held_s: float | None = None
    held_wanted_s: float | None = None
