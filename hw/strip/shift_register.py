"""LED colours become lit and dark LEDs behind a chain of 74HC595 shift registers, on four pins of the header.

One LED an output, one colour, on or off. An LED is lit when its brightest byte reaches an eighth of what
strip.brightness allows (patterns and figures inside the band are dimmed to a third or a quarter of it) and goes dark
under a sixteenth; it does not light again within 0.4 s, so what hovers between the two is no flashing. The cap is a
number of lit LEDs, each led_ma: above it the dimmest go dark first, of equal ones those nearest the middle, and mirror
pairs together, so that neither side is favoured and the tips, which carry the figure, go last.
Order: the register nearest to the Pi has the first LEDs of the wire, output A the first of its eight, so the last LED's
bit is shifted out first. Writes only what changed: at most 3 n + 2 a frame (data only where it differs from the bit
before, clock up and down, latch up and down; 50 for 16 LEDs), none for a frame like the last.
Dark: OE is active low, and high before anything is known and after everything is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.config import Gpio, Strip
from appliance.errors import StripLost
from appliance.records import U8
from hw.gpio import Wires, open_pins
from hw.gpio_chip import GpioRefused
from hw.strip.wired import WiredStrip
from hw.strip.wiring import Wiring, wire_order

Bits = NDArray[np.bool_]

REST_S = 0.4
"""From one lighting of an LED to its next: three flashes in any second at most."""

_ON, _OFF = 1 / 8, 1 / 16
_LOOK = "check the bar's wires; `hipbar leds --test` tries it alone, `hipbar panel --list` shows the pins"


def lit(levels: U8, before: Bits, brightness: float) -> Bits:
    """(n,) the LEDs that the levels, each LED's brightest byte, ask for, given those that were lit before."""
    top = max(1, int(255 * brightness))
    return (levels >= max(1.0, _ON * top)) | (before & (levels >= max(1.0, _OFF * top)))


def capped(asked: Bits, levels: U8, allowed: int) -> Bits:
    """(n,) no more than `allowed` lit; left to right, because mirror pairs of equal level go together."""
    count = len(asked)
    out_of_middle = np.abs(2 * np.arange(count) - (count - 1))
    ranks = levels.astype(np.int64) * 2 * count + out_of_middle
    kept = asked.copy()
    for rank in np.unique(ranks[asked]):
        if int(kept.sum()) <= allowed:
            break
        kept &= ranks != rank
    return kept


def most_lit(wanted: Strip) -> int:
    """How many LEDs may be lit at once, with what dark ones draw."""
    dark_ma = wanted.idle_ma * wanted.leds
    allowed = int(max(0.0, wanted.current_cap_ma - dark_ma) / wanted.led_ma)
    return allowed - (allowed * wanted.led_ma + dark_ma > wanted.current_cap_ma and allowed > 0)


class Lamps:
    """Which LEDs are lit, frame by frame; left to right. Time is an argument."""

    def __init__(self, wanted: Strip) -> None:
        self._brightness = wanted.brightness
        self._allowed = most_lit(wanted)
        self._lit: Bits = np.zeros(wanted.leds, np.bool_)
        self._rose_s = np.full(wanted.leds, float("-inf"))

    def shown(self, rgb: U8, t_s: float) -> Bits:
        """(n,) the LEDs that are lit for this frame at that time."""
        levels = rgb.max(axis=1)
        asked = lit(levels, self._lit, self._brightness)
        asked &= self._lit | (t_s - self._rose_s >= REST_S)
        now = capped(asked, levels, self._allowed)
        self._rose_s[now & ~self._lit] = t_s
        self._lit = now
        return now


def packed(wired: Bits) -> bytes:
    """What is shifted out: one byte an LED, 0 or 1, the last LED of the wire first."""
    return wired[::-1].astype(np.uint8).tobytes()


class Chain:
    """An open chain of shift registers. `enable_pin` -1 = OE is tied to ground."""

    def __init__(self, wires: Wires, wanted: Strip) -> None:
        self._wires, self._pins = wires, (wanted.data_pin, wanted.clock_pin, wanted.latch_pin)
        self._enable_pin, self._enabled = wanted.enable_pin, False
        self._last = b""

    def write(self, data: bytes) -> None:
        """Shift out and latch what is new; a frame like the last one costs nothing."""
        if data == self._last:
            return
        self._last = b""  # nobody knows what is in there until the latch has closed
        data_pin, clock_pin, latch_pin = self._pins
        write, level = self._wires.write, -1
        for bit in data:
            if bit != level:
                write(data_pin, bool(bit))
                level = bit
            write(clock_pin, True)
            write(clock_pin, False)
        write(latch_pin, True)
        write(latch_pin, False)
        if self._enable_pin >= 0 and not self._enabled:
            write(self._enable_pin, False)
            self._enabled = True
        self._last = data

    def close(self) -> None:
        """Dark by OE, whatever is in the registers, then let go."""
        try:
            if self._enable_pin >= 0:
                self._wires.write(self._enable_pin, True)
        finally:
            self._wires.close()


class ChainBus:
    """Where a chain hangs: opens its pins on the chip of that label."""

    def __init__(self, wanted: Strip, chip: str = "auto", opened: Callable[..., Wires] = open_pins) -> None:
        self._wanted, self._chip, self._opened = wanted, chip, opened
        pins = (wanted.data_pin, wanted.clock_pin, wanted.latch_pin)
        self.name = f"shift registers on GPIO {', '.join(map(str, pins))}"

    def open(self) -> Chain:
        """The pins, OE first and high, so that nothing undefined is ever lit."""
        w = self._wanted
        outputs = {w.enable_pin: True} if w.enable_pin >= 0 else {}
        outputs |= dict.fromkeys((w.data_pin, w.clock_pin, w.latch_pin), False)
        return Chain(self._opened(outputs, chip=self._chip), w)

    def refusal(self, error: OSError) -> StripLost:
        """What went wrong with the pins, and what to do."""
        fix = error.fix if isinstance(error, GpioRefused) else _LOOK
        return StripLost(f"{self.name}: {error.strerror or error}", fix=fix)


def open_shift_register(
    wanted: Strip,
    gpio: Gpio,
    opened: Callable[..., Wires] = open_pins,
    clock: Callable[[], float] = time.monotonic,
) -> WiredStrip:
    """The bar that the settings describe."""
    order, lamps = np.array(wire_order(wanted), np.intp), Lamps(wanted)
    straight = Wiring(msgspec.structs.replace(wanted, pieces=(), reversed=False, order="rgb", **_UNCAPPED))

    def encode(rgb: U8) -> bytes:
        return packed(lamps.shown(rgb, clock())[order])

    return WiredStrip(ChainBus(wanted, gpio.chip, opened), straight, encode, clock=clock)


_UNCAPPED = {"led_ma": 1.0, "idle_ma": 0.0, "current_cap_ma": 20000.0}
"""The cap of colours that can be dimmed does not apply to LEDs that can't; `Lamps` has its own."""
