"""A button's contact becomes presses, a state becomes a status light's rhythm: pure, then one thread on two pins.

Button: closes to ground, pulled up. A contact counts once it has rested for `debounce_ms` by our own samples, because
the two libraries called RPi.GPIO debounce in different ways. A press is reported once: SHORT or LONG when it is let
go, VERY_LONG at once when `very_long_s` is reached, still held. So no press is two, and letting go is a way back until
then. The light answers the finger: at `long_s` it goes dark for a moment, then lit, and dark at `very_long_s`.
A contact that is closed from the start is no press until it has been open: a stuck button can't stop a station.
Light: lit and dark only, at most three flashes in any second whatever is said, told apart by rhythm alone. A state
that is not said again in time becomes FAULT, so that a hung loop can't blink "all is well"; no state is steadily lit.
Refuses nothing: a panel that can't be had is a `NoPanel` and a warning.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from appliance.config import Panel as Wanted
from appliance.config import Settings
from appliance.records import Light, Press, PressKind
from hw.gpio import Wires, open_pins
from hw.gpio_chip import GpioRefused

TICK_S = 0.01
"""How often the button is sampled and the light refreshed."""

RHYTHMS: dict[Light, tuple[float, ...]] = {
    Light.OFF: (),
    Light.WARMING_UP: (0.25, 0.25),
    Light.NO_CAMERA: (0.15, 0.35, 0.15, 0.35, 0.15, 1.85),
    Light.NO_MARKS: (0.15, 0.35, 0.15, 2.35),
    Light.READY: (0.15, 2.85),
    Light.RUNNING: (2.75, 0.25),
    Light.RECORDING: (2.15, 0.25, 0.35, 0.25),
    Light.FAULT: (1.0, 1.0),
}
"""By state: seconds lit, dark, lit, dark ... from the start of the state, and then again."""

HOLDS_S = {Light.OFF: float("inf"), Light.FAULT: float("inf"), Light.WARMING_UP: 120.0}
"""For how long a state is believed after it was said; one second for those not named. Compiling takes its time."""

STAYS_S = 1.0
"""A state is shown for at least so long, or what flickers between two states could not be read."""

_RISE_S = 0.35  # between two rises of the light: three in any second
_CLOSING_S = 1.0
_ANSWER_S = 0.3  # dark, before the light says that a press is a long one

log = logging.getLogger("hipbar.panel")


class Panel(Protocol):
    """Button and status light at the station."""

    def presses(self) -> tuple[Press, ...]:
        """The presses since it was last asked."""

    def say(self, state: Light, /) -> None:
        """Show a state; said again and again for as long as it holds."""

    @property
    def held_since_start(self) -> bool:
        """Whether the button was held when the panel was opened, and has been ever since."""

    def close(self) -> None:
        """Light off, pins let go. Closing twice is fine."""


def rhythm(state: Light, t_s: float) -> bool:
    """Whether the light is lit `t_s` seconds after the state began."""
    parts = RHYTHMS[state]
    left_s = t_s % sum(parts) if parts else 0.0
    for k, part_s in enumerate(parts):
        if left_s < part_s:
            return k % 2 == 0
        left_s -= part_s
    return False


class Button:
    """Samples of a contact become presses. Times in seconds on one clock, samples 5 to 50 ms apart."""

    def __init__(self, debounce_s: float, long_s: float, very_long_s: float) -> None:
        self._debounce_s, self._long_s, self._very_long_s = debounce_s, long_s, very_long_s
        self._raw: bool | None = None
        self._raw_since_s = 0.0
        self._settled: bool | None = None
        self._began_s: float | None = None
        self._told = False
        self.held_at_start = False
        """Whether the contact was closed when it was first known."""
        self._opened = False

    def sample(self, closed: bool, t_s: float) -> Press | None:
        """Takes one sample; the press that it completes, if any."""
        if closed is not self._raw:
            self._raw, self._raw_since_s = closed, t_s
        if self._raw is not self._settled and t_s - self._raw_since_s >= self._debounce_s:
            return self._settle(closed)
        if self._began_s is not None and not self._told and t_s - self._began_s >= self._very_long_s:
            self._told = True
            return Press(PressKind.VERY_LONG, self._began_s, t_s - self._began_s)
        return None

    def held_s(self, t_s: float) -> float:
        """How long the press has lasted that is going on; 0 when there is none."""
        return 0.0 if self._began_s is None else t_s - self._began_s

    @property
    def held_since_start(self) -> bool:
        """Whether the contact was closed when it was first known, and has been ever since."""
        return self.held_at_start and self._settled is True and not self._opened

    def _settle(self, closed: bool) -> Press | None:
        """The contact has rested in another state than before."""
        first, self._settled = self._settled is None, closed
        began_s, told = self._began_s, self._told
        self.held_at_start |= first and closed
        self._opened |= not closed
        self._began_s, self._told = (self._raw_since_s if closed and not first else None), False
        if began_s is None or told:
            return None
        held_s = self._raw_since_s - began_s
        return Press(PressKind.LONG if held_s >= self._long_s else PressKind.SHORT, began_s, held_s)


class Lamp:
    """What is said becomes lit or dark, tick by tick."""

    def __init__(self) -> None:
        self._said = (Light.OFF, float("-inf"))
        self.state = Light.OFF
        """The state that is shown."""
        self._since_s = self._rose_s = float("-inf")
        self._lit = False

    def say(self, state: Light, t_s: float) -> None:
        """What the station says now."""
        self._said = (state, t_s)  # one assignment: another thread reads it

    def lit(self, t_s: float, *, answer: bool | None = None) -> bool:
        """Whether to be lit now; `answer` is what the button wants instead of the rhythm."""
        said, said_s = self._said
        wanted = said if t_s - said_s <= HOLDS_S.get(said, 1.0) else Light.FAULT
        if wanted is not self.state and t_s - self._since_s >= (STAYS_S if RHYTHMS[self.state] else 0.0):
            self.state, self._since_s = wanted, t_s
        lit = rhythm(self.state, t_s - self._since_s) if answer is None else answer
        if lit and not self._lit:
            lit = t_s - self._rose_s >= _RISE_S
            self._rose_s = t_s if lit else self._rose_s
        self._lit = lit
        return lit


class Desk:
    """Button and lamp together, still pure: the panel without its pins, its thread and its clock."""

    def __init__(self, wanted: Wanted) -> None:
        self._long_s, self._very_long_s = wanted.long_s, wanted.very_long_s
        self.button = Button(wanted.debounce_ms / 1e3, wanted.long_s, wanted.very_long_s)
        self.lamp = Lamp()
        self._presses: deque[Press] = deque(maxlen=64)

    def tick(self, closed: bool, t_s: float) -> bool:
        """One sample of the contact; whether the light is to be lit."""
        press = self.button.sample(closed, t_s)
        if press:
            self._presses.append(press)
        return self.lamp.lit(t_s, answer=self._answer(self.button.held_s(t_s)))

    def taken(self) -> tuple[Press, ...]:
        """The presses since it was last asked."""
        return tuple(self._presses.popleft() for _ in range(len(self._presses)))

    def _answer(self, held_s: float) -> bool | None:
        if held_s < self._long_s:
            return None
        return self._long_s + _ANSWER_S <= held_s < self._very_long_s


class NoPanel:
    """No button, no light."""

    def presses(self) -> tuple[Press, ...]:
        """None, ever."""
        return ()

    def say(self, state: Light, /) -> None:
        """Nobody to say it to."""

    @property
    def held_since_start(self) -> bool:
        """Nobody holds what is not there."""
        return False

    def close(self) -> None:
        """Nothing to let go of."""


class GpioPanel:
    """Button and light on two pins, -1 = not wired. Takes `wires` over; starts its thread at once."""

    def __init__(self, wires: Wires, wanted: Wanted) -> None:
        self._wires, self._button_pin, self._light_pin = wires, wanted.button_pin, wanted.light_pin
        self._desk, self._lit, self._failing = Desk(wanted), False, False
        self._pid, self._ended = os.getpid(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="panel", daemon=True)
        self._thread.start()
        atexit.register(self._leave)

    @property
    def held_at_start(self) -> bool:
        """Whether the button was held when the panel was opened."""
        return self._desk.button.held_at_start

    @property
    def held_since_start(self) -> bool:
        """Whether it has been held ever since."""
        return self._desk.button.held_since_start

    def presses(self) -> tuple[Press, ...]:
        """The presses since it was last asked."""
        return self._desk.taken()

    def say(self, state: Light, /) -> None:
        """Show a state."""
        self._desk.lamp.say(state, time.monotonic())

    def close(self) -> None:
        """Light off, pins let go; pins that hang are left behind."""
        atexit.unregister(self._leave)
        self._ended.set()
        self._thread.join(_CLOSING_S)
        if self._thread.is_alive():
            log.warning("the panel does not answer: left as it is")
            return
        if self._light_pin >= 0 and self._lit:
            self._lit = False
            self._tried(lambda: self._wires.write(self._light_pin, False))
        self._wires.close()

    def _watch(self) -> None:
        warned = False
        while not self._ended.wait(0.25 if self._failing else TICK_S):
            self._failing = not self._tried(self._tick)
            if self.held_at_start and not warned:
                warned = True
                log.warning("the button is held, or stuck: it counts once it has been let go")

    def _tick(self) -> None:
        closed = self._button_pin >= 0 and not self._wires.read(self._button_pin)
        lit = self._desk.tick(closed, time.monotonic())
        if self._light_pin >= 0 and lit is not self._lit:
            self._wires.write(self._light_pin, lit)
            self._lit = lit

    def _tried(self, act: Callable[[], None]) -> bool:
        """Whether it worked; the first of several failures is logged."""
        try:
            act()
        except OSError as error:
            if not self._failing:
                log.warning("the panel failed: %s", error)
            return False
        return True

    def _leave(self) -> None:
        """The interpreter ends and nobody has closed; a forked child leaves its parent's pins alone."""
        if os.getpid() == self._pid:
            self.close()


def open_panel(settings: Settings) -> tuple[Panel, str | None]:
    """The panel that the settings name, or none with a warning that says why and what to do."""
    wanted = settings.panel
    if wanted.kind == "none":
        return NoPanel(), None
    outputs = {wanted.light_pin: False} if wanted.light_pin >= 0 else {}
    inputs = [wanted.button_pin] if wanted.button_pin >= 0 else []
    if not outputs and not inputs:
        return NoPanel(), "panel: neither button nor light has a pin; set panel.button_pin or panel.light_pin"
    try:
        wires = open_pins(outputs, inputs, chip=settings.gpio.chip)
    except GpioRefused as error:
        return NoPanel(), f"no panel: {error}; {error.fix}"
    return GpioPanel(wires, wanted), None
