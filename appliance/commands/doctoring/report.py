"""An examination becomes the parts of a report for support, and they one archive; a part that can't be had is left out.

What may be in it is `appliance.station.support`'s to say. Refuses what can't be written, with `OutputError`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from appliance.commands.doctoring import machine
from appliance.errors import HipbarError, SourceError
from appliance.station import crash, support
from appliance.station.checkup import Check, Unknown
from appliance.station.discreet import discreet, discreet_settings
from appliance.station.versions import installed

if TYPE_CHECKING:
    from appliance.commands.doctoring.examination import Examination

_LINES = 2000
_MOST_SETTINGS = 64 * 1024
_ZERO = "zero_deg"


def write_report(path: Path, examination: Examination, checks: Sequence[Check]) -> tuple[int, int]:
    """Writes the archive; its bytes and how many files are in it."""
    parts: dict[str, bytes] = {"README.txt": support.ABOUT.encode()}
    for name, data in _parts(examination, checks):
        if sum(map(len, parts.values())) + len(data) <= support.MOST_BYTES:
            parts[name] = data
    packed = support.archive(path.name, parts, time.time())
    support.write_private(path, packed, _asker())
    return len(packed), len(parts)


def _asker() -> tuple[int, int] | None:
    """Who called sudo: the report is theirs, so that they can send it."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    return (int(uid), int(gid)) if os.geteuid() == 0 and uid.isdigit() and gid.isdigit() else None


def _parts(examination: Examination, checks: Sequence[Check]) -> Iterator[tuple[str, bytes]]:
    """What can be had, name by name."""
    lines = [
        f"{c.verdict:<10} {c.name:<13} {c.figure}" + (f"\n{'':25}-> {c.fix}" if c.fix else "") for c in checks
    ]
    yield "checks.txt", (discreet("\n".join(lines)) + "\n").encode()
    yield "checks.json", support.as_json(support.cleaned(msgspec.to_builtins(list(checks))))
    yield "status.json", support.as_json(support.told_status(examination.status))
    yield "versions.json", support.as_json(installed())
    yield "board.json", support.as_json(support.cleaned(_board(examination)))
    with contextlib.suppress(OSError), examination.config.open("rb") as file:
        yield "settings.toml", settings(file.read(_MOST_SETTINGS).decode(errors="replace")).encode()
    if not isinstance(examination.calibration, Unknown):
        yield "calibration.json", support.as_json(support.told_calibration(examination.calibration))
    told = machine.properties() or {}
    yield "unit.txt", (discreet("\n".join(f"{k}={v}" for k, v in told.items())) + "\n").encode()
    yield "journal.txt", journal().encode()
    yield from _crashes(examination.state / crash.FOLDER)


def _board(examination: Examination) -> dict[str, object]:
    plain = msgspec.to_builtins(examination.board)
    return {key: value for key, value in plain.items() if value == value and value not in (float("inf"),)}


def settings(text: str) -> str:
    """A settings file without remarks, names and the runner's own standing zero."""
    lines = discreet_settings(text).splitlines()
    told = [f'{_ZERO} = "(not told)"' if line.lstrip().startswith(_ZERO) else line for line in lines]
    return "\n".join(told) + "\n"


def journal() -> str:
    """The last lines of the log, or why there are none."""
    from appliance.commands import logs
    from appliance.station.chronicle import told

    try:
        found, _, _ = logs.newest(logs.matches(), _LINES, health=True)
    except HipbarError as error:
        return f"{error}\n"
    return discreet("\n".join(line for _, line in told(found))) + "\n"


def _crashes(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in crash.crashes(folder):
        with contextlib.suppress(SourceError):
            yield f"crashes/{path.name}", support.as_json(support.told_crash(crash.read_crash(path)))
