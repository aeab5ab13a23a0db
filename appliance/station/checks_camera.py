"""Some seconds of frames and one picture become checks of the camera: there, in time, locked, dots seen, background.

Times in seconds, exposure in microseconds, brightness in grey levels 0 to 255, shares 0 to 1. A dot is good when it
stands well above its background and is not burnt out. Refuses nothing: too few frames are a fact of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.config import Settings
from appliance.records import F64, U8, Posture
from appliance.station.checkup import Check, Fact, Rule, Unknown, Verdict, judged, times

RATE_PASS, RATE_WARN = 0.97, 0.85
"""Shares of the wanted frame rate; below the second, feedback is late and steps are missed."""

SEEN_PASS, SEEN_WARN = 0.98, 0.8
BLURS_US = 3000.0
"""A heel swings at some 3 m/s: longer exposures smear it by more than its own radius."""

BRIGHT_WARN, BRIGHT_FAIL = 0.002, 0.05
CONTRAST_WARN, CONTRAST_FAIL = 60.0, 25.0
FLICKER_WARN = 0.06
_WINDOW_PX = 20
_BURNT = 250
_CABLE = "reseat the camera's cable at both ends; `hipbar camera` lists what is there"
_COVER = "cover what shines: windows, lamps, mirrors, metal; draw the curtain"
_LIGHT = "`hipbar calibrate light` chooses exposure, gain and threshold"
_BUSY = "end what else runs here (`top`), look at heat and supply below, or lower camera.rate_hz"


class Watched(msgspec.Struct, frozen=True):
    """Some seconds of frames. pair, heels : shares of frames in which both were seen. score : of the marks seen.

    moving : share of frames in which somebody walked or ran; while all stand, heels may not be named yet.
    flicker : how much the brightness of a still spot goes up and down (sd / mean); None = not watched, or too dark.
    """

    seconds: float
    frames: int
    rate_hz: float
    lost: int
    pair: float
    heels: float
    score: float | None
    flicker: float | None
    moving: float = 0.0


class Backdrop(msgspec.Struct, frozen=True):
    """One picture. grey : the median. bright : share of pixels away from the marks that could be taken for a dot.

    dot : the brightest pixel of the dimmest mark; burnt : share of the marks' inner pixels at the end of the scale.
    """

    grey: float
    bright: float
    dot: float | None
    burnt: float | None


def watched(rows: NDArray[np.void], rate_hz: float) -> Fact[Watched]:
    """What rows as `follow` gives them say; `rate_hz` is what the camera should give."""
    seconds = float(rows["t_s"][-1] - rows["t_s"][0]) if len(rows) else 0.0
    if seconds <= 0:
        return Unknown(f"{len(rows)} frames came", _CABLE, mend=True)
    seen = np.isfinite(rows["xy_px"]).all(axis=2)
    spot = rows["spot"][np.isfinite(rows["spot"])]
    still = len(spot) >= 20 and spot.mean() >= 5
    return Watched(
        seconds=seconds,
        frames=len(rows),
        rate_hz=(len(rows) - 1) / seconds,
        lost=int(np.maximum(0, np.rint(np.diff(rows["t_s"]) * rate_hz) - 1).sum()),
        pair=float(seen[:, :2].all(axis=1).mean()),
        heels=float(seen[:, 2:].all(axis=1).mean()),
        score=float(rows["score"][seen].mean()) if seen.any() else None,
        flicker=float(spot.std() / spot.mean()) if still else None,
        moving=float((rows["posture"] >= Posture.MOVING).mean()),
    )


def backdrop(luma: U8, xy_px: F64) -> Backdrop:
    """What a picture with marks at these places says of its light; places that are NaN are no marks."""
    away, tops = np.ones(luma.shape, bool), []
    inner: list[NDArray[np.uint8]] = []
    for x, y in xy_px[np.isfinite(xy_px).all(axis=1)]:
        box = _around(luma.shape, float(x), float(y))
        window = luma[box]
        if window.size:
            away[box] = False
            tops.append(float(window.max()))
            inner.append(window[window >= (tops[-1] + float(np.median(window))) / 2])
    rest, grey = luma[away], float(np.median(luma))
    limit = max(60.0, ((min(tops) if tops else 200.0) + grey) / 2)
    return Backdrop(
        grey=grey,
        bright=float((rest >= limit).mean()) if rest.size else 0.0,
        dot=min(tops) if tops else None,
        burnt=float((np.concatenate(inner) >= _BURNT).mean()) if inner else None,
    )


def _around(shape: tuple[int, ...], x: float, y: float) -> tuple[slice, slice]:
    """The window of a place, cut at the picture's edge."""
    rows = slice(max(0, round(y) - _WINDOW_PX), min(shape[0], round(y) + _WINDOW_PX + 1))
    columns = slice(max(0, round(x) - _WINDOW_PX), min(shape[1], round(x) + _WINDOW_PX + 1))
    return rows, columns


def camera(name: str, about: Mapping[str, Any], settings: Settings) -> Check:
    """Whether there is one, and which."""
    size = f"{about.get('width_px', '?')} x {about.get('height_px', '?')}"
    restarts = int(about.get("restarts") or 0)
    played = settings.camera.source in ("virtual", "video")
    return judged(
        name,
        ", ".join(str(word) for word in (about.get("driver"), about.get("device"), size) if word),
        Rule(
            played,
            Verdict.WARN,
            'set camera.source to "picamera" or "v4l2" to see a runner of yours',
            "no real camera",
        ),
        Rule(restarts > 0, Verdict.WARN, _CABLE, f"fell silent, started anew {times(restarts)}"),
        restarts=restarts,
    )


def frame_rate(name: str, seen: Watched, wanted_hz: float) -> Check:
    """Whether frames come as often as they should, without holes."""
    share = seen.rate_hz / wanted_hz
    return judged(
        name,
        f"{seen.rate_hz:.1f} of {wanted_hz:g} frames/s over {seen.seconds:.1f} s, {seen.lost:,} lost",
        Rule(share < RATE_WARN, Verdict.FAIL, _BUSY),
        Rule(share < RATE_PASS or seen.lost > 0.01 * seen.frames, Verdict.WARN, _BUSY),
        rate_hz=round(seen.rate_hz, 2),
        wanted_hz=wanted_hz,
        lost=seen.lost,
    )


def exposure(name: str, about: Mapping[str, Any], settings: Settings) -> Check:
    """Whether exposure and gain stand still, where they were put, and freeze a runner."""
    given, gain, wanted = about.get("exposure_us"), about.get("gain"), settings.camera.exposure_us
    if not isinstance(given, int | float) or not 0 <= given < 1e9:
        why = f"{about.get('driver', 'this camera')} does not tell its exposure"
        return Check(name, Verdict.UNKNOWN, why)
    free = wanted == 0 and settings.camera.source == "v4l2"
    asked = wanted > 0 and settings.camera.source in ("picamera", "v4l2")
    return judged(
        name,
        ("now " if free else "locked at ")
        + f"{given:,.0f} us"
        + (f", gain {gain:g}" if isinstance(gain, int | float) else ""),
        Rule(
            free,
            Verdict.FAIL,
            "`hipbar calibrate light` finds a fixed one (camera.exposure_us)",
            "changed by the camera",
        ),
        Rule(
            asked and abs(given - wanted) > 0.2 * wanted,
            Verdict.WARN,
            "choose one that this camera can do: `hipbar calibrate light`",
            f"{wanted:,.0f} us was asked for",
        ),
        Rule(
            given > BLURS_US,
            Verdict.WARN,
            "more light on the dots and a shorter exposure: `hipbar calibrate light`",
            "a runner's dots smear",
        ),
        exposure_us=float(given),
        wanted_us=wanted,
    )


def dots(name: str, seen: Watched) -> Check:
    """Whether the marks are found, all the time, and how well."""
    if seen.pair == 0 and seen.heels == 0:
        fix = "have somebody with all four dots on stand on the belt; then `hipbar calibrate aim`"
        return Check(name, Verdict.WARN, "nobody in view", fix, {"pair": 0.0, "heels": 0.0})
    quality = "" if seen.score is None else f", quality {seen.score:.2f}"
    aim = "`hipbar calibrate aim` and `light`; clean the dots, cover what hides them"
    walked = seen.moving > 0.5
    named = f"{100 * seen.heels:.1f} % of frames" if walked or seen.heels else "none while nobody walks"
    return judged(
        name,
        f"pelvis pair in {100 * seen.pair:.1f} %, heels in {named}{quality}",
        Rule(seen.pair < SEEN_WARN, Verdict.FAIL, aim),
        Rule(seen.pair < SEEN_PASS, Verdict.WARN, aim),
        Rule(
            walked and seen.heels < SEEN_WARN,
            Verdict.WARN,
            "a dot on each heel, in view, or nothing is shown per side",
            "sides unsure",
        ),
        Rule((seen.score or 0) < 0.5, Verdict.WARN, _LIGHT, "faint, or not alone"),
        pair=round(seen.pair, 4),
        heels=round(seen.heels, 4),
        score=seen.score,
    )


def background(name: str, picture: Backdrop, flicker: float | None) -> Check:
    """Whether the dots stand out from the rest, and the rest stands still."""
    contrast = None if picture.dot is None else picture.dot - picture.grey
    above = 255.0 if contrast is None else contrast
    return judged(
        name,
        f"grey level {picture.grey:.0f}, {100 * picture.bright:.2f} % elsewhere as bright as a dot"
        + ("" if contrast is None else f", dots {contrast:.0f} above it"),
        Rule(picture.bright >= BRIGHT_FAIL, Verdict.FAIL, _COVER),
        Rule(picture.bright >= BRIGHT_WARN, Verdict.WARN, _COVER),
        Rule(above < CONTRAST_FAIL, Verdict.FAIL, _LIGHT),
        Rule(above < CONTRAST_WARN, Verdict.WARN, _LIGHT),
        Rule((picture.burnt or 0) > 0.5, Verdict.WARN, _LIGHT, "the dots are burnt out"),
        Rule(
            (flicker or 0) > FLICKER_WARN,
            Verdict.WARN,
            "mains light: switch those lamps off or shade them; `hipbar calibrate light`",
            f"flickers by {100 * (flicker or 0):.0f} %",
        ),
        grey=picture.grey,
        bright=round(picture.bright, 5),
        contrast=contrast,
        burnt=picture.burnt,
        flicker=flicker,
    )
