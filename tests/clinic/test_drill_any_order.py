"""An exercise's machine in any order of frames, silences, clock faults, orders and restarts."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from appliance.clinic.drill import Drill
from appliance.clinic.terms import (
    DARK,
    Act,
    Aim,
    Block,
    BlockBegan,
    BlockEnded,
    Kind,
    Lit,
    Order,
    Over,
    Plan,
    Progress,
    Rep,
    Show,
    VisitKind,
    VisitState,
)
from appliance.clinic.work import WORK
from appliance.errors import VisitError
from appliance.records import MOMENT, Posture, Side

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
        self.plan = Plan(kind=VisitKind.EXERCISE, protocol="any", number=1, visits=0, blocks=(*blocks, last))
        self.t_s = 1000.0
        self.drill = Drill(self.plan, self.t_s)
        self.at_s = 0.0
        self.began: list[int] = []
        self.ended: list[int] = []
        self.reps: dict[int, int] = {}
        self.overs: list[VisitState] = []
        self.lit: Aim | None = None

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
            self.take(self.drill.feed(self.t_s, row[0], ()))

    @rule(seconds=st.one_of(st.floats(0.0, 200.0), st.sampled_from([-3600.0, math.nan, math.inf])))
    def falls_silent_or_the_clock_jumps(self, seconds: float) -> None:
        self.take(self.drill.silent(self.t_s + seconds))
        if 0 < seconds < math.inf:
            self.t_s += seconds

    @rule(order=st.sampled_from(list(Order)), often=st.integers(0, 4))
    def somebody_orders(self, order: Order, often: int) -> None:
        if order is Order.STOP and often:
            return
        before = self.drill.progress
        try:
            self.take(self.drill.order(order, self.t_s, "words"))
        except VisitError:
            assert msgspec.structs.replace(self.drill.progress, at_s=before.at_s) == before

    @rule()
    def the_station_starts_anew(self) -> None:
        if self.overs:
            return
        kept = msgspec.json.decode(msgspec.json.encode(self.drill.progress), type=Progress)
        self.t_s += 500.0
        self.drill = Drill(self.plan, self.t_s, progress=kept)
        standing = self.plan.blocks[min(kept.block, len(self.plan.blocks) - 1)].kind is Kind.STAND
        ran_s = 0.0 if standing else kept.ran_s  # standing still is unbroken, or begins anew
        again = msgspec.structs.replace(self.drill.progress, own={})
        assert again == msgspec.structs.replace(kept, own={}, ran_s=ran_s)
        self.lit = None

    def take(self, acts: tuple[Act, ...]) -> None:
        """Holds the acts of one call to what every exercise's acts are."""
        assert sum(isinstance(act, BlockEnded) for act in acts) <= 1
        for act in acts:
            assert self.at_s <= act.at_s < math.inf
            self.at_s = act.at_s
            assert not self.overs, "nothing after the end"
            if isinstance(act, BlockBegan):
                assert act.n == len(self.ended)
                assert len(self.began) - len(self.ended) == 0
                self.began.append(act.n)
            elif isinstance(act, BlockEnded):
                assert act.n == self.began[-1] == len(self.ended)
                self.ended.append(act.n)
            elif isinstance(act, Rep):
                assert act.n == len(self.began) - 1
                assert act.number == self.reps.get(act.n, 0) + 1
                assert act.began_s <= act.ended_s <= act.at_s
                self.reps[act.n] = act.number
            elif isinstance(act, Over):
                self.overs.append(act.state)
            elif isinstance(act, Lit):
                assert act.aim != self.lit
                self.lit = act.aim
            elif isinstance(act, Show):
                assert act.seconds > 0
                assert act.share is None or 0 <= act.share <= 1

    @invariant()
    def the_bar_is_dark_but_at_work(self) -> None:
        if not hasattr(self, "drill") or self.lit in (None, DARK):
            return
        block = self.plan.blocks[len(self.began) - 1]
        assert block.kind in WORK
        assert self.drill.state is VisitState.RUNNING
        assert len(self.began) == len(self.ended) + 1

    @invariant()
    def the_end_is_told_once_and_the_last_block_with_it(self) -> None:
        if not hasattr(self, "drill"):
            return
        ended = self.drill.state not in (VisitState.RUNNING, VisitState.PAUSED)
        assert len(self.overs) == ended
        if ended:
            assert len(self.began) == len(self.ended)

    @invariant()
    def no_set_has_more_than_was_asked_for(self) -> None:
        for n, many in getattr(self, "reps", {}).items():
            assert many <= (self.plan.blocks[n].reps or 1)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
