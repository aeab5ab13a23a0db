"""What motion knows at each frame becomes the colours of the LEDs.

LEDs from the runner's left to right as wired. By default the side of the hip that *drops* lights: a difference above
0 (right stance drops more) is a left hip drop and lights the left half. `lights = "stance"` and `swap` each exchange
the halves. Pure: time is what the rows and `idle` say, so a replay gives the light of the run.
Refuses to keep a figure lit that was not measured for STALE_S, and to flash (see docs/feedback.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.config import Settings
from appliance.feedback.patterns import DEEP, PALETTES, pattern, top_byte
from appliance.kernels import light as kernels
from appliance.records import F64, MOMENT, U8, Shown

_MODES = {
    "asymmetry": kernels.ASYMMETRY,
    "step": kernels.STEP,
    "live": kernels.LIVE,
    "box": kernels.BOX,
    "off": kernels.DARK,
}
_WORDS = MOMENT.itemsize // 8
_INSIDE = 0.35  # strength of what is level or on target
_ENOUGH_STEPS = 3  # a side; fewer say too little to steer by


class Feedback:
    """The light of one bar: rows of MOMENT in, LED bytes out, one state for both `light` and `idle`."""

    def __init__(self, settings: Settings) -> None:
        """Work out once what does not change: rules, tints and patterns."""
        self._leds = settings.strip.leds
        self.adopt(settings)
        self.reset()

    def adopt(self, settings: Settings) -> None:
        """Other rules from the next frame on; the light goes there from where it is, as slew, fade and guard allow."""
        self._rules = _rules(settings)
        self._tints = _tints(settings)
        self._looks = np.array([pattern(shown, settings) for shown in Shown], np.float64)

    def reset(self) -> None:
        """Forget everything, as at the start."""
        self._state = kernels.fresh(self._leds)
        nothing = np.zeros(1, MOMENT)  # posture 0 is UNSEEN: nothing was ever measured
        self._last: F64 = nothing.view(np.float64).reshape(1, _WORDS)

    def light(self, moments: NDArray[np.void]) -> tuple[U8, U8]:
        """The LEDs (n, N, 3) and what they show (n,) after each row; also rows one by one give the same bytes."""
        words: F64 = np.ascontiguousarray(moments).view(np.float64).reshape(-1, _WORDS)
        self._last[:] = words[-1:] if len(words) else self._last
        return self._lit(words)

    def idle(self, t_s: float) -> tuple[U8, Shown]:
        """No frame came by `t_s`: what was last known, older; after STALE_S nothing of it is left."""
        self._last[0, 0] = t_s
        leds, shown = self._lit(self._last)
        return leds[0], Shown(int(shown[0]))

    @property
    def guard_acts(self) -> int:
        """How often the flash guard had to step in: runs of frames, not frames."""
        return int(self._state[-1, kernels.ACTS])

    def _lit(self, words: F64) -> tuple[U8, U8]:
        leds = np.empty((len(words), self._leds, 3), np.uint8)
        shown = np.empty(len(words), np.uint8)
        counts = words.view(np.int64)
        kernels.light(words, counts, self._rules, self._tints, self._looks, self._state, leds, shown)
        return leds, shown


def _rules(settings: Settings) -> F64:
    """The settings as the kernel reads them: most of what makes a mode is a figure here."""
    feedback, strip = settings.feedback, settings.strip
    bands_deg = {"step": feedback.target_deg, "live": np.inf}
    rules = np.zeros(kernels.RULES)
    rules[kernels.MODE] = _MODES[feedback.mode]
    rules[kernels.SIGN] = 1.0 if (feedback.lights == "dropping") != feedback.swap else -1.0
    rules[kernels.BAND_DEG] = bands_deg.get(feedback.mode, feedback.band_deg)
    rules[kernels.FROM_DEG] = feedback.band_deg if feedback.mode == "box" else 0.0
    rules[kernels.SCALE] = feedback.sensitivity / feedback.full_scale_deg
    rules[kernels.MARK] = 1.0 if feedback.mode in ("asymmetry", "step") else 0.0
    rules[kernels.SLEW_S] = feedback.slew_ms / 1000.0
    rules[kernels.FADE_S] = feedback.fade_ms / 1000.0
    rules[kernels.ENOUGH] = min(_ENOUGH_STEPS, settings.motion.steps)
    rules[kernels.TOP] = top_byte(strip)
    rules[kernels.BUDGET] = strip.byte_budget
    return rules


def _tints(settings: Settings) -> F64:
    """Bytes of the bar inside the band and beyond it.

    The live bubble moves with every wave of the stride, up to five times a second: it is so dark a colour that going
    over an LED is no flash (below a tenth of the maximum), and it has no second colour to change to.
    """
    top, (inside, beyond, _) = top_byte(settings.strip), PALETTES[settings.feedback.palette]
    if settings.feedback.mode == "live":
        deep = [max(1, int(c * top)) if c else 0 for c in DEEP[settings.feedback.palette]]
        return np.array([deep, deep], np.float64)
    return np.array([np.multiply(inside, _INSIDE), beyond]) * top
