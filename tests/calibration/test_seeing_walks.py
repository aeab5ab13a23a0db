"""Aim, light and latency as a technician runs them: commands and a running service before a world of known answers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worlds
from walking import SETTINGS, Place, ended

from appliance.station.calibration import read_calibration
from appliance.station.client import Link
from tests.serving.conftest import LONG_S, Station

RUNNER = {"pair_width_m": 0.12, "cadence_spm": 165.0}


class Sees(Place):
    """A service with a calibrated lens, before a runner whose plate is the printed one."""

    def __init__(self, folder: Path) -> None:
        self.scene = worlds.world(folder, act="run", runner=RUNNER, plate_dots=2)
        self.station = Station(folder, SETTINGS.format(scene=self.scene) + "[lens]\nfx_px = 640.0\n")
        self.log = (folder / "log").open("w")
        self.station.start(stderr=self.log)
        self.station.status(lambda status: status.frames > 60)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    one = Sees(tmp_path_factory.mktemp("place"))
    yield one
    one.close()


@pytest.fixture(autouse=True)
def as_at_first(place: Place) -> Iterator[None]:
    """Every walk begins with the same runner before a straight camera, and with nothing calibrated."""
    before = place.scene.read_bytes()
    yield
    place.scene.with_suffix(".was").write_bytes(before)
    place.scene.with_suffix(".was").replace(place.scene)
    if _kept(place):
        place.said("rollback", "0", "--yes")


def _kept(place: Place) -> dict[str, Any]:
    """The values that the station has kept."""
    current = read_calibration(place.station.state).current
    return current.values if current else {}


def test_aim_finds_height_direction_and_what_to_cover(place: Place, tmp_path: Path) -> None:
    lamp = {"x_px": -150.0, "y_px": -230.0, "diameter_px": 12.0, "level": 190.0}
    place.act(above_m=0.25, right_m=0.3, clutter=[lamp])
    picture = tmp_path / "cover.png"
    told = place.told("aim", "--yes", "--seconds", "4", "--picture", str(picture))
    figures, problems = told["figures"], told["problems"]
    assert figures["height_m"] == pytest.approx(-0.25, abs=0.02)
    assert figures["distance_m"] == pytest.approx(2.5, abs=0.05)
    assert figures["azimuth_deg"] == pytest.approx(-math.degrees(math.atan(0.3 / 2.5)), abs=0.4)
    assert any(p.startswith("lower the camera by") and "leaks in as 0.7 deg" in p for p in problems)
    assert any("off to the right" in p for p in problems)
    assert any("cover the reflection upper left" in p for p in problems)
    assert len(figures["reflections"]) == 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert told["kept"]
    assert told["changed"] == {}


def test_a_camera_that_was_turned_gets_its_yaw_when_it_stands_straight_behind(place: Place) -> None:
    place.act(yaw_deg=4.0)
    told = place.told("aim", "--yes", "--seconds", "2.5", "--straight-behind")
    assert told["changed"]["lens.yaw_deg"]["after"] == pytest.approx(4.0, abs=0.3)
    assert _kept(place) == {"lens.yaw_deg": told["changed"]["lens.yaw_deg"]["after"]}


def test_nobody_in_view_is_no_aim(place: Place) -> None:
    place.act(act="away")
    assert "pelvis dots were not seen" in place.said("aim", "--yes", "--seconds", "2", code=9)


def test_burnt_out_dots_get_less_light_and_a_threshold_and_keep_their_places(place: Place) -> None:
    place.act(dot_level=1400.0)
    told = place.told("light", "--yes", "--seconds", "1")
    changed, figures = told["changed"], told["figures"]
    assert 165 <= figures["brightest_dot"] <= 235
    assert figures["heel_blur_px"] <= 1.51
    product = changed["camera.exposure_us"]["after"] * changed["camera.gain"]["after"]
    assert product == pytest.approx(6000 * 200 / 1400, rel=0.2)
    assert changed["sight.contrast"]["after"] > 20
    assert not [p for p in told["problems"] if "120 Hz" not in p]


def test_a_room_too_dark_is_told_with_what_to_do(place: Place) -> None:
    place.act(dot_level=3.0, background=1.0)
    told = place.said("light", "--yes", "--seconds", "1", code=9)
    assert "no dot was found" in told or "more light" in told


def test_light_that_flickers_with_the_mains_is_refused(place: Place) -> None:
    place.act(flicker_hz=100.0, flicker=0.5, background=70.0, act="stand")
    told = place.said("light", "--yes", "--seconds", "1", code=9)
    assert "flickers by" in told
    assert "lamps of 100 Hz" in told
    assert "switch off or shade the lamps" in told
    assert not _kept(place)


def test_the_time_to_light_is_found_within_half_a_frame(place: Place) -> None:
    delay_ms, late_ms = 13.0, 4.0
    lamp = {"x_px": -120.0, "y_px": -220.0, "led": 5, "delay_ms": delay_ms}
    place.act(act="away", lamp=lamp, stamp_late_ms=late_ms)
    told = place.told("latency", "--yes", "--trials", "20", "--seed", "3")
    wire = told["figures"]["wire"]
    assert wire["median_ms"] == pytest.approx(delay_ms + late_ms, abs=1.5)  # half a frame is 8.3 ms
    assert wire["low_ms"] - 0.5 <= delay_ms + late_ms <= wire["high_ms"] + 0.5
    assert told["figures"]["seen"] == 20
    predict_ms = told["changed"]["feedback.predict_ms"]["after"]
    assert predict_ms == pytest.approx(told["figures"]["age_ms"] + delay_ms + late_ms, abs=1.6)
    assert _kept(place) == {"feedback.predict_ms": predict_ms}


def test_a_technician_who_breaks_off_leaves_bar_and_exposure_as_they_were(place: Place) -> None:
    place.act(act="away", lamp={"x_px": -120.0, "y_px": -220.0, "led": 5})
    with Link.open(place.station.runtime) as link:
        was = link.settings()["settings"]["camera"]["exposure_us"]
        with place.walk("latency") as child:
            child.expect("Ready")
            child.sendline()
            child.expect("switchings")
            status = link.status()
            assert status.lent
            assert "camera.exposure_us" in status.tried
            child.sendintr()
            assert ended(child) == 130
        until_s = time.monotonic() + LONG_S
        while (status := link.status()).lent or status.tried:
            assert time.monotonic() < until_s
        assert link.settings()["settings"]["camera"]["exposure_us"] == was
    assert not _kept(place)


def test_light_that_the_technician_does_not_like_is_taken_back(place: Place) -> None:
    place.act(dot_level=900.0)
    with place.walk("light", "--seconds", "1") as child:
        child.expect("Ready")
        child.sendline()
        child.expect("how many pixels have which grey")
        child.expect("camera.exposure_us +1500 -> ")
        child.expect("keep this")
        child.sendline("n")
        child.expect("nothing was kept")
        assert ended(child) == 0
    with Link.open(place.station.runtime) as link:
        assert link.settings()["settings"]["camera"]["exposure_us"] == 1500.0


def test_an_led_that_nobody_sees_gives_no_figure(place: Place) -> None:
    place.act(act="away", lamp=None)
    told = place.said("latency", "--yes", "--trials", "20", code=9)
    assert "no LED of the bar is seen to go on and off" in told
    assert "infrared filter" in told


def test_a_spot_that_is_none_is_a_mistake_of_the_caller(place: Place) -> None:
    assert "X,Y,WIDTH,HEIGHT" in place.said("latency", "--yes", "--spot", "12,40", code=2)
