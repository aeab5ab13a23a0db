"""The technician's page names commands and options that there are, and its pictures are those of this version."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest
from conftest import ROOT, Hipbar

from appliance import cli

PAGE = (ROOT / "docs/technician.md").read_text(encoding="utf-8")
PICTURES = ROOT / "docs/pictures"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_terminal_pictures", ROOT / "docs/make_terminal_pictures.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = script()
SHOTS = {shot.name: shot for shot in SCRIPT.SHOTS}


def said(text: str) -> list[str]:
    """Every call of hipbar in a page: in backticks or in a block."""
    flat = re.sub(r"\s*\n(?!\n)", " ", text)
    inline = re.findall(r"`(?:sudo )?(hipbar [^`]+)`", flat)
    blocks = [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    calls = [call for line in blocks for call in line.split(" && ") if call.startswith("hipbar ")]
    return sorted({*inline, *calls})


@pytest.mark.parametrize("call", [*said(PAGE), *(shot.command for shot in SHOTS.values())])
def test_what_the_page_calls_can_be_called(call: str) -> None:
    command: click.Command = cli.hipbar
    words = call.split()[1:]
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            break
        command, words = found, words[1:]
    known = {name for param in command.params if isinstance(param, click.Option) for name in param.opts}
    for word in words:
        assert not word.startswith("-") or word in known, f"{call}: there is no {word}"
    takes = any(isinstance(param, click.Argument) for param in command.params)
    valued = any(
        isinstance(p, click.Option) and not p.is_flag and set(p.opts) & set(words) for p in command.params
    )
    assert takes or valued or all(word.startswith("-") for word in words), f"{call}: {words} is too much"


def test_the_page_shows_every_picture_and_every_picture_is_there() -> None:
    shown = set(re.findall(r"pictures/terminal_(\w+)\.svg", PAGE))
    assert shown == set(SHOTS)
    assert {path.stem.removeprefix("terminal_") for path in PICTURES.glob("terminal_*.svg")} == set(SHOTS)


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_names_its_command_and_no_place_of_the_computer_that_made_it(name: str) -> None:
    svg = (PICTURES / f"terminal_{name}.svg").read_text(encoding="utf-8")
    assert f"<title>{SHOTS[name].command}</title>" in svg
    assert "/tmp" not in svg
    assert str(ROOT) not in svg


def test_a_picture_that_is_the_same_every_time_is_today_s(
    hipbar: Hipbar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "station.toml").write_text(SCRIPT._WRONG)
    for shot in SHOTS.values():
        if shot.same:
            now = hipbar(*shot.command.split()[1:])
            drawn = SCRIPT.words((PICTURES / f"terminal_{shot.name}.svg").read_text(encoding="utf-8"))
            wanted = "".join((now.out + now.err).split())
            assert "".join("".join(drawn).split()).removeprefix(f"${''.join(shot.command.split())}") == wanted


def test_terminal_colours_and_half_blocks_are_drawn_where_they_were() -> None:
    line = list(SCRIPT._cells("\x1b[31mfault\x1b[0m: \x1b[38;2;1;2;3m▀\x1b[7mx"))
    assert "".join(character for character, _ in line) == "fault: ▀x"
    svg = SCRIPT.picture("hipbar status", [line])
    assert SCRIPT.words(svg) == ["fault:  x"]
    assert 'fill="#010203"' in svg
