"""What the loop shows at the hatch becomes pictures, live messages and rows of every frame, at each client's pace.

Seconds on the monotonic clock, pixels the sensor's. Runs in the desk's thread alone; a picture that several clients
want is taken once. Refuses a second spot to follow, and a picture when no frame comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import numpy as np

from appliance.errors import CameraLost, HipbarError, ServiceDown
from appliance.records import U8, Frame, Shown
from appliance.station import link
from appliance.station.hatch import Glimpse, Hatch
from appliance.station.link import Live, Picture
from appliance.station.loans import Loans
from appliance.station.status import STARTING, Status
from appliance.station.visitor import Visitor

PICTURE_S = 1.0
FOLLOW_S = 0.1
PIXELS_HZ = 8e6
"""So many pixels a second leave for one client at most; a live stream that wants more is slower."""

_LOOK_S = 0.003
_QUIET_S = 0.25
_SAME_CLOCK_S = 5.0
_ASKS_S = 1.0
_ANSWERED_S = 0.02  # until the client has taken the answer that tells it of its stream


class Views:
    """Pictures and streams; made inside the desk's event loop. status : asks the station how it is."""

    def __init__(self, hatch: Hatch, loans: Loans, status: Callable[[], Awaitable[Status]]) -> None:
        self._hatch, self._loans, self._status = hatch, loans, status
        self._state, self._mode, self._asked_s = STARTING, "", float("-inf")
        self._picture: asyncio.Task[Frame | None] | None = None
        self._spots: dict[int, tuple[int, int, int, int] | None] = {}

    def changed(self) -> None:
        """Something else may be in force: state and mode are asked for again."""
        self._asked_s = float("-inf")

    def gone(self, visitor: Visitor) -> None:
        """Ends a visitor's streams."""
        for name in list(visitor.streams):
            self._stream(visitor, name, None)
        self._unfollow(visitor.number)

    async def picture(self) -> Picture:
        """A frame whose exposure began after now; where clocks differ, one that the loop had not seen by now."""
        asked_s, seen = time.monotonic(), self._hatch.newest
        until_s, one_clock = (
            asked_s + PICTURE_S,
            seen is not None and abs(seen.now_s - asked_s) < _SAME_CLOCK_S,
        )
        while time.monotonic() < until_s:
            frame = await self._any_picture()
            if frame is not None and (frame.t_s >= asked_s if one_clock else _is_newer(frame, seen)):
                return _whole(frame)
        raise CameraLost(f"no picture came within {PICTURE_S:g} s", fix="`hipbar status` says why")

    async def _any_picture(self) -> Frame | None:
        """The next whole frame; all who want one at a time share it."""
        if self._picture is None or self._picture.done():
            self._picture = asyncio.create_task(self._wished())
        return await asyncio.shield(self._picture)

    async def _wished(self) -> Frame | None:
        self._hatch.want_picture()
        until_s = time.monotonic() + PICTURE_S / 2
        while (frame := self._hatch.picture) is None and time.monotonic() < until_s:
            await asyncio.sleep(_LOOK_S)
        return frame

    def live(self, visitor: Visitor, request: link.AskLive) -> dict[str, Any]:
        """Begins, changes or ends a visitor's live stream; the rate that it has now."""
        rate_hz = min(request.rate_hz, link.LIVE_HZ)
        size, about = (request.width, request.height), self._hatch.about
        if min(size) > 0 and rate_hz > 0:
            most = request.width * request.height
            most = most if about is None else min(most, about.width_px * about.height_px)
            rate_hz = min(rate_hz, PIXELS_HZ / most)
        self._stream(
            visitor, "live", self._tell_live(visitor, request.id, rate_hz, size) if rate_hz else None
        )
        return {"rate_hz": rate_hz}

    def _stream(self, visitor: Visitor, name: str, stream: Coroutine[Any, Any, None] | None) -> None:
        """Ends the visitor's stream of this name, and begins another one."""
        if old := visitor.streams.pop(name, None):
            old.cancel()
        if stream is not None:
            visitor.streams[name] = asyncio.create_task(stream)

    async def _tell_live(self, visitor: Visitor, number: int, rate_hz: float, size: tuple[int, int]) -> None:
        due_s = time.monotonic()
        await asyncio.sleep(_ANSWERED_S)
        while True:
            await self._ask()
            if visitor.untaken:
                visitor.missed += 1
            else:
                frame = await self._any_picture() if min(size) > 0 else None
                visitor.offer({"id": number, "live": self._glimpsed(frame, size, visitor.missed)})
            due_s = max(due_s + 1 / rate_hz, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())

    async def _ask(self) -> None:
        """State and mode, which the hatch does not know."""
        if time.monotonic() - self._asked_s >= _ASKS_S:
            self._asked_s = time.monotonic()
            with contextlib.suppress(HipbarError):
                status = await self._status()
                self._state, self._mode = status.state, status.mode or ""

    def _glimpsed(self, frame: Frame | None, size: tuple[int, int], missed: int) -> Live:
        luma = reduced(frame.luma, size) if frame is not None else np.zeros((0, 0), np.uint8)
        height, width = luma.shape
        picture = {"luma": luma.tobytes(), "width": width, "height": height, "missed": missed}
        seen = self._hatch.newest
        if seen is None:
            return Live(state=self._state, mode=self._mode, **picture)
        update, quiet_s = seen.update, max(0.0, time.monotonic() - seen.now_s)
        lent = self._loans.lent
        fields = update.moment.dtype.names or ()
        values = zip(fields, update.moment.item(), strict=True)
        return Live(
            state=str(seen.light) if quiet_s < _QUIET_S else self._state,
            shown=Shown(update.shown).name.lower() if lent is None else "lent",
            mode=self._mode,
            seq=update.seq,
            t_s=update.t_s,
            age_ms=(seen.now_s - update.t_s) * 1e3,
            quiet_ms=quiet_s * 1e3,
            moment={name: None if value != value else value for name, value in values},
            steps=[(str(step.stance), step.contact_s, step.off_s) for step in self._hatch.steps],
            xy_px=update.keypoints.xy_px.tolist(),
            score=update.keypoints.score.tolist(),
            leds=update.leds.tobytes() if lent is None else lent,
            **picture,
        )

    def follow(self, visitor: Visitor, request: link.AskFollow) -> dict[str, Any]:
        """Begins, changes or ends a visitor's stream of every frame."""
        self._stream(visitor, "follow", None)
        self._unfollow(visitor.number)
        if not request.on:
            return {}
        others = {spot for spot in self._spots.values() if spot is not None}
        if request.spot is not None and others - {request.spot}:
            raise ServiceDown(
                "another tool measures the brightness of another spot", fix="end the other `hipbar calibrate`"
            )
        self._spots[visitor.number] = request.spot
        self._mind_followers()
        self._stream(visitor, "follow", self._tell_rows(visitor, request.id, self._hatch.count))
        return {}

    def _unfollow(self, number: int) -> None:
        if number in self._spots:
            del self._spots[number]
            self._mind_followers()

    def _mind_followers(self) -> None:
        self._hatch.spot = next((spot for spot in self._spots.values() if spot is not None), None)
        self._hatch.follow(bool(self._spots))

    async def _tell_rows(self, visitor: Visitor, number: int, since: int) -> None:
        """All frames since, or none as a sign of life; what a slow client lets pass for long is missing in `seq`."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            if not visitor.untaken:
                rows, since = self._hatch.rows(since)
                visitor.offer({"id": number, "rows": rows.tobytes()})


def reduced(luma: U8, size: tuple[int, int]) -> U8:
    """The picture made smaller by a whole factor until it fits into width x height: means of squares.

    numpy lets go of Python's lock while it adds, so that the loop does not wait for it.
    """
    height, width = luma.shape
    factor = max(1, -(-width // size[0]), -(-height // size[1]))
    if factor == 1:
        return luma
    down, across = min(factor, height), min(factor, width)
    whole = luma[: height // down * down, : width // across * across]
    rows = whole[::down].astype(np.uint32)
    for k in range(1, down):
        rows += whole[k::down]
    sums = rows[:, ::across].copy()
    for k in range(1, across):
        sums += rows[:, k::across]
    means: U8 = (sums // (down * across)).astype(np.uint8)
    return means


def _is_newer(frame: Frame, seen: Glimpse | None) -> bool:
    return seen is None or frame.seq > seen.update.seq


def _whole(frame: Frame) -> Picture:
    height, width = frame.luma.shape
    return Picture(
        seq=frame.seq, t_s=frame.t_s, row_s=frame.row_s, width=width, height=height, luma=frame.luma.tobytes()
    )
