"""A contract of the module `RPi.GPIO`, for machines that have none: what RPi.GPIO 0.7.1 and rpi-lgpio 0.6 both do.

Read from both libraries' sources. It stands in for a library, not for our drivers: a level is refused before a pin is
set up, a clean-up makes an input without a pull of the pins that it names and of no others, and every output is noted
in order. The real libraries are met on the station bench, on a simulated GPIO chip.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping

import numpy as np

from hw.gpio import Pins
from hw.gpio_chip import GpioRefused

SHARED = frozenset(
    "BCM BOARD HIGH LOW OUT IN PUD_UP PUD_DOWN PUD_OFF "  # noqa: SIM905 (a list is a screen long)
    "setmode getmode setwarnings setup output input cleanup gpio_function".split()
)
"""Names with one meaning in both; left out: everything about edges, whose debounce differs, and PWM."""

SHARED_KEYWORDS = frozenset({"pull_up_down", "initial"})
"""The keywords of `setup` that both know by these names; the first parameter's name differs."""


class Contract:
    """The part that both libraries share."""

    LOW, HIGH, OUT, IN, PUD_OFF, PUD_DOWN, PUD_UP, BOARD, BCM = 0, 1, 0, 1, 20, 21, 22, 10, 11

    def __init__(self) -> None:
        self.writes: list[tuple[int, int]] = []
        self.levels: dict[int, int] = {}
        self.directions: dict[int, int] = {}
        self.pulls: dict[int, int] = {}
        self.outside: dict[int, int] = {}
        self.broken = False
        self.stumbles_after: tuple[int, int] | None = None
        """A write that is done and still ends in an error, once."""
        self.taken: set[int] = set()
        self._mode: int | None = None

    def setmode(self, mode: int) -> None:
        if self._mode not in (None, mode):
            raise ValueError("A different mode has already been set!")
        self._mode = mode

    def getmode(self) -> int | None:
        return self._mode

    def setwarnings(self, on: bool) -> None:
        assert on in (True, False)

    def setup(
        self, channel: int, direction: int, pull_up_down: int = PUD_OFF, initial: int | None = None
    ) -> None:
        self._trouble()
        if channel in self.taken:
            raise RuntimeError("GPIO busy")
        if self._mode is None:
            raise RuntimeError("Please set pin numbering mode using GPIO.setmode")
        if direction == self.OUT and pull_up_down != self.PUD_OFF:
            raise ValueError("pull_up_down parameter is not valid for outputs")
        if direction == self.IN and initial is not None:
            raise ValueError("initial parameter is not valid for inputs")
        self.directions[channel], self.pulls[channel] = direction, pull_up_down
        if direction == self.OUT and initial is not None:
            self._drive(channel, initial)

    def output(self, channel: int, value: int) -> None:
        self._trouble()
        if self.directions.get(channel) != self.OUT:
            raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
        self._drive(channel, value)

    def input(self, channel: int) -> int:
        self._trouble()
        if channel not in self.directions:
            raise RuntimeError("You must setup() the GPIO channel first")
        if self.directions[channel] == self.OUT:
            return self.levels[channel]
        return self.outside.get(channel, int(self.pulls[channel] == self.PUD_UP))

    def cleanup(self, channels: list[int]) -> None:
        for channel in channels:
            self.directions.pop(channel, None)
            self.pulls.pop(channel, None)
            self.levels.pop(channel, None)

    def _drive(self, channel: int, value: int) -> None:
        assert isinstance(value, int)
        self.writes.append((channel, value))
        self.levels[channel] = value
        if (channel, value) == self.stumbles_after:
            self.stumbles_after = None
            raise RuntimeError("interrupted")

    def _trouble(self) -> None:
        if self.broken:
            raise RuntimeError("GPIO register unavailable")


class Header:
    """A header whose pins can be had through the contract; `open` is what `hw.gpio.open_pins` is elsewhere."""

    def __init__(self) -> None:
        self.gpio = Contract()
        self.gpio.setmode(self.gpio.BCM)
        self.there = True

    def open(
        self, outputs: Mapping[int, bool], pulled_up: Collection[int] = (), *, chip: str = "auto"
    ) -> Pins:
        if not self.there:
            raise GpioRefused(f"no GPIO chip labelled {chip}", fix="choose another", number=errno.ENODEV)
        return Pins(self.gpio, outputs, pulled_up)


class Registers:
    """What a chain of 74HC595 makes of the levels on its pins: SER in at SRCLK's rise, outputs at RCLK's rise."""

    def __init__(self, data: int, clock: int, latch: int, enable: int, outputs: int) -> None:
        self._data, self._clock, self._latch, self._enable = data, clock, latch, enable
        self._levels: dict[int, int] = {}
        self._shifted, self._held = np.zeros((2, outputs), bool)
        self.latched: list[np.ndarray] = []

    def feel(self, pin: int, level: int) -> None:
        """One level that was written to one pin."""
        rose = level == 1 and not self._levels.get(pin, 0)
        self._levels[pin] = level
        if pin == self._clock and rose:
            self._shifted = np.roll(self._shifted, 1)
            self._shifted[0] = bool(self._levels.get(self._data, 0))
        elif pin == self._latch and rose:
            self._held = self._shifted.copy()
            self.latched.append(self._held)

    @property
    def lit(self) -> np.ndarray:
        """(outputs,) what is lit, from the first register's output A; OE high, or pulled up, is dark."""
        off = self._enable >= 0 and self._levels.get(self._enable, 1) == 1
        return np.zeros_like(self._held) if off else self._held
