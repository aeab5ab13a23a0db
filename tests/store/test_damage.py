"""A card that loses bits: what is damaged is named, and how much can still be read is said."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import pytest

from appliance.errors import HipbarError, StoreError
from appliance.store.opening import FILE
from appliance.store.store import Store
from appliance.store.verify import verify
from tests.store.made import clinic, visited


def damaged(folder: Path, where: bytes) -> None:
    """Turns one bit of the first place in the file that has these bytes."""
    path = folder / FILE
    whole = bytearray(path.read_bytes())
    at = whole.index(where)
    whole[at + len(where) // 2] ^= 0x10
    path.write_bytes(whole)


def by_hand(folder: Path, *words: str) -> None:
    db = sqlite3.connect(folder / FILE, isolation_level=None)
    for sentence in words:
        db.execute(sentence)
    db.close()


def test_a_sound_store_has_nothing_to_tell_and_its_progress_goes_forward(tmp_path: Path) -> None:
    clinic(tmp_path)
    for _ in range(3):
        visited(tmp_path, seconds=12)
    told: list[float] = []
    found = verify(tmp_path, lambda done, whole: told.append(done / whole))
    assert (found.runners, found.visits, found.whole, found.steps, found.frames) == (1, 3, 3, 108, 4320)
    assert found.damage == ()
    assert found.bytes == (tmp_path / FILE).stat().st_size
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_flipped_bit_in_a_chunk_is_named_and_the_rest_is_still_read(tmp_path: Path) -> None:
    clinic(tmp_path)
    visits = [visited(tmp_path, seconds=6) for _ in range(3)]
    db = sqlite3.connect(tmp_path / FILE)
    (blob,) = db.execute("SELECT track FROM chunks WHERE visit = ? AND n = 2", (visits[1],)).fetchone()
    db.execute(
        "UPDATE chunks SET track = ? WHERE visit = ? AND n = 2", (blob[:99] + b"?" + blob[100:], visits[1])
    )
    db.commit()
    db.close()
    found = verify(tmp_path)
    assert found.damage == (f"visit {visits[1]}: chunk 2 of its trace is damaged",)
    assert (found.visits, found.whole) == (3, 2)
    with Store.open(tmp_path) as store:
        assert len(list(store.trace(visits[0]))) == 6
        with pytest.raises(StoreError, match="chunk 2 of its trace is damaged") as refused:
            list(store.trace(visits[1]))
        assert "hipbar verify" in refused.value.fix
        assert len(store.data(visits[1]).steps) == 18


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (
            "UPDATE steps SET peak_drop_deg = peak_drop_deg + 1e-9 WHERE n = 5",
            "steps are not as they were written",
        ),
        ("DELETE FROM steps WHERE n = 5", "17 steps instead of 18"),
        ("DELETE FROM chunks WHERE n = 3", "chunk 3 of its trace is missing"),
        ("DELETE FROM chunks WHERE n = 5", "600 frames instead of 720"),
        ("UPDATE chunks SET span = 1 WHERE n = 5", "chunk 5 of its trace is damaged"),
        ("DELETE FROM plans", "its plan is damaged"),
        ("UPDATE blocks SET block = '{' WHERE n = 1", "its block is damaged"),
        ("UPDATE blocks SET ended_s = -1.0 WHERE n = 0", "block 1 ends before it begins"),
        ("DELETE FROM editions", "a row that belongs to nothing in editions"),
    ],
)
def test_whatever_was_changed_behind_the_store_s_back_is_told(
    tmp_path: Path, sentence: str, told: str
) -> None:
    visited(clinic(tmp_path), seconds=6)
    by_hand(tmp_path, "PRAGMA foreign_keys = OFF", sentence)
    assert any(told in line for line in verify(tmp_path).damage)


def test_pages_of_nonsense_anywhere_never_end_in_a_traceback(tmp_path: Path) -> None:
    clinic(tmp_path)
    for _ in range(3):
        visited(tmp_path, seconds=6)
    path, chance = tmp_path / FILE, random.Random(4)
    sound = path.read_bytes()
    pages = len(sound) // 4096
    for page in range(pages):
        broken = bytearray(sound)
        broken[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
        path.write_bytes(broken)
        found = verify(tmp_path)
        assert found.damage, f"page {page}"
        with contextlib.suppress(HipbarError), Store.open(tmp_path) as store:
            for row in store.visits():
                store.data(row.id)
        for ending in ("-wal", "-shm"):
            path.with_name(FILE + ending).unlink(missing_ok=True)


@pytest.mark.parametrize("size", [0, 50, 4096, 50_000])
def test_a_file_that_was_cut_short_is_told(tmp_path: Path, size: int) -> None:
    visited(clinic(tmp_path), seconds=12)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:size])
    if size == 0:
        with pytest.raises(StoreError, match="nothing is kept"):
            verify(tmp_path)
        return
    found = verify(tmp_path)
    assert found.damage
    assert found.whole == 0


def test_a_damaged_header_says_what_to_do(tmp_path: Path) -> None:
    clinic(tmp_path)
    damaged(tmp_path, b"SQLite format 3\0")
    with pytest.raises(StoreError, match="is no database") as refused:
        Store.open(tmp_path)
    assert "hipbar restore" in refused.value.fix
    assert "is no database" in verify(tmp_path).damage[0]


def test_looking_changes_nothing(tmp_path: Path) -> None:
    visited(clinic(tmp_path), seconds=6)
    before = (tmp_path / FILE).read_bytes()
    verify(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before
