"""An LED of the bar before the camera, switched and looked for, becomes the delay from exposure to light.

Milliseconds. The service itself knows how old a frame is when its light is written; what it can't know, from there to
light on a sensor and how late the camera's stamps are, is measured here. Keeps `feedback.predict_ms`. Refuses an LED
that is not seen, and a delay that scatters wildly. The bar never changes more than six times a second.
"""

from __future__ import annotations

import random
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.calibration.latency import Delay, Whole
    from appliance.commands.calibrate.blinking import Bench, Spot
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.station.client import Link

_AGE_S, _AGE_HZ = 1.5, 30.0
_SHORT_TRIALS = 10
_NO_BAR = ("none", "memory", "terminal")
_AGREE_MS = 1.5


@click.command(name="latency")
@click.option(
    "--trials",
    type=click.IntRange(20, 1000),
    default=100,
    show_default=True,
    help="How often to switch the LED.",
)
@click.option(
    "--led", type=click.IntRange(0, 299), help="Light only this one, from the bar's left.  [default: all]"
)
@click.option("--spot", help="Where the LED is in the picture: X,Y,WIDTH,HEIGHT in sensor pixels.")
@click.option("--seed", type=int, default=None, help="Makes the random delays the same again.")
@step_options
def command(ways: Ways, trials: int, led: int | None, spot: str | None, seed: int | None) -> int:
    """Measure the time from exposure to light.

    An LED of the bar must be in the camera's view, directly or in a mirror, without an infrared filter; nobody need be.
    It is switched at random moments and looked for in every frame. The predictor then looks ahead by as much.

    \b
    Examples:
      hipbar calibrate latency
      hipbar calibrate latency --led 0 --trials 200
      hipbar calibrate latency --spot 212,40,12,12 --yes --json
    """
    return walk("latency", ways, step, trials=trials, led=led, spot=_spot(spot), seed=seed)


def _spot(text: str | None) -> Spot | None:
    """Four whole numbers, not below zero, the last two above it."""
    if text is None:
        return None
    with suppress(ValueError):
        x, y, w, h = (int(part) for part in text.split(","))
        if min(x, y) >= 0 and min(w, h) > 0:
            return x, y, w, h
    raise click.BadParameter("give X,Y,WIDTH,HEIGHT, for example 212,40,12,12", param_hint="--spot")


def step(link: Link, guide: Guide, **params: Any) -> Outcome:
    """The service's own part, then the wire's, then a look at whether the two exposures agree."""
    from appliance.calibration.latency import delay, whole
    from appliance.commands.calibrate.blinking import found_led, opened, restored, trials
    from appliance.commands.calibrate.eye import eye_of

    settings, rate_hz = eye_of(link)
    if settings.strip.kind in _NO_BAR and settings.camera.source != "virtual":
        raise CalibrationError(
            f'strip.kind = "{settings.strip.kind}": no LED to be seen', fix="name the bar's kind"
        )
    used = {"camera.exposure_us": settings.camera.exposure_us, "camera.gain": settings.camera.gain}
    guide.say("An LED of the bar must be in the camera's view, directly or in a mirror. The bar will blink.")
    guide.say("An infrared filter before the lens hides it: take it off for this step.")
    guide.ready("Ready?")
    ages = _ages(link, guide)
    rng = random.Random(params["seed"])
    try:
        exposure_us = opened(link, used, rate_hz)
        bench = found_led(link, guide, params["led"], params["spot"], exposure_us, rate_hz)
        found = delay(trials(link, guide, bench, int(params["trials"]), rng), bench.shutter)
        _refuse(found)
        found, apart_ms = _checked(link, guide, bench, found, used, rng)
    finally:
        restored(link, used)
    return _outcome(found, whole(found, *ages), ages, bench, apart_ms)


def _checked(
    link: Link, guide: Guide, bench: Bench, found: Delay, used: dict[str, float], rng: random.Random
) -> tuple[Delay, float]:
    """The delay that counts, and by how much (ms) the exposure in use puts it elsewhere; 0 = they agree."""
    import msgspec

    from appliance.calibration.latency import delay, disagreement_ms
    from appliance.commands.calibrate.blinking import SETTLE_S, trials

    exposure_s = used["camera.exposure_us"] * 1e-6
    if exposure_s in (0.0, bench.shutter.exposure_s):
        return found, 0.0
    link.set(used)
    time.sleep(SETTLE_S)
    shutter = msgspec.structs.replace(bench.shutter, exposure_s=exposure_s)
    shorter = trials(link, guide, bench, _SHORT_TRIALS, rng)
    apart_ms = disagreement_ms(found, shorter, shutter)
    if not abs(apart_ms) > _AGREE_MS:  # NaN: the LED is too dim for the shorter exposure to say
        return found, 0.0
    counts = delay(shorter, shutter)
    _refuse(counts)
    return counts, apart_ms


def _ages(link: Link, guide: Guide) -> tuple[float, float]:
    """How old a frame is when its light is written, with the exposure in use: median and 95th percentile."""
    import numpy as np

    ages: list[float] = []
    until_s = time.monotonic() + _AGE_S
    with closing(link.live(_AGE_HZ)) as stream:
        for told in stream:
            if told.age_ms is not None:
                ages.append(told.age_ms)
                guide.figure(f"a frame is {told.age_ms:.1f} ms old when its light is written")
            if time.monotonic() >= until_s:
                break
    if not ages:
        raise CalibrationError("no frames come from the station's camera", fix="`hipbar status` says why")
    return float(np.median(ages)), float(np.quantile(ages, 0.95))


def _refuse(found: Delay) -> None:
    from appliance.commands.calibrate.blinking import VIEW_FIX

    if found.problems:
        scattered = found.median_ms == found.median_ms
        fix = "`hipbar doctor` looks for what holds it up; then start again" if scattered else VIEW_FIX
        raise CalibrationError(found.problems[0], fix=fix)


def _outcome(found: Delay, both: Whole, ages: tuple[float, float], bench: Bench, apart_ms: float) -> Outcome:
    from appliance.commands.calibrate.guide import Outcome

    if both.problems:
        raise CalibrationError(both.problems[0], fix="`hipbar doctor` looks for what holds it up")
    mind: tuple[str, ...] = ()
    if abs(apart_ms) > _AGREE_MS:
        mind = (
            f"the camera's stamps shift with the exposure, by {apart_ms:+.1f} ms: measured with the one in use,"
            f" to {found.resolution_ms / 2:.0f} ms",
        )
    wire = {
        "median_ms": found.median_ms, "low_ms": found.low_ms, "high_ms": found.high_ms, "p95_ms": found.p95_ms,
        "spread_ms": found.spread_ms, "resolution_ms": found.resolution_ms,
    }  # fmt: skip
    figures: dict[str, Any] = {
        "median_ms": round(both.median_ms, 2),
        "p95_ms": round(both.p95_ms, 2),
        "age_ms": round(ages[0], 2),
        "wire": {name: round(value, 2) for name, value in wire.items()},
        "seen": found.seen,
        "trials": found.trials,
        "spot": list(bench.spot),
    }
    words = (
        f"exposure to light {both.median_ms:.1f} ms, p95 {both.p95_ms:.1f} ms: {ages[0]:.1f} ms until the light is"
        f" written, {found.median_ms:+.1f} ms ({found.low_ms:.1f} to {found.high_ms:.1f}) from there to the eye;"
        f" seen {found.seen} of {found.trials} times"
    )
    return Outcome(
        values={"feedback.predict_ms": both.predict_ms}, figures=figures, words=words, problems=mind
    )
