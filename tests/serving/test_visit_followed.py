"""`hipbar visit` beside a service that runs: begin, steer, follow through a restart, end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

from appliance.station.status import Status
from appliance.store.store import Store
from tests.serving.conftest import LONG_S, ROOT, Make, Station

VIRTUAL = '[camera]\nsource = "virtual"\nrunner = "rbds002"\n'


class Desk:
    """A technician's terminals beside a station."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self._env = {
            **os.environ,
            "HIPBAR_RUNTIME": str(station.runtime),
            "HIPBAR_STATE": str(station.state),
        }
        self._following: list[subprocess.Popen[str]] = []
        self._terminals: list[pexpect.spawn[str]] = []

    def hipbar(self, *words: str, code: int = 0) -> str:
        """What one command says, on both its outputs."""
        done = subprocess.run(
            [sys.executable, "-m", "appliance.cli", *words],
            cwd=ROOT, env=self._env, capture_output=True, text=True, timeout=LONG_S, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def follows(self) -> subprocess.Popen[str]:
        """`hipbar visit follow`, not on a terminal, until the visit is over."""
        words = [sys.executable, "-m", "appliance.cli", "visit", "follow"]
        process = subprocess.Popen(
            words, cwd=ROOT, env=self._env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._following.append(process)
        return process

    def on_a_terminal(self, *words: str) -> pexpect.spawn[str]:
        """A command on a terminal of 90 columns and 24 lines."""
        arguments = ["-m", "appliance.cli", *words]
        command = pexpect.spawn(
            sys.executable, arguments, cwd=ROOT, env=self._env, dimensions=(24, 90), encoding="utf-8"
        )
        self._terminals.append(command)
        return command

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close(force=True)
        for process in self._following:
            if process.poll() is None:
                process.kill()
            process.communicate()


def kept(steps: int) -> Callable[[Status], bool]:
    """A status with a visit of which so many steps are on the disk."""
    return lambda status: status.visit is not None and status.visit.kept_steps >= steps


class Screen:
    """What somebody sees on that terminal."""

    def __init__(self, terminal: pexpect.spawn[str]) -> None:
        self._terminal, self._screen = terminal, pyte.Screen(90, 24)
        self._stream = pyte.Stream(self._screen)

    def until(self, *words: str) -> None:
        """Waits until all of this is there at once."""
        until_s = time.monotonic() + LONG_S
        while time.monotonic() < until_s:
            self._stream.feed(self._terminal.read_nonblocking(4096, timeout=LONG_S))
            if all(word in "\n".join(self._screen.display) for word in words):
                return
        raise AssertionError("\n".join(self._screen.display))


@pytest.fixture
def desk(station: Make) -> Iterator[Desk]:
    """A running station with the runner P-07."""
    made = station(VIRTUAL)
    made.start()
    made.hears("READY=1")
    desk = Desk(made)
    desk.hipbar("runner", "add", "P-07")
    yield desk
    desk.close()


def test_a_visit_is_begun_steered_followed_through_a_kill_and_ended(desk: Desk) -> None:
    station = desk.station
    begun = desk.hipbar("visit", "start", "P-07", "--protocol", "demo")
    assert begun.startswith("visit 1, P-07, demo 1 of 2: block 1 of 6, stand")
    assert "calibrate sides" not in begun, "they are proved here"
    following = desk.follows()
    for block in ("warm-up", "baseline", "feedback"):
        assert f"{block}, 0:00 of" in desk.hipbar("visit", "skip")
    assert "paused" in desk.hipbar("visit", "pause", "lace", "open")
    assert "paused already" in desk.hipbar("visit", "pause", code=10)
    assert "paused" not in desk.hipbar("visit", "resume")
    assert "a visit runs already" in desk.hipbar("visit", "start", "P-07", code=10)
    desk.hipbar("visit", "note", "new", "shoes")
    before = station.status(kept(6)).visit
    assert before
    station.signal(signal.SIGKILL)
    station.ended()
    station.start()
    station.status(kept(before.kept_steps + 4))
    told = json.loads(desk.hipbar("visit", "status", "--json"))
    assert (told["visit"]["id"], told["visit"]["view"]["kind"]) == (1, "feedback")
    assert "visit 1 is over" in desk.hipbar("visit", "stop", "enough")
    out, err = following.communicate(timeout=LONG_S)
    assert following.returncode == 0, err
    assert "visit 1 is over: stopped," in out
    assert "feedback, 0:0" in out
    _remembered(station.state)


def _remembered(state: Path) -> None:
    """What the store has of it: every block ended once, what happened in order, steps of both processes."""
    with Store.open(state) as store:
        data = store.data("last")
    assert [(row.block.kind.value, row.why) for row in data.blocks] == [
        ("stand", "skipped"),
        ("warm-up", "skipped"),
        ("baseline", "skipped"),
        ("feedback", "stopped"),
    ]
    happened = [(event.kind, event.words) for event in data.events]
    wanted = [("pause", "lace open"), ("resume", ""), ("note", "new shoes"), ("stop", "enough")]
    assert [event for event in happened if event in wanted] == wanted
    assert {int(span) for span in data.steps["span"]} >= {0, len(data.spans) - 1}
    assert list(data.steps["contact_s"]) == sorted(data.steps["contact_s"])


def test_keys_steer_what_is_shown_and_ctrl_c_ends_the_looking_and_not_the_visit(desk: Desk) -> None:
    assert desk.hipbar("visit", "ready", "p-07") == (
        "ready: P-07, retraining, visit 1: a short press begins it\n"
    )
    assert "next       P-07, retraining, visit 1" in desk.hipbar("visit", "status")
    assert "without a runner" in desk.hipbar("visit", "ready")
    assert desk.hipbar("visit", "follow") == "no visit runs\n"
    terminal = desk.on_a_terminal("visit", "start", "P-07", "--protocol", "demo")
    look = Screen(terminal)
    look.until("q leave it running", "block 1/6  stand", "waits for standing still")
    for key, words in (("p", "PAUSED"), ("S", "block 2/6  warm-up"), ("p", "0:01 of 0:10"), ("m", "0:02 of")):
        terminal.send(key)
        look.until(words)
    terminal.sendintr()
    terminal.expect("the visit goes on", timeout=LONG_S)
    terminal.expect(pexpect.EOF, timeout=LONG_S)
    assert "warm-up" in desk.hipbar("visit", "status")
    assert "visit 1 is over" in desk.hipbar("visit", "stop")
    with Store.open(desk.station.state) as store:
        happened = [event.kind for event in store.data("last").events]
    assert [kind for kind in happened if kind in ("pause", "resume", "mark")] == ["pause", "resume", "mark"]
