"""A recorded runner before a calibrated camera becomes a kept visit.

Two spans, three blocks, lost frames, a hidden mark: all that an export has to get right.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from watching import keypoints

from appliance.clinic.kept import step_rows
from appliance.clinic.rows import TRACE, BlockRow, EventRow, SpanRow, StretchRow, VisitData, VisitRow
from appliance.clinic.terms import DARK, Aim, Block, Kind, Plan, VisitKind, VisitState
from appliance.commands.options import with_zero
from appliance.config import Settings
from appliance.exchange.tables import Chunk
from appliance.motion.gait import Motion
from appliance.records import TRACK
from appliance.store.places import placed
from hw.camera.scene import Scene, settings

RESTART_S = 4.0
BLOCKS = (
    Block(kind=Kind.BASELINE, seconds=8.0, name="as you are"),
    Block(kind=Kind.FEEDBACK, seconds=8.0, mode="step"),
    Block(kind=Kind.RETENTION, seconds=8.0),
)


class Kept(NamedTuple):
    data: VisitData
    chunks: tuple[Chunk, ...]


@cache
def kept(runner: str = "rbds002", seconds: float = 24.0, zero_deg: float = 0.0, whole: bool = False) -> Kept:
    """The visit. Unless `whole`: its service restarts half-way, frames are lost and a mark is hidden for a while."""
    scene = Scene(runner=runner, pair="iliac_crest", loop=False, duration_s=seconds)
    t_s, xy = keypoints(scene, noise_px=0.02)
    rules = with_zero(settings(scene), zero_deg)
    track = np.zeros(len(t_s), TRACK)
    track["seq"], track["t_s"], track["xy_px"], track["score"] = np.arange(len(t_s)), t_s + 1000.0, xy, 0.9
    if not whole:
        track["xy_px"][700:715, 1], track["score"][700:715, 1] = np.nan, 0.0
        track = np.delete(track, [*range(300, 312), *range(1500, 1503)])
    half = len(track) if whole else len(track) // 2
    spans, chunks, steps = [], [], []
    for n, part in enumerate((track[:half], track[half:]), 1):
        if len(part):
            at_s = float(part["t_s"][0]) - 1000.0 + (n - 1) * RESTART_S
            span = _span(n, at_s, float(part["t_s"][0]), len(part), rules, scene)
            trace, found = _run(part, span, rules, scene)
            spans.append(span)
            steps.append(found)
            chunks += [(n, part[k : k + 120], trace[k : k + 120]) for k in range(0, len(part), 120)]
    return Kept(_data(tuple(spans), np.concatenate(steps), chunks), tuple(chunks))


def _span(n: int, at_s: float, t0_s: float, frames: int, rules: Settings, scene: Scene) -> SpanRow:
    header = {
        "format": "hipbar-keypoints", "version": 1, "software": "hipbar test", "width_px": scene.width_px,
        "height_px": scene.height_px, "rate_hz": 120.0, "row_s": 0.0, "zero_deg": rules.motion.zero_deg,
        "lens": msgspec.to_builtins(rules.lens),
    }  # fmt: skip
    return SpanRow(
        n=n, at_s=at_s, t0_s=t0_s, boot_id="a1", wall_s=1.8e9, clock_set=True, software="hipbar test",
        header=msgspec.json.encode(header).decode(), settings=msgspec.json.encode(rules).decode(),
        calibration='{ "lens":  {"fx_px": 1.50} }', frames=frames, lost=15 * (n == 1),
    )  # fmt: skip


def _run(
    part: NDArray[np.void], span: SpanRow, rules: Settings, scene: Scene
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    motion = Motion(rules)
    motion.open(scene.width_px, scene.height_px)
    xy = np.ascontiguousarray(part["xy_px"])
    moments, steps = motion.advance(np.ascontiguousarray(part["t_s"]), xy, 0.0)
    trace = np.zeros(len(part), TRACE)
    for name in ("obliquity_deg", "sway_px", "height_px", "posture"):
        trace[name] = moments[name]
    trace["t_s"], trace["shown"] = moments["t_s"] + (span.at_s - span.t0_s), 1
    return trace, step_rows(steps, span)


def _data(spans: tuple[SpanRow, ...], steps: NDArray[np.void], chunks: list[Chunk]) -> VisitData:
    seconds = float(chunks[-1][2]["t_s"][-1])
    blocks = tuple(
        BlockRow(
            n=n,
            block=block,
            began_s=n * 8.0,
            ended_s=(n + 1) * 8.0 if n < 2 else seconds,
            why="done",
            ran_s=8.0,
        )
        for n, block in enumerate(BLOCKS)
    )
    plan = Plan(
        kind=VisitKind.VISIT, protocol="retraining", number=3, visits=8, blocks=BLOCKS, title="Grüße, «ü»"
    )
    visit = VisitRow(
        id=7, runner="R-014", kind=VisitKind.VISIT, protocol="retraining", number=3, state=VisitState.DONE,
        began_s=1.8e9, clock_set=True, ended_s=1.8e9 + seconds, seconds=seconds, planned_s=24.0, ran_s=seconds,
        steps=len(steps), software="hipbar test", protocol_text='title = "x"\n', edition=1, plan=plan,
    )  # fmt: skip
    stretches = (
        StretchRow(began_s=0.0, aim=DARK),
        StretchRow(began_s=8.0, aim=Aim(mode="step", target_deg=3.5)),
        StretchRow(began_s=16.0, aim=DARK),
    )
    steps = placed(steps, blocks, stretches, [])
    steps["n"] = np.arange(len(steps))
    note = EventRow(at_s=5.0, wall_s=1.8e9 + 5, kind="note", words='said: "tired", \n left shoe')
    return VisitData(
        visit=visit, blocks=blocks, spans=spans, steps=steps, edition=1, stretches=stretches, events=(note,)
    )
