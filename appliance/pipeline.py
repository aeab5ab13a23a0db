"""A frame of pixels becomes the colours of the bar: sight, motion and feedback in one, and nothing else.

Pure: no clock, file, thread or device. The same frames give the same updates, bit for bit, live or replayed.
Refuses frames of another size midway and times that do not advance, with `SourceError`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.config import Settings
from appliance.errors import SourceError
from appliance.feedback.bar import Feedback
from appliance.motion.gait import Motion
from appliance.records import F64, U8, Asymmetry, Frame, Shown, Step, Update
from appliance.sight.markers import Sight

_SHOWN = tuple(Shown)


def nothing() -> None:
    """For whoever does not time the laps."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """What many frames of keypoints brought: a moment, a bar and what it shows for each, and the steps among them.

    moments : (n,) `MOMENT`. leds : (n, leds, 3) uint8. shown : (n,) uint8, values of `Shown`.
    """

    moments: NDArray[np.void]
    steps: tuple[Step, ...]
    leds: U8
    shown: U8


def _unproved(moments: NDArray[np.void]) -> NDArray[np.void]:
    """The same moments for a bar of which nobody has proved which end is the runner's left."""
    told = moments.copy()
    told["sides_sure"] = -1
    return told


class Pipeline:
    """The whole per-frame path; one instance a source, fed in the order of time.

    sides_proved : False keeps every figure from the bar, which shows "unsure of sides" instead, whatever the mode.
    """

    def __init__(self, settings: Settings, *, sides_proved: bool = True) -> None:
        self._settings, self.sides_proved = settings, sides_proved
        self._sight = Sight(settings)
        self._motion = Motion(settings)
        self._feedback = Feedback(settings)
        self._opened = False
        self._last_s = -math.inf

    def feed(self, frame: Frame, lap: Callable[[], None] = nothing) -> Update:
        """What one frame brings, and the light it asks for. Raises `SourceError` for a frame that can't be.

        lap : called after sight, after motion and after feedback, for whoever times them.
        """
        if not self._last_s < frame.t_s < math.inf:
            raise self._untimely(frame.seq, frame.t_s)
        keypoints = self._sight.locate(frame)
        lap()
        if not self._opened:
            self._motion.open(frame.luma.shape[1], frame.luma.shape[0])
            self._opened = True
        self._last_s = frame.t_s
        moments, steps = self._motion.advance(np.array([frame.t_s]), keypoints.xy_px[None], frame.row_s)
        lap()
        leds, shown = self._feedback.light(moments if self.sides_proved else _unproved(moments))
        lap()
        return Update(
            frame.seq,
            frame.t_s,
            keypoints,
            moments[0],
            steps,
            leds[0],
            _SHOWN[shown[0]],
            self._feedback.guard_acts,
        )

    def replay(self, t_s: F64, xy_px: F64, row_s: float, size: tuple[int, int], first_seq: int = 0) -> Batch:
        """What keypoints seen before bring, many frames at once: the very same figures as frame by frame.

        t_s : (n,). xy_px : (n, 4, 2) sensor pixels, NaN = not seen. size : the sensor's width and height, px.
        """
        before = np.concatenate(([self._last_s], t_s[:-1]))
        wrong = np.flatnonzero(~((t_s > before) & (t_s < math.inf)))
        if len(wrong):
            self._last_s = float(before[wrong[0]])
            raise self._untimely(first_seq + int(wrong[0]), float(t_s[wrong[0]]))
        if not self._opened:
            self._motion.open(*size)
            self._opened = True
        self._last_s = float(t_s[-1]) if len(t_s) else self._last_s
        moments, steps = self._motion.advance(t_s, xy_px, row_s)
        leds, shown = self._feedback.light(moments if self.sides_proved else _unproved(moments))
        return Batch(moments, steps, leds, shown)

    def idle(self, t_s: float) -> tuple[U8, Shown]:
        """No frame came: what the bar shows at `t_s` all the same."""
        return self._feedback.idle(t_s)

    def adopt(self, settings: Settings) -> None:
        """Other settings from the next frame on: feedback and motion go on with what they know, and no light jumps.

        Only what `config.live.ADOPTED` names may differ; a change of what counts as a dot makes sight look anew.
        """
        was, self._settings = self._settings, settings
        self._feedback.adopt(settings)
        self._motion.adopt(settings)
        if settings.sight != was.sight:
            self._sight = Sight(settings)

    @property
    def settings(self) -> Settings:
        """Those in force, with all that has been adopted."""
        return self._settings

    def restart(self) -> None:
        """Motion knows nothing from the next frame on, as at the start; sight and light go on."""
        self._motion, self._opened = Motion(self._settings), False

    def asymmetry(self) -> Asymmetry | None:
        """The running comparison of the sides; None before the first step."""
        return self._motion.asymmetry()

    @property
    def tracked(self) -> bool:
        """Whether the last frame was read in windows, without a search of the whole picture."""
        return self._sight.tracked

    @property
    def guard_acts(self) -> int:
        """How often the flash guard has had to step in."""
        return self._feedback.guard_acts

    def _untimely(self, seq: int, t_s: float) -> SourceError:
        what = f"time {t_s:.6f} s after {self._last_s:.6f} s" if math.isfinite(t_s) else f"time is {t_s}"
        return SourceError(
            f"frame {seq}: {what}",
            fix="frame times must be finite and rise; make the file anew with its times",
        )
