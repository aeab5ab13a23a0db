"""Anybody's C3D file becomes a capture: its points as markers, its foot strikes, its unit and rate.

Metres, in the laboratory's axes; seconds from the first frame. Angles, forces and other computed points are left out; a
point that the file calls invalid is NaN. Refuses, with `SourceError`, what is no C3D, damaged, cut off, without markers
or without a unit.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from appliance.errors import SourceError
from appliance.exchange.capture import Capture, Strike, Tick, distinct, unit_of, unreadable, untold
from appliance.records import F64, Side

_MOST_COUNTED = 65535
_NUMBERED = ("", *map(str, range(2, 100)))
"""What more than 255 of something go on under: LABELS, LABELS2, ..."""
_COMPUTED = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS")


def read(path: Path, unit: str | None = None, tick: Tick = untold) -> Capture:
    """The capture in a C3D file. unit : asked for by hand; goes before what the file says."""
    import c3d

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of everything that is unusual, damaged or not
            reader = c3d.Reader(file)
            if not reader.point_used:
                raise unreadable(path, "it holds no markers, only analog channels")
            _count_anew(reader, file)
            return _capture(path, reader, _frames(reader, tick), unit)
    except OSError as error:
        raise unreadable(path, f"can't be read: {error.strerror}", fix="name another file") from None
    except SourceError:
        raise
    except Exception as error:  # the reader raises whatever its parts raise on a damaged file
        raise unreadable(path, f"is no C3D file, or damaged ({type(error).__name__})") from None


def _frames(reader: Any, tick: Tick) -> F64:
    """(n, points, 4): x, y, z, residual."""
    frames = []
    for k, (_, points, _) in enumerate(reader.read_frames(copy=False)):
        frames.append(points[:, :4].astype(np.float64))
        if k % 1000 == 0:
            tick(k, reader.frame_count)
    while frames and not frames[-1].any() and len(frames) > _MOST_COUNTED:
        frames.pop()  # counted from the file's size, and only its padding
    return np.array(frames)


def _count_anew(reader: Any, file: BinaryIO) -> None:
    """Some programs write more frames than 16 bits count and say so nowhere: then the file's size tells."""
    if reader.last_frame < _MOST_COUNTED:
        return
    values = 4 * int(reader.point_used) + int(reader.analog_used) * int(reader.analog_per_frame)
    size = os.fstat(file.fileno()).st_size - (int(reader.header.data_block) - 1) * 512
    count = size // (values * (4 if reader.point_scale < 0 else 2))
    if count > reader.frame_count:
        reader.header.last_frame = int(reader.first_frame) + int(count) - 1
    else:
        reader.header.last_frame = int(reader.header.last_frame)  # 16 bits wide, it would begin again at 0


def _capture(path: Path, reader: Any, frames: F64, unit: str | None) -> Capture:
    if not len(frames):
        raise unreadable(path, "it holds no frames")
    if len(frames) < reader.frame_count and reader.frame_count < _MOST_COUNTED:
        there = f"{len(frames):,} of its {reader.frame_count:,} frames are there"
        raise unreadable(path, f"it was cut off: {there}")
    rate_hz = float(reader.point_rate)
    if not 0 < rate_hz < 1e5:
        raise unreadable(path, f"its rate is {rate_hz:g} frames/s")
    unit, metres = unit_of(path, "".join(_texts(reader, "POINT:UNITS")[:1]), unit)
    places = np.where(frames[..., 3:] < 0, np.nan, frames[..., :3]) * metres
    return Capture(
        kind="C3D", rate_hz=rate_hz, t_s=np.arange(len(frames)) / rate_hz, markers=_markers(reader, places),
        start_s=(int(reader.first_frame) - 1) / rate_hz, strikes=_strikes(reader),
        said=(f"{unit}, {rate_hz:g} frames/s",),
    )  # fmt: skip


def _markers(reader: Any, places: F64) -> dict[str, F64]:
    """Points by their names; of several of one name each is kept apart, as if it were another person's."""
    labels = [label for after in _NUMBERED for label in _texts(reader, f"POINT:LABELS{after}")]
    computed = {name for key in _COMPUTED for name in _texts(reader, f"POINT:{key}")}
    named = enumerate(distinct(labels[: places.shape[1]]))
    return {name: places[:, k] for k, name in named if labels[k] and labels[k] not in computed}


def _texts(reader: Any, key: str) -> list[str]:
    found = reader.get(key)
    if found is None or not found.num_elements:
        return []
    if len(found.dimensions) < 2:
        return [str(found.string_value).strip()]
    return [str(text).strip() for text in found.string_array.ravel()]


def _strikes(reader: Any) -> tuple[Strike, ...]:
    """The foot contacts that the laboratory marked, in the order of time, on the clock of its events."""
    found: list[Strike] = []
    for after in _NUMBERED:
        times = reader.get(f"EVENT:TIMES{after}")
        if times is None or not times.num_elements:
            break
        sides, labels = (_texts(reader, f"EVENT:{key}{after}") for key in ("CONTEXTS", "LABELS"))
        at_s = times.float_array.reshape(-1, 2) @ (60.0, 1.0)
        for side, label, t_s in zip(sides, labels, at_s, strict=True):
            if label.lower() in ("foot strike", "heel strike") and side.lower() in set(Side):
                found.append(Strike(Side(side.lower()), float(t_s)))
    return tuple(sorted(found, key=lambda strike: strike.t_s))
