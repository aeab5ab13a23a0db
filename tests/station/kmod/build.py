"""A kernel release becomes the modules of the bench: stand-ins for the wires of a Pi, built against Debian's headers.

Our own sources lie beside this file. gpio-sim, which Debian's kernel leaves out, is built from Debian's own kernel
source, v4l2loopback from Debian's dkms package; neither is copied into the repository. The result is kept until a
source, a package or the release changes. Refuses with `CannotBuild` and the package to install.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = ("gcc", "make", "xz-utils", "linux-source-6.1", "linux-headers-amd64")
"""Debian packages that building needs; the source of `LOOPBACK` is fetched by apt when it is needed."""
MODULES = ("spi-capture.ko", "camsim.ko", "gpio-sim.ko", "v4l2loopback.ko")
LOOPBACK = "v4l2loopback-dkms"
_KERNEL = Path("/usr/src/linux-source-6.1.tar.xz")
_WANTED = {"drivers/gpio/gpio-sim.c", "drivers/gpio/gpiolib.h", "kernel/irq/irq_sim.c"}
_KBUILD = """\
obj-m := spi-capture.o camsim.o gpio-sim.o v4l2loopback.o
gpio-sim-y := gpio-sim-main.o irq_sim.o
"""


class CannotBuild(Exception):
    """What is missing, and the command that brings it."""


def missing(release: str) -> list[str]:
    """The Debian packages that are not there yet; empty when everything can be built."""
    found = {
        "gcc": shutil.which("gcc"),
        "make": shutil.which("make"),
        "xz-utils": shutil.which("xz"),
        "linux-source-6.1": _KERNEL.exists(),
        f"linux-headers-{release}": _headers(release).exists(),
    }
    return [package for package, there in found.items() if not there]


def build(release: str, out: Path) -> list[Path]:
    """The modules for that kernel in `out`, built only when something has changed since the last time."""
    if lacking := missing(release):
        raise CannotBuild(f"apt-get install {' '.join(lacking)}")
    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, mark = out / "built", _mark(release)
        if not (stamp.exists() and stamp.read_text() == mark and all((out / m).exists() for m in MODULES)):
            stamp.unlink(missing_ok=True)
            with tempfile.TemporaryDirectory() as folder:
                _compile(release, Path(folder), out)
            stamp.write_text(mark)
    return [out / module for module in MODULES]


def _headers(release: str) -> Path:
    return Path(f"/usr/src/linux-headers-{release}")


def _mark(release: str) -> str:
    """Changes with everything that the modules are made of."""
    digest = hashlib.sha256(release.encode())
    for path in sorted([*HERE.glob("*.c"), Path(__file__)]):
        digest.update(path.read_bytes())
    for path in (_KERNEL, _headers(release) / ".config"):
        state = path.stat()
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()


def _compile(release: str, folder: Path, out: Path) -> None:
    for path in HERE.glob("*.c"):
        shutil.copy(path, folder)
    _take_gpio_sim(folder)
    _take_loopback(folder, out)
    (folder / "Kbuild").write_text(_KBUILD)
    jobs = f"-j{os.cpu_count() or 1}"
    _call("make", "-s", jobs, "-C", str(_headers(release)), f"M={folder}", "modules")
    for module in MODULES:
        _call("strip", "--strip-debug", str(folder / module))
        shutil.copy(folder / module, out)


def _take_gpio_sim(folder: Path) -> None:
    """gpio-sim and the simulated interrupts that it needs, linked into one module."""
    sources = folder / "kernel-source"
    _extract(sources)
    shutil.copy(sources / "drivers/gpio/gpio-sim.c", folder / "gpio-sim-main.c")
    shutil.copy(sources / "drivers/gpio/gpiolib.h", folder)
    # irq_to_desc() is not there for modules; generic_handle_irq() does both steps and is
    inside, outside = "handle_simple_irq(irq_to_desc(irqnum))", "generic_handle_irq(irqnum)"
    simulated = (sources / "kernel/irq/irq_sim.c").read_text()
    if inside not in simulated:
        raise CannotBuild(f"irq_sim.c has changed: no {inside} in it")
    (folder / "irq_sim.c").write_text(simulated.replace(inside, outside))


def _extract(sources: Path) -> None:
    """The few files that are wanted, read through the archive once and no further than the last of them."""
    left = set(_WANTED)
    with tarfile.open(_KERNEL, "r|xz") as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            content = archive.extractfile(member) if name in left else None
            if content is None:
                continue
            target = sources / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())
            left.remove(name)
            if not left:
                return
    raise CannotBuild(f"{_KERNEL} lacks {', '.join(sorted(left))}")


def _take_loopback(folder: Path, out: Path) -> None:
    if not list(out.glob(f"{LOOPBACK}_*.deb")):
        _call("apt-get", "-q", "download", LOOPBACK, cwd=out)
    package = sorted(out.glob(f"{LOOPBACK}_*.deb"))[-1]
    _call("dpkg-deb", "-x", str(package), str(folder / "package"))
    source = next((folder / "package/usr/src").glob("v4l2loopback-*"))
    for path in [*source.glob("*.c"), *source.glob("*.h")]:
        shutil.copy(path, folder)


def _call(*words: str, cwd: Path | None = None) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotBuild(f"{' '.join(words)}\n{(done.stdout + done.stderr)[-4000:]}")


if __name__ == "__main__":
    print(*build(sys.argv[1], Path(sys.argv[2])), sep="\n")
