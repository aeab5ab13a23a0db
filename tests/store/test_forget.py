"""Forgetting: rows, bytes in the file, and bytes in the log are gone; others are as they were; a line stays."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest

from appliance.clinic.terms import BlockBegan, Noted
from appliance.errors import StoreError, VisitError
from appliance.packing import packed
from appliance.store.opening import FILE
from appliance.store.store import Store
from appliance.store.verify import verify
from appliance.store.writer import Writer
from tests.store.made import WALL_S, beginning, clinic, happened, over, second, span, track, visited


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def kept(folder: Path, code: str, first: int, seconds: int = 40) -> int:
    """A visit whose steps and frames nobody else's have, and a note with the code in it."""
    writer = Writer(folder, reserve_mb=0.1)
    visit = writer.begin(beginning(code))
    writer.post(span(visit))
    writer.post(happened(visit, BlockBegan(0.0, 0)))
    for n in range(first, first + seconds):
        writer.ask(second(visit, n))  # a commit each: pages are split and filled as in a real visit
    writer.post(happened(visit, Noted(2.0, "note", f"marker {code} marker")))
    writer.ask(over(visit, float(seconds), float(seconds), block=0))
    writer.close()
    return visit


def traces_of(folder: Path, first: int, seconds: int = 40) -> list[int]:
    """Which seconds' steps and frames are anywhere in the folder's files."""
    from tests.store.made import steps

    whole = everything(folder)
    found = []
    for n in range(first, first + seconds):
        drops = steps(n)["peak_drop_deg"]
        needles = [struct.pack(">d", drop) for drop in drops if np.isfinite(drop)]
        needles.append(packed(track(n))[200:216])
        if any(needle in whole for needle in needles):
            found.append(n)
    return found


def test_a_forgotten_runner_s_bytes_are_nowhere_in_the_folder_any_more(tmp_path: Path) -> None:
    clinic(tmp_path, "GONE-41", "STAYS-42")
    for turn in range(4):
        kept(tmp_path, "GONE-41", 1000 + 100 * turn)
        kept(tmp_path, "STAYS-42", 5000 + 100 * turn)
    assert len(traces_of(tmp_path, 1000)) == 40
    with Store.open(tmp_path) as store:
        done = store.forget("gone-41", WALL_S)
    assert (done.visits, done.steps, done.frames, done.copies) == (4, 480, 19200, ())
    whole = everything(tmp_path)
    assert b"GONE-41" not in whole
    for turn in range(4):
        assert traces_of(tmp_path, 1000 + 100 * turn) == []
        assert len(traces_of(tmp_path, 5000 + 100 * turn)) == 40
    with Store.open(tmp_path) as store:
        assert [row.code for row in store.runners()] == ["STAYS-42"]
        assert len(store.visits()) == 4
        (line,) = store.audit()
        assert (line.kind, line.words) == ("runner forgotten", "4 visits, 480 steps, 19200 frames")
    assert verify(tmp_path).damage == ()


def test_a_runner_can_be_forgotten_while_another_one_s_visit_runs(tmp_path: Path) -> None:
    clinic(tmp_path, "GONE-41", "STAYS-42")
    kept(tmp_path, "GONE-41", 1000)
    writer = Writer(tmp_path, reserve_mb=0.1)
    visit = writer.begin(beginning("STAYS-42"))
    writer.post(span(visit))
    writer.ask(second(visit, 0))
    with Store.open(tmp_path) as store:
        store.forget("GONE-41", WALL_S)
    assert traces_of(tmp_path, 1000) == []
    writer.ask(second(visit, 1))
    writer.close()
    assert verify(tmp_path).damage == ()


def test_whoever_runs_now_can_not_be_forgotten(tmp_path: Path) -> None:
    writer = Writer(clinic(tmp_path), reserve_mb=0.1)
    visit = writer.begin(beginning())
    with Store.open(tmp_path) as store:
        with pytest.raises(VisitError, match=f"visit {visit} of R07 runs"):
            store.forget("R07", WALL_S)
        assert store.runner("R07").visits == 1
        with pytest.raises(StoreError, match="no runner"):
            store.forget("R99", WALL_S)
    writer.close()


def test_somebody_who_still_reads_is_waited_for_and_then_told(tmp_path: Path) -> None:
    visited(clinic(tmp_path), seconds=3)
    reader = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM steps").fetchone()
    with Store.open(tmp_path) as store:
        store._db.execute("PRAGMA busy_timeout = 50")
        with pytest.raises(StoreError, match="still reads what was there before"):
            store.forget("R07", WALL_S)
    reader.close()


def test_copies_that_still_hold_a_runner_are_named(tmp_path: Path) -> None:
    visited(clinic(tmp_path), seconds=3)
    (tmp_path / "clinic-v1-before-v2.db").write_bytes(b"an older one")
    with Store.open(tmp_path) as store:
        assert store.forget("R07", WALL_S).copies == ("clinic-v1-before-v2.db",)


def test_a_code_that_was_forgotten_can_be_given_again_and_visits_keep_their_numbers(tmp_path: Path) -> None:
    first = visited(clinic(tmp_path), seconds=3)
    with Store.open(tmp_path) as store:
        store.forget("R07", WALL_S)
        store.add_runner("R07", "", WALL_S)
    assert visited(tmp_path, seconds=3) == first + 1
