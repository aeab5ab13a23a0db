"""The scribe: a card that hangs is waited for by its thread alone; what is dropped is counted, and told."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import OutputError
from appliance.station.archive import Archive
from appliance.station.books import Chunk
from appliance.station.scribe import Scribe
from appliance.station.shelf import recordings
from tests.keeping.disks import ext4_disk, frozen
from tests.keeping.made import HEADER, RATE, chunk, frames_of, stamp

ROOT = Path(__file__).resolve().parents[2]
LONG_S = 30.0


class Card:
    """A book on a card that hangs until it is let go."""

    def __init__(self, *, hangs: bool = True) -> None:
        self.free, self.taken, self.ended = threading.Event(), threading.Semaphore(0), threading.Event()
        self.seqs: list[int] = []
        if not hangs:
            self.free.set()

    def keep(self, chunk: Chunk) -> None:
        assert self.free.wait(LONG_S)
        self.seqs.append(int(chunk.track["seq"][0]))
        self.taken.release()

    def close(self) -> None:
        self.ended.set()

    def has_taken(self, chunks: int) -> bool:
        return all(self.taken.acquire(timeout=LONG_S) for _ in range(chunks))


class Broken:
    """A book that fails at once."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def keep(self, chunk: Chunk) -> None:
        raise self._error

    def close(self) -> None:
        raise self._error


def test_chunks_arrive_in_their_order_with_what_was_lent_at_that_time() -> None:
    card = Card(hangs=False)
    scribe = Scribe((card,))
    lent = chunk(0)
    for second in range(5):
        lent.track["seq"] = second
        scribe.keep(lent)
    scribe.close()
    assert card.seqs == [0, 1, 2, 3, 4]
    assert card.ended.is_set()
    assert (scribe.trouble, scribe.dropped) == (None, 0)


def test_while_the_card_hangs_nobody_waits_and_ten_seconds_are_held() -> None:
    card = Card()
    scribe = Scribe((card,), backlog=10)
    slowest_s = 0.0
    for second in range(60):
        began_s = time.perf_counter()
        scribe.keep(chunk(second, frames=4))
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
    assert slowest_s < 1.0
    assert scribe.dropped in (49 * 4, 50 * 4), "one is in the thread's hands, ten wait"
    assert scribe.trouble
    assert "too slow" in scribe.trouble
    card.free.set()
    assert card.has_taken(60 - scribe.dropped // 4)
    scribe.keep(chunk(99))
    assert card.has_taken(1)
    scribe.close()
    assert scribe.trouble is None
    assert card.seqs[:10] == [RATE * second for second in range(10)]
    assert card.seqs[-1] == 99 * RATE


def test_what_was_dropped_is_told_once_and_so_is_the_end_of_it(caplog: pytest.LogCaptureFixture) -> None:
    card = Card()
    with caplog.at_level(logging.INFO, "hipbar.station"):
        scribe = Scribe((card,), backlog=2)
        for second in range(20):
            scribe.keep(chunk(second, frames=1))
        card.free.set()
        assert card.has_taken(20 - scribe.dropped)
        scribe.close()
    words = [record.getMessage() for record in caplog.records]
    assert [word[:13] for word in words] == ["the card is s", "the card keep"]


def test_the_end_waits_for_a_hanging_card_only_so_long() -> None:
    card = Card()
    scribe = Scribe((card,), end_s=0.05)
    for second in range(4):
        scribe.keep(chunk(second))
    began_s = time.monotonic()
    scribe.close()
    assert time.monotonic() - began_s < 5.0
    assert scribe.dropped in (3 * RATE, 4 * RATE)
    scribe.keep(chunk(9))
    card.free.set()
    assert card.ended.wait(LONG_S)


def test_a_failing_book_is_given_up_and_told_and_the_others_go_on() -> None:
    card = Card(hangs=False)
    scribe = Scribe((Broken(OutputError("card: full", fix="make room")), card))
    scribe.keep(chunk(0))
    scribe.keep(chunk(1))
    scribe.close()
    assert scribe.trouble == "card: full; make room"
    assert len(card.seqs) == 2


def test_a_defect_in_a_book_ends_neither_the_thread_nor_the_other_books(
    caplog: pytest.LogCaptureFixture,
) -> None:
    card = Card(hangs=False)
    scribe = Scribe((Broken(ZeroDivisionError("by zero")), card))
    scribe.keep(chunk(0))
    scribe.keep(chunk(1))
    scribe.close()
    assert len(card.seqs) == 2
    assert "ZeroDivisionError" in (scribe.trouble or "")
    assert "Traceback" in caplog.text


def test_a_scribe_without_books_is_fine() -> None:
    scribe = Scribe(())
    scribe.keep(chunk(0))
    scribe.close()
    assert scribe.trouble is None


def test_an_archive_behind_a_scribe_keeps_every_frame(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "r", HEADER, limit_mb=100, reserve_mb=0, stamp=stamp)
    scribe = Scribe((archive,), backlog=100)
    for second in range(50):
        scribe.keep(chunk(second))
    scribe.close()
    assert archive.kept.frames == 50 * RATE
    got = np.concatenate([frames_of(path) for path in recordings(tmp_path / "r")])
    assert got["seq"].tolist() == list(range(50 * RATE))


def test_a_card_that_really_hangs_stops_nobody_and_is_gone_on_with(tmp_path: Path) -> None:
    with ext4_disk(tmp_path / "disk", mb=40) as disk:
        archive = Archive(disk / "r", HEADER, limit_mb=100, reserve_mb=0, stamp=stamp)
        scribe = Scribe((archive,), backlog=5)
        with frozen(disk):
            for second in range(30):
                scribe.keep(chunk(second))
            assert scribe.dropped in (24 * RATE, 25 * RATE)
            assert scribe.trouble
            assert not archive.kept.on
        scribe.close()
        assert archive.kept.frames + scribe.dropped == 30 * RATE
        assert archive.kept.trouble is None


def test_the_end_comes_although_a_card_really_hangs(tmp_path: Path) -> None:
    with ext4_disk(tmp_path / "disk", mb=40) as disk:
        archive = Archive(disk / "r", HEADER, limit_mb=100, reserve_mb=0, stamp=stamp)
        scribe = Scribe((archive,), end_s=0.1)
        with frozen(disk):
            for second in range(5):
                scribe.keep(chunk(second))
            scribe.close()
            assert not archive.kept.on
        hipbar_scribe = next((t for t in threading.enumerate() if t.name == "hipbar-scribe"), None)
        if hipbar_scribe:
            hipbar_scribe.join(LONG_S)


def test_a_process_ends_although_its_card_still_hangs() -> None:
    program = """if True:
        import threading
        from appliance.station.scribe import Scribe
        from tests.keeping.made import chunk
        class Hangs:
            def keep(self, chunk): threading.Event().wait()
            def close(self): pass
        scribe = Scribe((Hangs(),), end_s=0.1)
        scribe.keep(chunk(0))
        scribe.close()
    """
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0
