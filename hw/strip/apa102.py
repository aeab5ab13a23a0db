"""Colours become the bytes of an APA102 or SK9822 strip, and those one write to an SPI device.

A frame: 4 zero bytes; each LED 0xE0 | level, blue, green, red; 4 zero bytes, at which an SK9822 takes its colours over;
then half a clock for each LED, which hands the data on by that much late: ceil(n / 16) bytes, zero, so that an LED too
many stays dark (Tim's Blog, "Understanding the APA102" and "SK9822 - a clone of the APA102"). The 5-bit level is held
at 31, which is full: on an APA102 it is a second PWM of only some hundred hertz, and the colours have range enough.
`decode` refuses, with `ValueError`, what is no whole frame.
"""

from __future__ import annotations

import numpy as np

from appliance.config import Strip
from appliance.records import U8
from hw.strip.spi import Spi
from hw.strip.wired import WiredStrip
from hw.strip.wiring import Wiring

LEVEL = 31
"""The held brightness: all of it, so that a byte draws what the current budget says."""

_HEAD, _LATCH = 4, 4
_FLAGS = 0xE0 | LEVEL


def frame_bytes(leds: int) -> int:
    """How long a frame of so many LEDs is."""
    return _HEAD + 4 * leds + _LATCH + (leds + 15) // 16


def encode(rgb: U8) -> bytes:
    """The frame of (n, 3) red, green, blue in the order of the wire."""
    frame = np.zeros(frame_bytes(len(rgb)), np.uint8)
    body = frame[_HEAD : _HEAD + 4 * len(rgb)].reshape(-1, 4)
    body[:, 0] = _FLAGS
    body[:, 1:] = rgb[:, ::-1]
    return frame.tobytes()


def decode(data: bytes) -> U8:
    """The (n, 3) colours of one frame."""
    leds = max(0, 16 * (len(data) - _HEAD - _LATCH) // 65)  # the only n that can have this length
    if frame_bytes(leds) != len(data):
        raise ValueError(f"no APA102 frame is {len(data)} bytes long")
    frame = np.frombuffer(data, np.uint8)
    body = frame[_HEAD : _HEAD + 4 * leds].reshape(-1, 4)
    if frame[:_HEAD].any() or frame[_HEAD + 4 * leds :].any():
        raise ValueError("an APA102 frame starts with 4 zero bytes and ends with zeros only")
    if (body[:, 0] != _FLAGS).any():
        raise ValueError(f"LED {int(np.argmax(body[:, 0] != _FLAGS))} does not start with {_FLAGS:#x}")
    return body[:, :0:-1].copy()


def open_apa102(wanted: Strip) -> WiredStrip:
    """The strip on the SPI device that the settings name."""
    bus = Spi(wanted.device, round(wanted.speed_mhz * 1e6), frame_bytes(wanted.leds))
    return WiredStrip(bus, Wiring(wanted, "bgr"), encode)
