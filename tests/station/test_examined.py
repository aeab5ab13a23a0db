"""The installed service under a doctor's eye, in a container with a systemd and a journal of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.station import bench, serving
from tests.station.package import deb
from tests.station.serving import SETTINGS, UNIT, Installed, Station, installed, station

pytestmark = pytest.mark.station

SCENE = "/etc/hipbar/scene.toml"
STANDING = SETTINGS.replace("[feedback]", f'scene = "{SCENE}"\n[feedback]')
"""Somebody stands before the camera: a bar is let be while somebody runs."""

DOCTOR = "hipbar doctor --json --seconds 0.5"


@pytest.fixture(scope="module")
def base(pytestconfig: pytest.Config) -> Installed:
    """The station installed by apt."""
    if reason := serving.lacking():
        if bench.wish() == "required":
            pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
        pytest.skip(reason)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        return installed("trixie", deb("trixie"))


@pytest.fixture(scope="module")
def one(base: Installed) -> Iterator[Station]:
    """A station that has booted and measures."""
    with station(base, STANDING, files={SCENE: 'act = "stand"\n'}) as running:
        running.until(lambda: running.active == "active")
        yield running


def checks(one: Station, words: str = "--no-walk", user: str = "root") -> dict[str, dict[str, Any]]:
    """What the doctor says, by name."""
    said = one.box.run(f"{DOCTOR} {words}", check=False, user=user)
    assert "Traceback" not in said.err
    assert "itself fails" not in said.out
    return {check["name"]: check for check in json.loads(said.out)["checks"]}


def test_an_installed_service_is_found_healthy_with_its_watchdog_and_its_cache(one: Station) -> None:
    told = checks(one, "--yes")
    for name in ("settings", "wires", "light bar", "service", "kernel cache", "disk"):
        assert told[name]["verdict"] == "pass", told[name]
    assert told["service"]["figure"] == "active, enabled at power-up"
    assert told["watchdog"]["measured"]["service_s"] == 5
    assert "in /var/cache/hipbar/kernels, loaded in" in told["kernel cache"]["figure"]
    assert told["delay"]["measured"]["p50_ms"] < 75
    assert one.restarts == 0


def test_what_a_restart_and_a_cold_cache_leave_is_found(one: Station) -> None:
    one.strike("KILL")
    one.until(lambda: one.restarts == 1 and one.active == "active")
    one.box.run("mv /var/cache/hipbar/kernels /var/cache/hipbar/aside")
    one.box.run("install -d -o hipbar -g hipbar /var/cache/hipbar/kernels")
    told = checks(one)
    one.box.run("rm -r /var/cache/hipbar/kernels; mv /var/cache/hipbar/aside /var/cache/hipbar/kernels")
    assert told["service"]["verdict"] == "warn"
    assert "started anew once" in told["service"]["figure"]
    assert "cold" in told["kernel cache"]["figure"]


def test_the_journal_tells_what_happened_and_a_report_can_be_sent(one: Station) -> None:
    said = one.box.run("hipbar logs")
    assert "hipbar" in said.out
    assert "systemd  Started" in said.out
    assert "health:" not in said.out
    killed = one.box.run("hipbar logs --errors").out
    assert "SIGKILL" in killed or "signal" in killed or "killed" in killed
    assert json.loads(one.box.run("hipbar logs --json -n 3").out)["more"] is True
    assert one.box.run("hipbar logs", user="nobody", check=False).code in (0, 1)
    told = checks(one, user="nobody")
    assert told["service"]["verdict"] in ("pass", "warn")
    assert told["calibration"]["verdict"] == told["disk"]["verdict"] == "can't tell"
    assert "sudo" in told["camera"]["fix"] + told["calibration"]["fix"]
    one.box.run("hipbar doctor --no-walk --seconds 0.5 --report /tmp/report.tar.gz", check=False)
    assert one.box.run("stat -c %a /tmp/report.tar.gz").out == "600\n"
    inside = one.box.run("tar -xzO -f /tmp/report.tar.gz").out
    assert "systemd  Started" in inside
    assert one.box.read("/etc/hostname").strip() not in inside.split()


def test_a_service_that_is_stopped_is_found_and_its_station_started_as_its_own_user(one: Station) -> None:
    one.box.run(f"systemctl disable --now {UNIT}")
    owners = one.box.run("stat -c '%U %n' /var/lib/hipbar/*").out
    told = checks(one)
    assert told["service"]["verdict"] == "fail"
    assert "systemctl start hipbar" in told["service"]["fix"]
    assert told["dots"]["verdict"] in ("pass", "warn")  # seen by a station that was started for it
    assert one.box.run("stat -c '%U %n' /var/lib/hipbar/*").out == owners  # it ran as the service's own user
