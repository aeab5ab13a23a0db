"""The room with the desk, and a station as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.link.room import Room
from tests.serving.conftest import station  # noqa: F401  # a fixture


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A desk that is open."""
    one = Room(tmp_path)
    assert one.desk.trouble is None
    yield one
    one.close()
