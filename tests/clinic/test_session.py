"""A visit's machine, played frame by frame: blocks, light, zero, baseline, pauses, restarts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TypeVar

import msgspec
import numpy as np
import pytest

from appliance.clinic.gathered import Gathered
from appliance.clinic.session import Session
from appliance.clinic.signs import BEGINS_S, ENDS_S
from appliance.clinic.terms import (
    DARK,
    Act,
    Baseline,
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
    Target,
    VisitKind,
    VisitState,
    Zeroed,
)
from appliance.errors import VisitError
from appliance.records import MOMENT, Notice, Posture, Side, Step
from tests.clinic.machines import kept, of, planned

RATE_HZ = 100.0
STEP_S = 0.35
A = TypeVar("A")


def plan(*blocks: Block, first: Baseline | None = None) -> Plan:
    return msgspec.structs.replace(planned(VisitKind.VISIT, blocks, visits=8), first_baseline=first)


def moment(posture: Posture, obliquity_deg: float = 1.0) -> np.void:
    row = np.zeros(1, MOMENT)
    row["posture"], row["obliquity_deg"] = posture, obliquity_deg
    return row[0]  # type: ignore[no-any-return]


def step(contact_s: float, right: bool, drop_deg: float | None, quality: float = 1.0) -> Step:
    return Step(
        stance=Side.RIGHT if right else Side.LEFT,
        contact_s=contact_s,
        off_s=contact_s + 0.25,
        midstance_s=contact_s + 0.12,
        peak_s=None if drop_deg is None else contact_s + 0.1,
        peak_drop_deg=drop_deg,
        contact_drop_deg=1.0,
        midstance_drop_deg=3.0,
        excursion_deg=None,
        sway_px=10.0,
        contact_time_s=0.25,
        flight_s=0.1,
        quality=quality,
        decided_s=contact_s + 0.28,
    )


class Player:
    """Somebody on the treadmill before a session: runs, stands, or is away, and everything that happened."""

    def __init__(self, session: Session, t_s: float = 100.0) -> None:
        self.session, self.t_s, self.acts = session, t_s, list[Act]()
        self._contact_s, self._right, self._seed = t_s, False, np.random.default_rng(6)
        self._drop_deg: float | None = None

    def run(self, seconds: float, left_deg: float | None = 4.0, right_deg: float | None = 7.0) -> None:
        for _ in self._frames(seconds):
            steps: tuple[Step, ...] = ()
            if self._contact_s + 0.28 <= self.t_s:
                steps = (step(self._contact_s, self._right, self._drop_deg),)
                self._contact_s, self._right = self._contact_s + STEP_S, not self._right
            if self.t_s <= self._contact_s + 1.5 / RATE_HZ:
                self._drop_deg = right_deg if self._right else left_deg
            self.acts += self.session.feed(self.t_s, moment(Posture.RUNNING), steps)

    def stand(
        self, seconds: float, deg: float = 1.0, sway_deg: float = 0.1, drift_deg_s: float = 0.0
    ) -> None:
        for k in self._frames(seconds):
            angle = deg + self._seed.normal(0, sway_deg) + drift_deg_s * k / RATE_HZ
            self.acts += self.session.feed(self.t_s, moment(Posture.STANDING, angle), ())
        self._contact_s = self.t_s

    def leave(self, seconds: float) -> None:
        for _ in self._frames(seconds):
            self.acts += self.session.feed(self.t_s, moment(Posture.UNSEEN, math.nan), ())
        self._contact_s = self.t_s

    def silence(self, seconds: float) -> None:
        for _ in self._frames(seconds):
            self.acts += self.session.silent(self.t_s)
        self._contact_s = self.t_s

    def order(self, order: Order, words: str = "") -> None:
        self.acts += self.session.order(order, self.t_s, words)

    def of(self, kind: type[A]) -> list[A]:
        return of(self.acts, kind)

    def _frames(self, seconds: float) -> Iterator[int]:
        for k in range(round(seconds * RATE_HZ)):
            self.t_s += 1 / RATE_HZ
            yield k


def playing(*blocks: Block, first: Baseline | None = None) -> Player:
    return Player(Session(plan(*blocks, first=first), 100.0))


def test_blocks_follow_one_another_and_the_visit_is_done_after_the_last() -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=5), Block(kind=Kind.RETENTION, seconds=10))
    player.run(16)
    began, ended = player.of(BlockBegan), player.of(BlockEnded)
    assert [act.n for act in began] == [act.n for act in ended] == [0, 1]
    assert [act.why for act in ended] == ["done", "done"]
    assert ended[0].ran_s == pytest.approx(5, abs=0.02)
    assert ended[1].at_s == pytest.approx(15, abs=0.1)
    assert player.of(Over) == [Over(ended[1].at_s, VisitState.DONE)]
    assert player.session.state is VisitState.DONE
    assert player.acts[-1] == player.of(Over)[0]


def test_only_running_counts_in_a_block_of_running() -> None:
    player = playing(Block(kind=Kind.RETENTION, seconds=10))
    player.run(4)
    player.leave(20)
    player.stand(20)
    assert player.session.view(player.t_s).ran_s == pytest.approx(4, abs=0.05)
    assert player.session.view(player.t_s).waiting == "runner"
    player.run(5.8)
    assert not player.of(BlockEnded)
    player.run(0.5)
    assert player.of(BlockEnded)[0].ran_s == pytest.approx(10, abs=0.02)


def test_a_runner_who_steps_off_and_comes_back_is_an_event_each_time() -> None:
    player = playing(Block(kind=Kind.RETENTION, seconds=60))
    for _ in range(2):
        player.run(5)
        player.leave(1)  # a stumble is none
        player.run(5)
        player.leave(10)
    player.run(1)
    assert [act.kind for act in player.of(Noted)] == ["waiting", "running", "waiting", "running"]


def test_a_dot_hidden_for_some_frames_costs_no_running_time() -> None:
    player = playing(Block(kind=Kind.RETENTION, seconds=60))
    for _ in range(10):
        player.run(0.9)
        player.leave(0.1)
    player.run(0.1)
    assert player.session.view(player.t_s).ran_s == pytest.approx(10.1, abs=0.05)


def test_running_across_frames_that_never_came_is_not_counted() -> None:
    player = playing(Block(kind=Kind.RETENTION, seconds=60))
    player.run(5)
    player.t_s += 10.0
    player.run(5)
    assert player.session.view(player.t_s).ran_s == pytest.approx(10, abs=0.05)


def test_the_last_steps_of_a_baseline_count_though_they_are_told_in_the_next_block() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=20), Block(kind=Kind.RETENTION, seconds=60))
    while not player.of(BlockEnded):
        player.run(0.01)
    ended_s = player.of(BlockEnded)[0].at_s
    player.run(1.2, left_deg=50.0, right_deg=50.0)
    baseline = player.of(Measured)[0].baseline
    assert baseline.left_steps + baseline.right_steps == math.floor(
        ended_s / STEP_S
    )  # but that of the visit's first instant
    assert (baseline.left_drop_deg, baseline.right_drop_deg) == (4.0, 7.0)


def test_a_baseline_that_the_power_cuts_from_its_last_steps_is_one() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=20), Block(kind=Kind.RETENTION, seconds=60))
    while not player.of(BlockEnded):
        player.run(0.01)
    assert not player.of(Measured)
    after = resumed(player)
    after.run(2.0, left_deg=50.0, right_deg=50.0)
    assert after.of(Measured)[0].baseline.left_drop_deg == 4.0


def test_a_baseline_at_the_end_is_known_before_the_visit_is_over() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=20))
    player.run(21)
    assert player.acts.index(player.of(Measured)[0]) < player.acts.index(player.of(Over)[0])


def test_steps_with_weak_marks_are_in_no_baseline() -> None:
    session = Session(plan(Block(kind=Kind.BASELINE, seconds=10)), 0.0)
    acts: list[Act] = []
    for k in range(2100):
        t_s = k * 0.01
        steps: tuple[Step, ...] = ()
        if k and k % 35 == 0:
            weak = k % 140 == 0
            steps = (step(t_s, k % 70 == 0, 30.0 if weak else 5.0, 0.3 if weak else 0.9),)
        acts += session.feed(t_s, moment(Posture.RUNNING), steps)
    measured = next(act for act in acts if isinstance(act, Measured))
    assert measured.baseline.left_drop_deg == measured.baseline.right_drop_deg == 5.0


def test_a_block_s_time_begins_with_its_first_frame() -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=5), Block(kind=Kind.COOL_DOWN, seconds=5))
    player.t_s += 30.0
    player.stand(0.01)
    assert player.of(BlockBegan)[0].at_s == pytest.approx(30, abs=0.02)
    for ended in (0, 1):
        assert len(player.of(BlockEnded)) == ended
        assert player.session.view(player.t_s).ran_s == 0.0
        for _ in range(2):  # the first ends the block, the second begins the next one
            player.t_s += 30.0
            player.stand(0.01)


def test_time_of_a_warm_up_goes_on_while_the_camera_says_nothing() -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=10))
    player.stand(3)
    player.silence(6.9)
    assert not player.of(BlockEnded)
    player.silence(0.2)
    assert player.of(BlockEnded)[0].at_s == pytest.approx(10, abs=0.05)


def test_standing_still_gives_the_whole_zero() -> None:
    session = Session(plan(Block(kind=Kind.STAND, seconds=5)), 100.0, zero_deg=2.0)
    player = Player(session)
    player.run(2)
    player.stand(6, deg=-0.5)
    zeroed = player.of(Zeroed)[0]
    assert zeroed.zero_deg == pytest.approx(1.5, abs=0.02)
    assert zeroed.spread_deg == pytest.approx(0.1, abs=0.02)
    assert zeroed.seconds >= 5
    assert session.progress.zero_deg == zeroed.zero_deg


def test_standing_that_is_broken_begins_anew() -> None:
    player = playing(Block(kind=Kind.STAND, seconds=5))
    player.stand(4)
    player.run(1)
    player.stand(4)
    player.leave(0.5)
    player.stand(4.5)
    assert not player.of(Zeroed)
    player.stand(1)
    assert player.of(Zeroed)


def test_two_running_steps_and_walking_are_no_standing_still() -> None:
    player, walker = (playing(Block(kind=Kind.STAND, seconds=5)) for _ in range(2))
    player.stand(4)
    player.run(0.1)
    player.stand(4.5)
    assert not player.of(Zeroed)
    for _ in range(2000):
        walker.t_s += 0.01
        walker.acts += walker.session.feed(walker.t_s, moment(Posture.MOVING), ())
    assert not walker.of(Zeroed)


def test_swaying_and_drifting_are_no_standing_still() -> None:
    swaying, drifting = (playing(Block(kind=Kind.STAND, seconds=5)) for _ in range(2))
    swaying.stand(20, sway_deg=0.6)
    assert not swaying.of(Zeroed)
    assert swaying.session.view(swaying.t_s).ran_s < 1.0
    drifting.stand(20, drift_deg_s=0.15)
    assert not drifting.of(Zeroed)
    assert "drifts" in drifting.of(Noted)[0].words
    assert "drifts" in drifting.session.view(drifting.t_s).waiting


def test_a_plate_that_hangs_is_no_zero() -> None:
    player = playing(Block(kind=Kind.STAND, seconds=5))
    player.stand(6, deg=25.0)
    assert not player.of(Zeroed)
    assert "put the plate on straight" in player.of(Noted)[0].words


def test_a_skipped_stand_keeps_the_zero() -> None:
    player = playing(Block(kind=Kind.STAND, seconds=5), Block(kind=Kind.WARM_UP, seconds=5))
    player.stand(2)
    player.order(Order.SKIP)
    player.stand(1)
    assert not player.of(Zeroed)
    assert player.session.progress.zero_deg is None
    assert player.of(BlockEnded)[0].why == "skipped"
    assert [act.n for act in player.of(BlockBegan)] == [0, 1]


def test_a_baseline_is_the_means_of_its_steps() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=20))
    player.run(21)
    baseline = player.of(Measured)[0].baseline
    assert (baseline.left_drop_deg, baseline.right_drop_deg) == (4.0, 7.0)
    assert baseline.difference_deg == 3.0
    assert baseline.left_steps + baseline.right_steps == pytest.approx(20 / STEP_S, abs=2)
    assert baseline.cadence_spm == pytest.approx(60 / STEP_S)


def test_a_baseline_goes_on_until_it_has_seven_steps_a_side() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=3))
    player.run(3.5)
    assert "steps: left hip (right stance)" in player.session.view(player.t_s).waiting
    player.run(2.3)
    baseline = player.of(Measured)[0].baseline
    assert min(baseline.left_steps, baseline.right_steps) == 7
    assert player.of(BlockEnded)[0].ran_s > 4


def test_a_skipped_baseline_is_one_if_it_has_its_steps() -> None:
    for run_s, measured in ((10.0, 1), (2.0, 0)):
        player = playing(Block(kind=Kind.BASELINE, seconds=60), Block(kind=Kind.RETENTION, seconds=60))
        player.run(run_s)
        player.order(Order.SKIP)
        player.run(1.1)
        assert len(player.of(Measured)) == measured
        assert player.of(BlockEnded)[0].why == "skipped"


def test_a_baseline_without_steps_ends_after_twice_its_time_and_says_so() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=5), Block(kind=Kind.RETENTION, seconds=60))
    player.run(11.2, right_deg=None)
    assert not player.of(Measured)
    assert player.of(BlockEnded)[0].ran_s == pytest.approx(10, abs=0.05)
    assert player.of(Noted)[-1].kind == "no baseline"
    assert "left hip (right stance) 0 of 7" in player.of(Noted)[-1].words


def test_the_light_goes_on_with_the_target_of_the_baseline_after_the_bar_has_said_begin() -> None:
    target = Target(percent=80, floor_deg=2.8, of="visit")
    player = playing(
        Block(kind=Kind.BASELINE, seconds=10),
        Block(kind=Kind.FEEDBACK, seconds=20, mode="step", target=target),
    )
    player.run(40)
    dark, lit, *end = player.of(Lit)
    ended = player.of(BlockEnded)[0]
    assert (dark.aim, dark.on) == (DARK, False)
    assert dark.at_s < 0.02
    assert lit.aim.mode == "step"
    assert lit.aim.target_deg == pytest.approx(0.8 * 7.0)
    assert lit.at_s == pytest.approx(ended.at_s + ENDS_S + BEGINS_S, abs=0.05)
    assert [act.aim for act in end] == [DARK]


def test_a_faded_block_is_lit_and_dark_by_running_time() -> None:
    player = playing(Block(kind=Kind.FADED, seconds=60, mode="asymmetry", on_s=10, off_s=20))
    player.run(15)
    player.leave(30)
    player.run(46)
    changes = [(act.at_s, act.on) for act in player.of(Lit)][1:]
    assert [on for _, on in changes] == [True, False, True, False]
    assert [at_s for at_s, _ in changes] == pytest.approx([2, 10, 60, 70], abs=0.3)


@pytest.mark.parametrize("kind", [Kind.WARM_UP, Kind.BASELINE, Kind.RETENTION, Kind.COOL_DOWN, Kind.CUE])
def test_blocks_without_feedback_stay_dark_whatever_their_mode(kind: Kind) -> None:
    player = playing(Block(kind=kind, seconds=20, mode="live"))
    player.run(45)
    assert [act.aim for act in player.of(Lit)] == [DARK]


def test_a_pause_darkens_the_bar_and_the_block_s_time_stands() -> None:
    player = playing(Block(kind=Kind.FEEDBACK, seconds=20, mode="live"))
    player.run(10)
    player.order(Order.PAUSE, "water")
    player.run(7)
    assert player.session.view(player.t_s).ran_s == pytest.approx(10, abs=0.03)
    assert player.session.view(player.t_s).at_s == pytest.approx(17, abs=0.01)
    assert player.session.progress.paused
    player.order(Order.RESUME)
    player.run(5)
    assert [act.on for act in player.of(Lit)] == [False, True, False, True]
    assert [(act.kind, act.words) for act in player.of(Noted)] == [("pause", "water"), ("resume", "")]
    paused = [act for act in player.of(Show) if act.notice is Notice.PAUSED]
    assert len(paused) in (7, 8)
    assert player.session.view(player.t_s).ran_s == pytest.approx(15, abs=0.05)


def test_steps_of_a_pause_are_in_no_baseline() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=20))
    player.run(10)
    player.order(Order.PAUSE)
    player.run(10, left_deg=20.0, right_deg=20.0)
    player.order(Order.RESUME)
    player.run(11)
    assert player.of(Measured)[0].baseline.left_drop_deg == 4.0


def test_a_pause_between_two_frames_counts_nowhere() -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=50))
    player.stand(5)
    player.order(Order.PAUSE)
    player.t_s += 10.0
    player.order(Order.RESUME)
    player.stand(5)
    assert player.session.view(player.t_s).ran_s == pytest.approx(10, abs=0.03)
    assert player.session.view(player.t_s).at_s == pytest.approx(20, abs=0.03)


def test_a_pause_shorter_than_a_gap_counts_nowhere_either() -> None:
    player = playing(Block(kind=Kind.RETENTION, seconds=50))
    for _ in range(10):
        player.run(1.0)
        player.order(Order.PAUSE)
        player.run(0.2)
        player.order(Order.RESUME)
    assert player.session.view(player.t_s).ran_s == pytest.approx(10, abs=0.15)


def test_a_pause_breaks_standing_still() -> None:
    player = playing(Block(kind=Kind.STAND, seconds=5))
    player.stand(4)
    player.order(Order.PAUSE)
    player.stand(0.1)
    player.order(Order.RESUME)
    player.stand(4.5)
    assert not player.of(Zeroed)
    player.stand(1)
    assert player.of(Zeroed)


def test_a_block_that_was_skipped_into_while_paused_begins_paused() -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=5), Block(kind=Kind.BASELINE, seconds=10))
    player.order(Order.PAUSE)
    player.order(Order.SKIP)
    player.run(10, left_deg=20.0, right_deg=20.0)
    assert player.session.state is VisitState.PAUSED
    assert player.session.view(player.t_s).left_steps == 0
    assert not [act for act in player.of(Show) if act.notice is Notice.BEGINS]
    player.order(Order.RESUME)
    player.run(12)
    assert player.of(Measured)[0].baseline.left_drop_deg == 4.0


def test_at_a_boundary_the_bar_says_ended_and_then_begins() -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=5), Block(kind=Kind.COOL_DOWN, seconds=5))
    player.stand(11)
    shows = [(act.notice, round(act.at_s, 1), act.seconds) for act in player.of(Show)]
    assert shows == [
        (Notice.BEGINS, 0.0, 2.0),
        (Notice.ENDS, 5.0, 1.5),
        (Notice.BEGINS, 6.5, 2.0),
        (Notice.ENDS, 10.0, 2.0),
    ]


def test_the_bar_says_stand_still_for_as_long_as_it_takes() -> None:
    player = playing(Block(kind=Kind.STAND, seconds=5))
    player.run(10)
    shows = player.of(Show)
    assert {act.notice for act in shows} == {Notice.STAND_STILL}
    assert len(shows) == 10
    assert all(b.at_s - a.at_s < a.seconds for a, b in itertools.pairwise(shows))


def test_marks_and_notes_are_events_and_a_note_needs_words() -> None:
    player = playing(Block(kind=Kind.RETENTION, seconds=20))
    player.run(1)
    player.order(Order.MARK)
    player.order(Order.NOTE, "new shoes")
    assert [(act.kind, act.words) for act in player.of(Noted)] == [("mark", ""), ("note", "new shoes")]
    with pytest.raises(VisitError, match="without words"):
        player.order(Order.NOTE, " ")


def test_a_stop_ends_block_and_visit_at_once() -> None:
    player = playing(
        Block(kind=Kind.FEEDBACK, seconds=20, mode="live"), Block(kind=Kind.COOL_DOWN, seconds=5)
    )
    player.run(6)
    player.order(Order.STOP)
    assert player.of(BlockEnded)[0].why == "stopped"
    assert player.of(Lit)[-1].aim == DARK
    assert player.of(Over)[0].state is VisitState.STOPPED
    many = len(player.acts)
    player.run(5)
    assert len(player.acts) == many


@pytest.mark.parametrize("order", list(Order))
def test_nothing_can_be_asked_of_a_visit_that_is_over(order: Order) -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=1))
    player.order(Order.STOP)
    with pytest.raises(VisitError, match="over"):
        player.order(order, "x")


def test_pausing_twice_and_resuming_what_runs_is_refused() -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=10))
    with pytest.raises(VisitError, match="running already"):
        player.order(Order.RESUME)
    player.order(Order.PAUSE)
    with pytest.raises(VisitError, match="paused already"):
        player.order(Order.PAUSE)
    player.order(Order.STOP)  # a paused visit can be stopped


def resumed(player: Player, gap_s: float = 60.0) -> Player:
    """The same visit in a new process: its progress as it comes back from a file."""
    t_s = player.t_s + gap_s
    after = Player(Session(player.session._plan, t_s, progress=kept(player.session.progress)), t_s)
    after.acts = list(player.acts)
    return after


def test_a_restart_goes_on_in_the_middle_of_a_block() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=20), Block(kind=Kind.RETENTION, seconds=5))
    player.run(10, left_deg=2.0, right_deg=4.0)
    after = resumed(player)
    after.run(17, left_deg=6.0, right_deg=8.0)
    assert [act.n for act in after.of(BlockBegan)] == [0, 1]
    assert [act.n for act in after.of(BlockEnded)] == [0, 1]
    assert after.of(BlockEnded)[0].ran_s == pytest.approx(20, abs=0.1)
    baseline = after.of(Measured)[0].baseline
    assert 3.5 < baseline.left_drop_deg < 4.5
    times = [act.at_s for act in after.acts]
    assert times == sorted(times)


def test_a_restart_of_a_paused_visit_waits_paused() -> None:
    player = playing(Block(kind=Kind.RETENTION, seconds=20))
    player.run(5)
    player.order(Order.PAUSE)
    after = resumed(player)
    after.run(5)
    assert after.session.state is VisitState.PAUSED
    assert after.session.view(after.t_s).ran_s == pytest.approx(5, abs=0.05)
    after.order(Order.RESUME)
    after.run(16)
    assert after.of(Over)[0].state is VisitState.DONE


def test_a_restart_keeps_baseline_and_zero_for_the_target() -> None:
    target = Target(percent=50, floor_deg=1.0, of="visit")
    player = playing(
        Block(kind=Kind.STAND, seconds=5),
        Block(kind=Kind.BASELINE, seconds=10),
        Block(kind=Kind.FEEDBACK, seconds=20, mode="step", target=target),
    )
    player.stand(6)
    player.run(15)
    after = resumed(player)
    after.run(4)
    assert after.session.progress.zero_deg == player.of(Zeroed)[0].zero_deg
    lit = after.of(Lit)[-1]
    assert lit.aim.target_deg == pytest.approx(3.5)


def test_a_restart_between_two_blocks_begins_the_second_once() -> None:
    player = playing(Block(kind=Kind.WARM_UP, seconds=5), Block(kind=Kind.RETENTION, seconds=5))
    while not player.of(BlockEnded):
        player.stand(0.01)
    after = resumed(player)
    after.run(6)
    assert [act.n for act in after.of(BlockBegan)] == [0, 1]


def test_a_restart_after_the_last_block_only_ends_the_visit() -> None:
    session = Session(plan(Block(kind=Kind.WARM_UP, seconds=5)), 0.0, progress=Progress(at_s=9.0, block=1))
    acts = session.silent(1.0)
    assert acts[-1] == Over(10.0, VisitState.DONE)
    assert not [act for act in acts if isinstance(act, BlockBegan | BlockEnded)]


def test_steps_of_a_paused_restart_are_in_no_baseline() -> None:
    player = playing(Block(kind=Kind.BASELINE, seconds=20))
    player.run(10)
    player.order(Order.PAUSE)
    after = resumed(player)
    after.run(10, left_deg=20.0, right_deg=20.0)
    after.order(Order.RESUME)
    after.run(12)
    assert after.of(Measured)[0].baseline.left_drop_deg == 4.0


def test_a_restart_does_not_take_the_time_between_two_processes_for_a_step() -> None:
    gathered = Gathered()
    for k in range(10):
        gathered.add(step(k * STEP_S, k % 2 == 0, 5.0), k * STEP_S)
    again = Gathered.of(msgspec.json.decode(msgspec.json.encode(gathered.kept())))
    for k in range(10):
        again.add(step(0.0, k % 2 == 0, 5.0), 3.25 + k * STEP_S)
    assert again.baseline().cadence_spm == pytest.approx(60 / STEP_S)


def test_a_step_that_was_not_told_does_not_slow_the_cadence() -> None:
    gathered = Gathered()
    for k in range(40):
        if k % 5:
            gathered.add(step(0.0, k % 2 == 0, 5.0), k * 0.25)
    assert gathered.baseline().cadence_spm == pytest.approx(240)


def test_a_stand_after_a_restart_adds_to_the_zero_that_the_visit_had() -> None:
    before = Progress(at_s=10.0, zero_deg=1.5)
    player = Player(Session(plan(Block(kind=Kind.STAND, seconds=3)), 100.0, progress=before, zero_deg=0.2))
    player.stand(4, deg=0.5)
    assert player.of(Zeroed)[0].zero_deg == pytest.approx(2.0, abs=0.03)


def test_a_clock_that_jumps_back_or_is_no_number_moves_nothing() -> None:
    session = Session(plan(Block(kind=Kind.WARM_UP, seconds=50)), 100.0)
    session.silent(105.0)
    for t_s in (50.0, math.nan, math.inf, -math.inf, 104.9):
        session.silent(t_s)
        assert session.progress.at_s == 5.0
    assert session.view(math.nan).at_s == 5.0


@pytest.mark.parametrize(
    ("blocks", "why"),
    [
        ((), "without blocks"),
        ((Block(kind=Kind.HOLD, seconds=30),), "exercise"),
        ((Block(kind=Kind.WARM_UP, seconds=0),), "lasts 0 s"),
        ((Block(kind=Kind.WARM_UP, seconds=math.nan),), "lasts nan s"),
        ((Block(kind=Kind.FADED, seconds=60, mode="live"),), "lit and dark"),
    ],
)
def test_plans_that_are_no_visit_s_are_refused(blocks: tuple[Block, ...], why: str) -> None:
    with pytest.raises(VisitError, match=why):
        Session(plan(*blocks), 0.0)


def test_the_same_inputs_give_the_same_acts() -> None:
    def played() -> list[Act]:
        player = playing(
            Block(kind=Kind.STAND, seconds=3),
            Block(kind=Kind.BASELINE, seconds=10),
            Block(kind=Kind.FADED, seconds=30, mode="live", on_s=4, off_s=3),
        )
        player.stand(5)
        player.run(30)
        player.order(Order.PAUSE)
        player.leave(2)
        player.order(Order.RESUME)
        player.run(20)
        return player.acts

    assert msgspec.json.encode(played()) == msgspec.json.encode(played())
