"""`hipbar panel`: lists chips and pins, plays the light's states, tells each press; pins are a contract's.

The contract of `RPi.GPIO` is in tests/pins.py; the real library plays on the station bench.
"""

import json
import os
import signal
import threading
import time

import pytest
from pins import Header

import hw.panel
from appliance.commands import panel as command
from appliance.commands.panel import WORDS, place
from appliance.config import Settings
from appliance.records import Light
from hw.panel import RHYTHMS

BUTTON, LIGHT = Settings().panel.button_pin, Settings().panel.light_pin


@pytest.fixture
def station(tmp_path):
    file = tmp_path / "station.toml"
    file.write_text('[panel]\nkind = "gpio"\n[strip]\nkind = "shift-register"\nidle_ma = 0\n')
    return file


@pytest.fixture
def header(monkeypatch):
    header = Header()
    monkeypatch.setattr(hw.panel, "open_pins", header.open)
    return header


def test_the_list_says_what_the_settings_name_and_where_on_the_header_it_is(hipbar, station):
    done = hipbar("panel", "--config", station)
    assert done.code == 0
    assert f"button    GPIO {BUTTON}, header pin 13" in done.out
    assert f"light     GPIO {LIGHT}, header pin 15" in done.out
    assert "data      GPIO 5, header pin 29" in done.out
    assert "GPIO chips" in done.out


def test_the_list_names_chips_and_who_uses_their_pins():
    told = {
        "panel": "gpio",
        "pins": {"button": 27},
        "chip": {"asked": "auto", "found": "pinctrl-bcm2711", "trouble": None},
        "libraries": {"rpi-lgpio": "0.6"},
        "chips": [{"path": "/dev/gpiochip0", "label": "pinctrl-bcm2711", "lines": 58, "used": []}],
        "denied": ["/dev/gpiochip1"],
    }
    users = told["chips"][0]["used"]
    users.append({"pin": 8, "output": True, "consumer": "spi0 CS0", "process": None})
    users.append({"pin": 27, "output": False, "consumer": "lg", "process": "process 812 (hipbar)"})
    users.append({"pin": 42, "output": False, "consumer": None, "process": None})
    assert command._lines(told) == [
        "this station",
        "  panel     gpio",
        "  button    GPIO 27, header pin 13",
        "  chip      pinctrl-bcm2711",
        "  library   rpi-lgpio 0.6",
        "GPIO chips",
        "  /dev/gpiochip0  pinctrl-bcm2711, 58 lines",
        "    GPIO 8   out  spi0 CS0",
        "    GPIO 27  in   process 812 (hipbar), lg",
        "    GPIO 42  in   somebody",
        "  /dev/gpiochip1  not permitted: add this user to the group `gpio`",
    ]


def test_the_list_as_json_has_the_same(hipbar, station):
    told = json.loads(hipbar("panel", "--json", "--config", station).out)
    assert told["panel"] == "gpio"
    assert told["pins"] == {"button": 27, "light": 22, "data": 5, "clock": 6, "latch": 13, "enable": 19}
    assert set(told) == {"panel", "pins", "chip", "libraries", "chips", "denied"}


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        ({}, "none: sudo apt install python3-rpi-lgpio"),
        ({"rpi-lgpio": "0.6"}, "rpi-lgpio 0.6"),
        (
            {"rpi-lgpio": "0.6", "RPi.GPIO": "0.7.1"},
            "rpi-lgpio 0.6 and RPi.GPIO 0.7.1: remove one, never both",
        ),
    ],
)
def test_the_list_says_which_library_there_is(installed, words):
    assert command._library(installed) == words


def test_the_test_plays_every_state_by_name_and_leaves_the_light_off(hipbar, station, header):
    done = hipbar("panel", "--test", "--seconds", 2, "--config", station)
    assert done.code == 0
    said = [line for line in done.err.splitlines() if ": " in line and "press" not in line]
    assert said == [f"{light}: {words}" for light, words in WORDS.items()]
    assert done.err.splitlines()[-1] == "the light is off"
    assert header.gpio.writes[-1] == (LIGHT, 0)
    assert not header.gpio.directions
    assert done.out == "0 presses\n"


def test_each_press_is_told_as_it_comes(hipbar, station, header):
    def finger():
        for level in (0, 1):
            time.sleep(0.5)
            header.gpio.outside[BUTTON] = level

    hand = threading.Thread(target=finger)
    hand.start()
    done = hipbar("panel", "--test", "--seconds", 2, "--json", "--config", station)
    hand.join()
    press, end = map(json.loads, done.out.splitlines())
    assert press["kind"] == "short"
    assert press["held_s"] == pytest.approx(0.5, abs=0.2)
    assert end == {"presses": 1, "held_at_start": False}


def test_a_button_that_is_stuck_is_told(hipbar, station, header):
    header.gpio.outside[BUTTON] = 0
    done = hipbar("panel", "--test", "--seconds", 1, "--config", station)
    assert done.out == "0 presses; the button was held at the start, or is stuck\n"


def test_ctrl_c_ends_the_test_with_the_light_off(hipbar, station, header):
    threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()
    done = hipbar("panel", "--test", "--seconds", 60, "--config", station)
    assert done.code == 130
    assert header.gpio.writes[-1] == (LIGHT, 0)
    assert not header.gpio.directions


def test_a_panel_that_is_not_in_the_settings_cannot_be_tested(hipbar):
    done = hipbar("panel", "--test")
    assert done.code == 1
    assert done.err.splitlines() == [
        'hipbar: panel.kind is "none"',
        '  set kind = "gpio" in [panel] of the settings file',
    ]


def test_a_missing_chip_is_told_with_its_remedy(hipbar, station):
    station.write_text('[panel]\nkind = "gpio"\n[gpio]\nchip = "no-such-label"\n')
    done = hipbar("panel", "--test", "--config", station)
    assert done.code == 1
    assert "no GPIO chip labelled no-such-label" in done.err
    assert len(done.err.splitlines()) == 2


def test_pins_are_found_on_the_header():
    assert (place(2), place(27), place(10)) == (
        "GPIO 2, header pin 3",
        "GPIO 27, header pin 13",
        "GPIO 10, header pin 19",
    )
    assert place(45) == "GPIO 45"
    assert place(-1) == "not wired"
    assert len({place(pin) for pin in range(28)}) == 28


def test_the_words_say_what_the_rhythms_do():
    assert set(WORDS) == set(Light)
    counts = {"one": 1, "two": 2, "three": 3}
    for light, words in WORDS.items():
        parts = RHYTHMS[light]
        lit, dark = parts[::2], parts[1::2]
        if "flash" in words:
            assert len(lit) == counts[words.split()[0]]
            assert sum(lit) < sum(dark)
        if "gap" in words:
            assert len(dark) == counts[words.split("with ")[1].split()[0]]
            assert sum(lit) > sum(dark)
        if "every three seconds" in words:
            assert sum(parts) == pytest.approx(3)
    assert RHYTHMS[Light.WARMING_UP] == (0.25, 0.25)
    assert RHYTHMS[Light.FAULT] == (1, 1)
