"""A plan becomes the machine that runs it: a visit's or a cue trial's, or an exercise's. Both are steered alike.

Seconds and degrees as in `appliance.clinic.blockwise`. Refuses, with `VisitError`, plans that neither can do.
"""

from __future__ import annotations

from appliance.clinic.drill import Drill
from appliance.clinic.session import Session
from appliance.clinic.terms import Plan, Progress, VisitKind
from appliance.config import Feedback

Machine = Session | Drill


def machine_of(
    plan: Plan, t0_s: float, *, progress: Progress, zero_deg: float, settings: Feedback
) -> Machine:
    """The plan's machine, from its first frame or from where it was broken off; settings : of the bar without it."""
    kind = Drill if plan.kind is VisitKind.EXERCISE else Session
    return kind(plan, t0_s, progress=progress, zero_deg=zero_deg, settings=settings)
