"""`hipbar watch` beside a running service, on real pseudo-terminals: what a technician sees and what the keys do."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from appliance.commands.watching import picture
from appliance.records import Light
from appliance.station.client import Link
from tests.serving.conftest import ROOT, Station
from tests.watch.terminal import Terminal

WATCH = (sys.executable, "-m", "appliance.cli", "watch")
FRESH = "ms old"
VIRTUAL = '[camera]\nsource = "virtual"\n'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A service that measures a recorded runner."""
    station = Station(tmp_path_factory.mktemp("station"), VIRTUAL)
    try:
        station.start()
        station.status(lambda status: status.state in (Light.RUNNING, Light.RECORDING))
        yield station
    finally:
        station.close()


def env(station: Station, **more: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLORTERM", "LC_ALL")
    }
    ours = {"HIPBAR_RUNTIME": str(station.runtime), "HIPBAR_STATE": str(station.state)}
    return {**kept, **ours, "TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT), **more}


def frame_on(text: str) -> int:
    found = re.search(r"frame (\d+)", text)
    return int(found[1]) if found else -1


def test_the_screen_shows_picture_dots_bar_figures_and_curve(running: Station) -> None:
    with Terminal(WATCH, env(running)) as terminal:
        text = terminal.shows(lambda text: FRESH in text and re.search("[\u2801-\u28ff]", text))
        assert re.search(r"cadence +1\d\d steps/min", text)
        assert re.search(r"dots +L 1.00 R", text)
        first = frame_on(text)
        terminal.shows(lambda text: frame_on(text) > first + 60)
        terminal.press("q")
        assert terminal.ended() == 0
        assert b"\x1b[?1049l" in terminal.left()  # the terminal is as it was


def test_keys_try_other_settings_in_the_running_service_and_take_them_back(running: Station) -> None:
    with Terminal(WATCH, env(running)) as terminal, Link.open(running.runtime) as link:
        terminal.shows("light 50 %")
        terminal.press("+")
        terminal.shows("strip.brightness = 0.6: tried, not kept")
        terminal.shows("light 60 %")
        assert link.settings()["settings"]["strip"]["brightness"] == 0.6
        terminal.press("m")
        terminal.shows("feedback.mode = step: tried")
        terminal.shows("mode step")
        terminal.press("?")
        terminal.shows("takes back everything that was tried")
        terminal.press("?u")
        terminal.shows("mode asymmetry")
        terminal.shows("light 50 %")
        assert link.settings()["tried"] == {}
    assert "brightness" not in running.file.read_text()


def test_a_frozen_screen_stands_still_and_its_snapshot_has_the_dots_of_its_frame(
    running: Station, tmp_path: Path
) -> None:
    with Terminal((*WATCH, "--folder", str(tmp_path)), env(running)) as terminal:
        terminal.shows(FRESH)
        terminal.press("f")
        still = terminal.shows("FROZEN")
        terminal.press("s")
        terminal.shows("saved: ")
        assert frame_on(terminal.text()) == frame_on(still)
        terminal.press("f")
        terminal.shows(lambda text: "FROZEN" not in text and frame_on(text) > frame_on(still))
    (file,) = tmp_path.glob("hipbar-*.png")
    assert file.stat().st_mode & 0o777 == 0o600
    pixels = cv2.imread(str(file))
    assert pixels.shape[1] == 480
    assert pixels.shape[0] > 640
    blue = np.argwhere((pixels[:640] == (255, 140, 40)).all(axis=2))
    bright = np.argwhere(pixels[:640].min(axis=2) > 180)
    assert len(blue) > 50
    apart = np.abs(bright[:, None] - blue[None]).max(axis=2).min(axis=1)
    assert (apart < 40).any()  # the ring is around something bright


def test_each_dot_s_letter_is_where_the_service_saw_it_in_that_very_frame(running: Station) -> None:
    wide, high = picture.fitted(480, 640, 40, 18)
    with Terminal(WATCH, env(running)) as terminal, Link.open(running.runtime) as link:
        terminal.shows(FRESH)
        with contextlib.closing(link.follows()) as parts:
            marks = {int(row["seq"]): row["xy_px"] for row in next(parts)}  # from now on it follows
            terminal.press("f")
            terminal.shows("FROZEN")
            for there in ("m / M", "cadence"):  # two more screens: the frozen one is whole
                terminal.press("?")
                lines = terminal.shows(there).splitlines()
            while max(marks, default=-1) < frame_on("\n".join(lines)):
                marks |= {int(row["seq"]): row["xy_px"] for row in next(parts)}
    for k in (0, 1):
        x, y = marks[frame_on("\n".join(lines))][k] * (wide, high) / (480, 640)
        assert lines[4 + int(y)][int(x)] == picture.SIGNS[k]


def test_a_snapshot_that_can_t_be_written_is_told_and_the_screen_goes_on(
    running: Station, tmp_path: Path
) -> None:
    with Terminal((*WATCH, "--folder", str(tmp_path / "nowhere")), env(running)) as terminal:
        terminal.shows(FRESH)
        terminal.press("s")
        terminal.shows("can't write hipbar-")
        first = frame_on(terminal.text())
        terminal.shows(lambda text: frame_on(text) > first)


def test_the_window_may_change_its_size(running: Station) -> None:
    with Terminal(WATCH, env(running)) as terminal:
        terminal.shows(FRESH)
        terminal.resize(60, 20)
        terminal.shows("needs 80x24, this is 60x20")
        terminal.resize(120, 40)
        text = terminal.shows(lambda text: "cadence" in text and "q quit" in text.splitlines()[39])
        assert text.splitlines()[1].rstrip().endswith("R")


@pytest.mark.parametrize(
    ("more", "bytewise", "said"),
    [
        ({"NO_COLOR": "1"}, False, "no colours: drawn with letters"),
        ({"TERM": "xterm"}, True, "this terminal draws no UTF-8: drawn with letters"),
    ],
    ids=["without colours", "without UTF-8"],
)
def test_a_poor_terminal_gets_letters_and_is_told(
    running: Station, more: dict[str, str], bytewise: bool, said: str
) -> None:
    with Terminal(WATCH, env(running, **more), bytewise=bytewise) as terminal:
        terminal.shows(said)
        text = terminal.shows(lambda text: FRESH in text and "....." in text)
        assert "cadence" in text
        if bytewise:
            assert all(byte < 0x80 for byte in bytes(terminal.raw).replace("ñ".encode(), b""))
        else:
            assert not re.search(rb"\x1b\[[0-9;]*[34]8;", bytes(terminal.raw))


def test_a_terminal_that_answers_nothing_still_gets_a_screen_a_second(running: Station) -> None:
    with Terminal(WATCH, env(running), deaf=True) as terminal:
        terminal.shows("this terminal does not answer")
        first = frame_on(terminal.shows("frame "))
        terminal.shows(lambda text: frame_on(text) > first)


def test_the_picture_is_coloured_and_left_and_right_are_told_without_colours_too(running: Station) -> None:
    with Terminal(WATCH, env(running, COLORTERM="truecolor")) as terminal:
        terminal.shows(lambda text: FRESH in text and "slow line" not in text)
        lines = terminal.shows(
            lambda text: any("L" in line[:28] for line in text.splitlines()[4:22])
        ).splitlines()
        y = next(y for y, line in enumerate(lines) if 4 <= y < 22 and "L" in line[:28])
        terminal.press("f")
        terminal.shows("FROZEN")
        looks = {terminal.cell(x, y).bg for y in range(4, 22) for x in range(28)}
        assert {"2878ff", "ffa000"} <= looks
        assert y


def test_a_slow_line_shows_what_is_new_and_nothing_piles_up(running: Station) -> None:
    with Terminal(WATCH, env(running), bytes_s=5760) as terminal, contextlib.ExitStack() as closing:
        terminal.shows(FRESH)
        link = closing.enter_context(Link.open(running.runtime))
        behind: list[float] = []
        until_s = time.monotonic() + 2.0
        for live in link.live(20.0):
            shown = frame_on(terminal.text())
            if shown >= 0 and live.seq is not None:
                behind.append((live.seq - shown) / 120)
            if time.monotonic() > until_s:
                break
        assert np.median(behind) < 1.5


def test_a_service_that_starts_anew_is_waited_for_and_seen_again(tmp_path: Path) -> None:
    station = Station(tmp_path, VIRTUAL)
    try:
        station.start()
        station.status(lambda status: status.state in (Light.RUNNING, Light.RECORDING))
        with Terminal(WATCH, env(station)) as terminal:
            terminal.shows(FRESH)
            station.signal(signal.SIGTERM)
            station.ended()
            terminal.shows("the service is away, for")
            station.start()
            terminal.shows(lambda text: "away" not in text and 0 < frame_on(text) < 2000)
            terminal.press("q")
            assert terminal.ended() == 0
    finally:
        station.close()


def test_a_station_that_is_stopped_is_started_for_as_long_as_somebody_watches(tmp_path: Path) -> None:
    station = Station(tmp_path, VIRTUAL)
    try:
        with Terminal((*WATCH, "--config", str(station.file)), env(station)) as terminal:
            terminal.shows(FRESH)
            station.lit(lambda rgb: bool(rgb.any()))
            terminal.press("q")
            station.lit(lambda rgb: not rgb.any())
            assert terminal.ended() == 0
            assert terminal.process.stderr is not None
            assert b"using the devices directly until this ends" in terminal.process.stderr.read()
    finally:
        station.close()


@pytest.mark.parametrize("how", ["SIGTERM", "ctrl-c", "hangs up"])
def test_whatever_ends_it_the_terminal_is_left_as_it_was_and_the_service_goes_on(
    running: Station, how: str
) -> None:
    with Terminal(WATCH, env(running)) as terminal:
        terminal.shows(FRESH)
        if how == "hangs up":
            terminal.hang_up()
            assert terminal.ended(10) == 128 + signal.SIGHUP
        elif how == "ctrl-c":
            terminal.press("\x03")
            assert terminal.ended(10) == 0
        else:
            terminal.process.send_signal(signal.Signals[how])
            assert terminal.ended(10) == 128 + signal.Signals[how]
        if how != "hangs up":
            assert terminal.left().endswith(b"\x1b[?1049l\x1b[?25h\x1b[?1004l")
    with Link.open(running.runtime) as link:
        assert next(link.live(10.0)).seq is not None


def test_one_screen_as_text_for_a_script(running: Station) -> None:
    done = subprocess.run(
        (*WATCH, "--once", "--seconds", "2"), env=env(running), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 24
    assert "cadence" in done.stdout
    assert "\x1b" not in done.stdout


def test_without_a_terminal_it_names_the_other_ways(running: Station) -> None:
    done = subprocess.run(
        WATCH, env=env(running), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "`hipbar watch --once`" in done.stderr
    assert done.stdout == ""
