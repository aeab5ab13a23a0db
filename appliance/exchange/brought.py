"""A laboratory's capture becomes a visit like any other: the same arithmetic, the same rows, ready for the store.

The marks in the frontal plane are drawn onto a picture of 480 x 640 px, 250 px a metre, as a level camera very far
away would see them; from there on it is the pipeline of every visit. Frames of more than 250 a second are averaged down
to at most that. Times are seconds from the capture's first frame. Refuses, with `SourceError`, what is too slow or too
short, and a capture in which nobody runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.kept import step_rows
from appliance.clinic.rows import (
    STEP,
    TRACE,
    BlockRow,
    EventRow,
    SpanRow,
    StretchRow,
    VisitData,
    VisitRow,
)  # fmt: skip
from appliance.clinic.terms import DARK, Block, Kind, Plan, VisitKind, VisitState
from appliance.config import Settings
from appliance.errors import SourceError
from appliance.exchange import frontal, marks
from appliance.exchange.capture import Capture, Strike
from appliance.exchange.tables import Chunk
from appliance.motion.edition import EDITION
from appliance.motion.gait import Motion
from appliance.records import F64, MARKS, MOMENT, TRACK, Step

PX_PER_M = 250.0
SIZE_PX = (480, 640)
PROTOCOL = "imported"
_MOST_HZ, _LEAST_HZ = 250.0, 60.0
_LEAST_S = 2.0
_CHUNK = 4096
_SAME_S = 0.1
"""A contact and a foot strike that are nearer are of one step: the same foot comes down six times as late."""

Asked = Mapping[str, Sequence[str]]
"""Names of markers by mark, as somebody typed them."""


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a capture. said : in words, everything that was taken or assumed."""

    data: VisitData
    trace: tuple[Chunk, ...]
    names: dict[str, tuple[str, ...]]
    said: tuple[str, ...]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What the file itself does not know. measured_s, now_s : wall seconds."""

    runner: str | None
    file: str
    measured_s: float
    now_s: float
    software: str


def standing_zero(capture: Capture, asked: Asked) -> tuple[float, str]:
    """The obliquity of somebody who stands, in degrees, and in words from what."""
    names = marks.chosen(capture.markers, asked)
    places = marks.places(capture.markers, names)
    plane = frontal.onto_plane(places, frontal.axes_of(places, capture.t_s))
    angles = _obliquity(plane)
    angles = angles[np.isfinite(angles)]
    if not len(angles):
        raise SourceError(
            "the pelvis pair is never seen in the standing trial", fix="name another pair or another file"
        )
    if len(angles) > 1 and float(np.std(angles)) > 1.0:
        raise SourceError(
            f"nobody stands still in the standing trial: the pelvis tilts by {np.std(angles):.1f} deg (SD)",
            fix="name a file in which the runner stands",
        )
    return float(np.mean(angles)), f"standing zero {np.mean(angles):+.2f} deg from {len(angles)} frames"


def brought(
    capture: Capture, asked: Asked, zero_deg: float, about: About, said: tuple[str, ...] = ()
) -> Brought:
    """The visit that a capture is; `said` : what else is to be kept of how it was made."""
    names = marks.chosen(capture.markers, asked)
    places, t_s = _slower(marks.places(capture.markers, names), capture)
    axes = frontal.axes_of(places, t_s)
    track = _track(frontal.onto_plane(places, axes), t_s)
    settings = _settings(zero_deg)
    motion = Motion(settings)
    motion.open(*SIZE_PX)
    moments, steps = motion.advance(t_s, np.ascontiguousarray(track["xy_px"]), 0.0)
    if not steps:
        raise SourceError(
            "nobody runs in it: not one step was found",
            fix="it must show at least a few seconds of running, both heels and the pelvis pair named rightly",
        )
    taken = (f"{mark.replace('_', ' ')}: {' + '.join(names[mark])}" for mark in MARKS)
    own = struck(capture, steps)
    said = (f"{capture.kind}, {', '.join(capture.said)}", *taken, axes.words, *said, *([own] if own else []))
    data = _data(about, settings, track, steps, said)
    trace = _trace(moments)
    chunks = tuple((1, track[k : k + _CHUNK], trace[k : k + _CHUNK]) for k in range(0, len(track), _CHUNK))
    return Brought(data=data, trace=chunks, names=names, said=said)


def struck(capture: Capture, steps: Sequence[Step]) -> str:
    """How far our contacts are from those that the laboratory itself marked, in words; "" = it marked none."""
    if not capture.strikes:
        return ""
    best: F64 = np.empty(0)
    for shift_s in (0.0, capture.start_s):
        off = [_off(strike, steps, shift_s) for strike in capture.strikes]
        near = np.array([by_s for by_s in off if abs(by_s) < _SAME_S])
        best = near if len(near) > len(best) else best
    of = f"{len(best)} of the laboratory's own {len(capture.strikes)} foot strikes are steps of ours"
    if len(best) < 2:
        return of
    by_ms, sd_ms = 1e3 * float(np.mean(best)), 1e3 * float(np.std(best, ddof=1))
    return f"{of}: contacts {abs(by_ms):.1f} ms {'later' if by_ms > 0 else 'earlier'}, SD {sd_ms:.1f} ms"


def _off(strike: Strike, steps: Sequence[Step], shift_s: float) -> float:
    """Our nearest contact of the same foot, from the strike on, in seconds."""
    apart = [step.contact_s - (strike.t_s - shift_s) for step in steps if step.stance is strike.side]
    return min(apart, key=abs, default=math.inf)


def _slower(places: F64, capture: Capture) -> tuple[F64, F64]:
    """Frames at a rate that the gait kernel remembers long enough of: means of so many that follow one another."""
    if capture.rate_hz < _LEAST_HZ:
        raise SourceError(
            f"{capture.rate_hz:g} frames/s are too few for steps", fix=f"record at {_LEAST_HZ:g} or more"
        )
    if capture.t_s[-1] - capture.t_s[0] < _LEAST_S:
        raise SourceError(
            f"it is {capture.t_s[-1] - capture.t_s[0]:.1f} s long",
            fix=f"import {_LEAST_S:g} s of running or more",
        )
    each = math.ceil(capture.rate_hz / _MOST_HZ - 1e-6)
    whole = len(places) // each * each
    shape = (whole // each, each)
    return places[:whole].reshape(*shape, 4, 3).mean(axis=1), capture.t_s[:whole].reshape(shape).mean(axis=1)


def _track(plane: F64, t_s: F64) -> NDArray[np.void]:
    """Places in metres as keypoints on the picture; y down."""
    track = np.zeros(len(t_s), TRACK)
    track["seq"], track["t_s"] = np.arange(len(t_s)), t_s
    track["xy_px"][..., 0] = (SIZE_PX[0] - 1) / 2.0 + PX_PER_M * plane[..., 0]
    track["xy_px"][..., 1] = (SIZE_PX[1] - 1) / 2.0 - PX_PER_M * plane[..., 1]
    track["score"] = np.isfinite(track["xy_px"]).all(axis=2)
    track["xy_px"][track["score"] == 0] = np.nan
    return track


def _trace(moments: NDArray[np.void]) -> NDArray[np.void]:
    assert moments.dtype == MOMENT
    trace = np.zeros(len(moments), TRACE)
    for name in ("t_s", "obliquity_deg", "sway_px", "height_px", "posture"):
        trace[name] = moments[name]
    return trace


def _obliquity(plane: F64) -> F64:
    across, rise = (plane[:, 1] - plane[:, 0]).T
    angles: F64 = np.degrees(np.arctan2(rise, across))
    return angles


def _settings(zero_deg: float) -> Settings:
    settings = Settings()
    camera = msgspec.structs.replace(settings.camera, width_px=SIZE_PX[0], height_px=SIZE_PX[1])
    return msgspec.structs.replace(
        settings, camera=camera, motion=msgspec.structs.replace(settings.motion, zero_deg=zero_deg)
    )


def _data(
    about: About, settings: Settings, track: NDArray[np.void], steps: tuple[Step, ...], said: tuple[str, ...]
) -> VisitData:
    """All rows of the visit: one span, one block without feedback, every step in it."""
    seconds = float(track["t_s"][-1])
    block = Block(kind=Kind.BASELINE, seconds=seconds, name="laboratory")
    rate_hz = (len(track) - 1) / (seconds - float(track["t_s"][0]))
    span = SpanRow(
        n=1, at_s=0.0, t0_s=0.0, boot_id=None, wall_s=about.measured_s, clock_set=None, software=about.software,
        header=_header(about.software, rate_hz, settings.motion.zero_deg), calibration="{}",
        settings=_in_force(settings, about), frames=len(track), lost=0,
    )  # fmt: skip
    rows = step_rows(steps, span)
    rows = rows[np.argsort(rows["contact_s"], kind="stable")]
    rows["n"] = np.arange(len(rows))
    rows["lit"] = rows["paused"] = 0
    rows["block"] = np.where(
        rows["contact_s"] >= 0.0, 0, -1
    )  # a first contact may lie before the first frame
    return VisitData(
        visit=_visit(about, block, seconds, rows),
        blocks=(BlockRow(n=0, block=block, began_s=0.0, ended_s=seconds, why="done", ran_s=seconds),),
        stretches=(StretchRow(began_s=0.0, aim=DARK),),
        steps=rows, spans=(span,), edition=EDITION,
        events=(EventRow(at_s=0.0, wall_s=about.now_s, kind="imported", words=f"{about.file}: {'; '.join(said)}"),),
    )  # fmt: skip


def _visit(about: About, block: Block, seconds: float, rows: NDArray[np.void]) -> VisitRow:
    assert rows.dtype == STEP
    plan = Plan(
        kind=VisitKind.IMPORTED, protocol=PROTOCOL, number=1, visits=1, blocks=(block,), title=about.file
    )
    return VisitRow(
        id=0, runner=about.runner, kind=VisitKind.IMPORTED, protocol=PROTOCOL, number=1, state=VisitState.DONE,
        began_s=about.measured_s, clock_set=None, ended_s=about.measured_s + seconds, seconds=seconds,
        planned_s=seconds, ran_s=seconds, steps=len(rows), software=about.software, edition=EDITION, plan=plan,
    )  # fmt: skip


def _in_force(settings: Settings, about: About) -> str:
    """The settings that had a part in the figures; the camera was the laboratory's."""
    sections = {"motion": settings.motion, "feedback": settings.feedback}
    return msgspec.json.encode(sections | {"camera": {"source": f"motion laboratory: {about.file}"}}).decode()


def _header(software: str, rate_hz: float, zero_deg: float) -> str:
    """As of a recording (docs/recordings.md), with the scale of the picture beside it."""
    facts = {
        "format": "hipbar-keypoints", "version": 1, "software": software, "width_px": SIZE_PX[0],
        "height_px": SIZE_PX[1], "rate_hz": rate_hz, "row_s": 0.0, "zero_deg": zero_deg, "marks": MARKS,
        "px_per_m": PX_PER_M,
    }  # fmt: skip
    return msgspec.json.encode(facts).decode()
