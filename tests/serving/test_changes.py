"""Settings that change while the service runs: applied with the session going on, or refused with the old in force."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.errors import CameraLost, OutputError, SettingsError
from appliance.records import Light, Notice, Shown
from appliance.station.client import Link
from appliance.station.fallback import LAST_GOOD
from appliance.station.status import Status
from tests.serving.conftest import Make, Station
from tests.serving.test_serve import RATE, measuring


def recording(status: Status) -> bool:
    return status.state == Light.RECORDING and status.recording.on


def running(station: Make, more: str = "") -> tuple[Station, Status]:
    """A station that measures and records, and how it says that it is."""
    one = station(RATE + more)
    one.start()
    one.lit(measuring)
    return one, one.status(recording)


def test_another_mode_is_applied_between_two_frames_and_the_recording_goes_on(station: Make) -> None:
    one, before = running(station)
    one.file.write_text(one.text + '\n[feedback]\nmode = "off"\n')
    with Link.open(one.runtime) as link:
        assert link.reload() == {"changed": ["feedback.mode"], "reopened": []}
    one.lit(lambda rgb: not rgb.any())
    after = one.status(lambda s: s.mode == "off" and recording(s))
    assert after.pid == before.pid
    assert after.recording.file == before.recording.file


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[feedback]\nmode = "of"\n', "feedback.mode"),
        ("[feedback\n", "not TOML"),
        ('[feedback]\nmode = "off"\n[service]\nmemory_mb = 700.0\n', "service.memory_mb"),
    ],
)
def test_a_file_that_can_not_be_used_changes_nothing(station: Make, text: str, says: str) -> None:
    one, before = running(station)
    one.file.write_text(one.text + text)
    with Link.open(one.runtime) as link, pytest.raises(SettingsError, match=says):
        link.reload()
    one.lit(measuring)
    after = one.status(lambda s: s.frames > before.frames and recording(s))
    assert (after.pid, after.mode, after.recording.file) == (before.pid, before.mode, before.recording.file)


def test_a_camera_that_is_not_there_is_refused_and_the_old_one_goes_on(station: Make) -> None:
    one, before = running(station)
    one.file.write_text(one.text.replace('"virtual"', '"v4l2"'))
    with Link.open(one.runtime) as link:
        with pytest.raises(CameraLost, match="/dev/video0"):
            link.reload()
        assert link.settings()["settings"]["camera"]["source"] == "virtual"
    one.lit(measuring)
    assert one.status(recording).pid == before.pid


def test_a_longer_bar_is_opened_anew_and_shows_no_figure_until_its_sides_are_proved(station: Make) -> None:
    one, before = running(station)
    one.file.write_text(one.text.replace('kind = "wled"', 'kind = "wled"\nleds = 48'))
    with Link.open(one.runtime) as link:
        assert link.reload() == {"changed": ["strip.leds"], "reopened": ["strip"]}
        one.lit(lambda rgb: len(rgb) == 48 and not measuring(rgb) and bool(rgb.any()))
        assert one.status(lambda s: s.sides_proved is False and s.frames > before.frames).pid == before.pid
        link.commit("sides", {}, {}, proves_sides=True)
        one.lit(lambda rgb: len(rgb) == 48 and measuring(rgb))


def test_a_calibration_is_in_force_at_once_and_so_is_the_way_back(station: Make) -> None:
    one, before = running(station)
    with Link.open(one.runtime) as link:
        zero_deg = link.settings()["settings"]["motion"]["zero_deg"]
        number = link.commit("zero", {"motion.zero_deg": 1.5}, {"spread_deg": 0.02})
        assert number == 2
        told = link.settings()
        assert told["settings"]["motion"]["zero_deg"] == 1.5
        assert told["origins"]["motion.zero_deg"].startswith("calibration 2: zero")
        after = one.status(lambda s: s.calibration == 2 and recording(s))
        assert after.recording.file != before.recording.file  # one recording has one zero
        assert link.rollback(1) == 3
        assert link.settings()["settings"]["motion"]["zero_deg"] == zero_deg
        assert link.calibration().current.went_back_to == 1  # type: ignore[union-attr]
    one.lit(measuring)
    assert one.status(lambda s: s.calibration == 3).sides_proved


def test_a_card_that_takes_nothing_leaves_the_old_calibration_in_force(station: Make) -> None:
    one, _ = running(station)
    (one.state / ".calibration.json.part").mkdir()  # where every new file is written first
    with Link.open(one.runtime) as link:
        with pytest.raises(OutputError, match="calibration"):
            link.commit("zero", {"motion.zero_deg": 1.5}, {})
        assert link.settings()["settings"]["motion"]["zero_deg"] == 0.0
        assert link.settings()["revision"] == 1
    one.lit(measuring)


def test_what_is_tried_ends_with_the_connection_unless_it_is_to_stay(station: Make) -> None:
    one, _ = running(station)
    with Link.open(one.runtime) as link:
        link.set({"feedback.mode": "off"})
        assert one.status(lambda s: s.tried == ("feedback.mode",)).mode == "off"
        one.lit(lambda rgb: not rgb.any())
    one.lit(measuring)
    assert one.status(lambda s: not s.tried).mode == "asymmetry"
    with Link.open(one.runtime) as link:
        link.set({"feedback.mode": "box", "strip.brightness": 0.2}, keep=True)
    with Link.open(one.runtime) as link:
        assert link.settings()["tried"] == {"feedback.mode": "box", "strip.brightness": 0.2}
        assert link.settings()["origins"]["feedback.mode"] == "tried"
        link.unset()
        assert link.settings()["tried"] == {}


def test_what_would_exchange_the_sides_may_be_tried_but_shows_no_figure(station: Make) -> None:
    one, _ = running(station)
    with Link.open(one.runtime) as link:
        link.set({"feedback.swap": True})
        one.lit(Shown.UNSURE_SIDES)
    one.lit(measuring)


def test_a_change_before_there_is_a_camera_waits_for_it_or_starts_the_service_anew(station: Make) -> None:
    one = station('[camera]\nsource = "v4l2"\ndevice = "/dev/video-that-is-not-there"\n')
    one.start()
    one.status(lambda s: s.state == Light.NO_CAMERA)
    with Link.open(one.runtime) as link:
        link.set({"feedback.mode": "box"}, keep=True)
        assert link.settings()["settings"]["feedback"]["mode"] == "box"
        assert one.process is not None
        assert one.process.poll() is None
        assert link.commit("strip", {"strip.leds": 40}, {}) == 2
    assert one.ended()[0] == 0


def test_somebody_who_borrows_the_bar_gets_it_for_a_moment_only(station: Make) -> None:
    one, _ = running(station)
    lent = np.zeros((one.settings.strip.leds, 3), np.uint8)
    lent[3] = 40
    with Link.open(one.runtime) as link:
        link.bar(lent, 1.0)
        one.lit(lambda rgb: np.array_equal(rgb, lent))
        one.lit(measuring)


def test_a_service_of_a_tool_s_own_keeps_no_recordings(
    station: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPBAR_RECORD", "no")
    one = station(RATE)
    one.start()
    status = one.status(lambda s: s.state == Light.RUNNING and s.frames > 120)
    assert status.recording.trouble is None
    assert not (one.state / "recordings").exists()


def test_a_station_that_waits_for_better_settings_still_tells_those_in_force(station: Make) -> None:
    one = station(RATE)
    (one.state / LAST_GOOD).write_text(one.text)
    one.file.write_text("[camera\n")
    one.start()
    one.lit(Notice.FAULT)
    with Link.open(one.runtime) as link:
        assert link.settings()["origins"]["strip.kind"] == "default"
        one.status(lambda s: s.state == Light.FAULT)
