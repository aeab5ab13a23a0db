"""What a motion laboratory's file holds, whatever its format: named markers in metres against time.

Metres in the laboratory's own axes; seconds from the file's first frame; NaN = not seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from appliance.errors import SourceError
from appliance.records import F64, Side

METRES = {"mm": 1e-3, "cm": 1e-2, "dm": 1e-1, "m": 1.0, "in": 0.0254, "inch": 0.0254}
"""One of each unit that files name."""


Tick = Callable[[float, float], None]
"""How a long reading says how far it is: done, of how much."""


def untold(done: float, whole: float) -> None:
    """For whoever does not watch."""


class Strike(msgspec.Struct, frozen=True):
    """A foot contact as the laboratory itself marked it."""

    side: Side
    t_s: float


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """One file. markers : name -> (n, 3) metres. said : in words, what was taken of the file and what was assumed.

    strikes : on the clock of the file's events, which is that of its frames, or began `start_s` before the first one:
    programs that cut a recording differ.
    """

    kind: str
    rate_hz: float
    t_s: F64
    markers: dict[str, F64]
    strikes: tuple[Strike, ...] = ()
    start_s: float = 0.0
    said: tuple[str, ...] = ()


def unreadable(
    path: Path, why: str, fix: str = "export it from the laboratory's program again"
) -> SourceError:
    """A file that can't be used, with what is wrong in it."""
    return SourceError(f"{path}: {why}", fix=fix)


def unit_of(path: Path, named: str, asked: str | None) -> tuple[str, float]:
    """The unit's name and how many metres it is; what was asked for goes before what the file says."""
    unit = (asked or named).strip().lower()
    if unit not in METRES:
        what = (
            f"its unit of length is `{named.strip()}`"
            if named.strip()
            else "it does not say its unit of length"
        )
        raise unreadable(path, what, fix="say it with --unit mm or --unit m")
    return unit, METRES[unit]


def distinct(names: Sequence[str]) -> list[str]:
    """The names; of several of one name each later one as if it were another person's, so that none hides another."""
    found: list[str] = []
    for k, name in enumerate(names, 1):
        found.append(f"#{k}:{name}" if name in found else name)
    return found


def text_of(path: Path) -> str:
    """A text file, whatever program wrote it."""
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise unreadable(path, f"can't be read: {error.strerror}", "name another file") from None


def figures(path: Path, lines: Sequence[str], columns: int, first_line: int, between: str = "\t") -> F64:
    """Lines of cells as (n, columns) numbers; an empty or missing cell is NaN. first_line : of the file, for errors.

    Where anything but a comma stands between cells, a comma is a decimal one.
    """
    full = [line for line in lines if line.strip(between + ' \r"')]
    if not full:
        raise unreadable(path, "it holds no frames")
    empty = re.compile(rf"(?<={re.escape(between)}) *(?={re.escape(between)})")
    plain = (_plain(line, columns, between) for line in full)
    filled = (empty.sub("nan", f"{between}{line}{between}")[1:-1] for line in plain)
    try:
        return np.loadtxt(filled, delimiter=between, usecols=range(columns), comments=None, ndmin=2)
    except ValueError:
        raise _no_number(
            path, [_plain(line, columns, between) for line in full], between, first_line
        ) from None


def _plain(line: str, columns: int, between: str) -> str:
    """A line without quotes and decimal commas, with at least so many cells."""
    line = line.rstrip("\r").replace('"', "")
    line = line if between == "," else line.replace(",", ".")
    return line + between * max(0, columns - 1 - line.count(between))


def rate_of(path: Path, t_s: F64) -> float:
    """Frames a second; 0 = of a single frame. Times that do not advance are refused."""
    if len(t_s) < 2:
        return 0.0
    steps = np.diff(t_s)
    if not (steps > 0).all():
        raise unreadable(path, f"time does not advance at frame {int(np.argmin(steps > 0)) + 2}")
    return 1.0 / float(np.median(steps))


def _no_number(path: Path, lines: Sequence[str], between: str, first_line: int) -> SourceError:
    for number, line in enumerate(lines, first_line):
        for cell in line.split(between):
            try:
                float(cell or "nan")
            except ValueError:
                return unreadable(path, f"line {number}: `{cell[:30]}` is no number")
    return unreadable(path, "a cell is no number")
