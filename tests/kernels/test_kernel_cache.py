"""Kernels without a cache, with a damaged one, and uncompiled: slower, and the very same answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LEVEL_ONE = """
import numpy as np
from appliance.kernels import lens
row = np.array([(640, 480, 1, 1, 700.0, 700.0, 319.5, 239.5, -0.1, 0, 0, 0, 0, 0.1, 0.02, 0.03)], lens.OPTICS)
plane = np.empty((1, 2))
lens.level(np.array([[201.5, 133.25]]), 1, row, plane)
print(plane.tobytes().hex())
"""
"""The smallest kernels there are, used once."""

WHOLE_PATH = """
from hw.camera.runner import Runner
from hw.camera.scene import Scene
from watching import watch
runner = Runner(cadence_spm=180, pair="iliac_crest", pair_width_m=0.3, step_width_m=0.3)
seen = watch(Scene(runner=runner, width_px=128, height_px=160, dot_mm=70.0, duration_s=1.8))
print([seen.xy_px.round(9).tolist(), seen.moments["obliquity_deg"].round(6).tolist()])
print([(s.stance, round(s.contact_s, 6), round(s.off_s, 6), round(s.peak_drop_deg, 6)) for s in seen.steps])
print(len(seen.steps) >= 3, bool(seen.tracked.any()))
"""


def said(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a Python of its own prints for the script."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_DISABLE")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=inherited | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def answer() -> str:
    """What the kernels answer from the cache in use."""
    run = said(LEVEL_ONE)
    assert run.returncode == 0, run.stderr
    return run.stdout


def a_file(place: Path) -> Path:
    (place / "cache").write_text("not a folder")
    return place / "cache"


def below_a_file(place: Path) -> Path:
    return a_file(place) / "deeper"


def read_only(place: Path) -> Path:
    (place / "cache").mkdir(mode=0o555)
    return place / "cache"


def where_nobody_may_write(place: Path) -> Path:
    return Path("/proc/none")  # not even the superuser, for whom the folder above is not read-only


@pytest.mark.parametrize("spoilt", [a_file, below_a_file, read_only, where_nobody_may_write])
def test_a_cache_that_cannot_be_written_costs_time_only(
    spoilt: Callable[[Path], Path], tmp_path: Path, answer: str
) -> None:
    run = said(LEVEL_ONE, NUMBA_CACHE_DIR=str(spoilt(tmp_path)))
    assert run.returncode == 0, run.stderr
    assert run.stdout == answer
    assert "Traceback" not in run.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the small kernels in it."""
    place = tmp_path_factory.mktemp("cache")
    run = said(LEVEL_ONE, NUMBA_CACHE_DIR=str(place))
    assert run.returncode == 0, run.stderr
    return place


@pytest.mark.parametrize(("kind", "length"), [("nbi", 0), ("nbc", 30)])
def test_a_cache_that_a_power_cut_left_short_costs_time_only(
    kind: str, length: int, filled: Path, tmp_path: Path, answer: str
) -> None:
    cache = Path(shutil.copytree(filled, tmp_path / "cache"))
    files = list(cache.rglob(f"*.{kind}"))
    assert files
    for file in files:
        os.truncate(file, length)
    run = said(LEVEL_ONE, NUMBA_CACHE_DIR=str(cache))
    assert run.returncode == 0, run.stderr
    assert run.stdout == answer
    assert run.stderr.count("kernel cache unusable") == 1


def test_the_tests_of_kernels_hold_for_plain_python_too() -> None:
    here = Path(__file__)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(here.parent), f"--ignore={here}"],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def test_plain_python_follows_a_runner_exactly_as_compiled_code_does() -> None:
    compiled, plain = said(WHOLE_PATH), said(WHOLE_PATH, NUMBA_DISABLE_JIT="1")
    assert compiled.returncode == 0, compiled.stderr
    assert compiled.stdout.endswith("True True\n")
    assert plain.stdout == compiled.stdout, plain.stderr
