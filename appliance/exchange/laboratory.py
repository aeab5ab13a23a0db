"""A motion laboratory's file becomes a capture, by the ending of its name: C3D, TRC, or CSV of two kinds.

CSV: one head line that names columns `<marker>_x`, `_y`, `_z` (with or without a unit: `LPSI_x_mm`, `LPSI X [mm]`)
beside a column of seconds; or what Vicon Nexus exports ("Trajectories"). Comma, semicolon or tab between cells, with a
decimal comma where the comma separates nothing. Refuses, with `SourceError`, what is neither.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from appliance.exchange import c3d_in, opensim
from appliance.exchange.capture import (
    METRES,
    Capture,
    Tick,
    distinct,
    figures,
    rate_of,
    text_of,
    unit_of,
    unreadable,
    untold,
)
from appliance.records import F64

SUFFIXES = (".c3d", ".trc", ".csv", ".txt", ".tsv")
_AXIS = re.compile(r"(?P<name>.+?)[ _.:\-]*(?P<axis>[xyzXYZ])[ _]*[\[(]?(?P<unit>mm|cm|m)?[\])]?")
_TIME = re.compile(r"(t|time)[ _]*[\[(]?(s|sec|seconds|ms)?[\])]?", re.IGNORECASE)


def read(
    path: Path, *, unit: str | None = None, rate_hz: float | None = None, tick: Tick = untold
) -> Capture:
    """The capture in a file. unit, rate_hz : asked for by hand, for files that do not say it."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        fix = "hipbar reads .c3d, .trc and .csv of a laboratory, and .json of another station"
        raise unreadable(path, f"`{path.suffix or path.name}` is no format that hipbar reads", fix)
    if suffix == ".c3d":
        return c3d_in.read(path, unit, tick)
    if suffix == ".trc":
        return opensim.read_trc(path, unit)
    return read_csv(path, unit, rate_hz)


def read_csv(path: Path, unit: str | None = None, rate_hz: float | None = None) -> Capture:
    """Either kind of CSV."""
    text = text_of(path)
    lines = text.splitlines()
    if not lines or "\0" in text:
        raise unreadable(path, "is no CSV file" if lines else "is empty")
    for number, line in enumerate(lines):
        if line.strip(' ,;\t"') == "Trajectories":
            return _nexus(path, lines, number, unit)
    return _flat(path, lines, unit, rate_hz)


def _head(lines: Sequence[str]) -> tuple[str, list[list[str]]]:
    """What stands between the cells, told by the head's lines, which have no decimal commas; and these as cells."""
    between = max(",;\t", key=lambda sign: sum(line.count(sign) for line in lines))
    return between, [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=between)]


def _flat(path: Path, lines: Sequence[str], unit: str | None, rate_hz: float | None) -> Capture:
    """One head line, one line a frame."""
    between, (head,) = _head(lines[:1])
    whole, units = _columns(path, head)
    table = figures(path, lines[1:], len(head), 2, between)
    named, metres = unit_of(path, next(iter(units), ""), unit)
    t_s = _times(path, head, table, rate_hz)
    markers = {name: table[:, [axes[a] for a in "xyz"]] * metres for name, axes in whole.items()}
    rate_hz = rate_hz or rate_of(path, t_s)
    said = (f"{named}, {rate_hz:.4g} frames/s",)
    return Capture(kind="CSV", rate_hz=rate_hz, t_s=t_s, markers=markers, said=said)


def _columns(path: Path, head: Sequence[str]) -> tuple[dict[str, dict[str, int]], set[str]]:
    """Which column is which axis of which marker, and the units that their names have."""
    found: dict[str, dict[str, int]] = {}
    units: set[str] = set()
    for k, cell in enumerate(head):
        if (part := _AXIS.fullmatch(cell)) and not _TIME.fullmatch(cell):
            if part["axis"].lower() in found.setdefault(part["name"], {}):
                raise unreadable(path, f"it has two columns `{cell}`", "give every marker a name of its own")
            found[part["name"]][part["axis"].lower()] = k
            units |= {part["unit"]} - {None}
    whole = {name: axes for name, axes in found.items() if len(axes) == 3}
    if not whole:
        raise unreadable(
            path,
            "its first line names no markers",
            "name columns like LPSI_x_mm, LPSI_y_mm, LPSI_z_mm beside time_s",
        )
    if len(units) > 1:
        raise unreadable(path, f"its columns have several units: {', '.join(sorted(units))}")
    return whole, units


def _times(path: Path, head: list[str], table: F64, rate_hz: float | None) -> F64:
    """Seconds of each frame from the first one, by the column of times or by the rate that was asked for."""
    if rate_hz is not None:
        return np.arange(len(table)) / rate_hz
    for k, cell in enumerate(head):
        if part := _TIME.fullmatch(cell):
            t_s: F64 = (table[:, k] - table[0, k]) * (1e-3 if (part[2] or "").lower() == "ms" else 1.0)
            if np.isfinite(t_s).all():
                return t_s
            raise unreadable(path, f"column `{cell}` has empty cells")
    raise unreadable(path, "it has no column of times", "say the rate with --rate-hz, or add a column time_s")


def _nexus(path: Path, lines: list[str], at: int, unit: str | None) -> Capture:
    """The block below "Trajectories": rate, names, "Frame,Sub Frame,X,Y,Z,...", units, frames."""
    end = next((k for k in range(at + 5, len(lines)) if not lines[k].strip(" ,;\t")), len(lines))
    between, cells = _head(lines[at + 1 : min(end, at + 5)])
    try:
        rate_hz, names, axes, units = float(cells[0][0]), cells[1], cells[2], cells[3]
    except (IndexError, ValueError):
        raise unreadable(path, "its block `Trajectories` is cut off") from None
    at_column = [(k, name.strip()) for k, name in enumerate(names) if name.strip()]
    markers = dict(zip(distinct([name for _, name in at_column]), (k for k, _ in at_column), strict=True))
    if not markers or [a.strip().upper() for a in axes[2:5]] != ["X", "Y", "Z"] or not 0 < rate_hz < 1e5:
        raise unreadable(path, "its block `Trajectories` does not name markers with X, Y and Z")
    table = figures(path, lines[at + 5 : end], len(axes), at + 6, between)
    named, metres = unit_of(path, next((u for u in units if u.strip() in METRES), ""), unit)
    last = len(axes) - 3
    return Capture(
        kind="CSV of Nexus", rate_hz=rate_hz, t_s=(table[:, 0] - table[0, 0]) / rate_hz,
        markers={name: table[:, k : k + 3] * metres for name, k in markers.items() if k <= last},
        said=(f"{named}, {rate_hz:g} frames/s",),
    )  # fmt: skip
