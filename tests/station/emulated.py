"""A commit becomes a folder on an arm64 Debian whose programs run here: translated by qemu-user, on this kernel.

Debian's root and the project's own aarch64 wheels are layers, made once; a commit's files and its compiled kernels are
kept beside them. Every command runs in a mount and process namespace of its own: mounts, and whatever still runs, end
with it. The processor is a Pi's by its instructions only; its speed is not one's, and neither is anything timed by it.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

from tests.station.image import run
from tests.station.layers import cache, key_of, layer

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = {"trixie": "3.13", "bookworm": "3.11"}
"""Debian under Raspberry Pi OS, and its Python."""
CPUS = ("cortex-a72", "cortex-a76")
"""A Pi 4's and a Pi 5's."""

_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "arch-test": "arch-test",
    "qemu-aarch64-static": "qemu-user-static",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "git": "git",
}
_BINFMT = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")
_MIRROR = Path("/etc/apt/sources.list.d/debian.sources")
_LEFT_OUT = ("man", "locale", "doc")
_NOT_NEEDED = {"ruff", "mypy", "pytest-cov"}
_BESIDE = ("pip", "pytest-xdist>=3")
_KEPT_HERE = {"src": "src", "out": "out", "numba": "var/cache/numba"}
# setpriv: ends with this process even when that is killed; --kill-child: takes all that runs inside with it
_NAMESPACE = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child"),
    *("sh", "-eu", "-c"),
)
# The kernel is told here who runs arm64: from Linux 6.7 on it forgets that with the last mount.
_EMULATION = f"""\
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
[ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || cat {_BINFMT} > /proc/sys/fs/binfmt_misc/register
"""
_ENTER = """\
cd {root}
{binds}
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount -t tmpfs tmpfs tmp
exec chroot . env -i {environment} sh -eu -c {command}
"""


def lacking() -> str | None:
    """Why there can be no arm64 here and what would bring it; None when there can."""
    if os.geteuid() != 0 or not _MIRROR.exists():
        return "arm64 bench: needs Debian 12 and root, to make a root folder for arm64"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {package for tool, package in _TOOLS.items() if not shutil.which(tool, path=path)}
    return f"arm64 bench: apt-get install {' '.join(sorted(missing))}" if missing else None


class Arm64:
    """An arm64 Debian with this checkout's last commit in it."""

    def __init__(self, suite: str, cpu: str) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        python, needs = PYTHONS[suite], _needs(project)
        self._root = layer("pi-root", key_of("1", suite), lambda folder: _bootstrap(folder, suite)) / "root"
        wheels = layer(
            "pi-wheels", key_of("1", python, *needs), lambda folder: _unpack(folder, python, needs)
        )
        self._place = cache() / f"arm64-{suite}-{cpu}"
        self._binds = {self._place / here: there for here, there in _KEPT_HERE.items()}
        self._binds[wheels] = f"usr/local/lib/python{python}/dist-packages"
        for here, there in self._binds.items():
            here.mkdir(parents=True, exist_ok=True)
            (self._root / there).mkdir(parents=True, exist_ok=True)
        self._environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "QEMU_CPU": cpu,
            "NUMBA_CPU_NAME": cpu,  # LLVM knows a real one by its name, which an emulated one does not tell
            "NUMBA_CACHE_DIR": "/var/cache/numba",
            "HIPBAR_BENCH": "off",  # the bench's own machine is an x86-64
        }
        self.commit = _export(self.source)

    @property
    def source(self) -> Path:
        """The commit's files: /src for arm64."""
        return self._place / "src"

    @property
    def out(self) -> Path:
        """The folder that is /out for arm64."""
        return self._place / "out"

    def run(self, *words: str) -> int:
        """A command in /src, told on this terminal; the exit code."""
        script = _EMULATION + _ENTER.format(
            root=self._root,
            binds="\n".join(f"mount --bind {here} {there}" for here, there in self._binds.items()),
            environment=shlex.join(f"{name}={value}" for name, value in self._environment.items()),
            command=shlex.quote(f"cd /src; exec {shlex.join(words)}"),
        )
        return subprocess.run([*_NAMESPACE, script], check=False).returncode

    def install(self) -> None:
        """What `pip install -e .` does, and the kernels compiled, unless they are in the cache."""
        options = ("--no-index", "--no-deps", "--no-build-isolation", "--break-system-packages")
        pip = ("python3", "-m", "pip", "-q", "install", "--root-user-action=ignore", *options, "-e", ".")
        for words in (pip, ("python3", "-c", "from appliance.kernels.warm import warm; warm()")):
            if code := self.run(*words):
                raise RuntimeError(f"on arm64: {shlex.join(words)}: exit {code}")


def _needs(project: dict[str, dict[str, object]]) -> list[str]:
    """What pip is asked for: what the product needs to be built, to run and to be tested."""
    about = project["project"]
    tests = [need for need in about["optional-dependencies"]["test"] if _name(need) not in _NOT_NEEDED]  # type: ignore[index]
    return [*project["build-system"]["requires"], *about["dependencies"], *tests, *_BESIDE]  # type: ignore[misc]


def _name(need: str) -> str:
    return re.split("[<>=]", need)[0]


def _bootstrap(folder: Path, suite: str) -> None:
    """Debian from the mirror that this machine's apt uses; its own programs finish it, translated."""
    named = re.search(r"VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(encoding="utf-8"))
    assert named
    sources, root = folder / "debian.sources", folder / "root"
    sources.write_text(_MIRROR.read_text(encoding="utf-8").replace(named[1], suite), encoding="utf-8")
    options = ["--quiet", "--mode=root", "--variant=minbase", "--architectures=arm64", "--include=python3"]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    run(*_NAMESPACE, _EMULATION + shlex.join(["mmdebstrap", *options, suite, str(root), str(sources)]))
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")


def _unpack(folder: Path, python: str, needs: list[str]) -> None:
    """The wheels that pip would choose on a Pi, unpacked: that is all that installing them would do."""
    downloads = folder / "wheels"
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 37)]
    options = [
        "--only-binary=:all:",
        f"--python-version={python}",
        *platforms,
        "--platform=manylinux2014_aarch64",
    ]
    run(sys.executable, "-m", "pip", "download", "-q", "-d", downloads, *options, *needs)
    for wheel in downloads.glob("*.whl"):
        shutil.unpack_archive(wheel, folder, "zip")
    shutil.rmtree(downloads)


def _export(folder: Path) -> str:
    """The files of HEAD; one that has not changed keeps its time, for Numba's cache goes by it. The commit's name."""
    git = ("git", "-c", "safe.directory=*", "-C", ROOT)
    packed = subprocess.run([*git, "archive", "HEAD"], check=True, capture_output=True).stdout
    wanted = set()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for member in (m for m in tar if m.isfile()):
            path, content = folder / member.name, tar.extractfile(member).read()  # type: ignore[union-attr]
            wanted.add(path)
            if not path.exists() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(member.mode)
    for path in folder.rglob("*"):
        if path.is_file() and path not in wanted and "__pycache__" not in path.parts:
            path.unlink()
    return run(*git, "describe", "--always", "--long").strip()
