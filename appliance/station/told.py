"""The parts of which a status is made: figures with their units, None where a figure can't be had.

Refuses nothing; `appliance.station.status` puts them together and says what they mean.
"""

from __future__ import annotations

import msgspec

from appliance.clinic.terms import View


class Ages(msgspec.Struct, frozen=True, kw_only=True):
    """How old a frame was when its light was out, over the last minute, in milliseconds."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """The recording that is being written; `on` = the file system takes it. `file` is a name without its folder.

    mb : of that file. written_mb : since the start, all files. dropped : frames that could not be kept.
    trouble : why nothing is kept, in words.
    """

    on: bool = False
    file: str | None = None
    frames: int | None = None
    mb: float | None = None
    written_mb: float | None = None
    dropped: int | None = None
    trouble: str | None = None


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The board around the process. throttled : what slows it down now, in words; () = nothing, None = not known."""

    temperature_c: float | None = None
    throttled: tuple[str, ...] | None = None
    under_voltage: bool | None = None
    disk_free_mb: float | None = None
    memory_free_mb: float | None = None
    load: float | None = None
    clock_synchronised: bool | None = None
    uptime_s: float | None = None


class Stages(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time between exposure and light goes, over the last 1,024 frames.

    camera : from the stamp until the loop has the frame. sight, motion, feedback : computing. strip : writing to the
    bar. total : from the stamp until the light is out. Milliseconds.
    """

    camera: Ages = Ages()
    sight: Ages = Ages()
    motion: Ages = Ages()
    feedback: Ages = Ages()
    strip: Ages = Ages()
    total: Ages = Ages()


class Gait(msgspec.Struct, frozen=True, kw_only=True):
    """What the runner does now. Drops are mean peaks over the last steps, by the side that DROPS.

    quality : how surely the four marks were seen, 0 to 1, in the last second. difference : as the bar has it, right
    stance minus left stance, so positive when the left hip drops more. None = not known.
    """

    quality: float | None = None
    posture: str | None = None
    left_hip_drop_deg: float | None = None
    right_hip_drop_deg: float | None = None
    difference_deg: float | None = None
    cadence_spm: float | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that went wrong: when (monotonic seconds), what, and what to do."""

    at_s: float
    what: str
    fix: str = ""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """The visit that runs. id : its number in the store. runner : a code, None = not said yet. began_s : wall seconds.

    view : how it stands; None until its first frame. kept_steps, kept_s : what of it is surely on the disk. trouble :
    why nothing is kept, in words.
    """

    id: int
    runner: str | None
    kind: str
    protocol: str
    number: int
    visits: int
    state: str
    began_s: float
    view: View | None = None
    kept_steps: int = 0
    kept_s: float = 0.0
    trouble: str | None = None


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The visit that the button begins; runner None = an open one, to be assigned afterwards."""

    runner: str | None = None
    protocol: str = ""
    number: int = 0
