"""The package comes, changes and goes as Debian's packages do: settings and state stay until they are purged.

One running station in a container is taken through all of it. With HIPBAR_BENCH_LONG=1 (`python -m tests.station
service`) it is upgraded and downgraded first, to packages of other versions that are built for that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.station import bench, serving, watch
from tests.station.layers import cache
from tests.station.package import deb
from tests.station.report import Table
from tests.station.serving import APT, CONFIG, LONG, SETTINGS, UNIT, Station, installed, station

pytestmark = pytest.mark.station

SUITE = "trixie"
EDITED = SETTINGS + "# set up in room 2\n"
KEPT = "/var/lib/hipbar/recordings/of-last-year.hbk"
STOPPED_S, AGAIN_S = 3.0, 4.0
OURS = "/etc/hipbar /var/lib/hipbar /var/cache/hipbar /run/hipbar /usr/lib/hipbar /usr/share/hipbar /usr/bin/hipbar"


@pytest.fixture(scope="module")
def table(pytestconfig: pytest.Config) -> Iterator[Table]:
    """What was measured; printed and written down in the end."""
    rows = Table("upgrade")
    yield rows
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + rows.write())


@pytest.fixture(scope="module")
def one(pytestconfig: pytest.Config) -> Iterator[Station]:
    """A station that measures, with settings edited by hand and a recording to keep."""
    if reason := serving.lacking():
        if bench.wish() == "required":
            pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
        pytest.skip(reason)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        base = installed(SUITE, deb(SUITE))
    with station(base, EDITED, binds={"/packages": cache()}) as running:
        running.bar.await_first(0.0, watch.MEASURING)
        running.box.run(f"runuser -u hipbar -- sh -c 'mkdir -p $(dirname {KEPT}); echo kept >{KEPT}'")
        yield running


@pytest.mark.skipif(not LONG, reason="a package is built for each: HIPBAR_BENCH_LONG=1 takes the time")
@pytest.mark.parametrize("version", ["99.1", "0.0.1"])
def test_another_version_takes_over_with_settings_and_state_as_they_were(
    one: Station, table: Table, version: str
) -> None:
    file = deb(SUITE, version=version)
    before = one.main_pid
    began_s = time.monotonic()
    one.box.run(f"{APT} install --allow-downgrades /packages/{file.relative_to(cache())}", timeout_s=600)
    done_s = time.monotonic()
    one.until(lambda: one.active == "active" and one.main_pid != before)
    started_s = one.started_s()
    measuring_s = one.bar.await_first(started_s, watch.MEASURING)
    stopped_s = next(look.from_s for look in one.bar.looks(began_s) if look.name == watch.DARK)
    table.add(f"apt install {version}", seconds=done_s - began_s, not_measuring_ms=measuring_s - stopped_s)
    assert measuring_s - stopped_s <= AGAIN_S, one.bar.story(began_s)
    assert f" {version}" in one.box.run("hipbar --version").out.replace("~", " ")
    assert "enabled" in one.box.show(UNIT, "UnitFileState")["UnitFileState"]
    assert one.box.read(CONFIG) == EDITED
    assert one.box.read(KEPT) == "kept\n"


def test_removed_it_leaves_a_dark_bar_settings_and_state_and_nothing_else(one: Station, table: Table) -> None:
    began_s = time.monotonic()
    one.box.run(f"{APT} remove hipbar", timeout_s=120)
    table.add("apt remove", seconds=time.monotonic() - began_s)
    assert one.bar.await_first(began_s, watch.DARK) - began_s <= STOPPED_S
    assert one.bar.now == watch.DARK
    assert one.main_pid == 0
    assert one.box.read(CONFIG) == EDITED
    assert one.box.read(KEPT) == "kept\n"
    left = one.box.run(f"ls -d {OURS} 2>/dev/null", check=False).out.split()
    assert left == ["/etc/hipbar", "/var/lib/hipbar"]


def test_purged_it_leaves_nothing(one: Station) -> None:
    one.box.run(f"{APT} purge hipbar", timeout_s=120)
    assert one.box.run(f"ls -d {OURS} 2>/dev/null", check=False).out == ""
    known = one.box.run("dpkg --list hipbar 2>/dev/null | grep -c '^[ri]'; true").out
    assert known.strip() == "0"
    wants = one.box.run("find /etc/systemd /var/lib/systemd -name 'hipbar*' ! -path '*hipbar.service.d*'").out
    assert wants == ""
