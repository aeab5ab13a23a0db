"""A laboratory's visit and one of ours are laid side by side: means by side, and step against step where both saw the
same run.

Degrees, seconds; differences are the laboratory minus ours; sides are stance sides. The clocks of two systems have no
common zero: it is found by sliding one row of contacts along the other, and only believed when one place fits clearly
better than all others. Refuses, by None, to pair steps of different runs.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.figures import Contrast, PartFigures, contrast, counted, part_figures, usable
from appliance.clinic.rows import VisitData
from appliance.exchange.even import head_of
from appliance.records import F64, Side

_NEAR_S = 0.06
_LEAST_PAIRS, _ANCHORS = 10, 5
_LEAST_SHARE, _LEAST_OVERLAP = 0.8, 0.25
"""Of the steps while both recorded, that find a partner; and of the shorter recording, that overlap."""
_LEAST_SCATTER_S = 1e-3
_CLEARER = 0.6
"""The best place's scatter must be below this share of the next best one's."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Paired steps of one stance side. bias : mean of the differences; low, high : 95 % of them lie between."""

    n: int
    drop_bias_deg: float
    drop_sd_deg: float
    drop_low_deg: float
    drop_high_deg: float
    contact_sd_s: float
    contact_time_bias_s: float


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """ours, laboratory : figures of all steps that count. difference : laboratory minus ours.

    ..._zero_deg : the standing zero that was subtracted (of a visit's first span): zeros that differ move both sides'
    drops, one up and one down. shift_s : our visit's seconds minus the laboratory's; None when the two are no
    recordings of the same run.
    """

    visit: int
    ours: PartFigures
    laboratory: PartFigures
    difference: Contrast
    ours_zero_deg: float
    laboratory_zero_deg: float
    shift_s: float | None = None
    left: Agreement | None = None
    right: Agreement | None = None


def compared(ours: VisitData, laboratory: VisitData) -> Compared:
    """Both visits side by side."""
    a, b = _sorted(ours), _sorted(laboratory)
    one, other = (part_figures(s, counted(s, d.blocks)) for s, d in ((a, ours), (b, laboratory)))
    found = Compared(
        visit=ours.visit.id, ours=one, laboratory=other, difference=contrast(other, one),
        ours_zero_deg=_zero(ours), laboratory_zero_deg=_zero(laboratory),
    )  # fmt: skip
    shift_s = shift(a, b)
    if shift_s is None:
        return found
    sides = {str(side): _agreement(a, b, shift_s, side) for side in Side}
    return msgspec.structs.replace(found, shift_s=shift_s, **sides)


def shift(ours: NDArray[np.void], laboratory: NDArray[np.void]) -> float | None:
    """Our seconds minus the laboratory's, when the same steps are in both; None when no place fits clearly best."""
    rows = [(steps["contact_s"], steps["right"]) for steps in (ours, laboratory)]
    (a, a_right), (b, b_right) = rows
    if min(len(a), len(b)) < _LEAST_PAIRS:
        return None
    fits = (_fit(a, a_right, b, b_right, by_s) for by_s in _candidates(a, a_right, b, b_right))
    tried = sorted((fit for fit in fits if fit is not None), key=lambda fit: fit[1])
    if not tried:
        return None
    best_s, scatter_s = tried[0]
    others = [s for by_s, s in tried if abs(by_s - best_s) > _NEAR_S]
    return best_s if not others or scatter_s < _CLEARER * others[0] else None


def _candidates(a: F64, a_right: NDArray[np.int64], b: F64, b_right: NDArray[np.int64]) -> Iterator[float]:
    """Every place at which one of a few steps of `b` meets a step of the same foot: any one may be missing in `a`."""
    some = np.unique(np.linspace(0, len(b) - 1, _ANCHORS).astype(int))
    last_s = -np.inf
    for by_s in np.sort(np.concatenate([a[a_right == b_right[k]] - b[k] for k in some])):
        if by_s - last_s > _NEAR_S / 4:  # nearer ones lead to the same fit
            last_s = by_s
            yield float(by_s)


def _fit(
    a: F64, a_right: NDArray[np.int64], b: F64, b_right: NDArray[np.int64], by_s: float
) -> tuple[float, float] | None:
    """The shift made exact, and the scatter of the contacts' distances; None when too few find a partner."""
    for _ in range(2):
        apart = np.full(len(b), np.inf)
        for right in (0, 1):
            mine = b_right == right
            apart[mine] = _to_nearest(b[mine] + by_s, a[a_right == right])
        both = (b + by_s > a[0] - _NEAR_S) & (b + by_s < a[-1] + _NEAR_S)  # while both systems recorded
        near = both & (np.abs(apart) < _NEAR_S)
        if near.sum() < max(_LEAST_PAIRS, _LEAST_OVERLAP * min(len(a), len(b)), _LEAST_SHARE * both.sum()):
            return None
        by_s += float(np.median(apart[near]))
    return by_s, max(_LEAST_SCATTER_S, float(np.std(apart[near])))


def _to_nearest(values: F64, among: F64) -> F64:
    """How far the nearest of `among`, which rises, is after each value."""
    if len(among) == 0:
        return np.full(len(values), np.inf)
    after = np.clip(np.searchsorted(among, values), 0, len(among) - 1)
    before = np.clip(after - 1, 0, None)
    later, earlier = among[after] - values, among[before] - values
    return np.where(np.abs(later) < np.abs(earlier), later, earlier)


def _agreement(
    ours: NDArray[np.void], laboratory: NDArray[np.void], shift_s: float, side: Side
) -> Agreement | None:
    """One side's steps, pair by pair."""
    right = int(side is Side.RIGHT)
    a = ours[(ours["right"] == right) & usable(ours)]
    b = laboratory[(laboratory["right"] == right) & usable(laboratory)]
    if not len(a) or not len(b):
        return None
    k = np.abs(a["contact_s"][None, :] - (b["contact_s"] + shift_s)[:, None]).argmin(axis=1)
    near = np.abs(a["contact_s"][k] - b["contact_s"] - shift_s) < _NEAR_S
    a, b = a[k[near]], b[near]
    if len(a) < 2:
        return None
    drop = b["peak_drop_deg"] - a["peak_drop_deg"]
    bias, sd = float(np.mean(drop)), float(np.std(drop, ddof=1))
    return Agreement(
        n=len(a), drop_bias_deg=bias, drop_sd_deg=sd, drop_low_deg=bias - 1.96 * sd, drop_high_deg=bias + 1.96 * sd,
        contact_sd_s=float(np.std(b["contact_s"] - a["contact_s"], ddof=1)),
        contact_time_bias_s=float(np.mean(b["contact_time_s"] - a["contact_time_s"])),
    )  # fmt: skip


def _zero(data: VisitData) -> float:
    return head_of(data.spans[0]).zero_deg if data.spans else 0.0


def _sorted(data: VisitData) -> NDArray[np.void]:
    return data.steps[np.argsort(data.steps["contact_s"], kind="stable")]
