"""An LED of the bar before the camera, switched and looked for, becomes the delay from exposure to light.

Milliseconds. The service itself knows how old a frame is when its light is written; what it can't know, from there to
light on a sensor and how late the camera's stamps are, is measured here. Keeps `feedback.predict_ms`. Refuses an LED
that is not seen, and a delay that scatters wildly. The bar never changes more than six times a second.
"""

from __future__ import annotations

import math
import random
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.errors import CalibrationError, SettingsError, SourceError

if TYPE_CHECKING:
    from appliance.calibration.latency import Delay, Trial, Whole
    from appliance.commands.calibrate.eye import Rows
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.records import U8
    from appliance.station.client import Link, Picture

Spot = tuple[int, int, int, int]

_LEAST_S, _MOST_S = 0.18, 0.30
"""Between two changes of the bar: under three flashes a second."""
_SETTLE_S = 0.3
_CHANGE_S = 0.2
"""Longer than any light takes to come, and than the rule between two changes."""
_SHORT_TRIALS = 10
_AGE_S, _AGE_HZ = 1.5, 30.0
_OPEN_SHARE = 0.9
"""The shutter is open for so much of each frame while it is measured, so that hardly any light falls between two."""
_TOO_BRIGHT, _TOO_DIM = 235.0, 60.0
_AGREE_MS = 1.5
_VIEW_FIX = "bring an LED of the bar into the camera's view (a mirror will do), or name its place with --spot"


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

    An LED of the bar must be in the camera's view, directly or in a mirror; nobody need be. It is switched at random
    moments and looked for in every frame. The figure goes to the predictor, which then looks ahead by as much.

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


class _Bench(NamedTuple):
    """What the trials need: the colours when lit, the LED's place, its row's delay and the frame time."""

    rgb: U8
    spot: Spot
    row_delay_s: float
    frame_s: float


def step(link: Link, guide: Guide, **params: Any) -> Outcome:
    """The service's own part, then the wire's, then a look at whether the two exposures agree."""
    from appliance.calibration.latency import Shutter, delay, disagreement_ms, whole
    from appliance.commands.calibrate.eye import eye_of

    settings, rate_hz = eye_of(link)
    used = {"camera.exposure_us": settings.camera.exposure_us, "camera.gain": settings.camera.gain}
    guide.say("An LED of the bar must be in the camera's view, directly or in a mirror. The bar will blink.")
    guide.ready("Ready?")
    ages = _ages(link, guide)
    rng = random.Random(params["seed"])
    try:
        exposure_us = _opened(link, used, rate_hz)
        bench = _found(link, guide, params["led"], params["spot"], rate_hz)
        shutter = Shutter(exposure_us * 1e-6, bench.row_delay_s, bench.frame_s)
        found = delay(_trials(link, guide, bench, int(params["trials"]), rng), shutter)
        _refuse(found)
        apart_ms = 0.0
        if exposure_us != used["camera.exposure_us"]:
            link.set(used)
            time.sleep(_SETTLE_S)
            shorter = Shutter(used["camera.exposure_us"] * 1e-6, bench.row_delay_s, bench.frame_s)
            apart_ms = disagreement_ms(found, _trials(link, guide, bench, _SHORT_TRIALS, rng), shorter)
    finally:
        _restored(link, used)
    return _outcome(found, whole(_moved(found, apart_ms), *ages), ages, bench, apart_ms)


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


def _opened(link: Link, used: dict[str, float], rate_hz: float) -> float:
    """Opens the shutter for most of each frame, where the camera lets us; the exposure then, in microseconds."""
    wanted_us = min(round(_OPEN_SHARE * 1e6 / rate_hz / 10) * 10.0, 20000.0)
    gain = max(1.0, used["camera.gain"] * used["camera.exposure_us"] / wanted_us)
    try:
        link.set({"camera.exposure_us": wanted_us, "camera.gain": round(gain, 2)})
    except (SettingsError, SourceError):
        return used["camera.exposure_us"]
    time.sleep(_SETTLE_S)
    return wanted_us


def _restored(link: Link, used: dict[str, float]) -> None:
    """The bar and the exposure as they were; on a link that has ended, the service does both by itself."""
    if not link.closed:
        link.bar(None, 0.0)
        with suppress(SettingsError, SourceError):
            link.set(used)


def _found(link: Link, guide: Guide, led: int | None, spot: Spot | None, rate_hz: float) -> _Bench:
    """Dims the bar until the LED does not burn out, and finds its place by pictures with and without it."""
    import numpy as np

    from appliance.calibration.spots import lamp

    leds = link.hello().leds or 0
    if led is not None and led >= leds:
        raise CalibrationError(f"the bar has no LED {led}: {leds} in all", fix=f"--led 0 to {leds - 1}")
    mask = np.zeros((leds, 1)) if led is not None else np.ones((leds, 1))
    mask[led if led is not None else 0] = 1.0
    level, place = 128.0, spot
    for _ in range(6):
        rgb = np.broadcast_to(mask * level, (leds, 3)).astype(np.uint8)
        dark, lit = _pictures(link, rgb)
        place = spot or lamp([p.luma for p in dark], [p.luma for p in lit])
        at = "" if place is None else f" at {place[0]}, {place[1]}"
        guide.figure(f"looking for the LED{at}", good=place is not None)
        bright = _brightest(lit, place)
        if place is not None and bright > _TOO_BRIGHT and level > 8:
            level /= 2
        elif (place is None or bright < _TOO_DIM) and level < 255:
            level = min(255.0, level * 2)
        else:
            break
    if place is None:
        raise CalibrationError("no LED of the bar is seen to go on and off", fix=_VIEW_FIX)
    row_delay_s = lit[0].row_s * (place[1] + (place[3] - 1) / 2)
    return _Bench(rgb, place, row_delay_s, 1 / rate_hz)


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


def _trials(link: Link, guide: Guide, bench: _Bench, count: int, rng: random.Random) -> list[Trial]:
    """Switches the LED so often, to and fro at random moments, while every frame is followed."""
    import numpy as np

    shown: list[tuple[float, bool]] = []
    parts: list[Rows] = []
    link.bar(bench.rgb * 0, 2.0)
    time.sleep(_SETTLE_S)
    due_s = time.monotonic() + _SETTLE_S
    with closing(link.follows(spot=bench.spot)) as stream:
        for rows in stream:
            parts.append(rows)
            if time.monotonic() < due_s:
                continue
            if len(shown) == count:
                break
            time.sleep(rng.uniform(0.0, bench.frame_s))  # else in step with the frames' messages
            on = len(shown) % 2 == 0
            shown.append((link.bar(bench.rgb if on else bench.rgb * 0, 2.0), on))
            due_s = time.monotonic() + (rng.uniform(_LEAST_S, _MOST_S) if len(shown) < count else _SETTLE_S)
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


def _refuse(found: Delay) -> None:
    if found.problems:
        scattered = found.median_ms == found.median_ms
        fix = "`hipbar doctor` looks for what holds it up; then start again" if scattered else _VIEW_FIX
        raise CalibrationError(found.problems[0], fix=fix)


def _moved(found: Delay, apart_ms: float) -> Delay:
    """The delay with the exposure in use, where the two differ by more than they can be told apart."""
    import msgspec

    if not abs(apart_ms) > _AGREE_MS:  # NaN: the LED is too dim for the short exposure to say
        return found
    moved = {
        name: getattr(found, name) + apart_ms
        for name in ("median_ms", "low_ms", "high_ms", "p5_ms", "p95_ms")
    }
    return msgspec.structs.replace(found, **moved)


def _outcome(found: Delay, both: Whole, ages: tuple[float, float], bench: _Bench, apart_ms: float) -> Outcome:
    from appliance.commands.calibrate.guide import Outcome

    if both.problems:
        raise CalibrationError(both.problems[0], fix="`hipbar doctor` looks for what holds it up")
    mind: tuple[str, ...] = ()
    if abs(apart_ms) > _AGREE_MS:
        mind = (
            f"with the exposure in use the LED comes {apart_ms:+.1f} ms later: the camera's stamps shift with it",
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
