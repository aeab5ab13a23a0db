"""What people ask of visits becomes plans for the host: which visit is next, by which protocol, and whose it is.

Runs in whichever thread asks, never in the loop's: it reads the store and the clinic's files. Refuses, with
`VisitError`, a second visit, a course that is finished, and names that there are not; the station goes on as it was.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from appliance.clinic import cue
from appliance.clinic.exercise import drill_plan, parse_exercise
from appliance.clinic.here import check
from appliance.clinic.protocol import next_number
from appliance.clinic.rows import VisitData
from appliance.clinic.terms import Order, Plan, Progress
from appliance.config import Settings
from appliance.errors import HipbarError, OutputError, StoreError, VisitError
from appliance.motion.edition import EDITION
from appliance.station.link import AskVisit
from appliance.station.told import Ready, Visit
from appliance.station.visits import Admitted, Visits
from appliance.station.wallclock import Note
from appliance.store import texts
from appliance.store.clocks import Clocks
from appliance.store.items import Begin
from appliance.store.recover import close_interrupted, recover
from appliance.store.store import Store

OPEN = "open"
"""The shipped protocol that the button begins when nobody has said which."""

_log = logging.getLogger("hipbar.visits")


def may_visit(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the station itself, not a tool's own service, which keeps nothing."""
    return environ.get("HIPBAR_RECORD") != "no"


class Reception:
    """settings : those in force. note : what the clocks show now. `ready` is what the button begins."""

    def __init__(
        self,
        visits: Visits,
        state: Path,
        settings: Callable[[], Settings],
        software: str,
        note: Callable[[], Note],
    ) -> None:
        self._visits, self._state, self._settings = visits, state, settings
        self._software, self._note = software, note
        self.ready: Ready | None = None
        self._one, self._looked = threading.RLock(), False
        self.trouble: str | None = None
        """Why nothing is known of a visit that was cut off, in words."""
        visits.begin = self.press

    def steer(self, ask: AskVisit) -> Visit | None:
        """One request of the control link; how the visit stands then."""
        if ask.do and not may_visit():
            fix = "`sudo systemctl start hipbar` starts the station itself"
            raise VisitError("a tool's own service keeps no visits", fix=fix)
        if ask.do == "start":
            self._start(ask)
        elif ask.do == "ready":
            self._get_ready(ask)
        elif ask.do == "assign":
            self._assign(ask)
        elif ask.do:
            self._visits.order(Order(ask.do), ask.words)
        return self._visits.told

    def press(self) -> None:
        """Somebody has pressed the button while no visit runs."""
        if not (self._settings().clinic.button and may_visit() and self._visits.free):
            return
        armed, self.ready = self.ready, None
        ready = armed or Ready(protocol=OPEN)
        try:
            self._begin(ready.runner, *self._visit_plan(ready.runner, ready.protocol, ready.number))
        except OutputError:  # another press may work; a runner who was forgotten meanwhile stays so
            self.ready = armed
            raise

    def resume(self) -> None:
        """At the first loop of a service: a visit that was cut off goes on, waits, or is closed."""
        with self._one:
            if self._looked:
                return
            try:
                self._resume()
            except HipbarError as error:
                self.trouble = f"visits can't be kept: {error}; {error.fix}"
                raise
            self._looked, self.trouble = True, None

    def _resume(self) -> None:
        if not may_visit() or not (self._state / "clinic.db").exists():
            return
        if not self._visits.free:  # begun before anybody looked: it was not cut off
            return
        note = self._note()
        now = Clocks(
            wall_s=note.wall_s, boot_id=note.boot_id, mono_s=note.monotonic_s, clock_set=note.synchronised
        )
        cut = recover(self._state, now)
        if cut is None:
            return
        visit, most_s = cut.visit, 60.0 * self._settings().clinic.resume_min
        if visit.plan is None or not 0 <= (cut.gap_s or 0.0) <= most_s:
            close_interrupted(self._state, visit.id)
            _log.warning("visit %d was cut off and is closed: it can't go on after so long", visit.id)
            return
        with Store.open(self._state) as store:
            data = store.data(visit.id)
        self._go_on(data, note.boot_id, most_s)

    def _go_on(self, data: VisitData, boot_id: str, most_s: float) -> None:
        """By itself where only the service has ended; where the power went, when somebody says so."""
        visit, spans = data.visit, data.spans
        assert visit.plan
        progress = visit.progress or Progress()
        of_this_boot = bool(spans) and spans[-1].boot_id == boot_id
        if not of_this_boot:
            progress = msgspec.structs.replace(progress, paused=True)
        waits = progress.paused and not (of_this_boot and _wanted_pause(data))
        self._visits.writer.resume(visit.id)
        self._visits.admit(
            Admitted(
                id=visit.id,
                runner=visit.runner,
                plan=visit.plan,
                began_s=visit.began_s,
                spans=1 + max((span.n for span in spans), default=-1),
                progress=progress,
                waits_s=most_s if waits else None,
            )
        )
        _log.warning("visit %d was cut off and goes on%s", visit.id, ", paused" if progress.paused else "")

    def _start(self, ask: AskVisit) -> None:
        if not self._visits.free:
            raise VisitError("a visit runs already", fix="`hipbar visit stop` ends it")
        runner = self._known(ask.runner)
        if ask.kind == "visit":
            plan, text = self._visit_plan(runner, ask.protocol, ask.number)
        elif ask.kind == "cue trial":
            found = texts.cues(self._state)
            wanted = cue.named(found.parsed(cue.parse_cues), ask.name)
            plan, text = cue.cue_plan(wanted, ask.number or cue.PART_S), found.text
        else:
            exercise = texts.text(self._state, "exercises", ask.name)
            plan, text = drill_plan(exercise.parsed(parse_exercise)), exercise.text
        self._begin(runner, plan, text)
        if self.ready == Ready(runner=runner, protocol=plan.protocol, number=plan.number):
            self.ready = None  # the button would begin that visit once more

    def _get_ready(self, ask: AskVisit) -> None:
        """The next press of the button begins this; without a runner, nothing more is ready."""
        if not ask.runner:
            self.ready = None
            return
        runner = self._known(ask.runner)
        plan, _ = self._visit_plan(runner, ask.protocol, ask.number)
        self.ready = Ready(runner=runner, protocol=plan.protocol, number=plan.number)

    def _assign(self, ask: AskVisit) -> None:
        with Store.open(self._state) as store:
            store.assign(ask.visit, ask.runner)
            runner = store.runner(ask.runner).code
        self._visits.assigned(ask.visit, runner)

    def _known(self, code: str) -> str:
        if not code:
            raise VisitError("whose visit?", fix="name the runner's code; `hipbar runner list` has them")
        try:
            with Store.open(self._state) as store:
                return store.runner(code).code
        except StoreError as error:
            if (self._state / "clinic.db").exists():
                raise
            raise VisitError(
                f"there is no runner {code}", fix=f"`hipbar runner add {code}` adds that code"
            ) from error

    def _visit_plan(self, runner: str | None, name: str, number: int) -> tuple[Plan, str]:
        """A visit's plan and its protocol's text. number : 0 = the next one of this runner."""
        protocol, text = texts.protocol(self._state, name or self._settings().clinic.protocol)
        if runner is None:
            return protocol.plan(number or 1), text.text
        with Store.open(self._state) as store:
            rows = store.visits(runner, protocol=protocol.name)
            first = store.first_baseline(runner, protocol.name)
        chosen = number or next_number(protocol, rows)
        if chosen is None:
            raise VisitError(
                f"{runner} has finished the {protocol.visits} visits of {protocol.name}",
                fix="name one with --number, or another --protocol",
            )
        return protocol.plan(chosen, first), text.text

    def _begin(self, runner: str | None, plan: Plan, text: str) -> None:
        """Known to the store and to the host, or to neither; one after the other."""
        check(plan)
        with self._one:
            self._begin_now(runner, plan, text)

    def _begin_now(self, runner: str | None, plan: Plan, text: str) -> None:
        self.resume()  # what was cut off comes first, also where the card did not give it at the start
        if not self._visits.free:
            raise VisitError("a visit runs already", fix="`hipbar visit stop` ends it")
        note = self._note()
        begun = Begin(
            runner=runner,
            plan=plan,
            protocol_text=text,
            wall_s=note.wall_s,
            clock_set=note.synchronised,
            boot_id=note.boot_id,
            software=self._software,
            edition=EDITION,
        )
        number = self._visits.writer.begin(begun)
        try:
            self._visits.admit(Admitted(id=number, runner=runner, plan=plan, began_s=note.wall_s))
        except HipbarError:
            close_interrupted(self._state, number)
            raise
        _log.info("visit %d begins: %s %d", number, plan.protocol, plan.number)


def _wanted_pause(data: VisitData) -> bool:
    """Whether somebody has paused it, not a power cut."""
    last = next((event.kind for event in reversed(data.events) if event.kind in ("pause", "resume")), "")
    return last == Order.PAUSE
