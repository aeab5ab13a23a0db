"""What holds for all tests; it also lets every folder import `watching`: pytest puts this folder on the path."""

from __future__ import annotations

import os
from pathlib import Path

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

_BENCH = Path(__file__).parent / "station"


@pytest.hookimpl(tryfirst=True)  # before xdist looks at the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several processes (`-n 2 --dist loadgroup`) a file's tests stay together, and the bench has one machine.

    The bench comes first: it takes longest, and the other process does the rest meanwhile.
    """
    for item in items:
        bench = _BENCH in item.path.parents
        item.add_marker(pytest.mark.xdist_group("bench" if bench else item.path.as_posix()))
    items.sort(key=lambda item: _BENCH not in item.path.parents)
