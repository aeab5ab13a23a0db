"""Frames, orders and presses become the visit that runs: its light through the settings, its record through the writer.

One visit at a time, hosted by the service and fed by the loop between two frames, after the light. Seconds of the
camera's clock as `t_s`, of the visit as `at_s`. What the visit's machine answers is handed on: settings to a thread
that asks the steward, pictures to the face, everything to the store. Refuses nothing to the loop: what can't be kept is
a trouble in words, and the bar goes on.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

import msgspec

from appliance.clinic.machine import Machine, machine_of
from appliance.clinic.terms import (
    DARK,
    Act,
    Aim,
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
from appliance.records import Press, PressKind, Update
from appliance.station.books import Chunk
from appliance.station.face import Said
from appliance.station.hands import Hands
from appliance.station.minutes import Minutes, Stretch
from appliance.station.told import Visit
from appliance.station.wallclock import Note
from appliance.station.wishes import Wishes
from appliance.store.writer import Writer

_LOOKS_S = 0.25
_SLIP_S = 0.5
_ZERO = "motion.zero_deg"
"""A camera's clock that goes back by more than this has begun anew."""
_log = logging.getLogger("hipbar.visits")


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A visit that the store knows, before its first frame here. progress : from where it goes on.

    waits_s : one that was paused by a power cut is stopped when nobody has let it go on after so long.
    """

    id: int
    runner: str | None
    plan: Plan
    began_s: float
    spans: int = 0
    progress: Progress = Progress()
    waits_s: float | None = None


class _Running(msgspec.Struct):
    """The visit that is fed. fallback : the settings of the bar without it. zero_deg : in force, as machine knows.

    lit : what the record says of the bar.
    """

    visit: Admitted
    machine: Machine
    minutes: Minutes
    fallback: Feedback
    zero_deg: float
    lit: Aim = DARK
    span_due: bool = True
    view: View | None = None
    looked_s: float = float("-inf")


class Visits:
    """The host. writer : of the store. hands : who bring settings into force. note : what the clocks show now."""

    def __init__(self, writer: Writer, hands: Hands, note: Callable[[], Note]) -> None:
        self.writer, self.hands, self._note = writer, hands, note
        self._wishes = Wishes()
        self._stretch: Stretch | None = None
        self._coming: Admitted | None = None
        self._now: _Running | None = None
        self._t_s = float("-inf")
        self._notice: tuple[Said, float] | None = None
        self.begin: Callable[[], None] = lambda: None
        """What a press of the button does while no visit runs."""

    # the loop's side

    def entered(self, stretch: Stretch) -> None:
        """A loop begins, with a pipeline that knows nothing yet."""

        def take() -> None:
            self._stretch = stretch
            if self._now:
                self._now.span_due = True

        self._wishes.entered(take)

    def left(self) -> None:
        """The loop has ended, its last chunk is in."""

        def drop() -> None:
            self._stretch = None
            if self._now:
                self._now.minutes.leave()

        self._wishes.left(drop)

    def turn(self, update: Update | None, now_s: float) -> None:
        """Between two frames: what somebody has asked for, then what this frame brought (None = no frame)."""
        self._wishes.turn()
        if update is not None:
            self._feed(update)
        elif self._now and self._now.minutes.on:
            self._t_s = max(self._t_s, now_s)
            self._happen(self._now, self._now.machine.silent(now_s))

    def keep(self, chunk: Chunk) -> None:
        """A second of frames and steps, on its way to the store."""
        if self._now:
            self._now.minutes.keep(chunk, self._now.machine.progress)

    def close(self) -> None:
        """A book's end: the loop's, not the visit's."""

    def press(self, press: Press) -> None:
        """The button: begins, marks, lets go on, and ends."""
        now = self._now
        if now is None:
            if press.kind is PressKind.SHORT and self._coming is None:
                self.hands.do(self.begin)
            return
        paused = now.machine.state is VisitState.PAUSED
        short = Order.RESUME if paused else Order.MARK
        order = {PressKind.SHORT: short, PressKind.LONG: Order.STOP}.get(press.kind)
        if order:
            with contextlib.suppress(VisitError):
                self._order(order, "button")

    def says(self, now_s: float) -> Said | None:
        """What the bar says of the visit instead of a figure, if anything now; with a rest's share that is over."""
        if self._notice is None or now_s < self._notice[1]:
            return self._notice and self._notice[0]
        self._notice = None
        return None

    # everybody else's

    @property
    def free(self) -> bool:
        """Whether no visit runs or is about to."""
        return self._now is None and self._coming is None

    def admit(self, visit: Admitted) -> None:
        """A visit that the store knows begins, or goes on, with the next frame; under its own zero if it has one.

        What the visit before it wanted is over by then: no frame is measured under the zero of another.
        """
        if self.free and visit.progress.zero_deg is not None:
            self.hands.want({_ZERO: visit.progress.zero_deg})
        self.hands.settle()
        try:
            self._wishes.ask(lambda: self._admit(visit))
        except VisitError:
            if self.free:
                self.hands.want(None)
            raise

    def order(self, order: Order, words: str = "") -> None:
        """Steers the visit that runs; returns when what that brought about is on the disk."""
        self._wishes.ask(lambda: self._order(order, words))
        self.writer.settle()

    @property
    def told(self) -> Visit | None:
        """The visit that runs, for the status."""
        now, coming = self._now, self._coming
        visit = now.visit if now else coming
        if visit is None:
            return None
        held = self.writer.held
        mine = held.visit == visit.id
        paused = now.machine.state is VisitState.PAUSED if now else visit.progress.paused
        return Visit(
            id=visit.id,
            runner=visit.runner,
            kind=visit.plan.kind,
            protocol=visit.plan.protocol,
            number=visit.plan.number,
            visits=visit.plan.visits,
            state=VisitState.PAUSED if paused else VisitState.RUNNING,
            began_s=visit.began_s,
            view=now.view if now else None,
            kept_steps=held.steps if mine else 0,
            kept_s=held.at_s if mine else 0.0,
            trouble=held.trouble or self.hands.trouble,
        )

    def assigned(self, number: int, runner: str) -> None:
        """Somebody has said whose visit it is."""
        now = self._now
        if now and now.visit.id == number:
            now.visit = msgspec.structs.replace(now.visit, runner=runner)

    def end(self) -> None:
        """The service ends: the visit stays open in the store, to go on or to be closed by the next one."""
        self.writer.close()
        self.hands.close()

    # the loop's own thread, or whoever asks while there is none

    def _admit(self, visit: Admitted) -> None:
        if not self.free:
            raise VisitError("a visit runs already", fix="`hipbar visit stop` ends it")
        if self._stretch:
            self._stretch.flush()
            self._stretch.pipeline.restart()
        self._coming = visit

    def _feed(self, update: Update) -> None:
        if self._coming and self._stretch:
            self._meet(self._coming, self._stretch, update.t_s)
        now, went_back = self._now, update.t_s < self._t_s - _SLIP_S
        self._t_s = update.t_s
        if now is None:
            return
        if went_back or self._other_zero(now):
            now.machine = self._made(now.visit, update.t_s, now.machine.progress, now.fallback)
            now.span_due = True
        acts = now.machine.feed(update.t_s, update.moment, update.steps)
        if now.span_due and self._stretch:
            now.minutes.begin(self._stretch, update.t_s, now.machine.progress.at_s)
            now.span_due = False
        self._happen(now, acts)
        self._mind_waiting(now)
        if not 0 <= update.t_s - now.looked_s < _LOOKS_S:
            self._look(now)

    def _other_zero(self, now: _Running) -> bool:
        """Whether somebody has calibrated the station's zero meanwhile, and the visit has none of its own yet."""
        if self._stretch is None or now.machine.progress.zero_deg is not None:
            return False
        before_deg, now.zero_deg = now.zero_deg, self._stretch.settings.motion.zero_deg
        return now.zero_deg != before_deg

    def _mind_waiting(self, now: _Running) -> None:
        """One that was cut off does not wait for ever."""
        waits_s, since_s = now.visit.waits_s, now.visit.progress.at_s
        if waits_s is None or now is not self._now:
            return
        if now.machine.state is not VisitState.PAUSED:
            now.visit = msgspec.structs.replace(now.visit, waits_s=None)
        elif now.machine.progress.at_s - since_s > waits_s:
            self._order(Order.STOP, "cut off, and nobody let it go on")

    def _meet(self, visit: Admitted, stretch: Stretch, t_s: float) -> None:
        """The visit's first frame."""
        self._coming, self._t_s = None, t_s
        fallback, zero_deg = stretch.pipeline.settings.feedback, stretch.settings.motion.zero_deg
        machine = self._made(visit, t_s, visit.progress, fallback)
        minutes = Minutes(self.writer, visit.id, visit.spans, self._note)
        self._now = _Running(visit, machine, minutes, fallback, zero_deg)

    def _made(self, visit: Admitted, t0_s: float, progress: Progress, fallback: Feedback) -> Machine:
        zero_deg = self._stretch.settings.motion.zero_deg if self._stretch else 0.0
        return machine_of(visit.plan, t0_s, progress=progress, zero_deg=zero_deg, settings=fallback)

    def _order(self, order: Order, words: str) -> None:
        now = self._now
        if now is None and self._coming and order is Order.STOP:
            self._give_up(self._coming, words)
            return
        if now is None:
            waits = "the visit waits for its first frame" if self._coming else "no visit runs"
            fix = "`hipbar visit stop` ends it" if self._coming else "`hipbar visit start RUNNER` begins one"
            raise VisitError(waits, fix=fix)
        self._happen(now, now.machine.order(order, self._t_s, words))
        self._look(now)

    def _give_up(self, visit: Admitted, words: str) -> None:
        """One that has not had a frame of this process is ended where it was."""
        self._coming = None
        minutes = Minutes(self.writer, visit.id, visit.spans, self._note)
        at_s, state = visit.progress.at_s, VisitState.STOPPED
        for act in (Noted(at_s, Order.STOP, words), Over(at_s, state)):
            minutes.happened(act, visit.progress, state)

    def _happen(self, now: _Running, acts: tuple[Act, ...]) -> None:
        for act in acts:
            if isinstance(act, Show):
                self._notice = ((act.notice, act.share), self._t_s + act.seconds)
                continue
            if isinstance(act, Over) and self._stretch:
                self._stretch.flush()  # the last frames belong to it
            now.minutes.happened(act, now.machine.progress, now.machine.state)
            if isinstance(act, Lit):
                now.lit = act.aim
                self.hands.want(act.aim.settings())
            elif isinstance(act, Zeroed):
                self.hands.want({_ZERO: act.zero_deg})
            elif isinstance(act, Over):
                self._now = None
                self.hands.want(None)
                _log.info("visit %d is over: %s", now.visit.id, act.state)

    def _look(self, now: _Running) -> None:
        """How the visit stands, a few times a second: others read it while the loop goes on."""
        now.looked_s, now.view = self._t_s, now.machine.view(self._t_s)
        if now is self._now and self._stretch and now.minutes.on and self.hands.quiet:
            self._mind_bar(now, self._stretch.aim)

    def _mind_bar(self, now: _Running, aim: Aim) -> None:
        """Where the bar shows something else than the visit wants, because somebody tries it, the record says so."""
        if aim.settings().items() >= now.lit.settings().items():
            return
        now.lit, progress = aim, now.machine.progress
        now.minutes.happened(Lit(progress.at_s, aim), progress, now.machine.state)
