"""What a process left that did not end in order becomes one small file: why, versions, settings, traceback, keypoints.

Times are seconds of CLOCK_MONOTONIC with the boot's id; the wall clock is told as it was, right or wrong. Nothing in it
names a person, a place or a machine (`discreet`); keypoints are places of dots. A file is at most 256 KB, ten files are
kept, and a crash that follows the last report within a minute is only counted, so a crash loop wears no card out.
Refuses nothing: a disk that takes no report is one warning.
"""

from __future__ import annotations

import base64
import contextlib
import faulthandler
import gzip
import logging
import os
import re
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.errors import OutputError, SourceError
from appliance.output import write_whole
from appliance.records import TRACK, Shown
from appliance.station.discreet import discreet, discreet_settings
from appliance.station.flight import Wreck, boot_id
from appliance.station.recording import Header
from appliance.station.versions import installed

FOLDER = "crashes"
FORMAT = "hipbar-crash"
VERSION = 1
KEPT = 10
EVERY_S = 60.0
MOST_BYTES = 256 * 1024
TRACEBACK = "traceback"

_MOST_SETTINGS, _MOST_TRACEBACK, _MOST_WHY, _MOST_VERSIONS = 64 * 1024, 24 * 1024, 600, 40
_MOST_COUNTED = 1_000_000
_MOST_KEYPOINTS = 16 * 1024 * 1024
_NAME = re.compile(r"crash-(\d{6,12})\.json")
_COUNTED = ".counted"  # its size is how many crashes were not written down since the last report
_SIGNALS = {
    "Aborted": "aborted (SIGABRT): systemd's watchdog, because frames or light stood still, or a library",
    "Segmentation fault": "segmentation fault (SIGSEGV) in compiled code or a library",
    "Bus error": "bus error (SIGBUS): memory or a disk that could not be had",
    "Illegal instruction": "illegal instruction (SIGILL): compiled for another processor",
    "Floating point exception": "arithmetic fault (SIGFPE) in compiled code or a library",
}
_log = logging.getLogger("hipbar.station")


class Crash(msgspec.Struct, frozen=True, kw_only=True):
    """One crash. others : crashes within a minute of the report before, that have none of their own.

    written_s, boot_id : when this was written; wall_s : what the wall clock said then, seconds since 1970. ran_s : how
    long the process had run when it last noted something. age_ms : how old frames were when their light was out.
    shown : what the bar showed, as (what, frames in a row). keypoints : base64 of gzip of `frames` records of
    `recording.TRACK`, oldest first; torn : rows half-written at the end.
    """

    format: str = FORMAT
    version: int = VERSION
    why: str
    state: str = ""
    ran_s: float | None = None
    others: int = 0
    written_s: float = 0.0
    boot_id: str | None = None
    wall_s: float | None = None
    versions: dict[str, str] = {}
    settings: str = ""
    settings_sha256: str = ""
    traceback: str = ""
    header: Header | None = None
    frames: int = 0
    torn: int = 0
    age_ms: dict[str, float | None] = {}
    shown: tuple[tuple[str, int], ...] = ()
    keypoints: str = ""

    def track(self) -> NDArray[np.void]:
        """The keypoints, dtype `TRACK`; `SourceError` when they are damaged."""
        try:
            opened = zlib.decompressobj(wbits=31)
            rows = opened.decompress(base64.b64decode(self.keypoints, validate=True), _MOST_KEYPOINTS)
            return np.frombuffer(rows, TRACK) if rows else np.zeros(0, TRACK)
        except (ValueError, zlib.error) as error:
            raise SourceError(f"damaged keypoints: {error}", fix="take another report") from None


def report(
    folder: Path,
    cause: Wreck | BaseException,
    traceback_text: str = "",
    settings_text: str = "",
    versions: Mapping[str, str] | None = None,
    *,
    last: Wreck | None = None,
    now_s: float | None = None,
) -> Path | None:
    """Writes one report; None when it was only counted, or the disk would not take it.

    traceback_text : of the exception, or what `collected` found. versions : more than what is `installed`. last : the
    flight of a process that reports its own exception. May wait for a slow disk: to be called when the light is on.
    """
    now_s = time.monotonic() if now_s is None else now_s
    try:
        folder.mkdir(exist_ok=True)
        if _too_soon(folder, now_s):
            _count(folder)
            return None
        wreck = cause if isinstance(cause, Wreck) else last
        crash = _crash(
            cause,
            wreck,
            traceback_text,
            settings_text,
            {**installed(), **(versions or {})},
            _counted(folder),
            now_s,
        )
        for old in crashes(folder)[KEPT - 1 :]:
            old.unlink(missing_ok=True)
        path = folder / f"crash-{_number(next(iter(crashes(folder)), None)) + 1:06d}.json"
        write_whole(path, bounded(crash, None if wreck is None else wreck.track))
        (folder / _COUNTED).unlink(missing_ok=True)
    except (OSError, OutputError) as error:
        _log.warning("no crash report: %s", error)
        return None
    _log.warning("%s: what was left of it is in %s", crash.why, path)
    return path


def crashes(folder: Path) -> list[Path]:
    """The reports in a folder, newest first; what can't be listed is none."""
    try:
        return sorted((p for p in folder.iterdir() if _NAME.fullmatch(p.name)), key=_number, reverse=True)
    except OSError:
        return []


def read_crash(path: Path) -> Crash:
    """A report; `SourceError` says what is wrong with a file that is none."""
    try:
        with path.open("rb") as file:
            crash = msgspec.json.decode(file.read(4 * MOST_BYTES), type=Crash)
    except OSError as error:
        raise SourceError(
            f"{path}: can't be read: {error.strerror}", fix="`hipbar crash` lists reports"
        ) from None
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SourceError(f"{path}: no crash report: {error}", fix="`hipbar crash` lists reports") from None
    if crash.format != FORMAT or crash.version != VERSION:
        what = f"{crash.format} {crash.version}"
        raise SourceError(f"{path}: format {what}", fix=f"this hipbar reads {FORMAT} {VERSION}")
    return crash


def listen(path: Path) -> bool:
    """From now on a fatal signal leaves every thread's place in this file (faulthandler)."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_APPEND
        faulthandler.enable(file=os.open(path, flags, 0o640), all_threads=True)  # stays open to the end
    except OSError as error:
        _log.warning("%s: a fatal signal would leave no traceback: %s", path, error.strerror)
        return False
    return True


def collected(path: Path) -> str:
    """What an earlier process left there, which is then gone; "" when it left nothing."""
    try:
        with path.open("rb") as file:
            text = file.read(4 * _MOST_TRACEBACK).decode(errors="replace")
    except OSError:
        return ""
    with contextlib.suppress(OSError):
        path.unlink()
    return text


def why(cause: Wreck | BaseException, traceback_text: str) -> str:
    """What ended it, in words."""
    if isinstance(cause, BaseException):
        return discreet(f"{type(cause).__name__}: {' '.join(str(cause).split())}")[:_MOST_WHY]
    fatal = re.search(r"^Fatal Python error: (.+)$", traceback_text, re.MULTILINE)
    if fatal:
        return _SIGNALS.get(fatal[1].strip(), discreet(fatal[1])[:_MOST_WHY])
    lines = traceback_text.strip().splitlines()
    if lines:
        return discreet(lines[-1 if lines[0].startswith("Traceback") else 0])[:_MOST_WHY]
    if cause.head.boot_id and cause.head.boot_id != boot_id():
        return "the machine went off or was reset while the station ran"
    return "killed (SIGKILL): by hand, by systemd after its patience, or out of memory"


def bounded(crash: Crash, track: NDArray[np.void] | None) -> bytes:
    """The report as JSON of at most `MOST_BYTES`: of the keypoints, the newest that there is room for."""
    frames = 0 if track is None else len(track)
    while track is not None and frames:
        rows = track[len(track) - frames :].astype(TRACK, copy=False).tobytes()
        packed = base64.b64encode(gzip.compress(rows, 6, mtime=0)).decode("ascii")
        data = msgspec.json.encode(msgspec.structs.replace(crash, frames=frames, keypoints=packed))
        if len(data) <= MOST_BYTES:
            return data + b"\n" if len(data) < MOST_BYTES else data
        frames = frames * 3 // 4
    return msgspec.json.encode(crash)


def _crash(
    cause: Wreck | BaseException,
    wreck: Wreck | None,
    traceback_text: str,
    settings_text: str,
    versions: Mapping[str, str],
    others: int,
    now_s: float,
) -> Crash:
    """Everything but the keypoints, discreet and cut to size."""
    settings = settings_text or (wreck.settings_text if wreck else "")
    head = wreck.head if wreck else None
    told = {**installed(), **{key[:40]: discreet(str(value)[:120]) for key, value in versions.items()}}
    return Crash(
        why=why(cause, traceback_text),
        state=discreet(head.state) if head else "",
        ran_s=_ran_s(wreck) if wreck else None,
        others=others,
        written_s=now_s,
        boot_id=boot_id(),
        wall_s=time.time(),
        versions=dict(list(told.items())[:_MOST_VERSIONS]),
        settings=_cut(discreet_settings(settings[:_MOST_SETTINGS]), _MOST_SETTINGS),
        settings_sha256=head.settings_sha256 if head else "",
        traceback=_cut(discreet(traceback_text[: 4 * _MOST_TRACEBACK]), _MOST_TRACEBACK),
        header=head.header if head else None,
        torn=wreck.torn if wreck else 0,
        age_ms=_ages_ms(wreck) if wreck else {},
        shown=_runs(wreck.shown) if wreck else (),
    )


def _cut(text: str, most_bytes: int) -> str:
    """The text, cut in its middle so that it takes no more than `most_bytes` as JSON."""
    while len(encoded := msgspec.json.encode(text)) > most_bytes:
        keep = max(0, int(len(text) * most_bytes / len(encoded) * 0.95) // 2 - 20)
        text = text[:keep] + "\n... cut ...\n" + (text[-keep:] if keep else "")
    return text


def _ran_s(wreck: Wreck) -> float | None:
    """How long it had run when it last noted something; None where the camera's clock is another one."""
    last_s = max([wreck.head.said_s, *wreck.lit_s[np.isfinite(wreck.lit_s)].tolist()])
    ran_s = last_s - wreck.head.started_s
    return round(ran_s, 3) if 0 <= ran_s < 1e9 else None


def _ages_ms(wreck: Wreck) -> dict[str, float | None]:
    ages = (wreck.lit_s - wreck.track["t_s"]) * 1e3
    ages = ages[np.isfinite(ages)]
    if not len(ages):
        return {}
    return {
        name: round(float(np.quantile(ages, q)), 3) for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1))
    }


def _runs(shown: NDArray[np.uint32]) -> tuple[tuple[str, int], ...]:
    """What was shown, and for how many frames in a row; the last hundred runs."""
    starts = np.flatnonzero(np.diff(shown.astype(np.int64), prepend=-1)) if len(shown) else np.zeros(0, int)
    lengths = np.diff(starts, append=len(shown))
    names = {int(kind): kind.name.lower() for kind in Shown}
    runs = [(names.get(int(shown[at]), "unknown"), int(n)) for at, n in zip(starts, lengths, strict=True)]
    return tuple(runs[-100:])


def _number(path: Path | None) -> int:
    match = _NAME.fullmatch(path.name) if path else None
    return int(match[1]) if match else 0


def _too_soon(folder: Path, now_s: float) -> bool:
    """Whether the last report is of this boot and less than a minute old."""
    for path in crashes(folder)[:1]:
        with contextlib.suppress(SourceError):
            last = read_crash(path)
            return last.boot_id == boot_id() and 0 <= now_s - last.written_s < EVERY_S
    return False


def _count(folder: Path) -> None:
    """One more that is not written down: a byte in a file, that the kernel may bring to the disk when it likes."""
    if _counted(folder) < _MOST_COUNTED:
        with (folder / _COUNTED).open("ab") as file:
            file.write(b".")


def _counted(folder: Path) -> int:
    try:
        return (folder / _COUNTED).stat().st_size
    except OSError:
        return 0
