"""Every mark is where it is, under its own name, or nowhere: mounts, sizes, clutter, hidden marks, lost frames."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
from msgspec.structs import replace
from watching import Watched, keypoints, rms, watch

from appliance.config import Settings
from appliance.config import Sight as Dots
from appliance.errors import SourceError
from appliance.records import Frame, Side
from appliance.sight.markers import Sight
from hw.camera.runner import Runner
from hw.camera.scene import Hidden, Other, Reflection, Scene, settings
from hw.camera.virtual import VirtualCamera

BASE = Scene(duration_s=4.0)
SWAP_PX = 4.0
"""In a picture of 640 rows no dot of these scenes lies so near to another mark's."""


def scene(**chosen: object) -> Scene:
    return replace(BASE, **chosen)


def off_px(seen: Watched) -> np.ndarray:
    """Distances from the true pixels; the swap limit grows with the picture, so they are scaled to 640 rows."""
    return seen.off_px * 640 / max(seen.scene.upright_px[1], 640)


def never_swapped(seen: Watched) -> bool:
    """Each keypoint lies on its own mark, and none where nothing is to be seen."""
    return bool(np.nanmax(off_px(seen)) < SWAP_PX and not (seen.seen & ~seen.shown).any())


NAMED_S = 0.5
"""Heels have no names before one step of running has told left from right."""


def share_seen(seen: Watched, from_s: float = 0.0) -> np.ndarray:
    """Of the frames in which each mark was in view, heels from the time on when they have names."""
    shown = seen.shown & (seen.t_s >= from_s)[:, None]
    shown[seen.t_s < from_s + NAMED_S, 2:] = False
    return (seen.seen & shown).sum(0) / np.maximum(1, shown.sum(0))


@pytest.mark.parametrize("rotate_deg", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_every_mount_with_a_rolling_shutter_is_followed_in_windows(rotate_deg: int, mirror: bool) -> None:
    width, height = (480, 640) if rotate_deg in (0, 180) else (640, 480)
    seen = watch(scene(rotate_deg=rotate_deg, mirror=mirror, width_px=width, height_px=height, row_us=12.0))
    assert never_swapped(seen)
    assert share_seen(seen).min() == 1.0
    assert seen.tracked[seen.t_s > NAMED_S].mean() > 0.95
    assert rms(seen.off_px) < 0.04


@pytest.mark.parametrize(
    ("width", "height"), [(480, 640), (640, 480), (800, 1280), (1280, 800), (477, 635), (645, 483)]
)
def test_every_size_is_followed(width: int, height: int) -> None:
    seen = watch(scene(width_px=width, height_px=height, runner="rbds002", duration_s=2.0))
    assert never_swapped(seen)
    assert share_seen(seen).min() == 1.0
    assert rms(seen.off_px) < 0.04


@pytest.mark.parametrize(
    ("dot_mm", "across_px", "bound_px"), [(11.5, 3, 0.05), (19.5, 5, 0.03), (39, 10, 0.025), (62, 16, 0.02)]
)
def test_dots_of_every_size_are_followed(dot_mm: float, across_px: int, bound_px: float) -> None:
    seen = watch(scene(runner="rbds002", dot_mm=dot_mm))
    assert dot_mm / 1000 * 640 / 2.5 == pytest.approx(across_px, abs=0.2)
    assert never_swapped(seen)
    assert share_seen(seen).min() == 1.0
    assert rms(seen.off_px) < bound_px


def test_dots_of_25_px_are_followed_in_a_large_picture() -> None:
    # 21 px at the pelvis, 25 px where a heel comes nearest to the camera
    seen = watch(scene(runner="rbds002", width_px=800, height_px=1280, dot_mm=42, duration_s=2.0))
    assert never_swapped(seen)
    assert share_seen(seen).min() == 1.0
    assert rms(seen.off_px) < 0.02


@pytest.mark.parametrize(
    ("runner", "pair", "dots"),
    [
        ("rbds001", "psis", 2),
        ("rbds001", "iliac_crest", 2),
        ("rbds002", "psis", 2),
        ("rbds002", "iliac_crest", 2),
        ("ric", "plate", 2),
        ("ric", "plate", 3),
        ("ric", "plate", 4),
    ],
)
def test_every_pair_that_runners_wear_is_found_soon_without_any_settings(
    runner: str, pair: str, dots: int
) -> None:
    seen = watch(scene(runner=runner, pair=pair, plate_dots=dots), Settings())
    assert never_swapped(seen)
    assert share_seen(seen, 0.0 if dots == 2 else 0.2).min() == 1.0


@pytest.mark.parametrize("width_m", [0.06, 0.12, 0.15])
@pytest.mark.parametrize("above_m", [-0.3, 0.0, 0.4])
def test_the_pair_of_a_plate_of_four_dots_is_its_widest_and_never_one_across(
    width_m: float, above_m: float
) -> None:
    seen = watch(scene(runner=Runner(pair_width_m=width_m), above_m=above_m, duration_s=1.0))
    assert never_swapped(seen)
    assert share_seen(seen, 0.25)[:2].min() == 1.0


ASIDE = {
    "a heel that leaves the picture where heels cross": scene(
        runner=Runner(
            cadence_spm=154.69,
            contact_time_s=0.21914,
            speed_mps=4.3344,
            left_peak_drop_deg=0.74,
            right_peak_drop_deg=4.76,
            tilt_deg=-0.57,
            sway_m=0.0138,
            rotation_deg=0.98,
            pair_width_m=0.1356,
            step_width_m=0.0739,
        ),
        above_m=0.40616,
        right_m=0.23808,
        roll_deg=-3.678,
        distance_m=2.796,
        plate_dots=3,
    ),
    "narrow steps, seen from the left": scene(
        runner=Runner(
            cadence_spm=151.63,
            contact_time_s=0.19803,
            speed_mps=3.3727,
            left_peak_drop_deg=7.73,
            right_peak_drop_deg=0.15,
            tilt_deg=0.51,
            sway_m=0.0165,
            rotation_deg=3.84,
            pair_width_m=0.08395,
            step_width_m=0.0553,
            first=Side.LEFT,
        ),
        right_m=-0.27257,
        roll_deg=3.26,
        distance_m=2.8537,
        rate_hz=200.0,
        plate_dots=3,
    ),
}


@pytest.mark.parametrize("where", ASIDE)
def test_before_a_camera_aside_heels_that_cross_keep_their_own_names_or_none(where: str) -> None:
    seen = watch(ASIDE[where])
    wrong = (off_px(seen)[:, 2:] > SWAP_PX).sum()
    assert wrong <= 2  # two dots that touch are one spot


SPOTS = ((-100, -200), (-60, -20), (30, 90), (10, 200), (-30, 150), (80, -5), (100, 250))

TROUBLED = {
    "fixed clutter": (scene(clutter=tuple(Reflection(x_px=x, y_px=y) for x, y in SPOTS)), 0.25, 1.0),
    "a reflection that a dot dips onto": (scene(clutter=(Reflection(x_px=36, y_px=18),)), 0.25, 0.8),
    "a reflection that a dot crosses": (
        scene(clutter=(Reflection(x_px=36, y_px=-10, diameter_px=6),)),
        0.25,
        0.6,
    ),
    "a reflection that passes": (
        scene(clutter=(Reflection(x_px=0, y_px=0, path_x_px=120, path_y_px=30, period_s=1.7),)),
        0.0,
        0.9,
    ),
    "another runner on the right": (scene(other=Other(), width_px=640, height_px=480), 0.25, 1.0),
    "another runner on the left": (
        scene(other=Other(right_m=-0.7, forward_m=0.6), width_px=640, height_px=480),
        0.25,
        1.0,
    ),
    "noise on a bright ground": (
        scene(noise=6.0, background=45.0, gradient_y=60.0, dot_level=170.0),
        0.0,
        1.0,
    ),
    "lost frames": (scene(lost=0.1), 0.0, 0.98),
    "60 frames a second": (scene(rate_hz=60.0), 0.0, 1.0),
    "200 frames a second": (scene(rate_hz=200.0), 0.0, 1.0),
    "blur": (scene(exposure_ms=4.0), 0.0, 1.0),
    "heels hidden when low": (scene(hide_heels_below_m=0.15), 1.0, 0.75),
    "heels hidden when high": (scene(hide_heels_above_m=0.25), 1.0, 0.75),
    "standing first": (scene(stand_s=1.5), 1.6, 0.98),
    "a pitched camera": (scene(pitch_deg=12.0), 0.0, 1.0),
    "a camera aside": (scene(right_m=0.45, yaw_deg=-10.0), 0.0, 0.97),
}
"""Scene; from when on (s) the marks in view are seen; in which share of the frames."""


@pytest.mark.parametrize("trouble", TROUBLED)
def test_marks_are_never_swapped_nor_made_up_and_mostly_seen_with(trouble: str) -> None:
    chosen, from_s, share = TROUBLED[trouble]
    seen = watch(chosen)
    assert never_swapped(seen)
    assert share_seen(seen, from_s).min() >= share
    assert rms(seen.off_px) < 0.1


@pytest.mark.parametrize("trouble", [name for name in TROUBLED if "a dot" in name])
def test_a_dot_does_pass_over_the_fixed_reflection_of_that_scene(trouble: str) -> None:
    seen = watch(TROUBLED[trouble][0])
    (spot,) = seen.scene.clutter
    away = np.hypot(*np.moveaxis(seen.true_px - (239.5 + spot.x_px, 319.5 + spot.y_px), -1, 0))
    assert np.nanmin(away) < 4.0


PAIR = ("left_iliac_crest", "right_iliac_crest")
HEELS = ("left_heel", "right_heel")


def hidden(*marks: str, long_s: float) -> Scene:
    """The marks are covered together, four times, at different phases of the stride."""
    times = (0.8, 1.57, 2.31, 3.13)
    return scene(pair="iliac_crest", hidden=tuple(Hidden(m, t, t + long_s) for m in marks for t in times))


@pytest.mark.parametrize("long_s", [0.05, 0.15, 0.3])
@pytest.mark.parametrize(
    "marks",
    [(PAIR[0],), (PAIR[1],), (HEELS[0],), (HEELS[1],), PAIR, HEELS, (PAIR[0], HEELS[1])],
    ids="+".join,
)
def test_a_hidden_mark_is_nowhere_and_comes_back_under_its_own_name(
    marks: tuple[str, ...], long_s: float
) -> None:
    seen = watch(hidden(*marks, long_s=long_s))
    assert never_swapped(seen)
    for at, mark in enumerate((*PAIR, *HEELS)):
        if mark in marks:
            assert (seen.score[:, at] == 0).sum() >= 4 * round(120 * long_s)
    assert share_seen(seen).min() > 0.75


def test_without_heels_the_pair_alone_is_found_within_a_second_and_no_heel_is_made_up() -> None:
    seen = watch(scene(heels=False))
    assert never_swapped(seen)
    assert share_seen(seen, 1.0)[:2].min() == 1.0
    assert not seen.seen[:, 2:].any()


def test_unseen_is_nan_with_no_score_and_seen_is_finite_with_some() -> None:
    for chosen, *_ in TROUBLED.values():
        seen = watch(chosen)
        assert np.array_equal(seen.seen, np.isfinite(seen.xy_px).all(axis=2))
        assert np.array_equal(seen.seen, seen.score > 0)
        assert seen.score.max() <= 1.0


def test_heels_that_walk_one_line_are_not_told_apart() -> None:
    runner = Runner(step_width_m=0.0, sway_m=0.02)
    seen = watch(scene(runner=runner))
    assert not seen.steps


def test_a_picture_without_dots_shows_nothing() -> None:
    rng, sight = np.random.default_rng(4), Sight(Settings())
    for k in range(120):
        found = sight.locate(Frame(seq=k, t_s=k / 120, luma=rng.integers(10, 22, (640, 480), dtype=np.uint8)))
        assert np.isnan(found.xy_px).all()
        assert not found.score.any()


def test_lamps_that_never_move_are_not_a_runner() -> None:
    camera = VirtualCamera(scene(act="away", duration_s=1.0))
    empty = [camera.picture(k, 0.0) for k in range(3)]  # the room, before anyone steps on
    sight = Sight(Settings())
    lamps = [(140, 120), (180, 300), (300, 410), (320, 315)]
    for k in range(240):
        luma = empty[k % 3].copy()
        for x, y in lamps:
            luma[y : y + 7, x : x + 7] = 220
        found = sight.locate(Frame(seq=k, t_s=k / 120, luma=luma))
        assert np.isnan(found.xy_px[2:]).all() or k < 30


def test_a_fixed_contrast_is_kept_to() -> None:
    keen = replace(settings(BASE), sight=Dots(contrast=30))
    dull = replace(settings(BASE), sight=Dots(contrast=250))
    assert share_seen(watch(BASE, keen)).min() == 1.0
    assert not watch(BASE, dull).seen.any()


def test_dots_larger_or_smaller_than_allowed_are_not_looked_at() -> None:
    assert not watch(BASE, replace(settings(BASE), sight=Dots(max_dot_px=3.0, min_dot_px=1.0))).seen.any()
    assert not watch(BASE, replace(settings(BASE), sight=Dots(min_dot_px=12.0))).seen.any()


# ---- how pictures may lie in memory ----


def frames(chosen: Scene = BASE, count: int = 90) -> list[Frame]:
    camera = VirtualCamera(chosen)
    return [
        Frame(seq=k, t_s=k / chosen.rate_hz, luma=camera.picture(k, k / chosen.rate_hz)) for k in range(count)
    ]


def located(pictures: list[Frame]) -> np.ndarray:
    sight = Sight(Settings())
    return np.array([sight.locate(f).xy_px for f in pictures])


def strided(luma: np.ndarray) -> np.ndarray:
    padded = np.zeros((luma.shape[0], luma.shape[1] + 24), np.uint8)
    padded[:, : luma.shape[1]] = luma
    return padded[:, : luma.shape[1]]


def shifted(luma: np.ndarray) -> np.ndarray:
    """Whole, but not at a word's border."""
    memory = np.zeros(luma.size + 3, np.uint8)
    memory[3:] = luma.ravel()
    return memory[3:].reshape(luma.shape)


def locked(luma: np.ndarray) -> np.ndarray:
    luma = luma.copy()
    luma.flags.writeable = False
    return luma


@pytest.mark.parametrize("lay", [strided, shifted, np.asfortranarray, locked])
def test_how_a_picture_lies_in_memory_changes_nothing(lay) -> None:
    plain = frames()
    laid = [replace(f, luma=lay(f.luma)) for f in plain]
    assert np.array_equal(located(plain), located(laid), equal_nan=True)


def test_pictures_handed_in_are_left_as_they_were() -> None:
    pictures = frames(count=20)
    before = [f.luma.copy() for f in pictures]
    located(pictures)
    assert all(np.array_equal(f.luma, was) for f, was in zip(pictures, before, strict=True))


@pytest.mark.parametrize(
    "luma",
    [
        np.zeros((640, 480), np.float64),
        np.zeros((640, 480, 3), np.uint8),
        np.zeros((8, 480), np.uint8),
        np.zeros((640, 0), np.uint8),
        np.zeros(100, np.uint8),
    ],
    ids=["floats", "colours", "tiny", "empty", "a line"],
)
def test_what_is_not_a_grey_picture_is_refused_with_a_remedy(luma: np.ndarray) -> None:
    with pytest.raises(SourceError, match=r"frame 7: .* is not a grey picture") as refused:
        Sight(Settings()).locate(Frame(seq=7, t_s=0.0, luma=luma))
    assert "uint8" in refused.value.fix


def test_nothing_grows_while_frames_go_by() -> None:
    lap = Scene(
        runner=Runner(cadence_spm=180.0)
    )  # a stride is 80 frames: the pictures go round without a seam
    pictures = frames(lap, 80)
    sight = Sight(Settings())

    def run(first: int, count: int) -> None:
        for k in range(first, first + count):
            found = sight.locate(replace(pictures[k % 80], seq=k, t_s=k / 120))
            assert k < 80 or np.isfinite(found.xy_px).all()

    def grown(first: int, count: int) -> tuple[int, int]:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        run(first, count)
        gc.collect()
        after, most = tracemalloc.get_traced_memory()
        return after - before, most - before

    tracemalloc.start()
    run(0, 800)
    spans = [grown(first, 1600) for first in (800, 2400, 4000)]
    tracemalloc.stop()
    # All of the process is counted, so one span may hold what somebody else has kept; a leak is in every one.
    assert min(kept for kept, _ in spans) < 6400  # four bytes a frame
    assert min(most for _, most in spans) < 65536


def test_keypoints_drawn_from_truth_are_those_of_the_same_scene() -> None:
    chosen = scene(row_us=12.0)
    _, truth = keypoints(chosen, noise_px=0.0)
    assert np.nanmax(abs(truth - watch(chosen).xy_px)) < 0.2
