"""A runner who learns: what the bar shows changes how far each hip drops, and something of it stays until next time.

Degrees, drops by stance side; seconds of the treadmill's clock. Every step's peak drop is decided when it begins, by
how much of the goal is kept up at that moment (`effort`, 0 = as always, 1 = all of it), with the scatter of a real
runner's steps, and is known afterwards: the truth that measured figures are held against. With a lit bar the effort
rises within half a minute, in the dark it falls back to what has become habit; habit grows with time in the light, and
a part of it is lost until the next visit. A model for tests, with figures chosen to look like a course; no claim about
people.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from appliance.records import F64, Side
from hw.camera.runner import Runner, _smooth

_LIT_EFFORT = 0.95
_RISE_S, _FALL_S = 25.0, 40.0
"""How fast effort goes up in the light, and back to habit in the dark."""
_LEARN_S = 2700.0
"""Of lit running until 63 % of what can be learnt is habit."""
_MOST_HABIT, _KEPT = 0.92, 0.95
_SCATTER_DEG, _SERIAL = 0.9, 0.35
"""Of one side's steps around their mean, and how much of it the side's next step keeps."""


class Figures(msgspec.Struct, frozen=True):
    """What somebody brings: usual mean peak drops by stance side, what can be reached, cadence, tilt of the marks."""

    left_deg: float = 6.4
    right_deg: float = 9.6
    left_goal_deg: float = 4.8
    right_goal_deg: float = 5.2
    cadence_spm: float = 168.0
    tilt_deg: float = 1.3
    seed: int = 7


class TrueDrop(NamedTuple):
    """One step as it was meant: which stance, when its foot came down, how far the other hip fell."""

    right: bool
    contact_s: float
    peak_drop_deg: float


class Drops:
    """The peak drop of each step, by its number; decided one after the other, never changed again."""

    def __init__(self, first_deg: tuple[float, float]) -> None:
        self._deg: list[float] = []
        self._first_deg = first_deg

    def __len__(self) -> int:
        return len(self._deg)

    def decide(self, peak_deg: float) -> None:
        """The next step's."""
        self._deg.append(peak_deg)

    def of(self, k: F64) -> F64:
        """Of the steps `k`; those that nobody has decided yet are as usual."""
        numbers = k.astype(np.int64)
        known = np.array([*self._deg, 0.0])
        usual = np.where(numbers % 2 == 0, *self._first_deg)
        inside = (numbers >= 0) & (numbers < len(self._deg))
        return np.asarray(np.where(inside, known[np.where(inside, numbers, -1)], usual))


class Trainee(Runner, frozen=True, kw_only=True):
    """The synthetic runner, each of whose steps drops by a figure of its own; contacts fall on whole step times."""

    drops: Drops

    def obliquity_deg(self, t_s: F64) -> F64:
        """As `Runner.obliquity_deg`: level at mid-flight, where one step's figure gives way to the next one's."""
        k, p = self._step_and_phase(t_s + self.flight_s / 2)
        top = self.flight_s / 2 + self.peak_at * self.contact_time_s
        hump = _smooth(np.minimum(p / top, (self.step_s - p) / (self.step_s - top)))
        sign = np.where((k % 2 == 0) == (self.first is Side.RIGHT), 1.0, -1.0)
        return np.asarray(sign * self.drops.of(k) * hump + self.tilt_deg)


class Learner:
    """Somebody who comes again and again. pace : so many times as fast as life (a course in minutes)."""

    def __init__(self, figures: Figures | None = None, *, pace: float = 1.0) -> None:
        self.figures, self._pace = figures or Figures(), pace
        self.habit = 0.0
        self._visits = 0

    def arrives(self) -> Attempt:
        """The next visit begins; some of the habit has been lost since the last one."""
        self._visits += 1
        self.habit *= 1.0 if self._visits == 1 else _KEPT
        return Attempt(self, self._visits, self._pace)


class Attempt:
    """One visit of a learner: `lives` is called as time goes on, and decides each step that begins."""

    def __init__(self, who: Learner, number: int, pace: float) -> None:
        self._who, self._pace = who, pace
        figures = who.figures
        self._rng = np.random.default_rng((figures.seed, number))
        self._off_deg = [0.0, 0.0]
        self.effort = who.habit
        self._at_s = 0.0
        self.drops = Drops((figures.right_deg, figures.left_deg))
        self.runner = Trainee(
            drops=self.drops, cadence_spm=figures.cadence_spm, tilt_deg=figures.tilt_deg, pair="plate"
        )

    def lives(self, until_s: float, *, lit: bool, running: bool) -> None:
        """Time goes on to `until_s`, with the bar lit or not; steps that begin by then are decided."""
        dt_s = max(0.0, until_s - self._at_s) * self._pace
        self._at_s = max(self._at_s, until_s)
        who = self._who
        if running:
            goal, within_s = (_LIT_EFFORT, _RISE_S) if lit else (who.habit, _FALL_S)
            self.effort += (goal - self.effort) * (1.0 - math.exp(-dt_s / within_s))
            who.habit += (_MOST_HABIT - who.habit) * (1.0 - math.exp(-dt_s * lit / _LEARN_S))
        begun = math.floor((until_s + self.runner.flight_s / 2) / self.runner.step_s) + 1
        while len(self.drops) < begun:
            self.drops.decide(self._drop_deg(right=len(self.drops) % 2 == 0))

    def steps(self, from_s: float, to_s: float) -> list[TrueDrop]:
        """The steps whose contact lies between two times, as they were."""
        step_s, decided = self.runner.step_s, self.drops.of(np.arange(len(self.drops), dtype=np.float64))
        first, last = math.ceil(from_s / step_s), min(len(decided), math.ceil(to_s / step_s))
        return [TrueDrop(k % 2 == 0, k * step_s, float(decided[k])) for k in range(max(0, first), last)]

    def _drop_deg(self, *, right: bool) -> float:
        figures = self._who.figures
        usual, goal = (
            (figures.right_deg, figures.right_goal_deg)
            if right
            else (figures.left_deg, figures.left_goal_deg)
        )
        fresh = math.sqrt(1.0 - _SERIAL**2) * _SCATTER_DEG * float(self._rng.standard_normal())
        self._off_deg[right] = _SERIAL * self._off_deg[right] + fresh
        return max(0.2, usual + (goal - usual) * self.effort + self._off_deg[right])
