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
    """All steps for `wrong` and `missed`, those of the blocks of running for the rest."""
    step_s = played.attempt.runner.step_s
    spans = {span.n: span for span in data.spans}
    t_s = np.array([s["contact_s"] - spans[s["span"]].at_s + spans[s["span"]].t0_s for s in data.steps])
    running = t_s > t_s[0] + _GLIDE_S
    steps, numbers = data.steps[running], np.rint(t_s[running] / step_s).astype(int)
    true = {round(one.contact_s / step_s): one for one in played.attempt.steps(0.0, t_s[-1] + 1.0)}
    drops = np.array([true[k].peak_drop_deg for k in numbers])
    sides = np.array([true[k].right for k in numbers])
    counted = [row.n for row in data.blocks if row.block.kind in RUNNING_KINDS]
    of = np.isin(steps["block"], counted) & (steps["paused"] == 0)
    return Held(
        wrong=int(np.count_nonzero(sides != (steps["right"] == 1))),
        missed=int(numbers[-1] - numbers[0] + 1 - len(set(numbers))),
        off_deg=(steps["peak_drop_deg"] - drops)[of],
        right=steps["right"][of] == 1,
        block=steps["block"][of],
        true_deg=drops[of],
    )
