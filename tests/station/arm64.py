"""This commit becomes a verdict on the Pi's instruction set: the whole suite and the runners' figures, on arm64.

`python -m tests.station arm64 [--suite bookworm] [--cpu cortex-a76] [--figures] [words for pytest]`. A Debian root for
arm64 with the project's own aarch64 wheels is made once and kept; its programs run under qemu-user, which translates
instructions and hands system calls to this machine's kernel. All of it happens in a mount and process namespace of its
own: mounts, and whatever still runs, end with it. It proves figures, never times: an emulated Pi is not a slow Pi.
Refuses a machine that lacks what it needs, in one line.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.station import figures
from tests.station.layers import cache, key_of, layer, told

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = {"trixie": "3.13", "bookworm": "3.11"}
"""Debian under Raspberry Pi OS, and its Python."""
CPUS = ("cortex-a72", "cortex-a76")
"""A Pi 4's and a Pi 5's."""
NOT_HERE = {
    "tests/test_house.py::test_style_and_types_are_clean": "ruff and mypy read text: nothing to do with the machine",
}
"""Tests left out, and why."""

_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "arch-test": "arch-test",
    "qemu-aarch64-static": "qemu-user-static",
    "unshare": "util-linux",
    "git": "git",
}
_BINFMT = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_NOT_NEEDED = {"ruff", "mypy", "pytest-cov"}
_PLACES = ("src", "var/cache/numba", "out")
_NAMESPACE = (
    "unshare",
    "--mount",
    "--propagation=private",
    "--pid",
    "--fork",
    "--kill-child",
    "sh",
    "-eu",
    "-c",
)
# Told to the kernel here: on Linux 6.7 and later it is forgotten with the last mount, and no other program sees it.
_EMULATION = f"""\
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || cat {_BINFMT} > /proc/sys/fs/binfmt_misc/register
"""
_ENTER = """\
mount --bind {place}/src {root}/src
mount --bind {place}/numba {root}/var/cache/numba
mount --bind {place}/out {root}/out
mount -t proc proc {root}/proc
mount --rbind /dev {root}/dev
mount --rbind --make-rslave /sys {root}/sys
mount -t tmpfs tmpfs {root}/tmp
exec chroot {root} env -i {environment} sh -eu -c {command}
"""


def lacking() -> str | None:
    """Why this can't be done here and what would bring it; None when it can."""
    if os.geteuid() != 0 or not _SOURCES.exists():
        return "arm64 bench: needs Debian and root, to make a root folder for arm64"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {package for tool, package in _TOOLS.items() if not shutil.which(tool, path=path)}
    if not _BINFMT.exists():
        missing.add("qemu-user-static")
    return f"arm64 bench: apt-get install {' '.join(sorted(missing))}" if missing else None


class Arm64:
    """An arm64 Debian with this commit in it."""

    def __init__(self, suite: str, cpu: str) -> None:
        self._root = layer(
            "pi-root", key_of(suite, *_requirements(), _KEY), lambda folder: _make(folder, suite)
        )
        self._place = cache() / f"arm64-{suite}-{cpu}"
        for name in ("src", "numba", "out"):
            (self._place / name).mkdir(parents=True, exist_ok=True)
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "QEMU_CPU": cpu,
            "NUMBA_CPU_NAME": cpu,  # what LLVM finds on a real one; here it can't see the name
            "NUMBA_CACHE_DIR": "/var/cache/numba",
            "HIPBAR_BENCH": "off",  # the bench's own machine is an x86-64
        }
        self.commit = _export(self._place / "src")

    @property
    def source(self) -> Path:
        """The commit's files."""
        return self._place / "src"

    @property
    def out(self) -> Path:
        """What arm64 calls /out."""
        return self._place / "out"

    def run(self, *words: str) -> int:
        """A command in the commit's folder on arm64, its words on this terminal; the exit code."""
        script = _EMULATION + _ENTER.format(
            root=self._root / "root",
            place=self._place,
            environment=shlex.join(f"{name}={value}" for name, value in self._environment.items()),
            command=shlex.quote(f"cd /src; exec {shlex.join(words)}"),
        )
        return subprocess.run([*_NAMESPACE, script], check=False).returncode


def test(machine: Arm64, words: list[str]) -> tuple[bool, str]:
    """The suite on arm64: whether it passed, and a sentence."""
    report = machine.out / "tests.xml"
    report.unlink(missing_ok=True)
    left_out = [f"--deselect={name}" for name in NOT_HERE]
    options = [
        "-p",
        "no:cacheprovider",
        "-n",
        str(os.cpu_count()),
        "--dist=loadfile",
        "-rfEs",
        "--durations=10",
    ]
    began_s = time.monotonic()
    code = machine.run("python3", "-m", "pytest", *options, "--junitxml=/out/tests.xml", *left_out, *words)
    minutes = (time.monotonic() - began_s) / 60
    return code == 0, f"{_counts(report)} in {minutes:.0f} min"


def same_figures(machine: Arm64) -> tuple[bool, list[str]]:
    """Every recorded runner here and on arm64: whether all figures are the same bit for bit, and sentences."""
    here, there = machine.out / "here", machine.out / "there"
    for folder in (here, there):
        shutil.rmtree(folder, ignore_errors=True)
    with told("the runners' figures on this machine"):
        words = [sys.executable, "-m", "tests.station.figures", str(here)]
        subprocess.run(words, cwd=machine.source, check=True, env={**os.environ, "PYTHONPATH": "."})
    with told("the runners' figures on arm64"):
        if machine.run("python3", "-m", "tests.station.figures", "/out/there", "/out/here"):
            return False, ["arm64 could not make its figures"]
    found = figures.compared(here, there)
    versions = [f"    {(folder / figures.VERSIONS).read_text().strip()}" for folder in (here, there)]
    if not any(one.differ for one in found):
        return True, [
            f"{len(found)} files, {sum(one.lines for one in found):,} lines: equal bit for bit",
            *versions,
        ]
    apart = [
        f"    {one.name}: {one.differ} of {one.lines} lines, by at most {one.largest:g}" for one in found
    ]
    return False, ["figures differ", *versions, *apart]


def _counts(report: Path) -> str:
    if not report.exists():
        return "no report"
    suite = ET.parse(report).getroot().find("testsuite")
    assert suite is not None
    total, failed, skipped = (int(suite.attrib[key]) for key in ("tests", "failures", "skipped"))
    failed += int(suite.attrib["errors"])
    return f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped"


def _requirements() -> list[str]:
    """What pip is asked for: the product's own needs, and the tests'."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tests = [
        need
        for need in project["optional-dependencies"]["test"]
        if re.split("[<>=]", need)[0] not in _NOT_NEEDED
    ]
    return [*project["dependencies"], *tests, "pytest-xdist>=3"]


def _make(folder: Path, suite: str) -> None:
    """Debian in `root`, and the wheels, unpacked where its Python looks: no program has to run for that."""
    root, wheels = folder / "root", folder / "wheels"
    python = PYTHONS[suite]
    _bootstrap(folder, suite, root)
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 37)]
    pip = [sys.executable, "-m", "pip", "download", "-q", "-d", str(wheels), "--only-binary=:all:"]
    subprocess.run(
        [
            *pip,
            f"--python-version={python}",
            *platforms,
            "--platform=manylinux2014_aarch64",
            *_requirements(),
        ],
        check=True,
    )
    for wheel in wheels.glob("*.whl"):
        shutil.unpack_archive(wheel, root / f"usr/local/lib/python{python}/dist-packages", "zip")
    shutil.rmtree(wheels)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    for name in _PLACES:
        (root / name).mkdir(parents=True)


def _bootstrap(folder: Path, suite: str, root: Path) -> None:
    """Debian from the mirror that this machine's apt uses; its own programs finish it, under emulation."""
    host = _SOURCES.read_text(encoding="utf-8")
    named = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(encoding="utf-8"))
    assert named
    sources = folder / "debian.sources"
    sources.write_text(host.replace(named[1], suite), encoding="utf-8")
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "locale", "doc")]
    options = ["--quiet", "--mode=root", "--variant=minbase", "--architectures=arm64", "--include=python3"]
    words = ["mmdebstrap", *options, *left_out, suite, str(root), str(sources)]
    subprocess.run([*_NAMESPACE, f"{_EMULATION}exec {shlex.join(words)}"], check=True)


def _export(folder: Path) -> str:
    """The files of HEAD; one that has not changed keeps its time, for Numba's cache goes by it. The commit's name."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
    packed = subprocess.run([*git, "archive", "HEAD"], check=True, capture_output=True).stdout
    wanted = set()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is None:
                continue
            path, content = folder / member.name, file.read()
            wanted.add(path)
            if not path.exists() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(member.mode)
    for path in folder.rglob("*"):
        if path.is_file() and path not in wanted and "__pycache__" not in path.parts:
            path.unlink()
    return subprocess.run(
        [*git, "describe", "--always", "--long"], check=True, capture_output=True, text=True
    ).stdout.strip()


_KEY = "1"
"""Changed by hand when `_make` makes another root."""


def main(words: list[str]) -> int:
    """Does all of it; 0 when every test passed and every figure is the same."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.station arm64", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--suite", choices=PYTHONS, default="trixie")
    parser.add_argument("--cpu", choices=CPUS, default=CPUS[0])
    parser.add_argument("--figures", action="store_true", help="the figures only, not the tests")
    chosen, rest = parser.parse_known_args(words)
    if reason := lacking():
        print(reason, file=sys.stderr)
        return 1
    machine = Arm64(chosen.suite, chosen.cpu)
    with told("the kernels, compiled for arm64 or taken from the cache"):
        if machine.run("python3", "-c", "from appliance.kernels.warm import warm; warm()"):
            return 1
    equal, sentences = same_figures(machine)
    good, counted = (True, "not asked for") if chosen.figures else test(machine, rest)
    print(f"\narm64 ({chosen.suite}, {chosen.cpu}) at {machine.commit}")
    print("figures:", "\n".join(sentences))
    print("tests:  ", counted)
    for name, why in NOT_HERE.items():
        print(f"    left out: {name}: {why}")
    return 0 if equal and good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
