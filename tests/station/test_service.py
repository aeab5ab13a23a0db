"""The installed service meets its troubles in a container with a systemd of its own: the right light, in time.

What the bar shows comes from a witness that takes its frames; times run on the one clock that both sides share. With
HIPBAR_BENCH_LONG=1 (`python -m tests.station service`) bookworm has its turn too, and kills come by the hundred.
The table of times is printed, and kept in the bench's cache, folder `reports`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from appliance import config
from appliance.station.status import Status
from tests.calibrated import proof
from tests.station import bench, serving, watch
from tests.station.kills import MANY, kill_often
from tests.station.package import deb
from tests.station.report import Table
from tests.station.serving import CALIBRATION, LONG, SETTINGS, UNIT, Installed, Station, installed, station

pytestmark = pytest.mark.station

LIGHT_S, MEASURING_S = 1.0, 3.0
"""From the start of the process, with compiled kernels in their cache."""
DARK_S, BACK_S = 1.5, 6.0
"""From a kill: until the bar is dark, and until it measures again."""
WATCHDOG_S, ABORT_S, STOP_S = 5.0, 2.0, 2.0
SCORE = 2.0
STALE_S = 0.1
NO_CAMERA = SETTINGS.replace('"virtual"', '"v4l2"\ndevice = "/dev/video-that-is-not-there"')
SMALL_DISK = SETTINGS + "[service]\nreserve_mb = 10\n"
WRONG: dict[str, tuple[str | None, str]] = {
    "a setting misspelt": (SETTINGS.replace("rate_hz", "rate_herz"), "rate_herz"),
    "no TOML": ("[camera\nsource = virtual\n", "TOML"),
    "empty": ("", "strip.kind"),
    "deleted": (None, "hipbar.toml"),
    "not readable": (SETTINGS, "hipbar.toml"),
}
"""What somebody may do to the settings, and a word of what the station has to say."""


@pytest.fixture(scope="module", params=["trixie", "bookworm"] if LONG else ["trixie"])
def suite(request: pytest.FixtureRequest) -> str:
    """The Debian that it is installed in."""
    return str(request.param)


@pytest.fixture(scope="module")
def base(suite: str, pytestconfig: pytest.Config) -> Installed:
    """The station installed by apt; made once and kept."""
    if reason := serving.lacking():
        if bench.wish() == "required":
            pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
        pytest.skip(reason)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        made = installed(suite, deb(suite))
    with station(
        made
    ) as first:  # one that does not work at all is told once, not by every test after its patience
        first.bar.await_first(0.0, watch.MEASURING)
    return made


@pytest.fixture(scope="module")
def table(suite: str, pytestconfig: pytest.Config) -> Iterator[Table]:
    """What was measured; printed and written down in the end."""
    rows = Table(f"service-{suite}")
    yield rows
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print("\n" + rows.write())


@pytest.fixture
def one(base: Installed) -> Iterator[Station]:
    """A station that has booted and measures."""
    with station(base) as running:
        running.bar.await_first(0.0, watch.MEASURING)
        yield running


def test_apt_installs_a_service_that_starts_with_the_machine(base: Installed, table: Table) -> None:
    table.add("installed by apt", seconds=base.seconds)
    assert "LoadState=loaded" in base.facts["unit"].said
    assert "UnitFileState=enabled" in base.facts["unit"].said
    assert base.facts["settings"].said == "root:root 644\n"
    assert base.facts["state"].said == "hipbar:hipbar 750\n"


def test_an_exposure_score_of_at_most_two_inside_a_running_systemd(base: Installed, table: Table) -> None:
    score = re.search(r"exposure level for hipbar.service: ([\d.]+)", base.facts["score"].said)
    assert score
    table.add("systemd-analyze security", score=float(score[1]))
    assert float(score[1]) <= SCORE


def test_its_user_has_the_groups_it_needs_and_no_login(base: Installed) -> None:
    assert base.facts["user"].said.strip().endswith("/nologin")
    assert base.facts["password"].said.split()[1] == "L"
    assert set(base.facts["groups"].said.split()) == {"hipbar", "video", "spi", "gpio"}


def test_nothing_listens_on_a_network(base: Installed) -> None:
    assert base.facts["listening"] == (0, "")


def test_light_within_one_second_and_measuring_within_three(base: Installed, table: Table) -> None:
    with station(base) as one:
        measuring_s = one.bar.await_first(0.0, watch.MEASURING)
        started_s = one.started_s()
        lit_s = one.bar.await_first(started_s, watch.STARTING)
        one.until(lambda: one.active == "active", 3.0)
        table.add("start", light_ms=lit_s - started_s, measuring_ms=measuring_s - started_s)
        assert one.restarts == 0
        assert lit_s - started_s <= LIGHT_S, one.bar.story(started_s)
        assert measuring_s - started_s <= MEASURING_S, one.bar.story(started_s)
        listening = one.box.run("ss -Hlntup").out.splitlines()
        assert all("127.0.0.1:4048" in line and "python3" in line for line in listening)  # the witness


def test_killed_it_darkens_the_bar_and_measures_again(one: Station, table: Table) -> None:
    done = kill_often(one, MANY if LONG else 3)
    dark, back = done.rows().values()
    table.add(
        f"kill -9, {len(done.kills)} times, median", dark_ms=dark["p50"] / 1e3, measuring_ms=back["p50"] / 1e3
    )
    table.add(
        f"kill -9, {len(done.kills)} times, worst", dark_ms=dark["max"] / 1e3, measuring_ms=back["max"] / 1e3
    )
    assert done.left == ()
    assert dark["max"] <= 1e3 * DARK_S, done.as_text()
    assert back["p50"] <= 1e3 * BACK_S, done.as_text()


def test_starts_that_fail_again_and_again_are_no_reason_to_give_up(one: Station, table: Table) -> None:
    count = MANY if LONG else 8  # systemd's own limit would be five within ten seconds
    before = one.restarts
    one.box.run("mount --bind /usr/bin/false /usr/bin/hipbar")
    one.strike("KILL")
    one.until(lambda: one.restarts >= before + count, 3.0 * count)
    one.box.run("umount -l /usr/bin/hipbar")
    mended_s = time.monotonic()
    back_s = one.bar.await_first(mended_s, watch.MEASURING)
    table.add(f"{count} failing starts", measuring_ms=back_s - mended_s)


def test_frozen_it_is_ended_by_the_watchdog_and_measures_again(one: Station, table: Table) -> None:
    before = one.restarts
    struck_s = one.strike("STOP")
    dark_s = one.bar.await_first(struck_s, watch.DARK)
    back_s = one.bar.await_first(dark_s, watch.MEASURING)
    table.add("frozen (SIGSTOP)", dark_ms=dark_s - struck_s, measuring_ms=back_s - struck_s)
    assert dark_s - struck_s <= WATCHDOG_S + ABORT_S + DARK_S
    assert back_s - dark_s <= BACK_S
    assert one.restarts == before + 1
    assert "Watchdog timeout" in one.box.journal(f"-u {UNIT}")
    one.until(lambda: one.active == "active", 3.0)


@pytest.mark.parametrize("how", WRONG)
def test_wrong_settings_are_a_fault_on_the_bar_until_they_are_mended(
    one: Station, table: Table, how: str
) -> None:
    text, word = WRONG[how]
    one.until(lambda: one.active == "active", 3.0)
    one.settle(text)
    if how == "not readable":
        one.box.run(f"chmod 0 {serving.CONFIG}")
    time.sleep(0.5)
    looked_s = time.monotonic()
    assert one.bar.now == watch.MEASURING  # it reads the file when it starts, and nothing makes it start
    one.box.run(f"systemctl restart --no-block {UNIT}")
    lit_s = one.bar.await_first(looked_s, watch.FAULT)
    started_s = one.started_s()
    one.until(lambda: word in one.words)
    assert one.active == "activating"
    one.until(lambda: state(one) == "fault", 3.0)
    one.box.run(f"chmod 644 {serving.CONFIG}", check=False)
    mended_s = one.settle(SETTINGS)
    back_s = one.bar.await_first(mended_s, watch.MEASURING)
    table.add(f"settings: {how}", light_ms=lit_s - started_s, measuring_ms=back_s - mended_s)
    assert lit_s - started_s <= LIGHT_S, one.bar.story(started_s)


def test_settings_misspelt_before_the_first_start_are_a_fault_on_the_bar(
    base: Installed, table: Table
) -> None:
    text, word = WRONG["a setting misspelt"]
    assert text
    with station(base, text) as one:
        lit_s = one.bar.await_first(0.0, watch.FAULT)
        started_s = one.started_s()
        one.until(lambda: word in one.words)
        mended_s = one.settle(SETTINGS)
        back_s = one.bar.await_first(mended_s, watch.MEASURING)
        table.add(
            "settings: misspelt at first start", light_ms=lit_s - started_s, measuring_ms=back_s - mended_s
        )
        assert lit_s - started_s <= LIGHT_S, one.bar.story(started_s)


def test_settings_spoilt_before_the_power_went_are_a_fault_on_the_bar_that_was_known(one: Station) -> None:
    one.box.until(f"cmp -s {serving.CONFIG} /var/lib/hipbar/last-good.toml")
    one.settle(WRONG["no TOML"][0])
    off_s = time.monotonic()
    one.box.reboot()
    one.bar.await_first(off_s, watch.FAULT)
    assert one.bar.first(off_s, watch.MEASURING) is None
    mended_s = one.settle(SETTINGS)
    one.bar.await_first(mended_s, watch.MEASURING)


def test_without_a_camera_the_bar_says_so_and_the_machine_is_up(base: Installed, table: Table) -> None:
    with station(base, NO_CAMERA) as one:
        lit_s = one.bar.await_first(0.0, watch.NO_CAMERA)
        started_s = one.started_s()
        one.box.until("systemctl is-active -q multi-user.target")
        one.until(lambda: "no camera" in one.words)
        assert one.active == "activating"
        one.until(lambda: state(one) == "no camera", 3.0)
        mended_s = one.settle(SETTINGS)
        back_s = one.bar.await_first(mended_s, watch.MEASURING, timeout_s=40.0)
        table.add("no camera at boot", light_ms=lit_s - started_s, measuring_ms=back_s - mended_s)


def test_a_full_disk_ends_the_recording_and_not_the_light(base: Installed, table: Table) -> None:
    with station(base, SMALL_DISK) as one:
        one.bar.await_first(0.0, watch.MEASURING)
        one.box.run(
            f"systemctl stop {UNIT}; mount -t tmpfs -o size=64m,mode=0750,uid=hipbar,gid=hipbar tmpfs /var/lib/hipbar"
        )
        one.box.write(CALIBRATION, proof(config.parse(SETTINGS)))
        one.box.run(f"systemctl start {UNIT}")
        one.until(lambda: recording(one))
        began_s = time.monotonic()
        one.box.run("cat /dev/zero >/var/lib/hipbar/full", check=False)
        full_s = time.monotonic()
        told_s = one.until(lambda: not recording(one))
        status = one.status()
        assert status
        assert status.recording.trouble
        assert status.troubles
        assert one.active == "active"
        one.box.run("rm /var/lib/hipbar/full")
        room_s = time.monotonic()
        back_s = one.until(lambda: recording(one), 40.0) if LONG else room_s
        gap_s = one.bar.longest_gap_s(began_s, back_s)
        table.add("disk full", told_ms=told_s - full_s, longest_gap_ms=gap_s)
        if LONG:
            table.add("room on the disk again", recording_ms=back_s - room_s)
        assert gap_s <= STALE_S + 0.05
        assert {look.name for look in one.bar.looks(began_s)} <= {watch.MEASURING, watch.FADING}


def state(one: Station) -> str:
    """What it says of itself."""
    status = one.status()
    return status.state if status else ""


def recording(one: Station) -> bool:
    """Whether it says that a recording is being written."""
    status = one.status()
    return bool(status and status.recording.on)


def test_systemctl_reload_applies_a_changed_file_or_refuses_it_whole(one: Station, table: Table) -> None:
    """From within the unit's own walls, as its own user, by the control link."""
    pid, began_s = one.main_pid, one.settle(SETTINGS.replace('"live"', '"off"'))
    one.box.run(f"systemctl reload {UNIT}")
    table.add("systemctl reload", applied_ms=time.monotonic() - began_s)
    one.until(lambda: (one.status() or Status()).mode == "off")
    one.settle("[camera\n")
    refused = one.box.run(f"systemctl reload {UNIT}", check=False)
    assert refused.code != 0
    assert "not TOML" in one.box.journal()
    assert (one.active, one.main_pid, one.restarts) == ("active", pid, 0)
    assert (one.status() or Status()).mode == "off"


def test_stopped_it_leaves_the_bar_dark(one: Station, table: Table) -> None:
    asked_s = time.monotonic()
    one.box.run(f"systemctl stop {UNIT}")
    stopped_s = time.monotonic()
    dark_s = one.bar.await_first(asked_s, watch.DARK)
    table.add("systemctl stop", dark_ms=dark_s - asked_s, stopped_ms=stopped_s - asked_s)
    assert dark_s - asked_s <= STOP_S
    assert stopped_s - asked_s <= STOP_S
    assert one.bar.now == watch.DARK
    assert one.active == "inactive"


def test_switched_off_the_bar_is_dark_before_the_machine_is_off(one: Station, table: Table) -> None:
    asked_s = time.monotonic()
    off_s = one.box.off()
    dark_s = one.bar.await_first(asked_s, watch.DARK)
    table.add("poweroff", dark_ms=dark_s - asked_s, off_ms=off_s)
    assert one.bar.now == watch.DARK
    assert dark_s - asked_s <= STOP_S


def test_rebooted_by_force_it_measures_again(one: Station, table: Table) -> None:
    asked_s = time.monotonic()
    booted_s = one.box.reboot()
    lit_s = one.bar.await_first(asked_s, watch.STARTING)
    back_s = one.bar.await_first(lit_s, watch.MEASURING)
    table.add("reboot -f", booted_ms=booted_s, light_ms=lit_s - asked_s, measuring_ms=back_s - asked_s)
