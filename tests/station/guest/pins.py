"""The shift-register bar and the panel at work on the simulated chip; what they did becomes JSON on standard output.

Runs in the guest as root, through the real `RPi.GPIO` API:  python pins.py
Times are seconds on CLOCK_MONOTONIC. It judges nothing: the tests on the host do. A press is made by pulling the line,
with the bounces of a bad contact; the time that each spike really took is told, for the machine is emulated.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from chip import PI, Chip, Held, Recording

from appliance.config import Settings, parse
from appliance.errors import StripLost
from appliance.records import Light
from hw import panel
from hw.gpio_chip import GpioRefused
from hw.strip.shift_register import open_shift_register

LEDS, FRAMES, SEED = 16, 60, 5
BUTTON, LIGHT = 27, 22
DEBOUNCE_S = 0.08
BAR = f'[strip]\nkind = "shift-register"\nleds = {LEDS}\ncurrent_cap_ma = 20000.0\n'
PANEL = f'[panel]\nkind = "gpio"\ndebounce_ms = {1e3 * DEBOUNCE_S}\nlong_s = 0.8\nvery_long_s = 2.0\n'
_STATE_S, _REST_S = 3.3, 0.45
_TRIES = 3
Evidence = dict[str, Any]


def bar(chip: Chip) -> Evidence:
    """Random pictures, each shown twice, a second apart by the clock that the bar is given."""
    settings, chance = parse(BAR), random.Random(SEED)
    frames = [[chance.random() < 0.5 for _ in range(LEDS)] for _ in range(FRAMES)]
    now_s = 0.0
    with Recording(chip) as recording:
        strip = open_shift_register(settings.strip, settings.gpio, clock=lambda: now_s)
        began_s = time.monotonic()
        for lit in frames:
            now_s += 1.0
            for _ in range(2):
                strip.show(np.array(lit, np.uint8)[:, None] * np.full((1, 3), 127, np.uint8))
        took_s = time.monotonic() - began_s
        strip.close()
    return {"frames": frames, "edges": recording.edges, "frame_s": took_s / FRAMES}


class Finger:
    """What a person does to the button, and what the panel made of it."""

    def __init__(self, chip: Chip, seen: panel.Panel) -> None:
        self._chip, self._panel, self.presses = chip, seen, list[panel.Press]()
        self.made: list[tuple[str, float, float]] = []
        """What was meant, from when to when."""
        self.spikes_s: list[float] = []

    def press(self, meant: str, held_s: float, *, bounces: int = 0, slips: int = 0) -> None:
        """Down, held, up; a bad contact bounces at both ends and slips for a moment in between."""
        from_s = time.monotonic()
        self._spikes(bounces, up=False)
        self._chip.pull(BUTTON, up=False)
        for _ in range(slips):
            time.sleep(held_s / (slips + 1))
            self._spikes(1, up=True)
            self._chip.pull(BUTTON, up=False)
        time.sleep(held_s / (slips + 1))
        self._spikes(bounces, up=True)
        self._chip.pull(BUTTON, up=True)
        self.made.append((meant, from_s, time.monotonic()))
        self._listen(len(self.made))
        self.rest(4 * DEBOUNCE_S)

    def spike(self) -> None:
        """A disturbance on the wire, too short for a finger."""
        self._spikes(1, up=False)
        time.sleep(4 * DEBOUNCE_S)

    def rest(self, seconds: float) -> None:
        """Nothing happens."""
        time.sleep(seconds)
        self.presses += self._panel.presses()

    def _spikes(self, count: int, *, up: bool) -> None:
        for _ in range(count):
            from_s = time.monotonic()
            self._chip.pull(BUTTON, up=up)
            time.sleep(0.002)
            self._chip.pull(BUTTON, up=not up)
            self.spikes_s.append(time.monotonic() - from_s)
            time.sleep(0.002)

    def _listen(self, count: int, patience_s: float = 5.0) -> None:
        end_s = time.monotonic() + patience_s
        while len(self.presses) < count and time.monotonic() < end_s:
            self.rest(0.01)


def button(chip: Chip) -> Evidence:
    """Presses of every length, and disturbances that are none; again if the machine stood still in one of those."""
    for _ in range(_TRIES):
        found = _presses(chip)
        if max(found["spikes_s"]) < 0.8 * DEBOUNCE_S:
            break
    return found


def _presses(chip: Chip) -> Evidence:
    seen = _panel()
    finger = Finger(chip, seen)
    try:
        finger.rest(0.3)
        for bounces in (0, 3, 8):
            finger.press("short", 0.2, bounces=bounces)
        for _ in range(10):
            finger.spike()
        finger.press("long", 1.1, bounces=5, slips=2)
        finger.press("very long", 2.4, bounces=5)
        finger.press("short", 0.15, bounces=3)
        finger.rest(0.3)
    finally:
        seen.close()
    presses = [(press.kind.value, press.t_s, press.held_s) for press in finger.presses]
    return {"made": finger.made, "presses": presses, "spikes_s": finger.spikes_s, "debounce_s": DEBOUNCE_S}


def status_light(chip: Chip) -> Evidence:
    """Every state for a while, dark in between; at the end nothing is said any more, as by a loop that hangs."""
    said: list[tuple[str, float, float]] = []
    with Recording(chip) as recording:
        seen = _panel()
        for state in (light for light in Light if light is not Light.OFF):
            _say(seen, Light.OFF, _REST_S)
            from_s = time.monotonic()
            _say(seen, state, _STATE_S)
            said.append((state.name, from_s, time.monotonic()))
        hung_s = time.monotonic()
        time.sleep(_STATE_S)
        said.append(("hung", hung_s, time.monotonic()))
        seen.close()
    return {"said": said, "edges": recording.edges}


def busy(chip: Chip) -> Evidence:
    """Pins that somebody else has: the panel does without, the bar says who it is."""
    with Held(chip, LIGHT) as pid:
        kept, warning = panel.open_panel(parse(PANEL))
        kept.close()
    held = {"pid": pid, "panel": type(kept).__name__, "warning": warning}
    settings = parse(BAR)
    with Held(chip, settings.strip.latch_pin) as pid, Recording(chip) as recording:
        held |= {"bar_pid": pid, "bar": _refusal(settings), "edges": recording.edges}
    first = open_shift_register(settings.strip, settings.gpio)
    with Recording(chip) as recording:
        held["second"] = _refusal(settings)
    first.close()
    return {**held, "own_pid": os.getpid(), "second_edges": recording.edges}


def _refusal(settings: Settings) -> tuple[str, str] | None:
    try:
        open_shift_register(settings.strip, settings.gpio).close()
    except (StripLost, GpioRefused) as error:
        return str(error), error.fix
    return None


def _panel() -> panel.Panel:
    opened, warning = panel.open_panel(parse(PANEL))
    assert warning is None, warning
    return opened


def _say(seen: panel.Panel, state: Light, for_s: float) -> None:
    end_s = time.monotonic() + for_s
    while time.monotonic() < end_s:
        seen.say(state)
        time.sleep(0.05)


SCENES: dict[str, Callable[[Chip], Evidence]] = {
    "bar": bar,
    "button": button,
    "status light": status_light,
    "busy": busy,
}


def main() -> None:
    os.environ |= PI
    subprocess.run(["modprobe", "gpio-sim"], check=True)
    chip = Chip()
    found: dict[str, Evidence] = {"pins": {name: getattr(parse("").strip, f"{name}_pin") for name in _CHAIN}}
    for name, scene in SCENES.items():
        began_s = time.monotonic()
        found[name] = scene(chip)
        print(f"{name}: {time.monotonic() - began_s:.1f} s", file=sys.stderr, flush=True)
    print(json.dumps(found))


_CHAIN = ("data", "clock", "latch", "enable")

if __name__ == "__main__":
    main()
