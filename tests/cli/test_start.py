"""What the first glance costs and shows: help, version, and no heavy library before it is needed."""

from __future__ import annotations

import subprocess
import sys
import time
import tomllib

import pytest

from tests.cli.conftest import ROOT, Hipbar

HEAVY = ("numpy", "numba", "cv2", "rich")


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["replay", "--help"], ["config", "show"]], ids=" ".join
)
def test_no_heavy_library_is_loaded_for_it(words: list[str]) -> None:
    code = (
        "import sys\nfrom appliance.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n"
        f"    print('loaded:', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("loaded: []")


def test_help_is_there_at_once() -> None:
    costs = []
    for _ in range(5):
        began_s = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "appliance.cli", "--help"], cwd=ROOT, capture_output=True, check=True
        )
        costs.append(time.perf_counter() - began_s)
    assert min(costs) < 0.25


def test_help_names_every_command_and_how_to_begin(hipbar: Hipbar) -> None:
    said = hipbar("--help")
    assert said.code == 0
    for word in ("demo", "run", "replay", "bench", "config", "Start here", "not a diagnosis"):
        assert word in said.out
    assert hipbar().out == said.out


def test_the_version_is_the_installed_one(hipbar: Hipbar) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert hipbar("--version").out == f"hipbar {project['version']}\n"


def test_settings_are_shown_with_their_origin_and_can_be_read_back(hipbar: Hipbar, tmp_path) -> None:
    path = tmp_path / "s.toml"
    path.write_text('[feedback]\nmode = "step"\n')
    said = hipbar("config", "show", "--config", path)
    assert 'mode = "step"  # from' in said.out
    again = tmp_path / "again.toml"
    again.write_text(said.out)
    assert hipbar("config", "check", again).code == 0
    assert "sets 1 of" in hipbar("config", "check", path).out


def test_settings_as_json_carry_key_value_default_and_origin(hipbar: Hipbar) -> None:
    import json

    rows = json.loads(hipbar("config", "show", "--json").out)
    assert rows[0]["key"] == "camera.source"
    assert {row["origin"] for row in rows} == {"default"}
    assert all(row["value"] == row["default"] and row["meaning"] for row in rows)
