"""Files of the kernel, systemd's words and the state folder become facts about the machine, for the checks to judge.

All files are read below a root folder, so that another machine's can be read too. Only reads, and waits for nothing
longer than some seconds; what can't be had is None, or `Unknown` with the reason.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from appliance.config import Settings
from appliance.errors import SourceError
from appliance.station import crash
from appliance.station.checks_disk import Card, Disk
from appliance.station.checks_machine import Cache, Clock, Dog, Faults, Supply, Unit
from appliance.station.checkup import Fact, Unknown
from appliance.station.places import NOT_ON_DATA
from appliance.station.status import Status
from hw.board import Board, throttled_words

USER = "hipbar"
CACHE = Path("/var/cache/hipbar/kernels")
_ROOT = Path("/")
_ASK_S = 3.0
_LOAD_S = 40.0
_PROPERTIES = (
    *("LoadState", "ActiveState", "UnitFileState", "NRestarts", "Result", "WatchdogUSec", "StatusText"),
    *("ActiveEnterTimestamp", "SubState", "MemoryCurrent"),
)
_SECTOR = 512
_SPANS_S = {"h": 3600.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_LOADING = """\
import sys, time
t = time.perf_counter()
for name in ("names", "blobs", "light", "gait", "lens"):
    __import__("appliance.kernels." + name)
print("loaded in", time.perf_counter() - t, flush=True)
"""


def asked(*words: str) -> str | None:
    """What a program of systemd's says; None where there is none, or it does not answer."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def properties() -> dict[str, str] | None:
    """systemd's own view of the service; None where there is no systemd."""
    return pairs(asked("systemctl", "show", "hipbar.service", f"--property={','.join(_PROPERTIES)}"))


def pairs(text: str | None) -> dict[str, str] | None:
    """`systemctl show`, understood."""
    found = dict(line.split("=", 1) for line in (text or "").splitlines() if "=" in line)
    return found or None


def unit_of(told: dict[str, str] | None) -> Unit | None:
    """The service in systemd's words."""
    if told is None or "ActiveState" not in told:
        return None
    restarts = told.get("NRestarts", "")
    return Unit(
        load=told.get("LoadState", ""),
        active=told["ActiveState"],
        enabled=told.get("UnitFileState", ""),
        restarts=int(restarts) if restarts.isdigit() else None,
        result=told.get("Result", "").replace("success", ""),
        watchdog_s=seconds(told.get("WatchdogUSec")),
        said=told.get("StatusText", ""),
    )


def seconds(text: str | None) -> float | None:
    """A span as systemd writes it ("5s", "1min 30s", "infinity", "0"); None when it is none."""
    total = 0.0
    for word in (text or "").split():
        figure = word.rstrip("minhsu")
        unit = word[len(figure) :]
        try:
            total += float(figure) * (_SPANS_S[unit] if unit else 1.0)
        except (ValueError, KeyError):
            return None
    return total if text else None


def dog(unit: Unit | None, board: Board) -> Dog:
    """The service's watchdog and the machine's."""
    manager = pairs(asked("systemctl", "show", "--property=RuntimeWatchdogUSec")) or {}
    machine = board.watchdog
    return Dog(
        is_pi=board.is_pi,
        unit_s=unit.watchdog_s if unit and unit.load == "loaded" else None,
        name=machine.name if machine else None,
        armed=machine.armed if machine else None,
        timeout_s=machine.timeout_s if machine else None,
        wanted_s=seconds(manager.get("RuntimeWatchdogUSec")),
    )


def cache_folder(installed: bool) -> Path:
    """Where the station's compiled code is: the installed service's place, the environment's, or beside the source."""
    if installed and CACHE.is_dir():
        return CACHE
    named = os.environ.get("NUMBA_CACHE_DIR")
    return Path(named) if named else Path(__file__).parents[2] / "kernels" / "__pycache__"


def cache(folder: Path) -> Fact[Cache]:
    """Has a child load all of it, as the folder's owner; it is ended as soon as it has to compile."""
    try:
        owner = folder.stat()
        files = sum(1 for _ in folder.rglob("*.nbi"))
    except OSError as error:
        return Unknown(f"{folder}: {error.strerror}", "`hipbar warm` makes it")
    if files and os.geteuid() not in (0, owner.st_uid):
        return Unknown(f"{files} files in {folder}; only its owner can try them", "`sudo hipbar doctor`")
    loaded_s = _loaded_s(folder, owner) if files else None
    return Cache(str(folder), files, loaded_s, may(folder, USER))


def _loaded_s(folder: Path, owner: os.stat_result) -> float | None:
    """Seconds to load every kernel; None when one has to be compiled."""
    named = {} if folder.name == "__pycache__" else {"NUMBA_CACHE_DIR": str(folder)}
    path = os.pathsep.join(part for part in sys.path if part)
    env = {
        **os.environ,
        **named,
        "NUMBA_DEBUG_CACHE": "1",
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    other = os.geteuid() == 0 and owner.st_uid != 0
    who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": ()} if other else {}
    try:
        child = subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-c", _LOADING],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=env,
            text=True,
            **who,  # type: ignore[call-overload]
        )
    except OSError:
        return None
    with child:
        try:
            return _listened(child)
        finally:
            child.kill()


def _listened(child: subprocess.Popen[str]) -> float | None:
    """Up to its figure, or the word that tells a compiler at work."""
    import select

    assert child.stdout
    until_s = time.monotonic() + _LOAD_S
    rest = b""
    while (left_s := until_s - time.monotonic()) > 0:
        if not select.select([child.stdout], [], [], left_s)[0]:
            break
        data = os.read(child.stdout.fileno(), 65536)
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        if not data or any(b"saved to" in line or b"unusable" in line for line in lines):
            break
        for line in lines:
            if line.startswith(b"loaded in "):
                return float(line.split()[-1])
    return None


def may(path: Path, user: str) -> bool | None:
    """Whether a user may read and write a file or folder, by its owner, group and mode; None where that is unknown."""
    import grp
    import pwd

    try:
        there = path.stat()
        who = pwd.getpwnam(user)
    except (OSError, KeyError):
        return os.access(path, os.R_OK | os.W_OK) if path.exists() else None
    groups = {who.pw_gid, *(group.gr_gid for group in grp.getgrall() if user in group.gr_mem)}
    shift = 6 if there.st_uid == who.pw_uid else 3 if there.st_gid in groups else 0
    return there.st_mode >> shift & 6 == 6


def disk(state: Path, settings: Settings, status: Status | None, root: Path = _ROOT) -> Disk:
    """The disk of the state folder."""
    free_mb = total_mb = read_only = None
    with contextlib.suppress(OSError):
        room = os.statvfs(state if state.exists() else root)
        free_mb = room.f_bavail * room.f_frsize / 2**20
        total_mb = room.f_blocks * room.f_frsize / 2**20
        read_only = bool(room.f_flag & os.ST_RDONLY)
    trouble = status.recording.trouble if status and settings.service.record else None
    return Disk(
        folder=str(state),
        exists=state.is_dir(),
        free_mb=free_mb,
        total_mb=total_mb,
        read_only=read_only,
        writable=may(state, USER),
        reserve_mb=settings.service.reserve_mb,
        aside=(state / NOT_ON_DATA).exists(),
        recording=trouble,
    )


def card(folder: Path, root: Path = _ROOT) -> Fact[Card]:
    """The flash that a folder is on, or else the machine's card."""
    device = _device(folder, root)
    if device is None:
        return Unknown("no card here that the kernel tells of")
    whole = device.parent if (device / "partition").exists() else device
    life = [int(word, 16) for word in _text(whole / "device/life_time").split() if _is_hex(word)]
    reserve = _text(whole / "device/pre_eol_info")
    written = [words[6] for words in [_text(whole / "stat").split()] if len(words) > 6]
    ext4 = root / "sys/fs/ext4" / device.name
    return Card(
        name=" ".join(part for part in (_text(whole / "device/name"), whole.name) if part),
        life=max(life, default=0) or None,
        reserve=(int(reserve, 16) or None) if _is_hex(reserve) else None,
        written_mb=_scaled(_text(ext4 / "lifetime_write_kbytes"), 1 / 1024),
        since_boot_mb=_scaled(written[0], _SECTOR / 2**20) if written else None,
        errors=_whole(_text(ext4 / "errors_count")),
    )


def _device(folder: Path, root: Path) -> Path | None:
    """The folder of /sys of a folder's block device: its own, or the card behind an overlay."""
    with contextlib.suppress(OSError):
        there = folder.stat().st_dev
        own = root / f"sys/dev/block/{os.major(there)}:{os.minor(there)}"
        if own.exists():
            return own.resolve()
    cards = sorted(root.glob("sys/block/mmcblk[0-9]"))
    return cards[0].resolve() if cards else None


def clock(board: Board, root: Path = _ROOT) -> Clock:
    """The wall clock; a clock chip may be without its battery, so it is no proof."""
    built_s = 0.0
    with contextlib.suppress(OSError):
        built_s = Path(__file__).stat().st_mtime
    return Clock(
        synchronised=board.clock_synchronised,
        rtc=any(root.glob("sys/class/rtc/rtc*")),
        now_s=time.time(),
        built_s=built_s,
    )


def supply(board: Board) -> Supply:
    """Heat and power."""
    if board.throttled is not None:
        now, before = throttled_words(board.throttled)
        return Supply(board.temperature_c, tuple(now), tuple(before))
    low = board.under_voltage
    return Supply(board.temperature_c, None if low is None else ("under-voltage",) if low else ())


def faults(state: Path, status: Status | None) -> Fact[Faults]:
    """Troubles and crash reports."""
    folder = state / crash.FOLDER
    if not os.access(state, os.X_OK) or (folder.exists() and not os.access(folder, os.R_OK | os.X_OK)):
        return Unknown("this user may not look at the crash reports", "`sudo hipbar doctor`")
    reports = crash.crashes(folder)
    newest = None
    for report in reports[:1]:
        try:
            newest = crash.read_crash(report).why
        except SourceError as error:
            newest = str(error)
    return Faults(status.troubles if status else (), len(reports), newest)


def _text(path: Path) -> str:
    """A small file's text; "" when there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _is_hex(word: str) -> bool:
    try:
        int(word, 16)
    except ValueError:
        return False
    return True


def _scaled(text: str, unit: float) -> float | None:
    return round(int(text) * unit, 1) if text.isdigit() else None


def _whole(text: str) -> int | None:
    return int(text) if text.isdigit() else None
