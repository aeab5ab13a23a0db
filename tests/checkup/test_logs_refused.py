"""`hipbar logs` where there is nothing to read: two lines, an exit code, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def logs(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "appliance.cli", "logs", *words]
    env = {**os.environ, **environ}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", [(), ("--follow",), ("--json",)])
def test_without_systemd_it_says_where_to_look(words: tuple[str, ...], tmp_path: Path) -> None:
    said = logs(*words, PATH=str(tmp_path))
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr.splitlines() == [
        "hipbar: no journal here: journalctl: No such file or directory",
        "  the log is systemd's journal: look on the station itself, or give --directory",
    ]


@pytest.mark.parametrize("since", ["soon", "1", "h1", "-1h", "2026", "1h; reboot", "", "--boot"])
def test_a_time_that_is_none_is_refused_before_anything_is_asked(since: str, tmp_path: Path) -> None:
    said = logs("--since", since, PATH=str(tmp_path))
    assert said.returncode == 2
    assert "neither a span" in said.stderr
