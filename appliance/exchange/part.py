"""A visit and its frames become a part of them: a block of the plan, or from one second to another.

Seconds of the visit. Refuses, with `StoreError`, a block that was not begun and a part that is empty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import msgspec
import numpy as np

from appliance.clinic.rows import VisitData
from appliance.errors import StoreError
from appliance.exchange.tables import Chunk


class Part(msgspec.Struct, frozen=True):
    """From `from_s` on, and before `to_s`."""

    from_s: float = -math.inf
    to_s: float = math.inf

    @property
    def whole(self) -> bool:
        """Whether it leaves nothing out."""
        return self.from_s == -math.inf and self.to_s == math.inf

    def data(self, data: VisitData) -> VisitData:
        """The visit with those of its steps whose contact, and repetitions whose beginning, lies in the part."""
        at_s = data.steps["contact_s"]
        steps = data.steps[(at_s >= self.from_s) & (at_s < self.to_s)]
        reps = tuple(rep for rep in data.reps if self.from_s <= rep.began_s < self.to_s)
        return msgspec.structs.replace(data, steps=steps, reps=reps)

    def chunks(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Those frames that lie in the part."""
        for span, track, trace in chunks:
            at_s = trace["t_s"]
            inside = (
                (at_s >= self.from_s) & (at_s < self.to_s) if not self.whole else np.ones(len(at_s), bool)
            )
            if inside.any():
                yield (span, track, trace) if inside.all() else (span, track[inside], trace[inside])


def part_of(data: VisitData, block: int | None, from_s: float | None, to_s: float | None) -> Part:
    """The part that somebody asks for; where several limits are given, all hold. block : from 0, told from 1."""
    low, high = -math.inf if from_s is None else from_s, math.inf if to_s is None else to_s
    if block is not None:
        rows = [row for row in data.blocks if row.n == block]
        if not rows:
            begun = ", ".join(str(row.n + 1) for row in data.blocks) or "none"
            raise StoreError(
                f"block {block + 1} of visit {data.visit.id} was not begun", fix=f"begun were: {begun}"
            )
        low = max(low, rows[0].began_s)
        high = min(high, math.inf if rows[-1].ended_s is None else rows[-1].ended_s)
    if not low < high:
        raise StoreError(
            "the part asked for is empty", fix="--from must be before --to, and within the block"
        )
    return Part(low, high)
