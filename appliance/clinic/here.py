"""Frames and steps within one block become how much of its time has been counted, and what it waits for.

Seconds of the visit. Of blocks of running only running counts, of standing the last unbroken stretch of standing still,
of others all time. Replaced whole for the next block. Refuses, with `VisitError`, plans that a visit can't do.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from appliance.clinic.gathered import Gathered
from appliance.clinic.stage import Stage
from appliance.clinic.terms import RUNNING_KINDS, Act, Block, Kind, Noted, Plan, Progress, VisitKind
from appliance.errors import VisitError
from appliance.records import Posture, Step

GAP_S = 0.25
"""Between two frames of running; what is longer is not counted as running."""
AWAY_S = 3.0
"""Nobody has run for so long: that is worth an event."""
LONGEST = 2.0
"""A baseline goes on for this many times its length to get its steps, and then ends without."""

_CHECK = "`hipbar protocol check` says what a protocol needs"


class Here(Stage, kw_only=True):
    """The block that the visit is in. since_s : steps from then on count, but for those within `pauses`."""

    since_s: float = 0.0
    pauses: list[tuple[float, float]] = msgspec.field(default_factory=list)
    gathered: Gathered = msgspec.field(default_factory=Gathered)
    running_s: float | None = None
    missing_s: float = 0.0
    missing: bool = False

    def begin(self, at_s: float) -> None:
        """From now on it counts."""
        super().begin(at_s)
        self.since_s = at_s

    def halt(self, at_s: float, *, paused: bool) -> None:
        """Somebody pauses it or lets it go on: nothing is joined across that, and the bar opens it again."""
        if paused:
            self.pauses.append((at_s, math.inf))
        elif self.pauses:
            self.pauses[-1] = (self.pauses[-1][0], at_s)
        self.running_s = None
        super().halt(at_s, paused=paused)

    def gather(self, step: Step, contact_s: float, before_s: float = math.inf) -> None:
        """A step belongs to the block, or the pause, in which the foot came down."""
        if not self.since_s <= contact_s < before_s:
            return
        if not any(from_s <= contact_s < to_s for from_s, to_s in self.pauses):
            self.gathered.add(step, contact_s)

    def count(self, at_s: float, went_s: float, obliquity_deg: float, posture: int) -> None:
        """The time that counts for this kind of block; `went_s` since the last frame."""
        if self.block.kind is Kind.STAND:
            self.stand(at_s, obliquity_deg, posture)
        elif self.block.kind not in RUNNING_KINDS:
            self.ran_s += went_s
        elif posture == Posture.RUNNING:
            if self.running_s is not None and at_s - self.running_s <= GAP_S:
                self.ran_s += at_s - self.running_s
            self.running_s = at_s
        elif self.running_s is not None and at_s - self.running_s > GAP_S:
            self.running_s = None

    def absence(self, at_s: float, went_s: float, posture: int) -> tuple[Act, ...]:
        """Events of a runner who steps off in a block of running, and comes back."""
        if self.block.kind not in RUNNING_KINDS:
            return ()
        if posture == Posture.RUNNING:
            back, self.missing, self.missing_s = self.missing, False, 0.0
            return (Noted(at_s, "running"),) if back else ()
        self.missing_s += went_s
        if self.missing or self.missing_s < AWAY_S:
            return ()
        self.missing = True
        return (Noted(at_s, "waiting", "nobody runs"),)

    @property
    def full(self) -> bool:
        """Whether its time has been counted; a baseline's also has to bring its steps."""
        block = self.block
        if self.ran_s < block.seconds:
            return False
        return (
            block.kind is not Kind.BASELINE
            or self.ran_s >= LONGEST * block.seconds
            or not self.gathered.short_of()
        )

    @property
    def figures(self) -> bool:
        """Whether this is a block, or the part of a faded one, in which the runner sees figures."""
        block = self.block
        if block.kind is Kind.FADED and block.on_s is not None and block.off_s is not None:
            return self.ran_s % (block.on_s + block.off_s) < block.on_s
        return block.kind is Kind.FEEDBACK

    @property
    def waiting(self) -> str:
        """What has to happen for its time to go on; "" = nothing."""
        kind = self.block.kind
        if not self.begun or kind is Kind.STAND:
            return super().waiting
        if kind in RUNNING_KINDS and self.running_s is None:
            return "runner"
        if kind is Kind.BASELINE and self.ran_s >= self.block.seconds:
            return f"steps: {self.gathered.short_of()}"
        return ""

    def kept(self) -> dict[str, Any]:
        """What a progress does not say of it, as plain values."""
        return super().kept() | {"gathered": self.gathered.kept()}


def restored(block: Block, progress: Progress) -> Here:
    """The block that a visit was broken off in; steps of before are told no more."""
    own, at_s = progress.own, progress.at_s
    here = Here(block=block, since_s=at_s)
    if own.get("begun"):
        here.begun, here.ran_s = True, progress.ran_s
        here.gathered = Gathered.of(own.get("gathered", {}))
    if progress.paused:
        here.pauses.append((at_s, math.inf))
    return here


def late_of(plan: Plan, progress: Progress) -> Here | None:
    """A baseline's block that was over and whose last steps had not been told; they never will be."""
    kept = progress.own.get("late")
    return None if kept is None else Here(block=plan.blocks[0], gathered=Gathered.of(kept))


def check(plan: Plan) -> None:
    """Refuses plans that can't be done; what an exercise's blocks need is its own machine's business."""
    if not plan.blocks:
        raise VisitError(f"{plan.protocol}: a visit without blocks", fix=_CHECK)
    if plan.kind is VisitKind.EXERCISE:
        return
    for n, block in enumerate(plan.blocks, 1):
        where = f"{plan.protocol}: block {n} ({block.kind.value})"
        if block.kind in (Kind.HOLD, Kind.REPS):
            raise VisitError(f"{where} is an exercise", fix="`hipbar exercise start` does exercises")
        if not 0 < block.seconds < math.inf:
            raise VisitError(f"{where} lasts {block.seconds:g} s", fix=_CHECK)
        if block.kind is Kind.FADED and not ((block.on_s or 0) > 0 and (block.off_s or 0) > 0):
            raise VisitError(f"{where} does not say how long it is lit and dark", fix=_CHECK)
