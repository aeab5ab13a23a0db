"""The bench itself, without its machine: what it lacks is said in one line, and what was half built is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.station import bench
from tests.station.kmod.build import missing
from tests.station.layers import key_of, layer
from tests.station.vm import Vm

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPBAR_BENCH_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
def test_a_layer_is_made_once() -> None:
    made: list[Path] = []
    assert layer("thing", "1", made.append) == layer("thing", "1", made.append)
    assert len(made) == 1


@pytest.mark.usefixtures("own_cache")
def test_a_layer_whose_making_broke_off_is_made_again() -> None:
    def half(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layer("thing", "1", half)
    whole = layer("thing", "1", lambda folder: (folder / "whole").touch())
    assert [path.name for path in whole.iterdir()] == ["whole"]


@pytest.mark.usefixtures("own_cache")
def test_old_layers_go_and_the_newest_stay() -> None:
    paths = [layer("thing", str(n), lambda folder: None) for n in range(4)]
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_a_key_changes_with_names_and_contents(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("1")
    first = key_of(source)
    (source / "__pycache__").mkdir()
    (source / "__pycache__/a.pyc").write_text("2")
    assert key_of(source) == first
    (source / "a").write_text("2")
    second = key_of(source)
    (source / "a").rename(source / "b")
    assert len({first, second, key_of(source)}) == 3


def test_every_package_that_can_be_missed_is_on_the_list_that_ci_installs() -> None:
    listed = set(bench.PACKAGES.read_text().split())
    assert set(bench.TOOLS.values()) <= listed
    assert {name for name in missing("0") if not name.endswith("-0")} <= listed


def test_what_is_lacking_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HIPBAR_BENCH", "")
    reason = bench.lacking(also="")
    assert reason
    assert "\n" not in reason
    assert reason.startswith(("station bench: needs ", "station bench: apt-get install "))


def test_switched_off_is_said_to_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPBAR_BENCH", "off")
    assert bench.lacking() == "station bench: switched off by HIPBAR_BENCH=off"


@pytest.mark.parametrize(("wish", "ends_with"), [("required", 1), ("", 0)])
def test_a_bench_that_cannot_be_had_is_skipped_unless_it_is_required(wish: str, ends_with: int) -> None:
    environment = os.environ | {"HIPBAR_BENCH": wish, "PATH": "/nowhere"}
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "tests/station/test_run.py"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "station bench: " in done.stdout
    assert done.returncode == ends_with


def test_no_machine_outlives_whoever_started_it(vm: Vm) -> None:
    code = "import sys; from tests.station import bench\nwith bench.started() as vm: print(vm.pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        pid = int(child.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        child.send_signal(signal.SIGKILL)
    vm.run("sleep 1")
    assert not Path(f"/proc/{pid}/exe").exists()
