"""Settings that can't be used: what is still known of the wires, and what is kept for that day."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.config import Settings, parse
from appliance.errors import SettingsError
from appliance.station import fallback

GOOD = """
[camera]
source = "v4l2"
device = "/dev/video7"
mirror = true

[feedback]
swap = true
target_deg = 6.0

[strip]
kind = "apa102"
leds = 60
reversed = true

[panel]
kind = "gpio"
light_pin = 12
"""


def known(tmp_path: Path, text: str | None, last: str | None = None) -> Settings | None:
    if last is not None:
        (tmp_path / fallback.LAST_GOOD).write_text(last)
    return fallback.known_wiring(text, tmp_path)


def test_a_file_that_nobody_wrote_says_nothing(tmp_path: Path) -> None:
    assert known(tmp_path, None) is None
    assert known(tmp_path, "") is None


@pytest.mark.parametrize(
    "spoilt", ["[feedback]\ntarget_deg = 'six'\n", "[motion]\nnobody = 1\n", "[what]\nx = 1\n"]
)
def test_a_file_with_a_mistake_elsewhere_still_says_how_the_station_is_wired(
    tmp_path: Path, spoilt: str
) -> None:
    text = (
        GOOD if "feedback" not in spoilt else GOOD.replace("[feedback]\nswap = true\ntarget_deg = 6.0\n", "")
    )
    found = known(tmp_path, text + spoilt)
    right = parse(GOOD)
    assert found is not None
    assert (found.camera, found.strip, found.panel, found.gpio) == (
        right.camera,
        right.strip,
        right.panel,
        right.gpio,
    )
    assert found.feedback.target_deg == Settings().feedback.target_deg


def test_safe_settings_never_exchange_the_sides(tmp_path: Path) -> None:
    found = known(tmp_path, GOOD + "[motion]\nnobody = 1\n")
    assert found is not None
    assert found.feedback.swap
    assert found.camera.mirror
    assert found.strip.reversed


def test_a_spoilt_table_comes_from_the_settings_that_worked_last(tmp_path: Path) -> None:
    found = known(tmp_path, GOOD.replace("leds = 60", "leds = 6000"), GOOD)
    assert found is not None
    assert found.strip == parse(GOOD).strip


def test_what_is_no_toml_leaves_the_settings_that_worked_last(tmp_path: Path) -> None:
    found = known(tmp_path, "[strip\nkind = ", GOOD)
    assert found is not None
    assert (found.strip, found.camera) == (parse(GOOD).strip, parse(GOOD).camera)
    assert found.feedback.swap


@pytest.mark.parametrize("text", ["\0\0\0", "[[[[", "strip = 3", "[strip]\nkind = 7", "feedback = 1"])
def test_garbage_is_no_wiring_and_no_error(tmp_path: Path, text: str) -> None:
    assert known(tmp_path, text) is None


def test_pins_that_clash_fall_back_whole(tmp_path: Path) -> None:
    clash = '[strip]\nkind = "shift-register"\ndata_pin = 22\n[panel]\nkind = "gpio"\nlight_pin = 22\n'
    assert known(tmp_path, clash) is None
    found = known(tmp_path, clash, GOOD)
    assert found is not None
    assert found.strip == parse(GOOD).strip


def test_settings_that_worked_are_kept_once_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "hipbar.toml"
    file.write_text(GOOD)
    assert fallback.remember(fallback.text_of(file), tmp_path) is None
    kept = tmp_path / fallback.LAST_GOOD
    assert kept.read_text() == GOOD
    first = kept.stat().st_ino
    assert fallback.remember(fallback.text_of(file), tmp_path) is None
    assert kept.stat().st_ino == first  # the card is not written for nothing


def test_a_state_folder_that_is_not_there_is_told_and_no_more(tmp_path: Path) -> None:
    assert "could not be kept" in (fallback.remember(GOOD, tmp_path / "gone") or "")


def test_a_file_that_changes_has_another_mark(tmp_path: Path) -> None:
    file = tmp_path / "hipbar.toml"
    assert fallback.mark_of(file) is None
    file.write_text(GOOD)
    first = fallback.mark_of(file)
    file.write_text(GOOD + "\n")
    assert first is not None
    assert fallback.mark_of(file) != first


def test_a_file_that_may_be_read_at_last_has_another_mark(tmp_path: Path) -> None:
    file = tmp_path / "hipbar.toml"
    file.write_text(GOOD)
    file.chmod(0)
    first = fallback.mark_of(file)
    file.chmod(0o644)
    assert fallback.mark_of(file) != first


def test_what_is_no_settings_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(1_000_000_000)
    for name in ("pipe", "loop", "binary", "large", "missing", "."):
        with pytest.raises(SettingsError, match=r"is no file|can't be read|not a text|larger"):
            fallback.read(tmp_path / name)
        assert fallback.text_of(tmp_path / name) is None
    with pytest.raises(SettingsError, match="is no file"):
        fallback.read(Path("/dev/zero"))
