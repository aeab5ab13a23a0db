"""What the kernel and a Pi's firmware say about the machine becomes one `Board` of figures.

Celsius, megabytes, seconds; None = not known here, never 0. All files are read below a root folder, so that another
machine's can be read too. Only reads: priorities, memory locks and watchdogs are set by systemd. Nothing here waits
for longer than a second, and nothing fails: a laptop is "not a Pi" and has fewer figures.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import subprocess
from pathlib import Path

import msgspec

from hw.notify import Notifier

__all__ = ["Board", "Notifier", "read_board", "throttled_words"]

_ROOT = Path("/")
_FIRMWARE_S = 1.0
_POLICIES = ("other", "fifo", "round robin", "batch", "", "idle", "deadline")
_STA_UNSYNC = 0x40
_BITS = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
"""Bits of `vcgencmd get_throttled` (Raspberry Pi documentation); 16 higher: the same since the start."""


class Watchdog(msgspec.Struct, frozen=True):
    """The hardware watchdog; `armed` = something feeds it, and its silence resets the machine."""

    name: str
    armed: bool | None
    timeout_s: float | None


class Board(msgspec.Struct, frozen=True):
    """The machine, and the process that was asked about.

    model, revision : as the firmware names it; throttled : the firmware's bits. free_mb : disk of the data folder.
    load : runnable processes, mean of a minute. policy, priority : the scheduler's; priority 0 = not real-time.
    locked_mb, lockable_mb : memory that can't be swapped out, and how much may be (inf = all).
    """

    is_pi: bool
    model: str | None
    revision: str | None
    temperature_c: float | None
    throttled: int | None
    under_voltage: bool | None
    free_mb: float | None
    memory_mb: float | None
    load: float | None
    cores: int | None
    policy: str | None
    priority: int | None
    locked_mb: float | None
    lockable_mb: float | None
    affinity: tuple[int, ...] | None
    clock_synchronised: bool | None
    watchdog: Watchdog | None
    boot_id: str | None


def read_board(root: Path = _ROOT, *, data: Path | None = None, pid: int | None = None) -> Board:
    """Everything that is known: of the machine below `root`, the disk of `data`, and process `pid` (or this one)."""
    process = root / "proc" / (str(pid) if pid is not None else "self")
    model = _read(root / "proc/device-tree/model")
    is_pi = bool(model and model.startswith("Raspberry Pi"))
    bits = _throttled(root) if is_pi else None
    policy, priority = scheduling(_read(process / "stat"))
    return Board(
        is_pi=is_pi,
        model=model or _read(root / "sys/class/dmi/id/product_name"),
        revision=found(r"^Revision\s*: ([0-9a-f]+)$", _read(root / "proc/cpuinfo")),
        temperature_c=_temperature_c(root),
        throttled=bits,
        under_voltage=_under_voltage(root) if bits is None else bool(bits & 1),
        free_mb=_free_mb(data or root),
        memory_mb=_scaled(found(r"^MemAvailable:\s+(\d+) kB", _read(root / "proc/meminfo")), 1024),
        load=_scaled(found(r"^([\d.]+) ", _read(root / "proc/loadavg"))),
        cores=_counted(cpus(_read(root / "sys/devices/system/cpu/online"))),
        policy=policy,
        priority=priority,
        locked_mb=_scaled(found(r"^VmLck:\s+(\d+) kB", _read(process / "status")), 1024),
        lockable_mb=lockable_mb(_read(process / "limits")),
        affinity=cpus(found(r"^Cpus_allowed_list:\s+([\d,-]+)$", _read(process / "status"))),
        clock_synchronised=_synchronised(root),
        watchdog=_watchdog(root),
        boot_id=_read(root / "proc/sys/kernel/random/boot_id"),
    )


def throttled_words(bits: int) -> tuple[list[str], list[str]]:
    """What is so now, and what was so since the start and is over."""
    now = [word for bit, word in _BITS.items() if bits >> bit & 1]
    past = [word for bit, word in _BITS.items() if bits >> bit + 16 & 1 and word not in now]
    return now, past


def throttled_bits(text: str | None) -> int | None:
    """The figure in `throttled=0x50005` (vcgencmd) or `50005` (the kernel's file)."""
    digits = found(r"^(?:throttled=)?(?:0x)?([0-9a-f]+)$", text)
    return None if digits is None else int(digits, 16)


def scheduling(stat: str | None) -> tuple[str | None, int | None]:
    """Policy and real-time priority of a /proc/PID/stat: fields 41 and 40; a name may hold spaces and brackets."""
    words = (stat or "").rpartition(")")[2].split()
    try:
        priority, policy = int(words[37]), int(words[38])
        return _POLICIES[policy], priority
    except (IndexError, ValueError):
        return None, None


def lockable_mb(limits: str | None) -> float | None:
    """The soft limit on locked memory of a /proc/PID/limits."""
    limit = found(r"^Max locked memory\s+(\d+|unlimited)\s", limits)
    return float("inf") if limit == "unlimited" else _scaled(limit, 2**20)


def cpus(text: str | None) -> tuple[int, ...] | None:
    """The processors in a list as the kernel writes it, "0-2,5"."""
    if not text:
        return None
    ends = [part.partition("-") for part in text.split(",")]
    return tuple(k for a, _, b in ends for k in range(int(a), int(b or a) + 1))


def found(pattern: str, text: str | None) -> str | None:
    """The first group of the first line that fits."""
    match = re.search(pattern, text or "", re.MULTILINE)
    return match[1] if match else None


def _read(path: Path) -> str | None:
    """A small file's text without the zero bytes and line ends around it; None when there is nothing to be had."""
    try:
        return path.read_bytes().strip(b"\0\n ").decode("utf-8", "replace") or None
    except OSError:
        return None


def _scaled(figure: str | None, unit: float = 1) -> float | None:
    return None if figure is None else float(figure) / unit


def _counted(things: tuple[int, ...] | None) -> int | None:
    return None if things is None else len(things)


def _temperature_c(root: Path) -> float | None:
    """The processor's, or the first that there is."""
    zones = {
        zone: _read(zone / "type") or "" for zone in sorted(root.glob("sys/class/thermal/thermal_zone*"))
    }
    for zone in sorted(zones, key=lambda z: not re.search("cpu|pkg", zones[z])):
        text = _read(zone / "temp")
        if text and text.lstrip("-").isdigit():
            return int(text) / 1000
    return None


def _throttled(root: Path) -> int | None:
    """From the firmware by vcgencmd; the kernel's file is the second choice, because it logs a warning when read."""
    try:
        command = [str(root / "usr/bin/vcgencmd"), "get_throttled"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FIRMWARE_S, check=False)
        bits = throttled_bits(done.stdout.strip())
    except (OSError, subprocess.TimeoutExpired):
        bits = None
    files = sorted(root.glob("sys/devices/platform/soc*/*firmware/get_throttled"))
    return bits if bits is not None or not files else throttled_bits(_read(files[0]))


def _under_voltage(root: Path) -> bool | None:
    """The kernel's own alarm of a Pi's supply."""
    for sensor in root.glob("sys/class/hwmon/hwmon*"):
        if _read(sensor / "name") == "rpi_volt":
            alarm = _read(sensor / "in0_lcrit_alarm")
            return None if alarm is None else alarm != "0"
    return None


def _free_mb(folder: Path) -> float | None:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize / 2**20


def _synchronised(root: Path) -> bool | None:
    """Whether the wall clock is right: systemd-timesyncd's word, or the kernel's for whoever else sets it."""
    if (root / "run/systemd/timesync/synchronized").exists():
        return True
    return _kernel_synchronised() if root == _ROOT else None


def _kernel_synchronised() -> bool | None:
    """adjtimex(2) without a change: `status` is the int behind five longs."""
    timex = ctypes.create_string_buffer(256)
    with contextlib.suppress(AttributeError, OSError):
        if ctypes.CDLL(None).adjtimex(timex) >= 0:
            at = 5 * ctypes.sizeof(ctypes.c_long)
            status = int.from_bytes(timex.raw[at : at + 4], "little")
            return not status & _STA_UNSYNC
    return None


def _watchdog(root: Path) -> Watchdog | None:
    for folder in sorted(root.glob("sys/class/watchdog/watchdog*")):
        state = _read(folder / "state")
        return Watchdog(
            name=_read(folder / "identity") or folder.name,
            armed=None if state is None else state == "active",
            timeout_s=_scaled(_read(folder / "timeout")),
        )
    return Watchdog("watchdog", None, None) if (root / "dev/watchdog").exists() else None
