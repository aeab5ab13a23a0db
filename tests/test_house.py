"""The house rules that a machine can hold: who imports whom, who may read a clock, sizes, style, types, documents."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*(ROOT / "appliance").rglob("*.py"), *(ROOT / "hw").rglob("*.py")])

VALUES = {"records", "errors", "config", "sensors"}
BELOW = {
    "records": set(),
    "errors": set(),
    "kernels": {"kernels", "records"},
    "config": {"errors", "records", "sensors"},
    "sensors": set(),
    "sight": {"sight", "kernels"} | VALUES,
    "motion": {"motion", "kernels"} | VALUES,
    "feedback": {"feedback", "kernels"} | VALUES,
    "output": {"errors"},
    "packing": set(),
    "clinic": {"clinic"} | VALUES,
    "store": {"store", "clinic", "output", "packing"} | VALUES,
    "reports": {"reports", "store", "clinic", "output"} | VALUES,
    "exchange": {"exchange", "store", "clinic", "output", "pipeline", "motion"} | VALUES,
    "pipeline": {"sight", "motion", "feedback"} | VALUES,
    "calibration": {"calibration", "kernels"} | VALUES,
    "station": {"station", "pipeline", "sight", "motion", "feedback", "clinic", "store", "output", "packing"}
    | VALUES,
    "upkeep": {"upkeep", "station", "output"} | VALUES,
    "hw": {"hw"} | VALUES,
    "commands": {"commands", "station", "upkeep", "calibration", "pipeline", "feedback", "kernels", "hw"}
    | {"clinic", "store", "reports", "exchange", "output", "motion"}
    | VALUES,
    "cli": {"errors", "commands"},
}
"""What each room may import; every other import of ours is refused."""

PURE = {"records", "sight", "motion", "feedback", "pipeline", "calibration", "clinic"}
IMPURE_MODULES = {
    "time",
    "datetime",
    "threading",
    "asyncio",
    "logging",
    "os",
    "io",
    "pathlib",
    "socket",
    "random",
}


def room(module: str) -> str:
    """The room that a module of ours lives in."""
    parts = module.split(".")
    return "hw" if parts[0] == "hw" else parts[1] if len(parts) > 1 else "appliance"


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, *, typing_too: bool = True) -> Iterator[str]:
    """All modules that a file imports, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    if not typing_too:
        guards = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test)]
        skipped = {inner for guard in guards for inner in ast.walk(guard)}
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_point_downward_only(path: Path) -> None:
    here = room(name_of(path))
    ours = {room(m) for m in imports(path) if m.split(".")[0] in {"appliance", "hw"}}
    assert ours - {here} <= BELOW.get(here, set()), (
        f"{name_of(path)} may not import {ours - BELOW.get(here, set())}"
    )


@pytest.mark.parametrize("path", [p for p in SOURCES if room(name_of(p)) in PURE], ids=name_of)
def test_nothing_below_the_station_reads_a_clock_a_file_or_a_thread(path: Path) -> None:
    assert not IMPURE_MODULES & {module.split(".")[0] for module in imports(path)}


def test_a_kernel_file_calls_only_kernels_of_its_own() -> None:
    for path in (ROOT / "appliance/kernels").glob("*.py"):
        names = {m.rsplit(".", 1)[1] for m in imports(path) if m.startswith("appliance.")}
        called = {
            name for name in names if not name.isupper()
        }  # a dtype is part of the signature: the cache sees it
        assert called <= {"kernel", "rows_of", "picture_of"}, path.name


def test_opencv_and_numba_stay_where_they_belong() -> None:
    for path in SOURCES:
        libraries = {module.split(".")[0] for module in imports(path, typing_too=False)}
        assert "numba" not in libraries or room(name_of(path)) == "kernels", path
        assert (
            "cv2" not in libraries
            or room(name_of(path)) in {"hw", "calibration"}
            or path.name in {"rivals.py", "bench.py", "desk.py"}
            or "commands" in path.parts
        ), path


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_opens_with_a_sentence_and_stays_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        return
    about = ast.get_docstring(ast.parse(text))
    assert about, f"{path} does not say what it is for"
    assert len(text.splitlines()) <= (650 if room(name_of(path)) == "kernels" else 330), (
        "too long to be read in one go"
    )


@pytest.mark.parametrize(
    "words", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]], ids=" ".join
)
def test_style_and_types_are_clean(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_service_is_loaded_without_any_compiled_code() -> None:
    """A cold cache is filled by processes of their own; here it would be compiled before the bar says so."""
    heavy = "[m for m in ('numba', 'cv2', 'matplotlib') if m in sys.modules]"
    code = f"import sys, appliance.station.service; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_readme_s_commands_are_those_that_ci_runs() -> None:
    readme, ci = (
        (ROOT / "README.md").read_text(encoding="utf-8"),
        (ROOT / ".ci/run").read_text(encoding="utf-8"),
    )
    tests = next(line.strip() for line in readme.splitlines() if "pytest" in line and "venv" in line)
    assert tests in ci


def test_links_in_the_documents_lead_somewhere() -> None:
    import re

    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http", "mailto")):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_version_is_in_the_changelog() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
