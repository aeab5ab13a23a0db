"""The documents and the program say the same: every command, option, setting and exit code."""

from __future__ import annotations

import importlib.util
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from appliance import cli, errors
from appliance.commands.demo import RUNNERS
from appliance.commands.options import MODES
from appliance.config import Feedback, Settings, entries
from hw.camera.trials import names

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


ALL = dict(commands(cli.hipbar, "hipbar"))


def section(name: str) -> str:
    found = re.search(rf"^## {re.escape(name)}( [A-Z]+)?$(.*?)(?=^## )", COMMANDS, re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section on {name}"
    return found[2]


@pytest.mark.parametrize("name", ALL)
def test_every_option_of_every_command_is_documented(name: str) -> None:
    options = [
        o for p in ALL[name].params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")
    ]
    documented = set(re.findall(r"^\| `(--[a-z-]+)` \|", section(name), re.MULTILINE))
    assert documented == set(options) - {"--help"}


@pytest.mark.parametrize("name", ALL)
def test_every_option_says_what_it_does_and_every_command_shows_examples(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert all(p.help for p in command.params if isinstance(p, click.Option))
    assert len(ALL) > 0
    if not name.startswith("hipbar config"):
        assert "Examples:" in command.help


def test_no_section_is_about_a_command_that_is_gone() -> None:
    headed = {
        h.removesuffix(" SOURCE").removesuffix(" FILE")
        for h in re.findall(r"^## (hipbar .*)$", COMMANDS, re.MULTILINE)
    }
    assert headed == set(ALL)


def test_every_setting_is_documented_with_its_default() -> None:
    for key, _, default, meaning in entries(Settings()):
        row = re.search(rf"^\| `{re.escape(key)}` \| `(.*?)` \| (.*?) \| (.*) \|$", SETTINGS, re.MULTILINE)
        assert row, f"docs/settings.md does not mention {key}"
        assert msgspec.json.decode(row[1]) == msgspec.json.decode(msgspec.json.encode(default))
        assert row[3] == meaning


def test_the_page_of_settings_is_the_one_that_its_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_settings", ROOT / "docs/make_settings.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.page() == SETTINGS, "run docs/make_settings.py"


def test_every_exit_code_is_documented() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.HipbarError)
    ]
    for code in {0, cli.USAGE, cli.STOPPED, cli.PIPE_CLOSED, *(kind.exit_code for kind in kinds)}:
        assert f"\n| {code} |" in COMMANDS


def test_the_demo_offers_the_runners_and_modes_that_there_are() -> None:
    assert tuple(names()) == RUNNERS
    modes = typing.get_args(typing.get_args(typing.get_type_hints(Feedback, include_extras=True)["mode"])[0])
    assert modes == MODES
