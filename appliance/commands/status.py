"""What the station last said of itself, and what systemd says of it, become one screen in words and an exit code.

Exit code 0 when it is healthy, 7 otherwise with what to do. Only looks, as any user, whatever state the service is in:
running, frozen, starting anew, stopped, never installed. What is not known is left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from appliance.station.status import Status, Verdict

SETTINGS = Path("/etc/hipbar/hipbar.toml")
_SYSTEMD_S = 2.0
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "NRestarts", "Result", "StatusText")


class Unit(msgspec.Struct, frozen=True):
    """What systemd says of hipbar.service. restarts : how often it was started anew since it was last started."""

    load: str
    active: str
    sub: str
    restarts: int | None
    result: str
    text: str


class Reports(msgspec.Struct, frozen=True):
    """The crash reports: how many, and the newest. readable : whether this user may look."""

    count: int = 0
    newest: str | None = None
    why: str | None = None
    readable: bool = True


class Seen(msgspec.Struct, frozen=True):
    """Everything that was found, at one look."""

    verdict: Verdict
    status: Status | None
    unit: Unit | None
    crashes: Reports
    now_s: float


@click.command(name="status")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def command(as_json: bool) -> int:
    """Say how the station is: running, waiting for something, or down.

    The service writes its status each second; this looks at it, asks systemd, and counts crash reports. Exit code 0
    when the station does what it is there for, 7 otherwise.

    \b
    Examples:
      hipbar status
      hipbar status --json | jq .status.light_age_ms
    """
    from appliance.errors import ServiceDown

    seen = look()
    click.echo(as_object(seen) if as_json else "\n".join(lines(seen)))
    if not seen.verdict.healthy:
        raise ServiceDown(seen.verdict.words, fix=seen.verdict.todo or "`journalctl -u hipbar` says more")
    return 0


def look() -> Seen:
    """One look at files, processes and systemd."""
    from appliance.station import crash
    from appliance.station.flight import boot_id
    from appliance.station.places import RUNTIME, runtime_dir
    from appliance.station.status import is_alive, read_status, verdict

    runtime = runtime_dir()
    status = read_status(runtime)
    now_s = time.monotonic()
    unit = ask_systemd() if runtime == RUNTIME else None
    found = judged(verdict(status, now_s, boot_id(), is_alive(status)), status, unit)
    return Seen(found, status, unit, _reports(state_folder() / crash.FOLDER), now_s)


def state_folder() -> Path:
    """Where the service keeps what must last: as the environment says, or its settings, or by default."""
    from appliance.config import Settings, load
    from appliance.errors import SettingsError
    from appliance.station.places import state_dir

    try:
        return state_dir(load(SETTINGS))
    except SettingsError:
        return state_dir(Settings())


def ask_systemd() -> Unit | None:
    """systemd's own view; None where there is no systemd, or it does not answer."""
    import subprocess

    command = ["systemctl", "show", "hipbar.service", f"--property={','.join(_PROPERTIES)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SYSTEMD_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return unit_of(done.stdout) if done.returncode == 0 else None


def unit_of(text: str) -> Unit | None:
    """`systemctl show`, understood."""
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if "ActiveState" not in pairs:
        return None
    load, active, sub, restarts, result, words = (pairs.get(name, "") for name in _PROPERTIES)
    return Unit(load, active, sub, int(restarts) if restarts.isdigit() else None, result, words)


def judged(verdict: Verdict, status: Status | None, unit: Unit | None) -> Verdict:
    """The verdict on the status file, with what systemd and the kernel know better."""
    from appliance.station.status import Condition, Verdict, process_state

    if verdict.condition is Condition.NOT_ANSWERING and status and status.pid:
        frozen = process_state(status.pid)[0] in ("T", "t")
        words = verdict.words + ("; its process is frozen (a stop signal)" if frozen else "")
        return Verdict(verdict.condition, words, verdict.todo)
    if unit is None or verdict.condition not in (Condition.NEVER, Condition.STOPPED, Condition.ENDED):
        return verdict
    if unit.active in ("activating", "reloading"):
        last = unit.text or (status.state if status else "")
        words = "systemd is starting the station" + (f"; it said last: {last}" if last else "")
        return Verdict(Condition.STARTING, words, "wait some seconds; `journalctl -u hipbar -n 50` says more")
    if unit.load == "not-found":
        return Verdict(
            verdict.condition, "the service is not installed here", "`sudo apt install ./hipbar_*.deb`"
        )
    if unit.active == "failed":
        return Verdict(Condition.FAULT, f"systemd has given the service up: {unit.result}", verdict.todo)
    return verdict


def as_object(seen: Seen) -> str:
    """One JSON object on one line."""
    told = msgspec.to_builtins(seen)
    told["verdict"]["healthy"] = seen.verdict.healthy
    return msgspec.json.encode(told).decode()


def lines(seen: Seen) -> Iterator[str]:
    """The screen."""
    status = seen.status
    yield f"{_coloured(seen.verdict)}: {seen.verdict.words}"
    rows = [
        *(_of_status(status, seen.now_s) if status else ()),
        *_of_unit(seen.unit),
        *_of_crashes(seen.crashes),
    ]
    yield from (f"{what:<10} {words}" for what, words in rows if words)


def _coloured(verdict: Verdict) -> str:
    from appliance.station.status import Condition

    if os.environ.get("NO_COLOR"):
        return verdict.condition
    waiting = verdict.condition in (Condition.STARTING, Condition.NO_CAMERA, Condition.STOPPED)
    return click.style(verdict.condition, fg="green" if verdict.healthy else "yellow" if waiting else "red")


def _of_status(status: Status, now_s: float) -> Iterator[tuple[str, str]]:
    from appliance.station.status import span

    def ago(then_s: float | None) -> str:
        return "" if then_s is None or then_s > now_s else span(now_s - then_s)

    yield "software", status.version
    since, told = ago(status.state_since_s), ago(status.written_s)
    said = f"; said {told} ago" if told and not _is_fresh(status, now_s) else ""
    yield "state", status.state + (f" for {since}" if since and not said else "") + said
    yield "camera", ", ".join(_camera(status))
    yield "light", ", ".join(_light(status))
    yield "recording", _recording(status)
    yield "machine", ", ".join(_machine(status))
    up = ago(status.started_s)
    parts = [f"process {status.pid}" if status.pid else "", f"up {up}" if up and not said else ""]
    parts += [f"{status.memory_mb:.0f} MB" if status.memory_mb is not None else ""]
    parts += [f"{status.descriptors} files open" if status.descriptors is not None else ""]
    yield "process", ", ".join(part for part in parts if part).removeprefix("process ")
    if status.safe_settings:
        yield (
            "settings",
            "safe settings: the button was held at power-on; the file's count again at the next start",
        )
    for trouble in status.troubles:
        yield "trouble", trouble


def _is_fresh(status: Status, now_s: float) -> bool:
    from appliance.station.status import FRESH_S

    return status.written_s is not None and 0 <= now_s - status.written_s < FRESH_S


def _camera(status: Status) -> Iterator[str]:
    if status.rate_hz is not None:
        yield f"{status.rate_hz:.1f} frames/s"
    yield f"{status.frames:,} frames"
    yield f"{status.lost:,} lost"


def _light(status: Status) -> Iterator[str]:
    ages = status.light_age_ms
    if ages.p50 is not None and ages.p99 is not None and ages.max is not None:
        yield f"{ages.p50:.1f} / {ages.p99:.1f} / {ages.max:.1f} ms old at p50 / p99 / most"
    yield f"{status.strip_faults:,} strip faults" if status.strip_faults else "no strip faults"


def _recording(status: Status) -> str:
    from appliance.station.status import size

    kept = status.recording
    parts = [kept.file or "on" if kept.on else "off"]
    parts += [f"{kept.mb:.1f} MB" if kept.on and kept.mb is not None else ""]
    parts += [f"{size(kept.written_mb)} since the start" if kept.written_mb else ""]
    parts += [f"{kept.dropped:,} frames not kept" if kept.dropped else ""]
    return ", ".join([part for part in parts if part] + ([kept.trouble] if kept.trouble else []))


def _machine(status: Status) -> Iterator[str]:
    from appliance.station.status import size, span

    board = status.board
    if board.temperature_c is not None:
        yield f"{board.temperature_c:.0f} C"
    yield from board.throttled or (("under-voltage",) if board.under_voltage else ())
    if board.disk_free_mb is not None:
        yield f"{size(board.disk_free_mb)} of disk free"
    if board.load is not None:
        yield f"load {board.load:.2f}"
    if board.clock_synchronised is not None:
        yield "clock set" if board.clock_synchronised else "clock not set"
    if board.uptime_s is not None:
        yield f"up {span(board.uptime_s)}"


def _of_unit(unit: Unit | None) -> Iterator[tuple[str, str]]:
    if unit:
        often = "once" if unit.restarts == 1 else f"{unit.restarts:,} times"
        anew = f", started anew {often}" if unit.restarts else ""
        yield "service", f"{unit.active} ({unit.sub}){anew}"


def _of_crashes(crashes: Reports) -> Iterator[tuple[str, str]]:
    if not crashes.readable:
        yield "crashes", "this user may not look; `sudo hipbar status` does"
    elif crashes.count:
        many = f"{crashes.count} reports, the newest" if crashes.count > 1 else "1 report"
        yield "crashes", f"{many}: {crashes.why}; `hipbar crash` shows it"
    else:
        yield "crashes", "none"


def may_look(folder: Path) -> bool:
    """Whether this user may read a folder, or would see that there is none."""
    try:
        return not folder.exists() or os.access(folder, os.R_OK | os.X_OK)
    except OSError:  # a folder above it is closed
        return False


def _reports(folder: Path) -> Reports:
    from appliance.errors import SourceError
    from appliance.station.crash import crashes, read_crash

    if not may_look(folder):
        return Reports(readable=False)
    names = crashes(folder)
    try:
        why = read_crash(names[0]).why if names else None
    except SourceError as error:
        why = str(error)
    return Reports(len(names), names[0].name if names else None, why)
