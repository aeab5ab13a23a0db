"""The block that a plan has come to: what visits and exercises count in it alike, replaced whole for the next one.

Seconds of the visit. Whose frames and steps count, and for how much, the stages of each kind say. Refuses nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.clinic.still import Stillness
from appliance.clinic.terms import Aim, Block, Kind


class Stage(msgspec.Struct, kw_only=True):
    """One block, before it begins or since.

    ran_s : how much of its time has been counted. opened_s : when the bar said that it begins. aim : of its figures,
    once known. hint : why there is no standing zero yet.
    """

    block: Block
    begun: bool = False
    ran_s: float = 0.0
    opened_s: float | None = None
    aim: Aim | None = None
    hint: str = ""
    stillness: Stillness = msgspec.field(default_factory=Stillness)

    def begin(self, at_s: float) -> None:
        """From now on it counts."""
        self.begun = True

    def halt(self, at_s: float, *, paused: bool) -> None:
        """Somebody pauses it or lets it go on: nothing is joined across that, and the bar opens it again."""
        self.opened_s = None
        self.stillness.forget()

    def stand(self, at_s: float, angle_deg: float, posture: int) -> None:
        """One frame of standing: the last unbroken stretch of standing still counts."""
        self.stillness.feed(at_s, angle_deg, posture)
        self.ran_s = self.stillness.seconds

    @property
    def full(self) -> bool:
        """Whether all of it is done."""
        return self.ran_s >= self.block.seconds

    @property
    def figures(self) -> bool:
        """Whether the runner sees figures in it, or in the part of it that is reached."""
        return False

    @property
    def share(self) -> float | None:
        """How much of a rest is over, where the bar is to show that; None = no rest."""
        return None

    @property
    def waiting(self) -> str:
        """What has to happen for its time to go on; "" = nothing."""
        return (self.hint or "standing still") if self.begun and self.block.kind is Kind.STAND else ""

    def kept(self) -> dict[str, Any]:
        """What a progress does not say of it, as plain values."""
        return {"begun": self.begun}
