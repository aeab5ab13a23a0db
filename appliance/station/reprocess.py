"""A visit's stored keypoints become its steps anew, by the arithmetic of this program, beside those that it has.

Steps in the visit's own seconds, drops in degrees by STANCE side. The same edition gives the same steps, bit for bit:
each span of the trace goes through a fresh `Motion` under the lens, mount and zero that were in force, as it did live.
Both sets stay in the store, each under the number of its edition. Refuses, with `StoreError`, visits that still run and
headers that can't be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.kept import step_rows
from appliance.clinic.rows import STEP, SpanRow, VisitData
from appliance.clinic.terms import VisitState
from appliance.config import Settings
from appliance.errors import StoreError
from appliance.motion.gait import Motion
from appliance.station.recording import Header
from appliance.store.store import Store

Traced = Iterable[tuple[int, NDArray[np.void], NDArray[np.void]]]
"""Chunks of a trace in order: the span's number, its keypoints (`TRACK`), and what was measured of them."""

_NEAR_S = 0.1
"""Two contacts of one foot that are nearer than this are the same step: a stride takes six times as long."""
_MOVED_S, _MOVED_DEG = 0.001, 0.01
"""A step that differs by no more is not worth telling."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What another edition made of a visit's steps. Means of peak drops by stance side; None = no such step.

    same : bit for bit. moved : found again, but with other times or another drop. dropped : frames of the visit that
    were measured and never kept, of which no step can be computed anew.
    """

    visit: int
    runner: str | None
    before: int
    after: int
    steps_before: int
    steps_after: int
    same: bool
    added: int = 0
    lost: int = 0
    moved: int = 0
    left_before_deg: float | None = None
    left_after_deg: float | None = None
    right_before_deg: float | None = None
    right_after_deg: float | None = None
    dropped: int = 0


def recomputed(data: VisitData, trace: Traced) -> Iterator[NDArray[np.void]]:
    """The steps of a visit's trace, chunk by chunk."""
    spans = {span.n: span for span in data.spans}
    motion: Motion | None = None
    now: SpanRow | None = None
    row_s = 0.0
    for n, track, _ in trace:
        if now is None or n != now.n:
            now = spans[n]
            motion, row_s = _fresh(now)
        assert motion is not None
        t_s, xy = (np.ascontiguousarray(track[key]) for key in ("t_s", "xy_px"))
        _, steps = motion.advance(t_s, xy, row_s)
        yield step_rows(steps, now)


def _fresh(span: SpanRow) -> tuple[Motion, float]:
    """A `Motion` as the span's own was at its first frame: nothing else of the settings has a part in a step."""
    try:
        header = msgspec.json.decode(span.header, type=Header)
    except msgspec.MsgspecError as error:
        raise StoreError(f"span {span.n} of the visit: {error}", fix="`hipbar verify`") from None
    settings = header.onto(Settings(), set())
    zeroed = msgspec.structs.replace(settings.motion, zero_deg=header.zero_deg)
    motion = Motion(msgspec.structs.replace(settings, motion=zeroed))
    motion.open(header.width_px, header.height_px)
    return motion, header.row_s


def anew(data: VisitData, trace: Traced) -> NDArray[np.void]:
    """All steps of a visit in the order of contact; the store says where each belongs (`Store.placed`)."""
    if data.visit.state in (VisitState.RUNNING, VisitState.PAUSED):
        raise StoreError(f"visit {data.visit.id} still runs", fix="reprocess it when it is over")
    chunks = list(recomputed(data, trace))
    steps = np.concatenate(chunks) if chunks else np.zeros(0, STEP)
    return steps[np.argsort(steps["contact_s"], kind="stable")]


def reprocessed(store: Store, visit: int, edition: int) -> tuple[NDArray[np.void], Changed]:
    """A visit's steps by this program, as they would be kept, and what differs from those it has."""
    data = store.data(visit)
    steps = store.placed(visit, anew(data, store.trace(visit)))
    return steps, compared(data, steps, edition)


def compared(data: VisitData, after: NDArray[np.void], edition: int) -> Changed:
    """The steps that a visit has against those computed anew under `edition`."""
    before, visit = data.steps, data.visit
    pairs = _paired(before, after)
    one, other = before[pairs[:, 0]], after[pairs[:, 1]]
    means = {
        f"{side}_{when}_deg": _mean_deg(steps, right=side == "right")
        for when, steps in (("before", before), ("after", after))
        for side in ("left", "right")
    }
    return Changed(
        visit=visit.id,
        runner=visit.runner,
        before=data.edition,
        after=edition,
        steps_before=len(before),
        steps_after=len(after),
        same=before.tobytes() == after.tobytes(),
        added=len(after) - len(pairs),
        lost=len(before) - len(pairs),
        moved=int(np.count_nonzero(_moved(one, other))),
        dropped=visit.dropped,
        **means,
    )


def _paired(before: NDArray[np.void], after: NDArray[np.void]) -> NDArray[np.int64]:
    """(m, 2) indices of steps that are the same one: the same foot, nearest to each other in time, and near."""
    found = []
    for right in (0, 1):
        mine, theirs = (np.flatnonzero(steps["right"] == right) for steps in (before, after))
        if len(mine) and len(theirs):
            a, b = before["contact_s"][mine], after["contact_s"][theirs]
            there, back = _nearest(a, b), _nearest(b, a)
            fits = (back[there] == np.arange(len(a))) & (np.abs(b[there] - a) <= _NEAR_S)
            found.append(np.stack([mine[fits], theirs[there[fits]]], axis=1))
    return np.concatenate(found) if found else np.zeros((0, 2), np.int64)


def _nearest(values: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each value the index of the nearest one in `among`, which rises."""
    after = np.clip(np.searchsorted(among, values), 1, max(1, len(among) - 1))
    if len(among) == 1:
        return np.zeros(len(values), np.int64)
    return np.asarray(np.where(values - among[after - 1] <= among[after] - values, after - 1, after))


def _moved(one: NDArray[np.void], other: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which pairs differ by more than rounding; a figure that only one of the two has differs."""
    moved = np.zeros(len(one), np.bool_)
    for name, much in (("contact_s", _MOVED_S), ("off_s", _MOVED_S), ("peak_drop_deg", _MOVED_DEG)):
        a, b = one[name], other[name]
        moved |= (np.abs(a - b) > much) | (np.isnan(a) != np.isnan(b))
    return moved


def _mean_deg(steps: NDArray[np.void], *, right: bool) -> float | None:
    """The mean peak drop in one foot's stance, of the steps that were not paused."""
    drops = steps["peak_drop_deg"][(steps["right"] == right) & (steps["paused"] == 0)]
    known = drops[np.isfinite(drops)]
    return float(known.mean()) if len(known) else None
