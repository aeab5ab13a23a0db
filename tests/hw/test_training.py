"""Somebody who exercises before the virtual camera does what the figures say, and stays a person while doing it."""

import math

import numpy as np
import pytest

from hw.camera.scene import Scene, reflected
from hw.camera.training import (
    DROP_DEG,
    DROP_S,
    EXERCISES,
    LAPSE_DEG,
    LAPSE_S,
    PLANK_S,
    drop_deg,
    lapse_deg,
    lifted,
)
from hw.camera.virtual import VirtualCamera

RUNNERS = ("rbds001", "rbds002", "ric")
T_S = np.arange(0.0, 24.0, 0.02)


def _drop_deg(camera, side):
    """How far the free side is below its standing place."""
    risen = camera.elevation_deg(T_S) - camera.standing_deg
    return risen if side == "right" else -risen


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_free_side_drops_on_the_step_as_far_as_it_is_said_to(runner, side):
    drop = _drop_deg(VirtualCamera(Scene(runner=runner, act=f"hip drops {side}")), side)
    assert np.abs(drop - drop_deg(T_S)).max() < 0.6
    assert drop.min() == pytest.approx(DROP_DEG[0], abs=0.5)
    assert drop.max() == pytest.approx(DROP_DEG[1], abs=0.5)
    turns = np.flatnonzero(np.diff(np.sign(np.diff(drop_deg(T_S)))))
    assert len(turns) == pytest.approx(2 * 24 / DROP_S, abs=1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_at_the_wall_the_pelvis_is_level_but_for_its_lapses(side):
    drop = _drop_deg(VirtualCamera(Scene(act=f"wall hold {side}")), side)
    assert np.abs(drop - lapse_deg(T_S)).max() < 1.0
    assert lapse_deg(T_S).max() == pytest.approx(LAPSE_DEG, abs=0.01)
    assert (lapse_deg(np.array([0.0, 3.0, 8.9, LAPSE_S, LAPSE_S + 8.9])) == 0).all()


@pytest.mark.parametrize("side", ["left", "right"])
def test_in_a_plank_the_hip_goes_up_off_the_floor_and_down_again(side):
    camera = VirtualCamera(Scene(runner="ric", act=f"side plank {side}"))
    heights = np.array([np.mean([camera.truth(t)[mark][2] for mark in camera.pair]) for t in T_S])
    assert heights.max() - heights.min() == pytest.approx(0.12, abs=0.001)
    assert np.corrcoef(heights, lifted(T_S))[0, 1] > 0.999
    assert lifted(np.array([0.0, 5.0, 10.0, 11.5, 14.9, PLANK_S])) == pytest.approx([0, 1, 1, 0, 0, 0])
    below = camera.pair[0] if side == "left" else camera.pair[1]
    above = camera.pair[1] if side == "left" else camera.pair[0]
    assert all(camera.truth(t)[above][2] > camera.truth(t)[below][2] + 0.02 for t in (0.0, 5.0, 14.0))


@pytest.mark.parametrize("exercise", EXERCISES)
def test_nobody_is_stretched_or_jumps(exercise):
    camera = VirtualCamera(Scene(act=exercise))
    left, right = camera.pair
    places = np.array([[camera.truth(t)[m] for m in (left, right)] for t in T_S])
    apart = np.linalg.norm(places[:, 1] - places[:, 0], axis=1)
    assert np.ptp(apart) < 1e-6
    speed = np.linalg.norm(np.diff(places, axis=0), axis=2) / 0.02
    assert speed.max() < 0.6


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_other_side_is_the_mirror_image(exercise):
    scene = Scene(act=exercise)
    one, other = (VirtualCamera(s).picture(5, 2.3) for s in (scene, reflected(scene)))
    assert np.array_equal(other, one[:, ::-1])


def test_somebody_glides_from_standing_into_an_exercise():
    from hw.camera.world import World

    world = World(Scene(act="stand"), acts=((-math.inf, "stand"), (1.0, "hip drops left")))
    places = world.actor.at(np.arange(0.9, 1.8, 0.01))
    assert np.abs(np.diff(places, axis=0)).max() < 0.02
