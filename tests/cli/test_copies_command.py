"""`hipbar backup`, `restore` and `verify`: out to one file and back, with nothing lost and nothing overwritten."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from appliance.clinic.terms import VisitState
from appliance.store.opening import locked
from appliance.store.store import Store
from appliance.store.writer import Writer
from tests.cli.conftest import ROOT, Hipbar
from tests.cli.visits import visit_data
from tests.store.made import beginning, clinic, course_of, over

MINE = '[[block]]\nkind = "warm-up"\nminutes = 3\n'


@pytest.fixture
def state(hipbar: Hipbar, tmp_path: Path) -> Path:
    """A store with three visits of 2,000 steps, and a protocol of the clinic's own."""
    folder = tmp_path / "state"
    (folder / "protocols").mkdir(parents=True)
    (folder / "protocols" / "mine.toml").write_text(MINE)
    assert hipbar("runner", "add", "R07", "--state", folder).code == 0
    with Store.open(folder) as store:
        for number in (1, 2, 3):
            store.put_visit(visit_data("R07", number, steps=2000), ())
    return folder


def visits(folder: Path) -> list[int]:
    with Store.open(folder) as store:
        return [row.number for row in store.visits()]


def damage(folder: Path) -> None:
    """Overwrites a page of steps with what no page looks like."""
    path = folder / "clinic.db"
    with Store.open(folder):
        pass  # its log is in the file now
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(os.urandom(64) + b"\xff" * 4032)


def test_what_was_backed_up_comes_back_and_what_was_there_stays_beside_it(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    file = tmp_path / "clinic.zip"
    made = hipbar("backup", file, "--state", state)
    assert (made.code, made.err) == (0, "")
    assert "3 visits and 1 file of the clinic's" in made.out
    with Store.open(state) as store:
        store.put_visit(visit_data("R07", 4), ())
    (state / "protocols" / "mine.toml").write_text("changed")
    back = hipbar("restore", file, "--yes", "--state", state)
    assert back.code == 0
    assert visits(state) == [3, 2, 1]
    assert (state / "protocols" / "mine.toml").read_text() == MINE
    assert "clinic-before-restore-1.db" in back.out
    (tmp_path / "before").mkdir()
    (state / "clinic-before-restore-1.db").rename(tmp_path / "before" / "clinic.db")
    assert visits(tmp_path / "before") == [4, 3, 2, 1]
    assert hipbar("verify", "--state", state).code == 0


def test_a_folder_gets_a_file_of_the_day_and_no_file_is_written_over_unasked(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    first = json.loads(hipbar("backup", tmp_path, "--state", state, "--json").out)
    assert Path(first["file"]).parent == tmp_path
    assert first["manifest"]["visits"] == 3
    again = hipbar("backup", tmp_path, "--state", state)
    assert (again.code, "--replace" in again.err) == (4, True)
    assert hipbar("backup", tmp_path, "--state", state, "--replace").code == 0


def test_a_backup_to_where_nothing_can_be_written_leaves_nothing(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    said = hipbar("backup", tmp_path / "no" / "a.zip", "--state", state)
    assert said.code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


@pytest.mark.parametrize("how", ["cut", "flipped", "other"])
def test_a_damaged_backup_changes_nothing(hipbar: Hipbar, state: Path, tmp_path: Path, how: str) -> None:
    file = tmp_path / "a.zip"
    hipbar("backup", file, "--state", state)
    data = bytearray(file.read_bytes())
    if how == "cut":
        data = data[: len(data) // 2]
    elif how == "flipped":
        data[len(data) // 2] ^= 0x10
    else:
        data = bytearray(b"PK nothing of the kind")
    file.write_bytes(data)
    said = hipbar("restore", file, "--yes", "--state", state)
    assert said.code == 11
    assert visits(state) == [3, 2, 1]
    assert not list(state.glob("*before*"))


def test_a_backup_with_a_path_that_leads_elsewhere_is_none(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    file, evil = tmp_path / "a.zip", tmp_path / "evil.zip"
    hipbar("backup", file, "--state", state)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(evil, "w") as target:
        for name in source.namelist():
            data = source.read(name).replace(b"protocols/mine.toml", b"../../outside.toml_")
            target.writestr(name.replace("protocols/mine.toml", "../../outside.toml_"), data)
    assert hipbar("restore", evil, "--yes", "--state", state).code == 11
    assert not list(tmp_path.rglob("outside*"))


def test_nothing_is_restored_while_the_service_keeps_visits(
    hipbar: Hipbar, state: Path, tmp_path: Path
) -> None:
    file = tmp_path / "a.zip"
    hipbar("backup", file, "--state", state)
    held = locked(state)
    said = hipbar("restore", file, "--yes", "--state", state)
    os.close(held)
    assert (said.code, "systemctl stop hipbar" in said.err) == (11, True)
    assert hipbar("restore", file, "--yes", "--state", state).code == 0


def test_nothing_is_restored_unasked(hipbar: Hipbar, state: Path, tmp_path: Path) -> None:
    said = hipbar("restore", tmp_path / "a.zip", "--state", state)
    assert (said.code, "--yes" in said.err) == (2, True)


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 130), ("\n", 130)])
def test_restore_says_what_is_there_and_asks(
    hipbar: Hipbar, state: Path, tmp_path: Path, typed: str, code: int
) -> None:
    file = tmp_path / "a.zip"
    hipbar("backup", file, "--state", state)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "appliance.cli", "restore", str(file), "--state", str(state)]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        os.close(theirs)
        os.write(ours, typed.encode())
        _, err = child.communicate(timeout=60)
    os.close(ours)
    assert child.returncode == code
    assert b"it has 1 runner, the last visit began" in err
    assert bool(list(state.glob("*before*"))) == (code == 0)


def test_verify_says_whole_or_what_is_damaged_and_how_much_can_be_read(hipbar: Hipbar, state: Path) -> None:
    good = hipbar("verify", "--state", state)
    assert good.code == 0
    assert "whole; 1 runner, 3 visits, 6,000 steps" in good.out
    damage(state)
    bad = hipbar("verify", "--state", state)
    assert bad.code == 11
    assert "damaged" in bad.out
    assert "of 3 visits can be read to the last bit" in bad.out
    assert "hipbar restore" in bad.out
    told = json.loads(hipbar("verify", "--state", state, "--json").out)
    assert told["damage"]
    assert told["whole"] < 3


def test_a_damaged_store_is_not_passed_off_as_a_backup(hipbar: Hipbar, state: Path, tmp_path: Path) -> None:
    file = tmp_path / "good.zip"
    hipbar("backup", file, "--state", state)
    damage(state)
    said = hipbar("backup", tmp_path / "bad.zip", "--state", state)
    assert said.code == 11
    assert not (tmp_path / "bad.zip").exists()
    assert hipbar("restore", file, "--yes", "--state", state).code == 0
    assert visits(state) == [3, 2, 1]


def test_without_a_store_there_is_nothing_to_back_up_or_look_through(hipbar: Hipbar, tmp_path: Path) -> None:
    for words in (("backup", tmp_path / "a.zip"), ("verify",)):
        said = hipbar(*words, "--state", tmp_path)
        assert (said.code, str(tmp_path) in said.err) == (11, True)
    assert list(tmp_path.iterdir()) == []


def test_a_visit_goes_on_while_it_is_backed_up_and_the_copy_is_whole(hipbar: Hipbar, tmp_path: Path) -> None:
    folder = clinic(tmp_path / "running")
    writer = Writer(folder, reserve_mb=1.0)
    try:
        visit = writer.begin(beginning())
        items = course_of(visit, 30)
        for item in items[:20]:
            writer.post(item)
        writer.ask(items[20], within_s=30.0)
        for item in items[21:]:
            writer.post(item)
        assert hipbar("backup", tmp_path / "a.zip", "--state", folder).code == 0
        assert hipbar("verify", "--state", folder).code == 0
        forgotten = hipbar("runner", "forget", "R07", "--yes", "--state", folder)
        assert (forgotten.code, "visit stop" in forgotten.err) == (10, True)
        writer.ask(over(visit, 30.0, 20.0), within_s=30.0)
    finally:
        writer.close()
    assert hipbar("restore", tmp_path / "a.zip", "--yes", "--state", tmp_path / "elsewhere").code == 0
    assert hipbar("verify", "--state", tmp_path / "elsewhere").code == 0
    with Store.open(tmp_path / "elsewhere") as store, Store.open(folder) as now:
        copied, kept = store.data(visit).steps, now.data(visit).steps
        assert store.visit(visit).state is VisitState.RUNNING
        assert now.visit(visit).state is VisitState.DONE
        assert 0 < len(copied) <= len(kept)
        assert copied.tobytes() == kept[: len(copied)].tobytes()
