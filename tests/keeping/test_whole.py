"""A file that is written whole is the old one or the new one: under kills, full disks, rivals, and odd places."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import stat
import time
from pathlib import Path

import pytest

from appliance.errors import OutputError
from appliance.output import Output, sync_folder, write_whole
from tests.keeping.disks import file_limit, full_disk


def others(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.iterdir() if entry != path)


def test_a_file_is_made_or_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    write_whole(path, b"one")
    write_whole(path, b"")
    write_whole(path, b"three")
    assert path.read_bytes() == b"three"
    assert others(path) == []


def test_mode_and_owner_of_what_is_there_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b"old")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    before = path.stat()
    write_whole(path, b"new")
    after = path.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    real, link = tmp_path / "data/settings.toml", tmp_path / "settings.toml"
    real.write_bytes(b"old")
    link.symlink_to(real)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_what_a_cut_left_is_cleaned_by_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "a"
    (tmp_path / ".a.part").write_bytes(b"half of a fi")
    write_whole(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert others(path) == []


def test_on_a_full_disk_the_old_file_stays_and_the_remedy_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, b"old")
    with file_limit(10), pytest.raises(OutputError, match="can't be written"):
        write_whole(path, b"n" * 1000)
    assert path.read_bytes() == b"old"
    assert others(path) == []


def test_on_a_really_full_disk_the_old_file_stays(tmp_path: Path) -> None:
    with full_disk(tmp_path / "disk", kb=128) as (disk, fill):
        write_whole(disk / "a", b"old")
        fill()
        with pytest.raises(OutputError, match="No space left") as caught:
            write_whole(disk / "a", b"n" * 100_000)
        assert "room" in caught.value.fix
        assert (disk / "a").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("place", "words"), [("no/such/folder/a", "No such file"), ("file/a", "Not a directory"), ("", "folder")]
)
def test_a_place_that_can_not_be_is_refused_with_a_remedy(tmp_path: Path, place: str, words: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError) as caught:
        write_whole(tmp_path / place, b"new")
    assert words in str(caught.value) + caught.value.fix


def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(OutputError, match=r"no ordinary file|Permission denied"):
        write_whole(Path("/dev/null"), b"new")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def _write_for_ever(path: Path, letters: str) -> None:
    while True:
        for letter in letters:
            write_whole(path, letter.encode() * 50_000)


def test_whoever_is_killed_in_the_middle_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_whole(path, b"0" * 50_000)
    chance = random.Random(4)
    spawned = multiprocessing.get_context("fork")
    for _ in range(30):
        writer = spawned.Process(target=_write_for_ever, args=(path, "abc"))
        writer.start()
        time.sleep(chance.uniform(0.001, 0.03))
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        text = path.read_bytes()
        assert len(text) == 50_000
        assert len(set(text)) == 1
    write_whole(path, b"end")
    assert others(path) == []


def test_two_writers_of_one_file_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "a"
    spawned = multiprocessing.get_context("fork")
    writers = [spawned.Process(target=_write_some, args=(path, letter)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert path.read_bytes() in (b"a" * 50_000, b"b" * 50_000)
    assert others(path) == []


def _write_some(path: Path, letter: str) -> None:
    for _ in range(40):
        write_whole(path, letter.encode() * 50_000)
        assert len(set(path.read_bytes())) == 1


def test_syncing_says_what_is_wrong_and_a_closed_file_is_our_own_defect(tmp_path: Path) -> None:
    output = Output(tmp_path / "a")
    output.write(b"x")
    output.sync()
    output.close()
    with pytest.raises(ValueError, match="closed"):
        output.sync()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    unsyncable = Output(pipe)
    with pytest.raises(OutputError, match="can't be written"):
        unsyncable.sync()
    unsyncable.close()
    os.close(reader)
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "gone")
