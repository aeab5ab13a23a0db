"""What pip brings to a Pi, and what only apt can: the registry's wheels for 64-bit ARM, resolved and downloaded.

Needs a package registry; without one these tests are skipped and say so. No Pi is needed: pip is told to choose as it
would there. Markers are weighed here for the Pi, because pip weighs them for the machine that it runs on.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
INSTALL = (ROOT / "docs/pip.md").read_text(encoding="utf-8")
GLIBC = {"3.11": 36, "3.13": 41}
"""The Pythons of Bookworm and Trixie, and the second half of each one's glibc version, 2.x."""
AARCH64 = 183
"""ELF's number for the instruction set of a Pi 4 and 5 (elf.h, EM_AARCH64)."""
BESIDE = ("libcamera", "RPi.GPIO", "rpi-lgpio")
"""What is imported on a Pi without standing in any list of dependencies: picamera2 imports libcamera undeclared."""

_LOOK = ("--dry-run", "--no-deps", "--ignore-installed", "--target=unused")


def pip(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", *words, "--disable-pip-version-check", "--no-input", "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def on_a_pi(python: str) -> list[str]:
    """pip's words for a Pi with that Python."""
    platforms = [f"manylinux_2_{k}_aarch64" for k in range(17, GLIBC[python] + 1)] + ["manylinux2014_aarch64"]
    words = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    return words + [f"--platform={platform}" for platform in platforms]


def wanted(python: str, requirements: list[str]) -> list[str]:
    """Those requirements that a Pi with that Python has, without their markers."""
    there = {
        "platform_machine": "aarch64",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "python_version": python,
        "python_full_version": f"{python}.2",
        "implementation_name": "cpython",
        "extra": "",
    }
    parsed = [Requirement(text) for text in requirements]
    return [f"{r.name}{r.specifier}" for r in parsed if r.marker is None or r.marker.evaluate(there)]


def lacking(python: str, *requirements: str) -> str:
    """Which of these packages, each by itself, has no wheel for a Pi, in pip's words; empty when all have one."""
    done = pip("install", *_LOOK, *on_a_pi(python), *requirements)
    missing = re.findall(r"No matching distribution found for (\S+)", done.stderr)
    assert done.returncode == 0 or (missing and "connection broken" not in done.stderr), done.stderr
    return " ".join(missing)


def dependencies(package: str) -> list[str]:
    """What the newest release of a package says it depends on."""
    done = pip("install", *_LOOK, "--report=-", *on_a_pi("3.11"), package)
    assert done.returncode == 0, done.stderr
    texts: list[str] = json.loads(done.stdout)["install"][0]["metadata"].get("requires_dist", [])
    return texts


@pytest.fixture(scope="module")
def registry() -> None:
    """Skips where there is no registry, or no pip to ask it with."""
    with tempfile.TemporaryDirectory() as folder:
        done = pip(
            "download",
            "--no-deps",
            "--no-cache-dir",
            "--timeout=20",
            "--retries=1",
            f"--dest={folder}",
            "rpi-lgpio",
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        pytest.skip(f"no package registry within reach: {reason}")


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("python", GLIBC)
def test_everything_that_pip_installs_on_a_pi_comes_as_a_wheel_for_its_processor(python: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = wanted(python, project["dependencies"] + project["optional-dependencies"]["pi"])
    with tempfile.TemporaryDirectory() as folder:
        done = pip("download", f"--dest={folder}", *on_a_pi(python), *needed)
        assert done.returncode == 0, done.stderr
        wheels = sorted(Path(folder).iterdir())
        names = {parse_wheel_filename(wheel.name)[0] for wheel in wheels}
        assert {canonicalize_name(Requirement(text).name) for text in needed} <= names
        for wheel in wheels:
            platforms = {tag.platform for tag in parse_wheel_filename(wheel.name)[3]}
            assert all(platform == "any" or platform.endswith("_aarch64") for platform in platforms), (
                wheel.name
            )
            assert processors(wheel) <= {AARCH64}, wheel.name
        compiled = {parse_wheel_filename(wheel.name)[0] for wheel in wheels if processors(wheel)}
        assert {"numpy", "numba", "llvmlite", "msgspec", "opencv-python-headless"} <= compiled


@pytest.mark.usefixtures("registry")
def test_what_pip_has_no_wheel_of_is_just_what_the_page_sends_to_apt() -> None:
    texts = ["picamera2", *BESIDE, *dependencies("picamera2"), *dependencies("rpi-lgpio")]
    for python, apt in sent_to_apt().items():
        asked = {canonicalize_name(Requirement(text).name): text for text in wanted(python, texts)}
        assert apt <= set(asked), "the page sends something to apt that nobody needs"
        from_pip = [text for name, text in asked.items() if name not in apt]
        assert not lacking(python, *from_pip), f"without a wheel for {python}, and not in the page's table"
        for name in apt:
            assert lacking(python, asked[name]), (
                f"{name} has a wheel for {python}: take it out of the page's table"
            )


def sent_to_apt() -> dict[str, set[str]]:
    """The page's table: for each Python the packages whose cell says `no`."""
    rows = re.findall(r"^\| `([\w.-]+)` \| [^|]+ \| (no|yes) \| (no|yes) \| `python3-", INSTALL, re.MULTILINE)
    assert rows
    return {
        python: {canonicalize_name(name) for name, *cells in rows if cells[k] == "no"}
        for k, python in enumerate(GLIBC)
    }


def processors(wheel: Path) -> set[int]:
    """The instruction sets of a wheel's shared libraries, by ELF's numbers."""
    found = set()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if re.search(r"\.so(\.\d+)*$", name):
                with archive.open(name) as library:
                    head = library.read(20)
                assert head[:4] == b"\x7fELF", name
                found.add(struct.unpack_from("<H", head, 18)[0])
    return found
