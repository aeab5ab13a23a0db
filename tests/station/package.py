"""This checkout becomes its Debian package, built by `systemd/build.py` once for each state of its sources."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from tests.station.image import run
from tests.station.layers import cache, key_of, layer

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
