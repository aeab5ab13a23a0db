"""The store: what goes in comes out to the bit; what is not there, taken or no code is refused in words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.clinic.rows import STEP
from appliance.clinic.terms import Kind, VisitKind, VisitState
from appliance.errors import StoreError, VisitError
from appliance.store import schema
from appliance.store.opening import FILE, connected, locked
from appliance.store.runners import code_of
from appliance.store.store import Store
from appliance.store.writer import Writer
from tests.store.made import BASELINE, WALL_S, beginning, clinic, steps, trace, track, until, visited


def test_there_is_no_store_until_something_is_to_be_kept(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing is kept here yet") as refused:
        Store.open(tmp_path)
    assert "hipbar runner add" in refused.value.fix
    assert not list(tmp_path.iterdir())


def test_a_whole_visit_comes_back_as_it_was_handed_over(tmp_path: Path) -> None:
    visit = visited(clinic(tmp_path), seconds=30)
    with Store.open(tmp_path) as store:
        data, traces = store.data(visit), list(store.trace(visit))
    assert (data.visit.runner, data.visit.state, data.visit.seconds) == ("R07", VisitState.DONE, 30.0)
    assert (data.visit.planned_s, data.visit.ran_s, data.visit.steps) == (80.0, 30.0, 90)
    assert data.visit.baseline == BASELINE
    assert data.visit.plan == beginning().plan
    assert data.visit.protocol_text == beginning().protocol_text
    assert [(b.n, b.began_s, b.ended_s, b.ran_s) for b in data.blocks] == [
        (0, 0.0, 10.0, 10.0),
        (1, 10.0, 30.0, 20.0),
    ]
    assert [(s.began_s, s.aim.mode) for s in data.stretches] == [(10.0, "asymmetry")]
    assert (data.spans[0].frames, data.spans[0].settings) == (3600, '{"camera":{"rate_hz":120}}')
    assert (
        np.concatenate([t for _, t, _ in traces]).tobytes()
        == np.concatenate([*map(track, range(30))]).tobytes()
    )
    assert (
        np.concatenate([t for _, _, t in traces]).tobytes()
        == np.concatenate([*map(trace, range(30))]).tobytes()
    )
    told = np.concatenate([steps(n) for n in range(30)])
    for name in set(STEP.names or ()) - {"n", "block", "lit", "paused"}:
        np.testing.assert_array_equal(data.steps[name], told[name])
    assert list(data.steps["n"]) == list(range(90))
    assert list(data.steps["block"]) == [0] * 30 + [1] * 60
    assert list(data.steps["lit"]) == [0] * 30 + [1] * 60


def test_the_steps_can_be_asked_for_by_hand_with_any_sqlite(tmp_path: Path) -> None:
    visited(clinic(tmp_path), seconds=6)
    with sqlite3.connect(tmp_path / FILE) as db:
        query = 'SELECT "right", avg(peak_drop_deg) FROM steps GROUP BY "right" ORDER BY "right"'
        (left, left_deg), (right, right_deg) = db.execute(query)
    db.close()
    assert (left, right) == (0, 1)
    assert left_deg < right_deg


def test_visits_are_listed_newest_first_by_number_whatever_the_clock_said(tmp_path: Path) -> None:
    clinic(tmp_path, "R07", "R08")
    numbers = [visited(tmp_path, runner, seconds=3) for runner in ("R07", "R08", "R07")]
    with Store.open(tmp_path) as store:
        assert [row.id for row in store.visits()] == numbers[::-1]
        assert [row.id for row in store.visits("r07")] == [numbers[2], numbers[0]]
        assert [row.id for row in store.visits(limit=1)] == [numbers[2]]
        assert store.visits(kind=VisitKind.CUE) == []
        assert [row.id for row in store.course("R07", "retraining")] == [numbers[0], numbers[2]]
        assert store.first_baseline("R07", "retraining") == BASELINE
        assert store.first_baseline("R07", "open") is None
        assert store.visit("last").id == numbers[2]
        assert store.visit(str(numbers[1])).runner == "R08"
        assert [(row.code, row.visits) for row in store.runners()] == [("R07", 2), ("R08", 1)]


@pytest.mark.parametrize(
    "words", ["Anna", "Anna Meier", "anna", "R 07", "R", "", "R07_a", "Ä1", "R" * 17, "-R7"]
)
def test_a_name_is_no_code(words: str) -> None:
    with pytest.raises(StoreError, match="is no code") as refused:
        code_of(words)
    assert "no name" in refused.value.fix


@pytest.mark.parametrize(
    ("typed", "code"), [("r07", "R07"), (" K-12 ", "K-12"), ("AB", "AB"), ("0815", "0815")]
)
def test_a_code_is_kept_in_capitals(typed: str, code: str) -> None:
    assert code_of(typed) == code


def test_a_code_that_is_taken_is_refused_and_an_unknown_one_gets_the_nearest(tmp_path: Path) -> None:
    with Store.open(clinic(tmp_path, "KNEE-12")) as store:
        with pytest.raises(StoreError, match="already"):
            store.add_runner("knee-12", "", WALL_S)
        with pytest.raises(StoreError, match='no runner has the code "KNEE-21"') as refused:
            store.runner("KNEE-21")
        assert refused.value.fix == 'did you mean "KNEE-12"?'
        with pytest.raises(StoreError, match="there is no visit 7"):
            store.visit(7)
        with pytest.raises(StoreError, match="no visit is kept yet"):
            store.visit("last")


def test_a_visit_without_a_runner_is_assigned_later(tmp_path: Path) -> None:
    visit = visited(clinic(tmp_path), None, seconds=3)
    with Store.open(tmp_path) as store:
        assert store.visit(visit).runner is None
        assert store.assign(visit, "r07").runner == "R07"
        with pytest.raises(StoreError, match="no runner"):
            store.assign(visit, "R99")
        assert store.visit(visit).runner == "R07"


def test_editions_of_steps_stay_apart(tmp_path: Path) -> None:
    visit = visited(clinic(tmp_path), seconds=6)
    with Store.open(tmp_path) as store:
        live = store.data(visit)
        again = live.steps[:10].copy()
        again["peak_drop_deg"] += 0.5
        store.put_steps(visit, 2, again, "hipbar next", WALL_S)
        store.put_steps(visit, 2, again, "hipbar next", WALL_S + 1.0)  # computed once more
        assert store.editions(visit) == [(1, "hipbar test", WALL_S), (2, "hipbar next", WALL_S + 1.0)]
        assert store.data(visit).steps.tobytes() == again.tobytes()
        assert store.data(visit).edition == 2
        assert store.data(visit, 1).steps.tobytes() == live.steps.tobytes()
        assert store.visit(visit).steps == 18
        with pytest.raises(StoreError, match="no edition 3"):
            store.data(visit, 3)
        with pytest.raises(StoreError, match="measured live"):
            store.put_steps(visit, 1, again, "hipbar next", WALL_S)


def test_steps_computed_anew_are_placed_as_the_live_ones_were(tmp_path: Path) -> None:
    visit = visited(clinic(tmp_path), seconds=30)
    bare = np.concatenate([steps(n) for n in range(30)])
    with Store.open(tmp_path) as store:
        assert store.placed(visit, bare).tobytes() == store.data(visit).steps.tobytes()


def test_figures_are_computed_once_and_anew_for_a_new_edition(tmp_path: Path) -> None:
    visit = visited(clinic(tmp_path), seconds=60)
    with Store.open(tmp_path) as store:
        first = store.summary(visit)
        assert store.summary(visit) == first
        again = store.data(visit).steps
        again["peak_drop_deg"] += 1.0
        store.put_steps(visit, 2, again, "hipbar next", WALL_S)
        assert store.summary(visit) != first


def test_a_visit_from_elsewhere_is_added_whole_or_not_at_all(tmp_path: Path) -> None:
    clinic(tmp_path / "a")
    visit = visited(tmp_path / "a", seconds=12)
    with Store.open(tmp_path / "a") as source, Store.open(clinic(tmp_path / "b"), make=True) as store:
        data = source.data(visit)
        with pytest.raises(ValueError, match="torn"):
            store.put_visit(data, _torn(source.trace(visit)))
        assert store.visits() == []
        number = store.put_visit(data, source.trace(visit))
        got = store.data(number)
        assert got.steps.tobytes() == data.steps.tobytes()
        assert (got.blocks, got.stretches, got.events, got.spans) == (
            data.blocks,
            data.stretches,
            data.events,
            data.spans,
        )
        assert [c.tobytes() for _, _, c in store.trace(number)] == [
            c.tobytes() for _, _, c in source.trace(visit)
        ]
        assert [n for n, _, _ in store.trace(number, span=0)] == [0] * 12
        assert list(store.trace(number, span=5)) == []


def _torn(traces):  # type: ignore[no-untyped-def]
    for n, chunk in enumerate(traces):
        if n == 5:
            raise ValueError("torn")
        yield chunk


def test_the_audit_keeps_what_belongs_to_no_visit(tmp_path: Path) -> None:
    with Store.open(clinic(tmp_path)) as store:
        store.note_audit("clock", "was put back", WALL_S)
        assert [(row.kind, row.words, row.wall_s) for row in store.audit()] == [
            ("clock", "was put back", WALL_S)
        ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), min_size=13, max_size=13))
def test_any_figure_of_a_step_comes_back_to_the_bit(tmp_path: Path, values: list[float]) -> None:
    """But for the two that the store makes one of: NaNs of other bits, and zero below zero."""
    with Store.open(tmp_path, make=True) as store:
        if not store.visits():
            visited(tmp_path, None, seconds=3)
        row = np.zeros(1, STEP)
        for name, value in zip([n for n in STEP.names or () if STEP[n].kind == "f"], values, strict=True):
            row[name] = value
        store.put_steps("last", 2, row, "hipbar test", WALL_S)
        (got,) = store.data("last").steps
        for name in STEP.names or ():
            np.testing.assert_array_equal(got[name], row[0][name])


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = clinic(tmp_path) / FILE
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer hipbar") as refused:
        Store.open(tmp_path)
    assert "update" in refused.value.fix


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("CREATE TABLE songs(title TEXT)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        Store.open(tmp_path, make=True)


def test_an_older_store_is_copied_first_and_then_brought_up_to_date(tmp_path: Path) -> None:
    path = clinic(tmp_path) / FILE
    steps_ = (*schema.STEPS, "ALTER TABLE runners ADD COLUMN shoe TEXT; CREATE TABLE shoes(name TEXT) STRICT")
    db = sqlite3.connect(path, isolation_level=None)
    schema.ready(db, path, make=False, steps=steps_)
    assert db.execute("SELECT code, shoe FROM runners").fetchall() == [("R07", None)]
    assert db.execute("PRAGMA user_version").fetchone() == (2,)
    db.close()
    before = sqlite3.connect(tmp_path / "clinic-v1-before-v2.db")
    assert before.execute("PRAGMA user_version").fetchone() == (1,)
    assert before.execute("SELECT code FROM runners").fetchall() == [("R07",)]
    before.close()


def test_an_older_store_is_not_changed_under_an_older_service(tmp_path: Path) -> None:
    clinic(tmp_path)
    newer = (*schema.STEPS, "ALTER TABLE runners ADD COLUMN shoe TEXT")
    service = locked(tmp_path)
    with pytest.raises(StoreError, match="the service keeps visits in it"):
        connected(tmp_path, steps=newer)
    os.close(service)
    connected(tmp_path, steps=newer).close()
    assert (tmp_path / "clinic-v1-before-v2.db").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_people_of_the_service_s_group_use_the_store_while_the_service_has_it_open(tmp_path: Path) -> None:
    """The folder is the service's alone to write in, as /var/lib/hipbar is."""
    os.chown(tmp_path, 12345, 23456)
    tmp_path.chmod(0o750)
    clinic(tmp_path)
    with _as_technician(tmp_path), Store.open(tmp_path) as store:  # nobody has it open: reading is all
        assert [row.code for row in store.runners()] == ["R07"]
        with pytest.raises(StoreError, match="may only read it") as refused:
            store.add_runner("R08", "", WALL_S)
        assert "sudo" in refused.value.fix
    writer = Writer(tmp_path, reserve_mb=0.1)
    until((tmp_path / f"{FILE}-wal").exists)
    with _as_technician(tmp_path), Store.open(tmp_path) as store:
        store.add_runner("R08", "", WALL_S)
    writer.begin(beginning("R08"))
    writer.close()


@contextlib.contextmanager
def _as_technician(folder: Path) -> Iterator[None]:
    for parent in folder.parents:
        if parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o755)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(23456)
    os.seteuid(34567)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def test_a_step_to_a_newer_schema_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = clinic(tmp_path) / FILE
    db = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        schema.ready(
            db, path, make=False, steps=(*schema.STEPS, "CREATE TABLE shoes(name TEXT); DROP TABLE nothing")
        )
    assert db.execute("PRAGMA user_version").fetchone() == (1,)
    assert not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'shoes'").fetchone()
    db.close()


def test_a_power_cut_while_the_store_is_made_leaves_what_can_be_made(tmp_path: Path) -> None:
    (tmp_path / FILE).touch()
    with pytest.raises(StoreError, match="nothing is kept"):
        Store.open(tmp_path)
    with Store.open(tmp_path, make=True) as store:
        assert store.runners() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_what_root_makes_belongs_to_the_folder_s_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 23456)
    with Store.open(tmp_path, make=True) as store:
        store.add_runner("R07", "", WALL_S)
        for ending in ("", "-wal", "-shm"):
            found = (tmp_path / (FILE + ending)).stat()
            assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 23456, 0o660), ending


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else needs root")
def test_whoever_may_not_read_the_store_is_told_how(tmp_path: Path) -> None:
    clinic(tmp_path)
    tmp_path.chmod(0o755)
    with _as_technician(tmp_path), pytest.raises(StoreError, match="may not use it") as refused:
        Store.open(tmp_path)
    assert 'group "hipbar"' in refused.value.fix


def test_a_visit_that_runs_is_told_and_can_not_be_added_again(tmp_path: Path) -> None:
    visit = visited(clinic(tmp_path), seconds=3)
    with Store.open(tmp_path) as store:
        assert store.running() is None
        data = store.data(visit)
        import msgspec

        with pytest.raises(VisitError, match="still runs"):
            store.put_visit(
                msgspec.structs.replace(data, visit=msgspec.structs.replace(data.visit, ended_s=None)), ()
            )
    assert {block.block.kind for block in data.blocks} == {Kind.BASELINE, Kind.FEEDBACK}
