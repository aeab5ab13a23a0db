"""What the station tells over its control link becomes facts about camera, picture and bar, for the checks to judge.

Seconds, sensor pixels, grey levels. The bar is borrowed for some seconds, and given back whatever happens; not while
somebody runs. A station that does not come to see within a while is `Unknown` with its own words for why.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from appliance.config import Settings
from appliance.errors import HipbarError
from appliance.records import Light
from appliance.station.checks_bar import UNSEEN, Walk
from appliance.station.checks_camera import Backdrop, Watched, backdrop, watched
from appliance.station.checkup import Fact, Unknown
from appliance.station.status import STARTING

if TYPE_CHECKING:
    from appliance.station.client import Link
    from appliance.station.link import Hello

WATCH_S = 3.0
WAKE_S = 25.0
"""For so long a station that has just been started may warm up and look for its camera."""

_NAP_S = 0.2
_STEP_S = 0.2
"""Five moves a second: under six changes a second, as the station lends its bar, and easy to follow by eye."""

_STEPS = 16
_RUNS = (Light.RUNNING, Light.RECORDING)
_WAITS = (STARTING, Light.WARMING_UP)


def awake(link: Link, within_s: float = WAKE_S) -> Fact[Hello]:
    """Who is there, once it sees; or what it lacks."""
    until_s = time.monotonic() + within_s
    while True:
        hello = link.hello()
        if hello.width_px and hello.rate_hz and hello.state not in (*_WAITS, Light.NO_CAMERA):
            return hello
        if hello.state not in _WAITS or time.monotonic() > until_s:
            return _lacking(link, hello)
        time.sleep(_NAP_S)


def _lacking(link: Link, hello: Hello) -> Unknown:
    """Why there are no frames, in the station's words."""
    troubles = link.status().troubles
    what, _, fix = (troubles[0] if troubles else f"the station is {hello.state}").partition("; ")
    fix = fix or "`hipbar camera` lists what is there; reseat its cable at both ends"
    return Unknown(what, fix, mend=hello.state not in _WAITS)


def watch(link: Link, hello: Hello, seconds: float = WATCH_S) -> Fact[Watched]:
    """Every frame of some seconds, and the brightness of a still part of the picture: its upper left corner."""
    width, height = hello.width_px or 0, hello.height_px or 0
    spot = (0, 0, max(8, width // 8), max(8, height // 8))
    return watched(link.follow(seconds, spot=spot), hello.rate_hz or math.nan)


def picture(link: Link, hello: Hello) -> Fact[Backdrop]:
    """One picture with the marks that were seen in it."""
    size = hello.width_px or 0, hello.height_px or 0
    with contextlib.closing(link.live(5.0, size)) as stream:
        for live in stream:
            if live.luma and live.width and live.height:
                luma = np.frombuffer(live.luma, np.uint8).reshape(live.height, live.width)
                xy = np.full((4, 2), np.nan) if live.xy_px is None else np.asarray(live.xy_px, np.float64)
                return backdrop(luma, xy * (live.width / max(1, size[0])))
    return Unknown("the station gave no picture")


def walk(
    link: Link, settings: Settings, hello: Hello, sees: Callable[[], bool] | None, why: str
) -> Fact[Walk]:
    """Moves one light from the runner's left to the right and asks `sees` about it; None = nobody sees it, `why`."""
    leds, before = hello.leds, link.status()
    if leds is None:
        return Unknown("the station lends its bar only while it sees", "`hipbar leds --test` tries it alone")
    if settings.strip.kind in UNSEEN or sees is None or before.state in _RUNS:
        return Walk(leds, 0, None, 0, why or "somebody runs, so the bar was let be")
    try:
        steps = min(_STEPS, leds)
        for k in range(steps):
            link.bar(_light(leds, k, steps, settings.strip.brightness), 2 * _STEP_S)
            time.sleep(_STEP_S)
        right_way = sees()
    finally:
        with contextlib.suppress(HipbarError):
            link.bar(None, 0.0)
    return Walk(leds, steps, right_way, max(0, link.status().strip_faults - before.strip_faults))


def _light(
    leds: int, step: int, steps: int, brightness: float
) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A short white light, `step` of `steps` on its way."""
    rgb = np.zeros((leds, 3), np.uint8)
    rgb[leds * step // steps : leds * (step + 1) // steps] = max(1, round(255 * brightness))
    return rgb
