"""Choices of parts become figures: what a lens sees, what the station draws, which pin goes where.

Metres, millimetres, pixels, degrees and milliamperes as the names say. Sensor modes and settings are the product's own;
what comes from elsewhere carries its source. docs/hardware.md prints these figures, and a test compares the two.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from appliance.config import Settings, Strip
from appliance.pipeline import Pipeline
from appliance.sensors import SENSORS
from hw.camera.scene import Scene, settings
from hw.camera.virtual import VirtualCamera
from hw.strip.wiring import Wiring

VIEW_M = 1.15
"""A level camera at the plate's height sees so far up and down: the floor under a tall runner."""
NOISE_PX = 0.03
"""Of one dot's centre (docs/signals.md)."""
SPACING_MM, DOT_MM = 120.0, 14.0
"""Of the marker plate (docs/plate/plate.py)."""
DISTANCES_M = (1.5, 2.0, 2.5, 3.0)
LENSES_MM = (2.1, 2.8, 3.6, 4.0, 6.0, 8.0)
"""Focal lengths that M12 lenses are sold with."""


class Eye(NamedTuple):
    """What of a sensor's mode the preset does not say: micrometres between its pixels, and the lens it comes with."""

    pitch_um: float
    lens_mm: float | None
    mount: str
    shutter: str


EYES = {
    "ov9281": Eye(3.0, None, "M12", "global"),
    "ov9281-fast": Eye(6.0, None, "M12", "global"),
    "imx296": Eye(3.45, None, "C/CS", "global"),
    "imx708": Eye(2.8, 4.74, "fixed", "rolling"),
    "imx219": Eye(2.24, 3.04, "fixed", "rolling"),
}
"""Pitch on the sensor times the mode's binning (data sheets; crops as `rpicam-hello --list-cameras` prints them)."""


class View(NamedTuple):
    """One lens at one distance."""

    lens_mm: float
    high_m: float
    wide_m: float
    apart_px: float
    dot_px: float
    noise_deg: float


def longest_mm(sensor: str, distance_m: float, *, on_its_side: bool = True) -> float:
    """The longest focal length that still sees `VIEW_M` up and down."""
    return _focal_px(_high_px(sensor, on_its_side), distance_m) * EYES[sensor].pitch_um / 1000


def view(sensor: str, lens_mm: float, distance_m: float, *, on_its_side: bool = True) -> View:
    """What that lens sees there."""
    f_px = lens_mm * 1000 / EYES[sensor].pitch_um
    high_px = _high_px(sensor, on_its_side)
    wide_px = SENSORS[sensor].width_px + SENSORS[sensor].height_px - high_px
    metre_px = f_px / distance_m
    apart_px = SPACING_MM / 1000 * metre_px
    noise_deg = math.degrees(math.sqrt(2) * NOISE_PX / apart_px)
    return View(
        lens_mm, high_px / metre_px, wide_px / metre_px, apart_px, DOT_MM / 1000 * metre_px, noise_deg
    )


def usual_mm(sensor: str, distance_m: float) -> float:
    """The longest lens on sale that sees enough."""
    return max(mm for mm in LENSES_MM if mm <= longest_mm(sensor, distance_m) + 1e-9)


def nearest_m(sensor: str, lens_mm: float) -> float:
    """The nearest place from which a lens sees enough, the camera on its side."""
    return lens_mm * 1000 / EYES[sensor].pitch_um * VIEW_M * 2 / _high_px(sensor, on_its_side=True)


def _high_px(sensor: str, on_its_side: bool) -> int:
    chosen = SENSORS[sensor]
    return max(chosen.width_px, chosen.height_px) if on_its_side else min(chosen.width_px, chosen.height_px)


def _focal_px(high_px: int, distance_m: float) -> float:
    return high_px / 2 * distance_m / VIEW_M


class Load(NamedTuple):
    """A part on the 5 V supply: what it usually draws, at most, and who says so."""

    part: str
    usual_ma: float
    most_ma: float
    source: str


BOARDS = {
    "Pi 4": Load(
        "Raspberry Pi 4", 600, 1600, "Raspberry Pi's table of supplies: 600 mA bare; 8 W at the most"
    ),
    "Pi 5": Load(
        "Raspberry Pi 5", 800, 2400, "the same table: 800 mA bare; 12 W at the most (launch article)"
    ),
}
CAMERA = Load("camera module", 250, 250, "Raspberry Pi's documentation")
RING = Load("850 nm ring, 3 W", 600, 600, "its own label; a 12 V ring has its own supply")
SUPPLIES_A = (3, 4, 5, 6, 8, 10)
RESERVE = 1.2
"""A supply that runs at its limit gets hot and sags."""

LENGTHS = ((16, 0.5), (32, 0.5), (60, 0.5), (144, 0.5), (144, 1.0))
"""LEDs and brightness of the strips in the table."""


class Draw(NamedTuple):
    """What one strip draws, milliamperes."""

    leds: int
    brightness: float
    dark_ma: float
    uncapped_ma: float
    capped_ma: float
    running_ma: float
    peak_ma: float


def draw(leds: int, brightness: float) -> Draw:
    """A strip by the defaults: dark, all white without a cap, all white with it, and while a recorded runner runs."""
    strip = msgspec.structs.replace(Strip(), leds=leds, brightness=brightness)
    wiring = Wiring(strip)
    white = np.full((leds, 3), round(255 * brightness), np.uint8)
    running = [wiring.current_ma(wiring.limited(frame)) for frame in _lit(strip)]
    return Draw(
        leds,
        brightness,
        strip.idle_ma * leds,
        wiring.current_ma(white),
        wiring.current_ma(wiring.limited(white)),
        float(np.mean(running)),
        float(np.max(running)),
    )


def _lit(strip: Strip, seconds: float = 20.0) -> np.ndarray:
    """The light of a recorded runner, frame by frame."""
    scene = Scene(runner="rbds001", loop=False)
    camera = VirtualCamera(scene)
    t_s = np.arange(0.0, seconds, 1 / scene.rate_hz)
    marks = (*camera.pair, "left_heel", "right_heel")
    xy_px = np.array([[px[m] for m in marks] for px in map(camera.pixels, t_s)])
    chosen = msgspec.structs.replace(settings(scene, Settings()), strip=strip)
    return Pipeline(chosen).replay(t_s, xy_px, 0.0, camera.size).leds


def supply_a(loads: tuple[Load, ...], strip_ma: float) -> tuple[float, float, int]:
    """Usual and most of all together in milliamperes, and the supply in amperes that carries the most with reserve."""
    usual = sum(load.usual_ma for load in loads) + strip_ma
    most = sum(load.most_ma for load in loads) + strip_ma
    return usual, most, next(a for a in SUPPLIES_A if a * 1000 >= RESERVE * most)


def resistor_ma(volts: float, forward_v: float, ohms: float) -> float:
    """The current of an LED behind a resistor."""
    return (volts - forward_v) / ohms * 1000


PHYSICAL = {
    2: 3, 3: 5, 4: 7, 14: 8, 15: 10, 17: 11, 18: 12, 27: 13, 22: 15, 23: 16, 24: 18, 10: 19, 9: 21, 25: 22, 11: 23,
    8: 24, 7: 26, 0: 27, 1: 28, 5: 29, 6: 31, 12: 32, 13: 33, 19: 35, 16: 36, 26: 37, 20: 38, 21: 40,
}  # fmt: skip
"""BCM number -> pin of the 40-pin header, the same on every Pi since the B+."""
GROUND = (6, 9, 14, 20, 25, 30, 34, 39)
FIVE_VOLTS, THREE_VOLTS = (2, 4), (1, 17)


class Wire(NamedTuple):
    """One wire from the header: the setting that names its pin, the BCM number, the header's pin, and where it goes."""

    setting: str
    bcm: int
    pin: int
    to: str


def wires() -> tuple[Wire, ...]:
    """All wires, by the defaults of the settings; SPI0's pins belong to the chip."""
    s = Settings()
    rows = [
        ("`strip.device`, MOSI", 10, "APA102, WS2812: data, through the level shifter"),
        ("`strip.device`, SCLK", 11, "APA102: clock, through the level shifter"),
        ("`strip.data_pin`", s.strip.data_pin, "74HCT595 pin 14 (SER)"),
        ("`strip.clock_pin`", s.strip.clock_pin, "74HCT595 pin 11 (SRCLK), all registers"),
        ("`strip.latch_pin`", s.strip.latch_pin, "74HCT595 pin 12 (RCLK), all registers"),
        ("`strip.enable_pin`", s.strip.enable_pin, "74HCT595 pin 13 (OE, low = light); 10 kΩ up to 3.3 V"),
        ("`panel.button_pin`", s.panel.button_pin, "button, other side to ground"),
        ("`panel.light_pin`", s.panel.light_pin, "330 Ω, then the status LED to ground"),
    ]
    return tuple(Wire(setting, bcm, PHYSICAL[bcm], to) for setting, bcm, to in rows)
