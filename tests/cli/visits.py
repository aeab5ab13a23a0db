"""A visit made by hand, small and whole, for what only needs that there is one."""

from __future__ import annotations

import numpy as np

from appliance.clinic.rows import STEP, BlockRow, SpanRow, StretchRow, VisitData, VisitRow
from appliance.clinic.terms import DARK, Baseline, Block, Kind, Plan, VisitKind, VisitState

BEGAN_S = 1_790_000_000.0


def visit_data(
    runner: str,
    number: int,
    *,
    state: VisitState = VisitState.DONE,
    ran_s: float = 900.0,
    baseline: Baseline | None = None,
    steps: int = 40,
) -> VisitData:
    """Visit `number` of retraining: one dark block, alternating steps a third of a second apart."""
    block = Block(kind=Kind.BASELINE, seconds=900.0)
    plan = Plan(kind=VisitKind.VISIT, protocol="retraining", number=number, visits=8, blocks=(block,))
    kept = np.zeros(steps, STEP)
    for name in STEP.names or ():
        if STEP[name].kind == "f":
            kept[name] = 0.25
    kept["contact_s"] = np.arange(steps) / 3
    kept["right"] = np.arange(steps) % 2
    began_s = BEGAN_S + 86400.0 * number
    row = VisitRow(
        id=0,
        runner=runner,
        kind=VisitKind.VISIT,
        protocol="retraining",
        number=number,
        state=state,
        began_s=began_s,
        clock_set=True,
        ended_s=began_s + ran_s,
        seconds=ran_s,
        planned_s=900.0,
        ran_s=ran_s,
        steps=steps,
        software="hipbar test",
        protocol_text="visits = 8\n",
        edition=1,
        plan=plan,
        baseline=baseline,
    )
    span = SpanRow(
        n=0,
        at_s=0.0,
        t0_s=0.0,
        boot_id=None,
        wall_s=began_s,
        clock_set=True,
        software="hipbar test",
        header="{}",
        settings="{}",
        calibration="{}",
    )
    return VisitData(
        visit=row,
        blocks=(BlockRow(n=0, block=block, began_s=0.0, ended_s=ran_s, why="done", ran_s=ran_s),),
        stretches=(StretchRow(began_s=0.0, aim=DARK),),
        steps=kept,
        events=(),
        spans=(span,),
        edition=1,
    )
