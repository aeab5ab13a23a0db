"""A technician logs in over a real SSH connection and looks, explains, calibrates, watches: a terminal of 80 x 24.

The service runs on this computer with the virtual camera; who stands before it does what the terminal asks for. Some of
it also in the bench's machine, under systemd, as a user of the group `hipbar` who is no root. `python -m tests.station
technician` walks every step of the calibration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests import worlds
from tests.station import bench, login, technician
from tests.station.clinic import Clinic, figure
from tests.station.login import Login, Sshd
from tests.station.report import Table
from tests.station.setting_up import both_feet
from tests.station.vm import Vm

WITHIN_S = 60.0


@pytest.fixture(scope="module")
def can_log_in() -> None:
    """Skips with the reason where nobody can."""
    if reason := login.lacking():
        if bench.wish() == "required":
            pytest.fail(f"{reason} (and HIPBAR_BENCH=required)", pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def clinic(can_log_in: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """A station whose mount mirrors the picture and whose bar hangs the wrong way round, and nobody knows."""
    with Clinic.open(tmp_path_factory.mktemp("clinic"), turned=True, mirror=True) as one:
        yield one


@pytest.fixture(scope="module")
def sshd(clinic: Clinic, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """The way in."""
    with Sshd.started(tmp_path_factory.mktemp("ssh") / "server", clinic.environment) as one:
        yield one


@pytest.fixture(scope="module")
def there(sshd: Sshd) -> Iterator[Login]:
    """A terminal at that station."""
    with sshd.login(WITHIN_S) as terminal:
        yield terminal


def test_the_status_is_one_screen(there: Login, clinic: Clinic) -> None:
    clinic.until(lambda status: status.state == "ready")
    said = there.run("hipbar status")
    lines = said.out.splitlines()
    assert said.code == 0
    assert lines[0] == "healthy: marks in view, nobody runs"
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    for row in ("software", "camera", "latency", "  p99 ms", "light", "machine", "process", "crashes"):
        assert any(line.startswith(row) for line in lines), row


def test_watching_the_status_ends_with_ctrl_c_and_leaves_the_terminal_as_it_was(there: Login) -> None:
    with there.talk("hipbar status --watch --every 0.3") as talk:
        for _ in range(3):
            talk.expect("healthy")
        talk.type("\x03")
    assert talk.code == 0
    assert there.run("stty -a | grep -c isig").code == 0


def test_a_setting_is_explained_as_it_is_in_force(there: Login) -> None:
    said = there.run("hipbar config explain camera.rate_hz")
    assert said.code == 0
    assert said.out.startswith("camera.rate_hz = 60.0\n")
    assert there.run("hipbar config explain camera.rate").code == 2


def test_the_doctor_goes_through_the_station_and_says_how_it_is(there: Login, clinic: Clinic) -> None:
    said = there.run(f"hipbar doctor --yes --config {clinic.file}")
    assert said.code in (0, 7), said.out
    for check in ("frame rate", "light bar", "calibration", "delay"):
        assert check in said.out


def test_the_standing_zero_is_walked_through_and_kept(there: Login, clinic: Clinic) -> None:
    clinic.acts(act="stand")
    with there.talk("hipbar calibrate zero") as talk:
        talk.expect("Ready?")
        talk.type("\n")
        talk.expect("keep this?")
        talk.type("y\n")
    assert talk.code == 0, talk.out
    assert "`hipbar calibrate undo` takes it back" in talk.out
    wanted = -worlds.truth(clinic.scene).standing_deg  # the picture is mirrored, and nobody knows yet
    assert figure(talk.out, r"motion\.zero_deg +\S+ -> (\S+)") == pytest.approx(wanted, abs=0.15)


def test_a_runner_who_moves_has_no_standing_zero_and_nothing_is_kept(there: Login, clinic: Clinic) -> None:
    before = clinic.revision
    clinic.acts(act="shift")
    with there.talk("hipbar calibrate zero") as talk:
        talk.expect("Ready?")
        talk.type("\n")
        talk.expect("once more?")
        talk.type("n\n")
    clinic.acts(act="stand")
    assert talk.code == 9, talk.out
    assert clinic.revision == before


def test_left_is_proved_to_be_left_though_picture_and_bar_are_the_wrong_way_round(
    there: Login, clinic: Clinic
) -> None:
    clinic.acts(act="stand")
    clinic.until(lambda status: status.state == "ready")
    with there.talk("hipbar calibrate sides --wait 40") as talk:
        talk.expect("Ready?")
        talk.type("\n")
        both_feet(talk, clinic)
        talk.expect("set camera.mirror = true and look once more?")
        talk.type("y\n")
        both_feet(talk, clinic)
        looked = 0
        while (
            talk.either(["Which half of the bar is lit? [", "set strip.reversed = true?", "keep this? ["]) < 2
        ):
            asked = talk.out.endswith("[")
            talk.expect("] ")
            talk.type(f"{clinic.half()}\n" if asked else "y\n")
            looked += asked
        talk.type("y\n")
    assert talk.code == 0, talk.out
    assert looked == 6
    clinic.until(lambda status: bool(status.sides_proved))
    told = json.loads(there.run("hipbar config show --station --json").out)
    found = {row["key"]: row["value"] for row in told}
    assert found["camera.mirror"] is True
    assert found["strip.reversed"] is True


def test_the_last_step_is_undone_and_brought_back(there: Login, clinic: Clinic) -> None:
    proved = clinic.revision
    assert there.run("hipbar calibrate undo --yes").code == 0
    assert clinic.revision == proved + 1
    clinic.until(lambda status: status.sides_proved is False)
    assert there.run(f"hipbar calibrate rollback {proved} --yes").code == 0
    clinic.until(lambda status: bool(status.sides_proved))


def test_the_live_screen_comes_takes_a_key_and_goes(there: Login, clinic: Clinic) -> None:
    clinic.acts(act="run")
    clinic.until(lambda status: status.state in ("running", "recording"))
    config = f"--config {clinic.file}"
    with there.talk(f"hipbar watch {config}") as talk:
        talk.expect("steps/min", WITHIN_S)
        talk.type("q")
    assert talk.code == 0, talk.out
    clinic.acts(act="stand")


def test_a_line_that_breaks_gives_back_what_was_lent_and_tried(
    sshd: Sshd, there: Login, clinic: Clinic
) -> None:
    clinic.acts(act="stand")
    before = clinic.revision
    with sshd.login(WITHIN_S) as second:
        second.screen.sendline("hipbar calibrate strip")
        second.expect("as the runner sees it?")
        clinic.until(lambda status: status.lent and status.clients == 1)
    clinic.until(lambda status: not status.lent and status.clients == 0)
    assert clinic.status().tried == ()
    assert clinic.revision == before
    assert there.run("hipbar status").code == 0


def test_the_journal_needs_no_terminal_to_be_read(there: Login) -> None:
    said = there.run("hipbar logs --help")
    assert said.code == 0


def test_the_same_under_systemd_as_a_user_of_the_group_with_the_bar_on_the_bus(vm: Vm) -> None:
    with (
        technician.station(vm) as station,
        Login.started(vm.login_words("station"), technician.WITHIN_S) as tech,
    ):
        assert {"hipbar"} <= set(tech.run("id -nG").out.split()) - {"root"}
        walk = technician.Walk(tech, station, Table("technician-ci"))
        walk.some(walk.look, walk.zero, walk.edit)
        refused = vm.run("hipbar config reload", check=False, user="nobody")
        assert refused.code == 7, refused
        assert "group" in refused.err
