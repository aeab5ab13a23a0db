"""Processes that really live and really die, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
Flown = Callable[[Path, str], "subprocess.Popen[str]"]


@pytest.fixture
def flown() -> Iterator[Flown]:
    """Starts a flyer in a folder and waits until it is under way; none is left behind."""
    started: list[subprocess.Popen[str]] = []

    def fly(folder: Path, end: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / "flyer.py"), str(folder), end]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environ,
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "up\n"
        return process

    yield fly
    for process in started:
        process.kill()
        process.communicate()
