"""Killed at random moments, a visit's writer has lost nothing that it had acknowledged; see `tests/store/kills.py`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from appliance.store.opening import FILE
from tests.store.kills import many, wrong_with
from tests.store.made import clinic, visited


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed_fifteen_times() -> None:
    rounds = many(15, seed=15)
    assert [done.wrong for done in rounds if done.wrong] == []
    assert sum(bool(done.acknowledged) for done in rounds) >= 8


def test_the_check_notices_what_is_missing(tmp_path: Path) -> None:
    visit = visited(clinic(tmp_path), seconds=6)
    line = {"visit": visit, "state": "done", "seconds": 6, "steps": 18}
    assert list(wrong_with(tmp_path, {visit: line}, 1)) == []
    assert list(wrong_with(tmp_path, {visit: line | {"seconds": 7}}, 1))
    assert list(wrong_with(tmp_path, {visit: line | {"state": "interrupted"}}, 1))
    assert list(wrong_with(tmp_path, {}, 1, known={visit + 1}))
    assert list(wrong_with(tmp_path, {}, 2))
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("DELETE FROM steps WHERE n = 17")
    db.close()
    assert list(wrong_with(tmp_path, {visit: line}, 1))
    assert list(wrong_with(tmp_path / "elsewhere", {visit: line}, 1)) == ["the store is gone"]
