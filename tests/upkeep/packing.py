"""Small real packages and real keys for the tests of updates: made by dpkg-deb and gpg, wherever those are."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

NEEDED = ("dpkg", "dpkg-deb", "dpkg-query", "dpkg-repack", "gpg", "gpgv")
lacking = [name for name in NEEDED if not shutil.which(name)]
debian = pytest.mark.skipif(
    bool(lacking), reason=f"needs {', '.join(lacking)}, which this computer does not have"
)


def architecture() -> str:
    """What dpkg calls this computer's processors."""
    return subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()


def deb(folder: Path, version: str, files: Mapping[str, str] | None = None, **fields: str) -> Path:
    """A package "hipbar" with a file that holds its version; names in DEBIAN/ are its scripts."""
    tree = folder / f"tree-{version}"
    control = {
        "Package": "hipbar",
        "Version": version,
        "Architecture": "all",
        "Maintainer": "A Test <a@b.test>",
    }
    control |= {"Description": "a bar of light", "Installed-Size": "20"}
    control |= {name.replace("_", "-"): value for name, value in fields.items()}
    texts = {"usr/lib/hipbar/version": version, **(files or {})}
    texts["DEBIAN/control"] = "".join(f"{name}: {value}\n" for name, value in control.items())
    for name, text in texts.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.write_text(text)
        path.chmod(0o755 if name.startswith("DEBIAN/") and name != "DEBIAN/control" else 0o644)
    target = folder / f"{control['Package']}_{version}_{control['Architecture']}.deb"
    words = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(target)]
    subprocess.run(words, check=True, capture_output=True)
    shutil.rmtree(tree)
    return target


def empty_root(root: Path) -> None:
    """A root for dpkg in which nothing is installed."""
    for folder in ("updates", "info", "triggers", "parts"):
        (root / "var/lib/dpkg" / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "usr/share").mkdir(parents=True)


class Keys:
    """A person's keys in a folder of their own; names are those of the keys."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700)
        self.home = home

    def make(self, name: str, *, when: str = "", expires: str = "never") -> str:
        """A new key; its fingerprint."""
        self.run(*_at(when), "--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", expires)
        listed = self.run("--list-keys", "--with-colons", name).decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def export(self, ring: Path, *names: str) -> Path:
        """A keyring of the public halves."""
        ring.parent.mkdir(parents=True, exist_ok=True)
        ring.write_bytes(self.run("--export", *names))
        return ring

    def sign(self, file: Path, name: str, suffix: str = ".asc", *, when: str = "", options: str = "") -> Path:
        """A signature beside the file."""
        target = file.with_name(file.name + suffix)
        armour = ["--armor"] if suffix == ".asc" else []
        words = [*_at(when), *options.split(), "-u", name, *armour, "--yes", "-o", str(target)]
        self.run(*words, "--detach-sign", str(file))
        return target

    def revoke(self, name: str) -> None:
        """Takes a key back, by the paper that gpg made with it."""
        fingerprint = next(
            line.split(":")[9]
            for line in self.run("--list-keys", "--with-colons", name).decode().splitlines()
            if line.startswith("fpr")
        )
        paper = self.home / "openpgp-revocs.d" / f"{fingerprint}.rev"
        paper.write_text(paper.read_text().replace("\n:---", "\n---"))
        self.run("--import", str(paper))

    def run(self, *words: str) -> bytes:
        """What gpg answers."""
        environment = {**os.environ, "GNUPGHOME": str(self.home), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(["gpg", "--batch", *words], capture_output=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def end(self) -> None:
        """Ends the agent that gpg has started."""
        environment = {**os.environ, "GNUPGHOME": str(self.home)}
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True)


def _at(when: str) -> tuple[str, ...]:
    return ("--faked-system-time", f"{when}T120000!") if when else ()


def keys_of(make_folder: Callable[[str], Path]) -> Keys:
    """A folder of keys for a module of tests; its path is short, because a socket's has to be."""
    return Keys(make_folder("k") / "home")
