"""A real station under all that a client can do to it at once: the bar goes on, and afterwards it is all over."""

from __future__ import annotations

import os
import signal
import time

import pytest

from appliance.station import link
from appliance.station.client import Link
from appliance.station.status import read_status
from tests.link import attack
from tests.link.room import until
from tests.serving.conftest import Make

QUIET_S, ATTACK_S = 3.0, 8.0
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
