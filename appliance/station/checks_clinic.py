"""What is known of the store becomes a check: whether visits can be kept, and those that are can be read.

Megabytes. Refuses nothing; how whole the store is, chunk by chunk, says `hipbar verify`.
"""

from __future__ import annotations

import msgspec

from appliance.station.checkup import Check, Rule, Verdict, judged
from appliance.station.status import size


class Visits(msgspec.Struct, frozen=True):
    """The store: None = there is none yet. trouble : why the visit that runs is not kept."""

    runners: int | None
    visits: int | None
    mb: float
    trouble: str | None = None


def visits(name: str, facts: Visits) -> Check:
    """Whether visits are kept."""
    kept = f"{facts.runners} runners, {facts.visits} visits, {size(facts.mb)}"
    return judged(
        name,
        "none kept yet" if facts.visits is None else kept,
        Rule(
            bool(facts.trouble),
            Verdict.FAIL,
            "make room, or put in a new card; the visit goes on meanwhile",
            f"not recording: {facts.trouble}",
        ),
        runners=facts.runners,
        visits=facts.visits,
        mb=round(facts.mb, 1),
    )
