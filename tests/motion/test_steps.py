"""Keypoints of runners whose every step is known: times, sides, drops and means; holes, pauses, and nothing at all."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace
from watching import Watched, compared, keypoints, rms

from appliance.config import Motion as MotionSettings
from appliance.config import Settings
from appliance.motion.gait import Motion
from appliance.records import STALE_S, Posture, Side, Step
from hw.camera.runner import Runner
from hw.camera.scene import Scene, settings

F64 = np.ndarray
steady = examples(max_examples=25, deadline=None, derandomize=True)

WIDE = {"pair": "iliac_crest", "pair_width_m": 0.28}
RUNNER = Runner(**WIDE)  # type: ignore[arg-type]
SCENE = Scene(runner=RUNNER, duration_s=8.0)


@pytest.fixture(scope="module")
def run() -> tuple[F64, F64]:
    """Eight seconds of keypoints of a runner with 2 degrees between the sides, at 120 frames a second."""
    return keypoints(SCENE)


def advanced(t_s: F64, xy: F64, **chosen: float) -> tuple[np.ndarray, tuple[Step, ...], Motion]:
    motion = Motion(Settings(motion=MotionSettings(**chosen)))  # type: ignore[arg-type]
    motion.open(480, 640)
    moments, steps = motion.advance(t_s, np.ascontiguousarray(xy), 0.0)
    return moments, steps, motion


def measured(scene: Scene) -> Watched:
    """The scene's keypoints, never drawn, through `Motion` alone."""
    t_s, xy = keypoints(scene)
    motion = Motion(settings(scene))
    motion.open(scene.width_px, scene.height_px)
    moments, steps = motion.advance(t_s, xy, scene.row_us * 1e-6)
    shown = np.isfinite(xy[..., 0])
    return Watched(
        scene, t_s, xy, shown * 1.0, shown[:, 0], moments, steps, xy, shown, moments["obliquity_deg"]
    )


def near(steps: tuple[Step, ...], contact_s: float) -> Step:
    return min(steps, key=lambda s: abs(s.contact_s - contact_s))


GAITS = [
    (2.5, 150, 0.31),
    (2.5, 150, 0.25),
    (2.5, 200, 0.24),
    (3.0, 165, 0.27),
    (3.0, 200, 0.27),
    (3.5, 170, 0.22),
    (4.5, 160, 0.18),
    (4.5, 180, 0.19),
    (4.5, 200, 0.18),
]


@pytest.mark.parametrize(("speed_mps", "cadence_spm", "contact_time_s"), GAITS)
def test_every_step_of_a_known_runner_is_told_in_time_on_its_side_and_with_its_peak(
    speed_mps: float, cadence_spm: float, contact_time_s: float
) -> None:
    runner = replace(RUNNER, speed_mps=speed_mps, cadence_spm=cadence_spm, contact_time_s=contact_time_s)
    seen = measured(replace(SCENE, runner=runner))
    found = compared(seen)
    assert (found.missed, found.invented, found.wrong) == (0, 0, 0)
    assert rms(found.contact_s) < 0.016
    assert np.std(found.contact_s) < 0.004
    assert rms(found.off_s) < 0.018
    assert abs(np.mean(found.peak_deg)) < 0.15
    assert np.std(found.peak_deg) < 0.1
    assert np.max(found.decided_s) < 0.05
    assert seen.moments["cadence_spm"][-1] == pytest.approx(cadence_spm, rel=0.01)


@pytest.mark.parametrize(
    "chosen",
    [
        {"rate_hz": 60.0},
        {"rate_hz": 240.0},
        {"row_us": 15.0},
        {"row_us": 15.0, "rotate_deg": 90, "width_px": 640, "height_px": 480},
        {"runner": replace(RUNNER, first=Side.LEFT)},
        {"runner": replace(RUNNER, heel_lift_m=0.15)},
        {"runner": replace(RUNNER, step_width_m=0.02)},
        {"runner": replace(RUNNER, left_peak_drop_deg=-2.0, right_peak_drop_deg=9.0)},
        {"runner": replace(RUNNER, left_peak_drop_deg=0.0, right_peak_drop_deg=0.0)},
        {"k1": -0.25, "k2": 0.06, "pitch_deg": 12.0},
    ],
    ids=str,
)
def test_rates_shutters_lenses_and_odd_runners_change_neither_sides_nor_number(
    chosen: dict[str, object],
) -> None:
    found = compared(measured(replace(SCENE, **chosen)))
    assert (found.missed, found.invented, found.wrong) == (0, 0, 0)
    assert rms(found.contact_s) < 0.02
    assert rms(found.off_s) < 0.02


def test_a_hip_that_hikes_is_never_taken_for_the_other_foot() -> None:
    """The side comes from the heels: a pelvis that tilts the wrong way round in every stance changes no name."""
    hiker = replace(RUNNER, left_peak_drop_deg=-6.0, right_peak_drop_deg=-6.0)
    seen = measured(replace(SCENE, runner=hiker))
    assert compared(seen).wrong == 0
    drops = [s.contact_drop_deg for s in seen.steps[2:-1]]
    assert all(s.midstance_drop_deg < -3 for s in seen.steps[2:-1] if s.midstance_drop_deg is not None)
    assert None not in drops


def test_a_steps_figures_agree_with_one_another(run: tuple[F64, F64]) -> None:
    _, steps, _ = advanced(*run)
    for step in steps:
        assert step.contact_s < step.midstance_s < step.off_s < step.decided_s
        assert step.midstance_s == (step.contact_s + step.off_s) / 2
        assert step.contact_time_s == step.off_s - step.contact_s
        assert step.peak_drop_deg is not None
        assert step.contact_drop_deg is not None
        assert step.excursion_deg == step.peak_drop_deg - step.contact_drop_deg
        assert step.peak_s is not None
        assert step.contact_s <= step.peak_s <= step.off_s
        assert step.sway_px is not None
        assert step.sway_px > 0
        assert 0 < step.quality <= 1
    for before, after in pairwise(steps):
        assert after.flight_s == pytest.approx(after.contact_s - before.off_s)
        assert after.stance is not before.stance


def test_values_at_contact_at_mid_stance_and_the_peaks_time_are_the_runners(run: tuple[F64, F64]) -> None:
    _, steps, _ = advanced(*run)
    for true in RUNNER.steps(0.5, 7.5):
        step = near(steps, true.contact_s)
        assert step.contact_drop_deg == pytest.approx(
            true.contact_drop_deg, abs=0.6
        )  # 5 ms are 0.5 degrees there
        assert step.midstance_drop_deg == pytest.approx(true.midstance_drop_deg, abs=0.3)
        assert step.peak_s == pytest.approx(true.peak_s, abs=0.035)  # the top is flat


def test_the_standing_zero_is_taken_from_every_angle(run: tuple[F64, F64]) -> None:
    plain, zeroed = advanced(*run), advanced(*run, zero_deg=1.5)
    assert zeroed[0]["obliquity_deg"] == pytest.approx(plain[0]["obliquity_deg"] - 1.5, abs=1e-9)
    for one, other in zip(plain[1], zeroed[1], strict=True):
        shift = -1.5 if one.stance is Side.RIGHT else 1.5
        assert other.peak_drop_deg == pytest.approx((one.peak_drop_deg or 0) + shift, abs=1e-6)
        assert (one.contact_s, one.off_s) == (other.contact_s, other.off_s)


@pytest.mark.parametrize("steps_a_side", [1, 3, 7, 50])
def test_means_differences_and_spreads_are_those_of_the_last_peaks(
    run: tuple[F64, F64], steps_a_side: int
) -> None:
    moments, steps, motion = advanced(*run, steps=steps_a_side)
    drops = {
        side: [s.peak_drop_deg for s in steps if s.stance is side and s.peak_drop_deg is not None][
            -steps_a_side:
        ]
        for side in Side
    }
    left, right = (statistics.fmean(drops[side]) for side in Side)
    asymmetry, last = motion.asymmetry(), moments[-1]
    assert asymmetry is not None
    assert (asymmetry.left_steps, asymmetry.right_steps) == tuple(len(drops[side]) for side in Side)
    assert (last["left_steps"], last["right_steps"]) == (asymmetry.left_steps, asymmetry.right_steps)
    for figure, expected in (
        (asymmetry.left_drop_deg, left),
        (asymmetry.right_drop_deg, right),
        (asymmetry.difference_deg, right - left),
        (last["left_drop_deg"], left),
        (last["right_drop_deg"], right),
        (last["difference_deg"], right - left),
        (last["left_last_deg"], drops[Side.LEFT][-1]),
        (last["right_last_deg"], drops[Side.RIGHT][-1]),
    ):
        assert figure == pytest.approx(expected, abs=1e-12)
    for spread, side in ((asymmetry.left_sd_deg, Side.LEFT), (asymmetry.right_sd_deg, Side.RIGHT)):
        expected = statistics.stdev(drops[side]) if len(drops[side]) > 1 else math.nan
        assert spread == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert asymmetry.difference_deg == pytest.approx(2.0, abs=0.15)


def test_before_the_first_step_there_is_no_comparison(run: tuple[F64, F64]) -> None:
    t_s, xy = run
    moments, steps, motion = advanced(t_s[:20], xy[:20])
    assert not steps
    assert motion.asymmetry() is None
    for name in ("difference_deg", "left_drop_deg", "right_last_deg", "step_s", "cadence_spm"):
        assert np.isnan(moments[name]).all()


def test_a_step_is_known_only_from_the_frame_that_decided_it_on(run: tuple[F64, F64]) -> None:
    moments, steps, _ = advanced(*run)
    for step in steps:
        k = int(np.searchsorted(moments["t_s"], step.decided_s))
        name = f"{step.stance.value}_last_deg"
        assert moments[name][k] == step.peak_drop_deg
        assert moments[name][k - 1] != step.peak_drop_deg
        assert moments["step_s"][k] == step.decided_s
        assert step.off_s < moments["t_s"][k]


def test_without_heels_no_side_is_named_and_the_cadence_still_known(run: tuple[F64, F64]) -> None:
    t_s, xy = run[0], run[1].copy()
    xy[:, 2:] = np.nan
    moments, steps, motion = advanced(t_s, xy)
    assert not steps
    assert motion.asymmetry() is None
    assert not moments["sides_sure"].any()
    assert moments["posture"][-1] == Posture.RUNNING
    assert moments["cadence_spm"][-1] == pytest.approx(170, rel=0.01)
    for name in ("difference_deg", "left_drop_deg", "right_drop_deg", "left_last_deg", "right_last_deg"):
        assert np.isnan(moments[name]).all()


@pytest.mark.parametrize("lone", [2, 3])
def test_with_one_heel_for_ever_unseen_no_wrong_side_is_named(run: tuple[F64, F64], lone: int) -> None:
    t_s, xy = run[0], run[1].copy()
    xy[:, lone] = np.nan
    _, steps, _ = advanced(t_s, xy)
    for step in steps:
        assert near_true(step).stance is step.stance


def near_true(step: Step):  # type: ignore[no-untyped-def]
    return RUNNER.step(round(step.contact_s / RUNNER.step_s))


@pytest.mark.parametrize("seed", range(12))
def test_marks_hidden_for_up_to_0_3_s_name_no_wrong_side_and_give_no_number(seed: int) -> None:
    t_s, xy = (a.copy() for a in _run())
    rng = np.random.default_rng(seed)
    for mark in range(4):
        for start in rng.integers(0, len(t_s), 3):
            xy[start : start + rng.integers(1, 37), mark] = np.nan
    moments, steps, _ = advanced(t_s, xy)
    pair = np.isfinite(xy[:, :2]).all(axis=(1, 2))
    assert np.array_equal(np.isfinite(moments["obliquity_deg"]), pair)
    assert np.array_equal(np.isfinite(moments["sway_px"]), pair)
    assert len(steps) >= 18
    for step in steps:
        true = near_true(step)
        assert step.stance is true.stance
        if step.peak_drop_deg is not None:
            assert step.peak_drop_deg == pytest.approx(true.peak_drop_deg, abs=1.6)


_RUN: list[tuple[F64, F64]] = []


def _run() -> tuple[F64, F64]:
    if not _RUN:
        _RUN.append(keypoints(SCENE))
    return _RUN[0]


@pytest.mark.parametrize("marks", [(0, 1), (0,), (1,)], ids=["both", "left", "right"])
def test_a_peak_that_may_have_been_in_a_hole_is_not_told(
    run: tuple[F64, F64], marks: tuple[int, ...]
) -> None:
    (
        t_s,
        whole,
    ) = run
    _, steps, _ = advanced(t_s, whole)
    for step in steps[6:10]:
        xy = whole.copy()
        xy[np.ix_(abs(t_s - step.midstance_s) < 0.04, marks)] = np.nan
        _, holed, motion = advanced(t_s, xy)
        same = near(holed, step.contact_s)
        assert same.peak_drop_deg is None
        assert same.excursion_deg is None
        assert same.quality < step.quality
        asymmetry, before = motion.asymmetry(), len(steps)
        assert asymmetry is not None
        assert len(holed) == before


def test_a_hole_over_a_whole_stance_makes_no_step_of_it(run: tuple[F64, F64]) -> None:
    t_s, whole = run
    _, steps, _ = advanced(t_s, whole)
    gone = steps[8]
    xy = whole.copy()
    xy[(t_s > gone.contact_s - 0.05) & (t_s < gone.off_s + 0.05)] = np.nan
    moments, left, _ = advanced(t_s, xy)
    assert abs(near(left, gone.contact_s).contact_s - gone.contact_s) > 0.2
    assert [s.stance for s in left if s.contact_s > gone.off_s] == [
        s.stance for s in steps if s.contact_s > gone.off_s
    ]
    assert np.isnan(moments["obliquity_deg"][np.isnan(xy[:, 0, 0])]).all()


def test_nothing_seen_is_unseen_after_a_tenth_of_a_second(run: tuple[F64, F64]) -> None:
    t_s, xy = run[0], run[1].copy()
    xy[600:] = np.nan
    moments, _, _ = advanced(t_s, xy)
    age = t_s - t_s[599]
    gone = age > STALE_S + 1e-9
    assert (moments["posture"][gone] == Posture.UNSEEN).all()
    assert np.isnan(moments["level_deg"][gone]).all()
    assert (moments["posture"][(age > 0) & (age < STALE_S - 1e-9)] == Posture.RUNNING).all()
    assert (moments["seen_s"][600:] == t_s[599]).all()


def test_nothing_ever_seen_gives_no_figure_at_all() -> None:
    moments, steps, motion = advanced(np.arange(300) / 120, np.full((300, 4, 2), np.nan))
    assert not steps
    assert motion.asymmetry() is None
    assert (moments["posture"] == Posture.UNSEEN).all()
    known = {"t_s", "left_steps", "right_steps", "posture", "sides_sure"}
    for name in set(moments.dtype.names or ()) - known:
        assert np.isnan(moments[name]).all(), name


def test_standing_still_is_standing() -> None:
    t_s, xy = keypoints(replace(SCENE, stand_s=20.0, duration_s=3.0))
    moments, steps, _ = advanced(t_s, xy)
    assert not steps
    assert (moments["posture"][t_s > 0.5] == Posture.STANDING).all()
    assert np.isnan(moments["cadence_spm"]).all()


def test_bobbing_gently_on_the_spot_is_moving_and_not_running() -> None:
    t_s, xy = keypoints(replace(SCENE, stand_s=20.0, duration_s=4.0))
    xy[:, :, 1] += 3 * np.sin(2 * math.pi * 1.8 * t_s)[:, None]
    moments, steps, _ = advanced(t_s, xy)
    assert not steps
    assert (moments["posture"][t_s > 0.5] == Posture.MOVING).all()


def paused(run: tuple[F64, F64], pause_s: float, at: int = 540) -> tuple[F64, F64]:
    """The run with a pause of standing still in it."""
    t_s, xy = run
    n = round(120 * pause_s)
    still = np.repeat(xy[at : at + 1], n, axis=0)
    times = np.concatenate([t_s[:at], t_s[at] + np.arange(n) / 120, t_s[at:] + n / 120])
    return times, np.concatenate([xy[:at], still, xy[at:]])


def test_after_a_pause_the_means_begin_anew(run: tuple[F64, F64]) -> None:
    moments, steps, _ = advanced(*paused(run, 4.0))
    t_s = moments["t_s"]
    before, during = moments[t_s < 4.5][-1], moments[t_s < 8.4][-1]
    assert before["left_steps"] == before["right_steps"] > 4
    assert before["posture"] == Posture.RUNNING
    assert during["posture"] == Posture.STANDING
    assert (during["left_steps"], during["right_steps"], during["sides_sure"]) == (0, 0, 0)
    assert np.isnan([during["difference_deg"], during["cadence_spm"], during["step_s"]]).all()
    again = [s for s in steps if s.contact_s > 8.5]
    assert again[0].flight_s is None
    first = moments[np.searchsorted(t_s, again[0].decided_s)]
    assert (first["left_steps"] + first["right_steps"]) == 1
    assert moments[-1]["left_steps"] + moments[-1]["right_steps"] == len(again)


def test_a_hole_in_the_frames_themselves_joins_nothing_across_it(run: tuple[F64, F64]) -> None:
    t_s, xy = run[0].copy(), run[1]
    t_s[480:] += 2.0
    moments, steps, _ = advanced(t_s, xy)
    assert all(not (s.contact_s < t_s[479] and s.off_s > t_s[480]) for s in steps)
    after = [s for s in steps if s.contact_s > t_s[480]]
    assert after[0].flight_s is None
    assert moments["left_steps"][480] == moments["right_steps"][480] == 0
    fresh, anew, _ = advanced(t_s[480:], xy[480:])
    assert [s.stance for s in after[1:]] == [s.stance for s in anew[-len(after) + 1 :]]
    assert fresh["level_deg"][5:] == pytest.approx(moments["level_deg"][485:], abs=1e-9)


@given(st.lists(st.integers(0, 960), max_size=6))
@steady
def test_frames_in_any_parcels_give_the_same_bits(cuts: list[int]) -> None:
    t_s, xy = (a.copy() for a in _run())
    xy[300:330, 0] = np.nan
    row_s = 1.2e-5
    whole, parts = (Motion(Settings()) for _ in range(2))
    for motion in (whole, parts):
        motion.open(480, 640)
    moments, steps = whole.advance(t_s, xy, row_s)
    pieces = [
        parts.advance(a, b, row_s)
        for a, b in zip(np.split(t_s, sorted(cuts)), np.split(xy, sorted(cuts)), strict=True)
    ]
    assert np.concatenate([m for m, _ in pieces]).tobytes() == moments.tobytes()
    assert tuple(s for _, told in pieces for s in told) == steps
    assert whole.asymmetry() == parts.asymmetry()


def test_no_frames_bring_nothing() -> None:
    moments, steps, _ = advanced(np.empty(0), np.empty((0, 4, 2)))
    assert len(moments) == 0
    assert steps == ()
