"""Pictures of the dots become an exposure, a gain and a threshold at which they neither burn out nor fade.

Microseconds, gain as the camera counts it, grey levels 0..255. What the sensor says is taken to grow in proportion to
exposure times gain. The exposure is kept as short as the motion of a heel asks for, then the gain as low as it can be.
Refuses, in `problems`, what can't be had: too little light, dots of very different brightness, reflections as bright as
the dots. Light that flickers is the next module's.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.calibration.spots import SATURATED, Spot
from appliance.records import U8

TARGET_PEAK = 200.0
LOW_PEAK, HIGH_PEAK = 165.0, 235.0
"""The brightest dot's peak is wanted between these; 250 and more is burnt out."""
FAINT_RISE = 40.0
"""A dot that rises less above its ground is a faint one."""
HEEL_M_PER_S = 3.0
MOST_BLUR_PX = 1.5
_LEAST_EXPOSURE_US, _MOST_EXPOSURE_US = 50.0, 20000.0
_NOISE_RISE = 12.0


class Light(msgspec.Struct, frozen=True):
    """An exposure and a gain."""

    exposure_us: float
    gain: float

    @property
    def product(self) -> float:
        """What the brightness grows with."""
        return self.exposure_us * self.gain


class Limits(msgspec.Struct, frozen=True):
    """What the camera can do and the motion allows. px_per_m : at the runner; NaN = unknown. gains : least and most."""

    rate_hz: float
    px_per_m: float = math.nan
    gains: tuple[float, float] = (1.0, 16.0)

    @property
    def exposure_us(self) -> float:
        """The longest exposure that blurs a heel by no more than `MOST_BLUR_PX` and fits into a frame."""
        px_per_s = HEEL_M_PER_S * (self.px_per_m if self.px_per_m > 0 else 260.0)
        return min(MOST_BLUR_PX / px_per_s * 1e6, 0.9e6 / self.rate_hz, _MOST_EXPOSURE_US)


class Dots(msgspec.Struct, frozen=True):
    """What the dots and the rest look like at one setting.

    peaks, rises : of each dot's brightest pixel, grey and above its ground. burnt : dots with burnt-out pixels.
    clutter_rise : of the brightest spot that is no dot. ground : the median grey of the picture.
    """

    peaks: tuple[float, ...]
    rises: tuple[float, ...]
    burnt: int
    clutter_rise: float
    ground: float


def seen(luma: U8, found: tuple[Spot, ...], dots: tuple[Spot, ...]) -> Dots:
    """What a picture with these spots says, of which some are dots."""
    others = [s.rise for s in found if s not in dots]
    return Dots(
        peaks=tuple(s.peak for s in dots),
        rises=tuple(s.rise for s in dots),
        burnt=sum(s.saturated > 0 for s in dots),
        clutter_rise=max(others, default=0.0),
        ground=float(np.median(luma)),
    )


def joined(many: list[Dots]) -> Dots:
    """Several pictures as one: the brightest and the faintest of each dot's appearances count."""
    peaks = tuple(p for one in many for p in one.peaks)
    return Dots(
        peaks=peaks,
        rises=tuple(r for one in many for r in one.rises),
        burnt=max((one.burnt for one in many), default=0),
        clutter_rise=float(np.median([one.clutter_rise for one in many])) if many else 0.0,
        ground=float(np.median([one.ground for one in many])) if many else math.nan,
    )


def good(now: Dots) -> bool:
    """Whether the dots neither burn out nor fade."""
    return bool(now.peaks) and not now.burnt and LOW_PEAK <= max(now.peaks) <= HIGH_PEAK


def following(now: Light, dots: Dots, limits: Limits) -> Light:
    """What to try next: nearer to where the brightest dot is bright and not burnt out."""
    if not dots.peaks:
        factor = 0.4 if dots.ground > TARGET_PEAK else 2.5
    elif dots.burnt or max(dots.peaks) >= SATURATED:
        factor = 0.45
    else:
        factor = min(max(TARGET_PEAK / max(*dots.peaks, 1.0), 0.3), 4.0)
    return shared(now.product * factor, limits)


def shared(product: float, limits: Limits) -> Light:
    """A product of exposure and gain as the longest exposure that motion allows and the lowest gain."""
    least, most = limits.gains
    exposure = min(limits.exposure_us, product / least)
    exposure = max(round(exposure / 10) * 10.0, _LEAST_EXPOSURE_US)
    gain = min(max(product / exposure, least), most)
    return Light(exposure, round(gain, 2))


def usable(dots: Dots) -> bool:
    """Whether there are dots to measure by: found, not burnt out, and the brightest of them no faint one."""
    return bool(dots.peaks) and not dots.burnt and max(dots.rises) >= FAINT_RISE


def at_the_end(now: Light, wanted: Light) -> bool:
    """Whether trying on would change nothing."""
    return abs(wanted.product / now.product - 1) < 0.03


def contrast(dots: Dots) -> int:
    """The threshold half-way (in ratio) between what must not count and the faintest dot; 0 = no safe one."""
    if not dots.rises:
        return 0
    faintest, other = min(dots.rises), max(dots.clutter_rise, _NOISE_RISE)
    if other >= 0.7 * faintest:
        return 0
    return round(min(math.sqrt(faintest * other), 0.5 * faintest))


def blur_px(exposure_us: float, px_per_m: float) -> float:
    """How far a heel at 3 m/s goes while a frame is exposed."""
    return HEEL_M_PER_S * exposure_us * 1e-6 * px_per_m


def problems(dots: Dots, light: Light) -> tuple[str, ...]:
    """What exposure and gain can't mend; with a dot burnt out, or none, nothing may be kept."""
    found = []
    if not dots.peaks:
        return ("no dot was found: is somebody in view who wears them, and is the infrared ring on?",)
    if dots.burnt:
        found.append(f"{dots.burnt} dots burn out even so: dim the ring, or close the lens's iris")
    if max(dots.peaks) < LOW_PEAK:
        found.append(
            f"the brightest dot reaches only {max(dots.peaks):.0f} of 255 at gain {light.gain:g}:"
            " more light from the ring, larger or newer dots, or a nearer camera"
        )
    if min(dots.rises) < FAINT_RISE:
        found.append(
            f"the faintest dot stands only {min(dots.rises):.0f} above its ground: clean or replace it"
        )
    if contrast(dots) == 0:
        found.append(
            f"something that is no dot stands {dots.clutter_rise:.0f} above its ground, the faintest dot"
            f" {min(dots.rises):.0f}: cover it (`hipbar calibrate aim` says where)"
        )
    return tuple(found)


def histogram(luma: U8, bins: int = 64) -> NDArray[np.int64]:
    """How many pixels have which grey, in so many equal steps from 0 to 255."""
    return np.bincount((luma.ravel().astype(np.int64) * bins) >> 8, minlength=bins)


def bars(counts: NDArray[np.int64], rows: int = 5) -> tuple[str, ...]:
    """A histogram as lines of blocks, from the top; logarithmic, so that dots of few pixels show beside the ground."""
    heights = np.log1p(counts) / max(float(np.log1p(counts.max())), 1e-9) * rows * 8
    blocks = " ▁▂▃▄▅▆▇█"
    lines = []
    for row in reversed(range(rows)):
        filled = np.clip(np.ceil(heights - row * 8), 0, 8).astype(int)
        lines.append("".join(blocks[k] for k in filled))
    return tuple(lines)
