"""The archive: who is in view is kept second by second; whatever happens to the card is told, and is survived."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from appliance.station.archive import Archive
from appliance.station.pages import PAGE, Ending
from appliance.station.recording import Recording
from appliance.station.shelf import being_written, recordings, survey
from tests.keeping.disks import ext4_disk, failing_disk, file_limit, full_disk, small_disk
from tests.keeping.made import BOOT, HEADER, RATE, chunk, frames_of, names, stamp, track


def archive(folder: Path, *, limit_mb: float = 100.0, reserve_mb: float = 0.0) -> Archive:
    return Archive(folder, HEADER, limit_mb=limit_mb, reserve_mb=reserve_mb, stamp=stamp)


def only(folder: Path) -> Path:
    (path,) = recordings(folder)
    return path


def test_nothing_is_written_while_nobody_is_in_view(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    for second in range(100):
        kept.keep(chunk(second, seen=False))
    kept.close()
    assert names(tmp_path / "r") == []
    assert kept.kept.written_mb == 0.0
    assert not kept.kept.on
    assert kept.kept.trouble is None


def test_a_recording_has_the_seconds_before_somebody_came_and_the_minute_after(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    for second in range(10):
        kept.keep(chunk(second, seen=False))
    for second in range(10, 20):
        kept.keep(chunk(second))
        assert kept.kept.on
        assert kept.kept.last_seq == second * RATE + RATE - 1
    for second in range(20, 100):
        kept.keep(chunk(second, seen=False))
    assert not kept.kept.on
    got = frames_of(only(tmp_path / "r"))
    told = [track(s, seen=10 <= s < 20) for s in range(7, 80)]
    assert got.tobytes() == np.concatenate(told).tobytes()
    found = survey(only(tmp_path / "r"))
    assert found.end.how is Ending.LEFT
    assert found.end.frames == len(got)


def test_whoever_is_away_for_less_than_a_minute_stays_in_one_recording(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    for second in range(200):
        kept.keep(chunk(second, seen=second % 50 == 0))
    kept.close()
    assert len(frames_of(only(tmp_path / "r"))) == 200 * RATE
    assert survey(only(tmp_path / "r")).end.how is Ending.STOPPED


def test_one_stray_reflection_opens_no_file(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    stray = chunk(0, seen=False)
    stray.track["xy_px"][5] = 100.0
    kept.keep(stray)
    kept.close()
    assert names(tmp_path / "r") == []


def test_a_long_run_is_cut_into_half_hours_without_losing_a_frame(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    for second in range(0, 4000, 10):
        kept.keep(chunk(second, frames=2))
    kept.close()
    first, second, third = recordings(tmp_path / "r")
    assert survey(first).end.how is Ending.FULL_LENGTH
    got = np.concatenate([frames_of(path) for path in (first, second, third)])
    assert got.tobytes() == np.concatenate([track(s, frames=2) for s in range(0, 4000, 10)]).tobytes()
    assert np.ptp(frames_of(first)["t_s"]) <= 1811


def test_the_header_says_when_it_was_and_whether_the_clock_was_set(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    kept.keep(chunk(0))
    kept.close()
    recording = Recording(only(tmp_path / "r"))
    recording.close()
    header = recording.header
    assert (header.boot_id, header.wall_s, header.wall_at_s) == (BOOT, 1_800_000_000.0, 1000.0)
    assert header.wall_synchronised is True
    assert header.rate_hz == 120.0
    assert only(tmp_path / "r").name == "rec-000001-1f2e3d4c.hbk"


def test_names_go_on_after_a_restart_and_after_removals(tmp_path: Path) -> None:
    for _ in range(2):
        kept = archive(tmp_path / "r")
        kept.keep(chunk(0))
        kept.close()
    recordings(tmp_path / "r")[0].unlink()
    kept = archive(tmp_path / "r")
    kept.keep(chunk(0))
    kept.close()
    assert [name[:10] for name in names(tmp_path / "r")] == ["rec-000002", "rec-000003"]


def test_a_second_takes_one_page_in_the_file_and_the_rest_is_filled_in_advance(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    for second in range(60):
        kept.keep(chunk(second))
    assert kept.kept.mb == pytest.approx(61 * PAGE / 1e6)
    assert kept.kept.written_mb < 2.2 * kept.kept.mb
    kept.close()
    assert only(tmp_path / "r").stat().st_size == 62 * PAGE


def test_it_can_be_told_which_recording_is_being_written(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    kept.keep(chunk(0))
    assert being_written(only(tmp_path / "r"))
    kept.close()
    assert not being_written(only(tmp_path / "r"))


def test_a_long_pause_of_the_camera_ends_a_recording_and_old_seconds_begin_none(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    kept.keep(chunk(0))
    kept.keep(chunk(70, seen=False))
    kept.keep(chunk(5000))
    kept.close()
    first, second = recordings(tmp_path / "r")
    assert survey(first).end.how is Ending.LEFT
    assert frames_of(first)["seq"].tolist() == list(range(RATE))
    assert frames_of(second)["seq"][0] == 5000 * RATE


def test_a_camera_whose_clock_goes_back_gets_a_new_file(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    kept.keep(chunk(50))
    kept.keep(chunk(10))
    kept.close()
    first, second = recordings(tmp_path / "r")
    assert frames_of(first)["seq"][0] == 50 * RATE
    assert frames_of(second)["seq"][0] == 10 * RATE


def test_the_oldest_go_when_all_together_are_over_the_limit(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r", limit_mb=2.0)
    for visit in range(5):
        for second in range(visit * 1000, visit * 1000 + 120):
            kept.keep(chunk(second))
        kept.keep(chunk(visit * 1000 + 200, seen=False))
    kept.close()
    sizes = [path.stat().st_size for path in recordings(tmp_path / "r")]
    assert sum(sizes) <= 2.0e6
    assert len(sizes) == 4, "each is a little less than a quarter of the limit"
    assert names(tmp_path / "r")[-1][:10] == "rec-000005"


def test_foreign_files_are_never_touched(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    for name in ("notes.txt", "visit.hbk", "rec-1.hbk", "rec-000001-1f2e3d4c.hbk.bak"):
        (folder / name).write_bytes(b"x" * 3_000_000)
    kept = archive(folder, limit_mb=1.0)
    kept.keep(chunk(0))
    kept.close()
    assert len(list(folder.iterdir())) == 5
    assert kept.kept.trouble is None


def test_under_the_reserve_it_stops_with_words_and_begins_again_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kb=30_000) as disk:
        kept = archive(disk / "r", reserve_mb=10.0)
        kept.keep(chunk(0))
        assert kept.kept.on
        filler = disk / "filler"
        filler.write_bytes(b"x" * 20_500_000)
        for second in range(1, 40):
            kept.keep(chunk(second))
        assert not kept.kept.on
        assert kept.kept.trouble
        assert "MB free" in kept.kept.trouble
        assert "room" in kept.kept.trouble
        filler.unlink()
        for second in range(40, 80):
            kept.keep(chunk(second))
        assert kept.kept.on
        assert kept.kept.trouble is None
        kept.close()
        first, second_file = recordings(disk / "r")
        assert survey(first).end.how is Ending.NO_ROOM
        got = len(frames_of(first)) + len(frames_of(second_file))
        assert got + kept.kept.dropped == 80 * RATE


def test_a_card_that_is_too_small_for_the_limit_keeps_the_newest_and_its_reserve(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kb=28_000) as disk:
        kept = archive(disk / "r", limit_mb=20.0, reserve_mb=10.0)
        for visit in range(12):
            for second in range(visit * 1000, visit * 1000 + 120):
                kept.keep(chunk(second))
            kept.keep(chunk(visit * 1000 + 200, seen=False))
        assert kept.kept.trouble is None
        kept.close()
        assert names(disk / "r")[-1][:10] == "rec-000012"
        assert len(names(disk / "r")) < 12


def test_what_else_fills_a_disk_never_costs_the_newest_recordings(tmp_path: Path) -> None:
    with full_disk(tmp_path / "disk", kb=28_000) as (disk, fill):
        kept = archive(disk / "r", limit_mb=20.0, reserve_mb=10.0)
        for visit in range(6):
            for second in range(visit * 1000, visit * 1000 + 120):
                kept.keep(chunk(second))
            kept.keep(chunk(visit * 1000 + 200, seen=False))
        fill()
        for second in range(9000, 9100):
            kept.keep(chunk(second))
        kept.close()
        assert "MB free" in (kept.kept.trouble or "")
        assert sum(path.stat().st_size for path in recordings(disk / "r")) >= 2_000_000
        assert names(disk / "r")[-1][:10] >= "rec-000006"


def test_a_disk_that_is_full_to_the_last_byte_is_survived(tmp_path: Path) -> None:
    with full_disk(tmp_path / "disk", kb=40_000) as (disk, fill):
        kept = archive(disk / "r")
        for second in range(30):
            kept.keep(chunk(second))
        filler = fill()
        for second in range(30, 80):
            kept.keep(chunk(second))
        trouble = kept.kept.trouble
        assert trouble
        assert "room" in trouble
        filler.unlink()
        for second in range(80, 120):
            kept.keep(chunk(second))
        assert kept.kept.trouble is None
        kept.close()
        seqs = np.concatenate([frames_of(path)["seq"] for path in recordings(disk / "r")])
        assert len(seqs) + kept.kept.dropped == 120 * RATE
        assert all(survey(path).ended for path in recordings(disk / "r"))


def test_a_write_that_fails_midway_leaves_the_seconds_before_it_whole(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    for second in range(20):
        kept.keep(chunk(second))
    with file_limit(40 * PAGE + 100):
        for second in range(20, 60):
            kept.keep(chunk(second))
    assert kept.kept.trouble is None, "a new file was begun at once, and is shorter than the limit"
    kept.close()
    files = recordings(tmp_path / "r")
    assert len(files) > 1
    assert sum(len(frames_of(path)) for path in files) + kept.kept.dropped == 60 * RATE
    assert kept.kept.dropped <= 2 * RATE


def test_a_folder_that_vanishes_is_noticed_and_made_anew(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    kept.keep(chunk(0))
    shutil.rmtree(tmp_path / "r")
    kept.keep(chunk(1))
    assert kept.kept.trouble
    assert not kept.kept.on
    kept.keep(chunk(2))
    assert kept.kept.on
    assert kept.kept.trouble is None
    kept.close()
    assert len(frames_of(only(tmp_path / "r"))) == RATE
    assert kept.kept.dropped == RATE


def test_a_state_folder_that_is_missing_is_told_and_never_made_up(tmp_path: Path) -> None:
    kept = archive(tmp_path / "no" / "r")
    for second in range(3):
        kept.keep(chunk(second))
    assert kept.kept.trouble
    assert "create the folder" in kept.kept.trouble
    assert kept.kept.dropped == 3 * RATE
    (tmp_path / "no").mkdir()
    for second in range(3, 35):
        kept.keep(chunk(second))
    assert kept.kept.on
    kept.close()


def test_a_read_only_card_is_told_before_anybody_comes(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kb=40_000) as disk:
        (disk / "r").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        kept = archive(disk / "r")
        kept.keep(chunk(0, seen=False))
        assert kept.kept.trouble
        assert "Read-only" in kept.kept.trouble
        kept.keep(chunk(1))
        assert kept.kept.dropped == RATE


def test_a_card_that_turns_read_only_in_the_middle_is_told(tmp_path: Path) -> None:
    with ext4_disk(tmp_path / "disk", mb=40) as disk:
        kept = archive(disk / "r")
        kept.keep(chunk(0))
        # "abort" is what ext4 does by itself after an error of the card (ext4(5))
        subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=False, capture_output=True)
        for second in range(1, 5):
            kept.keep(chunk(second))
        assert kept.kept.trouble
        assert "Read-only" in kept.kept.trouble
        assert kept.kept.dropped == 4 * RATE
        assert len(frames_of(only(disk / "r"))) == RATE
        kept.close()


def test_a_card_that_fails_is_told_and_what_was_kept_stays_readable(tmp_path: Path) -> None:
    with failing_disk(tmp_path / "disk", mb=40) as (disk, fail):
        kept = archive(disk / "r")
        for second in range(20):
            kept.keep(chunk(second))
        fail()
        for second in range(20, 120):
            kept.keep(chunk(second))
        assert not kept.kept.on
        assert kept.kept.trouble
        assert "Input/output error" in kept.kept.trouble or "Read-only" in kept.kept.trouble
        assert kept.kept.frames + kept.kept.dropped == 120 * RATE
        got = frames_of(only(disk / "r"))[: kept.kept.frames]
        assert got.tobytes() == np.concatenate([track(s) for s in range(120)])[: len(got)].tobytes()
        kept.close()


def test_an_old_file_that_can_not_be_read_keeps_no_new_one_from_being_made(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "rec-000001-00000000.hbk").mkdir()
    (folder / "rec-000002-00000000.hbk").write_bytes(os.urandom(3 * PAGE))
    (folder / "rec-000003-00000000.hbk").symlink_to("/dev/zero")
    kept = archive(folder)
    kept.keep(chunk(0))
    assert kept.kept.trouble is None
    assert kept.kept.file == "rec-000004-1f2e3d4c.hbk"
    kept.close()


def test_an_empty_chunk_is_nothing(tmp_path: Path) -> None:
    kept = archive(tmp_path / "r")
    kept.keep(chunk(0, frames=0))
    kept.close()
    assert kept.kept.frames == 0
