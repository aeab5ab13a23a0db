"""Files as a Pi 4, a Pi 5 and a laptop have them become figures, and what is not there stays unknown.

The trees are written from documentation (Raspberry Pi's on `vcgencmd get_throttled` and revision codes, the kernel's on
/proc, /sys/class/thermal, hwmon and watchdog); no Pi was at hand. This process and machine are read too.
"""

import contextlib
import ctypes
import os
import socket
import struct
import sys
import time
from pathlib import Path

import pytest

from hw.board import (
    Notifier,
    Watchdog,
    cpus,
    lockable_mb,
    read_board,
    scheduling,
    throttled_bits,
    throttled_words,
)

STAT = (
    "812 (hipbar (run) x) S 1 812 812 0 -1 4194560 9 0 0 0 3 1 0 0 -21 0 4 0 99 1 2 3 4 5 6 7 8 9"
    " 0 0 0 0 0 0 17 3 {prio} {policy} 0 0 0"
)
LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max locked memory         {locked:<20} {locked:<20} bytes
Max address space         unlimited            unlimited            bytes
"""


def _tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        if path.name == "vcgencmd":
            path.chmod(0o755)
    return root


@pytest.fixture
def pi4(tmp_path):
    """A Pi 4 whose cable is too thin, with a station run by systemd."""
    files = {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.2\0",
        "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n\nRevision\t: c03112\nSerial\t\t: 10000000abcdef01\n"
        "Model\t\t: Raspberry Pi 4 Model B Rev 1.2\n",
        "proc/meminfo": "MemTotal:        3884392 kB\nMemFree:         2100000 kB\nMemAvailable:    3145728 kB\n",
        "proc/loadavg": "0.52 0.58 0.59 1/190 4242\n",
        "proc/812/stat": STAT.format(prio=20, policy=1),
        "proc/812/status": "Name:\thipbar\nVmLck:\t   20480 kB\nCpus_allowed:\te\nCpus_allowed_list:\t1-3\n",
        "proc/812/limits": LIMITS.format(locked="unlimited"),
        "proc/sys/kernel/random/boot_id": "6f1a3f0e-6f9b-4a50-9d7c-0d5f5a2b9c11\n",
        "sys/devices/system/cpu/online": "0-3\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48686\n",
        "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
        "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
        "sys/class/watchdog/watchdog0/identity": "Broadcom BCM2835 Watchdog timer\n",
        "sys/class/watchdog/watchdog0/state": "active\n",
        "sys/class/watchdog/watchdog0/timeout": "14\n",
        "usr/bin/vcgencmd": '#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x50005\n',
        "run/systemd/timesync/synchronized": "",
    }
    return _tree(tmp_path, files)


@pytest.fixture
def pi5(tmp_path):
    """A Pi 5 that is well, with the kernel's file for the firmware's bits."""
    files = {
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/cpuinfo": "processor\t: 3\n\nRevision\t: d04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "61200\n",
        "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled": "80000\n",
        "sys/class/watchdog/watchdog0/identity": "Broadcom BCM2835 Watchdog timer\n",
        "sys/class/watchdog/watchdog0/state": "inactive\n",
        "sys/class/watchdog/watchdog0/timeout": "15\n",
    }
    return _tree(tmp_path, files)


def test_a_pi_4_with_a_thin_cable_is_read_whole(pi4):
    board = read_board(pi4, pid=812)
    assert (board.is_pi, board.model, board.revision) == (True, "Raspberry Pi 4 Model B Rev 1.2", "c03112")
    assert board.temperature_c == pytest.approx(48.686)
    assert (board.throttled, board.under_voltage) == (0x50005, True)
    assert board.memory_mb == 3072
    assert (board.load, board.cores) == (0.52, 4)
    assert (board.policy, board.priority) == ("fifo", 20)
    assert (board.locked_mb, board.lockable_mb) == (20, float("inf"))
    assert board.affinity == (1, 2, 3)
    assert board.clock_synchronised is True
    assert board.watchdog == Watchdog("Broadcom BCM2835 Watchdog timer", True, 14)
    assert board.boot_id == "6f1a3f0e-6f9b-4a50-9d7c-0d5f5a2b9c11"


def test_a_pi_5_is_read_through_the_kernels_file_and_the_rest_is_unknown(pi5):
    board = read_board(pi5)
    assert (board.is_pi, board.revision) == (True, "d04170")
    assert (board.throttled, board.under_voltage) == (0x80000, False)
    assert board.watchdog == Watchdog("Broadcom BCM2835 Watchdog timer", False, 15)
    unknown = (board.memory_mb, board.load, board.cores, board.policy, board.priority, board.locked_mb)
    assert {*unknown, board.lockable_mb, board.affinity, board.clock_synchronised} == {None}


def test_a_firmware_that_does_not_answer_is_not_waited_for(pi5):
    _tree(pi5, {"usr/bin/vcgencmd": "#!/bin/sh\nexec sleep 60\n"})
    began_s = time.monotonic()
    assert read_board(pi5).throttled == 0x80000
    assert time.monotonic() - began_s < 5


def test_a_firmware_that_refuses_is_not_believed(pi5):
    _tree(pi5, {"usr/bin/vcgencmd": "#!/bin/sh\necho VCHI initialization failed\nexit 255\n"})
    assert read_board(pi5).throttled == 0x80000


def test_without_the_firmware_the_kernels_alarm_tells_of_low_voltage(pi4):
    (pi4 / "usr/bin/vcgencmd").unlink()
    board = read_board(pi4)
    assert (board.throttled, board.under_voltage) == (None, True)


def test_an_empty_machine_is_all_unknown_and_never_zero(tmp_path):
    board = read_board(tmp_path)
    assert board.is_pi is False
    known = {name for name in board.__struct_fields__ if getattr(board, name) is not None}
    assert known == {"is_pi", "free_mb"}


def test_nonsense_in_the_files_is_unknown(tmp_path):
    files = {
        "proc/device-tree/model": "Raspberry Pi 4\0",
        "proc/loadavg": "nonsense\n",
        "proc/self/stat": "1 (x) S 1 2\n",
        "proc/self/limits": "\xff\n",
        "sys/class/thermal/thermal_zone0/temp": "hot\n",
        "sys/class/watchdog/watchdog0/uevent": "\n",
        "usr/bin/vcgencmd": "no program\n",
    }
    board = read_board(_tree(tmp_path, files))
    assert (board.load, board.policy, board.lockable_mb, board.temperature_c) == (None, None, None, None)
    assert (board.throttled, board.watchdog) == (None, Watchdog("watchdog0", None, None))


def test_a_laptops_own_name_is_told_but_it_is_no_pi(tmp_path):
    board = read_board(_tree(tmp_path, {"sys/class/dmi/id/product_name": "ThinkPad X1\n"}))
    assert (board.is_pi, board.model) == (False, "ThinkPad X1")


def test_this_process_is_read_as_the_kernel_knows_it():
    board = read_board()
    policies = {
        os.SCHED_OTHER: "other",
        os.SCHED_FIFO: "fifo",
        os.SCHED_RR: "round robin",
        os.SCHED_BATCH: "batch",
    }
    assert board.policy == {**policies, os.SCHED_IDLE: "idle"}[os.sched_getscheduler(0)]
    assert board.priority == os.sched_getparam(0).sched_priority
    assert set(board.affinity) == os.sched_getaffinity(0)
    assert board.locked_mb is not None
    assert board.lockable_mb is not None
    assert board.free_mb > 0
    assert board.memory_mb > 0


@pytest.mark.skipif(sys.maxsize < 2**32, reason="the layout of a 64-bit kernel")
def test_the_kernels_clock_state_is_where_it_is_looked_for():
    """The wall clock in the same structure is right, so the fields before it are where they should be."""
    timex = ctypes.create_string_buffer(256)
    state = ctypes.CDLL(None).adjtimex(timex)
    if state < 0:
        pytest.skip("this sandbox does not let its clock be asked")
    status, seconds = struct.unpack_from("=i28xq", timex.raw, 40)
    assert seconds == pytest.approx(time.time(), abs=5)
    told = read_board().clock_synchronised
    assert told is (not status & 0x40) or Path("/run/systemd/timesync/synchronized").exists()


def test_another_folders_disk_and_another_process_can_be_asked_about(tmp_path):
    assert read_board(data=tmp_path, pid=os.getpid()).free_mb > 0
    board = read_board(data=tmp_path / "nowhere", pid=2**22 + 1)
    assert (board.free_mb, board.policy) == (None, None)


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("throttled=0x0", 0),
        ("throttled=0x50005", 0x50005),
        ("50005", 0x50005),
        ("0", 0),
        ("", None),
        ("VCHI initialization failed", None),
        (None, None),
    ],
)
def test_the_firmwares_answer_is_a_number_or_nothing(text, bits):
    assert throttled_bits(text) == bits


def test_each_bit_has_its_word_now_or_since_the_start():
    assert throttled_words(0) == ([], [])
    assert throttled_words(0x1) == (["under-voltage"], [])
    assert throttled_words(0x50005) == (["under-voltage", "throttled"], [])
    assert throttled_words(0xD0008) == (["soft temperature limit"], ["under-voltage", "throttled"])
    assert throttled_words(0x20002) == (["clock capped"], [])
    assert throttled_words(0xF0000) == (
        [],
        ["under-voltage", "clock capped", "throttled", "soft temperature limit"],
    )


def test_lists_of_processors_limits_and_stats_are_read():
    assert cpus("0-2,5") == (0, 1, 2, 5)
    assert cpus("7") == (7,)
    assert cpus(None) is None
    assert lockable_mb(LIMITS.format(locked=8388608)) == 8
    assert scheduling(STAT.format(prio=0, policy=0)) == ("other", 0)
    assert scheduling(STAT.format(prio=0, policy=42)) == (None, None)
    assert scheduling(None) == (None, None)


# systemd


def _listening(address):
    inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    inbox.bind(address)
    inbox.setblocking(False)
    return inbox


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_on_its_socket_be_it_a_path_or_abstract(abstract, tmp_path):
    name = f"hipbar-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with _listening("\0" + name if abstract else name) as inbox:
        notifier = Notifier({"NOTIFY_SOCKET": "@" + name if abstract else name})
        assert notifier.active
        notifier.ready("running\nwell")
        notifier.alive()
        notifier.status("no marks \udcff")  # as a file's name may have it
        notifier.stopping("stopped by the button")
        told = [inbox.recv(4096) for _ in range(4)]
        notifier.close()
        notifier.close()
        notifier.alive()
    assert told == [
        b"READY=1\nSTATUS=running well",
        b"WATCHDOG=1",
        b"STATUS=no marks ?",
        b"STOPPING=1\nSTATUS=stopped by the button",
    ]
    assert not notifier.active


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_systemd_nothing_is_sent_and_nothing_fails(environ):
    notifier = Notifier(environ)
    notifier.ready()
    notifier.alive()
    notifier.close()
    assert not notifier.active


def test_a_systemd_that_is_gone_or_deaf_is_not_waited_for(tmp_path):
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    notifier.alive()
    notifier.close()
    with _listening(str(tmp_path / "deaf")):
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "deaf")})
        began_s = time.monotonic()
        for _ in range(1000):
            notifier.alive()
        assert time.monotonic() - began_s < 5
        notifier.close()


@pytest.mark.parametrize(
    ("environ", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_systemd_lets_this_process_be_silent(environ, watchdog_s):
    assert Notifier(environ).watchdog_s == watchdog_s


def test_only_reading_is_done():
    text = (Path(__file__).resolve().parents[2] / "hw/board.py").read_text(encoding="utf-8")
    assert not [word for word in ("sched_set", "mlock", "write_", "setrlimit") if word in text]


def test_ready_is_said_later_when_systemd_had_no_room_for_it(tmp_path):
    with _listening(str(tmp_path / "busy")) as inbox:
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "busy")})
        for _ in range(1000):
            notifier.alive()  # more than a queue takes
        notifier.ready("measuring")
        with contextlib.suppress(BlockingIOError):
            while True:
                inbox.recv(4096)
        notifier.alive()
        notifier.alive()
        assert [inbox.recv(4096) for _ in range(2)] == [b"READY=1\nWATCHDOG=1", b"WATCHDOG=1"]
        notifier.close()


def test_a_status_is_cut_to_what_a_datagram_takes(tmp_path):
    with _listening(str(tmp_path / "notify")) as inbox:
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.extend(30.0, "fault: " + "x" * 1_000_000)
        assert inbox.recv(4096).startswith(b"EXTEND_TIMEOUT_USEC=30000000\nSTATUS=fault: x")
        notifier.close()
