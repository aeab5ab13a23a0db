"""A plan becomes its durations, its lit stretches, and remarks on what in it is unusual.

Seconds: those of a block count standing, running or time, as its kind says, so a visit in a clinic lasts longer than
its plan. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import msgspec

from appliance.clinic.protocol import Protocol
from appliance.clinic.terms import LEAST_STEPS, RUNNING_KINDS, Block, Kind, Plan, Target

USUAL_RUN_S = (15 * 60.0, 30 * 60.0)
"""Of each visit, growing: all five running studies with faded feedback in table 1 of Davis 2020, PMC7083994."""
_SHORT_BASELINE_S = 20.0
"""At 150 steps/min, 7 steps a side take 6 s; a runner also needs some seconds to settle."""


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Of one visit. run_s : of it, running; lit_s : of that, with figures on the bar."""

    all_s: float
    run_s: float
    lit_s: float


def durations(plan: Plan) -> Durations:
    """How long a visit takes, runs and is lit."""
    return Durations(
        all_s=sum(block.seconds for block in plan.blocks),
        run_s=planned_run_s(plan),
        lit_s=sum(end_s - start_s for block in plan.blocks for start_s, end_s in lit(block)),
    )


def planned_run_s(plan: Plan) -> float:
    """How much running a plan has."""
    return sum(block.seconds for block in plan.blocks if block.kind in RUNNING_KINDS)


def lit(block: Block) -> Iterator[tuple[float, float]]:
    """When the bar shows figures in a block: from, to, in seconds of the block."""
    if block.kind is Kind.FEEDBACK:
        yield 0.0, block.seconds
    if block.kind is Kind.FADED and block.on_s and block.off_s:
        start_s = 0.0
        while start_s < block.seconds:
            yield start_s, min(start_s + block.on_s, block.seconds)
            start_s += block.on_s + block.off_s


def remarks(protocol: Protocol) -> Iterator[str]:
    """What is unusual in a protocol, in words; nothing of it is wrong."""
    last = protocol.visits or 1
    plans = [protocol.plan(number) for number in range(1, last + 1)]
    yield from _of_targets(protocol)
    shares: list[float] = []
    for plan in plans:
        yield from _of_visit(plan, endless=protocol.visits is None)
        if any(block.kind is Kind.FADED for block in plan.blocks):
            told = durations(plan)
            shares.append(told.lit_s / told.run_s)
    if any(later > earlier + 1e-9 for earlier, later in pairwise(shares)):
        yield "the bar is lit for more of a later visit than of an earlier one: fading goes the other way"


def _of_visit(plan: Plan, *, endless: bool) -> Iterator[str]:
    here, blocks = f"visit {plan.number}", plan.blocks
    told = durations(plan)
    least_s, most_s = USUAL_RUN_S
    if blocks[0].kind is not Kind.STAND:
        yield f"{here} does not begin with a stand: the standing zero of before counts"
    if not endless and not least_s <= told.run_s <= most_s:
        yield f"{here} has {told.run_s / 60:.1f} min of running; 15 to 30 are usual"
    if not endless and not any(block.kind is Kind.RETENTION for block in blocks):
        yield f"{here} has no retention block: what is learnt shows where the bar is dark"
    for block in blocks:
        if block.kind is Kind.BASELINE and block.seconds < _SHORT_BASELINE_S:
            yield f"{here}: a baseline of {block.seconds:g} s is short for {LEAST_STEPS} settled steps a side"
        if block.kind is Kind.FADED and block.on_s and block.on_s >= block.seconds:
            yield f"{here}: a faded block of {block.seconds:g} s that is lit for {block.on_s:g} s never gets dark"


def _of_targets(protocol: Protocol) -> Iterator[str]:
    targets = [
        goal for goal in (protocol.target, *(e.target for e in protocol.entries)) if isinstance(goal, Target)
    ]
    for target in dict.fromkeys(targets):
        if target.degrees is not None and target.degrees < target.floor_deg:
            yield (
                f"a target of {target.degrees:g} deg is below its floor_deg: the bar asks for {target.floor_deg:g} deg"
            )
