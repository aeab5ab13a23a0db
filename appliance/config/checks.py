"""Settings that are each in range are refused when they can't be true together."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from appliance.config.sections import Camera, Settings, Strip
from appliance.errors import SettingsError

_SPI_PINS = {
    "0": range(7, 12),
    "1": range(16, 22),
}  # BCM: chip selects, MISO, MOSI, SCLK, by the bus's number


def entries(settings: Settings) -> Iterator[tuple[str, Any, Any, str]]:
    """Every setting as (dotted key, value, default, description), in the order of the file."""
    for section, name, default, text in _known():
        yield f"{section}.{name}", getattr(getattr(settings, section), name), default, text


@functools.cache
def _known() -> tuple[tuple[str, str, Any, str], ...]:
    """Section, name, default and description of every setting; found once, because a running station asks often."""
    default, known = Settings(), []
    for section in msgspec.structs.fields(Settings):
        for field in msgspec.structs.fields(section.type):
            info = msgspec.inspect.type_info(field.type)
            text = (
                (info.extra_json_schema or {}).get("description", "")
                if isinstance(info, msgspec.inspect.Metadata)
                else ""
            )
            value = getattr(getattr(default, section.name), field.name)
            known.append((section.name, field.name, value, text))
    return tuple(known)


def check(s: Settings, origin: str) -> None:
    """What no single range can say."""
    for key, value, *_ in entries(s):
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{origin}: {key}: {value} is not a number", fix="give a finite number")
        if isinstance(value, str) and "\0" in value:
            raise SettingsError(f"{origin}: {key} holds a zero character", fix="leave \\u0000 out")
    posed = (
        s.lens.pitch_deg or s.lens.yaw_deg or s.lens.k1 or s.lens.k2 or s.lens.k3 or s.lens.p1 or s.lens.p2
    )
    if posed and not s.lens.fx_px:
        raise SettingsError(
            f"{origin}: lens: pitch, yaw and distortion need lens.fx_px",
            fix="set lens.fx_px to the focal length in pixels",
        )
    if s.sight.min_dot_px >= s.sight.max_dot_px:
        raise SettingsError(
            f"{origin}: sight.min_dot_px is not below sight.max_dot_px", fix="swap or mend them"
        )
    _check_camera(s.camera, origin)
    _check_strip(s.strip, origin)
    _check_pins(s, origin)


def _check_camera(camera: Camera, origin: str) -> None:
    """Whether the source is named, and a Pi camera's exposure and read-out fit between two frames."""
    if camera.source == "video" and not camera.file:
        raise SettingsError(
            f'{origin}: camera.source is "video" without camera.file', fix="name the file in camera.file"
        )
    if camera.source != "picamera":
        return
    if not camera.exposure_us:
        raise SettingsError(
            f"{origin}: camera.exposure_us = 0: a Pi camera's exposure is fixed",
            fix="give it in microseconds, for example 1500",
        )
    frame_us = 1e6 / camera.rate_hz
    for key, takes_us in (
        ("exposure_us", camera.exposure_us),
        ("row_us", camera.row_us * camera.height_px),
    ):
        if takes_us >= frame_us:
            raise SettingsError(
                f"{origin}: camera.{key} = {getattr(camera, key):g} takes {takes_us:,.0f} us of a frame,"
                f" and at {camera.rate_hz:g} frames/s there is one every {frame_us:,.0f} us",
                fix=f"lower camera.{key} or camera.rate_hz",
            )


def _check_strip(strip: Strip, origin: str) -> None:
    """Whether the bar can be wired and fed as it says."""
    if strip.kind == "wled" and not strip.host:
        raise SettingsError(
            f'{origin}: strip.kind is "wled" without strip.host', fix="give its name or address in strip.host"
        )
    dark_ma = strip.idle_ma * strip.leds
    if dark_ma >= strip.current_cap_ma:
        raise SettingsError(
            f"{origin}: strip.current_cap_ma = {strip.current_cap_ma:g}, but {strip.leds} dark LEDs alone"
            f" draw {dark_ma:g} mA",
            fix="raise strip.current_cap_ma, or lower strip.idle_ma to what was measured",
        )
    if strip.kind == "shift-register" and dark_ma + strip.led_ma > strip.current_cap_ma:
        raise SettingsError(
            f"{origin}: strip.current_cap_ma = {strip.current_cap_ma:g} leaves less than"
            f" the {strip.led_ma:g} mA of one LED",
            fix="raise strip.current_cap_ma, or lower strip.led_ma to what was measured",
        )
    wired = [k for first, last in strip.pieces for k in range(min(first, last), max(first, last) + 1)]
    if strip.pieces and sorted(wired) != list(range(strip.leds)):
        raise SettingsError(
            f"{origin}: strip.pieces must name each LED from 0 to {strip.leds - 1} once",
            fix=f"for two halves fed from the middle: pieces = [[{strip.leds // 2 - 1}, 0],"
            f" [{strip.leds // 2}, {strip.leds - 1}]]",
        )


def _check_pins(s: Settings, origin: str) -> None:
    """Whether no pin has two uses, and presses differ in length."""
    names = []
    if s.strip.kind == "shift-register":
        names += ["strip.data_pin", "strip.clock_pin", "strip.latch_pin", "strip.enable_pin"]
    if s.panel.kind == "gpio":
        names += ["panel.button_pin", "panel.light_pin"]
    values = {key: value for key, value, *_ in entries(s) if key in names and value >= 0}
    used: dict[int, str] = {}
    for key, pin in values.items():
        if pin in used:
            raise SettingsError(
                f"{origin}: {used[pin]} and {key} are both pin {pin}", fix="give each its own BCM number"
            )
        used[pin] = key
    bus = re.search(r"spidev(\d+)\.", s.strip.device)  # a device by another name is taken for the usual bus
    theirs = _SPI_PINS.get(bus[1] if bus else "0", range(0))
    if s.strip.kind not in ("apa102", "ws2812"):
        theirs = range(0)
    clash = next((key for pin, key in used.items() if pin in theirs), None)
    if clash:
        raise SettingsError(
            f"{origin}: {clash} = {values[clash]} is a pin of the SPI bus that lights the strip",
            fix=f"choose a pin outside {theirs[0]} to {theirs[-1]}",
        )
    if s.panel.very_long_s <= s.panel.long_s:
        raise SettingsError(
            f"{origin}: panel.very_long_s is not above panel.long_s", fix="make it some seconds longer"
        )
