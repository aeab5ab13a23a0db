"""What the station knows of itself becomes one small file each second, and that file a verdict.

Times are seconds of CLOCK_MONOTONIC, which every process of one boot shares; ages in milliseconds, memory and disk in
megabytes, heat in Celsius. What is not known is None (null in the file), never 0. The file is replaced whole, so a
reader never sees half of one; it is in memory, so it is never brought to a disk. Refuses nothing: a file that can't be
written is told and given up, one that can't be understood is None.
"""

from __future__ import annotations

import logging
import os
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from appliance.records import Light
from appliance.station.told import Ages, Fault, Gait, Keeping, Machine, Ready, Stages, Visit

__all__ = [
    "Ages",
    "Condition",
    "Fault",
    "Gait",
    "Keeping",
    "Machine",
    "Ready",
    "Stages",
    "Status",
    "StatusFile",
    "Verdict",
    "Visit",
    "is_alive",
    "process_state",
    "read_status",
    "size",
    "span",
    "verdict",
    "write_status",
]

FILE = "status.json"
FORMAT = "hipbar-status"
VERSION = 1
STARTING = "starting"
"""The one state that has no rhythm of its own on the panel: lit, but no kernel and no camera yet."""

FRESH_S = 3.0
"""A status that was written longer ago than this is that of a station that does not answer."""

_MOST_BYTES = 65536
_log = logging.getLogger("hipbar.station")


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The station at one moment.

    software version as `version`; state : a value of `Light`, or "starting". frames, lost, strip_faults : since the
    start of the process; rate_hz : of the last minute or less. process_start : clock ticks since the boot at which
    `pid` began (/proc/PID/stat), so that another process with its number is not taken for it. descriptors : open ones.
    troubles : what a person should know, in words, the gravest first; none of them names a person.
    mode : of the feedback. calibration : the revision in force, 0 = none. tried : settings that are neither the file's
    nor the calibration's. clients : how many are at the control link. lent : whether one of them has the bar.
    faults : the last ones, the newest first. visit : the one that runs; visit_ready : what the button begins next.
    """

    format: str = FORMAT
    format_version: int = VERSION
    version: str = ""
    state: str = STARTING
    state_since_s: float | None = None
    started_s: float | None = None
    written_s: float | None = None
    boot_id: str | None = None
    pid: int | None = None
    process_start: int | None = None
    frames: int = 0
    rate_hz: float | None = None
    lost: int = 0
    strip_faults: int = 0
    light_age_ms: Ages = Ages()
    recording: Keeping = Keeping()
    memory_mb: float | None = None
    descriptors: int | None = None
    safe_settings: bool = False
    troubles: tuple[str, ...] = ()
    board: Machine = Machine()
    stages_ms: Stages = Stages()
    gait: Gait = Gait()
    mode: str | None = None
    calibration: int | None = None
    sides_proved: bool | None = None
    tried: tuple[str, ...] = ()
    clients: int = 0
    lent: bool = False
    faults: tuple[Fault, ...] = ()
    visit: Visit | None = None
    visit_ready: Ready | None = None


class Condition(StrEnum):
    """What can be said of the station from outside."""

    HEALTHY = "healthy"
    STARTING = "starting"
    NO_CAMERA = "no camera"
    FAULT = "fault"
    NOT_ANSWERING = "not answering"
    STOPPED = "stopped"
    ENDED = "ended"
    NEVER = "never started"


class Verdict(msgspec.Struct, frozen=True):
    """`words` say what is so, `todo` what to do about it ("" = nothing)."""

    condition: Condition
    words: str
    todo: str = ""

    @property
    def healthy(self) -> bool:
        """Whether the station does what it is there for."""
        return self.condition is Condition.HEALTHY


HEALTHY_STATES = frozenset({Light.NO_MARKS, Light.READY, Light.RUNNING, Light.RECORDING})
_MEANS = {
    Light.NO_MARKS: "frames come, no marks in view",
    Light.READY: "marks in view, nobody runs",
    Light.RUNNING: "measuring",
    Light.RECORDING: "measuring and recording",
}
_JOURNAL = "`hipbar logs` says why"
_START = "`sudo systemctl start hipbar` starts it"


def verdict(status: Status | None, now_s: float, boot_id: str | None, alive: bool) -> Verdict:
    """What the last status means now: `alive` = the process that wrote it still exists. Reads no clock and no file."""
    if status is None:
        return Verdict(Condition.NEVER, "the station has not started since the machine did", _START)
    if boot_id and status.boot_id and status.boot_id != boot_id:
        return Verdict(Condition.NEVER, "the last status is from before the machine started", _START)
    if status.state == Light.OFF:
        return Verdict(Condition.STOPPED, "the station was stopped in order", _START)
    why = f": {status.troubles[0]}" if status.troubles else ""
    if not alive:
        return Verdict(Condition.ENDED, f"the station has ended; it was {status.state}{why}", _JOURNAL)
    age_s = None if status.written_s is None else now_s - status.written_s
    if age_s is None or not -FRESH_S < age_s < FRESH_S:
        ago = "" if age_s is None or age_s < 0 else f" for {span(age_s)}"
        words = f"the station has said nothing{ago}; it was {status.state}"
        return Verdict(
            Condition.NOT_ANSWERING, words, "systemd starts it anew within 5 s; if not: " + _JOURNAL
        )
    return _of_state(status)


def _of_state(status: Status) -> Verdict:
    """The verdict on a station that answers."""
    why = f": {status.troubles[0]}" if status.troubles else ""
    if status.state in HEALTHY_STATES:
        return Verdict(Condition.HEALTHY, _MEANS[Light(status.state)])
    if status.state == Light.NO_CAMERA:
        todo = "reseat the camera's cable at both ends; `hipbar camera` lists what is there"
        return Verdict(Condition.NO_CAMERA, "no camera" + why, todo)
    if status.state in (STARTING, Light.WARMING_UP):
        return Verdict(Condition.STARTING, status.state, "wait; with a warm kernel cache it takes 3 s")
    return Verdict(Condition.FAULT, status.state + why, _JOURNAL)


def is_alive(status: Status | None, root: Path = Path("/")) -> bool:
    """Whether the process that wrote this status is there and not a zombie, nor another one with its number."""
    if status is None or status.pid is None:
        return False
    state, start = process_state(status.pid, root)
    known = status.process_start is None or start == status.process_start
    return state not in ("", "Z", "X") and known


def process_state(pid: int | str, root: Path = Path("/")) -> tuple[str, int | None]:
    """The letter that the kernel has for a process ("T" = frozen, "" = there is none), and the tick it began at."""
    try:
        words = (root / f"proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return words[0], int(words[19])
    except (OSError, ValueError, IndexError):
        return "", None


def write_status(folder: Path, status: Status) -> str | None:
    """Replaces the file by this status, for all to read; says in words what stood in the way, and never raises."""
    new = folder / f".{FILE}.new"
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            os.fchmod(fd, 0o644)  # whatever the service's umask is
            data = memoryview(_encoded(status) + b"\n")
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)
        new.replace(folder / FILE)
    except OSError as error:
        return f"{folder / FILE}: can't be written: {error.strerror or error}"
    return None


def _encoded(status: Status) -> bytes:
    """As JSON; words may hold halves of characters, from names of files that are no UTF-8."""
    try:
        return msgspec.json.encode(status)
    except UnicodeEncodeError:
        return msgspec.json.encode(_whole(msgspec.to_builtins(status)))


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


class StatusFile:
    """The same again and again: a trouble is one warning, its end another line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.trouble: str | None = None

    def write(self, status: Status) -> None:
        """Replaces the file."""
        before, self.trouble = self.trouble, write_status(self._folder, status)
        if self.trouble and not before:
            _log.warning("%s: `hipbar status` will not know this station", self.trouble)
        elif before and not self.trouble:
            _log.info("%s: written again", self._folder / FILE)


def read_status(folder: Path) -> Status | None:
    """The last status; None when there is none, or nothing that is one.

    Of a file that another version wrote, what has this version's type is taken, and the rest left at its default.
    """
    try:
        with (folder / FILE).open("rb") as file:
            raw: Any = msgspec.json.decode(file.read(_MOST_BYTES))
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        return None
    try:
        return msgspec.convert(raw, Status)
    except msgspec.MsgspecError:
        return _salvaged(raw)


def _salvaged(raw: dict[str, Any]) -> Status:
    """What can be understood of it, key by key."""
    known: dict[str, Any] = {}
    for field in msgspec.structs.fields(Status):
        if field.name in raw:
            try:
                known[field.name] = msgspec.convert(raw[field.name], field.type)
            except msgspec.MsgspecError:
                continue
    return Status(**known)


def size(mb: float) -> str:
    """Megabytes in words."""
    return f"{mb:.0f} MB" if mb < 1024 else f"{mb / 1024:.1f} GB"


def span(seconds: float) -> str:
    """A time that has gone by, in words."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    hours, days = minutes // 60, minutes // 1440
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{days} days {hours % 24} h"
