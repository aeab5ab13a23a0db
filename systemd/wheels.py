"""The dependencies of pyproject.toml become a lock of wheels, and the lock becomes files for that machine.

A lock is a list for pip with one wheel's hash a line, `requirements/SUITE-ARCH.txt`. A wheel is chosen by pip as it
would be there, downloaded once and unpacked as PEP 427 says; nothing is compiled and nothing of it is run. Refuses a
wheel whose bytes are not those of the lock.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
_GLIBC_MINOR = {"bookworm": 36, "trixie": 41}
_MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}
_LEFT_OUT = re.compile(
    r"(numba|llvmlite|numpy)/(.*/)?tests/(?!_natype\.py)"  # a third of all modules; numpy.testing imports that one
    r"|pyarrow/(include|src|tests)/|matplotlib/(.*/)?tests/"
    r"|pyarrow/(libarrow(_python)?_(flight|s3)|_(flight|s3fs))[._]"  # reached over networks
    r"|numba/np/ufunc/(tbbpool|omppool)\."  # other ways to run in parallel, for libraries that are not there
)
"""What of the wheels no station needs."""
_OURS_TO_KEEP = {"purelib", "platlib"}


def lock(suite: str, arch: str) -> Path:
    """What pip chooses today for that machine, written down; the file."""
    with tempfile.TemporaryDirectory() as folder:
        _pip("download", "-q", "-d", folder, *_there(suite, arch), *_wanted(arch))
        lines = sorted(_line(wheel) for wheel in Path(folder).glob("*.whl"))
    target = lock_file(suite, arch)
    head = f"# Debian {suite}, {arch}, Python {PYTHON[suite]}: made by `python3 systemd/build.py --lock`\n"
    target.write_text(head + "".join(lines), encoding="utf-8")
    return target


def lock_file(suite: str, arch: str) -> Path:
    """Where the lock of that machine is."""
    return ROOT / f"systemd/requirements/{suite}-{arch}.txt"


def fetch(suite: str, arch: str) -> list[Path]:
    """The wheels of the lock, from the cache (HIPBAR_WHEELS, or ~/.cache/hipbar-wheels) or else from the registry."""
    named = os.environ.get("HIPBAR_WHEELS")
    folder = Path(named) if named else Path.home() / ".cache/hipbar-wheels"
    wanted = dict(_hashes(lock_file(suite, arch)))
    if missing := set(wanted) - set(_kept(folder, wanted)):
        print(f"downloading {len(missing)} wheels ({suite}, {arch})", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as fresh:
            lines = "\n".join(wanted[digest] for digest in sorted(missing))
            short = Path(fresh) / "lock.txt"
            short.write_text(lines + "\n", encoding="utf-8")
            _pip(
                "download",
                "-q",
                "--require-hashes",
                "--no-deps",
                "-d",
                fresh,
                *_there(suite, arch),
                "-r",
                short,
            )
            for wheel in Path(fresh).glob("*.whl"):
                _keep(wheel, folder)
    return sorted(_kept(folder, wanted).values(), key=lambda path: path.name)


def unpack(wheel: Path, target: Path) -> None:
    """A wheel's modules in the folder `target`, without scripts, headers and what only its developers need."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            place = _place(name)
            if place is None:
                continue
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy)


def _place(name: str) -> str | None:
    """Where a wheel's member belongs below site-packages; None = nowhere."""
    first, _, rest = name.partition("/")
    if first.endswith(".data"):
        kind, _, name = rest.partition("/")
        if kind not in _OURS_TO_KEEP:
            return None
    if name.endswith(("/", ".dist-info/RECORD")) or _LEFT_OUT.match(name):
        return None  # RECORD would name files that were left out
    return name


def _wanted(arch: str) -> list[str]:
    """What pyproject.toml asks for; on arm64, which is a Pi, its extra too."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs: list[str] = list(project["dependencies"])
    if arch == "arm64":
        needs += [need.partition(";")[0].strip() for need in project["optional-dependencies"]["pi"]]
    return needs


def _there(suite: str, arch: str) -> list[str]:
    """pip's words for that machine."""
    machine = _MACHINE[arch]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(17, _GLIBC_MINOR[suite] + 1)]
    words = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON[suite]}"]
    return words + [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")]


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, words), "--disable-pip-version-check", "--no-input"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(
            f"{done.stderr.strip()[-2000:]}\nbuild: pip could not bring the wheels (python3-pip installed?)"
        )


def _line(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name.replace('_', '-').lower()}=={version} --hash=sha256:{_sha256(wheel)}\n"


def _hashes(file: Path) -> list[tuple[str, str]]:
    """The lock's lines by hash."""
    lines = [
        line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    return [(line.rpartition("sha256:")[2], line) for line in lines]


def _kept(folder: Path, wanted: Iterable[str]) -> dict[str, Path]:
    """Those of the wheels that the cache has, by hash: each lies in a folder of that name, and is looked at again."""
    found = {digest: path for digest in wanted for path in (folder / digest).glob("*.whl")}
    return {digest: path for digest, path in found.items() if _sha256(path) == digest}


def _keep(wheel: Path, folder: Path) -> None:
    place = folder / _sha256(wheel)
    place.mkdir(parents=True, exist_ok=True)
    aside = place / f"{wheel.name}.{os.getpid()}"
    shutil.copy(wheel, aside)
    aside.rename(place / wheel.name)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
