"""Wrong clocks: what was noted makes times right afterwards, says when they are not sure, and survives cuts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.station.wallclock import Note, WallClock, corrected, note_now, read_notes, this_boot
from tests.keeping.disks import file_limit
from tests.keeping.load import chunk

NOW_S = 1_800_000_000.0


class Clocks:
    """A boot whose clocks go as the test says; `offset_s` is what the wall clock shows at monotonic 0."""

    def __init__(
        self, path: Path, *, offset_s: float = NOW_S, boot: str = "one", start_s: float = 10.0
    ) -> None:
        self.offset_s, self.boot, self.now_s = offset_s, boot, start_s
        self.synchronised: bool | None = False
        self.clock = WallClock(path, lambda: self.synchronised, self._note)

    def _note(self, synchronised: bool | None) -> Note:
        return Note(self.boot, self.now_s, self.offset_s + self.now_s, synchronised)

    def runs(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_s += 1
            self.clock.keep(chunk(0, frames=1))
        self.clock.close()


def test_a_boot_notes_its_start_and_nothing_more_while_nothing_happens(tmp_path: Path) -> None:
    one = Clocks(tmp_path / "c")
    one.runs(10_000)
    assert read_notes(tmp_path / "c") == [Note("one", 11.0, NOW_S + 11.0, False)]


def test_a_clock_that_is_set_later_corrects_what_was_before(tmp_path: Path) -> None:
    one = Clocks(tmp_path / "c", offset_s=1000.0)
    one.runs(100)
    one.offset_s, one.synchronised = NOW_S, True
    one.runs(100)
    notes = read_notes(tmp_path / "c")
    assert [note.synchronised for note in notes] == [False, True]
    assert corrected("one", 20.0, notes) == (NOW_S + 20.0, True)
    assert corrected("one", 20.0, notes[:1]) == (1020.0, False)
    assert corrected("two", 20.0, notes) == (None, False)
    assert corrected(None, 20.0, notes) == (None, False)


def test_a_jump_by_hours_in_the_middle_is_noticed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = Clocks(tmp_path / "c")
    one.runs(100)
    one.offset_s += 7200
    with caplog.at_level(logging.INFO, "hipbar.station"):
        one.runs(100)
    assert "put forward by 7200 s" in caplog.text
    notes = read_notes(tmp_path / "c")
    assert len(notes) == 2
    assert corrected("one", 50.0, notes) == (NOW_S + 7250.0, False), "whoever set it by hand did so last"


def test_set_clocks_that_contradict_one_another_are_not_sure() -> None:
    notes = [Note("one", 10.0, NOW_S, True), Note("one", 1000.0, NOW_S + 8190.0, True)]
    wall_s, sure = corrected("one", 500.0, notes)
    assert (wall_s, sure) == (NOW_S + 490.0, False)


def test_a_service_that_starts_again_and_again_in_one_boot_notes_it_once(tmp_path: Path) -> None:
    for start_s in range(100, 300):
        Clocks(tmp_path / "c", start_s=start_s).runs(1)
    assert len(read_notes(tmp_path / "c")) == 1
    other = Clocks(tmp_path / "c", boot="two")
    other.runs(1)
    assert [note.boot_id for note in read_notes(tmp_path / "c")] == ["one", "two"]


def test_a_clock_that_never_stands_still_fills_no_disk(tmp_path: Path) -> None:
    one = Clocks(tmp_path / "c")
    for _ in range(200):
        one.offset_s += 3600
        one.runs(6)
    assert len(read_notes(tmp_path / "c")) == 50


def test_the_file_stays_small_over_many_boots_and_keeps_the_newest(tmp_path: Path) -> None:
    line = b'{"boot_id":"old","monotonic_s":1.0,"wall_s":2.0,"synchronised":null}\n'
    (tmp_path / "c").write_bytes(line * 5000)
    Clocks(tmp_path / "c", boot="new").runs(1)
    assert (tmp_path / "c").stat().st_size < 200_000
    notes = read_notes(tmp_path / "c")
    assert notes[-1].boot_id == "new"
    assert notes[0].boot_id == "old"


def test_a_disk_that_refuses_is_told_and_tried_again(tmp_path: Path) -> None:
    one = Clocks(tmp_path / "no" / "c")
    one.runs(10)
    assert one.clock.trouble
    (tmp_path / "no").mkdir()
    with file_limit(10):
        one.runs(10)
    assert one.clock.trouble
    one.runs(10)
    assert one.clock.trouble is None
    assert len(read_notes(tmp_path / "no" / "c")) == 1, "the torn line before it is left out"


@settings(deadline=None)
@given(st.integers(0, 400), st.binary(max_size=30))
def test_after_a_cut_at_any_byte_the_next_note_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("c") / "c"
    for boot in ("a", "b", "c"):
        Clocks(path, boot=boot).runs(1)
    whole = [i for i, byte in enumerate(path.read_bytes()[:at]) if byte == 10]
    path.write_bytes(path.read_bytes()[:at] + noise)
    Clocks(path, boot="after").runs(1)
    notes = read_notes(path)
    assert notes[-1] == Note("after", 11.0, NOW_S + 11.0, False)
    assert [note.boot_id for note in notes][: len(whole)] == ["a", "b", "c"][: len(whole)]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 3e9), st.sampled_from([True, False, None])), max_size=6
    ),
    st.floats(0, 1e6),
)
def test_sure_times_come_from_set_clocks_only(
    raw: list[tuple[float, float, bool | None]], t_s: float
) -> None:
    notes = [Note("b", *figures) for figures in raw]
    wall_s, sure = corrected("b", t_s, notes)
    assert (wall_s is None) == (not notes)
    surely = [t_s + note.offset_s for note in notes if note.synchronised]
    assert not sure or min(surely) - 1e-3 <= (wall_s or 0.0) <= max(surely) + 1e-3
    assert not (sure and not surely)


def test_this_machine_s_clocks_make_a_note() -> None:
    note = note_now(True)
    assert note.boot_id == this_boot()
    assert len(note.boot_id) == 36
    assert note.wall_s > 1.6e9
