"""A plan's blocks, frames and orders become the acts that visits and exercises have in common: `Blockwise`.

Common are the visit's own time, how blocks begin and end, the standing zero, orders, when the bar says what and when it
shows figures. Seconds: `t_s` of the camera's clock, `at_s` of the visit, which goes on through pauses, never back. One
call ends at most one block and the next call begins the next: `progress` after each is a place to go on from.
Refuses, with `VisitError`, orders that make no sense.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np

from appliance.clinic.signs import BEGINS_S, OVER_S, Signs
from appliance.clinic.stage import Stage
from appliance.clinic.terms import (
    DARK,
    Act,
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
    Show,
    View,
    VisitState,
    Zeroed,
)
from appliance.config import Feedback
from appliance.errors import VisitError
from appliance.records import Notice, Step

Acts = tuple[Act, ...]
Why = Literal["done", "skipped"]
S = TypeVar("S", bound=Stage)


class Blockwise(ABC, Generic[S]):
    """A plan from its first frame to `Over`; `progress` is where one that was broken off goes on."""

    what: ClassVar[str]
    """What people call it: "visit"."""
    again: ClassVar[str]
    """The remedy for orders to one that is over."""
    resting: ClassVar[frozenset[Kind]] = frozenset()
    """Blocks whose end the bar has shown all along."""

    def __init__(
        self,
        plan: Plan,
        t0_s: float,
        *,
        progress: Progress = Progress(),  # noqa: B008 - frozen
        zero_deg: float = 0.0,
        settings: Feedback = Feedback(),  # noqa: B008 - frozen
    ) -> None:
        self.check(plan)
        self._plan, self._settings, self._t0_s = plan, settings, t0_s
        self._from_s = self._at_s = self._turned_s = progress.at_s
        self._n = progress.block
        self._baseline = progress.baseline
        self._zeroed_deg = progress.zero_deg
        self._zero_deg = zero_deg if progress.zero_deg is None else progress.zero_deg
        self._stage = self._first(self._block, progress)
        self._lit: Aim | None = None
        self._signs = Signs(progress.at_s)
        self.state = VisitState.PAUSED if progress.paused else VisitState.RUNNING

    # what each kind of plan says for itself

    @staticmethod
    @abstractmethod
    def check(plan: Plan) -> None:
        """Refuses plans of another kind."""

    @abstractmethod
    def _first(self, block: Block, progress: Progress) -> S:
        """The block to begin or to go on with."""

    @abstractmethod
    def _next(self, block: Block, left: S) -> S:
        """The block that comes now, before it begins; `left` is the one that is over."""

    @abstractmethod
    def _count(self, went_s: float, moment: np.void | None, steps: tuple[Step, ...]) -> Acts:
        """One frame, or None while none comes; `went_s` since the last one, or since the block began or went on."""

    @abstractmethod
    def _aim(self) -> Aim:
        """What the block's figures are set to."""

    def _leaving(self, why: Why) -> Acts:
        """What is found when a block ends."""
        return ()

    # for its owner

    @property
    def progress(self) -> Progress:
        """From where it can go on."""
        return Progress(
            at_s=self._at_s,
            block=self._n,
            ran_s=self._stage.ran_s,
            paused=self.state is VisitState.PAUSED,
            baseline=self._baseline,
            zero_deg=self._zeroed_deg,
            own=self._stage.kept(),
        )

    def feed(self, t_s: float, moment: np.void, steps: tuple[Step, ...]) -> Acts:
        """One frame, its row of `MOMENT` and the steps that were decided in it."""
        return self._turn(t_s, moment, steps)

    def silent(self, t_s: float) -> Acts:
        """No frame has come by now."""
        return self._turn(t_s, None, ())

    def order(self, order: Order, t_s: float, words: str = "") -> Acts:
        """What somebody asks for."""
        if self._ended:
            raise VisitError(f"the {self.what} is over", fix=self.again)
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
        """How it stands, for people."""
        stage, lit = self._stage, self._lit or DARK
        block, passed_s = stage.block, self._from_s + t_s - self._t0_s
        return View(
            block=min(self._n, len(self._plan.blocks) - 1),
            blocks=len(self._plan.blocks),
            kind=block.kind.value,
            name=block.name,
            planned_s=block.seconds,
            ran_s=stage.ran_s,
            at_s=passed_s if passed_s > self._at_s and not self._ended else self._at_s,
            paused=self.state is VisitState.PAUSED,
            waiting=stage.waiting if self.state is VisitState.RUNNING else "",
            lit=lit.mode != "off",
            mode=lit.mode,
            target_deg=lit.target_deg,
            band_deg=lit.band_deg,
            cue=block.cue,
        )

    # time

    @property
    def _ended(self) -> bool:
        return self.state not in (VisitState.RUNNING, VisitState.PAUSED)

    @property
    def _block(self) -> Block:
        """The plan's block that it has come to; after the last one, that one again."""
        return self._plan.blocks[min(self._n, len(self._plan.blocks) - 1)]

    def _turn(self, t_s: float, moment: np.void | None, steps: tuple[Step, ...]) -> Acts:
        if self._ended:
            return ()
        self._go(t_s)
        acts = self._opening()
        went_s, self._turned_s = self._at_s - self._turned_s, self._at_s
        acts += self._count(went_s, moment, steps)
        return acts + self._closing() + self._told() + self._light()

    def _go(self, t_s: float) -> None:
        """The visit's time goes on to that of the camera, never back."""
        at_s = self._from_s + (t_s - self._t0_s)
        if self._at_s < at_s < math.inf:  # false for NaN
            self._at_s = at_s

    # blocks

    def _opening(self) -> Acts:
        """Begins the block that is next, unless it has begun."""
        if self._stage.begun or self._n >= len(self._plan.blocks):
            return ()
        self._stage.begin(self._at_s)
        self._turned_s = self._at_s
        return (BlockBegan(self._at_s, self._n),)

    def _closing(self) -> Acts:
        """Ends the block when all of it is done."""
        if self._n >= len(self._plan.blocks):  # broken off between the last block and the end
            return self._over(VisitState.DONE)
        if self.state is not VisitState.RUNNING or not self._stage.full:
            return ()
        return self._zeroed() if self._stage.block.kind is Kind.STAND else self._end("done")

    def _zeroed(self) -> Acts:
        stage = self._stage
        stood = stage.stillness.stood(self._zero_deg)
        if stood.why:
            stage.ran_s, stage.hint = 0.0, stood.why
            return (Noted(self._at_s, "no zero", stood.why),)
        self._zero_deg += stood.mean_deg
        self._zeroed_deg = self._zero_deg
        return self._end("done", (Zeroed(self._at_s, self._zero_deg, stood.spread_deg, stood.seconds),))

    def _end(self, why: Why, found: Acts = ()) -> Acts:
        """The block is over; the next call begins the next one, or the visit is over too."""
        left = self._stage
        acts = (BlockEnded(self._at_s, self._n, why, left.ran_s), *found, *self._leaving(why))
        self._n += 1
        self._stage = self._next(self._block, left)
        if self._n >= len(self._plan.blocks):
            return (*acts, *self._over(VisitState.DONE))
        if self.state is VisitState.PAUSED:
            self._stage.halt(self._at_s, paused=True)
        if left.block.kind not in self.resting:
            return (*acts, self._signs.ended(self._at_s))
        self._signs.afresh(self._at_s)
        return acts

    def _over(self, state: VisitState) -> Acts:
        self.state = state
        return (*self._light(), Show(self._at_s, Notice.ENDS, OVER_S), Over(self._at_s, state))

    # orders

    def _stopped(self, words: str) -> Acts:
        noted = (Noted(self._at_s, "stop", words),) if words else ()
        ran_s = self._stage.ran_s
        ended = (BlockEnded(self._at_s, self._n, "stopped", ran_s),) if self._stage.begun else ()
        return (*noted, *ended, *self._over(VisitState.STOPPED))

    def _held(self, order: Order, words: str) -> Acts:
        """Pause and resume: the block opens anew on the bar, not in the books."""
        wanted = VisitState.PAUSED if order is Order.PAUSE else VisitState.RUNNING
        if self.state is wanted:
            how, other = ("paused", "resume") if order is Order.PAUSE else ("running", "pause")
            fix = f"`hipbar visit {other}` does the opposite"
            raise VisitError(f"the {self.what} is {how} already", fix=fix)
        self.state, self._turned_s = wanted, self._at_s
        self._signs.afresh(self._at_s)
        self._stage.halt(self._at_s, paused=wanted is VisitState.PAUSED)
        return (Noted(self._at_s, order.value, words), *self._light(), *self._told())

    # bar

    def _told(self) -> Acts:
        """What the bar says beside measurements."""
        if self._ended:
            return ()
        return self._signs.now(self._at_s, self._stage, paused=self.state is VisitState.PAUSED)

    @property
    def _figures(self) -> bool:
        """Whether the runner sees figures: not while it is paused, or the bar says something else."""
        stage = self._stage
        if self.state is not VisitState.RUNNING or stage.opened_s is None or not stage.figures:
            return False
        return self._at_s >= stage.opened_s + BEGINS_S

    def _light(self) -> Acts:
        """What the runner sees from now on, where that is something else than before."""
        aim = DARK
        if self._figures:
            aim = self._stage.aim or self._aim()
            self._stage.aim = aim
        if aim is self._lit or aim == self._lit:
            return ()
        self._lit = aim
        return (Lit(self._at_s, aim),)
