"""On a terminal: the demo's bar with its figures, the station's bar, the progress of a replay; drawn, not scrolled."""

from __future__ import annotations

import os
import re
import select
import time
from pathlib import Path

import pytest
import terminals

from tests.cli.conftest import started


def seen(*words: object, stream: str = "stdout") -> tuple[int, str]:
    """Exit code and all that a command wrote to a terminal of 100 columns."""
    ours, theirs = terminals.pair()
    environment = {**os.environ, "COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    process = started(*words, env=environment, **{stream: theirs})
    os.close(theirs)
    text, until_s = b"", time.monotonic() + 60
    while time.monotonic() < until_s:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            text += os.read(ours, 65536)
        except OSError:  # the other end is closed: the command is done
            break
    os.close(ours)
    process.communicate(timeout=60)
    return process.returncode, text.decode()


@pytest.mark.parametrize("mode", ["asymmetry", "live"])
def test_the_demo_draws_its_bar_and_figures_in_place(mode: str) -> None:
    code, text = seen("demo", "--seconds", "3", "--mode", mode)
    assert code == 0
    assert f"rbds001 at 120 frames/s, mode {mode}" in text
    assert "right stance, left hip drops" in text
    assert re.search(r"difference +\S", text)  # a figure, if the machine kept up for a few steps
    assert len(re.findall(r"\x1b\[48;2;", text)) >= 32 * 10, "32 cells, many times"
    assert "\x1b[8A" in text, "the lines are drawn over, not again and again below"
    drawn = text.count("mode ")
    assert drawn <= 30 * 6, "at most 30 a second"
    assert text.rstrip().splitlines()[-1].startswith("latency")


def test_the_station_draws_its_bar_on_one_line() -> None:
    code, text = seen("run", "--seconds", "1")
    assert code == 0
    bar, summary = text.split("\r\n", 1)
    assert bar.count("\r") > 5
    assert "frames" in summary


def test_a_replay_shows_its_progress_on_a_terminal_only(video: Path) -> None:
    code, text = seen("replay", video, stream="stderr")
    assert code == 0
    assert "100%" in text
