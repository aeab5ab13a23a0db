"""A checkout becomes a running bench: the machine with hipbar and the stand-ins for a Pi's wires in it.

What this computer lacks for that is one line of words, `lacking`. HIPBAR_BENCH: "off" = not wanted, "required" = a
bench that can't be had is a failure (CI says so), anything else = skipped with the reason.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.station import code, image
from tests.station.kmod import build as kmod
from tests.station.layers import told
from tests.station.vm import Vm

TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ssh": "openssh-client",
    "mke2fs": "e2fsprogs",
    "unshare": "util-linux",
}
PACKAGES = Path(__file__).with_name("packages.txt")
CAMERA, STRIP, CAPTURE = "/dev/video9", "/dev/spidev0.0", "/dev/spicapture"


def wish() -> str:
    """What HIPBAR_BENCH says: "off", "required" or ""."""
    return os.environ.get("HIPBAR_BENCH", "")


def lacking(also: str = ":/usr/sbin:/sbin") -> str | None:
    """Why there can be no bench here and what would bring it; None when there can. `also` : more than PATH."""
    if wish() == "off":
        return "station bench: switched off by HIPBAR_BENCH=off"
    if platform.machine() != "x86_64" or not image.MIRROR.exists():
        return "station bench: needs Debian 12 on x86-64"
    if os.geteuid() != 0:
        return "station bench: needs root, to make a root folder for its machine"
    path = os.environ.get("PATH", "") + also
    tools = {package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)}
    if absent := sorted(tools | set(kmod.missing(image.release() or "amd64"))):
        return f"station bench: apt-get install {' '.join(absent)}"
    return None


@contextmanager
def started() -> Iterator[Vm]:
    """The machine, running, with this checkout's hipbar installed and the stand-ins' modules ready to be loaded."""
    system = image.system()
    archive = code.archive(system)
    with Vm.started(system) as vm:
        with told("unpacking hipbar in the machine"):
            vm.unpack(archive)
        yield vm
