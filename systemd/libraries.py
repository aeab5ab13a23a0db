"""The shared libraries in a tree become the Debian packages that bring what they need and the tree does not have.

Read from the files (ELF's NEEDED, by readelf), so it works for any processor's. Refuses a library that no package of
the list is known to bring: a wheel that needs more than it says would fail on the station, in its first minute.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

_BRINGS = {
    r"lib(c|m|dl|rt|util|pthread)\.so\.\d|ld-linux.*": "libc6",
    r"libgcc_s\.so\.1": "libgcc-s1",
    r"libstdc\+\+\.so\.6": "libstdc++6",
    r"libz\.so\.1": "zlib1g",
}


def packages(tree: Path) -> list[str]:
    """The names of the packages, sorted."""
    files = [
        path for path in tree.rglob("*") if re.search(r"\.so(\.\d+)*$", path.name) and not path.is_symlink()
    ]
    needed = _needed(files) - {path.name for path in files}
    found = {name: _package(name) for name in sorted(needed)}
    if unknown := [name for name, package in found.items() if package is None]:
        sys.exit(f"build: no package is known to bring {', '.join(unknown)}: see systemd/libraries.py")
    return sorted({package for package in found.values() if package})


def _needed(files: list[Path]) -> set[str]:
    done = subprocess.run(["readelf", "-dW", *map(str, files)], capture_output=True, text=True, check=True)
    return set(re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", done.stdout))


def _package(name: str) -> str | None:
    return next((package for pattern, package in _BRINGS.items() if re.fullmatch(pattern, name)), None)
