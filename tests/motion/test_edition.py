"""The steps of the recorded runners are those of the edition that the program says it is."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from watching import keypoints

from appliance.motion.edition import EDITION
from appliance.motion.gait import Motion
from appliance.records import Side, Step
from hw.camera.scene import Scene, settings

RUNNERS = (("rbds001", "psis"), ("rbds001", "iliac_crest"), ("rbds002", "iliac_crest"), ("ric", "plate"))
SEEN = {
    ("rbds001", "psis"): "5e9462abf1936509",
    ("rbds001", "iliac_crest"): "1dfe9487b2bc7955",
    ("rbds002", "iliac_crest"): "2c487b1a9b51da8e",
    ("ric", "plate"): "b4a87b75236a0dd3",
}
"""Digests of the keypoints: what goes in is drawn by the virtual camera, and not what this file is about."""
STEPS = {
    1: {
        ("rbds001", "psis"): (62, "f72440dc59e6899a"),
        ("rbds001", "iliac_crest"): (62, "1ccf46f61659ebf3"),
        ("rbds002", "iliac_crest"): (59, "5dd53bb5d212e706"),
        ("ric", "plate"): (65, "0b822b8c882452f6"),
    },
}
"""Edition: how many steps, and their digest. Never change a line: add one for the next edition."""


def digest(values: np.ndarray) -> str:
    """Of numbers to the fourth digit behind the point: a tenth of a millisecond, a ten-thousandth of a degree."""
    whole = np.where(np.isfinite(values), np.rint(values * 1e4), -(2.0**40)).astype("<i8")
    return hashlib.sha256(whole.tobytes()).hexdigest()[:16]


def row(step: Step) -> list[float]:
    figures = (
        step.contact_s, step.off_s, step.peak_s, step.peak_drop_deg, step.contact_drop_deg,
        step.midstance_drop_deg, step.sway_px, step.flight_s, step.quality, step.decided_s,
    )  # fmt: skip
    return [step.stance is Side.RIGHT, *(np.nan if figure is None else figure for figure in figures)]


def run(who: tuple[str, str]) -> tuple[str, tuple[Step, ...]]:
    """24 s of a recorded runner, never drawn: digest of the keypoints, and the steps."""
    scene = Scene(runner=who[0], pair=who[1], loop=False, duration_s=24.0)
    t_s, xy = keypoints(scene, noise_px=0.0)
    motion = Motion(settings(scene))
    motion.open(scene.width_px, scene.height_px)
    return digest(xy), motion.advance(t_s, xy, 0.0)[1]


@pytest.mark.parametrize("who", RUNNERS, ids=" ".join)
def test_the_steps_are_those_of_this_edition(who: tuple[str, str]) -> None:
    seen, steps = run(who)
    assert seen == SEEN[who], (
        "the virtual camera's runner has changed: renew SEEN and STEPS at the last commit"
    )
    found = len(steps), digest(np.array([row(step) for step in steps]))
    assert EDITION in STEPS, f"write down the digests of edition {EDITION}: {who}: {found}"
    assert found == STEPS[EDITION][who], f"the steps have changed: count EDITION up, then {who}: {found}"


def test_every_edition_has_steps_of_its_own() -> None:
    lines = [tuple(sorted(steps.items())) for steps in STEPS.values()]
    assert len(set(lines)) == len(lines)
    assert max(STEPS) == EDITION
