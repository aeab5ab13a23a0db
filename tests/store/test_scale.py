"""A small store as `tests/store/scale.py` makes it: sound, and nothing in it is slow for a foolish reason."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from appliance.store.opening import FILE
from appliance.store.verify import verify
from tests.store.scale import made, waits, written

_QUESTIONS = (
    "SELECT * FROM visits v WHERE v.runner = 3 ORDER BY v.id DESC",
    "SELECT * FROM steps WHERE visit = 3 AND edition = 1 ORDER BY n",
    "SELECT * FROM chunks WHERE visit = 3 ORDER BY n",
    "SELECT id FROM visits WHERE state IN ('running', 'paused')",
    "SELECT * FROM visits v ORDER BY v.id DESC LIMIT 50",
    "DELETE FROM visits WHERE id = 3",
)


def test_a_store_of_many_visits_is_sound(tmp_path: Path) -> None:
    made(tmp_path, visits=24, steps=200, traced=0)
    found = verify(tmp_path)
    assert (found.runners, found.visits, found.steps, found.damage) == (3, 24, 4800, ())
    assert set(waits(tmp_path)) >= {"begin a visit", "list all visits"}


def test_no_question_reads_or_sorts_a_whole_table(tmp_path: Path) -> None:
    made(tmp_path, visits=2, steps=20, traced=0)
    db = sqlite3.connect(tmp_path / FILE)
    for question in _QUESTIONS:
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {question}")]
        scans = [line for line in plan if line.startswith("SCAN") and "LIMIT" not in question]
        assert not scans or "one_visit_at_a_time" in scans[0], (question, plan)
        assert not [line for line in plan if "TEMP B-TREE" in line], (question, plan)
    db.close()


def test_a_minute_of_a_visit_writes_little(tmp_path: Path) -> None:
    handed, _, grown = written(tmp_path, seconds=60)
    assert handed < 4.0
    assert grown < 0.8
