"""Frames, steps and orders of one visit become what happens in it: blocks, light, baselines, words on the bar.

A pure machine: time is an argument, and the same inputs give the same acts, bit for bit. `t_s` is the camera's clock;
`at_s` the visit's own time. Drops by STANCE side. What visits and exercises have in common is in `Blockwise`; here are
baselines, and the aims that follow from them. Refuses, with `VisitError`, plans that are no visit's.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from appliance.clinic.blockwise import Acts, Blockwise, Why
from appliance.clinic.here import Here, check, late_of, restored
from appliance.clinic.target import aim_of
from appliance.clinic.terms import Aim, Block, Kind, Measured, Noted, Progress, View, VisitState
from appliance.records import Posture, Step

SETTLED_S = 1.0
"""So long after its contact every step has been told; sooner than any light is lit that goes by a baseline."""


class Session(Blockwise[Here]):
    """One visit, from its first frame to `Over`; `progress` is where one that was broken off goes on."""

    what = "visit"
    again = "`hipbar visit start RUNNER` begins the next one"
    check = staticmethod(check)

    @property
    def progress(self) -> Progress:
        """From where the visit can go on; also with a baseline whose last steps have not been told yet."""
        kept = super().progress
        late = {"late": self._late.gathered.kept()} if self._late else {}
        return msgspec.structs.replace(kept, own=kept.own | late)

    def view(self, t_s: float) -> View:
        """How the visit stands, for people."""
        gathered = self._stage.gathered
        return msgspec.structs.replace(
            super().view(t_s), left_steps=gathered.left.steps, right_steps=gathered.right.steps
        )

    def _first(self, block: Block, progress: Progress) -> Here:
        self._late, self._late_s = late_of(self._plan, progress), progress.at_s
        return restored(block, progress)

    def _next(self, block: Block, left: Here) -> Here:
        return Here(block=block)

    def _count(self, went_s: float, moment: np.void | None, steps: tuple[Step, ...]) -> Acts:
        if steps:
            self._gather(steps)
        if self.state is not VisitState.RUNNING or not self._stage.begun:
            return self._settled()
        angle_deg, posture = math.nan, int(Posture.UNSEEN)
        if moment is not None:
            angle_deg, posture = float(moment["obliquity_deg"]), int(moment["posture"])
        self._stage.count(self._at_s, went_s, angle_deg, posture)
        return self._stage.absence(self._at_s, went_s, posture) + self._settled()

    def _gather(self, steps: tuple[Step, ...]) -> None:
        """Steps are told some tenths of a second after their contact: to a baseline also once its block is over."""
        for step in steps:
            contact_s = self._from_s + (step.contact_s - self._t0_s)
            if self._stage.begun:
                self._stage.gather(step, contact_s)
            if self._late:
                self._late.gather(step, contact_s, self._late_s)

    # baselines

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

    def _leaving(self, why: Why) -> Acts:
        here = self._stage
        if here.block.kind is not Kind.BASELINE or (why == "skipped" and here.gathered.short_of()):
            return ()
        found = self._measured()  # of a baseline before, if there is one still
        self._late, self._late_s = here, self._at_s
        return found

    def _over(self, state: VisitState) -> Acts:
        return (*self._measured(), *super()._over(state))

    def _aim(self) -> Aim:
        block = self._stage.block
        return aim_of(block.mode, block.target, self._plan.first_baseline, self._baseline, self._settings)
