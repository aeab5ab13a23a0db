"""WLED over DDP: packets taken apart by their specification on a loopback receiver, and a network that fails."""

import contextlib
import socket
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hw
from appliance.config import Strip
from appliance.errors import StripLost
from hw.strip.outage import LOST_S
from hw.strip.wled import open_wled, packets

AMPLE_MA = 20000.0


def _wanted(port, leds=8, host="127.0.0.1"):
    return Strip(kind="wled", host=host, port=port, leds=leds, current_cap_ma=AMPLE_MA)


def _read(packet):
    """A DDP packet by the specification's table: (pushed, sequence, offset, data); what is not version 1 RGB fails."""
    flags, sequence, kind, destination = packet[0], packet[1], packet[2], packet[3]
    offset = int.from_bytes(packet[4:8], "big")
    length = int.from_bytes(packet[8:10], "big")
    assert flags >> 6 == 1  # version
    assert not flags & 0b00111110  # no timecode, storage, reply, query, nothing reserved
    assert (kind >> 3 & 7, kind & 7) == (1, 3)  # RGB, 8 bits an element
    assert kind < 0x80  # not a type of its own
    assert destination == 1  # the default output
    assert length == len(packet) - 10
    return bool(flags & 1), sequence, offset, packet[10:]


@pytest.fixture
def inbox():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inbox:
        inbox.bind(("127.0.0.1", 0))
        inbox.setblocking(False)
        yield inbox


def _arrived(inbox):
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(_read(inbox.recv(2048)))
    return found


def test_a_packet_byte_by_byte():
    (packet,) = packets(bytes([1, 2, 3, 4, 5, 6]), 7)
    assert packet == bytes.fromhex("41 07 0b 01 00000000 0006 010203040506")


@given(st.integers(1, 1500), st.integers(1, 15), st.randoms(use_true_random=False))
def test_frames_of_any_length_arrive_whole_in_chunks_of_at_most_480_leds(leds, sequence, random):
    colours = random.randbytes(3 * leds)
    canvas, expected = bytearray(len(colours)), sequence
    read = [_read(packet) for packet in packets(colours, sequence)]
    for pushed, number, offset, data in read:
        assert len(data) <= 1440
        assert len(data) % 3 == 0
        assert number == expected
        assert pushed == (offset + len(data) == len(colours))
        canvas[offset : offset + len(data)] = data
        expected = expected % 15 + 1
    assert canvas == colours


def test_three_hundred_leds_are_one_packet():
    assert len(list(packets(bytes(900), 1))) == 1


def test_frames_arrive_at_the_controller_and_the_last_ones_are_dark(inbox):
    strip = hw.open_strip(_wanted(inbox.getsockname()[1]))
    frames = list(np.random.default_rng(2).integers(0, 256, (40, 8, 3), dtype=np.uint8))
    for rgb in frames:
        strip.show(rgb)
    strip.close()
    read = _arrived(inbox)
    assert [data for *_, data in read[1:41]] == [rgb.tobytes() for rgb in frames]
    assert [number for _, number, _, _ in read] == [k % 15 + 1 for k in range(44)]
    assert all(pushed and offset == 0 for pushed, _, offset, _ in read)
    dark = read[41:]
    assert len(dark) == 3  # any of them may be lost
    assert not any(any(data) for *_, data in dark)


def test_colours_and_leds_are_wired_as_the_settings_say(inbox):
    wanted = Strip(
        kind="wled",
        host="127.0.0.1",
        port=inbox.getsockname()[1],
        leds=4,
        order="grb",
        pieces=((1, 0), (2, 3)),
    )
    strip = hw.open_strip(wanted)
    strip.show(np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]], np.uint8))
    strip.close()
    assert list(_arrived(inbox)[1][3]) == [5, 4, 6, 2, 1, 3, 8, 7, 9, 11, 10, 12]


class Clock:
    """A clock that goes when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def _shown(strip, clock, seconds, value=0):
    """Shows a hundred frames a second for so long."""
    for _ in range(round(seconds / 0.01)):
        strip.show(np.full((8, 3), value, np.uint8))
        clock.now_s += 0.01


def test_a_controller_that_does_not_listen_is_a_fault_and_lost_after_two_seconds():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    clock = Clock()
    strip = open_wled(_wanted(port), clock)
    with pytest.raises(StripLost, match="nothing takes DDP there, for 2 s") as lost:
        _shown(strip, clock, 10.0)
    assert strip.faults > 50  # every other send reports the one before
    assert clock.now_s == pytest.approx(LOST_S, abs=0.05)
    assert "strip.port" in lost.value.fix
    strip.close()


def test_a_controller_that_comes_back_is_lit_again(inbox):
    clock, port = Clock(), inbox.getsockname()[1]
    strip = open_wled(_wanted(port), clock)
    inbox.close()
    _shown(strip, clock, 0.2)
    faults = strip.faults
    assert faults
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
        again.setblocking(False)
        _shown(strip, clock, 1.0, value=9)
        assert strip.faults <= faults + 1  # the last report of before
        assert len(_arrived(again)) >= 99
        strip.close()


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a..b", "x" * 300])
def test_a_name_that_nobody_knows_is_refused_in_bounded_time(host):
    began_s = time.monotonic()
    with pytest.raises(StripLost) as refused:
        hw.open_strip(_wanted(4048, host=host))
    assert time.monotonic() - began_s < 5
    assert refused.value.fix
    assert host in str(refused.value)


def test_a_name_is_resolved_and_used(inbox):
    strip = hw.open_strip(_wanted(inbox.getsockname()[1], host="localhost"))
    strip.close()  # ::1 or 127.0.0.1, as this machine has it
    assert strip.faults == 0


def test_showing_never_waits_for_the_network(inbox):
    strip = hw.open_strip(_wanted(inbox.getsockname()[1], leds=300))
    slowest_s = 0.0
    for _ in range(2000):  # far more than the receiver's queue holds: the rest is lost, as on a network
        began_s = time.perf_counter()
        strip.show(np.full((300, 3), 1, np.uint8))
        slowest_s = max(slowest_s, time.perf_counter() - began_s)
    assert slowest_s < 0.1
    strip.close()
