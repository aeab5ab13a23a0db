"""What the running visit hands to the store's writer, in the order in which it happened.

Times in the visit's own seconds, wall seconds since 1970. Refuses nothing: these are values.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import SpanRow
from appliance.clinic.terms import Act, Plan, Progress, VisitState


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """A visit begins. runner : a code that is known, or None."""

    runner: str | None
    plan: Plan
    protocol_text: str
    wall_s: float
    clock_set: bool | None
    boot_id: str | None
    software: str
    edition: int


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline has begun anew within visit `visit`."""

    visit: int
    span: SpanRow


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One act of the session, and from where the visit could go on after it."""

    visit: int
    act: Act
    wall_s: float
    progress: Progress
    state: VisitState


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """A second of frames and the steps decided in it; arrays are the writer's own.

    track : (n,) `appliance.records.TRACK`, camera seconds, as seen. trace : (n,) `TRACE`. steps : (k,) `STEP`, all but
    n, block, lit and paused filled in: those the writer knows from what has happened.
    """

    visit: int
    span: int
    track: NDArray[np.void]
    trace: NDArray[np.void]
    steps: NDArray[np.void]
    progress: Progress
    lost: int


Item = Span | Happened | Second


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What is surely on the disk: of which visit, how many steps, up to which second. trouble : why nothing is kept."""

    visit: int | None = None
    steps: int = 0
    at_s: float = 0.0
    written_bytes: int = 0
    dropped: int = 0
    trouble: str | None = None
