"""A real video and a real recording for the command line to work on, and the command line itself."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from appliance import cli
from hw.camera.scene import Scene
from hw.camera.virtual import VirtualCamera

ROOT = Path(__file__).resolve().parents[2]
Hipbar = Callable[..., "Said"]


class Said(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


def film(path: Path, seconds: float, *, dots: bool = True, runner: str = "rbds001") -> Path:
    """A video of a recorded runner, 480x640 at 120 frames a second; without dots it shows noise."""
    camera = VirtualCamera(Scene(runner=runner, duration_s=seconds))
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), 120.0, camera.size, False
    )
    dark = np.random.default_rng(1).integers(14, 22, camera.size[::-1], dtype=np.uint8)
    for frame in camera.frames():
        assert frame
        writer.write(frame.luma if dots else dark)
    writer.release()
    return path


@pytest.fixture
def hipbar(capfd: pytest.CaptureFixture[str]) -> Hipbar:
    """Runs the command line in this process, from words to exit code."""

    def said(*words: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Said(ended.value.code, out, err)

    return said


def started(*words: object, **more: object) -> subprocess.Popen[str]:
    """Starts the command line as a process of its own."""
    command = [sys.executable, "-m", "appliance.cli", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(command, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of running."""
    return film(tmp_path_factory.mktemp("film") / "run.avi", 6.0)


@pytest.fixture(scope="session")
def recording(video: Path) -> Path:
    """The keypoints of that video."""
    path = video.with_suffix(".hbk")
    with pytest.raises(SystemExit) as ended:
        cli.main(["replay", str(video), "--record", str(path)])
    assert ended.value.code == 0
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by column."""
    return list(csv.DictReader(io.StringIO(path.read_text())))
