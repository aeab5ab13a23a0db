"""After a cut what was acknowledged is read back, whatever the tail looks like; nothing else is taken for a frame."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.errors import SourceError
from appliance.station.archive import Archive
from appliance.station.pages import PAGE, Ending
from appliance.station.recording import Recorder
from appliance.station.reel import Reel
from appliance.station.shelf import mend, recordings, survey
from tests.keeping.made import HEADER, RATE, chunk, frames_of, names, stamp, track

SECONDS = 12


class Cut:
    """A recording in the middle of its writing: its bytes, how long it was at each acknowledgement, its frames."""

    def __init__(self, data: bytes, acked: list[int], frames: np.ndarray) -> None:
        self.data, self.acked, self.frames = data, acked, frames


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Cut:
    folder = tmp_path_factory.mktemp("cut")
    reel = Reel(folder / "a.hbk", HEADER)
    acked = [reel.acked_bytes]
    tracks = [track(second, frames=RATE if second != 5 else 400) for second in range(0, 4 * SECONDS, 4)]
    for made in tracks:
        reel.add(made)
        acked.append(reel.acked_bytes)
    reel.close()
    return Cut((folder / "a.hbk").read_bytes(), acked, np.concatenate(tracks))


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 40 * PAGE), tail=st.sampled_from(["cut", "zeros", "noise", "half"]))
@example(at=5 * PAGE - 198, tail="half")  # in the zeros that fill a block's last page
@example(at=PAGE, tail="zeros")
def test_every_second_that_was_acknowledged_before_the_cut_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cut: Cut, at: int, tail: str
) -> None:
    data, acked, frames = cut.data, cut.acked, cut.frames
    at = min(at, acked[-1])
    seconds = max((i for i, length in enumerate(acked) if length <= at), default=0)
    path = tmp_path_factory.mktemp("t") / "rec-000001-00000000.hbk"
    noise = np.random.default_rng(at).bytes(len(data) - at)
    rest = {"cut": b"", "zeros": bytes(len(data) - at), "noise": noise, "half": data[at : at + 100]}[tail]
    path.write_bytes(data[:at] + rest)
    if not mend(path) or not path.exists():
        assert seconds == 0, "only what was cut before its first second may go, or stay as it is"
        return
    found = survey(path)
    got = frames_of(path)
    assert got.tobytes() == frames[: len(got)].tobytes()
    assert len(got) >= seconds * RATE
    assert (found.ended, found.end.how, found.end.frames) == (True, Ending.CUT, len(got))
    assert found.end.last_t_s == got["t_s"][-1]
    assert not mend(path), "once is enough"


@settings(max_examples=100, deadline=None)
@given(where=st.integers(0, 14 * PAGE - 1), bit=st.integers(0, 7))
def test_no_flipped_bit_is_ever_taken_for_a_measurement_nor_costs_what_follows(
    tmp_path_factory: pytest.TempPathFactory, cut: Cut, where: int, bit: int
) -> None:
    data, acked, frames = cut.data, cut.acked, cut.frames
    path = tmp_path_factory.mktemp("t") / "rec-000001-00000000.hbk"
    damaged = bytearray(data[: acked[-1]])
    damaged[where % len(damaged)] ^= 1 << bit
    path.write_bytes(damaged)
    before = path.read_bytes()
    mend(path)
    if 0 < where // PAGE < len(acked) - 2:
        assert path.read_bytes().startswith(before), "a file with whole seconds after the damage is let be"
    try:
        got = frames_of(path)
    except SourceError:
        return
    assert got.tobytes() == frames[: len(got)].tobytes()


def test_after_a_restart_the_torn_file_is_ended_and_a_new_one_is_begun(tmp_path: Path) -> None:
    first = Archive(tmp_path / "r", HEADER, limit_mb=100, reserve_mb=0, stamp=stamp)
    for second in range(10):
        first.keep(chunk(second))
    told = first.kept
    shutil.copytree(tmp_path / "r", tmp_path / "after")
    path = recordings(tmp_path / "after")[0]
    path.write_bytes(path.read_bytes()[: int(told.mb * 1e6) + 100])
    second_life = Archive(tmp_path / "after", HEADER, limit_mb=100, reserve_mb=0, stamp=stamp)
    second_life.keep(chunk(20))
    second_life.close()
    first.close()
    assert len(names(tmp_path / "after")) == 2
    assert survey(path).end.how is Ending.CUT
    assert len(frames_of(path)) == told.frames
    assert frames_of(path)["seq"][-1] == told.last_seq


def test_a_recording_that_is_being_written_is_never_mended(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "rec-000001-00000000.hbk", HEADER)
    reel.add(track(0))
    before = reel.path.read_bytes()
    assert not mend(reel.path)
    assert reel.path.read_bytes() == before
    reel.add(track(1))
    reel.end(Ending.STOPPED)
    assert len(frames_of(reel.path)) == 2 * RATE


def test_an_end_whose_filling_was_not_taken_off_is_still_an_end(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "rec-000001-00000000.hbk", HEADER)
    reel.add(track(0))
    reel.end(Ending.LEFT)
    whole = reel.path.read_bytes()
    reel.path.write_bytes(whole + bytes(20 * PAGE))
    assert survey(reel.path).end.how is Ending.LEFT
    assert mend(reel.path)
    assert reel.path.read_bytes() == whole


def test_zeros_in_the_middle_are_damage_and_not_the_end(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "rec-000001-00000000.hbk", HEADER)
    for second in range(5):
        reel.add(track(second))
    reel.end(Ending.LEFT)
    data = bytearray(reel.path.read_bytes())
    data[2 * PAGE : 3 * PAGE] = bytes(PAGE)
    reel.path.write_bytes(data[:-PAGE])
    assert survey(reel.path).damaged_at == 2 * PAGE
    with pytest.raises(SourceError, match=f"damaged at byte {2 * PAGE}"):
        frames_of(reel.path)


def test_a_block_of_another_recording_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    import msgspec

    one = Reel(tmp_path / "rec-000001-00000000.hbk", HEADER)
    other = Reel(tmp_path / "rec-000002-00000000.hbk", msgspec.structs.replace(HEADER, boot_id="other"))
    for reel in (one, other):
        reel.add(track(0))
        reel.add(track(1))
        reel.end(Ending.LEFT)
    mixed = one.path.read_bytes()[: 2 * PAGE] + other.path.read_bytes()[2 * PAGE : 3 * PAGE]
    one.path.write_bytes(mixed)
    assert mend(one.path)
    assert len(frames_of(one.path)) == RATE


def test_recordings_made_by_hand_can_be_surveyed_too(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "rec-000001-00000000.hbk", HEADER)
    recorder.keep(track(0))
    recorder.keep(track(1))
    recorder.close()
    path = tmp_path / "rec-000001-00000000.hbk"
    found = survey(path)
    assert (found.end.frames, found.ended) == (2 * RATE, True)
    path.write_bytes(path.read_bytes()[:-1])
    found = survey(path)
    assert (found.end.frames, found.ended) == (RATE, False)
    assert not mend(path)


def test_blocks_of_many_pages_come_back_bit_for_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    wild = track(0, frames=2000)
    wild["xy_px"] = rng.integers(-(2**62), 2**62, (2000, 4, 2)).view("<f8")
    wild["xy_px"][~np.isfinite(wild["xy_px"])] = np.nan
    reel = Reel(tmp_path / "a.hbk", HEADER)
    reel.add(wild)
    reel.add(track(30))
    reel.end(Ending.LEFT)
    assert frames_of(reel.path).tobytes() == np.concatenate([wild, track(30)]).tobytes()
