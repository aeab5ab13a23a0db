"""Marks, angles and steps of a visit become a C3D file (it is read by `c3d_in`).

Millimetres, X to the runner's right, Y forward (always 0: one camera sees no depth), Z up; the obliquity as
the Y of a point among POINT:ANGLES, degrees, positive = right side higher; each step as "Foot Strike" and "Foot Off"
with its side. Time 0 is the first frame; HIPBAR:START_S says which second of the visit that was. Refuses, with
`SourceError`, more frames or events than the format's 16-bit counts hold.
"""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from appliance.clinic.rows import VisitData
from appliance.errors import SourceError
from appliance.exchange.even import Even
from appliance.exchange.whole import whole
from appliance.records import F64, MARKS

ANGLE = "pelvis_obliquity"
STRIKE, OFF = "Foot Strike", "Foot Off"
_MOST_FRAMES = 65534
"""One less than 16 bits count: at 65,535 readers look for a longer count elsewhere, each in another place."""
_MOST_ROWS, _MOST_PARAMETER_BYTES = 255, 120_000

_Event = tuple[float, str, str]


def write(path: Path, data: VisitData, even: Even, software: str) -> None:
    """Writes marks, angle and events of the times in `even`."""
    if len(even.t_s) > _MOST_FRAMES:
        raise SourceError(
            f"{len(even.t_s):,} frames: a C3D file holds {_MOST_FRAMES:,}",
            fix="export a part: --block N, or --from and --to; CSV, Parquet, TRC and MOT hold all",
        )
    out = _writer(even.rate_hz)
    out.set_point_labels([*MARKS, ANGLE])
    out.set_screen_axis("+X", "+Z")
    points = out.get("POINT")
    points.add_str("ANGLES", "Points that are angles", ANGLE, len(ANGLE), 1)
    points.add_str("ANGLE_UNITS", "Their unit", "deg", 3)
    _facts(out, data, even, software)
    _events(out, [e for e in _happened(data) if even.t_s[0] <= e[0] <= even.t_s[-1]], even.t_s[0])
    out.add_frames([(points, np.empty((0, 0))) for points in _points(even)])
    with whole(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of every file without analog channels
        out.write(file)


def _writer(rate_hz: float) -> Any:
    """The library's writer, whose count of parameter blocks takes every group twice: half of the events would fit."""
    import c3d

    class Once(c3d.Writer):  # type: ignore[misc]
        def parameter_blocks(self) -> int:
            used = 4 + sum(int(group.binary_size()) for group in self.group_values())
            return -(-used // 512)

    return Once(point_rate=rate_hz, analog_rate=0.0)


def _points(even: Even) -> F64:
    """(n, 5, 5): x, y, z, residual and cameras of each point; residual -1 = not seen."""
    rows = np.zeros((len(even.t_s), len(MARKS) + 1, 5))
    rows[:, : len(MARKS), 0], rows[:, : len(MARKS), 2] = even.marks[..., 0], even.marks[..., 1]
    rows[:, len(MARKS), 1] = even.obliquity_deg
    unseen = ~np.isfinite(rows).all(axis=2)
    rows[unseen] = 0.0
    rows[unseen, 3] = -1.0
    return rows


def _facts(out: Any, data: VisitData, even: Even, software: str) -> None:
    """Whose visit, made by what."""
    subjects = out.add_group(10, "SUBJECTS", "Who")
    runner = data.visit.runner or "-"
    subjects.add("USED", "How many", 2, "<h", 1)
    subjects.add_str("NAMES", "Codes, no names", runner, len(runner), 1)
    maker = out.add_group(11, "MANUFACTURER", "What wrote this")
    maker.add_str("SOFTWARE", "Program and version", software, len(software))
    own = out.add_group(12, "HIPBAR", "The visit")
    own.add("VISIT", "Number in the store", 4, "<f", float(data.visit.id))
    own.add("START_S", "Second of the visit at the first frame", 4, "<f", float(even.t_s[0]))


def _happened(data: VisitData) -> list[_Event]:
    """Contacts, offs and the beginnings of blocks in the order of time: visit second, side, label."""
    found = [(row.began_s, "General", str(row.block.kind)) for row in data.blocks]
    for step in data.steps:
        side = "Right" if step["right"] else "Left"
        found += [(float(step["contact_s"]), side, STRIKE), (float(step["off_s"]), side, OFF)]
    return sorted(found)


def _events(out: Any, events: list[_Event], start_s: float) -> None:
    """The EVENT group; more than 255 go on in parameters with a number after their name."""
    group = out.add_group(13, "EVENT", "Steps and blocks")
    group.add("USED", "How many", 2, "<H", len(events))
    wide = max((len(label) for _, _, label in events), default=1)
    if len(events) * (wide + 7 + 8) > _MOST_PARAMETER_BYTES:
        raise SourceError(
            f"{len(events):,} foot contacts and offs are more than a C3D file holds",
            fix="export a part: --block N, or --from and --to",
        )
    for first in range(0, len(events), _MOST_ROWS):
        some = events[first : first + _MOST_ROWS]
        after = str(first // _MOST_ROWS + 1) if first else ""
        for name, width, words in (
            ("CONTEXTS", 7, [side for _, side, _ in some]),
            ("LABELS", wide, [label for _, _, label in some]),
        ):
            text = "".join(word.ljust(width) for word in words)
            group.add_str(name + after, "", text, width, len(some))
        times = b"".join(struct.pack("<ff", 0.0, at_s - start_s) for at_s, _, _ in some)
        group.add_param("TIMES" + after, bytes_per_element=4, bytes=times, dimensions=[2, len(some)])
