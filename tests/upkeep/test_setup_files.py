"""Our lines in somebody else's file: one marked block, everything else byte for byte, and undone to the last bit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.errors import UpkeepError
from appliance.upkeep import files

NAME = "/boot/firmware/config.txt"
_pieces = st.sampled_from(
    [b"\n", b"\r\n", b"\r", b"[all]", b"dtparam=spi=on", b"include x", b"#", b"\xff\x00", b"", b" "]
)
foreign = st.one_of(st.binary(max_size=200), st.lists(_pieces, max_size=30).map(b"".join)).filter(
    lambda data: b"# hipbar setup" not in data
)
ours = st.lists(st.sampled_from(["dtparam=spi=on", "dtoverlay=ov9281", "[all]", "# a remark"]), max_size=4)


@given(foreign, ours)
def test_the_block_goes_as_it_came(data: bytes, lines: list[str]) -> None:
    assert files.without_block(files.with_block(data, lines, NAME), NAME) == data


@given(foreign, ours, ours)
def test_a_block_is_replaced_and_twice_the_same_is_once(
    data: bytes, first: list[str], then: list[str]
) -> None:
    once = files.with_block(data, then, NAME)
    assert files.with_block(files.with_block(data, first, NAME), then, NAME) == once
    assert files.with_block(once, then, NAME) == once


@given(foreign, st.lists(st.sampled_from(["dtparam=spi=on", "[all]"]), min_size=1, max_size=3))
def test_what_is_not_ours_stays_at_its_place_byte_for_byte(data: bytes, lines: list[str]) -> None:
    after = files.with_block(data, lines, NAME)
    assert after.startswith(data)
    added = after[len(data) :]
    assert [line.strip().decode() for line in added.strip().splitlines()[1:-1]] == lines


@given(foreign, foreign, ours)
def test_what_somebody_adds_below_the_block_stays_too(head: bytes, tail: bytes, lines: list[str]) -> None:
    head = head if head.endswith(b"\n") else head + b"\n"
    both = files.with_block(head, lines or ["x=1"], NAME) + tail
    assert files.without_block(both, NAME) == head + tail
    assert files.with_block(both, lines, NAME).endswith(tail)


def test_what_is_added_below_a_block_that_ended_the_last_line_is_not_glued_to_it() -> None:
    both = files.with_block(b"arm_boost=1", ["x=1"], NAME) + b"gpu_mem=64\n"
    assert files.without_block(both, NAME) == b"arm_boost=1\ngpu_mem=64\n"


def test_lines_end_as_the_file_s_own_do() -> None:
    after = files.with_block(b"a=1\r\nb=2\r\n", ["x=1"], NAME)
    assert after.count(b"\r\n") == after.count(b"\n") == 5


@pytest.mark.parametrize(
    "data",
    [
        files.BEGIN + b"\nx=1\n",
        b"x=1\n" + files.END + b"\n",
        files.END + b"\n" + files.BEGIN + b"\n",
        2 * files.with_block(b"", ["x=1"], NAME),
    ],
    ids=["no end", "no begin", "wrong way round", "twice"],
)
def test_damaged_marks_are_refused_with_words(data: bytes) -> None:
    with pytest.raises(UpkeepError, match="damaged"):
        files.with_block(data, ["x=1"], NAME)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(foreign, st.one_of(foreign, st.none()), ours)
def test_the_diff_is_one_that_patch_takes(
    tmp_path: Path, data: bytes, other: bytes | None, lines: list[str]
) -> None:
    after = files.with_block(data, lines, NAME) if other is None else other
    change = files.Change(NAME, data, after)
    target = tmp_path / NAME[1:]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    if data != after and data and after:
        text = files.patch([change])
        subprocess.run(["patch", "--binary", "-s", "-p1"], cwd=tmp_path, input=text, check=True)
    assert (target.read_bytes() if data and after else after) == after


def test_the_diff_for_people_spells_out_what_would_move_their_cursor() -> None:
    shown = files.words([files.Change(NAME, b"a\r\n\x1b[2J\xff\n", b"a\r\n\x1b[2J\xff\nb\r\n")])
    assert "a^M\n" in shown
    assert "^[[2J\\xff" in shown
    assert "\x1b" not in shown


def test_a_new_file_comes_from_nowhere_and_goes_there_again() -> None:
    shown = files.words([files.Change("/etc/new", None, b"x\n"), files.Change("/etc/old", b"y\n", None)])
    assert (
        shown
        == "--- /dev/null\n+++ b/etc/new\n@@ -0,0 +1,1 @@\n+x\n--- a/etc/old\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-y\n"
    )


def _applied(root: Path, path: str, after: bytes | None) -> None:
    files.apply(root, files.change(root, path, after))


def _undone(root: Path) -> list[str]:
    changes, remarks = files.undoing(root)
    files.undo(root, changes)
    return remarks


def _tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(foreign, st.none()), st.lists(ours, min_size=1, max_size=3))
def test_undo_puts_back_what_was_there_at_first_however_often_setup_ran(
    tmp_path: Path, data: bytes | None, runs: list[list[str]]
) -> None:
    root = tmp_path / os.urandom(8).hex()
    target = root / NAME[1:]
    target.parent.mkdir(parents=True)
    if data is not None:
        target.write_bytes(data)
    before = _tree(root)
    for lines in runs:
        _applied(root, NAME, files.with_block(files.content(root, NAME) or b"", lines, NAME))
        _applied(root, "/etc/systemd/ours.conf", b"x" * len(lines))
    assert _undone(root) == []
    assert _tree(root) == before
    assert _undone(root) == []


def test_undo_takes_only_our_lines_out_of_a_file_that_was_edited_since(tmp_path: Path) -> None:
    target = tmp_path / NAME[1:]
    target.parent.mkdir(parents=True)
    target.write_bytes(b"a=1\n")
    _applied(tmp_path, NAME, files.with_block(b"a=1\n", ["x=1"], NAME))
    target.write_bytes(b"first=1\n" + target.read_bytes() + b"last=1\n")
    assert "edited since" in _undone(tmp_path)[0]
    assert target.read_bytes() == b"first=1\na=1\nlast=1\n"


def test_an_edit_between_two_runs_is_part_of_what_undo_brings_back(tmp_path: Path) -> None:
    target = tmp_path / NAME[1:]
    target.parent.mkdir(parents=True)
    target.write_bytes(b"a=1\n")
    _applied(tmp_path, NAME, files.with_block(b"a=1\n", ["x=1"], NAME))
    target.write_bytes(b"first=1\n" + target.read_bytes())
    _applied(tmp_path, NAME, files.with_block(target.read_bytes(), ["y=1"], NAME))
    assert _undone(tmp_path) == []
    assert target.read_bytes() == b"first=1\na=1\n"


def test_a_file_of_ours_that_somebody_changed_is_left_to_them(tmp_path: Path) -> None:
    _applied(tmp_path, "/etc/ours.conf", b"x\n")
    (tmp_path / "etc/ours.conf").write_bytes(b"mine\n")
    assert _undone(tmp_path) == ["/etc/ours.conf was changed since and is left as it is"]
    assert (tmp_path / "etc/ours.conf").read_bytes() == b"mine\n"


def test_a_power_cut_before_the_first_file_leaves_nothing_to_undo(tmp_path: Path) -> None:
    files._keep(tmp_path, [files.Change("/etc/ours.conf", None, b"x\n")])
    assert files.undoing(tmp_path) == ([], [])


def test_the_first_partition_keeps_a_copy_that_any_computer_can_put_back(tmp_path: Path) -> None:
    target = tmp_path / NAME[1:]
    target.parent.mkdir(parents=True)
    target.write_bytes(b"a=1\n")
    _applied(tmp_path, NAME, b"b=1\n")
    _applied(tmp_path, NAME, b"c=1\n")
    assert target.with_name("config.txt.before-hipbar").read_bytes() == b"a=1\n"


def test_a_link_out_of_the_root_folder_is_refused(tmp_path: Path) -> None:
    root, host = tmp_path / "root", tmp_path / "fstab"
    host.write_bytes(b"host\n")
    (root / "etc").mkdir(parents=True)
    (root / "etc/fstab").symlink_to(host)
    with pytest.raises(UpkeepError, match="leads out of"):
        files.content(root, "/etc/fstab")
    with pytest.raises(UpkeepError, match="leads out of"):
        files.write(root, [files.Change("/etc/fstab", None, b"ours\n")])
    assert host.read_bytes() == b"host\n"


def test_a_damaged_ledger_is_told_and_nothing_is_undone(tmp_path: Path) -> None:
    ledger = tmp_path / files.LEDGER[1:]
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"{")
    with pytest.raises(UpkeepError, match="can't be read"):
        files.undoing(tmp_path)
