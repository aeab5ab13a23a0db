"""A visit's machine behind the real pipeline: somebody who sways as people do, then a recorded runner."""

from __future__ import annotations

import pytest

from appliance.clinic.session import Session
from appliance.clinic.terms import (
    Act,
    Block,
    BlockEnded,
    Kind,
    Lit,
    Measured,
    Plan,
    Target,
    VisitKind,
    Zeroed,
)
from appliance.config import Feedback
from appliance.records import Step
from appliance.station.loop import warmed
from hw.camera import scene as scenes
from hw.camera.scene import Scene
from hw.camera.virtual import VirtualCamera


def seen(scene: Scene, session: Session) -> tuple[list[Act], list[Step]]:
    """Everything that happens in a session before this scene's camera, and the steps told to it."""
    pipeline = warmed(scenes.settings(scene))
    acts: list[Act] = []
    steps: list[Step] = []
    for frame in VirtualCamera(scene).frames():
        if frame is not None:
            update = pipeline.feed(frame)
            acts += session.feed(update.t_s, update.moment, update.steps)
            steps += update.steps
    return acts, steps


def plan(*blocks: Block) -> Plan:
    return Plan(kind=VisitKind.VISIT, protocol="seen", number=1, visits=1, blocks=blocks)


def test_somebody_who_stands_as_people_do_gives_the_zero_in_little_more_than_its_time() -> None:
    scene = Scene(act="stand", duration_s=7.0)
    acts, _ = seen(scene, Session(plan(Block(kind=Kind.STAND, seconds=5.0)), 0.0))
    zeroed = next(act for act in acts if isinstance(act, Zeroed))
    assert zeroed.at_s < 6.5
    assert zeroed.zero_deg == pytest.approx(VirtualCamera(scene).standing_deg, abs=0.1)
    assert zeroed.spread_deg < 0.3


def test_a_recorded_runner_s_baseline_is_the_mean_of_the_steps_and_sets_the_target() -> None:
    target = Target(percent=80, floor_deg=0.5, of="visit")
    blocks = (
        Block(kind=Kind.BASELINE, seconds=8.0),
        Block(kind=Kind.FEEDBACK, seconds=60.0, mode="step", target=target),
    )
    session = Session(plan(*blocks), 0.0, settings=Feedback())
    acts, steps = seen(Scene(runner="rbds001", duration_s=15.0), session)
    baseline = next(act for act in acts if isinstance(act, Measured)).baseline
    ended_s = next(act for act in acts if isinstance(act, BlockEnded)).at_s
    told = [step for step in steps if step.contact_s < ended_s and step.peak_drop_deg is not None]
    for side, mean_deg in (("left", baseline.left_drop_deg), ("right", baseline.right_drop_deg)):
        drops = [step.peak_drop_deg for step in told if step.stance == side and step.peak_drop_deg]
        assert mean_deg == pytest.approx(sum(drops) / len(drops), abs=1e-9)
    lit = [act.aim for act in acts if isinstance(act, Lit)][-1]
    assert lit.mode == "step"
    assert lit.target_deg == pytest.approx(0.8 * max(baseline.left_drop_deg, baseline.right_drop_deg))
    assert baseline.cadence_spm == pytest.approx(156, abs=4)
