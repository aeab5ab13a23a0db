"""The sides step's arithmetic on every mount: `python -m tests.calibration.turned_cameras` prints how each went.

No service: pictures of a person who stands, lifts one foot and then the other, through the pipeline and `sides`.
A mount that can't be decided is "unclear"; one that is decided wrongly must never be seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec

from appliance.calibration.sides import Lift, Look, Stand, lifted, look, mirrored, stand
from appliance.calibration.spots import bright_spots
from appliance.config import Settings, parse
from appliance.pipeline import Pipeline
from appliance.records import Frame, Side
from hw.camera.scene import Other, Reflection, Scene
from hw.camera.virtual import VirtualCamera

RATE_HZ, EVERY = 60.0, 8
RUNNERS, TURNS = ("rbds001", "rbds002", "ric"), (0, 90, 180, 270)
ROOMS: dict[str, dict[str, Any]] = {
    "empty": {},
    "reflections": {
        "clutter": (Reflection(x_px=90.0, y_px=250.0), Reflection(x_px=-10.0, y_px=230.0, level=240.0))
    },
    "somebody beside": {"other": Other()},
    "camera high": {"above_m": 0.3, "pitch_deg": 6.0},
    "rolled, rolling": {"roll_deg": 6.0, "row_us": 10.0},
}


def verdict(scene: Scene, settings: Settings) -> bool | None:
    """Whether the picture is mirrored, as the step would say; None = unclear."""
    pipeline, seq = Pipeline(settings), 0
    lifts: dict[Side, Lift] = {}
    for side in Side:
        rest: Stand | None = None
        for act, seconds in (("stand", 1.5), (f"lift {side}", 1.5)):
            looks: list[Look] = []
            for frame in _frames(scene, act, seconds, seq):
                seq = frame.seq + 1
                seen = pipeline.feed(frame)
                if frame.seq % EVERY == 0:
                    spots = bright_spots(frame.luma)
                    size = scene.width_px, scene.height_px
                    looks.append(look(frame.t_s, spots, seen.keypoints.xy_px, settings.camera, size))
            if act == "stand":
                rest = stand(looks)
            elif rest is not None and (found := lifted(looks, rest, side)):
                lifts[side] = found
    return mirrored(lifts[Side.LEFT], lifts[Side.RIGHT]) if len(lifts) == 2 else None


def _frames(scene: Scene, act: str, seconds: float, seq: int) -> Iterator[Frame]:
    camera = VirtualCamera(msgspec.structs.replace(scene, act=act))
    for k in range(round(seconds * RATE_HZ)):
        luma = camera.picture(seq + k, (seq + k) / RATE_HZ)
        yield Frame(seq + k, (seq + k) / RATE_HZ, luma.copy(), scene.row_us * 1e-6)


def station(runner: str, turn: int, mirror: bool, room: str) -> tuple[Scene, Settings]:
    """A camera that is mounted so, before a room; and a station that knows the turn and nothing of a mirror."""
    width, height = (640, 480) if turn in (90, 270) else (480, 640)
    mount: dict[str, Any] = {"width_px": width, "height_px": height, "rotate_deg": turn, "rate_hz": RATE_HZ}
    text = "".join(f"{key} = {value}\n" for key, value in mount.items())
    return Scene(runner=runner, mirror=mirror, **mount, **ROOMS[room]), parse(f"[camera]\n{text}")


def main() -> None:
    """Prints a line for each mount, and how many were right, unclear and wrong."""
    counts = {"right": 0, "unclear": 0, "wrong": 0}
    for room, runner, turn, mirror in itertools.product(ROOMS, RUNNERS, TURNS, (False, True)):
        said = verdict(*station(runner, turn, mirror, room))
        word = "unclear" if said is None else "right" if said == mirror else "wrong"
        counts[word] += 1
        print(f"{word:<8} {room:<16} {runner:<8} turned {turn:>3}{' mirrored' if mirror else ''}", flush=True)
    print(counts)


if __name__ == "__main__":
    main()
