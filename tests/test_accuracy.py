"""Recorded runners, drawn and read again, against the force plate under them and their marks in space."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from watching import Compared, Watched, compared, rms, watch

from appliance.records import Side
from hw.camera.scene import Scene

PLATES = [("rbds001", "psis"), ("rbds001", "iliac_crest"), ("rbds002", "psis"), ("rbds002", "iliac_crest")]
"""Runners on a treadmill with a force plate, and which marks are looked at."""


def whole(runner: str, pair: str) -> Scene:
    return Scene(runner=runner, pair=pair, loop=False, duration_s=29.0)


@pytest.fixture(scope="module")
def found() -> list[Compared]:
    """Half a minute of each runner through rendered pixels."""
    return [compared(watch(whole(*who))) for who in PLATES]


def test_no_step_is_on_the_wrong_side_and_at_most_one_in_a_hundred_missed_or_invented(
    found: list[Compared],
) -> None:
    assert sum(c.true for c in found) > 280
    assert sum(c.wrong for c in found) == 0
    assert sum(c.missed + c.invented for c in found) <= 0.01 * sum(c.true for c in found)


def test_contacts_are_within_20_ms_of_the_force_plate_and_25_for_any_one(found: list[Compared]) -> None:
    assert rms(np.concatenate([c.contact_s for c in found])) <= 0.020
    assert max(rms(c.contact_s) for c in found) <= 0.025
    assert max(np.std(c.contact_s) for c in found) <= 0.012


def test_offs_are_within_30_ms_of_the_force_plate(found: list[Compared]) -> None:
    assert max(rms(c.off_s) for c in found) <= 0.030


def test_every_step_is_decided_at_most_120_ms_after_its_off(found: list[Compared]) -> None:
    assert max(np.max(c.decided_s) for c in found) <= 0.120


def test_peak_drops_are_those_of_the_marks_in_space(found: list[Compared]) -> None:
    for one in found:
        assert abs(np.mean(one.peak_deg)) <= 0.15
        assert np.std(one.peak_deg) <= 0.25


def test_the_plate_on_the_sacrum_gives_alternating_steps_with_the_peaks_of_the_marks() -> None:
    seen = watch(Scene(runner="ric", pair="plate", loop=False, duration_s=24.5))
    steps = seen.steps
    assert len(steps) >= 0.98 * (seen.t_s[-1] - 1.0) * seen.moments["cadence_spm"][-1] / 60
    assert all(a.stance is not b.stance for a, b in pairwise(steps))
    off = []
    for step in steps:
        inside = (seen.moments["t_s"] >= step.contact_s) & (seen.moments["t_s"] <= step.off_s)
        sign = 1 if step.stance is Side.RIGHT else -1
        assert step.peak_drop_deg is not None
        off.append(step.peak_drop_deg - np.max(sign * seen.elevation_deg[inside]))
    assert abs(np.mean(off)) <= 0.15
    assert np.std(off) <= 0.25


ANGLES = [
    ("rbds001", "iliac_crest", 900.0, (480, 800), 100, 0.15),
    ("rbds002", "iliac_crest", 760.0, (480, 800), 100, 0.15),
    ("rbds001", "iliac_crest", 640.0, (480, 640), 70, 0.15),
    ("rbds001", "psis", 985.0, (480, 800), 30, 0.35),
    ("ric", "plate", 960.0, (480, 800), 30, 0.35),
    ("ric", "plate", 480.0, (480, 640), 15, 0.35),
]
"""Runner, pair, focal length and picture; about how many pixels the pair is apart; the limit (degrees RMS)."""


def angle_error_deg(seen: Watched) -> float:
    found = (
        seen.t_s > 0.25
    )  # a plate of four dots, or a heel out of the picture, is told from clutter by its motion
    assert np.isfinite(seen.moments["obliquity_deg"][found]).all()
    return rms((seen.moments["obliquity_deg"] - seen.elevation_deg)[found])


@pytest.mark.parametrize("pitch_deg", [0.0, 12.0])
@pytest.mark.parametrize(("runner", "pair", "f_px", "size", "apart_px", "limit_deg"), ANGLES)
def test_the_angle_of_every_frame_is_that_of_the_pair_in_space(
    runner: str,
    pair: str,
    f_px: float,
    size: tuple[int, int],
    apart_px: float,
    limit_deg: float,
    pitch_deg: float,
) -> None:
    seen = watch(
        Scene(
            runner=runner,
            pair=pair,
            f_px=f_px,
            width_px=size[0],
            height_px=size[1],
            pitch_deg=pitch_deg,
            duration_s=4.0,
        )
    )
    apart = np.linalg.norm(seen.xy_px[:, 1] - seen.xy_px[:, 0], axis=1)
    assert np.nanmean(apart) == pytest.approx(apart_px, rel=0.06)
    assert angle_error_deg(seen) <= limit_deg


TROUBLES = [
    {"lost": 0.05},
    {"noise": 6.0, "background": 45.0, "gradient_y": 60.0, "dot_level": 170.0},
    {"rate_hz": 60.0},
    {"row_us": 15.0, "rotate_deg": 90, "mirror": True, "width_px": 640, "height_px": 480},
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_with_trouble_steps_may_be_fewer_but_none_is_wrong_or_invented(trouble: dict[str, object]) -> None:
    scene = Scene(runner="rbds001", duration_s=10.0, **trouble)  # type: ignore[arg-type]
    one = compared(watch(scene))
    assert one.true >= 24
    assert (one.wrong, one.invented) == (0, 0)
    assert one.missed <= 1
    assert rms(one.contact_s) <= 0.020
    assert rms(one.off_s) <= 0.030


@pytest.mark.parametrize("trouble", [{"hide_heels_below_m": 0.15}, {"hide_heels_above_m": 0.25}], ids=str)
def test_heels_hidden_for_a_part_of_every_stride_may_cost_steps_but_name_no_wrong_side(
    trouble: dict[str, float],
) -> None:
    one = compared(watch(Scene(runner="rbds001", duration_s=10.0, **trouble)))  # type: ignore[arg-type]
    assert (one.wrong, one.invented) == (0, 0)
    assert (
        one.missed <= one.true / 3
    )  # the first steps, until it is known which heel is seen, and doubtful ones
