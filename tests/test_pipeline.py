"""From pixels to colours: the mirror to the last bit, replay as live, bad frames refused and forgotten."""

from __future__ import annotations

import gc
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace
from watching import exchanged, watch

from appliance import config
from appliance.config import Settings
from appliance.errors import SourceError
from appliance.pipeline import Pipeline
from appliance.records import MOMENT, STALE_S, Frame, Shown, Update
from hw.camera.runner import Runner
from hw.camera.scene import Other, Reflection, Scene, reflected, settings
from hw.camera.virtual import VirtualCamera

MOUNTS = [(0, 480, 640, 6.5), (90, 640, 480, 6.5), (180, 480, 640, 6.5), (270, 640, 480, 6.5)]
SIDEWAYS = Scene(
    duration_s=6.5,
    noise=4.0,
    gradient_y=20.0,
    gradient_x=-20.0,
    background=45.0,
    right_m=0.1,
    roll_deg=2.0,
    yaw_deg=-2.0,
    k1=-0.1,
    p1=0.002,
    p2=0.003,
)
TROUBLED = Scene(
    duration_s=3.0,
    clutter=(
        Reflection(x_px=-100, y_px=-200),
        Reflection(x_px=0, y_px=0, path_x_px=120, path_y_px=30, period_s=1.7),
    ),
    other=Other(right_m=0.8),
    width_px=640,
    height_px=480,
    lost=0.05,
)


@cache
def frames(scene: Scene) -> tuple[Frame, ...]:
    """The scene's frames, drawn once."""
    return tuple(f for f in VirtualCamera(scene).frames() if f is not None)


def fed(pictures: tuple[Frame, ...], chosen: Settings) -> tuple[Pipeline, list[Update]]:
    pipeline = Pipeline(chosen)
    return pipeline, [pipeline.feed(f) for f in pictures]


def moments(updates: list[Update]) -> np.ndarray:
    return np.array([u.moment for u in updates])


def flipped(scene: Scene) -> tuple[Frame, ...]:
    """The pictures of the scene with the runner's left and right exchanged, pixel by pixel."""
    axis = 1 if scene.rotate_deg in (0, 180) else 0
    return tuple(replace(f, luma=np.ascontiguousarray(np.flip(f.luma, axis))) for f in frames(scene))


def for_flipped(scene: Scene, chosen: Settings) -> Settings:
    """The lens record of the flipped pictures: the principal point and the tangential distortion change sides."""
    lens, upright = chosen.lens, scene.rotate_deg in (0, 180)
    bent = {"p2": -lens.p2} if upright else {"p1": -lens.p1}
    return replace(chosen, lens=replace(lens, **bent))


def in_the_mirror(rows: np.ndarray) -> np.ndarray:
    """The moments of the runner in the mirror."""
    other = rows.copy()
    for name in ("obliquity_deg", "level_deg", "sway_px", "difference_deg"):
        other[name] = -rows[name]
    for left, right in (
        ("left_drop_deg", "right_drop_deg"),
        ("left_last_deg", "right_last_deg"),
        ("left_steps", "right_steps"),
    ):
        other[left], other[right] = rows[right], rows[left]
    return other


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal to the last bit but for the signs of zeros and NaNs."""
    return all(
        np.array_equal(one[n], other[n], equal_nan=one[n].dtype.kind == "f") for n in MOMENT.names or ()
    )


SCENES = {
    f"mount {r}": replace(SIDEWAYS, rotate_deg=r, width_px=w, height_px=h, duration_s=s)
    for r, w, h, s in MOUNTS
} | {"clutter, another runner, lost frames": TROUBLED}


@pytest.mark.parametrize("name", SCENES)
def test_a_flipped_picture_with_the_mirror_setting_gives_the_same_to_the_last_bit(name: str) -> None:
    scene = SCENES[name]
    chosen = settings(scene)
    _, plain = fed(frames(scene), chosen)
    through = for_flipped(scene, replace(chosen, camera=replace(chosen.camera, mirror=True)))
    _, mirrored = fed(flipped(scene), through)
    assert sum((u.steps for u in plain), ()) == sum((u.steps for u in mirrored), ())
    assert same(moments(plain), moments(mirrored))
    assert np.array_equal([u.leds for u in plain], [u.leds for u in mirrored])
    assert sum(len(u.steps) for u in plain) >= 5


@pytest.mark.parametrize("name", SCENES)
def test_a_flipped_picture_without_it_gives_the_same_with_sides_exchanged(name: str) -> None:
    scene = SCENES[name]
    chosen = settings(scene)
    _, plain = fed(frames(scene), chosen)
    lens = replace(chosen.lens, roll_deg=-chosen.lens.roll_deg, yaw_deg=-chosen.lens.yaw_deg)
    _, other = fed(flipped(scene), for_flipped(scene, replace(chosen, lens=lens)))
    assert exchanged(sum((u.steps for u in plain), ())) == sum((u.steps for u in other), ())
    assert same(in_the_mirror(moments(plain)), moments(other))
    assert np.array_equal([u.leds for u in plain], [u.leds[::-1] for u in other])


def test_a_runner_in_a_mirrored_world_takes_the_same_steps_with_sides_exchanged() -> None:
    scene = replace(SIDEWAYS, row_us=13.0)
    one, other = watch(scene), watch(reflected(scene))
    assert exchanged(one.steps) == other.steps
    assert same(in_the_mirror(one.moments), other.moments)


def test_a_standing_zero_changes_its_sign_in_the_mirror() -> None:
    chosen = settings(SIDEWAYS)
    zeroed = replace(chosen, motion=config.Motion(zero_deg=1.25))
    lens = replace(chosen.lens, roll_deg=-chosen.lens.roll_deg, yaw_deg=-chosen.lens.yaw_deg)
    opposite = replace(for_flipped(SIDEWAYS, chosen), motion=config.Motion(zero_deg=-1.25))
    opposite = replace(opposite, lens=replace(opposite.lens, roll_deg=lens.roll_deg, yaw_deg=lens.yaw_deg))
    _, plain = fed(frames(SIDEWAYS), zeroed)
    _, other = fed(flipped(SIDEWAYS), opposite)
    assert exchanged(sum((u.steps for u in plain), ())) == sum((u.steps for u in other), ())


ROLLING = Scene(duration_s=4.5, row_us=13.0, hide_heels_below_m=0.15, lost=0.05)


def keys(updates: list[Update]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([u.t_s for u in updates]), np.array([u.keypoints.xy_px for u in updates])


@pytest.fixture(scope="module")
def live() -> tuple[Pipeline, list[Update]]:
    return fed(frames(ROLLING), settings(ROLLING))


def test_a_replay_of_the_keypoints_is_the_live_run_to_the_last_bit(
    live: tuple[Pipeline, list[Update]],
) -> None:
    pipeline, updates = live
    again = Pipeline(settings(ROLLING))
    batch = again.replay(*keys(updates), ROLLING.row_us * 1e-6, (480, 640))
    assert batch.moments.tobytes() == moments(updates).tobytes()
    assert batch.steps == sum((u.steps for u in updates), ())
    assert len(batch.steps) >= 5
    assert np.array_equal(batch.leds, [u.leds for u in updates])
    assert [Shown(int(s)) for s in batch.shown] == [u.shown for u in updates]
    assert again.asymmetry() == pipeline.asymmetry()
    assert again.guard_acts == pipeline.guard_acts == updates[-1].guard_acts


@given(st.lists(st.integers(0, 340), max_size=5))
@examples(max_examples=25, deadline=None, derandomize=True)
def test_a_replay_in_any_parcels_is_the_same_to_the_last_bit(cuts: list[int]) -> None:
    t_s, xy = keys(_updates())
    whole = Pipeline(settings(ROLLING)).replay(t_s, xy, 1.3e-5, (480, 640))
    parts = Pipeline(settings(ROLLING))
    pieces = [
        parts.replay(a, np.ascontiguousarray(b), 1.3e-5, (480, 640))
        for a, b in zip(np.split(t_s, sorted(cuts)), np.split(xy, sorted(cuts)), strict=True)
    ]
    assert np.concatenate([p.moments for p in pieces]).tobytes() == whole.moments.tobytes()
    assert sum((p.steps for p in pieces), ()) == whole.steps
    assert np.concatenate([p.leds for p in pieces]).tobytes() == whole.leds.tobytes()
    assert np.concatenate([p.shown for p in pieces]).tobytes() == whole.shown.tobytes()


@cache
def _updates() -> list[Update]:
    return fed(frames(ROLLING), settings(ROLLING))[1]


def test_two_runs_give_the_same_bytes(live: tuple[Pipeline, list[Update]]) -> None:
    _, again = fed(frames(ROLLING), settings(ROLLING))
    assert moments(again).tobytes() == moments(live[1]).tobytes()
    assert np.array_equal([u.leds for u in again], [u.leds for u in live[1]])


def test_an_unseen_mark_never_becomes_a_number(live: tuple[Pipeline, list[Update]]) -> None:
    _, updates = live
    for update in updates:
        pair = np.isfinite(update.keypoints.xy_px[:2]).all()
        assert math.isfinite(update.moment["obliquity_deg"]) == pair
        assert math.isfinite(update.moment["sway_px"]) == pair


@pytest.mark.parametrize("t_s", [math.nan, math.inf, -math.inf, 29 / 120, 0.1, -1.0], ids=str)
def test_a_time_that_cannot_be_is_refused_with_both_lines_and_nothing_remembers_it(t_s: float) -> None:
    pictures = frames(ROLLING)[:60]
    pictures = tuple(replace(f, seq=k, t_s=k / 120) for k, f in enumerate(pictures))
    disturbed, plain = Pipeline(Settings()), Pipeline(Settings())
    for k, frame in enumerate(pictures):
        if k == 30:
            with pytest.raises(SourceError, match="frame 30: time ") as refused:
                disturbed.feed(replace(frame, t_s=t_s))
            assert "finite and rise" in refused.value.fix
        one, other = disturbed.feed(frame), plain.feed(frame)
        assert one.moment.tobytes() == other.moment.tobytes()
        assert np.array_equal(one.leds, other.leds)
        assert np.array_equal(one.keypoints.xy_px, other.keypoints.xy_px, equal_nan=True)


@pytest.mark.parametrize(
    "luma",
    [
        np.zeros((480, 640), np.uint8),
        np.zeros((640, 472), np.uint8),
        np.zeros((640, 480), np.float32),
        np.zeros((640, 480), np.uint16),
        np.zeros((640, 480, 3), np.uint8),
        np.zeros((4, 4), np.uint8),
    ],
    ids=["turned", "narrower", "floats", "words", "colours", "tiny"],
)
def test_another_kind_of_picture_midway_is_refused_with_both_lines_and_nothing_remembers_it(
    luma: np.ndarray,
) -> None:
    disturbed, plain = Pipeline(Settings()), Pipeline(Settings())
    for k, frame in enumerate(frames(ROLLING)[:60]):
        if k == 30:
            with pytest.raises(SourceError, match=rf"frame {frame.seq}") as refused:
                disturbed.feed(replace(frame, luma=luma))
            assert refused.value.fix
        one, other = disturbed.feed(frame), plain.feed(frame)
        assert one.moment.tobytes() == other.moment.tobytes()
        assert np.array_equal(one.leds, other.leds)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 0.2, -3.0])
def test_a_recording_with_a_time_that_cannot_be_is_refused_by_the_frames_number(wrong: float) -> None:
    t_s, xy = keys(_updates())
    t_s = t_s.copy()
    t_s[100] = wrong
    with pytest.raises(SourceError, match=r"frame 1100: time ") as refused:
        Pipeline(Settings()).replay(t_s, xy, 0.0, (480, 640), first_seq=1000)
    assert "finite and rise" in refused.value.fix


def test_parcels_of_a_recording_must_follow_one_another() -> None:
    t_s, xy = keys(_updates())
    pipeline = Pipeline(Settings())
    pipeline.replay(t_s[:50], xy[:50], 0.0, (480, 640))
    with pytest.raises(SourceError, match="frame 50: time"):
        pipeline.replay(t_s[49:], xy[49:], 0.0, (480, 640), first_seq=50)


def test_an_empty_parcel_brings_nothing_and_harms_nothing() -> None:
    t_s, xy = keys(_updates())
    pipeline = Pipeline(settings(ROLLING))
    for part in (slice(0, 0), slice(0, 100), slice(100, 100), slice(100, None)):
        batch = pipeline.replay(t_s[part], xy[part], 1.3e-5, (480, 640))
    whole = Pipeline(settings(ROLLING)).replay(t_s, xy, 1.3e-5, (480, 640))
    assert batch.moments.tobytes() == whole.moments[100:].tobytes()


def test_the_bar_goes_to_no_data_when_frames_end() -> None:
    pipeline, updates = fed(frames(ROLLING), settings(ROLLING))
    last_s = updates[-1].t_s
    _, soon = pipeline.idle(last_s + 0.5 * STALE_S)
    _, late = pipeline.idle(last_s + STALE_S + 0.02)
    assert soon is updates[-1].shown
    assert late is Shown.NO_DATA


def test_a_dark_room_shows_no_data() -> None:
    dark = np.full((640, 480), 17, np.uint8)
    pipeline = Pipeline(Settings())
    shown = [pipeline.feed(Frame(seq=k, t_s=k / 120, luma=dark)).shown for k in range(60)]
    assert shown[-1] is Shown.NO_DATA
    assert Shown.MEASUREMENT not in shown


def resident_kib() -> int:
    """What of this process lies in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


def test_minutes_of_running_need_no_more_memory() -> None:
    lap = Scene(
        runner=Runner(cadence_spm=180.0)
    )  # a stride is 80 frames: the pictures go round without a seam
    camera, pipeline = VirtualCamera(lap), Pipeline(settings(lap))
    pictures = [camera.picture(k, k / 120) for k in range(80)]

    def run(first: int, count: int) -> int:
        for k in range(first, first + count):
            pipeline.feed(Frame(seq=k, t_s=k / 120, luma=pictures[k % 80]))
        gc.collect()
        return resident_kib()

    sizes = [run(0, 2000)] + [run(first, 4000) for first in (2000, 6000, 10000)]
    # All of the process is counted, so one span may hold what somebody else has kept; a leak is in every one.
    assert min(np.diff(sizes)) < 1024  # KiB
    assert pipeline.asymmetry() is not None


def test_windows_were_enough_says_the_pipeline_after_each_frame(live: tuple[Pipeline, list[Update]]) -> None:
    assert isinstance(live[0].tracked, bool)
    assert watch(Scene(duration_s=1.0)).tracked[60:].all()
