"""Somebody with dots before the camera becomes its exposure, gain and threshold, and a word on lamps that flicker.

Microseconds, grey levels 0..255. Everything is tried on the running station and taken back when the step ends without a
yes. Keeps `camera.exposure_us`, `camera.gain` and `sight.contrast`. Refuses when no dot is found, when dots burn out
whatever is tried, and when the light flickers with the mains.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.calibrate.keep import Ways, step_options, walk
from appliance.commands.options import finite
from appliance.errors import CalibrationError

if TYPE_CHECKING:
    from appliance.calibration.flicker import Flicker
    from appliance.calibration.light import Dots, Light
    from appliance.calibration.spots import Spot
    from appliance.commands.calibrate.eye import Look, Rows
    from appliance.commands.calibrate.guide import Guide, Outcome
    from appliance.config import Settings
    from appliance.records import F64, U8
    from appliance.station.client import Link, Picture

_TRIES = 14
_LOOK_S, _EVERY_S = 0.5, 0.15
_IN_FORCE_S = 0.25
"""A camera's exposure is in force within a few frames."""
_PATCH_PX = 48
_FIXED_GAIN = ("v4l2",)
_LAMPS = "switch off or shade the lamps that the camera sees, or feed them direct current; then start again"


@click.command(name="light")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 20),
    default=2.0,
    show_default=True,
    callback=finite,
    help="How long to look for flicker.",
)
@click.option(
    "--plate-mm",
    type=click.FloatRange(20, 500),
    default=120.0,
    show_default=True,
    callback=finite,
    help="Between the pelvis dots.",
)
@step_options
def command(ways: Ways, seconds: float, plate_mm: float) -> int:
    """Choose exposure, gain and threshold so that dots neither burn out nor fade.

    Somebody who wears the dots stands or runs where runners run, with the room lit as it will be. The exposure is kept
    so short that a heel at 3 m/s blurs by at most 1.5 px, the gain as low as it then can be. Light that flickers with
    the mains is refused.

    \b
    Examples:
      hipbar calibrate light
      hipbar calibrate light --yes --json
      hipbar calibrate light --plate-mm 90 --dry-run
    """
    return walk("light", ways, step, seconds=seconds, plate_mm=plate_mm)


def step(link: Link, guide: Guide, **params: Any) -> Outcome:
    """Light, then threshold, then flicker."""
    from appliance.calibration.light import problems, usable
    from appliance.commands.calibrate.eye import eye_of

    settings, rate_hz = eye_of(link)
    if settings.camera.source == "video":
        raise CalibrationError("a video file has no exposure to set", fix="calibrate with the camera itself")
    guide.say("Somebody who wears the dots stands or runs where runners run; the room is lit as it will be.")
    guide.ready("Ready?")
    light, dots, seen = _lit(link, guide, settings, rate_hz, float(params["plate_mm"]))
    told = problems(dots, light)
    if not usable(dots):
        raise CalibrationError(told[0], fix="see docs/hardware.md, Light; then start again")
    _show(guide, seen.pictures[-1].luma)
    threshold = _threshold(link, guide, dots, seen)
    flickers = _still(link, guide, settings, rate_hz, seen, float(params["seconds"]))
    return _outcome(light, dots, threshold, flickers, told, _px_per_m(seen, float(params["plate_mm"])))


def _lit(
    link: Link, guide: Guide, settings: Settings, rate_hz: float, plate_mm: float
) -> tuple[Light, Dots, Look]:
    """Tries exposures and gains until the dots are bright and not burnt out, or nothing changes any more."""
    from appliance.calibration.light import Light, Limits, at_the_end, following, good, shared

    camera = settings.camera
    gains = (camera.gain, camera.gain) if camera.source in _FIXED_GAIN else (1.0, 16.0)
    light = Light(camera.exposure_us or 1500.0, camera.gain)
    for _ in range(_TRIES):
        _try(link, light)
        seen = _look(link)
        dots = _dots(seen, settings)
        limits = Limits(rate_hz, _px_per_m(seen, plate_mm), gains)
        _tell(guide, light, dots, good(dots))
        wanted = shared(light.product, limits) if good(dots) else following(light, dots, limits)
        if at_the_end(light, wanted) and abs(wanted.exposure_us - light.exposure_us) < 20:
            break
        light = wanted
    return light, dots, seen


def _try(link: Link, light: Light) -> None:
    """Sets it, with the threshold left to the station: one of an earlier day may hide what is to be found."""
    link.set({"camera.exposure_us": light.exposure_us, "camera.gain": light.gain, "sight.contrast": 0})
    time.sleep(_IN_FORCE_S)


def _look(link: Link) -> Look:
    from appliance.commands.calibrate.eye import look

    return look(link, _LOOK_S, _EVERY_S, lambda _: None)


def _dots(seen: Look, settings: Settings) -> Dots:
    """What all pictures of a look say of the dots."""
    from appliance.calibration.light import joined
    from appliance.calibration.light import seen as told_by
    from appliance.calibration.spots import bright_spots

    told = []
    for picture, marks in zip(seen.pictures, seen.marks, strict=True):
        spots = bright_spots(picture.luma)
        told.append(told_by(picture.luma, spots, _named(spots, marks, settings)))
    return joined(told)


def _named(spots: tuple[Spot, ...], marks: F64, settings: Settings) -> tuple[Spot, ...]:
    """The spots that are marks; while the station finds no pelvis, the four brightest of a dot's size."""
    import numpy as np

    from appliance.calibration.spots import near

    if np.isfinite(marks[:2]).all():
        return tuple(s for s in near(spots, marks, 6.0) if s is not None)
    sight = settings.sight
    return tuple(s for s in spots if sight.min_dot_px <= s.across_px <= 2 * sight.max_dot_px)[:4]


def _px_per_m(seen: Look, plate_mm: float) -> float:
    """Pixels a metre at the runner, by the pelvis dots; NaN while they are not seen."""
    import numpy as np

    pair = seen.rows["xy_px"][:, :2]
    apart = np.hypot(*(pair[:, 1] - pair[:, 0]).T)
    apart = apart[np.isfinite(apart)]
    return float(np.quantile(apart, 0.9)) / plate_mm * 1e3 if len(apart) else math.nan


def _tell(guide: Guide, light: Light, dots: Dots, good: bool) -> None:
    seen = f"dots {min(dots.peaks):.0f} to {max(dots.peaks):.0f} of 255" if dots.peaks else "no dots"
    burnt = f", {dots.burnt} burnt out" if dots.burnt else ""
    guide.figure(
        f"{light.exposure_us:.0f} us, gain {light.gain:g}: {seen}{burnt}, ground {dots.ground:.0f}", good
    )


def _show(guide: Guide, luma: U8) -> None:
    """The histogram, for a person."""
    from appliance.calibration.light import bars, histogram

    guide.say("how many pixels have which grey (counted in powers, so that dots show beside the ground):")
    for line in bars(histogram(luma)):
        guide.say(f"  |{line}|")
    guide.say("  0" + " " * 62 + "255")


def _threshold(link: Link, guide: Guide, dots: Dots, before: Look) -> int:
    """A fixed threshold, provided that the station sees the pelvis with it as often as without; else 0, its own."""
    from appliance.calibration.light import contrast

    wanted = contrast(dots)
    if not wanted:
        return 0
    link.set({"sight.contrast": wanted})
    time.sleep(_IN_FORCE_S)
    share, was = _seen(_look(link)), _seen(before)
    if share >= was - 0.02:
        return wanted
    guide.say(
        f"with a threshold of {wanted} the pelvis is seen in {share:.0%} of frames, before in {was:.0%}:"
        " left to the station"
    )
    link.set({"sight.contrast": 0})
    return 0


def _seen(seen: Look) -> float:
    import numpy as np

    return float(np.isfinite(seen.rows["xy_px"][:, :2]).all(axis=(1, 2)).mean())


def _still(
    link: Link, guide: Guide, settings: Settings, rate_hz: float, seen: Look, seconds: float
) -> tuple[tuple[str, Flicker], ...]:
    """Looks at the brightest ground, and at a dot of somebody who stands; refuses strong flicker."""
    from appliance.calibration.flicker import flicker
    from appliance.commands.calibrate.rows import gathered

    told = []
    for name, spot in _places(seen, settings):
        rows = gathered(
            link,
            seconds,
            lambda so_far, name=name: guide.figure(f"{name}: {float(so_far['spot'][-1]):.1f} grey"),  # type: ignore[misc]
            spot=spot,
        )
        told.append((name, flicker(rows["t_s"], rows["spot"], _rate_hz(rows, rate_hz))))
    for name, found in told:
        if found.strong:
            raise CalibrationError(
                f"{name} flickers by {found.share:.0%} with lamps of {found.mains_hz:g} Hz (seen at"
                f" {found.beat_hz:.1f} Hz)",
                fix=_LAMPS,
            )
    return tuple(told)


def _rate_hz(rows: Rows, asked_hz: float) -> float:
    """Frames a second as they come: a beat with the mains moves by as much as the rate is off."""
    import numpy as np

    return float(1 / np.median(np.diff(rows["t_s"]))) if len(rows) > 2 else asked_hz


def _places(seen: Look, settings: Settings) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Where to look for flicker: the brightest patch without a dot, and around the left pelvis dot if it rests."""
    import numpy as np

    from appliance.records import Posture

    picture, marks = seen.pictures[-1], seen.marks[-1]
    places = [("the background", _patch(picture, marks))]
    standing = seen.rows["posture"] == Posture.STANDING
    if np.isfinite(marks[0]).all() and standing.mean() > 0.9:
        x, y = (round(float(v)) for v in marks[0])
        half = 12
        camera = settings.camera
        if half <= x < camera.width_px - half and half <= y < camera.height_px - half:
            places.append(("a pelvis dot", (x - half, y - half, 2 * half, 2 * half)))
    return places


def _patch(picture: Picture, marks: F64) -> tuple[int, int, int, int]:
    """The square with the brightest ground: where a lamp's light would show; no mark and nothing burnt out in it."""
    import numpy as np

    from appliance.calibration.spots import ground

    level, _ = ground(picture.luma)
    h, w = picture.luma.shape
    size = min(_PATCH_PX, h // 2, w // 2)
    best, at = -1.0, (0, 0)
    for y in range(0, h - size + 1, size):
        for x in range(0, w - size + 1, size):
            away = [math.hypot(x + size / 2 - mx, y + size / 2 - my) for mx, my in marks if np.isfinite(mx)]
            mean = float(level[y : y + size, x : x + size].mean())
            if mean > best and mean < 230 and all(d > size for d in away):
                best, at = mean, (x, y)
    return (*at, size, size)


def _outcome(
    light: Light,
    dots: Dots,
    threshold: int,
    flickers: tuple[tuple[str, Flicker], ...],
    told: tuple[str, ...],
    px_per_m: float,
) -> Outcome:
    """What is worth keeping, and what to mind."""
    from appliance.calibration.light import blur_px
    from appliance.commands.calibrate.guide import Outcome

    hidden = sorted({hz for _, found in flickers for hz in found.hidden})
    mind = [f"lamps of {hz:g} Hz can't be told from still light at this frame rate" for hz in hidden]
    figures = {
        "exposure_us": light.exposure_us,
        "gain": light.gain,
        "brightest_dot": round(max(dots.peaks), 1),
        "faintest_rise": round(min(dots.rises), 1),
        "clutter_rise": round(dots.clutter_rise, 1),
        "ground": round(dots.ground, 1),
        "flicker": {name: round(found.share, 4) for name, found in flickers if found.share == found.share},
    }
    blur = ""
    if px_per_m == px_per_m:
        figures["heel_blur_px"] = round(blur_px(light.exposure_us, px_per_m), 2)
        blur = f"; a heel at 3 m/s blurs by {figures['heel_blur_px']} px"
    words = (
        f"dots {min(dots.peaks):.0f} to {max(dots.peaks):.0f} of 255 over a ground of {dots.ground:.0f}"
        f" at {light.exposure_us:.0f} us and gain {light.gain:g}{blur}"
    )
    values = {"camera.exposure_us": light.exposure_us, "camera.gain": light.gain, "sight.contrast": threshold}
    return Outcome(values=values, figures=figures, words=words, problems=(*told, *mind))
