"""What the service or the store will say in a moment becomes what it says: a visit that has begun, one that is over.

Seconds. A service answers before the visit's first frame, and a thread writes a visit's last second. Refuses nothing:
what does not come in time is told as it is.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from appliance.commands.options import aside

if TYPE_CHECKING:
    from appliance.clinic.rows import VisitRow
    from appliance.station.client import Link
    from appliance.station.told import Visit
    from appliance.store.store import Store

_COMES_S, _ENDS_S = 5.0, 10.0
"""So soon is a visit's first frame there, wherever the loop had to be entered anew for it; and its end in the store."""
_LOOK_S = 0.05

T = TypeVar("T")


def awaited(look: Callable[[], T], good: Callable[[T], object], *, within_s: float = _COMES_S) -> T:
    """What `look` finds, as soon as it is good, or how it is after so long."""
    until_s = time.monotonic() + within_s
    while not good(found := look()) and time.monotonic() < until_s:
        time.sleep(_LOOK_S)
    return found


def begun(link: Link) -> Visit | None:
    """The visit that was just asked for, as soon as its first frame was there."""
    from appliance.commands.visiting.live import running

    return awaited(lambda: running(link), lambda visit: visit and visit.view)


def ended(store: Store, number: int) -> VisitRow:
    """A visit that is over, as soon as its end is in the store."""
    from appliance.clinic.terms import VisitState

    goes_on = (VisitState.RUNNING, VisitState.PAUSED)
    return awaited(lambda: store.visit(number), lambda row: row.state not in goes_on, within_s=_ENDS_S)


def warned(link: Link) -> None:
    """Says what the station is in trouble with: the figures of a whole visit may suffer from it."""
    for trouble in link.status().troubles:
        aside(f"  but: {trouble}")


def followed(link: Link, *, as_json: bool) -> Visit | None:
    """Shows the visit that runs until it is over; None when it was left running.

    One object on standard output is one object: with `as_json`, what is followed goes the other way.
    """
    from appliance.commands.visiting.live import follow

    warned(link)
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        return follow(link)
