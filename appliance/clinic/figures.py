"""A visit's steps become its figures: each side's drop, the difference, steps on target, cadence, and what is missing.

Degrees, seconds, pixels, steps a minute; sides are STANCE sides (in right stance the left hip drops); differences are
right minus left. A step counts when its peak was seen, its marks were not weak and the visit was not paused; all others
are counted by the reason. Intervals: `appliance.clinic.intervals`. Never a percentage of a difference between sides.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from appliance.clinic.band import Targets, Within, targets, within
from appliance.clinic.intervals import Change, Spread, change, difference, spread
from appliance.clinic.rows import BlockRow, SpanRow, VisitData, VisitRow
from appliance.clinic.terms import RUNNING_KINDS, Kind
from appliance.records import F64, Side

VERSION = 1
"""Of this arithmetic. Whoever changes a figure counts it up: figures that were kept are then computed anew."""

WEAK = 0.4
"""Below this `quality` a step is left out: its foot was only taken by turn, and frames of it are missing as well."""

_BOUT_S = 0.6
"""Two contacts farther apart are not one after the other (as in the gait kernel)."""
_HOLE_S = 2.0
"""In a longer hole between two steps nobody can say whether somebody ran."""


class SideFigures(Struct, frozen=True, kw_only=True):
    """One stance side. drop_deg : peak drops. flight_s : before these contacts."""

    stance: Side
    drop_deg: Spread
    contact_drop_deg: Spread
    excursion_deg: Spread
    contact_time_s: Spread
    flight_s: Spread
    sway_px: Spread
    in_band: Within


class PartFigures(Struct, frozen=True, kw_only=True):
    """Some of a visit's running. asymmetry_deg : mean peak drop in right stance minus in left stance."""

    left: SideFigures
    right: SideFigures
    asymmetry_deg: Spread
    cadence_spm: Spread
    in_band: Within

    @property
    def steps(self) -> int:
        """Kept ones of both sides."""
        return self.left.drop_deg.n + self.right.drop_deg.n


class BlockFigures(Struct, frozen=True, kw_only=True):
    """One block that was begun. seconds : of it that counted. lit_steps : kept ones with a figure on the bar."""

    n: int
    kind: Kind
    name: str
    cue: str | None
    mode: str
    began_s: float
    ended_s: float | None
    why: str | None
    seconds: float
    planned_s: float
    lit_steps: int
    target_deg: float | None
    band_deg: float | None
    figures: PartFigures


class Contrast(Struct, frozen=True, kw_only=True):
    """One part minus another: changes of mean figures."""

    left_drop_deg: Change
    right_drop_deg: Change
    asymmetry_deg: Change
    cadence_spm: Change
    left_sway_px: Change
    right_sway_px: Change
    left_contact_time_s: Change
    right_contact_time_s: Change


class Quality(Struct, frozen=True, kw_only=True):
    """How much of the visit the figures stand on.

    steps : decided in the blocks that count. kept : of these, used. hidden : their peak may have been in a hole.
    weak : marks too weak. paused : during a pause. elsewhere : in warm-up, cool-down, rests and between blocks.
    untold : steps that were not told, reckoned from holes of whole steps. lost : frames that the camera dropped.
    breaks : how often measuring was begun anew. dropped : frames that could not be written; their steps are kept.
    """

    steps: int
    kept: int
    hidden: int
    weak: int
    paused: int
    elsewhere: int
    untold: int
    frames: int
    lost: int
    breaks: int
    dropped: int


class VisitFigures(Struct, frozen=True, kw_only=True):
    """A visit in figures. Parts that there was nothing of are None.

    whole : all that counts. baseline : the baseline blocks. lit : with a figure on the bar. dark : without one in
    faded and retention blocks. unlit : without one anywhere. on_off : lit minus dark. lit_change, dark_change : minus
    the visit's own baseline.
    """

    visit: int
    runner: str | None
    kind: str
    protocol: str
    number: int
    state: str
    began_s: float
    seconds: float
    edition: int
    whole: PartFigures
    blocks: tuple[BlockFigures, ...]
    baseline: PartFigures | None
    lit: PartFigures | None
    dark: PartFigures | None
    unlit: PartFigures | None
    on_off: Contrast | None
    lit_change: Contrast | None
    dark_change: Contrast | None
    quality: Quality


def visit_figures(data: VisitData) -> VisitFigures:
    """All figures of a visit."""
    steps = data.steps[np.argsort(data.steps["contact_s"], kind="stable")]
    visit, asked = data.visit, targets(steps, data.stretches, data.spans)
    chosen = counted(steps, data.blocks)
    lit = steps["lit"] == 1
    baseline = _part(steps, asked, chosen & _in(steps, data.blocks, {Kind.BASELINE}))
    on = _part(steps, asked, chosen & lit)
    off = _part(steps, asked, chosen & ~lit & _in(steps, data.blocks, {Kind.FADED, Kind.RETENTION}))
    return VisitFigures(
        visit=visit.id, runner=visit.runner, kind=str(visit.kind), protocol=visit.protocol, number=visit.number,
        state=str(visit.state), began_s=visit.began_s, seconds=visit.seconds, edition=data.edition,
        whole=part_figures(steps, chosen, asked),
        blocks=tuple(_block(row, steps, asked) for row in data.blocks),
        baseline=baseline, lit=on, dark=off, unlit=_part(steps, asked, chosen & ~lit),
        on_off=_contrast(on, off), lit_change=_contrast(on, baseline), dark_change=_contrast(off, baseline),
        quality=_quality(visit, steps, chosen, data.spans),
    )  # fmt: skip


def part_figures(
    steps: NDArray[np.void], chosen: NDArray[np.bool_], asked: Targets | None = None
) -> PartFigures:
    """Figures of the chosen ones among a visit's steps, which are in the order of contact."""
    asked = asked if asked is not None else targets(steps, (), ())
    kept = chosen & usable(steps)
    sides = {
        side: _side(steps, kept & (steps["right"] == (side is Side.RIGHT)), asked, side)
        for side in (Side.LEFT, Side.RIGHT)
    }
    return PartFigures(
        left=sides[Side.LEFT],
        right=sides[Side.RIGHT],
        asymmetry_deg=difference(steps["peak_drop_deg"][kept], steps["right"][kept]),
        cadence_spm=_cadence(steps, chosen & (steps["paused"] != 1)),
        in_band=within(steps, kept, asked),
    )


def contrast(after: PartFigures, before: PartFigures) -> Contrast:
    """`after` minus `before`."""
    a, b = after, before
    return Contrast(
        left_drop_deg=change(a.left.drop_deg, b.left.drop_deg),
        right_drop_deg=change(a.right.drop_deg, b.right.drop_deg),
        asymmetry_deg=change(a.asymmetry_deg, b.asymmetry_deg),
        cadence_spm=change(a.cadence_spm, b.cadence_spm),
        left_sway_px=change(a.left.sway_px, b.left.sway_px),
        right_sway_px=change(a.right.sway_px, b.right.sway_px),
        left_contact_time_s=change(a.left.contact_time_s, b.left.contact_time_s),
        right_contact_time_s=change(a.right.contact_time_s, b.right.contact_time_s),
    )


def usable(steps: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which steps have figures that count, wherever they are."""
    seen = np.isfinite(steps["peak_drop_deg"]) & (steps["paused"] != 1)
    well: NDArray[np.bool_] = seen & (steps["quality"] >= WEAK)
    return well


def _contrast(after: PartFigures | None, before: PartFigures | None) -> Contrast | None:
    return contrast(after, before) if after and before else None


def _part(steps: NDArray[np.void], asked: Targets, chosen: NDArray[np.bool_]) -> PartFigures | None:
    figures = part_figures(steps, chosen, asked) if chosen.any() else None
    return figures if figures and figures.steps else None


def _side(steps: NDArray[np.void], kept: NDArray[np.bool_], asked: Targets, side: Side) -> SideFigures:
    mine = steps[kept]
    return SideFigures(
        stance=side,
        drop_deg=spread(mine["peak_drop_deg"]),
        contact_drop_deg=spread(mine["contact_drop_deg"]),
        excursion_deg=spread(mine["excursion_deg"]),
        contact_time_s=spread(mine["contact_time_s"]),
        flight_s=spread(mine["flight_s"]),
        sway_px=spread(mine["sway_px"]),
        in_band=within(steps, kept, asked),
    )


def _block(row: BlockRow, steps: NDArray[np.void], asked: Targets) -> BlockFigures:
    block, mine = row.block, steps["block"] == row.n
    kept = np.flatnonzero(mine & usable(steps))
    last = kept[-1:] if len(kept) else np.flatnonzero(mine)[-1:]
    return BlockFigures(
        n=row.n, kind=block.kind, name=block.name, cue=block.cue, mode=block.mode, began_s=row.began_s,
        ended_s=row.ended_s, why=row.why, seconds=row.ran_s, planned_s=block.seconds,
        lit_steps=int((steps["lit"][kept] == 1).sum()),
        target_deg=_one(asked.drop_deg[last]), band_deg=_one(asked.band_deg[last]),
        figures=part_figures(steps, mine, asked),
    )  # fmt: skip


def _one(values: F64) -> float | None:
    return float(values[0]) if len(values) and np.isfinite(values[0]) else None


def _in(steps: NDArray[np.void], blocks: tuple[BlockRow, ...], kinds: set[Kind]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.isin(steps["block"], [row.n for row in blocks if row.block.kind in kinds])
    return inside


def counted(steps: NDArray[np.void], blocks: tuple[BlockRow, ...]) -> NDArray[np.bool_]:
    """In which steps somebody was to run as in the plan; all of them where no block asks for running."""
    if not any(row.block.kind in RUNNING_KINDS for row in blocks):
        return np.ones(len(steps), np.bool_)
    return _in(steps, blocks, set(RUNNING_KINDS))


def _cadence(steps: NDArray[np.void], chosen: NDArray[np.bool_]) -> Spread:
    """Steps a minute, from one contact to the other foot's next; exactly 60 through the mean of these times."""
    mine = steps[chosen]
    apart = np.diff(mine["contact_s"])
    next_one = np.diff(np.flatnonzero(chosen)) == 1
    apart = apart[next_one & (np.diff(mine["right"]) != 0) & (np.diff(mine["span"]) == 0) & (apart < _BOUT_S)]
    if not len(apart):
        return Spread()
    apart = apart[apart < 1.5 * np.median(apart)]  # a step between them was not told
    mean_s = apart.mean()
    return spread(60.0 / mean_s - 60.0 / mean_s**2 * (apart - mean_s))


def _quality(
    visit: VisitRow, steps: NDArray[np.void], chosen: NDArray[np.bool_], spans: tuple[SpanRow, ...]
) -> Quality:
    """Each step is counted once, by the first reason that applies."""
    paused = steps["paused"] == 1
    mine = chosen & ~paused
    hidden = mine & ~np.isfinite(steps["peak_drop_deg"])
    weak = mine & ~hidden & ~(steps["quality"] >= WEAK)
    return Quality(
        steps=int(chosen.sum()),
        kept=int((mine & ~hidden & ~weak).sum()),
        hidden=int(hidden.sum()),
        weak=int(weak.sum()),
        paused=int((chosen & paused).sum()),
        elsewhere=int((~chosen).sum()),
        untold=_untold(steps[mine]),
        frames=sum(span.frames for span in spans),
        lost=sum(span.lost for span in spans),
        breaks=max(0, len(spans) - 1),
        dropped=visit.dropped,
    )


def _untold(steps: NDArray[np.void]) -> int:
    """How many steps fit into the short holes between those that were told."""
    apart = np.diff(steps["contact_s"])[np.diff(steps["span"]) == 0]
    usual = apart[apart < _BOUT_S]
    if not len(usual):
        return 0
    holes = apart[(apart < _HOLE_S) & (apart > 1.5 * np.median(usual))]
    return int(np.sum(np.round(holes / np.median(usual)) - 1.0))
