"""A checkout becomes `hipbar_VERSION_ARCH.deb`: the program in its own Python environment, units, rules, settings.

    python3 systemd/build.py --suite trixie --arch arm64 [-o dist]

Built for another processor as for one's own: wheels are downloaded for it and unpacked, nothing is compiled. Two builds
of one commit are equal byte for byte: times are the commit's, wheels are locked by their hashes, debhelper does the
rest in a scratch folder. Refuses wheels that are not those of the lock, and shared libraries that no Debian package of
the list brings.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import tomllib
from email.utils import formatdate
from pathlib import Path

import libraries
import wheels

ROOT = wheels.ROOT
HERE = ROOT / "systemd"
SUFFIX = {"bookworm": "~deb12", "trixie": "~deb13"}
"""A newer Debian's package of the same version is the newer one, as Debian's own backports have it."""
_TOOLS = {"dh": "debhelper", "dpkg-deb": "dpkg-dev", "readelf": "binutils", "git": "git"}
_GIT = ("git", "-c", "safe.directory=*", "-C", str(ROOT))
_METADATA = "Metadata-Version: 2.1\nName: hipbar\nVersion: {version}\nSummary: {summary}\nLicense: MIT\n"
_ENVIRONMENT = "home = /usr/bin\ninclude-system-site-packages = true\nversion = {python}\n"


def main(words: list[str]) -> int:
    """Builds, or renews the locks; the exit code."""
    asked = _asked(words)
    if absent := sorted({package for tool, package in _TOOLS.items() if not shutil.which(tool)}):
        print(f"build: apt-get install {' '.join(absent)}", file=sys.stderr)
        return 1
    if asked.lock:
        for suite in wheels.PYTHON:
            for arch in ("amd64", "arm64"):
                print(wheels.lock(suite, arch))
        return 0
    if _said(*_GIT, "status", "--porcelain", "appliance", "hw", "systemd"):
        print("build: with changes that are not committed: nobody else can build this one", file=sys.stderr)
    began_s = time.monotonic()
    package = build(asked.suite, asked.arch, asked.output, asked.version, asked.key)
    size_mb = package.stat().st_size / 1e6
    print(f"{package}: {size_mb:.1f} MB, {time.monotonic() - began_s:.1f} s")
    if asked.sign:
        print(_sign(package, asked.sign))
    return 0


def build(suite: str, arch: str, output: Path, version: str | None = None, key: Path | None = None) -> Path:
    """The package, made in a scratch folder and moved to `output`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = version or str(project["version"])
    epoch = int(_said(*_GIT, "log", "-1", "--format=%ct"))
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hipbar-deb-") as scratch:
        source = Path(scratch) / "hipbar"
        tree = source / "tree"
        _environment(tree / "usr/lib/hipbar", suite, arch, version, str(project["description"]))
        _system(tree, key)
        _debian(source, suite, version, epoch, libraries.packages(tree))
        _same_times(tree, epoch)
        _debhelper(source, arch, epoch)
        (made,) = Path(scratch).glob("*.deb")
        return Path(shutil.move(made, output / made.name))


def _environment(folder: Path, suite: str, arch: str, version: str, summary: str) -> None:
    """The program's own environment: what `python3 -m venv --system-site-packages` and pip would have made there."""
    python = wheels.PYTHON[suite]
    packages = folder / f"lib/python{python}/site-packages"
    for wheel in wheels.fetch(suite, arch):
        wheels.unpack(wheel, packages)
    for name in _said(*_GIT, "ls-files", "-co", "--exclude-standard", "appliance", "hw").splitlines():
        if (ROOT / name).is_file():
            _copy(ROOT / name, packages / name)
    about = packages / f"hipbar-{version}.dist-info/METADATA"
    about.parent.mkdir()
    about.write_text(_METADATA.format(version=version, summary=summary), encoding="utf-8")
    (folder / "pyvenv.cfg").write_text(_ENVIRONMENT.format(python=python), encoding="utf-8")
    (folder / "bin").mkdir()
    (folder / "bin/python3").symlink_to(f"../../../bin/python{python}")


def _system(tree: Path, key: Path | None) -> None:
    """Everything outside of the environment, where Debian has it."""
    for unit in HERE.glob("*.service"):
        _copy(unit, tree / "lib/systemd/system" / unit.name)  # debian/rules moves them: debhelper looks here
    _copy(HERE / "journald.conf.d/hipbar.conf", tree / "usr/lib/systemd/journald.conf.d/hipbar.conf")
    _copy(HERE / "60-hipbar.rules", tree / "usr/lib/udev/rules.d/60-hipbar.rules")
    _copy(HERE / "hipbar.toml", tree / "usr/share/hipbar/hipbar.toml")
    _copy(HERE / "hipbar.bash", tree / "usr/share/bash-completion/completions/hipbar")
    _copy(HERE / "hipbar", tree / "usr/bin/hipbar")
    (tree / "usr/bin/hipbar").chmod(0o755)
    documents = tree / "usr/share/doc/hipbar"
    for page in (*ROOT.glob("docs/*.md"), *HERE.glob("examples/*")):
        _copy(page, documents / page.relative_to(ROOT / "docs" if page.suffix == ".md" else HERE))
    if key:
        _copy(key, tree / "usr/share/hipbar/keys" / key.with_suffix(".gpg").name)


def _debian(source: Path, suite: str, version: str, epoch: int, needs: list[str]) -> None:
    """The `debian` folder: that of the checkout, and what is different from build to build."""
    debian = source / "debian"
    shutil.copytree(HERE / "debian", debian)
    for name in ("sysusers", "tmpfiles"):
        _copy(HERE / f"hipbar.{name}", debian / f"hipbar.{name}")
    python = wheels.PYTHON[suite]
    after = f"3.{int(python.partition('.')[2]) + 1}"
    variables = {
        "python:Depends": f"python3 (>= {python}~), python3 (<< {after}~)",
        "wheels:Depends": ", ".join(needs),
    }
    substitutes = "".join(f"{name}={value}\n" for name, value in variables.items())
    (debian / "depends").write_text(substitutes, encoding="utf-8")
    (debian / "changelog").write_text(_changelog(suite, version, epoch), encoding="utf-8")


def _changelog(suite: str, version: str, epoch: int) -> str:
    """The newest section of CHANGELOG.md in Debian's form."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = text.split("\n## ")[1].partition("\n")[2]
    points = [" ".join(point.split()) for point in re.split(r"^- ", newest, flags=re.MULTILINE)[1:]]
    told = [textwrap.fill(p, 78, initial_indent="  * ", subsequent_indent="    ") for p in points]
    (maintainer,) = re.findall(
        r"^Maintainer: (.+)$", (HERE / "debian/control").read_text("utf-8"), re.MULTILINE
    )
    head = f"hipbar ({version}{SUFFIX[suite]}) {suite}; urgency=medium"
    return "\n".join([head, "", *told, "", f" -- {maintainer}  {formatdate(epoch)}", ""])


def _debhelper(source: Path, arch: str, epoch: int) -> None:
    """`debian/rules binary`, which is a list of debhelper's commands; what it says is told when it fails."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(source),
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": str(epoch),
        "DEB_RULES_REQUIRES_ROOT": "no",
        "DEB_BUILD_OPTIONS": "nocheck parallel=2",
    }
    (source / "debian/rules").chmod(0o755)
    os.umask(0o022)
    _said("dpkg-architecture", f"-a{arch}", "-c", "debian/rules", "binary", cwd=source, env=environment)


def _sign(package: Path, key: str) -> Path:
    """A detached signature beside the package, by a key of this user's."""
    signature = package.with_name(package.name + ".asc")
    signature.unlink(missing_ok=True)
    _said(
        "gpg",
        "--batch",
        "--local-user",
        key,
        "--armor",
        "--detach-sign",
        "--output",
        str(signature),
        str(package),
    )
    return signature


def _same_times(tree: Path, epoch: int) -> None:
    """Every file as old as the commit, and its rights those of any umask."""
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _said(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    if done.returncode:
        sys.exit(
            f"{done.stdout[-3000:]}{done.stderr[-3000:]}\nbuild: {' '.join(words)}: exit {done.returncode}"
        )
    return done.stdout


def _asked(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 systemd/build.py", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--suite", choices=wheels.PYTHON, default="trixie", help="its Debian (default: trixie)"
    )
    parser.add_argument(
        "--arch", choices=("amd64", "arm64"), default="arm64", help="its processor (default: arm64)"
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="the folder of the result")
    parser.add_argument("--version", help="another version than pyproject.toml's, to try an update")
    parser.add_argument("--key", type=Path, help="a keyring (gpg --export) that updates may be signed with")
    parser.add_argument(
        "--sign", metavar="KEYID", help="sign the package with this key of yours: a file .deb.asc"
    )
    parser.add_argument(
        "--lock", action="store_true", help="renew all locks from the registry, and build nothing"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
