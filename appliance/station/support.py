"""What is known of a station becomes one archive that may leave the clinic: whole or not there, readable by its owner.

What goes in is named here, piece by piece, and goes through `discreet`; all else stays out: recordings, pictures,
keypoints, the runner's figures (gait, standing zero), names of files, hosts and people. Refuses, with `OutputError`, a
place that can't be written, and one that is a link or no file.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from appliance.errors import OutputError
from appliance.output import output_error, sync_folder
from appliance.station.calibration import Calibration
from appliance.station.crash import Crash
from appliance.station.discreet import VALUE, discreet
from appliance.station.status import Status

MOST_BYTES = 8 * 1024 * 1024
_RUNNERS_KEYS = ("motion.zero_deg",)
_RUNNERS_STEPS = ("zero", "sides", "aim")
_UNTOLD = ("gait", "recording")

ABOUT = """\
A report of a hipbar station, made by `hipbar doctor --report`.

checks.txt, checks.json   what was looked at, with figures and what to do
status.json               what the station said of itself
settings.toml             its settings, without remarks, names of files and hosts
calibration.json          what it measured of itself, by revision
unit.txt, board.json      what systemd and the kernel say of service and machine
versions.json             what is installed
journal.txt               the last lines of its log
crashes/                  why it ended when it did, without keypoints

Not in here: recordings, pictures, places of dots, figures of runners, names of people, files, hosts and this machine.
"""


def told_status(status: Status | None) -> dict[str, Any]:
    """A status without the runner: no gait, no recording's name."""
    if status is None:
        return {}
    plain = msgspec.to_builtins(status)
    kept = plain.get("recording", {})
    plain["recording"] = {key: value for key, value in kept.items() if key != "file"}
    plain.pop("gait", None)
    return dict(cleaned(plain))


def told_calibration(calibration: Calibration) -> list[dict[str, Any]]:
    """All revisions, without what is measured on a runner."""
    return [cleaned(_revision(msgspec.to_builtins(revision))) for revision in calibration.revisions]


def _revision(plain: dict[str, Any]) -> dict[str, Any]:
    values = {key: VALUE if key in _RUNNERS_KEYS else value for key, value in plain["values"].items()}
    figures = VALUE if plain["step"] in _RUNNERS_STEPS else plain["figures"]
    return {**plain, "values": values, "figures": figures, "sides": plain.get("sides") is not None}


def told_crash(crash: Crash) -> dict[str, Any]:
    """A crash report's head: everything but the keypoints, and the settings, which are in a file of their own."""
    plain = msgspec.to_builtins(crash)
    return dict(cleaned({key: value for key, value in plain.items() if key not in _HEADLESS}))


_HEADLESS = ("keypoints", "settings", "header")


def cleaned(value: Any) -> Any:
    """Plain values with every text in them made discreet, keys included."""
    if isinstance(value, dict):
        return {discreet(str(key)): cleaned(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner) for inner in value]
    return discreet(value) if isinstance(value, str) else value


def as_json(value: Any) -> bytes:
    """Something cleaned as a file that a person can read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def archive(name: str, parts: Mapping[str, bytes], made_s: float) -> bytes:
    """All parts as a .zip or .tar.gz, by its name; without owners, and with one time for all."""
    folder = "hipbar-report/"
    if name.endswith(".zip"):
        return _zipped(folder, parts)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, data in parts.items():
            member = tarfile.TarInfo(folder + path)
            member.size, member.mtime, member.mode = len(data), int(made_s), 0o600
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), 6, mtime=int(made_s))


def _zipped(folder: str, parts: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path, data in parts.items():
            file.writestr(zipfile.ZipInfo(folder + path), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def write_private(path: Path, data: bytes, owner: tuple[int, int] | None = None) -> None:
    """Puts `data` into a file that only its owner may read: the whole of it or nothing. owner : uid and gid, if not we.

    Written beside its place under another name, and then given its own.
    """
    _refuse_odd(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb", closefd=False) as file:
                file.write(data)
            if owner:
                os.fchown(fd, *owner)
            os.fsync(fd)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        sync_folder(path.parent)
    except OSError as error:
        raise output_error(path, error) from None


def _refuse_odd(path: Path) -> None:
    """A link would lead a report elsewhere; a device or folder is no place for it."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        what = "a link" if stat.S_ISLNK(mode) else "no ordinary file"
        raise OutputError(f"{path}: is {what}", fix="name another file for the report")
