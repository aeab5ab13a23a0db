"""The guided steps on a real terminal against a running service, with a person who does what they are told, or not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worlds
from walking import SETTINGS, Place, ended, half, lifts

from appliance.station.calibration import read_calibration
from appliance.station.client import Link
from tests.serving.conftest import LONG_S, ROOT


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    one = Place(tmp_path_factory.mktemp("place"))
    one.said("rollback", "0", "--yes")
    yield one
    one.close()


@pytest.fixture(autouse=True)
def as_at_first(place: Place) -> Iterator[None]:
    """Every walk begins with somebody who stands, and with nothing calibrated."""
    place.act(act="stand", mirror=False)
    place.wire_from_right, place.order, place.leds = False, "rgb", 32
    yield
    if kept(place):
        place.said("rollback", "0", "--yes")


def kept(place: Place) -> dict[str, Any]:
    """The values that are in force by the calibration."""
    current = read_calibration(place.station.state).current
    return current.values if current else {}


def test_sides_that_are_right_are_proved_and_nothing_is_changed(place: Place) -> None:
    with place.walk("sides", "--bar-seen", "right-way") as child:
        child.sendline()
        for _ in range(2):
            lifts(child, place)
        child.expect("keep this")
        child.sendline("y")
        assert ended(child) == 0
    row = next(r for r in place.told()["steps"] if r["step"] == "sides")
    assert row["verdict"] == "good"
    assert kept(place) == {"camera.mirror": False, "strip.reversed": False}


def test_sides_that_somebody_else_changes_meanwhile_are_not_proved(place: Place) -> None:
    with place.walk("sides", "--bar-seen", "right-way") as child, Link.open(place.station.runtime) as other:
        child.sendline()
        lifts(child, place)
        other.set({"feedback.swap": True})
        lifts(child, place)
        child.expect("changed which side is which")
        assert ended(child) == 9
    assert kept(place) == {}


def test_exchanged_sides_are_found_at_both_ends_and_put_right(place: Place) -> None:
    place.act(mirror=True)
    place.wire_from_right = True
    with place.walk("sides") as child:
        child.sendline()
        for again in range(2):
            for _ in range(2):
                lifts(child, place)
            if not again:
                child.expect("set camera.mirror = true")
                child.sendline("y")
        for again in range(2):
            for _ in range(3):
                child.expect("Which half")
                child.sendline(half(place))
            if not again:
                child.expect("set strip.reversed = true")
                child.sendline("y")
        child.expect("camera.mirror +false -> true")
        child.expect("keep this")
        child.sendline("y")
        assert ended(child) == 0
    current = read_calibration(place.station.state).current
    assert current
    assert current.values == {"camera.mirror": True, "strip.reversed": True}
    assert current.sides
    assert current.figures["mirror_changed"]
    place.act(act="run")
    gait = place.station.status(lambda s: s.gait.difference_deg is not None).gait
    assert gait.difference_deg is not None
    assert gait.difference_deg < -1.0, (
        "as through a camera that mirrors nothing: rbds001 drops more on the right"
    )


def test_the_same_foot_twice_proves_nothing_and_nothing_is_kept(place: Place) -> None:
    with place.walk("sides") as child:
        child.sendline()
        for _ in range(2):
            lifts(child, place, lambda asked: "left")
        child.expect("the same heel rose both times")
        assert ended(child) == 9
    assert kept(place) == {}


def test_answers_about_the_bar_that_contradict_one_another_are_refused(place: Place) -> None:
    with place.walk("sides") as child:
        child.sendline()
        for _ in range(2):
            lifts(child, place)
        for _ in range(3):
            child.expect("Which half")
            child.sendline("l")
        child.expect("do not agree")
        assert ended(child) == 9
    assert kept(place) == {}


@pytest.mark.parametrize(
    ("act", "words"), [("away", "no pelvis dots were seen"), ("stand", "no heel rose clearly")]
)
def test_nobody_there_and_nobody_who_lifts_a_foot_is_told_after_the_wait(
    place: Place, act: str, words: str
) -> None:
    place.act(act=act)
    assert f"{words}" in place.said("sides", "--yes", "--bar-seen", "right-way", "--wait", "2", code=9)


def test_a_script_must_say_how_the_bar_was_seen(place: Place) -> None:
    assert "--bar-seen" in place.said("sides", "--yes", code=2)


def test_the_standing_zero_is_what_a_perfect_instrument_says_and_can_be_undone(place: Place) -> None:
    told = place.told("zero", "--yes")
    true_deg = worlds.truth(place.scene).standing_deg
    assert told["kept"]
    assert told["figures"]["zero_deg"] == pytest.approx(true_deg, abs=0.15)
    first = kept(place)
    again = place.told("zero", "--yes", "--seconds", "2", "--dry-run")
    assert again["changed"]["motion.zero_deg"]["before"] == told["changed"]["motion.zero_deg"]["after"]
    assert again["figures"]["zero_deg"] == pytest.approx(true_deg, abs=0.15)
    assert kept(place) == first, "a dry run keeps nothing"
    undone = place.told("undo", "--yes")
    assert undone["changed"]["motion.zero_deg"]["after"] == "as in the settings file"
    assert "nothing to undo" in place.said("undo", "--yes", code=9)


def test_no_zero_is_taken_of_nobody(place: Place) -> None:
    place.act(act="away")
    assert "were seen in" in place.said("zero", "--yes", "--seconds", "2", code=9)
    assert kept(place) == {}


def test_no_zero_is_taken_of_who_stands_on_one_leg(place: Place) -> None:
    place.act(act="lift right")
    with Link.open(place.station.runtime) as link:
        link.follow(1.0)
    assert "on one leg" in place.said("zero", "--yes", "--seconds", "2", code=9)
    place.act(act="stand")


def test_a_zero_can_be_measured_again_and_refused_by_the_technician(place: Place) -> None:
    place.act(act="shift")
    with place.walk("zero", "--seconds", "2") as child:
        child.expect("Ready")
        child.sendline()
        child.expect("do not stand still")
        assert kept(place) == {}
        place.act(act="stand")
        child.expect("once more")
        child.sendline("y")
        child.expect("Ready")
        child.sendline()
        child.expect("keep this")
        child.sendline("n")
        child.expect("nothing was kept")
        assert ended(child) == 0
    assert kept(place) == {}


def colour(place: Place) -> str:
    """The colour that the middle of the bar has."""
    lit = place.sees()[place.leds // 2]
    return "rgb"[int(lit.argmax())] if lit.any() else "o"


def test_a_strip_wired_in_another_way_is_found_by_what_is_seen(place: Place) -> None:
    place.wire_from_right, place.order, place.leds = True, "grb", 21
    with place.walk("strip") as child:
        child.expect("At which end")
        child.sendline("r" if place.sees()[-2:].any() else "l")
        child.expect("its very last")
        child.sendline("y" if place.sees()[0].max() > 100 else "s")
        while child.expect(["Is one light on", "Which colour"]) == 0:
            child.sendline("y" if place.sees().any() else "n")
        child.sendline(colour(place))
        for _ in range(2):
            child.expect("Which colour")
            child.sendline(colour(place))
        child.expect("Easy to see")
        child.sendline("d")
        child.expect("Easy to see")
        child.sendline("y")
        child.expect("may the bar draw")
        child.sendline("800")
        child.expect("keep this")
        child.sendline("y")
        assert ended(child) == 0
    assert kept(place) == {
        "strip.reversed": True,
        "strip.leds": 21,
        "strip.order": "grb",
        "strip.brightness": 0.357,
        "strip.current_cap_ma": 800.0,
    }


def test_a_strip_can_be_said_and_not_looked_at(place: Place) -> None:
    told = place.told("strip", "--yes", "--leds", "24", "--seen", "grb", "--cap-ma", "500")
    assert {key: value["after"] for key, value in told["changed"].items()} == {
        "strip.leds": 24,
        "strip.order": "grb",
        "strip.current_cap_ma": 500.0,
    }
    assert "nobody looks" in place.said("strip", "--yes", code=2)
    assert "no order of colours" in place.said("strip", "--yes", "--seen", "rrb", code=9)


def test_all_goes_through_the_steps_on_one_link_and_leaves_out_what_is_declined(place: Place) -> None:
    others = ("aim", "light", "lens", "level", "latency")
    with place.walk("all", *(word for name in others for word in ("--skip", name))) as child:
        for name in ("1 of 3: strip", "2 of 3: sides"):
            child.expect(f"step {name}")
            child.expect("do it now")
            child.sendline("n")
        child.expect("step 3 of 3: zero")
        child.expect("do it now")
        child.sendline("y")
        child.expect("Ready")
        child.sendline()
        child.expect("keep this")
        child.sendline("y")
        child.expect("left for later: strip, sides")
        assert ended(child) == 0
    assert list(kept(place)) == ["motion.zero_deg"]
    told = place.said(
        "all", "--due", "--yes", "--skip", "zero", *(w for n in others for w in ("--skip", n)), code=2
    )
    assert "nobody looks" in told


def test_a_stopped_station_is_reached_for_one_step_and_keeps_what_it_found(tmp_path: Path) -> None:
    scene = worlds.world(tmp_path, act="stand")
    file = tmp_path / "station.toml"
    file.write_text(SETTINGS.format(scene=scene) + '[strip]\nkind = "memory"\n')
    env = {**os.environ, "HIPBAR_RUNTIME": str(tmp_path / "nothing"), "HIPBAR_STATE": str(tmp_path)}
    words = [
        sys.executable,
        "-m",
        "appliance.cli",
        "calibrate",
        "zero",
        "--yes",
        "--seconds",
        "2",
        "--config",
        str(file),
    ]
    done = subprocess.run(
        words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LONG_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the service does not run: using the devices directly" in done.stderr
    assert "kept as calibration 1" in done.stdout
    current = read_calibration(tmp_path).current
    assert current
    assert list(current.values) == ["motion.zero_deg"]
