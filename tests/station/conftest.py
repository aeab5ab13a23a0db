"""Fixtures: `vm`, the machine for all tests of a session; tests that use it are marked `station`.

Modules are there to be loaded (`vm.run("modprobe spi-capture")`); who changes the machine puts it back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.station import bench
from tests.station.vm import Vm

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the machine is marked, so that `-m "not station"` leaves it out."""
    for item in items:
        if _HERE in item.path.parents and "vm" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.station)


@pytest.fixture(scope="session")
def vm(pytestconfig: pytest.Config) -> Iterator[Vm]:
    """The machine of the bench, started once; skipped with the reason where there can be none."""
    if reason := bench.lacking():
        if bench.wish() == "required":
            pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
        pytest.skip(reason)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with contextlib.ExitStack() as stack:
        with capture.global_and_fixture_disabled():
            running = stack.enter_context(bench.started())
        yield running
