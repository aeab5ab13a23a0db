"""A scene file is the truth before the virtual camera, whatever the settings say, and changes while frames come."""

import time
from contextlib import closing

import numpy as np
import pytest

from appliance import config
from appliance.errors import SettingsError
from hw import open_rig
from hw.camera.acting import GLIDE_S, Performer
from hw.camera.props import Lamp
from hw.camera.runner import Runner
from hw.camera.scene import Hidden, Other, Reflection, Scene, actor, mounted
from hw.camera.stage import Stage, read_scene
from hw.camera.virtual import VirtualCamera
from hw.strip.memory import MemoryStrip
from tests.worlds import act, world

LIGHT_OF_OLD = {
    "a recorded runner": (
        Scene(),
        ((5539043.0, 243.714386, 453.162453), (5538415.0, 248.572625, 453.801693)),
    ),
    "a plate": (
        Scene(runner="ric", stand_s=0.2, width_px=640, height_px=480, noise=2.5),
        ((5536193.0, 320.105392, 308.326516), (5536374.0, 318.804861, 307.326486)),
    ),
    "a synthetic runner": (
        Scene(
            runner=Runner(),
            row_us=13,
            rotate_deg=90,
            mirror=True,
            exposure_ms=3,
            gradient_x=8,
            other=Other(),
            clutter=(Reflection(x_px=100, y_px=-50, path_x_px=40),),
        ),
        ((5552970.0, 249.193640, 401.462856), (5552452.0, 248.338590, 416.890175)),
    ),
    "a mirrored one": (
        Scene(
            mirrored=True,
            k1=-0.1,
            pitch_deg=12,
            lost=0.1,
            hidden=(Hidden("right_heel", 0.1, 0.2),),
            dot_level=400,
        ),
        ((5543098.0, 235.258809, 306.719726), (5542335.0, 231.656500, 301.481247)),
    ),
}


@pytest.mark.parametrize("name", LIGHT_OF_OLD)
def test_without_a_scene_file_every_picture_is_as_it_always_was(name):
    scene, expected = LIGHT_OF_OLD[name]
    camera = VirtualCamera(scene)
    seen = [light_of(camera.picture(k, k / 120)) for k in (0, 40)]
    assert seen == [pytest.approx(e, rel=1e-7) for e in expected]


def light_of(luma):
    """All light of a picture, and where the dots' share of it is."""
    dots = np.where(luma > 60, luma, 0).astype(np.float64)
    ys, xs = np.mgrid[: luma.shape[0], : luma.shape[1]]
    return float(luma.sum()), float((dots * xs).sum() / dots.sum()), float((dots * ys).sum() / dots.sum())


def test_the_scene_is_the_truth_and_the_settings_only_what_is_believed(tmp_path):
    path = world(tmp_path, roll_deg=1.5, mirror=True)
    settings = config.parse(
        f'[camera]\nscene = "{path}"\nwidth_px = 320\nrate_hz = 60\nrotate_deg = 180\nrunner = "ric"\n'
        "[lens]\nroll_deg = 0.4\nfx_px = 900\n"
    )
    scene = read_scene(path, settings.camera)
    assert (scene.roll_deg, scene.mirror, scene.rotate_deg, scene.f_px) == (1.5, True, 0, 0.0)
    assert (scene.width_px, scene.height_px, scene.rate_hz, scene.runner) == (320, 640, 60.0, "ric")


def test_a_scene_can_say_everything_that_a_scene_is_made_of(tmp_path):
    scene = Scene(
        runner=Runner(left_peak_drop_deg=3.5),
        clutter=(Reflection(x_px=-3.0, y_px=4.0),),
        hidden=(Hidden("left_heel", 1.0, 2.0),),
        other=Other(up_m=0.1),
        lamp=Lamp(led=3),
        act="stand",
        hide_heels_below_m=0.1,
    )
    fields = {key: getattr(scene, key) for key in scene.__struct_fields__}
    assert read_scene(world(tmp_path, **fields), config.Camera()) == scene


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("roll = 1.5", "roll"),
        ('act = "dance"', "dance"),
        ("lamp = { colour = 3 }", "colour"),
        ("width_px = ", "Invalid value"),
        ("lost = 2.0", "lost"),
        ('runner = "nobody"', "nobody"),
        ("roll_deg = nan", "finite"),
    ],
)
def test_a_scene_file_without_sense_is_refused_with_its_name(tmp_path, text, word):
    path = tmp_path / "scene.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=word) as refused:
        Stage(path, config.Camera())
    assert refused.value.fix


def test_a_missing_scene_file_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        Stage(tmp_path / "scene.toml", config.Camera())


def _until(camera, frames, done, within_s=5.0):
    """The first frame for which it is done; the frames go on as they do at a station."""
    until_s = time.monotonic() + within_s
    for frame in frames:
        if frame is not None and done(frame):
            return frame
        assert time.monotonic() < until_s
    raise AssertionError("the frames have ended")


def test_the_person_does_the_next_thing_within_two_tenths_of_a_second(tmp_path):
    path = world(tmp_path, act="stand")
    camera = VirtualCamera(realtime=True, stage=Stage(path, config.Camera()))
    frames = camera.frames()
    _until(camera, frames, lambda f: f.seq > 10)
    act(path, act="lift left")
    told_s = time.monotonic()
    _until(camera, frames, lambda f: camera.scene.act == "lift left")
    assert time.monotonic() - told_s < 0.5  # 0.1 s to look, the rest is a busy machine's
    start_s = camera._world.acts[-1][0]
    assert camera.truth(start_s)["left_heel"][2] == pytest.approx(0.08, abs=0.05)
    assert camera.truth(start_s + 0.5)["left_heel"][2] > 0.25
    assert camera.lost < 10
    camera.close()


def test_a_scene_that_is_changed_for_the_worse_stays_as_it_was(tmp_path, caplog):
    path = world(tmp_path, act="stand")
    camera = VirtualCamera(realtime=True, stage=Stage(path, config.Camera()))
    frames = camera.frames()
    _until(camera, frames, lambda f: f.seq > 1)
    act(path, width_px=100)
    _until(camera, frames, lambda f: "can't change while the camera runs" in caplog.text)
    path.write_text("nonsense")
    _until(camera, frames, lambda f: "scene.toml: Expected" in caplog.text)
    assert camera.scene.act == "stand"
    act_again = world(tmp_path, act="shift")
    _until(camera, frames, lambda f: camera.scene.act == "shift")
    assert act_again == path
    camera.close()
    assert [f for f in frames if f is not None] == []


TIMES = np.arange(0.0, 30.0, 0.01)


@pytest.mark.parametrize("runner", ["rbds001", "rbds002", "ric", Runner(tilt_deg=1.5)])
def test_a_person_who_stands_sways_a_little_around_the_standing_zero(runner):
    camera = VirtualCamera(Scene(runner=runner, act="stand"))
    tilt = camera.elevation_deg(TIMES)
    assert 0.08 < tilt.std() < 0.2
    assert tilt.mean() == pytest.approx(camera.standing_deg, abs=0.02)
    three_s = tilt[: 300 * 10].reshape(10, 300).mean(axis=1)
    assert np.abs(three_s - camera.standing_deg).max() < 0.06
    places = camera._world.actor.at(TIMES)
    assert 0.001 < places[:, 0, 0].std() < 0.006
    assert np.ptp(places[:, -2:], axis=0).max() == 0, "the feet stay where they are"


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("runner", ["rbds001", "ric", Runner()])
def test_a_lifted_foot_goes_up_and_stays_up_while_the_other_one_stands(runner, side):
    other = {"left": "right", "right": "left"}[side]
    who = actor(Scene(runner=runner), ((-np.inf, "stand"), (2.0, f"lift {side}"), (5.0, "stand")))
    assert isinstance(who, Performer)
    z = {s: who.at(TIMES)[:, who.marks.index(f"{s}_heel"), 2] for s in ("left", "right")}
    floor = z[side][0]
    up = (TIMES >= 2.5) & (TIMES <= 5.0)
    assert (z[side][up] - floor).min() > 0.2
    assert (z[side][up] - floor).max() < 0.35
    assert np.ptp(z[other]) == 0
    assert z[side][TIMES > 5.0 + GLIDE_S] == pytest.approx(floor)
    speed = np.abs(np.diff(who.at(TIMES), axis=0)).max(axis=(1, 2)) / 0.01
    assert speed.max() < 1.5, "nobody jumps"
    camera = VirtualCamera(Scene(runner=runner, act=f"lift {side}"))
    drop = camera.elevation_deg(TIMES).mean() - camera.standing_deg
    assert drop == pytest.approx(2.5 if side == "left" else -2.5, abs=0.2), "the lifted side is the lower one"


def test_a_person_who_moves_about_is_far_from_standing():
    camera = VirtualCamera(Scene(act="shift"))
    assert np.ptp(camera.elevation_deg(TIMES[:300])) > 4
    assert np.ptp(camera._world.actor.at(TIMES[:300])[:, 0, 0]) > 0.08


def test_nobody_there_leaves_the_ground():
    camera = VirtualCamera(Scene(act="away", noise=0.0, shot=0.0, other=Other()))
    assert np.ptp(camera.picture(0, 0.0)) == 0
    assert not any(camera.visible(0.0).values())


def test_told_quickly_one_thing_after_the_other_nobody_jumps():
    acts = ((-np.inf, "run"), (1.0, "stand"), (1.2, "lift right"), (1.3, "shift"))
    places = actor(Scene(), acts).at(np.arange(0.5, 2.5, 0.002))
    running = actor(Scene()).at(np.arange(0.5, 2.5, 0.002))
    fastest = np.abs(np.diff(running, axis=0)).max()
    assert np.abs(np.diff(places, axis=0)).max() < 2 * fastest


def test_an_exposure_is_in_force_from_the_next_frame_on():
    camera = VirtualCamera(Scene(act="stand", noise=0.0, shot=0.0, background=20.0, dot_level=100.0))
    frames = camera.frames()
    before = next(frames).luma
    camera.expose(3000.0, 4.0)  # twice the reference
    after = next(frames).luma
    assert (before[0, 0], after[0, 0]) == (20, 40)
    assert (int(before.max()), int(after.max())) == pytest.approx((120, 240), abs=1)
    assert camera.about()["exposure_us"] == 3000
    camera.expose(12000.0, 8.0)
    assert next(frames).luma.max() == 255
    camera.expose(0.0, 4.0)
    assert np.array_equal(next(frames).luma[:50], before[:50]), "0 = as the scene has it"


def test_more_gain_is_more_noise_and_more_time_is_more_smear():
    camera = VirtualCamera(Scene(act="away", noise=2.0, background=60.0))
    frames = camera.frames()
    spread = []
    for exposure_us, gain in ((1500.0, 4.0), (750.0, 8.0)):
        camera.expose(exposure_us, gain)
        spread.append(float(next(frames).luma.astype(float).std()))
    assert spread == pytest.approx([2.0, 4.0], rel=0.05)


def test_a_rig_opens_its_camera_at_the_settings_exposure_and_sees_its_own_strip(tmp_path):
    path = world(tmp_path, act="away")
    text = f'[camera]\nscene = "{path}"\nexposure_us = 900\ngain = 2\n[strip]\nkind = "memory"\nleds = 8\n'
    rig = open_rig(config.parse(text))
    camera = rig.see()
    frames = camera.frames()
    _until(camera, frames, lambda f: f.seq > 1)
    assert camera.about()["exposure_us"] == 900
    rig.strip.show(np.full((8, 3), 51, np.uint8))
    assert camera._lit.share(3, time.monotonic(), time.monotonic() + 1.0) == pytest.approx(0.2)
    rig.close()
    assert camera._lit.share(3, time.monotonic(), time.monotonic() + 1.0) == 0.0, "dark when closed"


def test_a_strip_that_is_opened_anew_is_in_view_as_the_old_one_was(tmp_path):
    path = world(tmp_path, act="away", noise=0.0, shot=0.0, background=0.0, lamp=Lamp(led=1, level=200.0))
    settings = config.parse(f'[camera]\nscene = "{path}"\n[strip]\nkind = "memory"\nleds = 4\n')
    with closing(open_rig(settings)) as rig:
        camera = rig.see()
        assert rig.reopen(settings, {"strip"}) is camera
        rig.strip.show(np.full((4, 3), 255, np.uint8))
        _until(camera, camera.frames(), lambda f: f.luma.max() > 150)


def test_a_rig_without_a_scene_has_the_driver_itself_for_a_strip():
    with closing(open_rig(config.parse('[strip]\nkind = "memory"\nleds = 4\n'))) as rig:
        assert isinstance(rig.strip, MemoryStrip)


def test_settings_without_a_scene_are_the_scene():
    settings = config.parse("[lens]\nroll_deg = 2.0\n")
    assert mounted(settings).roll_deg == 2.0
