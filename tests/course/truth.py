"""A visit in the store is held against the runner's truth: which steps were found, and by how much each is off.

Degrees, measured minus true, drops by STANCE side; seconds of the camera.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from appliance.clinic.rows import VisitData
from appliance.clinic.terms import RUNNING_KINDS
from tests.course.player import Played

_GLIDE_S = 1.5
"""From standing to running, and what motion then needs to know the feet."""


class Held(NamedTuple):
    """Steps of a visit beside the truth. off_deg, right, block, lit : of each that was found."""

    wrong: int
    missed: int
    off_deg: np.ndarray
    right: np.ndarray
    block: np.ndarray
    true_deg: np.ndarray


def held(data: VisitData, played: Played) -> Held:
    """The steps of the blocks of running; the first second and a half of the run is nobody's truth."""
    step_s = played.attempt.runner.step_s
    spans = {span.n: span for span in data.spans}
    running = {row.n for row in data.blocks if row.block.kind in RUNNING_KINDS}
    steps = data.steps[np.isin(data.steps["block"], sorted(running)) & (data.steps["paused"] == 0)]
    t_s = np.array([s["contact_s"] - spans[s["span"]].at_s + spans[s["span"]].t0_s for s in steps])
    numbers = np.rint(t_s / step_s).astype(int)
    true = {
        round(one.contact_s / step_s): one
        for one in played.attempt.steps(0.0, np.inf if not len(t_s) else t_s[-1] + 1)
    }
    since = t_s > t_s[0] + _GLIDE_S if len(t_s) else np.zeros(0, bool)
    steps, numbers = steps[since], numbers[since]
    drops = np.array([true[k].peak_drop_deg for k in numbers])
    sides = np.array([true[k].right for k in numbers])
    return Held(
        wrong=int(np.count_nonzero(sides != (steps["right"] == 1))),
        missed=int(numbers[-1] - numbers[0] + 1 - len(set(numbers))),
        off_deg=steps["peak_drop_deg"] - drops,
        right=steps["right"] == 1,
        block=steps["block"],
        true_deg=drops,
    )
