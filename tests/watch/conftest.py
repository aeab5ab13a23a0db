"""A recorded runner before the virtual camera, through the real pipeline: what the service would tell of him."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from appliance.commands.watching.feed import told_of
from appliance.commands.watching.view import Facts, Health, Knobs, Past, View
from appliance.config import Settings
from appliance.records import Frame, Step, Update
from appliance.station.link import Live
from appliance.station.loop import warmed
from hw.camera.scene import Scene
from hw.camera.virtual import VirtualCamera

RUN_S = 8.0


def live(frame: Frame, update: Update, steps: Sequence[Step], factor: int = 4) -> Live:
    """The live message that the service would send at this frame."""
    luma = np.ascontiguousarray(frame.luma[::factor, ::factor])
    values = zip(update.moment.dtype.names or (), update.moment.item(), strict=True)
    return Live(
        state="running",
        shown=update.shown.name.lower(),
        mode="asymmetry",
        seq=update.seq,
        t_s=update.t_s,
        age_ms=9.0,
        quiet_ms=1.0,
        moment={name: None if value != value else value for name, value in values},
        steps=[(str(step.stance), step.contact_s, step.off_s) for step in steps],
        xy_px=update.keypoints.xy_px.tolist(),
        score=update.keypoints.score.tolist(),
        leds=update.leds.tobytes(),
        width=luma.shape[1],
        height=luma.shape[0],
        luma=luma.tobytes(),
    )


class Run:
    """A runner's run: `views` ten times a second, and the whole `frames` of the last ones."""

    def __init__(self, scene: Scene, settings: Settings) -> None:
        camera = VirtualCamera(scene)
        pipeline = warmed(settings)
        t_s: list[float] = []
        degrees: list[float] = []
        steps: list[Step] = []
        self.views: list[View] = []
        self.last: Frame | None = None
        facts = Facts(width_px=scene.width_px, height_px=scene.height_px, rate_hz=120.0, leds=32)
        for k, frame in enumerate(camera.frames()):
            if frame is None:
                continue
            update = pipeline.feed(frame)
            t_s.append(frame.t_s)
            degrees.append(float(update.moment["obliquity_deg"]))
            steps += update.steps
            if k % 12:
                continue
            told = told_of(live(frame, update, steps[-16:]), frame.t_s)
            recent = slice(-600, None)
            past = Past(t_s=np.array(t_s[recent]), obliquity_deg=np.array(degrees[recent]), steps=told.steps)
            self.views.append(
                View(
                    told=told,
                    facts=facts,
                    past=past,
                    knobs=Knobs(mode="asymmetry", brightness=0.5, contrast=0, band_deg=2.0),
                    health=Health(rate_hz=120.0, lost=0, p50_ms=9.1, p99_ms=14.2),
                    age_s=0.02,
                )
            )
            self.last = Frame(frame.seq, frame.t_s, frame.luma.copy(), frame.row_s)


@pytest.fixture(scope="session")
def run() -> Run:
    """A real runner, recorded in a laboratory."""
    settings = Settings()
    return Run(Scene(runner="rbds001", duration_s=RUN_S), settings)


@pytest.fixture(scope="session")
def view(run: Run) -> View:
    """The last moment of it."""
    return msgspec.structs.replace(run.views[-1])
