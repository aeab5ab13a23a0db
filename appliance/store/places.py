"""The course of a visit and its steps become where each step belongs: in which block, lit or dark, paused or not.

Seconds of the visit's own time. A step belongs where its contact was; at the very second of a change, to what came
then. Live steps and those computed anew pass here, so both are told apart in the same way. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import BlockRow, StretchRow
from appliance.clinic.terms import RUNNING_KINDS, Kind, Plan
from appliance.records import F64

COUNTED = RUNNING_KINDS | {Kind.HOLD, Kind.REPS}
"""The blocks whose time is the visit's: running, and working on an exercise."""


def placed(
    steps: NDArray[np.void],
    blocks: Iterable[BlockRow],
    stretches: Iterable[StretchRow],
    pauses: Iterable[tuple[float, float | None]],
) -> NDArray[np.void]:
    """A copy of `steps` (`STEP`) with block, lit and paused filled in."""
    done = steps.copy()
    contact_s = steps["contact_s"]
    began = [(b.began_s, b.n) for b in blocks]
    ended = [(b.ended_s, -1) for b in blocks if b.ended_s is not None]
    # of two changes at one second the later one of the list holds: an end before the begin that follows it
    done["block"] = _then(contact_s, sorted([*ended, *began], key=lambda change: change[0]), -1)
    done["lit"] = _then(contact_s, [(s.began_s, int(s.aim.mode != "off")) for s in stretches], 0)
    halts = [
        (at_s, state)
        for pause in pauses
        for at_s, state in zip(pause, (1, 0), strict=True)
        if at_s is not None
    ]
    done["paused"] = _then(contact_s, halts, 0)
    return done


def planned_s(plan: Plan) -> float:
    """How long somebody is to run, or to work, by this plan."""
    return float(sum(block.seconds for block in plan.blocks if block.kind in COUNTED))


def sound(steps: NDArray[np.void]) -> NDArray[np.void]:
    """A copy as the store gives it back, to the bit: one kind of NaN, and no zero below zero."""
    done = steps.copy()
    for name in done.dtype.names or ():
        if done.dtype[name].kind == "f":
            column = done[name] + 0.0
            column[np.isnan(column)] = np.nan
            done[name] = column
    return done


def _then(at_s: F64, changes: Sequence[tuple[float, int]], before: int) -> NDArray[np.int64]:
    """What held at each second, after changes in the order of time."""
    values = np.array([before, *(value for _, value in changes)], np.int64)
    return values[np.searchsorted([change_s for change_s, _ in changes], at_s, side="right")]
