"""The button held at power-on: safe settings, but for how the station is built and which side is which.

The panel is the real one; its pins are held through the contract of the GPIO libraries (tests/pins.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.commands import serve
from appliance.commands.stop import Stop
from appliance.config import Panel, Settings, parse
from hw.notify import Notifier
from hw.panel import GpioPanel, NoPanel
from tests.pins import Header

TEXT = """
[camera]
source = "v4l2"
mirror = true

[feedback]
swap = true
target_deg = 9.0
mode = "off"

[strip]
kind = "memory"
leds = 48
reversed = true
"""
PANEL = Panel(kind="gpio")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file, and folders of its own for what starts there."""
    for name in ("run", "state"):
        monkeypatch.setenv(f"HIPBAR_{'RUNTIME' if name == 'run' else 'STATE'}", str(tmp_path / name))
        (tmp_path / name).mkdir()
    path = tmp_path / "hipbar.toml"
    path.write_text(TEXT)
    return path


@contextlib.contextmanager
def panel(*, held: bool) -> Iterator[GpioPanel]:
    """A panel whose button is held, or not, from before it was opened."""
    header = Header()
    header.gpio.outside[PANEL.button_pin] = 0 if held else 1
    with contextlib.closing(
        GpioPanel(header.open({PANEL.light_pin: False}, [PANEL.button_pin]), PANEL)
    ) as opened:
        yield opened


def chosen(file: Path, rig_panel: GpioPanel | NoPanel) -> tuple[Settings, bool]:
    """What a start would measure with, and whether it says that it is safe settings."""
    start = serve._Start(file, Stop(None), Notifier({}))
    service = SimpleNamespace(facts=SimpleNamespace(safe_settings=False))
    start._safe(SimpleNamespace(panel=rig_panel), service)  # type: ignore[arg-type]
    return start._settings, service.facts.safe_settings


def test_held_at_power_on_everything_is_at_its_default_but_the_wiring_and_the_sides(file: Path) -> None:
    with panel(held=True) as held:
        settings, safe = chosen(file, held)
    given = parse(TEXT)
    assert safe
    assert (settings.camera, settings.strip) == (given.camera, given.strip)
    assert settings.feedback.swap
    assert settings.feedback.target_deg == Settings().feedback.target_deg
    assert settings.feedback.mode == Settings().feedback.mode


def test_settings_that_can_not_be_used_give_way_to_safe_ones_when_it_is_held(file: Path) -> None:
    file.write_text(TEXT.replace("target_deg = 9.0", 'target_deg = "nine"'))
    with panel(held=True) as held:
        settings, safe = chosen(file, held)
    assert safe
    assert settings.strip == parse(TEXT).strip
    assert settings.feedback.swap


@pytest.mark.parametrize("which", ["let go", "not there"])
def test_without_a_held_button_the_file_counts(file: Path, which: str) -> None:
    with panel(held=False) as free:
        settings, safe = chosen(file, free if which == "let go" else NoPanel())
    assert not safe
    assert settings == parse(TEXT)


def test_only_the_first_start_after_power_on_looks_at_the_button(file: Path) -> None:
    """A very long press starts the station anew while the finger is still on it."""
    with panel(held=True) as held:
        assert chosen(file, held)[1]
        settings, safe = chosen(file, held)
    assert not safe
    assert settings == parse(TEXT)
