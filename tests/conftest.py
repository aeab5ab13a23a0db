"""What holds for all tests; it also lets every folder import `watching`: pytest puts this folder on the path."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# The decoder reads this once, at its first use; tests also write videos, before the product has said it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

# A process that shares the tests has a terminal of no size of its own; tests that have one say its size themselves.
for _size in ("COLUMNS", "LINES"):
    os.environ.pop(_size, None)

# The same examples at every run, and no failure for a machine that is busy.
settings.register_profile(
    "house", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")

_BENCH = "tests/station/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With several processes (`-n 2`) a file's tests stay together, and so do all of the bench: it has one machine."""
    from xdist.scheduler import LoadFileScheduling

    class OneBench(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _BENCH if nodeid.startswith(_BENCH) else str(super()._split_scope(nodeid))

    return OneBench(config, log)
