"""Every recorded runner becomes files of figures, so that two machines can be asked whether they say the same.

`python -m tests.station.figures FOLDER [GIVEN]` draws each runner and takes the pictures the whole way: their digests,
keypoints, frames, steps, light. With GIVEN, a folder that another machine made so, its keypoints are replayed as well.
Numbers are written so that reading them gives the same bits: equal bytes are equal figures, bit for bit.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from appliance import cli
from appliance.commands.options import header_now, load_kernels, open_books
from appliance.pipeline import Pipeline
from appliance.records import Frame
from appliance.station.replay import replay_frames
from hw.camera import trials
from hw.camera.scene import Scene, settings
from hw.camera.virtual import VirtualCamera

PICTURES, VERSIONS = "pictures", "versions.txt"
BOOKS = {"steps": "steps.jsonl", "frames": "frames.csv", "bar": "bar.csv"}
_COLOUR = re.compile(r"(?<![\w.])[0-9a-f]{6}\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


class Difference(NamedTuple):
    """One file of two machines: how many lines it has, how many differ, and by how much at most."""

    name: str
    lines: int
    differ: int
    largest: float
    """0 when the bytes are equal, infinite when more than numbers differs."""


def draw(runner: str, folder: Path) -> None:
    """One runner from drawn pixels to light, to the end of the recording, in files of the folder."""
    camera = VirtualCamera(Scene(runner=runner, loop=False))
    chosen = settings(camera.scene)
    files = {book: folder / f"{runner}.{name}" for book, name in {**BOOKS, "record": "hbk"}.items()}
    header = header_now(chosen, camera.size, camera.rate_hz, 0.0)
    with open_books(files, header) as books, (folder / f"{runner}.{PICTURES}").open("w") as digests:
        replay_frames(
            _noted(camera.frames(), digests.write), Pipeline(chosen), chosen.strip.leds, books, lambda _: None
        )


def replay(recording: Path, folder: Path) -> None:
    """A recording through the product's own command, in files of the folder."""
    words = ["replay", str(recording)]
    for book, name in BOOKS.items():
        words += [f"--{book}", str(folder / f"given-{recording.stem}.{name}")]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            cli.main(words)
    except SystemExit as ended:
        if ended.code:
            raise RuntimeError(said.getvalue()) from ended


def compared(here: Path, there: Path) -> list[Difference]:
    """The files side by side; one that only one of them has differs in everything.

    Recordings are left out: they name the software, and the frames have every figure of theirs.
    """
    found = {path.name for folder in (here, there) for path in folder.iterdir()} - {VERSIONS}
    names = sorted(name for name in found if not name.endswith(".hbk"))
    return [_difference(name, here / name, there / name) for name in names]


def _difference(name: str, one: Path, other: Path) -> Difference:
    if not (one.exists() and other.exists()):
        return Difference(name, 0, 0, math.inf)
    ours, theirs = (path.read_text(encoding="utf-8").splitlines() for path in (one, other))
    if len(ours) != len(theirs):
        return Difference(name, len(ours), abs(len(ours) - len(theirs)), math.inf)
    apart = [_apart(name, a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    return Difference(name, len(ours), len(apart), max(apart, default=0.0))


def _apart(name: str, a: str, b: str) -> float:
    """The largest difference between the numbers of two lines, infinite when anything else differs."""
    if name.endswith(PICTURES):
        return math.inf
    if name.endswith(BOOKS["bar"]):
        a, b = (" ".join(_COLOUR.sub(_levels, line).split()) for line in (a, b))
    if _NUMBER.sub("#", a) != _NUMBER.sub("#", b):
        return math.inf
    pairs = zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True)
    return max(abs(float(x) - float(y)) for x, y in pairs)


def _levels(colour: re.Match[str]) -> str:
    return " ".join(map(str, bytes.fromhex(colour[0])))


def _noted(frames: Iterable[Frame | None], write: Callable[[str], object]) -> Iterator[Frame | None]:
    """The same frames, each one's digest written on the way."""
    for frame in frames:
        if frame is not None:
            write(hashlib.sha256(frame.luma.tobytes()).hexdigest() + "\n")
        yield frame


def _versions() -> str:
    parts = {platform.machine(): "", "Python": platform.python_version()}
    parts |= {
        name: metadata.version(name) for name in ("numpy", "numba", "llvmlite", "opencv-python-headless")
    }
    return ", ".join(f"{name} {version}".strip() for name, version in parts.items())


def main(folder: Path, given: Path | None = None) -> None:
    """Writes all files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / VERSIONS).write_text(_versions() + "\n")
    load_kernels()
    for runner in trials.names():
        draw(runner, folder)
        replay((given or folder) / f"{runner}.hbk", folder)
        print(f"  {platform.machine()}: {runner}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
