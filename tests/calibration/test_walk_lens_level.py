"""Lens and level on a real terminal against a service whose camera is crooked, and what it measures afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pexpect
import pytest
import worlds
from walking import Place, ended

from appliance.config import Settings
from appliance.station.calibration import mode_of, read_calibration
from appliance.station.client import Link

LENS = {"f_px": 600.0, "cx_px": 250.0, "cy_px": 330.0, "k1": -0.25, "k2": 0.08}
ROLL_DEG, PITCH_DEG = 4.0, 7.0
LIMIT_DEG = 0.1
TILTS = {"upper": (30.0, 0.0), "lower": (-30.0, 0.0), "right": (0.0, 30.0), "left": (0.0, -30.0)}
"""By the edge that is to go away: the board's pitch and yaw."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    one = Place(tmp_path_factory.mktemp("place"), act="away", **LENS)
    yield one
    one.close()


class Holder:
    """Somebody who holds the board where the screen says, and holds it otherwise when nothing comes of it."""

    def __init__(self, place: Place) -> None:
        self._place, self._rng = place, np.random.default_rng(5)

    def hold(self, words: str) -> None:
        row, column, edge = (pick(words) for pick in (_row, _column, _edge))
        ahead = self._rng.uniform(0.38, 0.48)
        pitch, yaw = TILTS[edge] if edge else self._rng.uniform(-30, 30, 2)
        x, y = (0.55 * c + self._rng.uniform(-0.1, 0.1) for c in (column, row))
        board = {
            "distance_m": float(ahead), "right_m": float(x * 240 / 600 * ahead), "up_m": float(-y * 320 / 600 * ahead),
            "pitch_deg": float(pitch), "yaw_deg": float(yaw), "roll_deg": float(self._rng.uniform(-15, 15)),
        }  # fmt: skip
        self._place.act(board=board)


def _row(words: str) -> int:
    return -1 if "picture's upper" in words else 1 if "picture's lower" in words else 0


def _column(words: str) -> int:
    place = words.partition("picture's ")[2].partition(",")[0]
    return -1 if place.endswith("left") else 1 if place.endswith("right") else 0


def _edge(words: str) -> str | None:
    return next((edge for edge in TILTS if f"its {edge} edge away" in words), None)


def shown(place: Place, child: pexpect.spawn, until: str) -> int:
    """Follows the screen until it says that, or for at most so many changes; how often the board was moved."""
    holder, words = Holder(place), ""
    for moves in range(80):
        if (said := child.expect([r"next: ([^\r\n]*)\r", until, pexpect.TIMEOUT], timeout=2.5)) == 1:
            return moves
        words = child.match[1] if said == 0 else words
        holder.hold(words)
    raise AssertionError(f"the board was shown 80 times: {child.before}")


def values(place: Place) -> dict[str, Any]:
    current = read_calibration(place.station.state).current
    assert current
    return {**current.lenses.get(mode_of(place.station.settings), {}), **current.values}


def standing_deg(place: Place) -> float:
    """What the station makes of somebody who stands."""
    place.act(act="stand", board=None, beam=None, plumb=None)
    with Link.open(place.station.runtime) as link:
        link.follow(1.0)
        return float(np.nanmean(link.follow(2.0)["obliquity_deg"]))


def played(child: pexpect.spawn, place: Place, *turns: tuple[str, dict[str, Any]]) -> None:
    """At each of those words the thing is put before the camera, and Enter pressed."""
    for words, changes in turns:
        child.expect(words)
        place.act(**{"board": None, "beam": None, "plumb": None, **changes})
        child.sendline()


def test_first_the_lens_is_found_by_somebody_who_follows_the_screen(place: Place) -> None:
    crooked = abs(standing_deg(place) - worlds.truth(place.scene, place.station.settings.camera).standing_deg)
    assert crooked < 0.5  # the camera is still level: only what it is level in is bent
    place.act(act="away")
    with place.walk("lens") as child:
        child.expect("Ready")
        child.sendline()
        shown(place, child, "keep this")
        child.sendline("y")
        assert ended(child) == 0
    found = values(place)
    assert found["lens.fx_px"] == pytest.approx(600, rel=0.005)
    assert found["lens.cx_px"] == pytest.approx(250, abs=3)
    assert found["lens.cy_px"] == pytest.approx(330, abs=3)
    assert found["lens.k1"] == pytest.approx(-0.25, abs=0.01)
    figures = read_calibration(place.station.state).revisions[-1].figures
    assert figures["rms_px"] < 0.15
    with Link.open(place.station.runtime) as link:
        told = link.settings()
        assert (told["tried"], told["settings"]["lens"]["fx_px"]) == ({}, found["lens.fx_px"])


METHODS: dict[str, tuple[list[str], list[tuple[str, dict[str, Any]]]]] = {
    "plumb": (
        ["--by", "plumb"],
        [
            ("LEFT of the picture", {"plumb": {"right_m": -0.35}}),
            ("at the RIGHT of", {"plumb": {"right_m": 0.35}}),
            ("lay a bar", {"beam": {}}),
            ("Now the proof: put", {"beam": {"tilt_deg": math.degrees(math.asin(20 / 600))}}),
        ],
    ),
    "bar": (
        ["--by", "bar", "--lens-height", "1.0", "--bar-height", "0.9", "--distance", "2.5"],
        [
            ("Lay the bar", {"beam": {"up_m": -0.1}}),
            ("Now the proof: put", {"beam": {"up_m": -0.1, "tilt_deg": math.degrees(math.asin(20 / 600))}}),
        ],
    ),
    "board": (
        ["--by", "board", "--shim-mm", "10"],
        [
            ("Stand the board", {"board": {"up_m": -0.05}}),
            ("Now the proof: put", {"board": {"up_m": -0.05, "roll_deg": -math.degrees(math.asin(10 / 297))}}),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("by", METHODS)
def test_then_roll_and_pitch_are_found_to_a_tenth_of_a_degree_and_proved(place: Place, by: str) -> None:
    words, turns = METHODS[by]
    place.act(act="away", board=None, roll_deg=ROLL_DEG, pitch_deg=PITCH_DEG)
    with place.walk("level", *words, "--seconds", "2", "--wait", "20") as child:
        played(child, place, *turns)
        child.expect("proof: 1.9. deg reads ([0-9.]+)")
        assert float(child.match[1]) == pytest.approx(1.92, abs=0.06)
        child.expect("keep this")
        child.sendline("y")
        assert ended(child) == 0
    assert values(place)["lens.roll_deg"] == pytest.approx(ROLL_DEG, abs=LIMIT_DEG)
    assert values(place)["lens.pitch_deg"] == pytest.approx(PITCH_DEG, abs=LIMIT_DEG)


def test_afterwards_the_station_measures_somebody_who_stands_as_if_its_camera_were_straight(
    place: Place,
) -> None:
    truth = worlds.truth(place.scene, place.station.settings.camera).standing_deg
    assert standing_deg(place) == pytest.approx(truth, abs=0.15)
    with Link.open(place.station.runtime) as link:
        link.set({"lens.roll_deg": 0.0, "lens.pitch_deg": 0.0})
        wrong = standing_deg(place)
    assert abs(wrong - truth) > 3.5


REFUSED: dict[str, tuple[list[tuple[str, dict[str, Any]]], str]] = {
    "a shim of another height": (
        [("Lay the bar", {"beam": {}}), ("Now the proof: put", {"beam": {"tilt_deg": 2.5}})],
        "reads 2.[45]., *off by|a tilt of 1.91 deg reads 2.",
    ),
    "the other end": (
        [("Lay the bar", {"beam": {}}), ("Now the proof: put", {"beam": {"tilt_deg": -1.91}})],
        "left and right are exchanged",
    ),
    "too many dots": ([("Lay the bar", {"beam": {}, "act": "stand"})], "bright dots in the picture"),
    "not tilted at all": (
        [("Lay the bar", {"beam": {}}), ("Now the proof: put", {"beam": {}})],
        r"it still reads [+-]0\.0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_true_is_refused_with_the_reason_and_nothing_is_kept(place: Place, what: str) -> None:
    turns, reason = REFUSED[what]
    before = len(read_calibration(place.station.state).revisions)
    place.act(act="away", beam=None, board=None, plumb=None, roll_deg=ROLL_DEG, pitch_deg=PITCH_DEG)
    with place.walk("level", "--by", "bar", "--seconds", "1", "--wait", "2") as child:
        played(child, place, *turns)
        child.expect(f"hipbar: .*({reason})")
        assert ended(child) == 9
    assert len(read_calibration(place.station.state).revisions) == before


def test_a_level_that_the_plumb_line_does_not_agree_with_is_refused(place: Place) -> None:
    place.act(act="away", beam=None, board=None, plumb=None, roll_deg=ROLL_DEG, pitch_deg=PITCH_DEG)
    hung = [
        ("LEFT of the picture", {"plumb": {"right_m": -0.35}}),
        ("at the RIGHT of", {"plumb": {"right_m": 0.35}}),
    ]
    with place.walk("level", "--seconds", "1", "--wait", "10") as child:
        played(child, place, *hung, ("lay a bar", {"beam": {"tilt_deg": 0.8}}))
        child.expect(r"hipbar: by the plumb line the level bar is tilted by \+0\.[78]")
        assert ended(child) == 9


def test_a_bar_whose_dots_are_askew_is_turned_about_and_its_own_error_is_gone(place: Place) -> None:
    place.act(act="away", board=None, plumb=None, beam=None, roll_deg=ROLL_DEG, pitch_deg=PITCH_DEG)
    turns = ("Lay the bar", {"beam": {"tilt_deg": 0.4}}), ("end for end", {"beam": {"tilt_deg": -0.4}})
    with place.walk("level", "--by", "bar", "--turn", "--seconds", "1", "--wait", "20", "--dry-run") as child:
        played(child, place, *turns, ("Now the proof: put", {"beam": {"tilt_deg": 1.91 - 0.4}}))
        child.expect(r"roll \+([0-9.]+) deg")
        assert float(child.match[1]) == pytest.approx(ROLL_DEG, abs=LIMIT_DEG)
        child.expect(r"proof: 1.91 deg reads 1\.9")
        child.expect(r"itself is askew by [+-]0\.[34].")
        assert ended(child) == 0


def test_a_line_that_swings_is_waited_for_and_refused(place: Place) -> None:
    place.act(act="away", beam=None, board=None, plumb={"right_m": -0.35, "swing_deg": 3.0})
    place.said("level", "--yes", "--seconds", "1", "--wait", "2", code=9)


def test_a_board_seen_in_a_mirror_says_that_sides_come_first(place: Place) -> None:
    place.act(act="away", board={}, beam=None, plumb=None, mirror=True)
    said = place.said(
        "level", "--by", "board", "--no-proof", "--yes", "--seconds", "1", "--wait", "10", code=9
    )
    place.act(mirror=False)
    assert "seen in a mirror" in said
    assert "hipbar calibrate sides" in said


def test_without_a_board_the_lens_step_says_so_and_puts_the_exposure_back(place: Place) -> None:
    place.act(act="away", beam=None, board=None, plumb=None)
    assert "0 views" in place.said("lens", "--yes", "--wait", "3", code=9)
    with Link.open(place.station.runtime) as link:
        told = link.settings()
    assert told["settings"]["camera"]["exposure_us"] == Settings().camera.exposure_us
    assert told["tried"] == {}


def test_a_board_in_the_dark_is_lit_by_a_longer_exposure(place: Place) -> None:
    place.act(act="away", board={"white": 30.0, "black": 5.0})
    told = place.told(
        "level", "--by", "board", "--no-proof", "--yes", "--dry-run", "--seconds", "1", "--wait", "20"
    )
    assert told["figures"]["roll_deg"] == pytest.approx(ROLL_DEG, abs=LIMIT_DEG)
    assert told["figures"]["pitch_deg"] == pytest.approx(PITCH_DEG, abs=2 * LIMIT_DEG)
    assert not told["kept"]
