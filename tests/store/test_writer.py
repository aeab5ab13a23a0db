"""The writer: what was acknowledged is on the disk; the loop never waits, and no step is lost."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from appliance.clinic.terms import (
    DARK,
    Block,
    BlockBegan,
    Kind,
    Lit,
    Noted,
    Plan,
    Rep,
    Show,
    VisitKind,
    VisitState,
    Zeroed,
)
from appliance.errors import OutputError, StoreError, VisitError
from appliance.records import Notice
from appliance.store.items import Held
from appliance.store.opening import FILE
from appliance.store.store import Store
from appliance.store.verify import verify
from appliance.store.writer import LONGEST_S, WAITING_S, Writer
from tests.keeping.disks import ext4_disk, frozen, full_disk, small_disk
from tests.store.made import (
    STEPS_A_SECOND,
    WALL_S,
    beginning,
    clinic,
    course_of,
    happened,
    over,
    second,
    span,
    until,
)


def writer(folder: Path, *, reserve_mb: float = 0.1, again_s: float = 0.05) -> Writer:
    return Writer(folder, reserve_mb=reserve_mb, again_s=again_s)


def test_a_visit_makes_the_store_when_there_is_none(tmp_path: Path) -> None:
    keeps = writer(tmp_path / "state")
    assert keeps.held == Held()
    visit = keeps.begin(beginning(None))
    keeps.close()
    with Store.open(tmp_path / "state") as store:
        assert store.visit(visit).state == VisitState.RUNNING


def test_what_the_writer_says_it_holds_is_there_for_others(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning())
    for item in course_of(visit, 30):
        keeps.post(item)
    until(lambda: keeps.held.at_s == 30.0)
    held = keeps.held
    assert (held.visit, held.steps, held.dropped, held.trouble) == (visit, 90, 0, None)
    assert held.written_bytes > 30 * 3000
    with Store.open(tmp_path) as store:  # while the writer goes on
        running = store.running()
        assert running
        assert (running.id, running.steps, running.seconds, running.ran_s) == (visit, 90, 30.0, 30.0)
        assert len(store.data(visit).steps) == 90
    keeps.close()


def test_two_visits_at_once_are_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning())
    with pytest.raises(VisitError, match=f"visit {visit} is still running"):
        keeps.begin(beginning())
    keeps.post(span(visit))
    keeps.ask(second(visit, 0))
    keeps.ask(over(visit, 1.0, 1.0, block=0, state=VisitState.STOPPED))
    assert keeps.begin(beginning()) == visit + 1
    keeps.close()


def test_an_unknown_runner_is_refused_with_the_nearest_code(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path, "KNEE-12"))
    with pytest.raises(StoreError, match="no runner has the code") as refused:
        keeps.begin(beginning("KNEE-13"))
    assert "KNEE-12" in refused.value.fix
    assert keeps.held.trouble is None
    keeps.close()


def test_a_second_service_is_refused(tmp_path: Path) -> None:
    first = writer(clinic(tmp_path))
    first.begin(beginning())
    second_one = writer(tmp_path)
    with pytest.raises(StoreError, match="the service keeps visits in it"):
        second_one.begin(beginning())
    first.close()
    second_one.close()


def test_pauses_lights_zeros_marks_and_repetitions_are_kept(tmp_path: Path) -> None:
    blocks = (Block(kind=Kind.HOLD, seconds=30.0), Block(kind=Kind.REST, seconds=10.0))
    plan = Plan(kind=VisitKind.EXERCISE, protocol="wall hold", number=1, visits=1, blocks=blocks)
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning(plan=plan))
    paused = VisitState.PAUSED
    for item in (
        span(visit),
        happened(visit, BlockBegan(0.0, 0)),
        happened(visit, Zeroed(0.5, 0.25, 0.125, 4.0)),
        happened(visit, Show(0.6, Notice.BEGINS, 2.0)),
        second(visit, 0),
        happened(visit, Noted(1.1, "pause"), ran_s=1.1, state=paused),
        second(visit, 1, ran_s=1.1),
        happened(visit, Noted(2.2, "resume"), ran_s=1.1),
        happened(visit, Lit(2.2, DARK), ran_s=1.1),
        second(visit, 2, ran_s=1.9),
        happened(visit, Noted(2.5, "note", "shoes changed"), ran_s=1.9),
        happened(visit, Rep(2.9, 0, 1, 0.0, 2.9, range_deg=None, level_s=2.0), ran_s=1.9),
    ):
        keeps.post(item)
    keeps.ask(over(visit, 3.0, 1.9, block=0, state=VisitState.STOPPED))
    keeps.close()
    with Store.open(tmp_path) as store:
        data = store.data(visit)
    assert [(event.kind, event.words) for event in data.events] == [
        ("zero", "0.250 deg, spread 0.125 deg, 4.0 s"),
        ("pause", ""),
        ("resume", ""),
        ("note", "shoes changed"),
    ]
    paused_at = data.steps["contact_s"][data.steps["paused"] == 1]
    assert len(paused_at) == 3
    assert ((paused_at >= 1.1) & (paused_at < 2.2)).all()
    assert data.reps == (Rep(2.9, 0, 1, 0.0, 2.9, range_deg=None, level_s=2.0),)
    assert (data.visit.planned_s, data.visit.ran_s, data.visit.state) == (30.0, 1.9, VisitState.STOPPED)
    assert [(block.why, block.ran_s) for block in data.blocks] == [("stopped", 1.9)]


def test_a_clock_that_jumps_by_hours_moves_nothing_but_the_wall_times(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning())
    for item in course_of(visit, 12):
        keeps.post(item)
    end = msgspec.structs.replace(over(visit, 12.0, 8.0), wall_s=WALL_S - 7 * 3600.0)
    keeps.ask(end)
    keeps.close()
    with Store.open(tmp_path) as store:
        row = store.visit(visit)
    assert (row.began_s, row.ended_s, row.seconds) == (WALL_S, WALL_S - 7 * 3600.0, 12.0)
    assert verify(tmp_path).damage == ()


def test_items_of_a_visit_that_was_erased_meanwhile_are_dropped_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning())
    with caplog.at_level(logging.ERROR):
        for n in range(3):
            keeps.post(second(visit + 7, n))
        keeps.post(span(visit))
        keeps.ask(second(visit, 0))
    assert [record.message for record in caplog.records].count(
        f"visit {visit + 7}: not kept: there is no visit 8"
    ) == 1
    assert keeps.held.steps == STEPS_A_SECOND
    keeps.close()


def test_an_item_that_does_not_fit_is_refused_alone_and_in_words(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning())
    keeps.ask(span(visit))
    with pytest.raises(StoreError, match="not kept: UNIQUE") as refused:
        keeps.ask(span(visit))
    assert "fault of the program" in refused.value.fix
    with pytest.raises(VisitError, match="has no block 9"):
        keeps.ask(happened(visit, BlockBegan(0.0, 9)))
    keeps.post(happened(visit, BlockBegan(0.0, 0)))
    keeps.ask(second(visit, 0))
    assert (keeps.held.steps, keeps.held.trouble) == (STEPS_A_SECOND, None)
    keeps.close()


def test_whoever_asks_on_a_full_disk_is_told_and_nothing_is_lost_when_there_is_room_again(
    tmp_path: Path,
) -> None:
    with full_disk(tmp_path / "card", kb=3000) as (disk, fill):
        keeps = writer(clinic(disk))
        visit = keeps.begin(beginning())
        items = course_of(visit, 30)
        for item in items[:10]:
            keeps.post(item)
        until(lambda: keeps.held.steps == 24)
        filler = fill()
        held_before = keeps.held
        for item in items[10:]:
            keeps.post(item)
        until(lambda: keeps.held.trouble is not None)
        assert "No space left" in (keeps.held.trouble or "")
        assert keeps.held.at_s >= held_before.at_s
        with pytest.raises(OutputError):
            keeps.ask(happened(visit, Noted(30.0, "mark"), block=1))
        filler.unlink()
        until(lambda: keeps.held.trouble is None)
        keeps.ask(over(visit, 30.0, 20.0))
        keeps.close()
        with Store.open(disk) as store:
            data = store.data(visit)
            frames = sum(len(track) for _, track, _ in store.trace(visit))
        assert (len(data.steps), frames, data.visit.dropped) == (90, 3600, 0)
        assert [event.kind for event in data.events] == ["baseline", "mark"]
        assert verify(disk).damage == ()


def test_a_visit_that_can_not_be_kept_is_not_begun_on_a_full_disk(tmp_path: Path) -> None:
    with full_disk(tmp_path / "card", kb=2000) as (disk, fill):
        clinic(disk)
        fill()
        keeps = writer(disk, reserve_mb=0.0)
        with pytest.raises(OutputError, match="No space left"):
            keeps.begin(beginning())
        with Store.open(disk, read_only=True) as store:
            assert store.visits() == []
        keeps.close()


def test_below_the_reserve_steps_go_on_and_frames_do_not(tmp_path: Path) -> None:
    with small_disk(tmp_path / "card", kb=4000) as disk:
        keeps = writer(clinic(disk), reserve_mb=2.0)
        visit = keeps.begin(beginning())
        keeps.post(span(visit))
        keeps.ask(second(visit, 0))
        (disk / "filler").write_bytes(b"x" * 2_000_000)
        keeps.ask(second(visit, 1))
        assert "no frames are kept" in (keeps.held.trouble or "")
        assert keeps.held.dropped == 120
        (disk / "filler").unlink()
        keeps.ask(second(visit, 2))
        assert keeps.held.trouble is None
        keeps.ask(over(visit, 3.0, 3.0, block=0))
        (disk / "filler").write_bytes(b"x" * 2_000_000)
        other = keeps.begin(beginning())
        keeps.post(span(other))
        keeps.ask(second(other, 0))
        keeps.close()
        with Store.open(disk) as store:
            assert store.visit(visit).steps == 9
            assert store.visit(visit).dropped == 120
            assert [len(track) for _, track, _ in store.trace(visit)] == [120, 120]
            assert (store.visit(other).steps, list(store.trace(other))) == (3, [])
        assert verify(disk).damage == ()


def test_a_card_that_hangs_holds_up_nobody_and_costs_no_step(tmp_path: Path) -> None:
    """A frozen ext4: the kernel lets every write wait. More than a minute's frames are left out, and counted."""
    with ext4_disk(tmp_path / "card", mb=16) as disk:
        keeps = writer(clinic(disk))
        visit = keeps.begin(beginning())
        keeps.post(span(visit))
        keeps.ask(second(visit, 0))
        seconds = [second(visit, n) for n in range(1, WAITING_S + 20)]
        with frozen(disk):
            keeps.post(seconds[0])
            until(lambda: keeps._thread.is_alive() and keeps._seconds == 1)
            took = []
            for item in seconds[1:]:
                began_s = time.perf_counter()
                keeps.post(item)
                took.append(time.perf_counter() - began_s)
            with pytest.raises(OutputError, match="not on the disk after"):
                keeps.begin(beginning(), within_s=0.2)
            assert keeps.held.steps == STEPS_A_SECOND
        until(lambda: keeps.held.at_s == WAITING_S + 20.0)
        keeps.ask(over(visit, WAITING_S + 20.0, WAITING_S + 20.0, block=0))
        keeps.close()
        assert float(np.median(took)) < 0.001
        with Store.open(disk) as store:
            data = store.data(visit)
            frames = sum(len(track) for _, track, _ in store.trace(visit))
        assert len(data.steps) == STEPS_A_SECOND * (WAITING_S + 20)
        assert data.visit.dropped == keeps.held.dropped > 0
        assert frames + data.visit.dropped == 120 * (WAITING_S + 20)


def test_a_visit_whose_begin_nobody_waited_for_is_taken_back(tmp_path: Path) -> None:
    with ext4_disk(tmp_path / "card", mb=16) as disk:
        keeps = writer(clinic(disk))
        with frozen(disk), pytest.raises(OutputError, match="not on the disk"):
            keeps.begin(beginning(), within_s=0.3)
        assert keeps.begin(beginning()) >= 1
        keeps.close()
        with Store.open(disk) as store:
            assert [row.state for row in store.visits()] == [VisitState.RUNNING]


def test_steps_wait_two_hours_for_the_disk_and_no_longer(tmp_path: Path) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("not a folder")
    keeps = writer(blocked, again_s=60.0)
    bare = msgspec.structs.replace(second(1, 0), track=np.zeros(0, second(1, 0).track.dtype))
    for _ in range(LONGEST_S + 100):
        keeps.post(bare)
    assert len(keeps._waiting) == LONGEST_S
    until(lambda: keeps.held.trouble is not None)
    keeps.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_read_only_card_is_told_in_words(tmp_path: Path) -> None:
    import subprocess

    with ext4_disk(tmp_path / "card", mb=16) as disk:
        clinic(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        keeps = writer(disk)
        with pytest.raises(OutputError) as refused:
            keeps.begin(beginning())
        assert "ead-only" in f"{refused.value}; {refused.value.fix}"
        with Store.open(disk) as store:  # what is there can be read all the same
            assert [row.code for row in store.runners()] == ["R07"]
            with pytest.raises(OutputError):
                store.add_runner("R08", "", WALL_S)
        keeps.close()


def test_a_store_that_is_taken_away_under_the_writer_is_told(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning())
    (tmp_path / FILE).rename(tmp_path / "elsewhere.db")
    keeps.post(second(visit, 0))
    until(lambda: keeps.held.trouble is not None)
    assert FILE in (keeps.held.trouble or "")
    (tmp_path / "elsewhere.db").rename(tmp_path / FILE)
    until(lambda: keeps.held.steps == STEPS_A_SECOND)
    keeps.close()


def test_somebody_else_s_write_is_waited_for(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning())
    keeps.post(span(visit))
    with Store.open(tmp_path) as store:
        store._db.execute("BEGIN IMMEDIATE")
        done = threading.Event()
        asks = threading.Thread(target=lambda: (keeps.ask(second(visit, 0), within_s=20.0), done.set()))
        asks.start()
        assert not done.wait(0.2)
        store._db.execute("COMMIT")
        asks.join(20.0)
        assert done.is_set()
    keeps.close()


def test_after_the_end_nothing_is_taken(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path))
    keeps.close()
    keeps.close()
    keeps.post(second(1, 0))
    with pytest.raises(OutputError, match="is closed"):
        keeps.begin(beginning())


def test_the_loop_hands_over_in_microseconds(tmp_path: Path) -> None:
    keeps = writer(clinic(tmp_path))
    visit = keeps.begin(beginning())
    keeps.post(span(visit))
    took = []
    for item in [second(visit, n) for n in range(60)]:
        began_s = time.perf_counter()
        keeps.post(item)
        took.append(time.perf_counter() - began_s)
    keeps.close()
    assert float(np.median(took)) < 200e-6
