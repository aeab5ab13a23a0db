"""Frames and orders of one exercise become what happens in it: sets, repetitions, holds, rests, words on the bar.

A pure machine with the face of `Session`: time is an argument, and the same inputs give the same acts, bit for bit.
`t_s` is the camera's clock; `at_s` the visit's own time, which goes on through pauses and never goes back. At work the
bar shows the live pelvis, at rest how much of the rest is over. One call ends at most one block. Refuses, with
`VisitError`, plans that are no exercise's and orders that make no sense.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from appliance.clinic.session import BEGINS_S, ENDS_S, OVER_S, RENEWED_S, SHOWN_S, Acts
from appliance.clinic.terms import (
    DARK,
    Aim,
    Block,
    BlockBegan,
    BlockEnded,
    Kind,
    Lit,
    Noted,
    Order,
    Over,
    Plan,
    Progress,
    Rep,
    Show,
    View,
    VisitState,
    Zeroed,
)
from appliance.clinic.work import WORK, Part, Seen, check, restored
from appliance.config import Feedback
from appliance.errors import VisitError
from appliance.records import Notice, Step


class Drill:
    """One exercise, from its first frame to `Over`; `progress` is where one that was broken off goes on."""

    def __init__(
        self,
        plan: Plan,
        t0_s: float,
        *,
        progress: Progress = Progress(),  # noqa: B008 - frozen
        zero_deg: float = 0.0,
        settings: Feedback = Feedback(),  # noqa: B008 - frozen
    ) -> None:
        check(plan)
        self._plan, self._t0_s = plan, t0_s
        self._from_s = self._at_s = self._turned_s = self._free_s = progress.at_s
        self._n = progress.block
        self._zeroed_deg = progress.zero_deg
        self._zero_deg = zero_deg if progress.zero_deg is None else progress.zero_deg
        self._part = restored(self._block, progress)
        self._lit: Aim | None = None
        self._said_s = -math.inf
        self.state = VisitState.PAUSED if progress.paused else VisitState.RUNNING

    @property
    def progress(self) -> Progress:
        """From where the exercise can go on."""
        return Progress(
            at_s=self._at_s,
            block=self._n,
            ran_s=self._part.ran_s,
            paused=self.state is VisitState.PAUSED,
            zero_deg=self._zeroed_deg,
            own=self._part.kept(),
        )

    def feed(self, t_s: float, moment: np.void, steps: tuple[Step, ...]) -> Acts:
        """One frame and its row of `MOMENT`; steps are of no use here."""
        angle_deg, height_px = float(moment["obliquity_deg"]), float(moment["height_px"])
        return self._turn(t_s, Seen(0.0, angle_deg, height_px, int(moment["posture"])))

    def silent(self, t_s: float) -> Acts:
        """No frame has come by now."""
        return self._turn(t_s, Seen(0.0))

    def order(self, order: Order, t_s: float, words: str = "") -> Acts:
        """What somebody asks for."""
        if self._ended:
            raise VisitError("the exercise is over", fix="`hipbar exercise start RUNNER NAME` begins another")
        if order is Order.NOTE and not words.strip():
            raise VisitError("a note without words", fix='`hipbar visit note "left knee bent"` notes them')
        self._go(t_s)
        if order is Order.STOP:
            return self._stopped(words)
        if order in (Order.PAUSE, Order.RESUME):
            return self._held(order, words)
        if order is Order.SKIP:
            began = self._opening()
            return (*began, *self._end("skipped"), *self._light())
        return (Noted(self._at_s, order.value, words),)

    def view(self, t_s: float) -> View:
        """How the exercise stands, for people."""
        block, part, lit = self._block, self._part, self._lit or DARK
        passed_s, hold = self._from_s + t_s - self._t0_s, self._part.hold
        waiting = (part.hint or "standing still") if block.kind is Kind.STAND else part.waiting
        return View(
            block=min(self._n, len(self._plan.blocks) - 1),
            blocks=len(self._plan.blocks),
            kind=block.kind.value,
            name=block.name,
            planned_s=block.seconds,
            ran_s=part.ran_s,
            at_s=passed_s if passed_s > self._at_s and not self._ended else self._at_s,
            paused=self.state is VisitState.PAUSED,
            waiting=waiting if self.state is VisitState.RUNNING and part.begun else "",
            lit=lit.mode != "off",
            mode=lit.mode,
            band_deg=block.band_deg,
            side=block.side.value if block.side else None,
            set_number=block.set_number,
            reps=part.done if block.kind in WORK else None,
            reps_wanted=part.wanted if block.kind in WORK else None,
            held_s=hold.held_s if hold else None,
            held_wanted_s=block.hold_s,
        )

    # time

    @property
    def _ended(self) -> bool:
        return self.state not in (VisitState.RUNNING, VisitState.PAUSED)

    @property
    def _block(self) -> Block:
        return self._plan.blocks[min(self._n, len(self._plan.blocks) - 1)]

    def _turn(self, t_s: float, seen: Seen) -> Acts:
        if self._ended:
            return ()
        self._go(t_s)
        acts = self._opening()
        went_s, self._turned_s = self._at_s - self._turned_s, self._at_s
        if self.state is VisitState.RUNNING and self._part.begun:
            acts += self._count(Seen(self._at_s, seen.angle_deg, seen.height_px, seen.posture), went_s)
        return acts + self._closing() + self._signs() + self._light()

    def _go(self, t_s: float) -> None:
        """The visit's time goes on to that of the camera, never back."""
        at_s = self._from_s + (t_s - self._t0_s)
        if self._at_s < at_s < math.inf:  # false for NaN
            self._at_s = at_s

    # blocks

    def _opening(self) -> Acts:
        """Begins the block that is next, unless it has begun."""
        if self._part.begun or self._n >= len(self._plan.blocks):
            return ()
        self._part.begun, self._part.seen_s, self._turned_s = True, self._at_s, self._at_s
        return (BlockBegan(self._at_s, self._n),)

    def _count(self, seen: Seen, went_s: float) -> Acts:
        """One frame of the block: time of rests, standing still, or work once the bar has said that it begins."""
        part, kind = self._part, self._block.kind
        looked = part.look(seen)
        if kind is Kind.STAND:
            part.stillness.feed(seen.at_s, seen.angle_deg, seen.posture)
            part.ran_s = part.stillness.seconds
        elif kind is Kind.REST:
            part.ran_s += went_s
        else:
            part.worked_s += went_s
            if part.pause_s > 0:
                part.pause_s -= went_s
            elif self._working:
                return self._worked(looked, went_s)
        return ()

    def _worked(self, seen: Seen, went_s: float) -> Acts:
        part = self._part
        done = part.work(seen, went_s)
        if done is None:
            return ()
        in_deg = None if self._block.measure in ("height", "time") else done.way
        rep = Rep(self._at_s, self._n, part.done, done.began_s, done.ended_s, in_deg, done.held_s)
        if part.pause_s <= 0:
            return (rep,)
        part.opened_s, self._free_s, self._said_s = None, self._at_s + ENDS_S, -math.inf
        return (rep, Show(self._at_s, Notice.ENDS, ENDS_S))

    def _closing(self) -> Acts:
        """Ends the block when all of it is done, or nobody does it any more."""
        part = self._part
        if self._n >= len(self._plan.blocks):  # broken off between the last block and the end
            return self._over(VisitState.DONE)
        if self.state is not VisitState.RUNNING:
            return ()
        if part.given_up:
            words = f"{part.done} of {part.wanted} in {part.worked_s:.0f} s"
            return (Noted(self._at_s, "given up", words), *self._end("skipped"))
        if not part.full:
            return ()
        return self._zeroed() if self._block.kind is Kind.STAND else self._end("done")

    def _zeroed(self) -> Acts:
        part = self._part
        stood = part.stillness.stood(self._zero_deg)
        if stood.why:
            part.ran_s, part.hint = 0.0, stood.why
            return (Noted(self._at_s, "no zero", stood.why),)
        self._zero_deg += stood.mean_deg
        self._zeroed_deg = self._zero_deg
        return self._end("done", (Zeroed(self._at_s, self._zero_deg, stood.spread_deg, stood.seconds),))

    def _end(self, why: Literal["done", "skipped"], found: Acts = ()) -> Acts:
        """The block is over; the next call begins the next one, or the exercise is over too."""
        ended = BlockEnded(self._at_s, self._n, why, self._part.ran_s)
        rested, lowest_px = self._block.kind is Kind.REST, self._part.lowest_px
        self._n += 1
        self._part = Part(block=self._block)
        if self._n >= len(self._plan.blocks):
            return (ended, *found, *self._over(VisitState.DONE))
        if rested:  # the bar has said already that it is over; where the pelvis lay then, it is lifted from
            self._part.lowest_px, self._free_s, self._said_s = lowest_px, self._at_s, -math.inf
            return (ended, *found)
        self._free_s, self._said_s = self._at_s + ENDS_S, -math.inf
        return (ended, *found, Show(self._at_s, Notice.ENDS, ENDS_S))

    def _over(self, state: VisitState) -> Acts:
        self.state = state
        return (*self._light(), Show(self._at_s, Notice.ENDS, OVER_S), Over(self._at_s, state))

    # orders

    def _stopped(self, words: str) -> Acts:
        noted = (Noted(self._at_s, "stop", words),) if words else ()
        ended = (BlockEnded(self._at_s, self._n, "stopped", self._part.ran_s),) if self._part.begun else ()
        return (*noted, *ended, *self._over(VisitState.STOPPED))

    def _held(self, order: Order, words: str) -> Acts:
        """Pause and resume: a half-done repetition is done anew, a hold goes on with what was held."""
        wanted = VisitState.PAUSED if order is Order.PAUSE else VisitState.RUNNING
        if self.state is wanted:
            how, other = ("paused", "resume") if order is Order.PAUSE else ("running", "pause")
            raise VisitError(
                f"the exercise is {how} already", fix=f"`hipbar visit {other}` does the opposite"
            )
        self.state, self._said_s = wanted, -math.inf
        self._free_s = self._turned_s = self._at_s
        self._part.loose()
        self._part.opened_s, self._part.seen_s = None, self._at_s
        return (Noted(self._at_s, order.value, words), *self._light(), *self._signs())

    # bar

    def _signs(self) -> Acts:
        """What the bar says beside the live pelvis; what stays is said again each second."""
        at_s, part = self._at_s, self._part
        if self._ended or at_s < self._free_s:
            return ()
        staying = self._staying()
        if staying is not None:
            if at_s < self._said_s + RENEWED_S:
                return ()
            self._said_s = at_s
            return (Show(at_s, staying, SHOWN_S, None if staying is not Notice.ENDS else part.share),)
        if part.opened_s is not None or not part.begun:
            return ()
        part.opened_s = at_s
        return (Show(at_s, Notice.BEGINS, BEGINS_S),)

    def _staying(self) -> Notice | None:
        """The picture that stays for now; a rest is "ended" with its share."""
        if self.state is VisitState.PAUSED:
            return Notice.PAUSED
        if not self._part.begun:
            return None
        if self._block.kind is Kind.STAND:
            return Notice.STAND_STILL
        return Notice.ENDS if self._part.share is not None else None

    @property
    def _working(self) -> bool:
        """Whether work counts: the bar has said that it begins, and nobody has paused it."""
        opened_s = self._part.opened_s
        running = self.state is VisitState.RUNNING and self._block.kind in WORK
        return running and opened_s is not None and self._at_s >= opened_s + BEGINS_S

    def _light(self) -> Acts:
        """What the runner sees from now on, where that is something else than before."""
        aim = Aim(mode=self._block.mode) if self._working and not self._ended else DARK
        if aim == self._lit:
            return ()
        self._lit = aim
        return (Lit(self._at_s, aim),)
