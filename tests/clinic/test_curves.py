"""The mean stride of a known motion is that motion, however its trace comes; holes and other strides stay out of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from watching import keypoints

from appliance.clinic.curves import POINTS, Curves, stride_curve
from appliance.clinic.kept import step_rows
from appliance.clinic.rows import TRACE, SpanRow
from appliance.motion.gait import Motion
from appliance.records import TRACK, Side
from hw.camera.runner import Runner
from hw.camera.scene import Scene, settings
from tests.clinic.handmade import STEP_S, steps

PERCENT = np.linspace(0.0, 1.0, POINTS)
Chunk = tuple[int, np.ndarray, np.ndarray]


def trace(seconds: float, rate_hz: float = 120.0, slow: float = 0.0) -> np.ndarray:
    """A pelvis that goes up and down 5 degrees with each right stride of `steps`; slow : degrees more a second."""
    rows = np.zeros(round(seconds * rate_hz), TRACE)
    rows["t_s"] = np.arange(len(rows)) / rate_hz
    rows["obliquity_deg"] = 5.0 * np.sin(np.pi * rows["t_s"] / STEP_S) + slow * rows["t_s"]
    return rows


def in_chunks(rows: np.ndarray, size: int = 120) -> Iterator[Chunk]:
    for at in range(0, len(rows), size):
        piece = rows[at : at + size]
        yield 0, np.zeros(len(piece), TRACK), piece


def test_the_mean_stride_is_the_motion_and_each_foot_has_its_own() -> None:
    curves = stride_curve(steps(60), in_chunks(trace(21.5)))
    assert (curves.right.strides, curves.left.strides) == (29, 29)
    assert curves.right.mean_deg == pytest.approx(5.0 * np.sin(2 * np.pi * PERCENT), abs=0.1)
    assert curves.left.mean_deg == pytest.approx(-5.0 * np.sin(2 * np.pi * PERCENT), abs=0.1)
    assert curves.left.drops_deg == pytest.approx(curves.right.drops_deg, abs=0.1)
    assert max(curves.right.sd_deg) < 0.1
    assert curves.right.off_percent == pytest.approx(100 * 0.25 / (2 * STEP_S))


def test_the_spread_is_that_between_strides() -> None:
    """One that tilts on by 0.1 degrees a second: strides begin 0.7 s after one another."""
    curves = stride_curve(steps(60), in_chunks(trace(21.5, slow=0.1)))
    known = np.std(0.07 * np.arange(29), ddof=1)
    assert curves.right.sd_deg == pytest.approx(np.full(POINTS, known), rel=0.05)


@pytest.mark.parametrize("size", [1, 7, 119, 5000])
def test_the_curve_is_the_same_however_the_trace_is_cut(size: int) -> None:
    whole = stride_curve(steps(20), in_chunks(trace(8.0), 100_000))
    cut = stride_curve(steps(20), in_chunks(trace(8.0), size))
    assert cut.right.strides == whole.right.strides
    assert cut.right.mean_deg == pytest.approx(whole.right.mean_deg, abs=1e-9)
    assert cut.left.sd_deg == pytest.approx(whole.left.sd_deg, abs=1e-6)


@pytest.mark.parametrize("gone", ["unseen", "missing"])
def test_a_stride_with_a_hole_is_left_out_and_counted(gone: str) -> None:
    rows = trace(21.5)
    hole = (rows["t_s"] > 5.0) & (rows["t_s"] < 5.1)
    if gone == "unseen":
        rows["obliquity_deg"][hole] = np.nan
    else:
        rows = rows[~hole]
    curves = stride_curve(steps(60), in_chunks(rows))
    assert (curves.right.left_out, curves.left.left_out) == (1, 1)
    assert curves.right.strides == 28
    assert np.isfinite(curves.right.mean_deg).all()


def test_a_lost_frame_or_two_are_bridged() -> None:
    rows = trace(21.5)
    rows["obliquity_deg"][5::10] = np.nan
    curves = stride_curve(steps(60), in_chunks(rows))
    assert curves.right.left_out == 0
    assert curves.right.mean_deg == pytest.approx(5.0 * np.sin(2 * np.pi * PERCENT), abs=0.1)


def test_only_strides_with_the_other_foot_s_step_between_count() -> None:
    own = np.delete(steps(60), 31)  # a left step that was not told
    curves = stride_curve(own, in_chunks(trace(21.5)))
    assert (curves.right.strides, curves.left.strides) == (28, 27)
    apart = steps(60)
    apart["span"][30:] = 1  # measuring was begun anew
    assert stride_curve(apart, in_chunks(trace(21.5))).right.strides == 28


def test_paused_and_unmeasured_steps_begin_no_stride_nor_those_that_nobody_chose() -> None:
    own = steps(60)
    own["paused"][:20], own["peak_drop_deg"][40:] = 1, np.nan
    assert stride_curve(own, in_chunks(trace(21.5))).right.strides == 10
    chosen = own["n"] < 30
    assert stride_curve(own, in_chunks(trace(21.5)), chosen).right.strides == 5


def test_steps_without_a_trace_give_no_curve_and_say_how_many_strides_lack_one() -> None:
    curves = stride_curve(steps(60), in_chunks(trace(10.0)))
    assert 0 < curves.right.strides < 29
    assert curves.right.strides + curves.right.left_out == 29
    nothing = stride_curve(steps(60), [])
    assert (nothing.right.strides, nothing.right.left_out, nothing.right.mean_deg) == (0, 29, ())
    assert stride_curve(steps(2), in_chunks(trace(2.0))).left.strides == 0
    unseen = trace(21.5)
    unseen["obliquity_deg"] = np.nan
    assert stride_curve(steps(60), in_chunks(unseen)).left.left_out == 29


def test_half_an_hour_at_120_frames_a_second_is_one_pass() -> None:
    """The time is printed for the record (`pytest -s`), and bounded only where no busy machine can fail it."""
    rows = trace(1800.0)
    began_s = time.perf_counter()
    curves = stride_curve(steps(5142), in_chunks(rows))
    took_s = time.perf_counter() - began_s
    print(f"{len(rows):,} frames, {curves.right.strides + curves.left.strides:,} strides: {took_s:.3f} s")
    assert curves.right.strides + curves.left.strides == 5140
    assert took_s < 10.0


def recorded() -> Curves:
    """A synthetic runner whose peaks are known, through the real motion."""
    scene = Scene(
        runner=Runner(pair="iliac_crest", pair_width_m=0.28, left_peak_drop_deg=3.0, right_peak_drop_deg=6.0),
        duration_s=20.0,
    )
    t_s, xy_px = keypoints(scene)
    motion = Motion(settings(scene))
    motion.open(scene.width_px, scene.height_px)
    moments, told = motion.advance(t_s, np.ascontiguousarray(xy_px), 0.0)
    span = SpanRow(
        n=0, at_s=0.0, t0_s=0.0, boot_id=None, wall_s=0.0, clock_set=None, software="", header="{}",
        settings="{}", calibration="{}",
    )  # fmt: skip
    rows = np.zeros(len(moments), TRACE)
    for name in ("t_s", "obliquity_deg"):
        rows[name] = moments[name]
    return stride_curve(step_rows(told, span), in_chunks(rows))


def test_a_runner_with_known_peaks_has_them_in_the_curves() -> None:
    curves = recorded()
    assert curves.left.strides > 20
    off = {curve.first: round(curve.off_percent or 0.0) for curve in (curves.left, curves.right)}
    for curve, peak_deg in ((curves.left, 3.0), (curves.right, 6.0)):
        assert max(curve.drops_deg[: off[curve.first]]) == pytest.approx(peak_deg, abs=0.2)
        assert curve.first in (Side.LEFT, Side.RIGHT)
