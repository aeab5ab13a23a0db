"""Frames, steps and orders of one visit become what happens in it: blocks, light, baselines, words on the bar.

A pure machine: time is an argument, and the same inputs give the same acts, bit for bit. `t_s` is the camera's clock;
`at_s` the visit's own time, which goes on through pauses and never goes back. Drops by STANCE side. One call ends at
most one block and the next call begins the next: `progress` after each call is a place from which a visit can go on.
Refuses, with `VisitError`, plans that are no visit's and orders that make no sense.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from appliance.clinic.here import Here, check, late_of, restored
from appliance.clinic.target import aim_of
from appliance.clinic.terms import (
    DARK,
    Act,
    Aim,
    Block,
    BlockBegan,
    BlockEnded,
    Kind,
    Lit,
    Measured,
    Noted,
    Order,
    Over,
    Plan,
    Progress,
    Show,
    View,
    VisitState,
    Zeroed,
)
from appliance.config import Feedback
from appliance.errors import VisitError
from appliance.records import Notice, Posture, Step

BEGINS_S, ENDS_S = 2.0, 1.5
"""How long the bar says that a block begins, and before that, that the last one has ended."""
OVER_S = 2.0
"""How long it says so at the visit's end."""
RENEWED_S, SHOWN_S = 1.0, 1.5
"""Notices that stay are said again each second; each lasts a little longer than that."""
SETTLED_S = 1.0
"""So long after its contact every step has been told; sooner than any light is lit that goes by a baseline."""

Acts = tuple[Act, ...]


class Session:
    """One visit, from its first frame to `Over`; `progress` is where one that was broken off goes on."""

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
        self._plan, self._settings, self._t0_s = plan, settings, t0_s
        self._from_s = self._at_s = self._turned_s = self._free_s = progress.at_s
        self._n = progress.block
        self._baseline = progress.baseline
        self._zeroed_deg = progress.zero_deg
        self._zero_deg = zero_deg if progress.zero_deg is None else progress.zero_deg
        self._here = restored(self._block, progress)
        self._late, self._late_s = late_of(self._plan, progress), progress.at_s
        self._lit: Aim | None = None
        self._said_s = -math.inf
        self.state = VisitState.PAUSED if progress.paused else VisitState.RUNNING

    @property
    def progress(self) -> Progress:
        """From where the visit can go on."""
        return Progress(
            at_s=self._at_s,
            block=self._n,
            ran_s=self._here.ran_s,
            paused=self.state is VisitState.PAUSED,
            baseline=self._baseline,
            zero_deg=self._zeroed_deg,
            own=self._here.kept() | ({"late": self._late.gathered.kept()} if self._late else {}),
        )

    def feed(self, t_s: float, moment: np.void, steps: tuple[Step, ...]) -> Acts:
        """One frame, its row of `MOMENT` and the steps that were decided in it."""
        return self._turn(t_s, float(moment["obliquity_deg"]), int(moment["posture"]), steps)

    def silent(self, t_s: float) -> Acts:
        """No frame has come by now."""
        return self._turn(t_s, math.nan, Posture.UNSEEN, ())

    def order(self, order: Order, t_s: float, words: str = "") -> Acts:
        """What somebody asks for."""
        if self._ended:
            raise VisitError("the visit is over", fix="`hipbar visit start RUNNER` begins the next one")
        if order is Order.NOTE and not words.strip():
            raise VisitError("a note without words", fix='`hipbar visit note "new shoes"` notes them')
        self._go(t_s)
        if order is Order.STOP:
            return self._stopped(words)
        if order in (Order.PAUSE, Order.RESUME):
            return self._held(order, words)
        if order is Order.SKIP:
            return (*self._opening(), *self._end("skipped"), *self._light())
        return (Noted(self._at_s, order.value, words),)

    def view(self, t_s: float) -> View:
        """How the visit stands, for people."""
        block, here = self._block, self._here
        lit = self._lit or DARK
        passed_s = self._from_s + t_s - self._t0_s
        return View(
            block=min(self._n, len(self._plan.blocks) - 1),
            blocks=len(self._plan.blocks),
            kind=block.kind.value,
            name=block.name,
            planned_s=block.seconds,
            ran_s=here.ran_s,
            at_s=passed_s if passed_s > self._at_s and not self._ended else self._at_s,
            paused=self.state is VisitState.PAUSED,
            waiting=here.waiting if self.state is VisitState.RUNNING else "",
            lit=lit.mode != "off",
            mode=lit.mode,
            target_deg=lit.target_deg,
            band_deg=lit.band_deg,
            left_steps=here.gathered.left.steps,
            right_steps=here.gathered.right.steps,
            cue=block.cue,
        )

    # time

    @property
    def _ended(self) -> bool:
        return self.state not in (VisitState.RUNNING, VisitState.PAUSED)

    @property
    def _block(self) -> Block:
        return self._plan.blocks[min(self._n, len(self._plan.blocks) - 1)]

    def _turn(self, t_s: float, obliquity_deg: float, posture: int, steps: tuple[Step, ...]) -> Acts:
        if self._ended:
            return ()
        self._go(t_s)
        acts, here = self._opening(), self._here
        went_s, self._turned_s = self._at_s - self._turned_s, self._at_s
        if steps:
            self._gather(steps)
        if self.state is VisitState.RUNNING and here.begun:
            here.count(self._at_s, went_s, obliquity_deg, posture)
            acts += here.absence(self._at_s, went_s, posture)
        return acts + self._settled() + self._closing() + self._signs() + self._light()

    def _gather(self, steps: tuple[Step, ...]) -> None:
        """Steps are told some tenths of a second after their contact: to a baseline also once its block is over."""
        for step in steps:
            contact_s = self._from_s + (step.contact_s - self._t0_s)
            if self._here.begun:
                self._here.gather(step, contact_s)
            if self._late:
                self._late.gather(step, contact_s, self._late_s)

    def _go(self, t_s: float) -> None:
        """The visit's time goes on to that of the camera, never back."""
        at_s = self._from_s + (t_s - self._t0_s)
        if self._at_s < at_s < math.inf:  # false for NaN
            self._at_s = at_s

    # blocks

    def _opening(self) -> Acts:
        """Begins the block that is next, unless it has begun."""
        if self._here.begun or self._n >= len(self._plan.blocks):
            return ()
        self._here.begin(self._at_s)
        self._turned_s = self._at_s
        return (BlockBegan(self._at_s, self._n),)

    def _closing(self) -> Acts:
        """Ends the block when its time has been counted."""
        if self._n >= len(self._plan.blocks):  # broken off between the last block and the visit's end
            return self._over(VisitState.DONE)
        if self.state is not VisitState.RUNNING or not self._here.full:
            return ()
        if self._block.kind is Kind.STAND:
            return self._zeroed()
        return self._end("done")

    def _zeroed(self) -> Acts:
        here = self._here
        stood = here.stillness.stood(self._zero_deg)
        if stood.why:
            here.ran_s, here.hint = 0.0, stood.why
            return (Noted(self._at_s, "no zero", stood.why),)
        self._zero_deg += stood.mean_deg
        self._zeroed_deg = self._zero_deg
        return self._end("done", (Zeroed(self._at_s, self._zero_deg, stood.spread_deg, stood.seconds),))

    def _settled(self) -> Acts:
        """A baseline is known as soon as the last steps of its block have been told."""
        return self._measured() if self._late and self._at_s >= self._late_s + SETTLED_S else ()

    def _measured(self) -> Acts:
        late, self._late = self._late, None
        if late is None:
            return ()
        if short := late.gathered.short_of():
            return (Noted(self._at_s, "no baseline", f"too few steps: {short}"),)
        self._baseline = late.gathered.baseline()
        return (Measured(self._at_s, self._baseline),)

    def _end(self, why: Literal["done", "skipped"], found: Acts = ()) -> Acts:
        """The block is over; the next call begins the next one, or the visit is over too."""
        ended = BlockEnded(self._at_s, self._n, why, self._here.ran_s)
        if self._block.kind is Kind.BASELINE and (why == "done" or not self._here.gathered.short_of()):
            found += self._measured()  # of a baseline before, if there is one still
            self._late, self._late_s = self._here, self._at_s
        self._n += 1
        self._here = Here(block=self._block)
        if self._n >= len(self._plan.blocks):
            return (ended, *found, *self._over(VisitState.DONE))
        if self.state is VisitState.PAUSED:
            self._here.hold(self._at_s, paused=True)
        self._free_s, self._said_s = self._at_s + ENDS_S, -math.inf
        return (ended, *found, Show(self._at_s, Notice.ENDS, ENDS_S))

    def _over(self, state: VisitState) -> Acts:
        self.state = state
        return (
            *self._measured(),
            *self._light(),
            Show(self._at_s, Notice.ENDS, OVER_S),
            Over(self._at_s, state),
        )

    # orders

    def _stopped(self, words: str) -> Acts:
        noted = (Noted(self._at_s, "stop", words),) if words else ()
        ended = (BlockEnded(self._at_s, self._n, "stopped", self._here.ran_s),) if self._here.begun else ()
        return (*noted, *ended, *self._over(VisitState.STOPPED))

    def _held(self, order: Order, words: str) -> Acts:
        """Pause and resume: the block opens anew on the bar, not in the books."""
        wanted = VisitState.PAUSED if order is Order.PAUSE else VisitState.RUNNING
        if self.state is wanted:
            how, other = ("paused", "resume") if order is Order.PAUSE else ("running", "pause")
            raise VisitError(f"the visit is {how} already", fix=f"`hipbar visit {other}` does the opposite")
        self.state, self._said_s = wanted, -math.inf
        self._free_s = self._turned_s = self._at_s
        self._here.hold(self._at_s, paused=wanted is VisitState.PAUSED)
        return (Noted(self._at_s, order.value, words), *self._light(), *self._signs())

    # bar

    def _signs(self) -> Acts:
        """What the bar says beside measurements: a notice that stays is said again each second."""
        here, at_s = self._here, self._at_s
        if self._ended or at_s < self._free_s:
            return ()
        paused = self.state is VisitState.PAUSED
        if paused or (here.begun and self._block.kind is Kind.STAND):
            if at_s < self._said_s + RENEWED_S:
                return ()
            self._said_s = at_s
            return (Show(at_s, Notice.PAUSED if paused else Notice.STAND_STILL, SHOWN_S),)
        if here.opened_s is not None or not here.begun:
            return ()
        here.opened_s = at_s
        return (Show(at_s, Notice.BEGINS, BEGINS_S),)

    def _light(self) -> Acts:
        """What the runner sees from now on, where that is something else than before."""
        aim = self._wanted()
        if aim is self._lit or aim == self._lit:
            return ()
        self._lit = aim
        return (Lit(self._at_s, aim),)

    def _wanted(self) -> Aim:
        """Figures only in a lit block or part of one, and not while the bar says something else."""
        here, block = self._here, self._block
        if self.state is not VisitState.RUNNING or here.opened_s is None or not here.figures:
            return DARK
        if self._at_s < here.opened_s + BEGINS_S:
            return DARK
        if here.aim is None:
            first = self._plan.first_baseline
            here.aim = aim_of(block.mode, block.target, first, self._baseline, self._settings)
        return here.aim
