"""A process that keeps recordings is killed at any instant: what it had promised is there, and the next one goes on."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.keeping.load import broken, come_and_go
from tests.keeping.made import names

ROOT = Path(__file__).resolve().parents[2]


def test_whoever_is_killed_has_kept_all_that_was_promised(tmp_path: Path) -> None:
    chance = random.Random(7)
    folder = tmp_path / "r"
    for _ in range(8):
        words = [sys.executable, "-m", "tests.keeping.load", str(folder), "60"]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as load:
            assert load.stdout
            lines = [load.stdout.readline() for _ in range(chance.randrange(1, 60))]
            load.kill()
            lines += load.stdout.readlines()
        promises = [json.loads(line) for line in lines if line.endswith("\n")]
        assert broken(promises[-1], folder) == []
    assert len(names(folder)) >= 8


def test_the_check_finds_what_is_missing_and_what_is_wrong(tmp_path: Path) -> None:
    promises: list[dict[str, str | int]] = []
    come_and_go(tmp_path / "r", promises.append, time.monotonic() + 0.2)
    promise = promises[-1]
    assert broken(promise, tmp_path / "r") == []
    path = tmp_path / "r" / str(promise["recording"])
    path.write_bytes(path.read_bytes()[: -3 * 4096])
    assert broken(promise, tmp_path / "r")[0].startswith("recording shorter")
    path.unlink()
    assert broken(promise, tmp_path / "r") == [f"recording gone: {path.name}"]


@pytest.mark.parametrize("what", ["first", "frames"])
def test_the_check_finds_other_frames(tmp_path: Path, what: str) -> None:
    promises: list[dict[str, str | int]] = []
    come_and_go(tmp_path / "r", promises.append, time.monotonic() + 0.2)
    promise = {**promises[-1], what: int(promises[-1][what]) + 1}
    assert broken(promise, tmp_path / "r")
