"""Facts from made folders of another machine's kernel, real files and real processes: what is there, and whose."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from appliance.commands.doctoring import machine, nodes
from appliance.config import Settings, parse
from appliance.station import crash
from appliance.station.checks_bar import wires
from appliance.station.checks_disk import disk as judge_disk
from appliance.station.checkup import Unknown, Verdict, told
from appliance.station.places import NOT_ON_DATA
from appliance.station.status import Keeping, Status
from hw.board import read_board
from tests.keeping.disks import full_disk


def made(root: Path, files: dict[str, str]) -> Path:
    """A machine that consists of these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


# systemd's words


def test_systemds_words_become_a_unit() -> None:
    text = (
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNRestarts=2\n"
        "Result=success\nWatchdogUSec=5s\nStatusText=running = fast\nnonsense\n"
    )
    unit = machine.unit_of(machine.pairs(text))
    assert unit is not None
    assert (unit.load, unit.active, unit.enabled, unit.restarts) == ("loaded", "active", "enabled", 2)
    assert (unit.result, unit.watchdog_s, unit.said) == ("", 5.0, "running = fast")


@pytest.mark.parametrize("text", ["", "nonsense", "NRestarts=x\n"])
def test_words_that_are_no_unit_are_none(text: str) -> None:
    assert machine.unit_of(machine.pairs(text)) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5.0),
        ("1min 30s", 90.0),
        ("500ms", 0.5),
        ("0", 0.0),
        ("2h", 7200.0),
        ("infinity", float("inf")),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_spans_as_systemd_writes_them_are_seconds(text: str | None, seconds: float | None) -> None:
    assert machine.seconds(text) == seconds


def test_a_program_that_is_not_there_or_fails_says_nothing() -> None:
    assert machine.asked("/no/such/program") is None
    assert machine.asked("false") is None
    assert machine.asked("echo", "A=1") == "A=1\n"


# card and disk


EMMC = {
    "sys/block/mmcblk0/device/life_time": "0x02 0x04\n",
    "sys/block/mmcblk0/device/pre_eol_info": "0x01\n",
    "sys/block/mmcblk0/device/name": "BJTD4R\n",
    "sys/block/mmcblk0/stat": "1 2 3 4 5 6 4096 8 9 10 11\n",
}


def test_a_card_tells_its_wear_and_what_was_written(tmp_path: Path) -> None:
    card = machine.card(
        Path("/proc"), made(tmp_path, EMMC)
    )  # /proc is on no device: the machine's card counts
    assert not isinstance(card, Unknown)
    assert (card.name, card.life, card.reserve, card.since_boot_mb) == ("BJTD4R mmcblk0", 4, 1, 2.0)
    assert (card.written_mb, card.errors) == (None, None)


def test_the_partition_of_a_folder_leads_to_its_card_and_its_file_system(tmp_path: Path) -> None:
    root = made(tmp_path / "root", EMMC)
    there = tmp_path.stat().st_dev
    part = root / "sys/block/mmcblk0/mmcblk0p2"
    made(part, {"partition": "2\n"})
    link = root / f"sys/dev/block/{os.major(there)}:{os.minor(there)}"
    link.parent.mkdir(parents=True)
    link.symlink_to(part)
    made(root, {"sys/fs/ext4/mmcblk0p2/lifetime_write_kbytes": "2048\n"})
    made(root, {"sys/fs/ext4/mmcblk0p2/errors_count": "3\n"})
    card = machine.card(tmp_path, root)
    assert not isinstance(card, Unknown)
    assert (card.name, card.life, card.written_mb, card.errors) == ("BJTD4R mmcblk0", 4, 2.0, 3)


def test_a_card_that_says_nothing_or_nonsense_is_known_by_its_name(tmp_path: Path) -> None:
    made(tmp_path, {"sys/block/mmcblk0/device/life_time": "soon\n", "sys/block/mmcblk0/stat": "1 2\n"})
    card = machine.card(Path("/proc"), tmp_path)
    assert not isinstance(card, Unknown)
    assert (card.name, card.life, card.reserve, card.since_boot_mb) == ("mmcblk0", None, None, None)


def test_a_machine_without_a_card_says_so(tmp_path: Path) -> None:
    assert isinstance(machine.card(Path("/proc"), tmp_path), Unknown)


def test_a_full_disk_is_found(tmp_path: Path) -> None:
    with full_disk(tmp_path / "disk", 256) as (folder, fill):
        fill()
        check = judge_disk("disk", machine.disk(folder, Settings(), None))
        assert check.verdict is Verdict.FAIL
        assert "full: nothing is recorded" in check.figure


def test_a_disk_that_is_missing_aside_or_not_recorded_on_is_told(tmp_path: Path) -> None:
    gone = machine.disk(tmp_path / "gone", Settings(), None)
    assert (gone.exists, gone.aside, gone.recording) == (False, False, None)
    (tmp_path / NOT_ON_DATA).touch()
    status = Status(recording=Keeping(trouble="disk full"))
    there = machine.disk(tmp_path, Settings(), status)
    assert (there.exists, there.aside, there.recording) == (True, True, "disk full")
    assert there.free_mb is not None
    quiet = parse("[service]\nrecord = false\n")
    assert machine.disk(tmp_path, quiet, status).recording is None


# kernel cache


def test_a_warm_cache_is_loaded_and_a_cold_or_missing_one_is_not(tmp_path: Path) -> None:
    assert isinstance(machine.cache(tmp_path / "gone"), Unknown)
    empty = machine.cache(tmp_path)
    assert not isinstance(empty, Unknown)
    assert (empty.files, empty.loaded_s) == (0, None)
    subprocess.run([sys.executable, "-m", "appliance.cli", "warm"], check=True, capture_output=True)
    warm = machine.cache(machine.cache_folder(installed=False))
    assert not isinstance(warm, Unknown)
    assert warm.files > 50
    assert warm.loaded_s is not None
    assert 0 < warm.loaded_s < 60


def test_a_cache_for_another_program_is_cold_and_found_so_before_it_is_compiled(tmp_path: Path) -> None:
    (tmp_path / "names.settle-1.py311.nbi").write_bytes(b"of another time")
    stale = machine.cache(tmp_path)
    assert not isinstance(stale, Unknown)
    assert (stale.files, stale.loaded_s) == (1, None)


# wires


SPI = '[strip]\nkind = "apa102"\ndevice = "{}"\n'


def test_a_missing_spi_device_is_found(tmp_path: Path) -> None:
    settings = parse(SPI.format(tmp_path / "spidev0.0"))
    check = told("wires", wires, nodes.nodes(settings), settings)
    assert check.verdict is Verdict.FAIL
    assert "hipbar setup" in check.fix


def test_an_spi_device_that_another_process_holds_is_found_with_its_name(tmp_path: Path) -> None:
    device = tmp_path / "spidev0.0"
    device.write_bytes(b"")
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX);"
        " print('held', flush=True); sys.stdin.read()"
    )
    settings = parse(SPI.format(device))
    with subprocess.Popen(
        [sys.executable, "-c", code, str(device)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        check = told("wires", wires, nodes.nodes(settings), settings)
        assert check.verdict is Verdict.FAIL
        assert f"process {other.pid}" in check.fix
        other.communicate()
    with device.open("r+") as file:  # our own lock, once the other's is gone
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_devices_that_are_needed_are_those_that_the_settings_name(tmp_path: Path) -> None:
    made(tmp_path, {"media3": "", "dma_heap/system": "", "gpiochip4": ""})
    settings = parse(
        '[camera]\nsource = "picamera"\n[strip]\nkind = "apa102"\ndevice = "/dev/null"\n'
        '[panel]\nkind = "gpio"\n'
    )
    found = nodes.nodes(settings, tmp_path)
    assert [(Path(n.path).name, n.for_what) for n in found] == [
        ("media3", "camera"),
        ("system", "camera"),
        ("null", "light bar"),
        ("gpiochip4", "panel"),
    ]
    assert all(node.exists for node in found)
    usb = parse('[camera]\nsource = "v4l2"\ndevice = "/dev/video9"\n[strip]\nkind = "shift-register"\n')
    assert [n.path for n in nodes.nodes(usb, tmp_path / "none")] == [
        "/dev/video9",
        str(tmp_path / "none/gpiochip0"),
    ]
    assert nodes.nodes(Settings(), tmp_path) == []


def test_whether_a_user_may_is_read_from_owner_group_and_mode(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.touch()
    device.chmod(0o660)
    assert machine.may(device, "nobody") is (os.geteuid() == 65534)
    device.chmod(0o666)
    assert machine.may(device, "nobody") is True
    assert machine.may(device, "no-such-user") is True  # nobody else to ask for: whoever asks
    assert machine.may(tmp_path / "gone", "nobody") is None


# the rest


def test_heat_and_power_come_from_the_firmwares_bits() -> None:
    board = read_board()
    hot = msgspec.structs.replace(board, temperature_c=81.0, throttled=0x50005)
    supply = machine.supply(hot)
    assert (supply.temperature_c, supply.now) == (81.0, ("under-voltage", "throttled"))
    alarm = msgspec.structs.replace(board, throttled=None, under_voltage=True)
    assert machine.supply(alarm).now == ("under-voltage",)
    assert machine.supply(msgspec.structs.replace(alarm, under_voltage=None)).now is None


def test_crash_reports_are_counted_and_one_that_is_damaged_is_no_end(tmp_path: Path) -> None:
    assert machine.faults(tmp_path, None) == machine.faults(tmp_path, Status())
    crash.report(tmp_path / crash.FOLDER, RuntimeError("torn wire"), now_s=1000.0)
    found = machine.faults(tmp_path, Status(troubles=("disk full",)))
    assert not isinstance(found, Unknown)
    assert (found.crashes, found.newest, found.troubles) == (1, "RuntimeError: torn wire", ("disk full",))
    (tmp_path / crash.FOLDER / "crash-000009.json").write_bytes(b"{")
    damaged = machine.faults(tmp_path, None)
    assert not isinstance(damaged, Unknown)
    assert damaged.crashes == 2
    assert "no crash report" in str(damaged.newest)


def test_a_clock_chip_is_seen(tmp_path: Path) -> None:
    board = msgspec.structs.replace(read_board(), clock_synchronised=False)
    assert machine.clock(board, tmp_path).rtc is False
    made(tmp_path, {"sys/class/rtc/rtc0/name": "rpi-rtc\n"})
    assert machine.clock(board, tmp_path).rtc is True
