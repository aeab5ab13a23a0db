"""The power is cut while the product writes, at many moments of one run: nothing that was promised may be lost.

The whole proof, with machines that are really cut off, a frozen systemd and a cold boot, is
`python -m tests.station power`.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.station import blocklog, powercut
from tests.station.blocklog import Entry
from tests.station.powercut import Report
from tests.station.vm import Vm

SECONDS, CUTS = 8.0, 40


@pytest.fixture(scope="module")
def report(vm: Vm, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Cuts in a load as the product writes it."""
    return powercut.cut_often(powercut.recorded(vm, SECONDS, tmp_path_factory.mktemp("power")), CUTS, seed=1)


@pytest.fixture(scope="module")
def control(vm: Vm, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The same load from a product that brings nothing to the disk, and says it did."""
    folder = tmp_path_factory.mktemp("control")
    return powercut.cut_often(powercut.recorded(vm, SECONDS / 2, folder, syncs=False), CUTS // 4, seed=1)


def test_nothing_that_was_promised_is_lost_in_a_power_cut(
    report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print("\n" + report.as_text())
    assert not report.bad, [one.wrong for one in report.bad]


def test_writes_were_under_way_at_every_cut_and_promises_had_been_made(report: Report) -> None:
    assert len(report.found) == CUTS
    for one in report.found:
        assert one.cut.kept + one.cut.lost + one.cut.torn > 0
        assert one.promised
    assert sum(one.cut.lost for one in report.found) > CUTS / 2


def test_the_load_kept_recordings_visits_and_whole_files(report: Report) -> None:
    kinds = {key for _, _, promise in report.recorded.promises for key in promise}
    assert kinds >= {"whole", "archive", "frames", "clinic", "visit"}


def test_a_product_that_brings_nothing_to_the_disk_is_found_out(control: Report) -> None:
    assert len(control.bad) > len(control.found) / 2, control.as_text()


def _write(at: int, letter: bytes, size: int = blocklog.PAGE) -> Entry:
    return Entry(at * blocklog.PAGE, size, 0, letter * size)


_FLUSH = Entry(0, 0, 1, b"")


def test_what_a_flush_has_covered_is_on_the_disk_after_every_cut() -> None:
    entries = [_write(0, b"a"), _FLUSH, _write(1, b"b"), _FLUSH, _write(0, b"c")]
    for seed in range(20):
        first, second = blocklog.cuts(bytes(8192), entries, [1, 4], random.Random(seed))
        assert bytes(first.image) == b"a" * 4096 + bytes(4096)
        assert bytes(second.image[4096:]) == b"b" * 4096
        assert bytes(second.image[:4096]) in {b"a" * 4096, b"c" * 4096}


def test_writes_that_no_flush_has_covered_are_there_or_not_each_for_itself() -> None:
    entries = [_write(0, b"a"), _write(1, b"b")]
    seen = {
        bytes(cut.image[::4096])
        for seed in range(50)
        for cut in blocklog.cuts(bytes(8192), entries, [1], random.Random(seed))
    }
    assert seen == {b"\0\0", b"a\0", b"\0b", b"ab"}


def test_a_torn_write_ends_at_a_page() -> None:
    entries = [_write(0, b"a", 4 * blocklog.PAGE)]
    seen = {
        bytes(cut.image[::4096]): cut.torn
        for seed in range(200)
        for cut in blocklog.cuts(bytes(4 * 4096), entries, [0], random.Random(seed))
    }
    assert seen[b"aaaa"] == seen[bytes(4)] == 0
    assert {image for image, torn in seen.items() if torn} == {b"a\0\0\0", b"aa\0\0", b"aaa\0"}


def test_a_log_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(bytes(4096))
    with pytest.raises(ValueError, match="no log of a disk's writes"):
        blocklog.read(path)
