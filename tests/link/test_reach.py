"""A tool finds the running service, or has one of its own that leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appliance.commands.reach import DIRECTLY, reached
from appliance.errors import ServiceDown, SettingsError, StripLost
from appliance.station import status
from appliance.station.calibration import read_calibration
from appliance.station.status import Status, StatusFile, process_state
from tests.link.room import LONG_S, Room, until

VIRTUAL = '[camera]\nsource = "virtual"\nrate_hz = 60\n[strip]\nkind = "memory"\n'
TOOL = """
import sys
from pathlib import Path
from appliance.commands.reach import reached
with reached(Path(sys.argv[1])) as link:
    print(link.hello().pid, flush=True)
    for _ in link.live(5): pass
"""


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A settings file, and no service."""
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("HIPBAR_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "state").mkdir()
    (tmp_path / "station.toml").write_text(VIRTUAL)
    yield tmp_path / "station.toml"
    assert not list(tmp_path.glob("hipbar-*"))


def test_a_service_that_runs_is_used_and_goes_on(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPBAR_RUNTIME", str(room.runtime))
    with reached(None) as link:
        assert link.hello().software == "hipbar test"
    with reached(None, start=False) as link:
        assert link.hello().software == "hipbar test"


def test_other_settings_than_those_of_the_running_service_are_refused(
    room: Room, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HIPBAR_RUNTIME", str(room.runtime))
    with (
        pytest.raises(SettingsError, match="the service runs, with the settings of f"),
        reached(tmp_path / "x.toml"),
    ):
        pass
    until(lambda: room.desk.clients == 0)


def test_without_a_service_a_tool_has_one_of_its_own_that_keeps_calibrations_and_no_recordings(
    alone: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with reached(alone) as link:
        pid = link.hello().pid
        assert link.hello().state not in ("starting", "warming up")
        assert len(link.follow(0.3)) > 5
        assert link.commit("zero", {"motion.zero_deg": 0.25}, {"spread_deg": 0.1}) == 1
    assert process_state(pid)[0] == ""
    assert DIRECTLY in capfd.readouterr().err
    state = alone.parent / "state"
    kept = read_calibration(state).current
    assert kept is not None
    assert kept.values == {"motion.zero_deg": 0.25}
    assert not (state / "recordings").exists()


def test_a_tool_that_may_not_start_one_says_how_to_start_the_service(alone: Path) -> None:
    with pytest.raises(ServiceDown, match="does not run") as down, reached(alone, start=False):
        pass
    assert "systemctl start" in down.value.fix


def test_settings_that_can_not_be_used_are_told_before_anything_is_started(alone: Path) -> None:
    alone.write_text('[strip]\nkind = "memory"\n')
    with pytest.raises(SettingsError, match=r"camera\.source is not set"), reached(alone):
        pass
    with pytest.raises(SettingsError, match="no such file"), reached(alone.with_name("none.toml")):
        pass


def test_what_a_service_of_the_tool_s_own_lacks_is_said_soon(alone: Path) -> None:
    alone.write_text(VIRTUAL.replace('"memory"', '"apa102"\ndevice = "/dev/spidev-that-is-not-there"'))
    began_s = time.monotonic()
    with pytest.raises(StripLost, match="no such device") as lost, reached(alone):
        pass
    assert lost.value.fix
    assert time.monotonic() - began_s < LONG_S


def test_a_service_that_lives_and_does_not_answer_is_not_fought_for_its_devices(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.commands.reach._BETWEEN_S", 0.2)
    runtime = Path(os.environ["HIPBAR_RUNTIME"])
    runtime.mkdir()
    living = Status(pid=os.getpid(), process_start=process_state(os.getpid())[1], state="running")
    StatusFile(runtime).write(living)
    with pytest.raises(ServiceDown, match="its control link does not answer"), reached(alone):
        pass
    assert msgspec.json.decode((runtime / status.FILE).read_bytes())["state"] == "running"


def test_a_service_of_the_tool_s_own_ends_with_it_however_it_ends(alone: Path) -> None:
    words = [sys.executable, "-c", TOOL, str(alone)]
    ends = [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
    tools = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in ends
    ]
    try:
        pids = [int(tool.stdout.readline()) for tool in tools if tool.stdout]
        for tool, number in zip(tools, ends, strict=True):
            tool.send_signal(number)
            tool.wait(LONG_S)
        until(lambda: not any(process_state(pid)[0] for pid in pids))
    finally:
        for tool in tools:
            tool.kill()
            tool.communicate()
    (left,) = alone.parent.glob("hipbar-*")  # of the tool that was killed, which could not tidy up
    shutil.rmtree(left)
