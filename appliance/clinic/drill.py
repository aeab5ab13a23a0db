"""Frames and orders of one exercise become what happens in it: sets, repetitions, holds, rests, words on the bar.

A pure machine with the face of `Session`: time is an argument, and the same inputs give the same acts, bit for bit.
`t_s` is the camera's clock; `at_s` the visit's own time. At work the bar shows the live pelvis, at rest how much of the
rest is over. What visits and exercises have in common is in `Blockwise`; here is what counts as done. Refuses, with
`VisitError`, plans that are no exercise's.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from appliance.clinic.blockwise import Acts, Blockwise
from appliance.clinic.terms import Aim, Block, Kind, Noted, Progress, Rep, View, VisitState
from appliance.clinic.work import WORK, Part, Seen, check, restored
from appliance.records import Step


class Drill(Blockwise[Part]):
    """One exercise, from its first frame to `Over`; `progress` is where one that was broken off goes on."""

    what = "exercise"
    again = "`hipbar exercise start RUNNER NAME` begins another"
    check = staticmethod(check)
    resting = frozenset({Kind.REST})

    def view(self, t_s: float) -> View:
        """How the exercise stands, for people."""
        part, block = self._stage, self._stage.block
        works = block.kind in WORK
        return msgspec.structs.replace(
            super().view(t_s),
            band_deg=block.band_deg,
            side=block.side.value if block.side else None,
            set_number=block.set_number,
            reps=part.done if works else None,
            reps_wanted=part.wanted if works else None,
            held_s=part.hold.held_s if part.hold else None,
            held_wanted_s=block.hold_s,
        )

    def _first(self, block: Block, progress: Progress) -> Part:
        return restored(block, progress)

    def _next(self, block: Block, left: Part) -> Part:
        """Where the pelvis lay in a rest, it is lifted from."""
        return Part(block=block, lowest_px=left.lowest_px if left.block.kind is Kind.REST else math.inf)

    def _count(self, went_s: float, moment: np.void | None, steps: tuple[Step, ...]) -> Acts:
        """Time of rests, standing still, or work once the bar has said that it begins; steps are of no use here."""
        part, kind = self._stage, self._stage.block.kind
        if self.state is not VisitState.RUNNING or not part.begun:
            return ()
        seen = Seen(self._at_s)
        if moment is not None:
            angle_deg, height_px = float(moment["obliquity_deg"]), float(moment["height_px"])
            seen = Seen(self._at_s, angle_deg, height_px, int(moment["posture"]))
        looked = part.look(seen)
        if kind is Kind.STAND:
            part.stand(seen.at_s, seen.angle_deg, seen.posture)
        elif kind is Kind.REST:
            part.ran_s += went_s
        else:
            part.worked_s += went_s
            if part.pause_s > 0:
                part.pause_s -= went_s
            elif self._figures:
                return self._worked(looked, went_s)
        return ()

    def _worked(self, seen: Seen, went_s: float) -> Acts:
        part, block = self._stage, self._stage.block
        done = part.work(seen, went_s)
        if done is None:
            return ()
        in_deg = None if block.measure in ("height", "time") else done.way
        rep = Rep(self._at_s, self._n, part.done, done.began_s, done.ended_s, in_deg, done.held_s)
        if part.pause_s <= 0:
            return (rep,)
        part.opened_s = None
        return (rep, self._signs.ended(self._at_s))

    def _closing(self) -> Acts:
        """Ends the block also when nobody does it any more."""
        part = self._stage
        if self.state is VisitState.RUNNING and part.given_up:
            words = f"{part.done} of {part.wanted} in {part.worked_s:.0f} s"
            return (Noted(self._at_s, "given up", words), *self._end("skipped"))
        return super()._closing()

    def _aim(self) -> Aim:
        return Aim(mode=self._stage.block.mode)
