"""Marks become a TRC file and the obliquity a MOT file for OpenSim; anybody's TRC becomes a capture.

Written: OpenSim's axes, X forward (always 0: one camera sees no depth), Y up, Z to the runner's right; millimetres;
seconds of the visit. MOT is in degrees: `pelvis_list` as OpenSim's models turn it (about X forward, so positive = right
side LOWER), and `pelvis_obliquity` with our own sign. An unseen mark is an empty cell, an unknown angle nan. Refuses,
with `SourceError`, a file that is no TRC, or whose rows do not fit its head.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from appliance.exchange.capture import Capture, distinct, figures, rate_of, text_of, unit_of, unreadable
from appliance.exchange.even import Even
from appliance.exchange.whole import whole
from appliance.records import F64, MARKS

_HEAD = ("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units", "OrigDataRate", "OrigDataStartFrame",
         "OrigNumFrames")  # fmt: skip


def write_trc(path: Path, even: Even) -> None:
    """Writes the marks of `even`."""
    rate, count = f"{even.rate_hz:.6f}", str(len(even.t_s))
    rows = [
        ["PathFileType", "4", "(X/Y/Z)", path.name],
        _HEAD,
        [rate, rate, count, str(len(MARKS)), "mm", rate, "1", count],
        ["Frame#", "Time", *(cell for mark in MARKS for cell in (mark, "", ""))],
        ["", "", *(f"{axis}{k}" for k in range(1, len(MARKS) + 1) for axis in "XYZ")],
        [],
    ]
    with whole(path) as file:
        file.write("".join("\t".join(row) + "\n" for row in rows).encode())
        for first in range(0, len(even.t_s), 4096):
            part = slice(first, first + 4096)
            lines = map(_trc_line, range(first + 1, len(even.t_s) + 1), even.t_s[part], even.marks[part])
            file.write("".join(lines).encode())


def _trc_line(number: int, t_s: float, marks: F64) -> str:
    """One frame. It ends in a tab: without, OpenSim 4.6 counts one cell too few where the last mark was not seen."""
    cells = [f"0.00000\t{z:.5f}\t{x:.5f}" if x == x and z == z else "\t\t" for x, z in marks.tolist()]
    return f"{number}\t{t_s:.6f}\t" + "\t".join(cells) + "\t\n"


def write_mot(path: Path, even: Even) -> None:
    """Writes the obliquity of `even`."""
    head = f"hipbar\nversion=1\nnRows={len(even.t_s)}\nnColumns=3\ninDegrees=yes\nendheader\n"
    table = np.column_stack((even.t_s, -even.obliquity_deg, even.obliquity_deg))
    with whole(path) as file:
        file.write((head + "time\tpelvis_list\tpelvis_obliquity\n").encode())
        np.savetxt(file, table, fmt="%.6f", delimiter="\t")


def read_trc(path: Path, unit: str | None = None) -> Capture:
    """Anybody's TRC: tabs, five head lines, then frames; some programs leave an empty line below the head."""
    lines = text_of(path).splitlines()
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        raise unreadable(path, "is no TRC file: it does not begin with `PathFileType`")
    facts = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    names = distinct([name.strip() for name in lines[3].rstrip().split("\t")[2::3]])
    if not names or not all(names):
        raise unreadable(path, "its fourth line does not name the markers")
    first = 5 + (not lines[5].strip())
    table = figures(path, lines[first:], 2 + 3 * len(names), first + 1)
    _check_count(path, facts.get("NumFrames", "").strip(), len(table))
    unit, metres = unit_of(path, facts.get("Units", ""), unit)
    markers = {name: table[:, 2 + 3 * k : 5 + 3 * k] * metres for k, name in enumerate(names)}
    t_s = table[:, 1] - table[0, 1]
    rate_hz = _rate(path, facts, t_s)
    return Capture(
        kind="TRC", rate_hz=rate_hz, t_s=t_s, markers=markers, said=(f"{unit}, {rate_hz:g} frames/s",)
    )


def _check_count(path: Path, said: str, there: int) -> None:
    """A head that counts more frames than there are is of a file that was cut off."""
    if said.isascii() and said.isdigit() and len(said) < 10 and there < int(said):
        raise unreadable(path, f"it was cut off: {there:,} of its {int(said):,} frames are there")


def _rate(path: Path, facts: dict[str, str], t_s: F64) -> float:
    """Frames a second, as the head says; where the times say otherwise, the file is refused."""
    timed_hz = rate_of(path, t_s)
    try:
        said_hz = float(facts["DataRate"])
    except (KeyError, ValueError):
        return timed_hz
    if timed_hz and abs(timed_hz - said_hz) > 0.02 * said_hz:
        raise unreadable(path, f"its head says {said_hz:g} frames/s, its times {timed_hz:.1f}")
    return said_hz
