"""What is calibrated, how well, and the way back: from calibration files as the station writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from appliance import cli
from appliance.commands.calibrate.past import before_last
from appliance.commands.calibrate.table import GOOD_DAYS, Row, table
from appliance.config import Settings, parse
from appliance.errors import CalibrationError
from appliance.station.calibration import STEPS, Calibration, committed, gone_back, write_calibration

NOW_S = 1_795_000_000.0
DAY_S = 86400.0
LENS = {"lens.fx_px": 640.0, "lens.fy_px": 641.0, "lens.k1": -0.1}


def grown(
    *steps: tuple[str, dict[str, Any], dict[str, Any], float], clock: bool | None = True
) -> Calibration:
    """Steps as (name, values, figures, days ago)."""
    made = Calibration()
    for name, values, figures, days in steps:
        made = committed(
            made,
            Settings(),
            name,
            values,
            figures,
            now_s=NOW_S - days * DAY_S,
            clock_set=clock,
            proves_sides=name == "sides",
        )
    return made


def row(step: str, calibration: Calibration, settings: Settings | None = None) -> Row:
    return next(r for r in table(calibration, settings or Settings(), NOW_S) if r.step == step)


ZERO = ("zero", {"motion.zero_deg": -1.2}, {"zero_deg": -1.2, "spread_deg": 0.11}, 0.2)


def test_the_table_names_every_step_that_can_be_kept() -> None:
    rows = table(Calibration(), Settings(), NOW_S)
    assert {r.step for r in rows} == set(STEPS) == set(GOOD_DAYS)
    assert {r.verdict for r in rows} == {"never"}


def test_a_fresh_step_is_good_and_says_its_figure() -> None:
    found = row("zero", grown(ZERO))
    assert (found.verdict, found.why) == ("good", None)
    assert found.figure == "-1.20 deg, spread 0.11 deg"
    assert found.age_days == pytest.approx(0.2, abs=0.01)


def test_a_zero_is_old_after_a_day_and_a_lens_is_not() -> None:
    lens = ("lens", LENS, {"rms_px": 0.21, "views": 14}, 40.0)
    made = grown(lens, ("zero", {"motion.zero_deg": 1.0}, {}, 1.5))
    assert row("zero", made).verdict == "old"
    assert row("lens", made).verdict == "good"
    assert row("lens", made).figure == "0.21 px rms, 14 views"


def test_nothing_is_said_of_the_age_when_the_clock_was_not_set() -> None:
    found = row("zero", grown(("zero", {"motion.zero_deg": 1.0}, {}, 9000.0), clock=False))
    assert (found.age_days, found.verdict) == (None, "good")


def test_a_figure_does_not_fit_once_what_it_rests_on_was_made_anew() -> None:
    made = grown(ZERO, ("level", {"lens.roll_deg": 0.4}, {"roll_deg": 0.4, "pitch_deg": 0.0}, 0.1))
    found = row("zero", made)
    assert (found.verdict, found.why) == ("does not fit", "level was measured after it")


def test_a_lens_of_another_sensor_mode_does_not_fit() -> None:
    made = grown(("lens", LENS, {}, 1.0))
    other = parse("[camera]\nwidth_px = 640\nheight_px = 480\n")
    assert "another sensor mode" in str(row("lens", made, other).why)


def test_sides_do_not_fit_once_the_camera_s_mount_has_changed() -> None:
    made = grown(
        ("sides", {"camera.mirror": False, "strip.reversed": False}, {"lifts": 2, "bar": "seen"}, 3.0)
    )
    assert row("sides", made).verdict == "good"
    assert row("sides", made).figure == "2 lifts, bar seen"
    assert row("sides", made, parse("[camera]\nrotate_deg = 180\n")).verdict == "does not fit"


def test_angles_of_another_mount_do_not_fit() -> None:
    made = grown(("zero", {"motion.zero_deg": 1.0}, {"zero_deg": 1.0, "mirror": False, "rotate_deg": 0}, 0.1))
    assert row("zero", made).verdict == "good"
    assert row("zero", made, parse("[camera]\nmirror = true\n")).why == "camera.mirror is not as it was"
    assert (
        row("zero", made, parse("[camera]\nrotate_deg = 180\n")).why == "camera.rotate_deg is not as it was"
    )


def test_a_step_that_was_undone_is_no_longer_there() -> None:
    made = gone_back(grown(ZERO), 0, now_s=NOW_S)
    assert row("zero", made).verdict == "never"


def test_undo_after_undo_goes_back_step_by_step() -> None:
    made = grown(*(("zero", {"motion.zero_deg": float(k)}, {}, 1.0) for k in range(3)))
    went = []
    for _ in range(3):
        to = before_last(made)
        went.append(to)
        made = gone_back(made, to, now_s=NOW_S)
    assert went == [2, 1, 0]
    with pytest.raises(CalibrationError, match="nothing to undo"):
        before_last(made)


def test_undo_of_a_step_after_a_rollback_goes_back_to_the_rollback() -> None:
    made = gone_back(
        grown(*(("zero", {"motion.zero_deg": float(k)}, {}, 1.0) for k in range(2))), 1, now_s=NOW_S
    )
    made = committed(made, Settings(), "level", {"lens.roll_deg": 1.0}, {}, now_s=NOW_S)
    assert before_last(made) == 3


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stopped station whose zero was measured twice and taken back once."""
    monkeypatch.setenv("HIPBAR_STATE", str(tmp_path))
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path / "nothing runs here"))
    made = grown(ZERO, ("zero", {"motion.zero_deg": 3.0}, {"zero_deg": 3.0}, 0.1))
    write_calibration(tmp_path, gone_back(made, 1, now_s=NOW_S))
    file = tmp_path / "station.toml"
    file.write_text("")
    return file


def said(*words: str) -> str:
    done = CliRunner().invoke(cli.hipbar, ["calibrate", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_table_history_and_show_read_the_file_of_a_stopped_station(station: Path) -> None:
    config = ["--config", str(station)]
    assert "zero" in said(*config)
    told = json.loads(said(*config, "--json"))
    assert told["revision"] == 3
    listed = json.loads(said("history", *config, "--json"))["revisions"]
    assert [one["number"] for one in listed] == [3, 2, 1]
    assert said("history", *config).splitlines()[0].startswith("*   3")
    assert "back to 1" in said("history", *config)
    assert "motion.zero_deg            -1.2" in said("show", *config)
    assert json.loads(said("show", "2", *config, "--json"))["values"] == {"motion.zero_deg": 3.0}


def test_a_revision_that_is_not_there_is_refused(station: Path) -> None:
    with pytest.raises(CalibrationError, match="no revision 9"):
        said("show", "9", "--config", str(station))


def test_a_damaged_file_is_told_and_nothing_is_shown_as_calibrated(station: Path) -> None:
    (station.parent / "calibration.json").write_text("{")
    with pytest.raises(CalibrationError, match="damaged"):
        said("--config", str(station))


def test_an_option_before_the_step_s_name_is_refused_and_not_lost() -> None:
    done = CliRunner().invoke(cli.hipbar, ["calibrate", "--json", "zero"])
    assert done.exit_code == 2
    assert "after the name of the step" in done.output


def test_every_step_has_its_command() -> None:
    import click

    from appliance.commands.calibrate import STEPS as NAMES
    from appliance.commands.calibrate import command

    assert set(NAMES) == set(STEPS)
    assert set(NAMES) <= set(command.list_commands(click.Context(command)))


def test_a_script_is_told_in_json_also_that_no_station_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPBAR_RUNTIME", str(tmp_path))
    file = tmp_path / "hipbar.toml"
    file.write_text("[camera]\nsource = 5\n")
    told = CliRunner().invoke(cli.hipbar, ["calibrate", "zero", "--yes", "--json", "--config", str(file)])
    assert json.loads(told.stdout)["ok"] is False
    assert "camera.source" in json.loads(told.stdout)["error"]
    assert told.exit_code != 0 or told.exception
