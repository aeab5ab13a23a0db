"""The service from its first light to its end, as a process of its own with a camera that renders a recorded runner."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from appliance.config import parse
from appliance.errors import StripLost
from appliance.records import Light, Notice, Shown
from appliance.station.crash import crashes, read_crash
from appliance.station.fallback import LAST_GOOD
from appliance.station.places import NOT_ON_DATA
from tests.calibrated import prove_sides
from tests.serving.conftest import Make

RATE = '[camera]\nsource = "virtual"\nrate_hz = 60\n'
ABSENT = '[camera]\nsource = "v4l2"\ndevice = "/dev/video-that-is-not-there"\n'


def measuring(rgb: np.ndarray) -> bool:
    """More LEDs than any still picture lights, and next to each other."""
    lit = rgb.any(axis=1)
    return bool((lit[1:] & lit[:-1]).any())


def test_a_start_in_order_light_then_ready_then_heartbeats_and_a_dark_end(station: Make) -> None:
    one = station(RATE)
    one.start()
    one.lit(Notice.STARTING)
    one.lit(Shown.WARMING_UP)
    ready_s = one.hears("READY=1")
    one.lit(measuring)
    one.hears("WATCHDOG=1")
    one.hears("WATCHDOG=1")
    assert one.told[-1][0] - ready_s < 30
    status = one.status(lambda s: s.state == Light.RECORDING)
    assert status.frames > 0
    assert status.troubles == ()
    one.signal(signal.SIGTERM)
    one.lit(lambda rgb: not rgb.any())
    one.hears("STOPPING=1")
    code, log = one.ended()
    assert code == 0, log
    assert one.status().state == Light.OFF
    assert (one.state / LAST_GOOD).read_text() == one.text
    assert crashes(one.state / "crashes") == []
    assert list((one.state / "recordings").glob("*.hbk"))


def test_without_a_camera_the_bar_says_so_and_systemd_hears_why_and_no_heartbeat(station: Make) -> None:
    one = station(ABSENT)
    one.start()
    one.lit(Notice.NO_CAMERA)
    one.hears("STATUS=no camera: /dev/video-that-is-not-there")
    status = one.status(lambda s: s.state == Light.NO_CAMERA)
    assert "no such device" in status.troubles[0]
    one.signal(signal.SIGTERM)
    code, log = one.ended()
    assert code == 0, log
    assert not any(line in ("READY=1", "WATCHDOG=1") for _, line in one.told)


def test_a_camera_that_is_waited_for_is_looked_for_where_mended_settings_say(station: Make) -> None:
    one = station(ABSENT)
    one.start()
    one.lit(Notice.NO_CAMERA)
    one.file.write_text(one.text.replace(ABSENT, RATE))
    code, log = one.ended()
    assert code == 0, log
    assert "the settings file has changed" in log


def test_settings_that_are_wrong_are_a_fault_until_somebody_mends_them(station: Make) -> None:
    one = station(RATE)
    one.file.write_text(one.text + "\n[motion]\nnobody_knows = 1\n")
    one.start()
    one.lit(Notice.FAULT)
    one.hears("STATUS=fault: ")
    assert "nobody_knows" in one.status(lambda s: s.state == Light.FAULT).troubles[0]
    one.file.write_text(one.text)
    code, log = one.ended()
    assert code == 0, log
    assert "the settings file has changed: starting anew" in log
    one.start()
    one.hears("READY=1")


@pytest.mark.parametrize(
    ("left", "missing"), [("", "strip.kind"), ('[strip]\nkind = "memory"\n', "camera.source")]
)
def test_an_emptied_file_is_a_fault_and_no_recorded_runner(station: Make, left: str, missing: str) -> None:
    one = station(RATE)
    (one.state / LAST_GOOD).write_text(one.text)
    one.file.write_text(left)
    one.start()
    one.hears(f"STATUS=fault: {one.file}: {missing} is not set")


def test_settings_that_are_no_toml_show_their_fault_on_the_bar_that_worked_last(station: Make) -> None:
    one = station(RATE)
    (one.state / LAST_GOOD).write_text(one.text)
    one.file.write_text("[[[")
    one.start()
    one.lit(Notice.FAULT)
    one.file.unlink()
    assert one.ended()[0] == 0
    one.start()
    one.lit(Notice.FAULT)  # a file that has gone is a fault too


def test_what_was_killed_is_reported_by_the_next_one(station: Make) -> None:
    one = station(RATE)
    one.start()
    one.hears("WATCHDOG=1")
    one.signal(signal.SIGKILL)
    assert one.ended()[0] == -signal.SIGKILL
    one.start()
    crash = read_crash(one.report())
    assert "SIGKILL" in crash.why
    assert crash.frames > 10


def test_a_fatal_signal_is_reported_by_its_name(station: Make) -> None:
    one = station(RATE)
    one.start()
    one.hears("WATCHDOG=1")
    one.signal(signal.SIGABRT)  # what systemd sends when the heartbeats stop
    assert one.ended()[0] == -signal.SIGABRT
    one.start()
    assert "SIGABRT" in read_crash(one.report()).why


def test_a_bar_that_never_takes_its_colours_ends_the_process_with_words_for_it(station: Make) -> None:
    one = station(RATE)
    terminal = RATE + '[strip]\nkind = "terminal"\n'
    one.file.write_text(terminal)
    prove_sides(one.state, parse(terminal))
    ours, theirs = os.openpty()  # a terminal that nobody reads: writing to it hangs as soon as it is full
    one.start(stdout=theirs)
    os.close(theirs)
    code, log = one.ended()
    os.close(ours)
    assert code == StripLost.exit_code
    assert "while lighting the bar: starting anew" in log
    one.file.write_text(one.text)
    one.start()
    assert "lighting the bar" in read_crash(one.report()).traceback


@pytest.mark.parametrize("broken", ["state", "runtime"])
def test_a_folder_that_can_not_be_had_costs_what_is_kept_there_but_not_the_bar(
    station: Make, broken: str
) -> None:
    one = station(RATE)
    folder: Path = getattr(one, broken)
    shutil.rmtree(folder)
    folder.write_text("no folder")
    one.start()
    one.lit(
        measuring if broken == "runtime" else Shown.UNSURE_SIDES
    )  # what was proved is kept with the state
    one.hears("WATCHDOG=1")
    one.signal(signal.SIGTERM)
    code, log = one.ended()
    assert code == 0, log


def test_a_bar_whose_sides_nobody_has_proved_shows_no_figure_and_the_status_says_what_to_do(
    station: Make,
) -> None:
    one = station(RATE)
    (one.state / "calibration.json").unlink()
    one.start()
    one.lit(Shown.UNSURE_SIDES)
    status = one.status(lambda s: s.state in (Light.RUNNING, Light.RECORDING) and bool(s.troubles))
    assert "hipbar calibrate sides" in status.troubles[0]
    assert status.sides_proved is False


def test_a_calibration_that_is_damaged_is_told_and_costs_the_figures_but_not_the_station(
    station: Make,
) -> None:
    one = station(RATE)
    (one.state / "calibration.json").write_bytes(b'{"format": "hipbar-calibration"')
    one.start()
    one.lit(Shown.UNSURE_SIDES)
    assert any("damaged" in trouble for trouble in one.status(lambda s: len(s.troubles) > 1).troubles)


def test_the_status_tells_stages_gait_mode_and_calibration(station: Make) -> None:
    one = station(RATE)
    one.start()
    status = one.status(lambda s: s.gait.cadence_spm is not None and s.gait.left_hip_drop_deg is not None)
    assert status.mode == "asymmetry"
    assert status.calibration == 1
    assert status.sides_proved
    stages = status.stages_ms
    assert all(getattr(stages, name).p50 is not None for name in stages.__struct_fields__)
    assert status.gait.quality is not None
    assert 0.5 < status.gait.quality <= 1.0
    assert status.gait.cadence_spm is not None
    assert 140 < status.gait.cadence_spm < 200


def test_a_data_partition_that_is_missing_is_told(station: Make) -> None:
    one = station(RATE)
    (one.state / NOT_ON_DATA).touch()
    one.start()
    assert "data partition" in one.status(lambda s: s.frames > 0 and bool(s.troubles)).troubles[0]
