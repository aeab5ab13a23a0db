"""A visit's machine in any order of frames, silences, clock faults, orders and restarts."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from appliance.clinic.session import Session
from appliance.clinic.terms import (
    DARK,
    RUNNING_KINDS,
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
    VisitKind,
    VisitState,
)
from appliance.errors import VisitError
from appliance.records import MOMENT, Posture, Side, Step

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
        self.plan = Plan(kind=VisitKind.VISIT, protocol="any", number=1, visits=1, blocks=tuple(blocks))
        self.t_s = 1000.0
        self.session = Session(self.plan, self.t_s)
        self.at_s = 0.0
        self.began: list[int] = []
        self.ended: list[int] = []
        self.overs: list[VisitState] = []
        self.lit: Aim | None = None
        self.right = False
        self.ran_s = 0.0

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
            self.take(self.session.feed(self.t_s, row[0], steps))

    @rule(jump_s=st.floats(-1e5, 1e5) | st.just(math.nan))
    def a_frame_comes_from_anywhen(self, jump_s: float) -> None:
        row = np.zeros(1, MOMENT)
        row["posture"] = Posture.RUNNING
        self.take(self.session.feed(self.t_s + jump_s, row[0], ()))
        self.t_s += max(jump_s, 0.0) if jump_s == jump_s else 0.0

    @rule(seconds=st.floats(0.0, 100.0))
    def the_camera_is_silent(self, seconds: float) -> None:
        self.t_s += seconds
        self.take(self.session.silent(self.t_s))

    @rule(order=st.sampled_from(list(Order)), words=st.sampled_from(["", "words"]))
    def somebody_asks(self, order: Order, words: str) -> None:
        before, refused = self.session.progress, None
        try:
            self.take(self.session.order(order, self.t_s, words))
        except VisitError as error:
            refused = error
        if refused:
            assert refused.fix
            assert self.session.progress == before

    @rule(gap_s=st.floats(0.0, 1e4))
    def the_power_goes(self, gap_s: float) -> None:
        if self.overs:
            return
        progress = msgspec.json.decode(msgspec.json.encode(self.session.progress), type=Progress)
        self.t_s += gap_s
        self.session = Session(self.plan, self.t_s, progress=progress)
        self.lit = None

    def step(self, drop: float | None) -> Step:
        self.right = not self.right
        contact_s = self.t_s - 0.3
        return Step(
            Side.RIGHT if self.right else Side.LEFT, contact_s, contact_s + 0.2, contact_s + 0.1, None, drop,
            None, None, None, None, 0.2, None, 1.0, self.t_s,
        )  # fmt: skip

    def take(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            assert not self.overs, "nothing happens after the end"
            assert act.at_s >= self.at_s, "time goes back"
            self.at_s = act.at_s
            if isinstance(act, BlockBegan):
                assert act.n == len(self.began) == len(self.ended), "blocks begin in order, each once"
                self.began.append(act.n)
            elif isinstance(act, BlockEnded):
                assert act.n == len(self.ended) == len(self.began) - 1, "what ends has begun"
                assert 0 <= act.ran_s <= act.at_s + 1e-6
                self.ended.append(act.n)
            elif isinstance(act, Lit):
                assert act.aim != self.lit, "said twice"
                self.lit = act.aim
            elif isinstance(act, Over):
                self.overs.append(act.state)

    @invariant()
    def time_never_goes_back(self) -> None:
        assert self.session.progress.at_s >= self.at_s
        assert self.session.view(self.t_s).at_s >= self.at_s

    @invariant()
    def the_bar_is_dark_outside_feedback(self) -> None:
        here = self.plan.blocks[min(len(self.ended), len(self.plan.blocks) - 1)]
        lit = self.lit is not None and self.lit != DARK
        if lit:
            assert here.kind in (Kind.FEEDBACK, Kind.FADED)
            assert self.session.state is VisitState.RUNNING
            assert len(self.began) == len(self.ended) + 1

    @invariant()
    def it_is_over_once_and_only_with_every_block_ended_or_a_stop(self) -> None:
        over = self.session.state in (VisitState.DONE, VisitState.STOPPED)
        assert over == (len(self.overs) == 1)
        if self.overs == [VisitState.DONE]:
            assert len(self.ended) == len(self.plan.blocks)
        if over:
            assert len(self.began) == len(self.ended)

    @invariant()
    def a_block_of_running_ends_only_when_it_was_run(self) -> None:
        view = self.session.view(self.t_s)
        if view.kind in {kind.value for kind in RUNNING_KINDS} and self.session.state is VisitState.RUNNING:
            assert view.ran_s < 2 * view.planned_s


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
