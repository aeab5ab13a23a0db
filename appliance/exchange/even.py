"""A visit's frames become an even grid of times, as C3D, TRC and MOT want them: marks in the frontal plane, and angles.

Millimetres (x to the runner's right, z up, 0 on the camera's axis), degrees (positive = right side higher), seconds of
the visit. Between two frames that follow one another figures lie on the straight line between them; where frames are
lost, or a mark was not seen, the grid has NaN. Refuses, with `SourceError`, a visit or a part of it without two frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import SpanRow, VisitData
from appliance.config import Camera, Lens
from appliance.errors import SourceError
from appliance.exchange.tables import Chunk
from appliance.motion.plane import Plane
from appliance.records import F64

_GAP = 1.5
"""Frames further apart than so many frame times do not follow one another."""


class Even(msgspec.Struct, frozen=True):
    """t_s : (n,) evenly spaced. marks : (n, 4, 2) plane. obliquity_deg : (n,). rate_hz : of the grid."""

    rate_hz: float
    t_s: F64
    marks: F64
    obliquity_deg: F64


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a span's header says of its pictures; the other things in it are not needed here."""

    width_px: int
    height_px: int
    rate_hz: float = 0.0
    row_s: float = 0.0
    rotate_deg: int = 0
    mirror: bool = False
    zero_deg: float = 0.0
    lens: Lens = Lens()
    px_per_m: float | None = None


def head_of(span: SpanRow) -> Head:
    """The header of a span, decoded."""
    try:
        return msgspec.json.decode(span.header, type=Head)
    except msgspec.MsgspecError as error:
        raise SourceError(
            f"span {span.n} of the visit has a header that can't be read: {error}",
            fix="`hipbar verify` says more",
        ) from None


def even(data: VisitData, chunks: Iterable[Chunk], pair_mm: float | None) -> Even:
    """The whole of `chunks` on one grid; `pair_mm` : true distance of the pelvis marks, None = leave plane pixels.

    A visit that was imported knows its own scale.
    """
    placed = list(_placed(data, chunks))
    t_s = np.concatenate([t for t, _, _ in placed]) if placed else np.empty(0)
    if len(t_s) < 2:
        raise SourceError(
            "there are no frames in this part of the visit", fix="`hipbar visit show` lists its blocks"
        )
    marks, angle = np.concatenate([m for _, m, _ in placed]), np.concatenate([a for _, _, a in placed])
    rate_hz = _rate(t_s)
    grid_s = t_s[0] + np.arange(round((t_s[-1] - t_s[0]) * rate_hz) + 1) / rate_hz
    table = np.column_stack((marks.reshape(len(t_s), 8), angle))
    onto = _onto(grid_s, t_s, table, _GAP / rate_hz)
    return Even(rate_hz, grid_s, onto[:, :8].reshape(-1, 4, 2) * _scale(data, marks, pair_mm), onto[:, 8])


def _placed(data: VisitData, chunks: Iterable[Chunk]) -> Iterator[tuple[F64, F64, F64]]:
    """Visit time, plane places and obliquity of each chunk."""
    planes: dict[int, Plane] = {}
    heads = {span.n: head_of(span) for span in data.spans}
    for n, track, trace in chunks:
        if n not in planes:
            head = heads[n]
            camera = Camera(rotate_deg=head.rotate_deg, mirror=head.mirror)  # type: ignore[arg-type]
            planes[n] = Plane(camera, head.lens, (head.width_px, head.height_px), head.row_s)
        marks, _ = planes[n].placed(np.ascontiguousarray(track["t_s"]), track["xy_px"])
        known = np.isfinite(trace["t_s"])
        yield trace["t_s"][known], marks[known], trace["obliquity_deg"][known]


def _rate(t_s: F64) -> float:
    """Frames a second, from the times of all frames that follow one another; whole where that fits."""
    steps = np.diff(t_s)
    usual = float(np.median(steps))
    rate_hz = 1.0 / float(np.mean(steps[steps < _GAP * usual]))
    return float(round(rate_hz)) if abs(rate_hz - round(rate_hz)) < 1e-3 * rate_hz else rate_hz


def scale_known(data: VisitData) -> bool:
    """Whether the visit knows its own scale, as one that was imported does."""
    return bool(data.spans) and head_of(data.spans[0]).px_per_m is not None


def _scale(data: VisitData, marks: F64, pair_mm: float | None) -> float:
    """Millimetres a plane pixel."""
    if pair_mm is None:
        own = head_of(data.spans[0]).px_per_m if data.spans else None
        return 1.0 if own is None else 1000.0 / own
    apart_px = np.hypot(*(marks[:, 1] - marks[:, 0]).T)
    seen = apart_px[np.isfinite(apart_px)]
    if not len(seen):
        raise SourceError(
            "the pelvis pair was never seen in this part of the visit", fix="export another part"
        )
    return pair_mm / float(np.median(seen))


def _onto(grid_s: F64, t_s: F64, table: F64, gap_s: float) -> F64:
    """Each column at the grid's times, on the line between its neighbours; NaN where they are apart or unseen."""
    after = np.clip(np.searchsorted(t_s, grid_s), 1, len(t_s) - 1)
    before = after - 1
    share = np.clip((grid_s - t_s[before]) / (t_s[after] - t_s[before]), 0.0, 1.0)
    share = np.where(share < 1e-6, 0.0, np.where(share > 1 - 1e-6, 1.0, share))[:, None]
    low, high = table[before], table[after]
    line = np.where(share == 0.0, low, np.where(share == 1.0, high, low + share * (high - low)))
    apart: NDArray[np.bool_] = (t_s[after] - t_s[before] > gap_s)[:, None] & (share != 0.0) & (share != 1.0)
    return np.where(apart, np.nan, line)
