"""How often and how much is drawn, for terminals of every speed: simulated here byte by byte, without a clock."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.commands.watching import keys
from appliance.commands.watching.pace import DETAILS, Pace
from appliance.commands.watching.view import Knobs

SIZES = {"full": 2500, "coarse": 900, "dots": 250}
"""Bytes of a screen behind the first, with a runner before a restless background."""
FIRST = {"full": 14_000, "coarse": 7_000, "dots": 2_500}


class Wire:
    """A terminal at the end of a line of so many bytes a second, so many seconds away."""

    def __init__(self, bytes_s: float, round_s: float) -> None:
        self.bytes_s, self.round_s = bytes_s, round_s
        self.pace, self.now_s, self.ages_s = Pace(round_s), 0.0, list[float]()
        self.details: list[str] = []
        self.drawn = ""

    def run(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            self.now_s = max(self.now_s, self.pace.due_s())
            detail = self.pace.detail
            size = SIZES[detail] if detail == self.drawn else FIRST[detail]
            self.drawn = detail
            self.pace.sent(self.now_s, size, 0.005)
            assert self.pace.busy  # nothing more is drawn until this one was
            self.now_s += self.round_s + size / self.bytes_s
            self.pace.answered(self.now_s)
            assert not self.pace.busy
            self.ages_s.append(self.round_s + size / self.bytes_s)
            self.details.append(detail)


def test_a_fast_terminal_gets_the_whole_picture_ten_times_a_second() -> None:
    wire = Wire(1e7, 0.001)
    wire.run(5.0)
    assert wire.details[3:] == ["full"] * (len(wire.details) - 3)
    assert 45 <= len(wire.details) <= 51


@pytest.mark.parametrize(("baud", "worst_s"), [(9600, 1.1), (19200, 1.1), (38400, 1.1), (115200, 0.9)])
def test_the_screen_of_a_slow_line_is_never_older_than_about_a_second(baud: int, worst_s: float) -> None:
    wire = Wire(baud / 10, 0.05)
    wire.run(120.0)
    settled = wire.ages_s[10:]
    late = [age for age in settled if age > worst_s]
    assert len(late) <= 6  # single tries of a richer picture, ever rarer
    assert sorted(settled)[len(settled) // 2] < 0.5


def test_a_line_that_gets_slower_in_the_middle_gets_plainer_screens_at_once() -> None:
    wire = Wire(1e6, 0.01)
    wire.run(5.0)
    assert wire.details[-1] == "full"
    wire.bytes_s = 960.0
    wire.run(30.0)
    assert wire.details[-1] == DETAILS[-1]
    assert wire.ages_s[-1] < 0.5


def test_a_line_far_away_but_wide_gets_the_whole_picture() -> None:
    wire = Wire(1e6, 0.3)
    wire.run(10.0)
    assert wire.details[-1] == "full"
    assert wire.pace.screens_hz() == pytest.approx(1 / 0.3, rel=0.1)


def test_a_terminal_that_stops_answering_is_tried_again_every_ten_seconds_and_no_sooner() -> None:
    pace, tries = Pace(), 0
    for now_s in np.arange(0.0, 60.0, 0.1).tolist():
        pace.waited(now_s)
        if not pace.busy and now_s >= pace.due_s():
            pace.sent(now_s, 2000, 0.01)
            tries += 1
    assert tries == 6
    pace.answered(60.0)
    assert not pace.busy


def test_a_very_slow_terminal_is_given_ten_times_as_long_as_its_last_screen_took() -> None:
    pace = Pace()
    pace.sent(0.0, 2000, 0.01)
    pace.answered(4.0)
    pace.sent(4.0, 2000, 0.01)
    pace.waited(40.0)
    assert pace.busy
    pace.waited(45.0)
    assert not pace.busy


def test_an_answer_to_nothing_changes_nothing() -> None:
    pace = Pace()
    pace.answered(1.0)
    assert pace.screen_s is None


def test_a_terminal_that_never_answered_gets_one_plain_screen_a_second() -> None:
    pace, now_s, count = Pace(None), 0.0, 0
    while now_s < 10.0:
        now_s = max(now_s, pace.due_s())
        pace.sent(now_s, 500, 0.005)
        assert not pace.busy
        count += 1
    assert 10 <= count <= 11
    assert pace.detail == "dots"


def test_drawing_never_takes_more_than_a_third_of_our_time() -> None:
    pace = Pace()
    pace.sent(10.0, 500, 0.2)
    assert pace.due_s() == pytest.approx(10.6)


KNOBS = Knobs(mode="asymmetry", brightness=0.5, contrast=0, band_deg=2.0)


@pytest.mark.parametrize(
    ("key", "tried"),
    [
        ("m", {"feedback.mode": "step"}),
        ("M", {"feedback.mode": "off"}),
        ("+", {"strip.brightness": 0.6}),
        ("-", {"strip.brightness": 0.4}),
        ("T", {"sight.contrast": 20}),
        ("t", {}),
        ("b", {"feedback.band_deg": 1.5}),
        ("B", {"feedback.band_deg": 2.5}),
        ("x", {}),
    ],
)
def test_a_key_tries_the_next_value(key: str, tried: dict[str, object]) -> None:
    assert keys.tried(key, KNOBS) == tried


def test_keys_stop_at_the_ends_of_a_setting_s_range() -> None:
    least = Knobs(mode="off", brightness=0.05, contrast=5, band_deg=0.0)
    assert keys.tried("-", least) == {}
    assert keys.tried("b", least) == {}
    assert keys.tried("t", least) == {"sight.contrast": 0}
    most = Knobs(mode="off", brightness=1.0, contrast=250, band_deg=20.0)
    assert [keys.tried(key, most) for key in "+TB"] == [{}, {}, {}]


def test_a_brightness_between_two_steps_goes_to_the_next_one() -> None:
    odd = Knobs(mode="off", brightness=0.33, contrast=0, band_deg=0.0)
    assert keys.tried("+", odd) == {"strip.brightness": 0.4}
    assert keys.tried("-", odd) == {"strip.brightness": 0.3}
    assert keys.tried("-", Knobs(brightness=0.01)) == {}


def test_before_the_settings_are_known_no_key_changes_anything() -> None:
    assert [keys.tried(key, Knobs()) for key in "mM+-tTbB"] == [{}] * 8
