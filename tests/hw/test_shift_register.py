"""A bar behind shift registers lights the LEDs it should, in their places, in few writes, and is dark when it must be.

The registers are followed pin by pin from what is written through the contract of `RPi.GPIO` (tests/pins.py).
"""

import itertools
import logging
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pins import Header, Registers

from appliance.config import Gpio, Settings
from appliance.config import Strip as Wanted
from appliance.errors import StripLost
from appliance.feedback.bar import Feedback
from appliance.feedback.patterns import PALETTES, pattern
from appliance.records import MOMENT, Notice, Posture, Shown
from hw.strip.shift_register import REST_S, Lamps, capped, most_lit, open_shift_register
from hw.strip.wiring import wire_order

ROOT = Path(__file__).resolve().parents[2]
BAR = Wanted(kind="shift-register", leds=16, brightness=1.0, led_ma=8.0, idle_ma=0.0, current_cap_ma=20000.0)


class Bar:
    """A bar with its registers, on a clock of our own."""

    def __init__(self, wanted=BAR):
        self.header, self.now_s, self._felt = Header(), 0.0, 0
        self.registers = Registers(
            wanted.data_pin, wanted.clock_pin, wanted.latch_pin, wanted.enable_pin, wanted.leds
        )
        self.strip = open_shift_register(wanted, Gpio(), self.header.open, lambda: self.now_s)

    def wired(self):
        """What is lit, output by output, from the register nearest to the Pi."""
        for pin, level in self.header.gpio.writes[self._felt :]:
            self.registers.feel(pin, level)
        self._felt = len(self.header.gpio.writes)
        return self.registers.lit

    def writes(self, rgb):
        """How many levels one frame writes."""
        before = len(self.header.gpio.writes)
        self.strip.show(rgb)
        return len(self.header.gpio.writes) - before


def _with(**more):
    return msgspec.structs.replace(BAR, **more)


def _only(*lit, leds=16, level=255):
    rgb = np.zeros((leds, 3), np.uint8)
    rgb[list(lit), 2] = level
    return rgb


# places


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"reversed": True},
        {"pieces": ((7, 0), (8, 15))},
        {"pieces": ((0, 7), (15, 8)), "reversed": True},
        {"leds": 13, "pieces": ((5, 0), (6, 12))},
    ],
)
def test_each_led_hangs_where_the_wiring_says(more):
    wanted = _with(**more)
    order = wire_order(wanted)
    for led in range(wanted.leds):
        bar = Bar(wanted)
        bar.strip.show(_only(led, leds=wanted.leds))
        assert np.flatnonzero(bar.wired()).tolist() == [order.index(led)]


def test_the_runners_left_is_output_a_of_the_first_register():
    bar = Bar()
    bar.strip.show(_only(0, 1, 15))
    assert np.flatnonzero(bar.wired()).tolist() == [0, 1, 15]


# writes


def test_sixteen_leds_cost_fifty_writes_at_most_and_nothing_when_nothing_changed():
    bar = Bar()
    assert bar.writes(_only(*range(0, 16, 2))) == 50
    assert bar.writes(_only(*range(0, 16, 2))) == 0
    assert bar.writes(_only(*range(16))) == 1 + 32 + 2


def test_one_frame_is_one_latch_so_that_no_half_shifted_bar_is_ever_seen():
    bar = Bar()
    bar.wired()
    before = len(bar.registers.latched)
    bar.strip.show(_only(3, 4))
    bar.wired()
    assert len(bar.registers.latched) == before + 1


@given(st.lists(arrays(np.uint8, (16, 3)), max_size=8))
def test_what_is_latched_is_what_the_lamps_say(frames):
    bar, lamps = Bar(), Lamps(BAR)
    for k, rgb in enumerate(frames):
        bar.now_s = k * 0.1
        bar.strip.show(rgb)
        assert np.array_equal(bar.wired(), lamps.shown(rgb, bar.now_s))


# dark


def test_nothing_undefined_is_ever_lit_when_the_bar_is_opened():
    header = Header()
    open_shift_register(BAR, Gpio(), header.open)
    writes = header.gpio.writes
    assert writes[0] == (BAR.enable_pin, 1)
    shown = writes.index((BAR.enable_pin, 0))
    latched = [k for k, w in enumerate(writes) if w == (BAR.latch_pin, 1)]
    assert latched
    assert latched[0] < shown
    assert (BAR.data_pin, 1) not in writes


def test_closing_empties_the_registers_and_lifts_oe_before_the_pins_are_let_go():
    bar = Bar()
    bar.strip.show(_only(*range(16)))
    assert bar.wired().all()
    bar.strip.close()
    bar.strip.close()
    assert not bar.wired().any()
    assert not bar.registers.latched[-1].any()
    assert bar.header.gpio.writes[-1] == (BAR.enable_pin, 1)
    assert not bar.header.gpio.directions
    with pytest.raises(StripLost, match="closed"):
        bar.strip.show(_only())


def test_a_bar_without_oe_is_emptied_when_it_is_closed():
    bar = Bar(_with(enable_pin=-1))
    bar.strip.show(_only(*range(16)))
    assert bar.wired().all()
    bar.strip.close()
    assert not bar.wired().any()
    assert -1 not in {pin for pin, _ in bar.header.gpio.writes}


def test_an_interpreter_that_ends_without_closing_leaves_the_bar_dark():
    code = (
        "import atexit\n"
        "from test_shift_register import BAR, Bar, _only\n"
        "atexit.register(lambda: print(bar.header.gpio.writes[-1] == (BAR.enable_pin, 1)))\n"
        "bar = Bar()\n"
        "bar.strip.show(_only(*range(16)))\n"
    )
    folders = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/hw")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, *sys.path])}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


# what is lit


@pytest.mark.parametrize("brightness", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("shown", [*list(Shown)[2:], *Notice])
def test_every_pattern_is_seen_in_its_shape_at_any_brightness(shown, palette, brightness):
    settings = Settings(
        strip=_with(brightness=brightness),
        feedback=msgspec.structs.replace(Settings().feedback, palette=palette),
    )
    rgb = pattern(shown, settings)
    assert np.array_equal(Lamps(settings.strip).shown(rgb, 0.0), rgb.any(axis=1))


def _figure(difference_deg, strip):
    rows = np.zeros(240, MOMENT)
    rows["t_s"] = rows["seen_s"] = rows["step_s"] = np.arange(240) / 120
    rows["posture"], rows["sides_sure"], rows["left_steps"], rows["right_steps"] = Posture.RUNNING, 1, 7, 7
    rows["difference_deg"] = difference_deg
    return Feedback(Settings(strip=strip)).light(rows)[0], rows["t_s"]


@pytest.mark.parametrize("difference_deg", [1.0, 3.0, 6.0, -1.0, -3.0, -6.0])
def test_a_figure_lights_its_side_and_its_length(difference_deg):
    frames, times = _figure(difference_deg, BAR)
    lamps = Lamps(BAR)
    lit = [lamps.shown(rgb, t_s) for rgb, t_s in zip(np.asarray(frames), times, strict=True)][-1]
    left, right = int(lit[:8].sum()), int(lit[8:].sum())
    longer, mark = (left, right) if difference_deg > 0 else (right, left)
    assert mark == 1
    assert longer == pytest.approx(abs(difference_deg) * 8 / Settings().feedback.full_scale_deg, abs=1)


def test_an_led_between_lit_and_dark_stays_as_it_is():
    lamps = Lamps(BAR)
    assert not lamps.shown(_only(3, level=31), 0.0).any()
    assert lamps.shown(_only(3, level=32), 1.0)[3]
    assert lamps.shown(_only(3, level=16), 2.0)[3]
    assert not lamps.shown(_only(3, level=15), 3.0)[3]


@given(st.lists(st.tuples(arrays(np.uint8, (8, 3)), st.floats(0.001, 0.3)), max_size=60))
def test_no_led_lights_more_than_three_times_in_any_second(frames):
    lamps, t_s, before = Lamps(_with(leds=8)), 0.0, np.zeros(8, bool)
    rose = [[] for _ in range(8)]
    for rgb, gap_s in frames:
        t_s += gap_s
        now = lamps.shown(rgb, t_s)
        for led in np.flatnonzero(now & ~before):
            rose[led].append(t_s)
        before = now
    for times in rose:
        assert all(b - a >= REST_S * 0.999 for a, b in itertools.pairwise(times))


def test_going_dark_is_never_put_off():
    lamps = Lamps(BAR)
    assert lamps.shown(_only(*range(16)), 0.0).all()
    assert not lamps.shown(_only(), 0.001).any()


# current

caps = st.builds(
    lambda leds, led_ma, idle_ma, spare_ma: _with(
        leds=leds, led_ma=led_ma, idle_ma=idle_ma, current_cap_ma=idle_ma * leds + spare_ma
    ),
    st.integers(4, 48),
    st.floats(1, 100),
    st.floats(0, 10),
    st.floats(0.1, 2000),
)


@given(caps, st.data())
def test_the_bar_never_draws_more_than_its_cap(wanted, data):
    lamps = Lamps(wanted)
    for k in range(3):
        rgb = data.draw(arrays(np.uint8, (wanted.leds, 3)))
        lit = int(lamps.shown(rgb, k * 0.5).sum())
        assert lit * wanted.led_ma + wanted.idle_ma * wanted.leds <= wanted.current_cap_ma


@given(arrays(np.uint8, st.integers(4, 40)), st.integers(0, 40))
def test_the_cap_favours_neither_side(levels, allowed):
    asked = levels >= 32
    there = capped(asked, levels, allowed)
    mirrored = capped(asked[::-1], levels[::-1], allowed)
    assert np.array_equal(there, mirrored[::-1])
    assert not (there & ~asked).any()


def test_above_the_cap_the_dimmest_go_first_then_the_innermost():
    levels = np.array([200, 200, 200, 90, 0, 200, 0, 0], np.uint8)
    assert np.flatnonzero(capped(levels > 0, levels, 4)).tolist() == [0, 1, 2, 5]
    assert np.flatnonzero(capped(levels > 0, levels, 2)).tolist() == [0, 1]
    assert np.flatnonzero(capped(levels > 0, levels, 1)).tolist() == [0]


def test_what_is_under_the_cap_is_left_alone():
    assert most_lit(_with(leds=16, led_ma=8.0, current_cap_ma=128.0)) == 16
    assert most_lit(_with(leds=16, led_ma=8.0, current_cap_ma=127.9)) == 15
    assert most_lit(_with(leds=16, led_ma=8.0, idle_ma=1.0, current_cap_ma=128.0)) == 14


# trouble


def test_a_chip_that_is_missing_is_refused_with_its_remedy():
    header = Header()
    header.there = False
    with pytest.raises(StripLost) as lost:
        open_shift_register(BAR, Gpio(chip="pinctrl-x"), header.open)
    assert str(lost.value) == "shift registers on GPIO 5, 6, 13: no GPIO chip labelled pinctrl-x"
    assert lost.value.fix == "choose another"
    assert lost.value.exit_code == 6


def test_an_outage_is_counted_told_once_and_survived(caplog):
    bar = Bar()
    with caplog.at_level(logging.INFO, "hipbar.strip"):
        bar.strip.show(_only(1))
        bar.header.gpio.broken = True
        for _ in range(5):
            bar.now_s += 0.1
            bar.strip.show(_only(2))
        bar.header.gpio.broken = False
        for _ in range(2):
            bar.now_s += 0.5
            bar.strip.show(_only(2, 3))
    assert np.flatnonzero(bar.wired()).tolist() == [2, 3]
    assert bar.strip.faults == 5
    assert len(caplog.messages) == 2
    assert "gpio register unavailable" in caplog.messages[0].lower()
    assert "writing again" in caplog.messages[1]


def test_after_a_write_that_failed_half_way_nothing_is_taken_for_shown():
    bar = Bar()
    bar.strip.show(_only(1))
    bar.header.gpio.stumbles_after = (BAR.latch_pin, 1)
    bar.now_s = 0.5
    bar.strip.show(_only(2))
    assert np.flatnonzero(bar.wired()).tolist() == [2]  # latched before it failed
    bar.header.gpio.output(BAR.latch_pin, 0)
    bar.now_s = 0.6
    bar.strip.show(_only(1))
    assert np.flatnonzero(bar.wired()).tolist() == [1]


def test_pins_that_stay_broken_are_a_lost_strip():
    bar = Bar()
    bar.header.gpio.broken = True
    bar.strip.show(_only(1))
    bar.now_s = 2.1
    with pytest.raises(StripLost, match=r"GPIO register unavailable.* for 2 s"):
        bar.strip.show(_only(2))
    bar.header.gpio.broken = False
    bar.strip.close()
    assert not bar.wired().any()
