"""What the station last said of itself, and what systemd says of it, become one screen in words and an exit code.

Exit code 0 when it is healthy, 7 otherwise with what to do. Only looks, as any user, whatever state the service is in:
running, frozen, starting anew, stopped, never installed. What is not known is left out.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from appliance.commands.options import finite

if TYPE_CHECKING:
    from appliance.station.status import Status, Verdict

SETTINGS = Path("/etc/hipbar/hipbar.toml")
_SYSTEMD_S = 2.0
_SYSTEMD_AGAIN_S = 5.0
"""Watching, systemd is asked so often: each time costs a process."""

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
@click.option(
    "--watch", is_flag=True, help="Look again and again, until Ctrl-C; with --json an object a line."
)
@click.option(
    "--every",
    type=click.FloatRange(0.2, 3600),
    default=1.0,
    show_default=True,
    callback=finite,
    help="With --watch: seconds from one look to the next.",
)
def command(as_json: bool, watch: bool, every: float) -> int:
    """Say how the station is: running, waiting for something, or down.

    The service writes its status each second; this looks at it, asks systemd, and counts crash reports, so it works
    also when the service hangs. Exit code 0 when the station does what it is there for, 7 otherwise.

    \b
    Examples:
      hipbar status
      hipbar status --watch
      hipbar status --json | jq .status.light_age_ms
    """
    from appliance.errors import ServiceDown

    if watch:
        return _watch(every, as_json=as_json)
    seen = look()
    click.echo(as_object(seen) if as_json else "\n".join(_drawn(seen)))
    if not seen.verdict.healthy:
        raise ServiceDown(seen.verdict.words, fix=seen.verdict.todo or "`hipbar logs` says more")
    return 0


def _drawn(seen: Seen) -> list[str]:
    """The screen for what standard output is: a terminal's size, or a line a row."""
    from appliance.commands.status_words import lines, screen

    if not sys.stdout.isatty():
        return list(lines(seen))
    columns, height = shutil.get_terminal_size()
    return screen(
        seen, columns, max(height - 3, 1)
    )  # what went wrong is said below it, and the prompt comes back


def _watch(every_s: float, *, as_json: bool) -> int:
    """Looks until somebody says that it is enough, which is no failure."""
    from appliance.commands.stop import Stop

    stop = Stop(None)
    draws = sys.stdout.isatty() and not as_json
    if draws:
        click.echo("\x1b[?25l\x1b[2J", nl=False)  # no cursor, an empty screen
    try:
        with stop.listening():
            asked_s, unit = float("-inf"), None
            while not stop():
                if time.monotonic() - asked_s >= _SYSTEMD_AGAIN_S:
                    asked_s, unit = time.monotonic(), _unit()
                _show(look(unit), as_json=as_json, draws=draws)
                stop.pause(every_s)
    finally:
        if draws:
            click.echo("\x1b[?25h")
    return 0


def _show(seen: Seen, *, as_json: bool, draws: bool) -> None:
    """One look more: an object a line, the same screen drawn over, or one screen after the other."""
    from appliance.commands.status_words import lines, screen

    if as_json:
        text = as_object(seen) + "\n"
    elif draws:
        columns, height = shutil.get_terminal_size()
        drawn = screen(seen, columns, max(height - 1, 1), todo=True)
        text = "\x1b[H" + "".join(f"{line}\x1b[K\n" for line in drawn) + "\x1b[J"
    else:
        text = "\n".join(lines(seen)) + "\n\n"
    click.echo(text, nl=False)
    sys.stdout.flush()


def _unit() -> Unit | None:
    """systemd's view of the station that is looked at; another runtime folder's is none of systemd's."""
    from appliance.station.places import RUNTIME, runtime_dir

    return ask_systemd() if runtime_dir() == RUNTIME else None


def look(unit: Unit | None = None) -> Seen:
    """One look at files and processes; `unit` : what systemd says, which is asked without."""
    from appliance.station import crash
    from appliance.station.flight import boot_id
    from appliance.station.places import runtime_dir
    from appliance.station.status import is_alive, read_status, verdict

    status = read_status(runtime_dir())
    now_s = time.monotonic()
    unit = unit or _unit()
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

    if verdict.condition in (Condition.NO_CAMERA, Condition.FAULT) and status and status.troubles:
        what, fix = remedy(status)
        return Verdict(verdict.condition, f"{verdict.condition}: {what}", fix or verdict.todo)
    if verdict.condition is Condition.NOT_ANSWERING and status and status.pid:
        frozen = process_state(status.pid)[0] in ("T", "t")
        words = verdict.words + ("; its process is frozen (a stop signal)" if frozen else "")
        return Verdict(verdict.condition, words, verdict.todo)
    known_better = (Condition.NEVER, Condition.STOPPED, Condition.ENDED)
    return _as_systemd_says(verdict, status, unit) if unit and verdict.condition in known_better else verdict


def _as_systemd_says(verdict: Verdict, status: Status | None, unit: Unit) -> Verdict:
    """The verdict on a station that has no process."""
    from appliance.station.status import Condition, Verdict

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


def remedy(status: Status) -> tuple[str, str]:
    """The gravest trouble as what is wrong and what to do about it, which stands behind it where it has one."""
    trouble = status.troubles[0]
    for fault in status.faults:
        if fault.fix and trouble == f"{fault.what}; {fault.fix}":
            return fault.what, fault.fix
    what, _, fix = trouble.partition("; ")
    return what, fix


def as_object(seen: Seen) -> str:
    """One JSON object on one line."""
    told = msgspec.to_builtins(seen)
    told["verdict"]["healthy"] = seen.verdict.healthy
    return msgspec.json.encode(told).decode()


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
