"""Killed at random moments, a visit's writer has lost nothing that it had acknowledged; see `tests/store/kills.py`."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

from appliance.store.opening import FILE
from tests.store.kills import many, one, wrong_with


def test_nothing_acknowledged_is_lost_when_the_writer_is_killed_fifteen_times() -> None:
    rounds = many(15, seed=15)
    assert [done.wrong for done in rounds if done.wrong] == []
    assert sum(bool(done.acknowledged) for done in rounds) >= 8


def test_the_check_notices_what_is_missing(tmp_path: Path) -> None:
    killed = one(tmp_path, random.Random(3), set())
    assert killed.wrong == []
    last = max(killed.acknowledged)
    line = killed.acknowledged[last]
    assert list(wrong_with(tmp_path, {last: line | {"seconds": line["seconds"] + 20}}, killed.runners))
    assert list(wrong_with(tmp_path, {}, killed.runners, known={last + 50}))
    assert list(wrong_with(tmp_path, killed.acknowledged, killed.runners + 50))
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute(
            "DELETE FROM steps WHERE (visit, n) IN (SELECT visit, n FROM steps ORDER BY visit DESC, n DESC LIMIT 1)"
        )
    db.close()
    assert list(wrong_with(tmp_path, killed.acknowledged, killed.runners))
