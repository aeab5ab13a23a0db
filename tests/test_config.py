"""Settings: defaults without a file, everything wrong refused whole with a remedy; errors and plain records."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from appliance import errors
from appliance.config import Settings, entries, keys_of, load, parse
from appliance.errors import HipbarError, SettingsError
from appliance.records import MARKS, MOMENT, Asymmetry, Posture, Shown, Side, Step, plain


def refused(text: str) -> SettingsError:
    """What the settings say against a text; one line each of what, where and remedy."""
    with pytest.raises(SettingsError) as caught:
        parse(text, "bar.toml")
    assert str(caught.value).startswith("bar.toml: ")
    assert caught.value.fix
    assert "\n" not in str(caught.value) + caught.value.fix
    return caught.value


def test_without_a_file_every_setting_has_its_default() -> None:
    assert load() == load(None) == Settings() == parse("")
    assert all(now == default for _, now, default, _ in entries(Settings()))


def test_every_setting_is_described_and_stands_in_a_section() -> None:
    keys = [key for key, *_ in entries(Settings())]
    assert len(keys) == len(set(keys)) > 40
    for key, _, _, text in entries(Settings()):
        assert key.count(".") == 1
        assert len(text) > 8, key


def toml(key: str, value: Any) -> str:
    section, name = key.split(".")
    return f"[{section}]\n{name} = {json.dumps(value)}\n"


@pytest.mark.parametrize(("key", "default"), [(key, default) for key, _, default, _ in entries(Settings())])
def test_every_default_may_be_written_down(key: str, default: Any) -> None:
    assert parse(toml(key, default)) == Settings()
    assert keys_of(toml(key, default)) == {key}


@pytest.mark.parametrize("key", [key for key, *_ in entries(Settings())])
def test_a_value_of_another_kind_is_refused_by_its_key(key: str) -> None:
    assert key in str(refused(toml(key, [1, 2])))


@pytest.mark.parametrize(
    "key", [key for key, _, default, _ in entries(Settings()) if type(default) in (int, float)]
)
@pytest.mark.parametrize("value", ["1e9", "-1e9", "nan", "inf", "-inf", '"5"', "true"])
def test_a_figure_out_of_range_or_no_figure_is_refused_by_its_key(key: str, value: str) -> None:
    section, name = key.split(".")
    assert key in str(refused(f"[{section}]\n{name} = {value}\n"))


@given(st.floats(-20, 20), st.integers(1, 50), st.booleans(), st.sampled_from([0, 90, 180, 270]))
@examples(max_examples=50, deadline=None, derandomize=True)
def test_what_is_written_is_what_is_in_force(zero_deg: float, steps: int, swap: bool, turn: int) -> None:
    text = (
        f"[motion]\nzero_deg = {zero_deg!r}\nsteps = {steps}\n"
        f"[feedback]\nswap = {json.dumps(swap)}\n[camera]\nrotate_deg = {turn}\n"
    )
    settings = parse(text)
    assert (settings.motion.zero_deg, settings.motion.steps) == (zero_deg, steps)
    assert (settings.feedback.swap, settings.camera.rotate_deg) == (swap, turn)
    changed = {key for key, now, default, _ in entries(settings) if now != default}
    assert (
        changed <= keys_of(text) == {"motion.zero_deg", "motion.steps", "feedback.swap", "camera.rotate_deg"}
    )


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("[feedback]\nband_degs = 2\n", "unknown setting `feedback.band_degs`", "did you mean `band_deg`?"),
        ("[feedbak]\nmode = 'live'\n", "unknown setting `feedbak`", "did you mean `feedback`?"),
        ("[motion]\nxyzzy = 1\n", "unknown setting `motion.xyzzy`", "known here: "),
        ("mode = 'live'\n", "unknown setting `mode`", ""),
        ("[feedback]\nmode = 'disco'\n", "feedback.mode", "hipbar config explain"),
        ("[camera]\nrotate_deg = 45\n", "camera.rotate_deg", "hipbar config explain"),
        ("[strip]\nleds = 3\n", "strip.leds", "hipbar config explain"),
        ("[strip]\nleds = 4.5\n", "strip.leds", "hipbar config explain"),
        ("motion = 3\n", "motion", "hipbar config explain"),
        ("[lens]\npitch_deg = 5\n", "need lens.fx_px", "set lens.fx_px"),
        ("[lens]\nk1 = -0.1\n", "need lens.fx_px", "set lens.fx_px"),
        ("[lens]\nyaw_deg = 1\n", "need lens.fx_px", "set lens.fx_px"),
        ("[sight]\nmin_dot_px = 20\nmax_dot_px = 10\n", "not below", "swap"),
        ("[camera]\nsource = 'video'\n", "without camera.file", "camera.file"),
        ("[feedback\n", "not TOML", "hipbar config show"),
        ("[feedback]\nmode = 'live'\nmode = 'box'\n", "not TOML", ""),
        ("[camera]\ndevice = '/dev/a\\u0000b'\n".replace("'", '"'), "camera.device", "u0000"),
        ("[camera]\ndevice = ''\n", "camera.device", "hipbar config explain"),
        ("[strip]\ndevice = ''\n", "strip.device", "hipbar config explain"),
        ("[strip]\npieces = [[0, 99999999999]]\n", "strip.pieces", "hipbar config explain"),
        ("[strip]\npieces = [[-1, 3]]\n", "strip.pieces", "hipbar config explain"),
        (f"x = {'[' * 9999}{']' * 9999}\n", "brackets", "hipbar config show"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do(text: str, what: str, fix: str) -> None:
    error = refused(text)
    assert what in str(error)
    assert fix in error.fix


def test_roll_needs_no_calibration_and_a_calibrated_lens_may_be_posed() -> None:
    assert parse("[lens]\nroll_deg = 3\n").lens.roll_deg == 3.0
    assert parse("[lens]\nfx_px = 640\npitch_deg = 12\nk1 = -0.2\n").lens.pitch_deg == 12.0


def test_one_wrong_key_spoils_the_whole_file() -> None:
    refused("[motion]\nsteps = 5\n[feedback]\nmod = 'live'\n")


def test_a_file_is_read_and_a_missing_folder_or_binary_one_refused(tmp_path: Path) -> None:
    good = tmp_path / "good.toml"
    good.write_text("[motion]\nsteps = 9\n", encoding="utf-8")
    assert load(good).motion.steps == load(str(good)).motion.steps == 9
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, words in (
        (tmp_path / "none.toml", "no such file"),
        (tmp_path, "is a folder"),
        (binary, "not a text"),
    ):
        with pytest.raises(SettingsError, match=words) as caught:
            load(path)
        assert str(path) in str(caught.value)
        assert caught.value.fix


def test_a_file_that_leads_through_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="Not a directory") as caught:
        load(tmp_path / "file" / "bar.toml")
    assert caught.value.fix


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().motion.steps = 3  # type: ignore[misc]


def test_every_error_has_a_remedy_and_an_exit_code_of_its_own() -> None:
    kinds = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, HipbarError)]
    codes = [kind.exit_code for kind in kinds]
    assert len(set(codes)) == len(kinds) >= 6
    assert 0 not in codes
    for kind in kinds:
        error = kind("no frame for 2.0 s", fix="reseat the cable")
        assert (str(error), error.fix) == ("no frame for 2.0 s", "reseat the cable")
        assert kind.__doc__
    with pytest.raises(TypeError):
        HipbarError("what")  # type: ignore[call-arg]


STEP = Step(Side.LEFT, 1.0, 1.25, 1.125, None, None, 0.5, None, None, math.nan, 0.25, None, 0.5, 1.3)


def test_a_record_becomes_plain_words_and_numbers_and_what_is_absent_none() -> None:
    row = plain(STEP)
    assert row["stance"] == "left"
    assert row["peak_drop_deg"] is None
    assert row["sway_px"] is None
    assert row["contact_drop_deg"] == 0.5
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert set(row) == {f.name for f in msgspec.structs.fields(Step)}
    none = plain(Asymmetry(math.nan, math.nan, 4.0, math.nan, 0.1, math.nan, 7, 0))
    assert none["difference_deg"] is None
    assert (none["left_drop_deg"], none["left_steps"], none["right_steps"]) == (4.0, 7, 0)


def test_records_are_frozen_and_hold_eight_bytes_a_figure() -> None:
    with pytest.raises(AttributeError):
        STEP.quality = 1.0  # type: ignore[misc]
    assert all(MOMENT[name].itemsize == 8 for name in MOMENT.names or ())


def test_left_stands_before_right_and_nothing_shown_is_ever_taken_for_a_measurement() -> None:
    assert [m.split("_")[0] == "left" or m.endswith("left") for m in MARKS] == [True, False, True, False]
    assert [Side("left"), Side("right")] == list(Side)
    assert len({int(s) for s in Shown}) == len(Shown) == 6
    assert [int(p) for p in Posture] == [0, 1, 2, 3]


def test_a_pi_camera_brings_its_own_size_and_rate() -> None:
    camera = parse('[camera]\nsource = "picamera"\nsensor = "ov9281-fast"\n').camera
    assert (camera.width_px, camera.height_px, camera.row_us) == (640, 400, 0.0)
    slower = parse('[camera]\nsource = "picamera"\nrate_hz = 60\nrow_us = 1.5\n').camera
    assert (slower.width_px, slower.rate_hz, slower.row_us) == (1280, 60.0, 1.5)


def test_without_a_pi_camera_the_sensor_says_nothing() -> None:
    assert (
        parse('[camera]\nsource = "v4l2"\nsensor = "imx296"\n').camera.width_px == Settings().camera.width_px
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('[camera]\nsource = "picamera"\nwidth_px = 640', "camera.width_px"),
        ('[camera]\nsource = "picamera"\nrate_hz = 500', "camera.rate_hz"),
        ('[camera]\nsource = "picamera"\nexposure_us = 0', "camera.exposure_us"),
        ('[camera]\nsource = "picamera"\nexposure_us = 9000', "camera.exposure_us"),
        ('[camera]\nsource = "picamera"\nsensor = "imx219"\nexposure_us = 5000', "camera.exposure_us"),
        ('[camera]\nsource = "picamera"\nsensor = "imx708"\nrow_us = 10', "camera.row_us"),
        ('[strip]\nkind = "shift-register"\nleds = 16\ncurrent_cap_ma = 75', "strip.current_cap_ma"),
        ('[strip]\nkind = "wled"', "strip.host"),
        ("[strip]\nleds = 100\ncurrent_cap_ma = 90", "dark LEDs"),
        ("[strip]\nleds = 8\npieces = [[0, 3], [5, 7]]", "strip.pieces"),
        ("[strip]\nleds = 8\npieces = [[0, 4], [4, 7]]", "strip.pieces"),
        ("[strip]\nleds = 8\npieces = [[0, 8]]", "strip.pieces"),
        ('[strip]\nkind = "shift-register"\ndata_pin = 6', "both pin 6"),
        ('[strip]\nkind = "shift-register"\ndata_pin = 27\n[panel]\nkind = "gpio"', "both pin 27"),
        ('[strip]\nkind = "apa102"\n[panel]\nkind = "gpio"\nlight_pin = 10', "SPI"),
        (
            '[strip]\nkind = "ws2812"\ndevice = "/dev/spidev1.0"\n[panel]\nkind = "gpio"\nlight_pin = 20',
            "SPI",
        ),
        ("[panel]\nlong_s = 3\nvery_long_s = 2", "panel.very_long_s"),
    ],
)
def test_settings_that_cannot_be_true_together_are_refused(text: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word) as refused:
        parse(text)
    assert refused.value.fix


def test_the_pins_of_another_spi_bus_are_free() -> None:
    bus = '[strip]\nkind = "apa102"\ndevice = "/dev/spidev1.0"\n'
    assert parse(f'{bus}[panel]\nkind = "gpio"\nlight_pin = 10').panel.light_pin == 10


def test_a_bar_in_two_halves_fed_from_the_middle_is_taken() -> None:
    assert parse("[strip]\nleds = 8\npieces = [[3, 0], [4, 7]]").strip.pieces == ((3, 0), (4, 7))
