"""Backups: one file that is whole, checked before it counts; and the way back, with nothing overwritten."""

from __future__ import annotations

import os
import sqlite3
import zipfile
from pathlib import Path

import pytest

from appliance.errors import OutputError, StoreError
from appliance.store.copies import MANIFEST, backup, restore
from appliance.store.opening import FILE
from appliance.store.store import Store
from appliance.store.verify import verify
from appliance.store.writer import Writer
from tests.keeping.disks import full_disk
from tests.store.made import WALL_S, beginning, clinic, second, span, visited


def furnished(folder: Path) -> int:
    """A clinic with a visit and texts of its own."""
    visit = visited(clinic(folder), seconds=12)
    for name, text in (
        ("protocols/ours.toml", 'title = "ours"\n'),
        ("exercises/ours.toml", "x = 1\n"),
        ("cues.toml", "y = 2\n"),
        ("calibration.json", "{}"),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return visit


def test_a_backup_brings_everything_back_on_another_station(tmp_path: Path) -> None:
    visit = furnished(tmp_path / "a")
    told: list[float] = []
    manifest = backup(
        tmp_path / "a", tmp_path / "b.zip", lambda done, whole: told.append(done / whole), WALL_S
    )
    assert told == sorted(told)
    assert (manifest.visits, manifest.made_s, manifest.store_version) == (1, WALL_S, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b.zip"]
    told.clear()
    restore(tmp_path / "b.zip", tmp_path / "other", lambda done, whole: told.append(done / whole), WALL_S)
    assert told == sorted(told)
    with Store.open(tmp_path / "a") as old, Store.open(tmp_path / "other") as new:
        assert new.data(visit).steps.tobytes() == old.data(visit).steps.tobytes()
        assert [c.tobytes() for _, c, _ in new.trace(visit)] == [c.tobytes() for _, c, _ in old.trace(visit)]
        assert [line.kind for line in new.audit()] == ["restored"]
    for name in ("protocols/ours.toml", "exercises/ours.toml", "cues.toml", "calibration.json"):
        assert (tmp_path / "other" / name).read_text() == (tmp_path / "a" / name).read_text()
    assert verify(tmp_path / "other").damage == ()


def test_a_backup_can_be_made_while_a_visit_runs_and_is_of_one_moment(tmp_path: Path) -> None:
    writer = Writer(clinic(tmp_path / "a"), reserve_mb=0.1)
    visit = writer.begin(beginning())
    writer.post(span(visit))
    for n in range(5):
        writer.ask(second(visit, n))

    def goes_on(done: float, whole: float) -> None:
        writer.ask(second(visit, writer.held.steps // 3))

    backup(tmp_path / "a", tmp_path / "b.zip", goes_on)
    writer.close()
    restore(tmp_path / "b.zip", tmp_path / "other")
    with Store.open(tmp_path / "other") as store:
        running = store.running()
        assert running
        assert running.steps == 15
    assert verify(tmp_path / "a").damage == ()


def test_what_was_there_is_kept_beside_what_is_restored(tmp_path: Path) -> None:
    furnished(tmp_path)
    backup(tmp_path, tmp_path / "b.zip")
    visited(tmp_path, seconds=3)
    (tmp_path / "cues.toml").write_text("y = 3\n")
    for number in (1, 2):
        restore(tmp_path / "b.zip", tmp_path)
        with Store.open(tmp_path) as store:
            assert len(store.visits()) == 1
        assert (tmp_path / f"clinic-before-restore-{number}.db").exists()
    assert (tmp_path / "cues.toml").read_text() == "y = 2\n"
    assert (tmp_path / "cues-before-restore-1.toml.old").read_text() == "y = 3\n"
    before = sqlite3.connect(tmp_path / "clinic-before-restore-1.db")
    assert before.execute("SELECT count(*) FROM visits").fetchone() == (2,)
    before.close()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_damaged_store_gives_no_backup_and_can_be_replaced_by_one(tmp_path: Path) -> None:
    visit = furnished(tmp_path)
    backup(tmp_path, tmp_path / "b.zip")
    path = tmp_path / FILE
    broken = bytearray(path.read_bytes())
    broken[4096 * 3 : 4096 * 5] = bytes(8192)
    path.write_bytes(broken)
    with pytest.raises(StoreError):
        backup(tmp_path, tmp_path / "c.zip")
    assert not (tmp_path / "c.zip").exists()
    restore(tmp_path / "b.zip", tmp_path)
    with Store.open(tmp_path) as store:
        assert len(store.data(visit).steps) == 36
    assert (tmp_path / "clinic-before-restore-1.db").read_bytes()[4096 * 3 : 4096 * 5] == bytes(8192)


def test_nothing_is_restored_under_a_running_service(tmp_path: Path) -> None:
    furnished(tmp_path)
    backup(tmp_path, tmp_path / "b.zip")
    writer = Writer(tmp_path, reserve_mb=0.1)
    writer.begin(beginning())
    with pytest.raises(StoreError, match="the service keeps visits in it") as refused:
        restore(tmp_path / "b.zip", tmp_path)
    assert "systemctl stop" in refused.value.fix
    writer.close()
    assert not list(tmp_path.glob("*before-restore*"))


@pytest.mark.parametrize("at", [0.02, 0.3, 0.6, 0.9])
def test_a_damaged_backup_is_refused_and_nothing_is_changed(tmp_path: Path, at: float) -> None:
    furnished(tmp_path)
    backup(tmp_path, tmp_path / "b.zip")
    whole = bytearray((tmp_path / "b.zip").read_bytes())
    whole[int(at * len(whole))] ^= 0xFF
    (tmp_path / "b.zip").write_bytes(whole)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError, match="is no backup, or a damaged one"):
        restore(tmp_path / "b.zip", tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_other_files_are_no_backups(tmp_path: Path) -> None:
    clinic(tmp_path)
    with pytest.raises(StoreError, match="no such file"):
        restore(tmp_path / "nothing.zip", tmp_path)
    (tmp_path / "words.zip").write_text("words")
    with pytest.raises(StoreError, match="is no backup"):
        restore(tmp_path / "words.zip", tmp_path)
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as packed:
        packed.writestr("../evil.toml", "x")
        packed.writestr(
            MANIFEST, '{"made_s":1,"store_version":1,"visits":0,"files":{"../evil.toml":[1,"0"]}}'
        )
    with pytest.raises(StoreError, match="is no backup"):
        restore(tmp_path / "evil.zip", tmp_path)
    assert not (tmp_path.parent / "evil.toml").exists()


def test_a_backup_of_a_newer_hipbar_is_refused(tmp_path: Path) -> None:
    furnished(tmp_path / "a")
    backup(tmp_path / "a", tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as old, zipfile.ZipFile(tmp_path / "c.zip", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(
                name, data.replace(b'"store_version": 1', b'"store_version": 9') if name == MANIFEST else data
            )
    with pytest.raises(StoreError, match="newer hipbar"):
        restore(tmp_path / "c.zip", tmp_path / "other")


def test_a_backup_on_a_full_disk_is_told_and_an_older_one_stays(tmp_path: Path) -> None:
    furnished(tmp_path / "a")
    with full_disk(tmp_path / "stick", kb=1000) as (stick, fill):
        (stick / "b.zip").write_bytes(b"an older one")
        fill()
        with pytest.raises((OutputError, StoreError)):
            backup(tmp_path / "a", stick / "b.zip")
        assert (stick / "b.zip").read_bytes() == b"an older one"
        assert sorted(path.name for path in stick.iterdir()) == ["b.zip", "filler"]


def test_the_store_is_not_overwritten_by_its_own_backup(tmp_path: Path) -> None:
    furnished(tmp_path)
    with pytest.raises(OutputError, match="is the store itself"):
        backup(tmp_path, tmp_path / FILE)
    with pytest.raises(OutputError):
        backup(tmp_path, tmp_path / "protocols")
    with pytest.raises(OutputError):
        backup(tmp_path, tmp_path / "nowhere" / "b.zip")


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_what_root_restores_belongs_to_the_folder_s_owner(tmp_path: Path) -> None:
    furnished(tmp_path / "a")
    backup(tmp_path / "a", tmp_path / "b.zip")
    other = tmp_path / "other"
    other.mkdir()
    os.chown(other, 12345, 23456)
    restore(tmp_path / "b.zip", other)
    for name in (FILE, "protocols"):
        found = (other / name).stat()
        assert (found.st_uid, found.st_gid) == (12345, 23456), name
