"""A real station under all that a client can do to it at once: the bar goes on, and afterwards it is all over."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.station import link
from appliance.station.client import Link
from appliance.station.status import read_status
from tests.link import attack
from tests.link.room import received, until
from tests.link.shapes import ANY_FIELDS, ANYTHING, ASKED, ASKS
from tests.serving.conftest import Make

QUIET_S, ATTACK_S = 2.0, 6.0
STILL_MS = 500.0
"""A bar that stood still for so long was kept waiting by somebody; a busy machine keeps it waiting for less."""

GROWN_MB = 60.0


def test_no_client_stops_the_bar_ends_the_station_or_fills_its_memory(
    station: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    one = station(attack.SETTINGS)
    one.start(**({"preexec_fn": attack.first_of_all} if os.geteuid() == 0 else {}))
    one.hears("READY=1")
    assert one.process
    pid, bar = one.process.pid, one._bar
    before = attack.measured((), one.runtime, bar, pid, QUIET_S)
    during = attack.measured(
        ("noise", "nested", "flood", "asking", "crowd", "killed", "unread", "trying"),
        *(one.runtime, bar, pid, ATTACK_S),
    )
    with capsys.disabled():
        print(f"\n{attack.HEAD}\n{attack.line(before)}\n{attack.line(during)}")
    assert one.process.poll() is None
    assert during.gap_max_ms < STILL_MS
    assert during.age_p99_ms < STILL_MS / 4
    assert during.memory_mb < before.memory_mb + GROWN_MB
    assert during.descriptors < before.descriptors + 20
    last = read_status(one.runtime)
    assert last is not None
    assert last.written_s is not None
    assert time.monotonic() - last.written_s < 3.0
    with Link.open(one.runtime, timeout_s=10.0) as tool:
        assert tool.hello().protocol == link.PROTOCOL
        assert tool.settings()["tried"] == {}
    until(lambda: one.status().clients == 0)
    one.signal(signal.SIGTERM)
    code, log = one.ended()
    assert code == 0, log
    assert log.count("\n") < 50  # nor its log


def test_whatever_is_made_up_is_answered_or_sent_away_and_the_station_measures_on(station: Make) -> None:
    one = station(attack.SETTINGS)
    one.start()
    one.hears("READY=1")
    frames = one.status(lambda s: s.frames > 0).frames
    asked = ASKED.map(link.framed)
    nonsense = st.builds(lambda ask, number, more: link.framed({"ask": ask, "id": number, **more}),
                         st.sampled_from(ASKS), ANYTHING, ANY_FIELDS)  # fmt: skip
    cut = st.builds(lambda frame, at: frame[: at % len(frame)], asked, st.integers(0, 10_000))
    turned = st.builds(lambda frame, at: frame[:4] + frame[5:] + bytes([at % 256]), asked, st.integers(0))

    @settings(max_examples=90, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(asked | nonsense | cut | turned | st.binary(max_size=300), st.booleans())
    def made_up(data: bytes, waits: bool) -> None:
        sock = attack.knock(one.runtime)
        if sock is None:
            return
        with sock, contextlib.suppress(TimeoutError, ConnectionError):
            sock.settimeout(0.05)
            sock.sendall(data)
            if waits:
                told = received(sock)
                assert set(told) & {"ok", "error"}

    made_up()
    one.status(lambda s: s.frames > frames + 120 and s.clients == 0)
    with Link.open(one.runtime, timeout_s=10.0) as tool:
        assert tool.settings()["tried"] == {}
        assert tool.picture().luma.size
