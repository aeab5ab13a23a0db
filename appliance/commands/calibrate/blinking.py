"""The bar, lent and switched, and every frame that sees it, become trials: when it changed, and what was seen then.

Seconds on the frames' clock, sensor pixels, grey levels. The shutter is opened for most of each frame, so that hardly
any light falls between two. The bar never changes more than six times a second, which is three flashes. Refuses, with
`CalibrationError`, an LED that is not seen to go on and off.
"""

from __future__ import annotations

import math
import random
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.errors import CalibrationError, HipbarError, SettingsError, SourceError
from appliance.records import U8

if TYPE_CHECKING:
    from appliance.calibration.latency import Shutter, Trial
    from appliance.commands.calibrate.eye import Rows
    from appliance.commands.calibrate.guide import Guide
    from appliance.station.client import Link, Picture

Spot = tuple[int, int, int, int]
"""x, y, width and height."""

SETTLE_S = 0.3
_LEAST_S, _MOST_S = 0.18, 0.30
"""Between two changes of the bar: under three flashes a second."""
_CHANGE_S = 0.2
"""Longer than any light takes to come, and than the rule between two changes."""
_OPEN_SHARE = 0.9
_TOO_BRIGHT, _TOO_DIM, _BURNT = 235.0, 60.0, 249.0
_LEAST_LEVEL, _DIMMINGS = 6.0, 12
_SHORTEST_US, _LONGEST_US = 50.0, 20000.0
VIEW_FIX = (
    "bring an LED of the bar into the camera's view (a mirror will do); an infrared filter before the lens hides it:"
    " take it off for this step"
)


class Bench(NamedTuple):
    """What the trials need: the colours when lit, the LED's place, and the shutter as it is open."""

    rgb: U8
    spot: Spot
    shutter: Shutter


def opened(link: Link, used: dict[str, float], rate_hz: float) -> float:
    """Opens the shutter for most of each frame, where the camera lets us; the exposure then, in microseconds."""
    wanted_us = min(round(_OPEN_SHARE * 1e6 / rate_hz / 10) * 10.0, _LONGEST_US)
    gain = max(1.0, used["camera.gain"] * used["camera.exposure_us"] / wanted_us)
    with suppress(SettingsError, SourceError):
        link.set({"camera.exposure_us": wanted_us, "camera.gain": round(gain, 2)})
        time.sleep(SETTLE_S)
        return wanted_us
    return used["camera.exposure_us"]


def restored(link: Link, used: dict[str, float]) -> None:
    """The bar and the exposure as they were; on a link that has ended, the service does both by itself."""
    with suppress(HipbarError, OSError):
        if not link.closed:
            link.bar(None, 0.0)
            link.set(used)


def found_led(
    link: Link, guide: Guide, led: int | None, spot: Spot | None, exposure_us: float, rate_hz: float
) -> Bench:
    """Dims the bar, and then the exposure, until the LED does not burn out, and finds its place by pictures."""
    from appliance.calibration.latency import Shutter
    from appliance.calibration.spots import lamp

    mask = _mask(link, led)
    level = 128.0
    for _ in range(_DIMMINGS):
        rgb = (mask * level).astype(np.uint8)
        dark, lit = _pictures(link, rgb)
        place = spot or lamp([p.luma for p in dark], [p.luma for p in lit])
        bright = _brightest(lit, place)
        at = "" if place is None else f" at {place[0]}, {place[1]}: {bright:.0f} of 255"
        guide.figure(f"looking for the LED{at}", good=place is not None)
        if place is None or bright < _TOO_DIM:
            if level == 255.0:
                break
            level = min(255.0, level * 2)
        elif bright <= _TOO_BRIGHT:
            break
        elif level > _LEAST_LEVEL:
            level = max(_LEAST_LEVEL, level / 3)
        else:
            exposure_us = _shortened(link, exposure_us)
    if place is None:
        raise CalibrationError("no LED of the bar is seen to go on and off", fix=VIEW_FIX)
    row_delay_s = lit[0].row_s * (place[1] + (place[3] - 1) / 2)
    shutter = Shutter(exposure_us * 1e-6, row_delay_s, 1 / rate_hz, clipped=bright > _BURNT)
    return Bench(rgb, place, shutter)


def _mask(link: Link, led: int | None) -> U8:
    """(n, 3): 1 for the LEDs to be lit."""
    leds = link.hello().leds or 0
    if led is not None and led >= leds:
        raise CalibrationError(f"the bar has no LED {led}: it has {leds}", fix=f"--led 0 to {leds - 1}")
    mask = np.full((leds, 3), led is None, np.uint8)
    if led is not None:
        mask[led] = 1
    return mask


def _shortened(link: Link, exposure_us: float) -> float:
    """Half of the exposure, where the camera lets us."""
    with suppress(SettingsError, SourceError):
        link.set({"camera.exposure_us": max(_SHORTEST_US, exposure_us / 2), "camera.gain": 1.0})
        return max(_SHORTEST_US, exposure_us / 2)
    return exposure_us


def _pictures(link: Link, rgb: U8) -> tuple[list[Picture], list[Picture]]:
    """Three pictures without the light and three with it, in turn."""
    dark: list[Picture] = []
    lit: list[Picture] = []
    for _ in range(3):
        for colours, kept in ((rgb * 0, dark), (rgb, lit)):
            link.bar(colours, 2.0)
            time.sleep(_CHANGE_S)
            kept.append(link.picture())
    return dark, lit


def _brightest(pictures: list[Picture], place: Spot | None) -> float:
    if place is None:
        return 0.0
    x, y, w, h = place
    return max(float(p.luma[y : y + h, x : x + w].max(initial=0)) for p in pictures)


def trials(link: Link, guide: Guide, bench: Bench, count: int, rng: random.Random) -> list[Trial]:
    """Switches the LED so often, to and fro at random moments, while every frame is followed."""
    shown: list[tuple[float, bool]] = []
    parts: list[Rows] = []
    link.bar(bench.rgb * 0, 2.0)
    time.sleep(SETTLE_S)
    due_s = time.monotonic() + SETTLE_S
    with closing(link.follows(spot=bench.spot)) as stream:
        for rows in stream:
            parts.append(rows)
            if time.monotonic() < due_s:
                continue
            if len(shown) == count:
                break
            time.sleep(rng.uniform(0.0, bench.shutter.frame_s))  # else in step with the frames' messages
            on = len(shown) % 2 == 0
            shown.append((link.bar(bench.rgb if on else bench.rgb * 0, 2.0), on))
            due_s = time.monotonic() + (rng.uniform(_LEAST_S, _MOST_S) if len(shown) < count else SETTLE_S)
            guide.progress(len(shown), count, f"{len(shown)} of {count} switchings")
    return _cut(np.concatenate(parts), shown)


def _cut(rows: Rows, shown: list[tuple[float, bool]]) -> list[Trial]:
    """Each switching with the frames from the one before it to the one after."""
    from appliance.calibration.latency import Trial

    t_s, spot = rows["t_s"], rows["spot"]
    ends = [s for s, _ in shown[1:]] + [math.inf]
    starts = [-math.inf] + [s + _LEAST_S / 2 for s, _ in shown[:-1]]
    made = []
    for (shown_s, on), start_s, end_s in zip(shown, starts, ends, strict=True):
        own = (t_s > start_s) & (t_s < end_s)
        made.append(Trial(shown_s, on, t_s[own], spot[own]))
    return made
