"""The brightness of a place over a second or two becomes its flicker with the mains, as the frames show it.

Hertz, seconds on the frames' clock, grey levels. Lamps on 50 or 60 Hz flicker 100 or 120 times a second; frames see
that as a beat with their own rate, which at 120 frames/s is 20 Hz for the one, and next to nothing for the other.
Refuses to call still what it can't tell from still: such light is named in `hidden`.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from appliance.records import F64

_MAINS_HZ = (100.0, 120.0)
_MAINS_OFF_HZ = 0.5
"""So far a mains frequency, and a camera's, may be off together."""
MOST_SHARE = 0.10
_LEAST_GREYS = 1.5
_CLOSE_HZ = 0.75


class Flicker(msgspec.Struct, frozen=True):
    """How a place's brightness follows the mains.

    mains_hz : of the light, twice the wire's. beat_hz : as the frames show it. grey : amplitude; share : of the mean.
    noise_grey : amplitude that noise alone would show. hidden : light whose beat is too slow to be seen.
    """

    mains_hz: float
    beat_hz: float
    grey: float
    share: float
    mean: float
    noise_grey: float
    hidden: tuple[float, ...] = ()

    @property
    def strong(self) -> bool:
        """Whether it is too much to measure by."""
        return self.grey > max(_LEAST_GREYS, 4 * self.noise_grey) and self.share > MOST_SHARE


def beat_hz(light_hz: float, rate_hz: float) -> float:
    """At which frequency frames show a light that flickers so often."""
    return abs(light_hz - round(light_hz / rate_hz) * rate_hz)


def flicker(t_s: F64, grey: F64, rate_hz: float) -> Flicker:
    """The strongest mains flicker in a place's brightness over time; NaN figures when there are too few frames.

    Each mains frequency is looked for a little around its beat with the frame rate. A beat of less than a cycle in the
    time is seen as a drift when it is strong, and else named in `hidden`.
    """
    known = np.isfinite(grey) & np.isfinite(t_s)
    t_s, grey = t_s[known] - (t_s[known][0] if known.any() else 0.0), grey[known]
    if len(grey) < 32 or t_s[-1] <= 0:
        return Flicker(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, _MAINS_HZ)
    over_s, mean = float(t_s[-1]), float(grey.mean())
    noise = float(np.std(np.diff(grey))) / math.sqrt(2.0) * math.sqrt(2.0 / len(grey))
    best = Flicker(_MAINS_HZ[0], beat_hz(_MAINS_HZ[0], rate_hz), 0.0, 0.0, mean, noise)
    hidden = []
    for mains in _MAINS_HZ:
        middle = beat_hz(mains, rate_hz)
        if middle < _CLOSE_HZ / over_s:
            hidden.append(mains)
        low = max(middle - _MAINS_OFF_HZ, 0.25 / over_s)
        for at in np.arange(low, max(middle + _MAINS_OFF_HZ, low + 0.01), 0.1 / over_s):
            size = _amplitude(t_s, grey, float(at))
            if size > best.grey:
                best = Flicker(mains, float(at), size, size / max(mean, 1.0), mean, noise)
    return msgspec.structs.replace(best, hidden=tuple(hidden))


def _amplitude(t_s: F64, grey: F64, at_hz: float) -> float:
    """Half of the swing, in the frames, of a sine at this frequency, beside a mean and, for a fast beat, a drift."""
    angle = 2 * math.pi * at_hz * t_s
    columns = [np.ones_like(t_s), np.cos(angle), np.sin(angle)]
    if at_hz * float(t_s[-1]) > 1.5:
        columns.append(t_s)
    fitted, *_ = np.linalg.lstsq(np.stack(columns, axis=1), grey, rcond=None)
    # what the frames show of it: near half the frame rate, and below one cycle, the sine's own size is unknown
    return float(np.ptp(np.stack(columns[1:3], axis=1) @ fitted[1:3])) / 2
