"""Colours become the bytes of a WS2812 strip, shaped so that an SPI bus's data line makes its pulses.

A WS2812 bit is one pulse, short for 0 and long for 1; only how long it is high decides. Four SPI bits at 2.8 MHz make
one: 1000 is 357 ns high, 1100 is 714 ns. That is inside the limits of every data sheet (WS2812: 200-500 and 550-850;
WS2812B: 250-550 and 650-950; its fifth version and the WS2812C: 220-380 and 580-1000), and all Pis since the 3 round it
to 2.78 MHz (360 and 720 ns). Three bits at 2.4 MHz make a 0 of 417 ns, too long for the newer ones; eight bits at 6.4
MHz pass the kernel's 4,096 bytes at 163 LEDs. Each group ends low, so a pause between bytes does no harm.
A frame: low for 300 us, since some buses rest high between transfers and the rise would count as a bit; each LED green,
red, blue; low for 300 us again, after which the LEDs take their colours over (280 us in the newer data sheets).
`decode` refuses, with `ValueError`, what is no whole frame.
"""

from __future__ import annotations

import numpy as np

from appliance.config import Strip
from appliance.records import U8
from hw.strip.spi import Spi
from hw.strip.wired import WiredStrip
from hw.strip.wiring import Wiring

SPEED_HZ = 2_800_000
RESET_BYTES = 105
"""300 us of low; also enough for the bus to send by DMA, without pauses, however short the strip."""

_LED_BYTES = 12
_ZERO, _ONE = 0b1000, 0b1100


def _pulses() -> U8:
    """Row b: the four bytes that make the eight pulses of byte b, highest bit first."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    nibbles = np.where(bits, _ONE, _ZERO)
    return (nibbles[:, 0::2] << 4 | nibbles[:, 1::2]).astype(np.uint8)


_PULSES = _pulses()
_BITS = np.full(256, 255, np.uint8)
for _pair, _byte in enumerate(((_ZERO, _ZERO), (_ZERO, _ONE), (_ONE, _ZERO), (_ONE, _ONE))):
    _BITS[_byte[0] << 4 | _byte[1]] = _pair


def frame_bytes(leds: int) -> int:
    """How long a frame of so many LEDs is."""
    return RESET_BYTES + _LED_BYTES * leds + RESET_BYTES


def encode(rgb: U8) -> bytes:
    """The frame of (n, 3) red, green, blue in the order of the wire."""
    frame = np.zeros(frame_bytes(len(rgb)), np.uint8)
    frame[RESET_BYTES : len(frame) - RESET_BYTES] = _PULSES[rgb[:, (1, 0, 2)]].ravel()
    return frame.tobytes()


def decode(data: bytes) -> U8:
    """The (n, 3) colours of one frame."""
    leds, rest = divmod(len(data) - 2 * RESET_BYTES, _LED_BYTES)
    if rest or leds < 0:
        raise ValueError(f"no WS2812 frame is {len(data)} bytes long")
    frame = np.frombuffer(data, np.uint8)
    end = len(frame) - RESET_BYTES
    if frame[:RESET_BYTES].any() or frame[end:].any():
        raise ValueError(f"a WS2812 frame starts and ends with {RESET_BYTES} zero bytes")
    pairs = _BITS[frame[RESET_BYTES:end]].reshape(leds, 3, 4)
    if (pairs > 3).any():
        raise ValueError(f"LED {int(np.argmax((pairs > 3).any(axis=(1, 2))))} is not made of WS2812 pulses")
    grb = pairs[..., 0] << 6 | pairs[..., 1] << 4 | pairs[..., 2] << 2 | pairs[..., 3]
    return np.ascontiguousarray(grb[:, (1, 0, 2)])


def open_ws2812(wanted: Strip) -> WiredStrip:
    """The strip on the data line of the SPI device that the settings name."""
    bus = Spi(wanted.device, SPEED_HZ, frame_bytes(wanted.leds))
    return WiredStrip(bus, Wiring(wanted, "grb"), encode)
