"""Requests become answers: what is seen comes from the hatch, what asks or changes the station goes to its orders.

Runs in the desk's thread alone. Refuses settings that can't be tried while the station runs; what hatch and orders
refuse is told as they say it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from appliance.errors import HipbarError, VisitError
from appliance.station import link
from appliance.station.calibration import Calibration
from appliance.station.clerk import Clerk
from appliance.station.hatch import Hatch
from appliance.station.link import Hello, Request
from appliance.station.loans import Loans
from appliance.station.status import Status
from appliance.station.told import Visit
from appliance.station.views import Views
from appliance.station.visitor import Visitor

_AGAIN_S = 2.0
_log = logging.getLogger("hipbar.desk")
Told = dict[str, Any]
T = TypeVar("T")


class Orders(Protocol):
    """Everything that changes or asks the station beyond what the hatch shows; may take seconds, raises HipbarError."""

    def status(self) -> Status:
        """What the station knows of itself, now."""

    def settings_told(self) -> dict[str, Any]:
        """settings, origins, file, tried, revision."""

    def try_values(self, values: Mapping[str, Any], owner: int | None) -> list[str]:
        """Tries settings, for a connection or (None) until the process ends; the keys that changed."""

    def untry(self, owner: int | None) -> None:
        """Takes back what a connection tries, or (None) all that is tried."""

    def reload(self) -> dict[str, Any]:
        """Reads the settings file again: changed, reopened."""

    def commit(
        self,
        step: str,
        values: Mapping[str, Any],
        figures: Mapping[str, Any],
        lens_mode: str | None,
        proves_sides: bool,
    ) -> int:
        """Keeps what a step has found; the new revision."""

    def rollback(self, to: int) -> int:
        """Goes back to a revision; the new one that this makes."""

    def calibration(self) -> Calibration:
        """All revisions."""


Steer = Callable[[link.AskVisit], Visit | None]
"""Begins, steers or ends a visit; how the one that runs stands then. May take seconds, raises HipbarError."""


def no_visits(_ask: link.AskVisit) -> Visit | None:
    """Of a station that has none."""
    raise VisitError("this station has no visits", fix="`sudo systemctl start hipbar` starts one that has")


_COSTS: dict[type, float] = {
    link.AskReload: 30.0,  # two a second: devices may be opened anew
    link.AskCommit: 30.0,  # and the card is written to
    link.AskRollback: 30.0,
    link.AskVisit: 6.0,
    link.AskSet: 6.0,
    link.AskUnset: 6.0,
    link.AskSettings: 6.0,  # some milliseconds of Python, in which the loop has to ask for its turn
    link.AskPicture: 5.0,
    link.AskCalibration: 2.0,
}


def cost(request: Request) -> float:
    """What a request takes of a client's allowance; the cheapest costs 1."""
    return _COSTS.get(type(request), 1.0)


class Answers:
    """What the desk says; made inside its event loop."""

    def __init__(self, hatch: Hatch, orders: Orders, steer: Steer = no_visits) -> None:
        self._hatch, self._orders, self._loop = hatch, orders, asyncio.get_running_loop()
        self._steer = steer
        self._clerk, self._asker = (
            Clerk(),
            Clerk(),
        )  # how the station is can be asked while something is being changed
        self.loans = Loans(hatch)
        self._views = Views(hatch, self.loans, lambda: self._asker.do(orders.status))
        self._ways: dict[type, Callable[[Visitor, Any], Awaitable[Told]]] = {
            link.AskHello: self._hello,
            link.AskStatus: self._status,
            link.AskSettings: self._settings,
            link.AskSet: self._set,
            link.AskUnset: self._unset,
            link.AskReload: self._reload,
            link.AskCommit: self._commit,
            link.AskRollback: self._rollback,
            link.AskCalibration: self._calibration,
            link.AskPicture: self._picture,
            link.AskLive: self._live,
            link.AskFollow: self._follow,
            link.AskBar: self._bar,
            link.AskVisit: self._visit,
        }

    async def answer(self, visitor: Visitor, request: Request) -> Told:
        """One request's answer, without its number."""
        return await self._ways[type(request)](visitor, request)

    def gone(self, visitor: Visitor) -> None:
        """A connection has ended: what it had borrowed or tried is taken back."""
        self.loans.give_back(visitor.number)
        self._views.gone(visitor)
        self._take_back(visitor.number)

    def _take_back(self, who: int) -> None:
        """What somebody has tried who is gone; asked for again while the station can't do it."""

        def untry() -> None:
            try:
                self._orders.untry(who)
            except HipbarError as error:
                _log.warning("what a tool has tried is still in force: %s", error)
                with contextlib.suppress(RuntimeError):  # the event loop has ended
                    self._loop.call_soon_threadsafe(self._loop.call_later, _AGAIN_S, self._take_back, who)

        self._clerk.leave(untry)

    def close(self) -> None:
        """The bar is the station's own; nothing more is done."""
        with contextlib.suppress(HipbarError):
            self._hatch.lend(None, 0.0)
        self._hatch.follow(False)
        self._clerk.close()
        self._asker.close()

    async def _hello(self, _visitor: Visitor, _request: link.AskHello) -> Told:
        status, about = await self._asker.do(self._orders.status), self._hatch.about
        who = Hello(software=status.version, pid=status.pid or 0, boot_id=status.boot_id, state=status.state)
        names = ("width_px", "height_px", "rate_hz", "leds", "camera")
        seen = {} if about is None else {name: getattr(about, name) for name in names}
        return {**msgspec.structs.asdict(who), **seen}

    async def _status(self, _visitor: Visitor, _request: link.AskStatus) -> Told:
        return {"status": await self._asker.do(self._orders.status)}

    async def _settings(self, _visitor: Visitor, _request: link.AskSettings) -> Told:
        return await self._clerk.do(self._orders.settings_told)

    async def _calibration(self, _visitor: Visitor, _request: link.AskCalibration) -> Told:
        return {"calibration": await self._clerk.do(self._orders.calibration)}

    async def _set(self, visitor: Visitor, request: link.AskSet) -> Told:
        link.check_tryable(request.values)
        owner = None if request.keep else visitor.number
        return {"changed": await self._changed(lambda: list(self._orders.try_values(request.values, owner)))}

    async def _unset(self, _visitor: Visitor, _request: link.AskUnset) -> Told:
        await self._changed(lambda: self._orders.untry(None))
        return {}

    async def _reload(self, _visitor: Visitor, _request: link.AskReload) -> Told:
        return await self._changed(self._orders.reload)

    async def _commit(self, _visitor: Visitor, ask: link.AskCommit) -> Told:
        found = (ask.step, ask.values, ask.figures, ask.lens_mode, ask.proves_sides)
        return {"revision": await self._changed(lambda: self._orders.commit(*found))}

    async def _rollback(self, _visitor: Visitor, request: link.AskRollback) -> Told:
        return {"revision": await self._changed(lambda: self._orders.rollback(request.to))}

    async def _changed(self, act: Callable[[], T]) -> T:
        try:
            return await self._clerk.do(act)
        finally:
            self._views.changed()

    async def _visit(self, _visitor: Visitor, ask: link.AskVisit) -> Told:
        return {"visit": await self._clerk.do(lambda: self._steer(ask))}

    async def _picture(self, _visitor: Visitor, _request: link.AskPicture) -> Told:
        return msgspec.structs.asdict(await self._views.picture())

    async def _live(self, visitor: Visitor, request: link.AskLive) -> Told:
        return self._views.live(visitor, request)

    async def _follow(self, visitor: Visitor, request: link.AskFollow) -> Told:
        return self._views.follow(visitor, request)

    async def _bar(self, visitor: Visitor, request: link.AskBar) -> Told:
        if request.rgb is None:
            self.loans.give_back(visitor.number)
            return {"shown_s": time.monotonic()}
        return {"shown_s": await self.loans.lend(visitor.number, request.rgb, request.for_s)}
