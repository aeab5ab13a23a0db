"""After a restart: which visit was under way, how long ago, and how it goes on or is closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.clinic.terms import BlockBegan, BlockEnded, Noted, VisitState
from appliance.errors import StoreError, VisitError
from appliance.store.clocks import Clocks, clocks_now, gap_s
from appliance.store.recover import close_interrupted, recover
from appliance.store.store import Store
from appliance.store.verify import verify
from appliance.store.writer import Writer
from tests.store.made import BOOT, WALL_S, beginning, clinic, course_of, happened, over, second, span

THEN = Clocks(WALL_S, BOOT, 5000.0, True)


def cut_off(folder: Path, seconds: int = 30, stamp: Clocks = THEN) -> int:
    """A visit whose process ended without a word."""
    writer = Writer(folder, reserve_mb=0.1, stamp=lambda: stamp)
    visit = writer.begin(beginning())
    for item in course_of(visit, seconds):
        writer.post(item)
    writer.close()
    return visit


def test_without_a_store_or_a_visit_nothing_was_cut_off(tmp_path: Path) -> None:
    assert recover(tmp_path, clocks_now()) is None
    assert not list(tmp_path.iterdir())
    assert recover(clinic(tmp_path), clocks_now()) is None


@pytest.mark.parametrize(
    ("now", "gap"),
    [
        (Clocks(WALL_S + 9999.0, BOOT, 5012.5, None), 12.5),  # the same boot: the wall clock is not asked
        (Clocks(WALL_S + 60.0, "another boot", 3.0, True), 60.0),
        (Clocks(WALL_S + 60.0, "another boot", 3.0, False), None),
        (Clocks(WALL_S - 60.0, "another boot", 3.0, True), None),  # a set clock does not go back
    ],
)
def test_the_gap_is_told_by_the_clock_that_can(tmp_path: Path, now: Clocks, gap: float | None) -> None:
    visit = cut_off(clinic(tmp_path), seconds=3)
    found = recover(tmp_path, now)
    assert found
    assert (found.visit.id, found.gap_s) == (visit, gap)


def test_a_clock_that_nobody_has_set_tells_no_gap() -> None:
    assert gap_s(Clocks(WALL_S, None, 1.0, None), Clocks(WALL_S + 5, None, 2.0, True)) is None


def test_what_was_cut_off_is_closed_with_its_steps_up_to_the_last_second(tmp_path: Path) -> None:
    visit = cut_off(clinic(tmp_path))
    close_interrupted(tmp_path, visit)
    with Store.open(tmp_path) as store:
        data = store.data(visit)
        assert store.running() is None
    assert (data.visit.state, data.visit.seconds, data.visit.ended_s) == (
        VisitState.INTERRUPTED,
        30.0,
        WALL_S,
    )
    assert (len(data.steps), data.visit.ran_s) == (90, 30.0)
    assert [(block.why, block.ended_s, block.ran_s) for block in data.blocks] == [
        ("done", 10.0, 10.0),
        ("interrupted", 30.0, 20.0),
    ]
    assert data.events[-1].kind == "interrupted"
    assert verify(tmp_path).damage == ()


def test_a_visit_goes_on_after_a_restart_as_if_nothing_had_been(tmp_path: Path) -> None:
    visit = cut_off(clinic(tmp_path), seconds=30)
    found = recover(tmp_path, clocks_now())
    assert found
    assert found.visit.progress
    assert (found.visit.progress.block, found.visit.progress.ran_s) == (1, 20.0)
    writer = Writer(tmp_path, reserve_mb=0.1)
    writer.resume(visit)
    writer.post(span(visit, 1, 30.0))
    for n in range(30, 40):
        writer.post(second(visit, n, span_n=1, ran_s=n - 9.0, block=1))
    writer.post(happened(visit, BlockEnded(40.0, 1, "done", 30.0), block=2))
    writer.post(happened(visit, BlockBegan(40.0, 2), block=2))
    writer.ask(over(visit, 40.0, 0.0, block=2))
    writer.close()
    with Store.open(tmp_path) as store:
        data = store.data(visit)
        assert sorted({n for n, _, _ in store.trace(visit)}) == [0, 1]
    assert (len(data.steps), data.visit.ran_s, data.visit.state) == (120, 40.0, VisitState.DONE)
    assert list(data.steps["n"]) == list(range(120))
    assert list(data.steps["block"]) == [0] * 30 + [1] * 90
    assert [event.kind for event in data.events] == ["baseline", "restart"]
    assert verify(tmp_path).damage == ()


def test_a_paused_visit_is_still_paused_after_a_restart(tmp_path: Path) -> None:
    writer = Writer(clinic(tmp_path), reserve_mb=0.1)
    visit = writer.begin(beginning())
    writer.post(span(visit))
    writer.post(happened(visit, BlockBegan(0.0, 0)))
    writer.ask(happened(visit, Noted(2.0, "pause"), ran_s=2.0, state=VisitState.PAUSED))
    writer.close()
    writer = Writer(tmp_path, reserve_mb=0.1)
    writer.resume(visit)
    with Store.open(tmp_path) as store:
        assert store.visit(visit).state == VisitState.PAUSED
    writer.post(second(visit, 2, ran_s=2.0))
    writer.ask(happened(visit, Noted(3.0, "resume"), ran_s=2.0))
    writer.close()
    with Store.open(tmp_path) as store:
        assert store.visit(visit).state == VisitState.RUNNING
        assert list(store.data(visit).steps["paused"]) == [1, 1, 1]


def test_a_closed_visit_can_be_taken_up_again_an_ended_one_can_not(tmp_path: Path) -> None:
    visit = cut_off(clinic(tmp_path))
    close_interrupted(tmp_path, visit)
    writer = Writer(tmp_path, reserve_mb=0.1)
    writer.resume(visit)
    with Store.open(tmp_path) as store:
        row = store.visit(visit)
        assert (row.state, row.ended_s) == (VisitState.RUNNING, None)
        assert store.data(visit).blocks[1].ended_s is None
    writer.ask(over(visit, 31.0, 21.0))
    with pytest.raises(VisitError, match="has ended"):
        writer.resume(visit)
    other = writer.begin(beginning())
    assert other == visit + 1
    writer.close()


def test_nothing_goes_on_beside_a_visit_that_runs(tmp_path: Path) -> None:
    visit = cut_off(clinic(tmp_path))
    close_interrupted(tmp_path, visit)
    writer = Writer(tmp_path, reserve_mb=0.1)
    writer.begin(beginning())
    with pytest.raises(VisitError, match="another visit runs"):
        writer.resume(visit)
    with pytest.raises((VisitError, StoreError), match="there is no visit 99"):
        writer.resume(99)
    writer.close()
