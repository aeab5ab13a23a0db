"""How a block stands becomes what the bar says beside measurements: that it begins, waits, rests, is paused, is over.

Seconds of the visit. What is said once has its time for itself; what stays is said again each second. Refuses nothing.
"""

from __future__ import annotations

import math

from appliance.clinic.stage import Stage
from appliance.clinic.terms import Kind, Show
from appliance.records import Notice

BEGINS_S, ENDS_S = 2.0, 1.5
"""How long the bar says that a block begins, and before that, that the last one has ended."""
OVER_S = 2.0
"""How long it says so at the visit's end."""
RENEWED_S, SHOWN_S = 1.0, 1.5
"""Notices that stay are said again each second; each lasts a little longer than that."""


class Signs:
    """What has been said, and from when on something else may be."""

    def __init__(self, at_s: float) -> None:
        self._free_s, self._said_s = at_s, -math.inf

    def afresh(self, at_s: float) -> None:
        """Whatever was being said is past."""
        self._free_s, self._said_s = at_s, -math.inf

    def ended(self, at_s: float) -> Show:
        """Something is over, and nothing else is said until that has been."""
        self.afresh(at_s + ENDS_S)
        return Show(at_s, Notice.ENDS, ENDS_S)

    def now(self, at_s: float, stage: Stage, *, paused: bool) -> tuple[Show, ...]:
        """What is to be said by now; a block that has begun is opened with it."""
        if at_s < self._free_s:
            return ()
        staying = _staying(stage, paused=paused)
        if staying is not None:
            if at_s < self._said_s + RENEWED_S:
                return ()
            self._said_s = at_s
            return (Show(at_s, staying, SHOWN_S, stage.share if staying is Notice.ENDS else None),)
        if stage.opened_s is not None or not stage.begun:
            return ()
        stage.opened_s = at_s
        return (Show(at_s, Notice.BEGINS, BEGINS_S),)


def _staying(stage: Stage, *, paused: bool) -> Notice | None:
    """The picture that stays for now; a rest is "ended" with its share."""
    if paused:
        return Notice.PAUSED
    if not stage.begun:
        return None
    if stage.block.kind is Kind.STAND:
        return Notice.STAND_STILL
    return None if stage.share is None else Notice.ENDS
