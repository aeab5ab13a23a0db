"""The running station's pictures become what a step looks for in them: something that is there, at rest, and measured.

Pictures come one by one, each taken after it was asked for, at most ten a second. Refuses what does not come, does not
rest or is not seen often enough, with `CalibrationError` and the last reason why.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from appliance.errors import CalibrationError, HipbarError

if TYPE_CHECKING:
    from appliance.commands.calibrate.guide import Guide
    from appliance.config import Settings
    from appliance.records import U8
    from appliance.station.client import Link

PACE_S = 0.1
SEEN_SHARE = 0.7
_WHITE, _WHITE_FROM, _WHITE_TO = 165.0, 90.0, 225.0
_DARK_PEAK = 120.0
_PATIENCE = 8
_LONGEST_US, _MOST_GAIN = 8000.0, 16.0
"""A board is held still: a long exposure is quieter than a high gain, as long as the frame time allows it."""

_Seen = TypeVar("_Seen")


class Missing(Exception):
    """What a step looks for is not in this picture; the words say why."""


def pictures(link: Link) -> Iterator[U8]:
    """Whole frames, each newer than the last, for as long as they are asked for."""
    while True:
        begun_s = time.monotonic()
        yield link.picture().luma
        time.sleep(max(0.0, PACE_S - (time.monotonic() - begun_s)))


def settled(
    link: Link,
    guide: Guide,
    see: Callable[[U8], _Seen],
    rests: Callable[[_Seen, _Seen], bool],
    wanted: Callable[[_Seen], str | None],
    wait_s: float,
) -> _Seen:
    """The first thing seen that rests from one picture to the next and that `wanted` has nothing against."""
    until_s = time.monotonic() + wait_s
    before: _Seen | None = None
    why = "nothing seen"
    for luma in pictures(link):
        try:
            now = see(luma)
        except Missing as missing:
            before, why = None, str(missing)
        else:
            against = wanted(now)
            if against is None and before is not None and rests(before, now):
                return now
            before, why = now, against or "it moves"
        guide.figure(why, good=False)
        if time.monotonic() > until_s:
            break
    raise CalibrationError(f"after {wait_s:g} s: {why}", fix="start again, or give it longer with --wait")


def gathered(
    link: Link,
    guide: Guide,
    see: Callable[[U8], _Seen],
    seconds: float,
    tell: Callable[[list[_Seen]], tuple[str, bool]],
) -> list[_Seen]:
    """What is seen during so many seconds; `tell` gives the live figure and whether it is good."""
    found: list[_Seen] = []
    looked, why = 0, ""
    until_s = time.monotonic() + seconds
    for luma in pictures(link):
        looked += 1
        try:
            found.append(see(luma))
            guide.figure(*tell(found))
        except Missing as missing:
            why = str(missing)
            guide.figure(why, good=False)
        if time.monotonic() > until_s and looked >= 5:
            break
    if len(found) < max(3, SEEN_SHARE * looked):
        raise CalibrationError(
            f"seen in {len(found)} of {looked} pictures: {why}", fix="hold it still, and start again"
        )
    return found


class Exposure:
    """The camera's exposure for as long as a board is looked at; what was before is in force again afterwards."""

    def __init__(self, link: Link, guide: Guide, settings: Settings) -> None:
        camera = settings.camera
        self._link, self._guide = link, guide
        self._before = {"camera.exposure_us": camera.exposure_us, "camera.gain": camera.gain}
        self._longest_us = min(_LONGEST_US, 0.9e6 / camera.rate_hz)
        self._now = camera.exposure_us * camera.gain
        self._fixed = camera.exposure_us <= 0 or camera.source == "video"
        self._misses = self._skip = 0
        self._changed = False

    def __enter__(self) -> Exposure:
        """Nothing is changed before a picture asks for it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Puts back what was before."""
        if self._changed:
            with contextlib.suppress(HipbarError):
                self._link.set(self._before)

    def seen(self, white: float) -> bool:
        """A board was seen with this white; whether that is good enough to measure."""
        self._misses = 0
        if _WHITE_FROM <= white <= _WHITE_TO:
            return True
        self._change(0.5 if white > _WHITE_TO else _WHITE / max(white, 10.0))
        return self._fixed

    def unseen(self, peak: float) -> None:
        """No board in a picture whose bright parts have this grey: lighten it when it is dark, or search."""
        self._misses += 1
        if peak < _DARK_PEAK:
            self._change(2.0)
        elif self._misses % _PATIENCE == 0 and peak > _WHITE_TO:
            self._change(0.5)

    def _change(self, factor: float) -> None:
        if self._fixed or self._skip > 0:
            self._skip = max(0, self._skip - 1)
            return
        most = self._longest_us * _MOST_GAIN
        wanted = min(most, max(100.0, self._now * factor))
        if abs(wanted / self._now - 1) < 0.05:
            return
        exposure_us = min(self._longest_us, wanted)
        values = {
            "camera.exposure_us": round(exposure_us, 1),
            "camera.gain": round(max(1.0, wanted / exposure_us), 2),
        }
        try:
            self._link.set(values)
        except HipbarError as error:
            self._guide.say(f"the exposure stays as it is: {error}")
            self._fixed = True
            return
        self._now, self._changed, self._skip = wanted, True, 2  # the next pictures may be from before
