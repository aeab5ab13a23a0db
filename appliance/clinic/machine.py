"""A plan becomes the machine that runs it: a visit's or a cue trial's, or an exercise's. Both are steered alike.

Seconds and degrees as in `appliance.clinic.session`. Refuses, with `VisitError`, plans that neither can do.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from appliance.clinic.drill import Drill
from appliance.clinic.session import Session
from appliance.clinic.terms import Act, Order, Plan, Progress, View, VisitKind, VisitState
from appliance.config import Feedback
from appliance.records import Step


class Machine(Protocol):
    """A visit's course: `Session` or `Drill`."""

    @property
    def progress(self) -> Progress:
        """From where it can go on."""

    @property
    def state(self) -> VisitState:
        """How it stands."""

    def feed(self, t_s: float, moment: np.void, steps: tuple[Step, ...]) -> tuple[Act, ...]:
        """One frame."""

    def silent(self, t_s: float) -> tuple[Act, ...]:
        """No frame."""

    def order(self, order: Order, t_s: float, words: str = "") -> tuple[Act, ...]:
        """What somebody asks for."""

    def view(self, t_s: float) -> View:
        """For people."""


def machine_of(
    plan: Plan, t0_s: float, *, progress: Progress, zero_deg: float, settings: Feedback
) -> Machine:
    """The plan's machine, from its first frame or from where it was broken off; settings : of the bar without it."""
    kind = Drill if plan.kind is VisitKind.EXERCISE else Session
    return kind(plan, t0_s, progress=progress, zero_deg=zero_deg, settings=settings)
