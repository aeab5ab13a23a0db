"""A recorded runner before the virtual camera becomes a film, and a film becomes what the bench's camera sees.

`shoot` draws the film on the host, noise-free so that it is small; `play` exposes it in the guest, round and round in
real time, the picture that is due now and not one that is late. A film is one line of JSON (size and rate) and then
pictures: the length of the packed picture (4 bytes, little end first), and it. GREY pictures, as the sensor has them.

    python film.py shoot FILE [WIDTH HEIGHT RATE SECONDS]
    python film.py play FILE
"""

from __future__ import annotations

import itertools
import json
import os
import struct
import sys
import time
import zlib
from pathlib import Path

_LENGTH = struct.Struct("<I")
_FEED = struct.Struct("<QII")  # struct feed of camsim.c: stamp in nanoseconds, flags, skipped
FEED = "/dev/camsim-feed"
_READ_OUT_S = 0.010
"""A picture is in memory so long after its exposure began."""


def shoot(
    path: Path, *, width_px: int = 240, height_px: int = 320, rate_hz: int = 60, seconds: float = 20.0
) -> None:
    """Draw a film of a recorded runner who runs from the first picture on."""
    from hw.camera.scene import Scene
    from hw.camera.virtual import VirtualCamera

    scene = Scene(
        width_px=width_px, height_px=height_px, rate_hz=rate_hz, duration_s=seconds, noise=0.0, shot=0.0
    )
    with path.open("wb") as file:
        about = {"width_px": width_px, "height_px": height_px, "rate_hz": rate_hz}
        file.write(json.dumps(about).encode() + b"\n")
        for frame in VirtualCamera(scene).frames():
            if frame is not None:
                packed = zlib.compress(frame.luma.tobytes(), 1)
                file.write(_LENGTH.pack(len(packed)) + packed)


def read(path: Path) -> tuple[dict[str, int], list[bytes]]:
    """What the film is, and its packed pictures."""
    with path.open("rb") as file:
        about, pictures = json.loads(file.readline()), []
        while head := file.read(_LENGTH.size):
            pictures.append(file.read(_LENGTH.unpack(head)[0]))
    return about, pictures


def play(path: Path) -> None:
    """Expose the film for ever; a picture whose time has passed is lost, as it would be in a camera."""
    about, pictures = read(path)
    feed, every_s = os.open(FEED, os.O_WRONLY), 1.0 / about["rate_hz"]
    print(f"playing {len(pictures)} pictures at {about['rate_hz']} Hz", flush=True)
    began_s, shown = time.monotonic(), -1
    for _ in itertools.count():
        due = int((time.monotonic() - began_s) / every_s)
        if due == shown:
            time.sleep(max(0.0, began_s + (due + 1) * every_s - time.monotonic()))
            continue
        picture = zlib.decompress(pictures[due % len(pictures)])
        stamp_ns = time.monotonic_ns() - round(_READ_OUT_S * 1e9)
        os.write(feed, _FEED.pack(stamp_ns, 0, due - shown - 1) + picture)
        shown = due


if __name__ == "__main__":
    if sys.argv[1] == "shoot":
        names = ("width_px", "height_px", "rate_hz", "seconds")
        shoot(Path(sys.argv[2]), **dict(zip(names, map(int, sys.argv[3:]), strict=False)))  # type: ignore[arg-type]
    else:
        play(Path(sys.argv[2]))
