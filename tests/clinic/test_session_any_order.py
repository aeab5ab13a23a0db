"""A visit's machine in any order of frames, silences, clock faults, orders and restarts."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from appliance.clinic.session import Session
from appliance.clinic.terms import (
    RUNNING_KINDS,
    Block,
    Kind,
    Order,
    VisitKind,
    VisitState,
)
from appliance.errors import VisitError
from appliance.records import MOMENT, Posture, Side, Step
from tests.clinic.machines import ANY_ORDER, Told, kept, planned

SECONDS = st.floats(0.5, 20.0)
BLOCKS = st.lists(
    st.builds(
        Block,
        kind=st.sampled_from(
            [Kind.STAND, Kind.WARM_UP, Kind.BASELINE, Kind.FEEDBACK, Kind.FADED, Kind.RETENTION, Kind.REST]
        ),
        seconds=SECONDS,
        mode=st.sampled_from(["asymmetry", "step", "live", "box", "off"]),
        on_s=SECONDS,
        off_s=SECONDS,
    ),
    min_size=1,
    max_size=5,
)


class AnyOrder(RuleBasedStateMachine):
    """What holds for every visit, however it goes."""

    @initialize(blocks=BLOCKS)
    def begin(self, blocks: list[Block]) -> None:
        self.plan = planned(VisitKind.VISIT, blocks, visits=1)
        self.t_s = 1000.0
        self.session = Session(self.plan, self.t_s)
        self.told = Told()
        self.right = False

    @rule(
        seconds=st.floats(0.01, 12.0),
        posture=st.sampled_from(list(Posture)),
        drop=st.one_of(st.none(), st.floats(-5, 15)),
        spread=st.sampled_from([0.05, 2.0]),
    )
    def goes_on(self, seconds: float, posture: Posture, drop: float | None, spread: float) -> None:
        row = np.zeros(1, MOMENT)
        for k in range(max(1, round(seconds * 20))):
            self.t_s += 0.05
            row["posture"] = posture
            row["obliquity_deg"] = math.nan if posture is Posture.UNSEEN else spread * (k % 3 - 1)
            steps = (self.step(drop),) if posture is Posture.RUNNING and k % 7 == 0 else ()
            self.told.take(self.session.feed(self.t_s, row[0], steps))

    @rule(jump_s=st.floats(-1e5, 1e5) | st.just(math.nan))
    def a_frame_comes_from_anywhen(self, jump_s: float) -> None:
        row = np.zeros(1, MOMENT)
        row["posture"] = Posture.RUNNING
        self.told.take(self.session.feed(self.t_s + jump_s, row[0], ()))
        self.t_s += max(jump_s, 0.0) if jump_s == jump_s else 0.0

    @rule(seconds=st.floats(0.0, 100.0))
    def the_camera_is_silent(self, seconds: float) -> None:
        self.t_s += seconds
        self.told.take(self.session.silent(self.t_s))

    @rule(order=st.sampled_from(list(Order)), words=st.sampled_from(["", "words"]))
    def somebody_asks(self, order: Order, words: str) -> None:
        before, refused = self.session.progress, None
        try:
            self.told.take(self.session.order(order, self.t_s, words))
        except VisitError as error:
            refused = error
        if refused:
            assert refused.fix
            assert self.session.progress == before

    @rule(gap_s=st.floats(0.0, 1e4))
    def the_power_goes(self, gap_s: float) -> None:
        if self.told.overs:
            return
        progress = kept(self.session.progress)
        self.t_s += gap_s
        self.session = Session(self.plan, self.t_s, progress=progress)
        self.told.lit = None

    def step(self, drop: float | None) -> Step:
        self.right = not self.right
        contact_s = self.t_s - 0.3
        return Step(
            Side.RIGHT if self.right else Side.LEFT, contact_s, contact_s + 0.2, contact_s + 0.1, None, drop,
            None, None, None, None, 0.2, None, 1.0, self.t_s,
        )  # fmt: skip

    @invariant()
    def time_never_goes_back(self) -> None:
        assert self.session.progress.at_s >= self.told.at_s
        assert self.session.view(self.t_s).at_s >= self.told.at_s

    @invariant()
    def the_bar_is_dark_outside_feedback(self) -> None:
        if self.told.figures:
            assert self.plan.blocks[len(self.told.ended)].kind in (Kind.FEEDBACK, Kind.FADED)
            assert self.session.state is VisitState.RUNNING
            assert self.told.inside

    @invariant()
    def it_is_over_once_and_only_with_every_block_ended_or_a_stop(self) -> None:
        self.told.holds_the_end(self.session.state, len(self.plan.blocks))

    @invariant()
    def a_block_of_running_ends_only_when_it_was_run(self) -> None:
        view = self.session.view(self.t_s)
        if view.kind in {kind.value for kind in RUNNING_KINDS} and self.session.state is VisitState.RUNNING:
            assert view.ran_s < 2 * view.planned_s


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = ANY_ORDER
