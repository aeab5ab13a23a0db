"""Strips on a bus in trouble: counted, told once, opened again, given up in the end, and dark whatever happens.

Time is given to the driver; the bus is a pair of the kernel's sockets (tests/buses.py).
"""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from buses import SocketBus
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import Strip
from appliance.errors import StripLost
from hw.strip.apa102 import decode, encode
from hw.strip.outage import LOST_S, RETRY_S, STEADY_S, Outage
from hw.strip.wired import FilePort, WiredStrip
from hw.strip.wiring import Wiring

LEDS = 8
LIT = np.full((LEDS, 3), 9, np.uint8)
FRAME_S = 1 / 120


class Clock:
    """A clock that goes when it is told to."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def bus():
    with contextlib.closing(SocketBus()) as bus:
        yield bus


@pytest.fixture
def stream():
    """A bus that takes only a part of what is written: the kernel makes a queue of some 2 KB of it."""
    with contextlib.closing(SocketBus(socket.SOCK_STREAM, queue=1)) as bus:
        yield bus


@pytest.fixture
def strip(bus, clock):
    strip = WiredStrip(bus, Wiring(Strip(leds=LEDS), "bgr"), encode, clock=clock)
    bus.arrived()
    yield strip
    bus.there = True
    strip.close()


def _shown(strip, clock, seconds):
    """Shows frames at 120 a second for so long."""
    for _ in range(round(seconds / FRAME_S)):
        strip.show(LIT)
        clock.now_s += FRAME_S


def test_opening_darkens_what_a_dead_process_left_lit(bus, clock):
    strip = WiredStrip(bus, Wiring(Strip(leds=LEDS), "bgr"), encode, clock=clock)
    assert [decode(data).any() for data in bus.arrived()] == [False]
    strip.close()


def test_a_bus_that_is_not_there_is_refused_and_nothing_is_left_open(bus):
    bus.there = False
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StripLost) as refused:
        WiredStrip(bus, Wiring(Strip(leds=LEDS), "bgr"), encode)
    assert refused.value.fix
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_bus_that_fails_at_the_first_write_is_refused_and_closed(stream):
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(StripLost):
        WiredStrip(stream, Wiring(Strip(leds=300)), lambda rgb: bytes(1_000_000))
    stream.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_strip_that_is_gone_for_a_moment_comes_back_by_itself(strip, bus, clock, caplog):
    caplog.set_level(logging.INFO, "hipbar.strip")
    strip.show(LIT)
    bus.arrived()
    bus.pull_out()
    _shown(strip, clock, 0.4)
    assert strip.faults == 48
    bus.there = True
    _shown(strip, clock, 1.0)
    assert any(decode(data).any() for data in bus.arrived())
    gone, back = (record for record in caplog.records if record.name == "hipbar.strip")
    assert (gone.levelname, gone.getMessage()) == (
        "WARNING",
        "a pair of sockets: writing failed: broken pipe",
    )
    assert back.levelname == "INFO"
    assert back.getMessage() == "a pair of sockets: writing again after 0.5 s, 60 frames lost"


def test_a_gone_device_is_looked_for_at_most_four_times_a_second(strip, bus, clock):
    asked = []
    opened = bus.open

    class Counted(SocketBus):
        def open(self):
            asked.append(clock.now_s)
            return opened()

    bus.__class__ = Counted
    bus.pull_out()
    _shown(strip, clock, 1.9)
    assert len(asked) == 7
    assert min(np.diff(asked)) >= RETRY_S


def test_after_two_seconds_without_a_write_that_works_the_strip_is_lost(strip, bus, clock):
    bus.pull_out()
    began_s = clock.now_s
    with pytest.raises(StripLost, match="for 2 s") as lost:
        _shown(strip, clock, 10)
    assert clock.now_s - began_s == pytest.approx(LOST_S, abs=2 * FRAME_S)
    assert lost.value.fix
    assert "No such file" in str(lost.value)


def test_a_lost_strip_that_is_there_again_takes_frames_again(strip, bus, clock):
    bus.pull_out()
    with pytest.raises(StripLost):
        _shown(strip, clock, 10)
    bus.there = True
    clock.now_s += RETRY_S
    strip.show(LIT)
    assert decode(bus.arrived()[-1]).any()


def test_a_bus_that_does_not_answer_is_a_fault_and_not_a_wait(strip, bus, clock):
    while not strip.faults:  # nobody reads: the queue fills up
        strip.show(LIT)
    assert strip.faults == 1
    bus.arrived()
    strip.show(LIT)
    assert strip.faults == 1


def test_a_write_that_ends_early_is_a_fault(stream, clock, caplog):
    strip = WiredStrip(
        stream, Wiring(Strip(leds=300)), lambda rgb: bytes(900 * int(rgb.max()) + 1), clock=clock
    )
    strip.show(np.full((300, 3), 255, np.uint8))
    assert strip.faults == 1
    assert "bytes were sent" in caplog.text
    stream.arrived()
    strip.close()


def test_a_strip_that_fails_now_and_then_is_one_line_in_the_log_and_never_lost(strip, bus, clock, caplog):
    for _ in range(40):
        while strip.faults == (before := strip.faults):
            strip.show(LIT)
            if strip.faults > before:
                break
        bus.arrived()
        strip.show(LIT)
        clock.now_s += 0.2
    assert strip.faults == 40
    assert len(caplog.records) == 1


def test_closing_in_an_outage_opens_the_bus_once_more_to_darken_it(strip, bus, clock):
    strip.show(LIT)
    bus.pull_out()
    strip.show(LIT)
    bus.there = True
    strip.close()
    assert [decode(data).any() for data in bus.arrived()] == [False]


def test_closing_what_is_gone_says_so_and_is_done(strip, bus, caplog):
    bus.pull_out()
    strip.close()
    assert "could not be darkened" in caplog.text
    with pytest.raises(StripLost):
        strip.show(LIT)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.001, 1.0)), max_size=60))
def test_whatever_the_writes_do_the_outage_keeps_its_word(writes):
    outage, now_s = Outage(), 0.0
    silent_since_s, failed_s, faults = None, -np.inf, 0
    for works, wait_s in writes:
        now_s += wait_s
        if works:
            over = outage.worked(now_s)
            assert (over is not None) <= (now_s - failed_s >= STEADY_S)
            silent_since_s = None
        else:
            outage.failed(now_s)
            silent_since_s, failed_s = now_s if silent_since_s is None else silent_since_s, now_s
            faults += 1
        assert outage.lost(now_s) == (silent_since_s is not None and now_s - silent_since_s >= LOST_S)
        assert outage.faults == faults


def test_where_a_write_that_works_proves_nothing_every_second_failure_is_still_an_outage():
    outage, now_s = Outage(proven=False), 0.0
    while not outage.lost(now_s):
        outage.failed(now_s)
        assert outage.worked(now_s + 0.004) is None
        now_s += FRAME_S
    assert now_s == pytest.approx(LOST_S, abs=0.02)


CHILD = """
import os, signal, sys, threading
import numpy as np
from appliance.config import Strip
from hw.strip.apa102 import encode
from hw.strip.wired import FilePort, WiredStrip
from hw.strip.wiring import Wiring

class Inherited:
    name = "the parent's socket"
    def open(self): return FilePort(int(sys.argv[1]))
    def refusal(self, error): return error

strip = WiredStrip(Inherited(), Wiring(Strip(leds=8), "bgr"), encode)
strip.show(np.full((8, 3), 9, np.uint8))
"""


def _lit_by(code):
    """Whether the light was on, frame by frame, that a process of its own sent until it ended."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        done = subprocess.run(
            [sys.executable, "-c", CHILD + code, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            capture_output=True,
            text=True,
            check=False,
        )
        ours.setblocking(False)
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frames.append(bool(decode(ours.recv(65536)).any()))
    return frames, done


@pytest.mark.parametrize(
    "code", ["", "raise RuntimeError('a defect')", "sys.exit(3)", "import click; raise KeyboardInterrupt"]
)
def test_a_process_that_ends_without_closing_leaves_the_strip_dark(code):
    frames, _ = _lit_by(code)
    assert frames == [False, True, False]


def test_a_forked_child_that_ends_leaves_its_parents_light_on():
    code = """
if os.fork() == 0:
    sys.exit()  # runs what was registered for the end
os.wait()
strip.show(np.full((8, 3), 9, np.uint8))
"""
    frames, _ = _lit_by(code)
    assert frames == [False, True, True, False]


def test_a_killed_process_can_not_darken_anything():
    frames, done = _lit_by("os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL
    assert frames == [False, True]  # why `hipbar leds --dark` is there for whoever started the station


def test_a_file_port_writes_whole_frames_or_complains():
    read, write = os.pipe()
    port = FilePort(write)
    port.write(b"abc")
    assert os.read(read, 9) == b"abc"
    os.close(read)
    with pytest.raises(BrokenPipeError):
        port.write(b"abc")
    port.close()
