"""docs/panel.md tells what the code does: states, rhythms, limits, and the table that a real run prints."""

import importlib.util
import re
from pathlib import Path

import msgspec
import pytest

from appliance.commands.board import _lines, judged
from appliance.commands.panel import WORDS
from appliance.config import Settings
from hw.board import Board, Watchdog
from hw.panel import TICK_S

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/panel.md").read_text(encoding="utf-8")


def _script():
    spec = importlib.util.spec_from_file_location("make_panel_picture", ROOT / "docs/make_panel_picture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_the_one_that_its_script_makes():
    drawn = (ROOT / "docs/pictures/panel_rhythms.svg").read_text(encoding="utf-8")
    assert drawn == _script().picture(), "run docs/make_panel_picture.py"


def test_every_state_is_in_the_table_with_what_it_looks_like():
    rows = dict(re.findall(r"^\| ([a-z ]+) \| ([^|]+) \| [^|]+ \|$", PAGE, re.MULTILINE))
    for light, words in WORDS.items():
        assert rows[light] == words


def test_times_and_pins_on_the_page_are_the_defaults():
    panel = Settings().panel
    assert f"GPIO {panel.button_pin} (header pin 13)" in PAGE
    assert f"GPIO {panel.light_pin} (pin 15)" in PAGE
    assert f"under {panel.long_s:g} s (`panel.long_s`)" in PAGE
    assert f"{panel.very_long_s:g} s (`panel.very_long_s`)" in PAGE
    assert f"rested for {panel.debounce_ms:g} ms (`panel.debounce_ms`)" in PAGE
    assert f"every {1e3 * TICK_S:g} ms" in PAGE


def test_the_board_on_the_page_is_what_the_command_prints(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    board = Board(
        is_pi=True,
        model="Raspberry Pi 4 Model B Rev 1.2",
        revision="c03112",
        temperature_c=48.686,
        throttled=0x50005,
        under_voltage=True,
        free_mb=24310,
        memory_mb=3072,
        load=0.52,
        cores=4,
        policy="fifo",
        priority=20,
        locked_mb=20,
        lockable_mb=float("inf"),
        affinity=(1, 2, 3),
        clock_synchronised=True,
        watchdog=Watchdog("Broadcom BCM2835 Watchdog timer", True, 14),
        boot_id=None,
    )
    shown = re.search(r"<!-- board -->\n\n```\n(.*?)```", PAGE, re.DOTALL)[1]
    assert shown == "\n".join(_lines(list(judged(board)))) + "\n"
    cooler = _lines(list(judged(msgspec.structs.replace(board, throttled=0))))
    assert "never too low, never throttled" in "\n".join(cooler)


@pytest.mark.parametrize("figure", ["70 C", "80 C", "1,000 MB", "under 200", "300 MB"])
def test_the_limits_on_the_page_are_those_of_the_command(figure):
    source = (ROOT / "appliance/commands/board.py").read_text(encoding="utf-8")
    number = re.search(r"[\d,]+", figure)[0].replace(",", "")
    assert figure in PAGE
    assert re.search(rf"[<>]=? {number}\b", source)
