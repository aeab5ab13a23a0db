"""An exercise's machine in any order of frames, silences, clock faults, orders and restarts."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from appliance.clinic.drill import Drill
from appliance.clinic.terms import (
    Block,
    Kind,
    Order,
    VisitKind,
    VisitState,
)
from appliance.clinic.work import WORK
from appliance.errors import VisitError
from appliance.records import MOMENT, Posture, Side
from tests.clinic.machines import ANY_ORDER, Told, kept, planned

SECONDS = st.floats(1.0, 15.0)
SIDES = st.sampled_from([*Side, None])
WORKS = st.one_of(
    st.builds(
        Block,
        kind=st.just(Kind.HOLD),
        seconds=SECONDS,
        side=SIDES,
        mode=st.sampled_from(["live", "off"]),
        reps=st.integers(1, 3),
        hold_s=st.floats(1.0, 6.0),
        pause_s=st.floats(2.0, 6.0),
        band_deg=st.floats(1.0, 5.0),
        range_px=st.floats(5.0, 30.0),
        measure=st.sampled_from(["angle", "height", "time"]),
    ),
    st.builds(
        Block,
        kind=st.just(Kind.REPS),
        seconds=SECONDS,
        side=SIDES,
        mode=st.sampled_from(["live", "off"]),
        reps=st.integers(1, 4),
        range_deg=st.floats(2.0, 8.0),
        range_px=st.floats(5.0, 30.0),
        measure=st.sampled_from(["angle", "height"]),
    ),
)
OTHERS = st.builds(Block, kind=st.sampled_from([Kind.STAND, Kind.REST]), seconds=SECONDS)


class AnyOrder(RuleBasedStateMachine):
    """What holds for every exercise, however it goes."""

    @initialize(blocks=st.lists(st.one_of(WORKS, OTHERS), max_size=4), last=WORKS)
    def begin(self, blocks: list[Block], last: Block) -> None:
        self.plan = planned(VisitKind.EXERCISE, (*blocks, last))
        self.t_s = 1000.0
        self.drill = Drill(self.plan, self.t_s)
        self.told = Told()

    @rule(
        seconds=st.floats(0.01, 12.0),
        seen=st.booleans(),
        size=st.sampled_from([0.05, 3.0, 10.0]),
        period_s=st.floats(0.5, 5.0),
    )
    def goes_on(self, seconds: float, seen: bool, size: float, period_s: float) -> None:
        row = np.zeros(1, MOMENT)
        for _ in range(max(1, round(seconds * 20))):
            self.t_s += 0.05
            wave = size * math.sin(2 * math.pi * self.t_s / period_s)
            row["posture"] = Posture.STANDING if seen else Posture.UNSEEN
            row["obliquity_deg"], row["height_px"] = (wave, 5 * wave) if seen else (math.nan, math.nan)
            self.told.take(self.drill.feed(self.t_s, row[0], ()))

    @rule(seconds=st.one_of(st.floats(0.0, 200.0), st.sampled_from([-3600.0, math.nan, math.inf])))
    def falls_silent_or_the_clock_jumps(self, seconds: float) -> None:
        self.told.take(self.drill.silent(self.t_s + seconds))
        if 0 < seconds < math.inf:
            self.t_s += seconds

    @rule(order=st.sampled_from(list(Order)), often=st.integers(0, 4))
    def somebody_orders(self, order: Order, often: int) -> None:
        if order is Order.STOP and often:
            return
        before = self.drill.progress
        try:
            self.told.take(self.drill.order(order, self.t_s, "words"))
        except VisitError:
            assert msgspec.structs.replace(self.drill.progress, at_s=before.at_s) == before

    @rule()
    def the_station_starts_anew(self) -> None:
        if self.told.overs:
            return
        again = kept(self.drill.progress)
        self.t_s += 500.0
        self.drill = Drill(self.plan, self.t_s, progress=again)
        standing = self.plan.blocks[min(again.block, len(self.plan.blocks) - 1)].kind is Kind.STAND
        ran_s = 0.0 if standing else again.ran_s  # standing still is unbroken, or begins anew
        restored = msgspec.structs.replace(self.drill.progress, own={})
        assert restored == msgspec.structs.replace(again, own={}, ran_s=ran_s)
        self.told.lit = None

    @invariant()
    def the_bar_is_dark_but_at_work(self) -> None:
        if self.told.figures:
            assert self.plan.blocks[len(self.told.began) - 1].kind in WORK
            assert self.drill.state is VisitState.RUNNING
            assert self.told.inside

    @invariant()
    def the_end_is_told_once_and_the_last_block_with_it(self) -> None:
        self.told.holds_the_end(self.drill.state, len(self.plan.blocks))

    @invariant()
    def no_set_has_more_than_was_asked_for(self) -> None:
        for n, many in self.told.reps.items():
            assert many <= (self.plan.blocks[n].reps or 1)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = ANY_ORDER
