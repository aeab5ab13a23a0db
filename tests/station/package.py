"""This checkout becomes its Debian package, built by `systemd/build.py` once for each state of its sources.

`python -m tests.station package` builds it for both Debians and both processors, twice each, and has lintian look at
the whole of it: what the tests leave out for the time it takes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.station.image import run
from tests.station.layers import cache, key_of, layer, told

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = ("appliance", "hw", "systemd", "pyproject.toml", "CHANGELOG.md")
TOOLS = {
    "dh": "debhelper",
    "dpkg-deb": "dpkg-dev",
    "readelf": "binutils",
    "git": "git",
    "lintian": "lintian",
    "shellcheck": "shellcheck",
    "systemd-analyze": "systemd",
}


def lacking() -> str | None:
    """What is not here to build it with, and what would bring it; None when all is."""
    if os.geteuid() != 0:
        return "package: needs root, to look at what it makes of users and folders"
    absent = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool)})
    return f"package: apt-get install {' '.join(absent)}" if absent else None


def deb(suite: str, arch: str = "amd64", *, version: str | None = None) -> Path:
    """The package for that Debian and processor; `version` : another one than pyproject.toml's, to try an update."""
    sources = [ROOT / name for name in _SOURCES]
    kind = (
        f"deb.{version or 'own'}.{suite}.{arch}"  # no kind's name begins like another's: layers count by that
    )

    def make(folder: Path) -> None:
        build(folder, suite, arch, version)

    (made,) = layer(kind, key_of("1", *sources), make).glob("*.deb")
    return made


def build(
    folder: Path, suite: str, arch: str = "amd64", version: str | None = None, source: Path = ROOT
) -> Path:
    """Builds it anew from that checkout; the file in `folder`."""
    os.environ.setdefault("HIPBAR_WHEELS", str(cache() / "wheels"))
    more = ["--version", version] if version else []
    run(sys.executable, source / "systemd/build.py", "--suite", suite, "--arch", arch, "-o", folder, *more)
    (made,) = folder.glob("*.deb")
    return made


def main() -> int:
    """All four packages: size, seconds, whether a second build is the same, what lintian says; 0 when all is well."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        run("git", "-c", "safe.directory=*", "clone", "-q", ROOT, Path(folder) / "commit")
        for suite in ("bookworm", "trixie"):
            for arch in ("amd64", "arm64"):
                good &= _looked_at(Path(folder), suite, arch)
    return 0 if good else 1


def _looked_at(folder: Path, suite: str, arch: str) -> bool:
    first, second = (folder / f"{suite}-{arch}-{which}" for which in ("first", "second"))
    build(first, suite, arch, source=folder / "commit")  # which brings the wheels, too
    began_s = time.monotonic()
    made = build(second, suite, arch, source=folder / "commit")
    took_s = time.monotonic() - began_s
    same = made.read_bytes() == (first / made.name).read_bytes()
    with told(f"lintian: {made.name}"):
        words = ["lintian", "--allow-root", "--fail-on", "info,warning,error", made]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).strip()
    size_mb = made.stat().st_size / 1e6
    verdict = "equal" if same else "NOT EQUAL"
    print(
        f"{made.name}: {size_mb:.1f} MB, built in {took_s:.1f} s, twice: {verdict}; lintian: {said or 'nothing'}"
    )
    return same and not done.returncode
