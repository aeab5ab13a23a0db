"""Frames within one block of an exercise become what is counted in it: repetitions, holds, rests, the standing zero.

Seconds of the visit; degrees and pixels as the block's `measure` says. A hold by angle counts while the pelvis is level
within the band; by height, while it is so far above its lowest place since the last rest began; by time, always.
Replaced whole for the next block. Refuses, with `VisitError`, plans that are no exercise's.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from appliance.clinic.counting import Cycles, Done, Hold, Steady
from appliance.clinic.stage import Stage
from appliance.clinic.terms import Block, Kind, Plan, Progress
from appliance.errors import VisitError

WORK = (Kind.HOLD, Kind.REPS)
UNSEEN_S = 1.0
"""Nobody seen for so long: that is waited for, and what was half done is not done."""
IN_VIEW = "the runner in view"
STOOD_UP = 4.0
"""So many times the height asked for is not a hold: somebody has stood up."""
_LONGEST, _GRACE_S = 3.0, 60.0
"""A set takes this many times its planned time, and a minute, at most."""


class Seen(msgspec.Struct, frozen=True, gc=False):
    """What one frame says of the pelvis, at the visit's second `at_s`; NaN = not seen. posture : `records.Posture`."""

    at_s: float
    angle_deg: float = math.nan
    height_px: float = math.nan
    posture: int = 0


class Part(Stage, kw_only=True):
    """The block that the exercise is in.

    done : repetitions or holds by now. pause_s : that is left between two holds. worked_s : since it began, pauses by
    order not counted. lowest_px : the lowest place since the rest before. lacks : what work waits for.
    """

    done: int = 0
    worked_s: float = 0.0
    pause_s: float = 0.0
    seen_s: float = -math.inf
    lowest_px: float = math.inf
    lacks: str = ""
    cycles: Cycles | None = None
    hold: Hold | None = None
    angle: Steady = msgspec.field(default_factory=Steady)
    height: Steady = msgspec.field(default_factory=Steady)

    def __post_init__(self) -> None:
        """What a block of its kind counts with."""
        block = self.block
        if block.kind is Kind.HOLD and self.hold is None:
            self.hold = Hold(block.hold_s or block.seconds)
        if block.kind is Kind.REPS:
            self.cycles = Cycles(
                (block.range_px if block.measure == "height" else block.range_deg) or math.inf
            )

    @property
    def wanted(self) -> int:
        """Repetitions or holds that make it complete."""
        return self.block.reps or 1

    @property
    def full(self) -> bool:
        """Whether all of it is done."""
        return self.done >= self.wanted if self.block.kind in WORK else self.ran_s >= self.block.seconds

    @property
    def given_up(self) -> bool:
        """Whether it has taken so long that nobody does it any more."""
        return self.block.kind in WORK and self.worked_s > _LONGEST * self.block.seconds + _GRACE_S

    @property
    def share(self) -> float | None:
        """How much of a rest or of the pause between two holds is over; None = neither."""
        if self.block.kind is Kind.REST:
            return min(self.ran_s / self.block.seconds, 1.0)
        if self.pause_s > 0 and self.block.pause_s:
            return min(max(1.0 - self.pause_s / self.block.pause_s, 0.0), 1.0)
        return None

    @property
    def figures(self) -> bool:
        """Whether it is work: the runner sees the pelvis."""
        return self.block.kind in WORK

    @property
    def waiting(self) -> str:
        """What has to happen for it to go on; "" = nothing."""
        return super().waiting or (self.lacks if self.begun else "")

    def begin(self, at_s: float) -> None:
        """From now on it counts."""
        super().begin(at_s)
        self.seen_s = at_s

    def halt(self, at_s: float, *, paused: bool) -> None:
        """Pause and resume: a half-done repetition is done anew, a hold goes on with what was held."""
        super().halt(at_s, paused=paused)
        self.loose()
        self.seen_s = at_s

    def loose(self) -> None:
        """Nothing is joined across what happens now: an order, or a runner who has gone."""
        self.stillness.forget()
        self.angle.forget()
        self.height.forget()
        if self.cycles:
            self.cycles.forget()
        if self.hold:
            self.hold.loose()

    def look(self, seen: Seen) -> Seen:
        """The frame with the medians that count, and the lowest place remembered."""
        angle, height = self.angle.feed(seen.angle_deg), self.height.feed(seen.height_px)
        if height == height:
            self.lowest_px = min(self.lowest_px, height)
        if seen.angle_deg == seen.angle_deg:
            self.seen_s = seen.at_s
        return msgspec.structs.replace(seen, angle_deg=angle, height_px=height)

    def work(self, seen: Seen, went_s: float) -> Done | None:
        """Counts one frame of a block of work; the repetition or hold that is complete with it."""
        gone = seen.at_s - self.seen_s > UNSEEN_S and self.block.measure != "time"
        self.lacks = IN_VIEW if gone else ""
        if gone:
            self.loose()
            return None
        done = self._held(seen) if self.hold else self._repeated(seen, went_s)
        if done is None:
            return None
        self.done += 1
        if self.hold:
            self.hold = Hold(self.block.hold_s or self.block.seconds)
            self.pause_s = 0.0 if self.full else self.block.pause_s or 0.0
            self.lowest_px = math.inf
        return done

    def _repeated(self, seen: Seen, went_s: float) -> Done | None:
        self.ran_s += went_s
        figure = seen.height_px if self.block.measure == "height" else seen.angle_deg
        return self.cycles.feed(seen.at_s, figure) if self.cycles else None

    def _held(self, seen: Seen) -> Done | None:
        if self.hold is None:
            return None
        figure, block = seen.angle_deg, self.block
        if block.measure == "time":
            within = True
        elif figure != figure:  # a frame without dots ends nothing; a longer gap is not held
            return None
        elif block.measure == "height":
            figure, least = seen.height_px, block.range_px or math.inf
            within = least <= figure - self.lowest_px <= STOOD_UP * least
        else:
            within = abs(figure) <= (block.band_deg or 0.0)
        before_s, self.lacks = self.hold.held_s, "" if within else _AGAIN[block.measure]
        done = self.hold.feed(seen.at_s, figure, within)
        self.ran_s += self.hold.held_s - before_s
        return done

    def kept(self) -> dict[str, Any]:
        """What a progress does not say of it, as plain values."""
        return super().kept() | {
            "done": self.done,
            "held_s": self.hold.held_s if self.hold else 0.0,
            "worked_s": self.worked_s,
            "pause_s": self.pause_s,
        }


_AGAIN: dict[str | None, str] = {
    "angle": "a level pelvis",
    "height": "a lifted pelvis",
    None: "a level pelvis",
}


def restored(block: Block, progress: Progress) -> Part:
    """The block that an exercise was broken off in; a repetition that was half done is done anew."""
    own = progress.own
    if not own.get("begun"):
        return Part(block=block)
    held_s = float(own.get("held_s", 0.0))
    return Part(
        block=block,
        begun=True,
        done=int(own.get("done", 0)),
        ran_s=progress.ran_s if block.kind is not Kind.STAND else 0.0,
        worked_s=float(own.get("worked_s", 0.0)),
        pause_s=float(own.get("pause_s", 0.0)),
        seen_s=progress.at_s,
        hold=Hold(block.hold_s or block.seconds, held_s) if block.kind is Kind.HOLD else None,
    )


def check(plan: Plan) -> None:
    """Refuses plans that are no exercise's."""
    fix = "`hipbar exercise check` says what an exercise needs"
    if not any(block.kind in WORK for block in plan.blocks):
        raise VisitError(f"{plan.protocol}: an exercise without work", fix=fix)
    for n, block in enumerate(plan.blocks, 1):
        if block.kind not in (*WORK, Kind.REST, Kind.STAND):
            raise VisitError(f"{plan.protocol}: block {n} ({block.kind.value}) is no exercise", fix=fix)
        if not 0 < block.seconds < math.inf:
            raise VisitError(f"{plan.protocol}: block {n} lasts {block.seconds:g} s", fix=fix)
