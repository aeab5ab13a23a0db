"""Somebody exercises before the virtual camera; the real sight core sees it, and the machine counts what was done."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from appliance.clinic.drill import Drill
from appliance.clinic.exercise import drill_plan, parse_exercise
from appliance.clinic.terms import Act, BlockEnded, Kind, Lit, Plan, Rep, VisitState, Zeroed
from appliance.config import Settings
from appliance.pipeline import Pipeline
from appliance.records import Frame, Shown
from hw.camera.scene import Hidden, Scene, settings, worn
from hw.camera.training import DROP_DEG, LAPSE_FOR_S, LAPSE_S
from hw.camera.world import World

RATE_HZ = 60.0
SHORT = "sets = 1\nrest_s = 2\nready_s = 2\nstand_s = 2\n"
HIP_DROP = 'kind = "reps"\nreps = 2\nrange_deg = 6\n' + SHORT
WALL = 'kind = "hold"\nhold_s = 11\nband_deg = 3\n' + SHORT
PLANK = 'kind = "hold"\nmeasure = "height"\nrange_px = 15\nhold_s = 6\nreps = 2\npause_s = 5\n'
PLANK += 'sides = ["left"]\nsets = 1\nrest_s = 12\nready_s = 8\nstand_s = 0\n'


class Done(NamedTuple):
    """What an exercise before the camera has brought."""

    acts: list[Act]
    state: VisitState
    live: list[int]  # what the bar showed in each frame at work
    errors_deg: np.ndarray  # of the live pelvis at work
    elsewhere: list[int]


class Room:
    """A camera, a person who does what the plan says, and the station's whole way from pixels to light."""

    def __init__(self, plan: Plan, act: str, runner: str, unseen_s: float = 0.0) -> None:
        self._act = act
        self._scene = Scene(runner=runner, rate_hz=RATE_HZ, act="stand")
        hidden = tuple(Hidden(mark, 0.5, 0.5 + unseen_s) for mark in worn(self._scene))
        self._scene = msgspec.structs.replace(self._scene, hidden=hidden)
        self._acts = ((-math.inf, "stand"),)
        self._world = World(self._scene, acts=self._acts)  # type: ignore[arg-type]
        self._base = settings(self._scene, Settings())
        self._mode, self._zero_deg = "off", 0.0
        self._drill = Drill(plan, 0.0)
        self._plan = plan

    def until_over(self, most_s: float) -> Done:
        """Frame by frame, as a service would: what the machine says is set before the next frame."""
        pipeline = Pipeline(self._settings())
        acts: list[Act] = []
        shown, elsewhere, errors = [], [], []
        for seq in range(round(most_s * RATE_HZ)):
            t_s = seq / RATE_HZ
            self._direct(t_s)
            update = pipeline.feed(Frame(seq=seq, t_s=t_s, luma=self._world.picture(seq, t_s)))
            if self._mode == "live":
                shown.append(int(update.shown))
                true_deg = float(self._world.elevation_deg(t_s)) - self._zero_deg
                errors.append(float(update.moment["level_deg"]) - true_deg)
            else:
                elsewhere.append(int(update.shown))
            assert update.guard_acts == 0
            said = self._drill.feed(t_s, update.moment, update.steps)
            acts += said
            pipeline = self._obeyed(said, pipeline)
            if self._drill.state is not VisitState.RUNNING:
                break
        return Done(acts, self._drill.state, shown, np.array(errors), elsewhere)

    def way_deg(self, rep: Rep) -> float:
        """How far the pelvis truly tilted in a repetition that is over."""
        return float(np.ptp(self._world.elevation_deg(np.arange(rep.began_s, rep.ended_s, 0.01))))

    def _direct(self, t_s: float) -> None:
        """The person goes over to the set's own side when its rest begins."""
        n = self._drill.progress.block
        work = next((block for block in self._plan.blocks[n:] if block.kind in (Kind.HOLD, Kind.REPS)), None)
        now = self._plan.blocks[min(n, len(self._plan.blocks) - 1)]
        if work is None or now.kind is Kind.STAND:
            return
        act = f"{self._act} {work.side.value if work.side else ''}"
        if act != self._acts[-1][1]:
            self._acts = (*self._acts, (t_s, act))[-3:]
            self._world = World(self._scene, acts=self._acts)  # type: ignore[arg-type]

    def _obeyed(self, said: tuple[Act, ...], pipeline: Pipeline) -> Pipeline:
        for act in said:
            if isinstance(act, Lit):
                self._mode = act.aim.mode
                pipeline.adopt(self._settings())
            elif isinstance(act, Zeroed):
                self._zero_deg = act.zero_deg
                pipeline = Pipeline(self._settings())
        return pipeline

    def _settings(self) -> Settings:
        replace, base = msgspec.structs.replace, self._base
        return replace(
            base,
            feedback=replace(base.feedback, mode=self._mode),  # type: ignore[arg-type]
            motion=replace(base.motion, zero_deg=self._zero_deg),
        )


def reps(acts: list[Act], n: int | None = None) -> list[Rep]:
    return [act for act in acts if isinstance(act, Rep) and n in (None, act.n)]


@pytest.mark.parametrize("runner", ["rbds001", "ric"])
def test_hip_drops_are_counted_as_many_as_they_are_and_as_wide_on_both_sides(runner: str) -> None:
    room = Room(drill_plan(parse_exercise(HIP_DROP, "a.toml")), "hip drops", runner)
    done = room.until_over(60.0)
    assert done.state is VisitState.DONE
    ended = [act for act in done.acts if isinstance(act, BlockEnded)]
    assert [act.why for act in ended] == ["done"] * 5
    for n in (2, 4):
        found = reps(done.acts, n)
        assert [rep.number for rep in found] == [1, 2]
        assert [rep.range_deg for rep in found] == pytest.approx(
            [room.way_deg(rep) for rep in found], abs=0.2
        )
        assert found[-1].range_deg == pytest.approx(DROP_DEG[1] - DROP_DEG[0], abs=0.5)
        apart = np.diff([rep.ended_s for rep in found])
        assert apart == pytest.approx([4.0], abs=0.1)
    assert set(done.live) == {Shown.MEASUREMENT}, "the pelvis is live although nobody runs"
    assert Shown.MEASUREMENT not in done.elsewhere
    assert np.nanpercentile(np.abs(done.errors_deg), 95) < 0.5  # the zero was taken beside the step


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_hold_at_the_wall_counts_no_lapse(side: str) -> None:
    text = WALL + f'sides = ["{side}"]\n'
    done = Room(drill_plan(parse_exercise(text, "a.toml")), "wall hold", "rbds001").until_over(60.0)
    assert done.state is VisitState.DONE
    (rep,) = reps(done.acts)
    assert rep.level_s == pytest.approx(11.0, abs=0.1)
    out_s = LAPSE_FOR_S / 2  # from 3 deg out until 3 deg in again, of 6 deg at most
    assert rep.ended_s - rep.began_s == pytest.approx(11.0 + out_s, abs=0.4)
    assert rep.ended_s - rep.began_s < LAPSE_S + 2
    assert set(done.live) == {Shown.MEASUREMENT}
    assert np.nanpercentile(np.abs(done.errors_deg), 95) < 0.5


def test_planks_are_counted_by_height_with_the_plate_also_after_lying_down_unseen() -> None:
    plan = drill_plan(parse_exercise(PLANK, "a.toml"))
    done = Room(plan, "side plank", "ric", unseen_s=3.0).until_over(150.0)
    assert done.state is VisitState.DONE
    assert [(rep.n, rep.number) for rep in reps(done.acts)] == [(1, 1), (1, 2)]
    assert all(rep.level_s == pytest.approx(6.0, abs=0.1) for rep in reps(done.acts))
    assert not done.live, "the angle of dots on their side is none, so nobody is shown it"
