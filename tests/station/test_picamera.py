"""`python -m tests.station.picamera`, as one test: the Pi camera driver over picamera2's real class and a libcamera."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.station import bench, picamera

pytestmark = pytest.mark.station


def test_the_pi_camera_driver_keeps_its_promises_over_the_real_library() -> None:
    if bench.wish() == "off":
        pytest.skip("switched off by HIPBAR_BENCH=off")
    if reason := picamera.lacking():
        if bench.wish() == "required":
            pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, "-m", "tests.station.picamera"],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert done.stdout.count("\nok  ") == 11, done.stdout
