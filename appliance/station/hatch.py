"""The one opening between the loop and everybody else: what is seen goes out, a lent bar and other settings come in.

The loop's thread calls `saw`, `past`, `lit` and `turn`; each costs a microsecond or two when nobody wants anything.
Any other thread may call the rest. Times are seconds on the frames' own clock, which for a live camera is the machine's
monotonic one. Refuses to let anybody hold up the loop: nothing here waits but `ask`, and that is the asker.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.errors import CameraLost, HipbarError, ServiceDown
from appliance.records import U8, Frame, Light, Step, Update

FOLLOW = np.dtype(
    [
        ("seq", "<i8"),
        ("t_s", "<f8"),
        ("xy_px", "<f8", (4, 2)),
        ("score", "<f8", (4,)),
        ("obliquity_deg", "<f8"),
        ("posture", "<i8"),
        ("sides_sure", "<i8"),
        ("spot", "<f8"),
    ]
)
"""One frame for whoever follows all of them; `spot` is the mean grey of the wanted spot, NaN without one."""

ROWS = 2048
"""So many frames are kept for followers: 17 s at 120 Hz."""

_STEPS = 16
LONGEST_LOAN_S = 2.0
_ANSWER_S = 3.0


class Glimpse(NamedTuple):
    """The last frame's outcome, when its light was out, and what the status light said."""

    update: Update
    now_s: float
    light: Light


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is behind the hatch. camera : the driver's own facts."""

    width_px: int
    height_px: int
    rate_hz: float
    leds: int
    byte_budget: int
    camera: dict[str, str | float | int]


class _Loan(NamedTuple):
    number: int
    rgb: U8
    until_s: float


class _Wish:
    """Something to be done by the loop between two frames, and how it went."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act, self.done = act, threading.Event()
        self.error: Exception | None = None
        self._claim = threading.Lock()

    def taken(self) -> bool:
        """The loop's: whether it is still wanted. What is taken is done, and nobody gives up waiting for it."""
        return self._claim.acquire(blocking=False)

    def withdrawn(self) -> bool:
        """The asker's: whether it was in time to take it back."""
        return self._claim.acquire(blocking=False)


class Hatch:
    """Made once a service; what is behind it may change."""

    def __init__(self, answer_s: float = _ANSWER_S) -> None:
        self._answer_s = answer_s
        self.about: About | None = None
        self.newest: Glimpse | None = None
        self.steps: tuple[Step, ...] = ()
        """The last ones, the oldest first."""
        self.picture: Frame | None = None
        """The last whole frame that was asked for, with memory of its own."""
        self.spot: tuple[int, int, int, int] | None = None
        """x, y, width and height in sensor pixels whose brightness followers want."""
        self.lent = (0, float("nan"))
        """The number of the last loan that was lit, and when that had been written, monotonic seconds."""
        self.scores = np.zeros(4)
        """The sum of all frames' scores, mark by mark."""
        self._wanted = self._following = False
        self._rows = np.zeros(ROWS, FOLLOW)
        self._count = 0
        self._loan: _Loan | None = None
        self._loans = 0
        self._wish: _Wish | None = None
        self._asking = threading.Lock()

    # the loop's side

    def saw(self, update: Update, now_s: float, light: Light) -> None:
        """A frame's light is out."""
        self.newest = Glimpse(update, now_s, light)
        if update.steps:
            self.steps = (*self.steps, *update.steps)[-_STEPS:]
        self.scores += update.keypoints.score

    def past(self, frame: Frame) -> None:
        """The loop is done with this frame, whose picture is still there."""
        if self._wanted:
            self._wanted = False
            self.picture = Frame(frame.seq, frame.t_s, frame.luma.copy(), frame.row_s)
        glimpse = self.newest
        if self._following and glimpse is not None and glimpse.update.seq == frame.seq:
            self._note(glimpse.update, frame.luma)

    def turn(self) -> None:
        """Between two frames: what somebody has asked for is done now."""
        wish = self._wish
        if wish is not None:
            self._wish = None
            if not wish.taken():
                return
            try:
                wish.act()
            except Exception as error:
                wish.error = error
            wish.done.set()

    def lit(self, now_s: float) -> U8 | None:
        """The colours of whoever has borrowed the bar; None when nobody has."""
        loan = self._loan
        if loan is None:
            return None
        if now_s >= loan.until_s:
            self._loan = None
            return None
        return loan.rgb

    def written(self, rgb: U8, now_s: float) -> None:
        """Lent colours are on the wire."""
        loan = self._loan
        if loan is not None and loan.rgb is rgb and self.lent[0] != loan.number:
            self.lent = (loan.number, now_s)

    # everybody else's

    def want_picture(self) -> None:
        """The next whole frame is to be put into `picture`."""
        self.picture = None
        self._wanted = True

    def follow(self, on: bool) -> None:
        """Whether every frame is to be noted."""
        self._following = on

    @property
    def is_lent(self) -> bool:
        """Whether somebody has the bar now."""
        loan = self._loan
        return loan is not None and time.monotonic() < loan.until_s

    @property
    def count(self) -> int:
        """How many frames were noted so far."""
        return self._count

    def rows(self, since: int) -> tuple[NDArray[np.void], int]:
        """The noted frames from number `since` on, as far as they are still there; and the next number."""
        until = self._count
        since = max(since, until - ROWS + 64, 0)  # the loop may write the oldest ones while they are copied
        at = np.arange(since, until) % ROWS
        return self._rows[at], until

    def lend(self, rgb: U8 | None, for_s: float) -> int:
        """Lends the bar, at most for two seconds; None takes it back. The loan's number, which `lent` will show.

        rgb : (n, 3) uint8; colours beyond the current cap are darkened, never refused.
        """
        if rgb is None:
            self._loan = None
            return self._loans
        about = self.about
        if about is None or rgb.shape != (about.leds, 3):
            wanted = "no bar" if about is None else f"{about.leds} x 3 bytes"
            raise ServiceDown(f"the bar can't be lent: it takes {wanted}", fix="ask again with so many")
        total = int(rgb.sum(dtype=np.int64))
        if total > about.byte_budget:
            rgb = (rgb * (about.byte_budget / total)).astype(np.uint8)
        self._loans += 1
        until_s = time.monotonic() + min(max(for_s, 0.0), LONGEST_LOAN_S)
        self._loan = _Loan(self._loans, np.ascontiguousarray(rgb), until_s)
        return self._loans

    def ask(self, act: Callable[[], None]) -> None:
        """Has the loop do something between two frames, and waits until it is done; raises what it raised."""
        with self._asking:
            wish = self._wish = _Wish(act)
            if not wish.done.wait(self._answer_s) and wish.withdrawn():
                self._wish = None
                raise CameraLost("the loop did not answer: no frames come", fix="`hipbar status` says why")
            wish.done.wait()  # it is being done: the loop can't hang in it for long without ending the process
        if isinstance(wish.error, HipbarError):
            raise wish.error
        if wish.error is not None:
            raise RuntimeError("the loop could not do what was asked") from wish.error

    def _note(self, update: Update, luma: U8) -> None:
        row: Any = self._rows[self._count % ROWS]
        keypoints, moment = update.keypoints, update.moment
        row["seq"], row["t_s"] = update.seq, update.t_s
        row["xy_px"], row["score"] = keypoints.xy_px, keypoints.score
        row["obliquity_deg"], row["posture"] = moment["obliquity_deg"], moment["posture"]
        row["sides_sure"] = moment["sides_sure"]
        spot = self.spot
        if spot is None:
            row["spot"] = np.nan
        else:
            x, y, width, height = spot
            part = luma[max(y, 0) : max(y, 0) + height, max(x, 0) : max(x, 0) + width]
            row["spot"] = part.mean() if part.size else np.nan
        self._count += 1


class _Camera(Protocol):
    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""

    def frames(self) -> Iterator[Frame | None]:
        """The frames, in the order of time."""


class WatchedCamera:
    """A camera whose frames are seen through the hatch as well, once the loop is done with each."""

    def __init__(self, camera: _Camera, hatch: Hatch) -> None:
        self._camera, self._hatch = camera, hatch

    def now_s(self) -> float:
        """Now, on the clock that stamps the frames."""
        return self._camera.now_s()

    def frames(self) -> Iterator[Frame | None]:
        """The camera's own."""
        for frame in self._camera.frames():
            yield frame
            if frame is not None:
                self._hatch.past(frame)
            self._hatch.turn()


class _Strip(Protocol):
    @property
    def faults(self) -> int:
        """How many frames could not be written so far."""

    def show(self, rgb: U8, /) -> None:
        """Light the LEDs."""


class LentStrip:
    """The bar as it is shown, or as somebody has borrowed it: `own` shows what the station wants, `bare` the loan."""

    def __init__(self, own: _Strip, bare: _Strip, hatch: Hatch) -> None:
        self._own, self._bare, self._hatch = own, bare, hatch

    @property
    def faults(self) -> int:
        """How many frames could not be written so far."""
        return self._own.faults

    def show(self, rgb: U8, /) -> None:
        """Lights all LEDs: (n, 3) uint8."""
        lent = self._hatch.lit(time.monotonic())
        if lent is None or lent.shape != rgb.shape:  # lent before the bar had another length
            self._own.show(rgb)
            return
        self._bare.show(lent)
        self._hatch.written(lent, time.monotonic())
