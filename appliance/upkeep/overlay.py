"""A partition and a word become a system that forgets every write at power-off, and a place for what must last.

The root partition lies read-only under a RAM overlay, by Debian's package overlayroot. Settings and recordings live on
a data partition at /media/hipbar, bound to /etc/hipbar and /var/lib/hipbar. It is mounted with `nofail`: without it the
station starts with the settings it had when the partition was made, and keeps no recordings. The folder /media/hipbar
is root's, so that the service can't exchange its own settings or the keys of its updates.
Refuses, with `UpkeepError` and before anything is touched, a partition that may not be taken (`partition.py`) and a
system without overlayroot in the initramfs that it boots with.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from appliance.errors import UpkeepError
from appliance.station.places import NOT_ON_DATA
from appliance.upkeep import partition
from appliance.upkeep.boot import Machine, said
from appliance.upkeep.files import Change, change, content, outside, with_block, write
from appliance.upkeep.partition import LABEL, MOUNT, Device, run

STATE, SETTINGS = "/var/lib/hipbar", "/etc/hipbar"
FSTAB, SWITCH = "/etc/fstab", "/etc/overlayroot.local.conf"
LOWER = Path("/media/root-ro")
_SCRIPT = "scripts/init-bottom/overlayroot"
_READY = ".ready"

_FSTAB_LINES = (
    "# settings and recordings on a partition of their own; a missing one stops nothing",
    "UUID={uuid} {mount} ext4 noatime,nodev,nosuid,noexec,errors=remount-ro,nofail,x-systemd.device-timeout=30s 0 2",
    "{mount}/state {state} none bind,nofail,x-systemd.requires-mounts-for={mount} 0 0",
    "{mount}/settings {settings} none bind,nofail,x-systemd.requires-mounts-for={mount} 0 0",
)
_SERVICE = "/etc/systemd/system/hipbar.service.d/data.conf"
_SERVICE_TEXT = b"""\
# hipbar setup: the station waits for its settings and recordings to be mounted, but does not need them.
[Unit]
After=var-lib-hipbar.mount etc-hipbar.mount
"""
_JOURNAL = "/etc/systemd/journald.conf.d/zz-hipbar-read-only.conf"
_NOT_NOW = b"""\
# hipbar setup: would only fill the memory of a read-only system
[Unit]
ConditionPathExists=!/media/root-ro
"""
_QUIET = (
    (_JOURNAL, b"# hipbar setup: read-only system\n[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n", "/"),
    (
        "/etc/rpi/swap.conf.d/hipbar.conf",
        b"# hipbar setup: no swap file\n[Main]\nMechanism=zram\n",
        "/etc/rpi/swap.conf",
    ),
    ("/etc/systemd/system/dphys-swapfile.service.d/hipbar.conf", _NOT_NOW, "/usr/sbin/dphys-swapfile"),
    (
        "/etc/systemd/system/apt-daily.timer.d/hipbar.conf",
        _NOT_NOW,
        "/usr/lib/systemd/system/apt-daily.timer",
    ),
    (
        "/etc/systemd/system/apt-daily-upgrade.timer.d/hipbar.conf",
        _NOT_NOW,
        "/usr/lib/systemd/system/apt-daily-upgrade.timer",
    ),
)
"""Files that only a read-only system needs, what they say, and what must be there for them to be of use."""


class Plan(msgspec.Struct, frozen=True):
    """What will change, what will be done besides, and the doing."""

    changes: tuple[Change, ...]
    steps: tuple[str, ...]
    remarks: tuple[str, ...]
    do: Callable[[], None]


def is_overlay(root: Path = Path("/")) -> bool:
    """Whether this machine runs on a read-only system under an overlay."""
    mounts = content(root, "/proc/mounts") or b""
    return any(line.split()[:2] == [b"overlayroot", b"/"] for line in mounts.splitlines())


def refuse_overlay(root: Path = Path("/")) -> None:
    """Refuses a change to the system that would be forgotten at power-off."""
    if root == Path("/") and is_overlay():
        raise UpkeepError(
            "this system is read-only: the change would be gone after the next start",
            fix="sudo hipbar setup --read-only off, start again, make the change, then switch it on again",
        )


def plan_on(wanted: Path, machine: Machine, root: Path = Path("/")) -> Plan:
    """How this machine becomes read-only, with that partition for what must last."""
    _refuse_system(root, machine)
    device = partition.inspect(wanted, _known(root))
    lines = [
        line.format(uuid=device.uuid, mount=MOUNT, state=STATE, settings=SETTINGS) for line in _FSTAB_LINES
    ]
    changes = [
        *change(root, FSTAB, with_block(content(root, FSTAB) or b"", lines, FSTAB)),
        *change(root, _SERVICE, _SERVICE_TEXT),
        *(
            one
            for path, text, needs in _QUIET
            if (root / needs[1:]).exists()
            for one in change(root, path, text)
        ),
        *change(root, SWITCH, b'# hipbar setup: only the root partition\noverlayroot="tmpfs:recurse=0"\n'),
    ]
    size = f"{device.size / 1e9:.1f} GB"
    steps = (
        f"keep what is on {device.path} ({size}): it is a data partition of hipbar's"
        if device.ours
        else f"make {device.path} ({size}, empty) an ext4 file system named {LABEL}",
        *(() if device.mounted else (f"stop hipbar, move {STATE} and copy {SETTINGS} there",)),
    )
    return Plan(tuple(changes), steps, (), lambda: _move_in(root, device, changes))


def plan_off(root: Path = Path("/"), lower: Path = LOWER) -> Plan:
    """How the system becomes writable again; settings and recordings stay on their partition."""
    covered = is_overlay(root)
    base = lower if covered else root
    gone = [SWITCH, *(path for path, _, _ in _QUIET)]
    changes = [one for path in gone for one in change(base, path, None)]
    remarks = (f"settings and recordings stay on the partition at {MOUNT}",) if changes else ()

    def do() -> None:
        with _writable(base) if covered else contextlib.nullcontext():
            write(base, changes)
        os.sync()

    return Plan(tuple(changes), (), remarks, do)


def _refuse_system(root: Path, machine: Machine) -> None:
    if is_overlay(root):
        raise UpkeepError(
            "this system is read-only already", fix="to change it: sudo hipbar setup --read-only off"
        )
    if not (root / "usr/share/initramfs-tools" / _SCRIPT).exists():
        raise UpkeepError(
            "the package overlayroot is not installed", fix="sudo apt install overlayroot busybox"
        )
    if b"overlayroot=" in (content(root, "/proc/cmdline") or b""):
        raise UpkeepError(
            "the kernel's command line has overlayroot= already, which would cover the data partition too",
            fix="switch it off: sudo raspi-config nonint do_overlayfs 1, and start again",
        )
    boot = said(root, machine)
    if (
        machine.is_pi
        and boot.values.get("auto_initramfs") != "1"
        and not any(key.startswith("initramfs") for key in boot.values)
    ):
        raise UpkeepError(
            "config.txt loads no initramfs, and the overlay is made there",
            fix="add auto_initramfs=1 below [all] in /boot/firmware/config.txt, start again",
        )
    _refuse_initramfs(root, os.uname().release)


def _refuse_initramfs(root: Path, release: str) -> None:
    """The overlay is made by a script in the image that this kernel is started with."""
    pi = "initramfs_2712" if release.endswith("2712") else "initramfs8"
    for path in (root / "boot/firmware" / pi, root / f"boot/initrd.img-{release}"):
        if path.exists():
            if package := lacking(run("lsinitramfs", path)):
                raise UpkeepError(
                    f"{path} has no {package} in it",
                    fix=f"sudo apt install {package}, sudo update-initramfs -u, then try again",
                )
            return
    raise UpkeepError(
        f"no initramfs was found for the running kernel {release}",
        fix="sudo update-initramfs -c -k all, start again",
    )


def lacking(listing: str) -> str | None:
    """The package that an initramfs is without: overlayroot, or busybox, whose grep it needs to find its driver."""
    held = {line.removeprefix("usr/") for line in listing.splitlines()}
    needed = {"overlayroot": _SCRIPT, "busybox": "bin/busybox"}
    return next((package for package, path in needed.items() if path not in held), None)


def _known(root: Path) -> bytes:
    """What fstab says in our block: whether a partition is the one of before."""
    data = content(root, FSTAB) or b""
    head, tail = outside(data, FSTAB)
    return data[len(head) : len(data) - len(tail)]


def _move_in(root: Path, device: Device, changes: Sequence[Change]) -> None:
    """Copies first, then names the new place, and only then empties the old one: a power cut loses nothing."""
    if not device.mounted:
        if root == Path("/"):
            subprocess.run(["systemctl", "stop", "hipbar.service"], capture_output=True, check=False)
        if not device.ours:
            run("mkfs.ext4", "-q", "-m", "1", "-L", LABEL, "-U", device.uuid, device.path)
        with _mounted(device.path) as there:
            for name, source in (("state", STATE), ("settings", SETTINGS)):
                _copy(root / source[1:], there / name, whole=not (there / _READY).exists())
            (there / _READY).touch()
            os.sync()
    write(root, changes)
    if not device.mounted:
        _empty(root / STATE[1:])
    os.sync()


def _copy(source: Path, target: Path, *, whole: bool) -> None:
    """All of a folder, with owners and modes; what a data partition of before has holds, and is only added to."""
    if whole and target.exists():
        shutil.rmtree(target)
    if source.is_dir():
        target.mkdir(exist_ok=True)
        run("cp", "-a", "-n", f"{source}/.", target)
        if whole:
            run("chown", "--reference", source, target)
            run("chmod", "--reference", source, target)
    else:
        target.mkdir(exist_ok=True)


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (folder / NOT_ON_DATA).write_text(
        f"The data partition at {MOUNT} is not mounted; what is written here is lost at power-off.\n"
    )


@contextlib.contextmanager
def _mounted(device: str) -> Iterator[Path]:
    there = Path("/run/hipbar-setup")
    there.mkdir(exist_ok=True)
    run("mount", "-t", "ext4", "-o", "noatime", device, there)
    try:
        yield there
    finally:
        run("umount", there)
        there.rmdir()


@contextlib.contextmanager
def _writable(lower: Path) -> Iterator[None]:
    """The root partition itself, under the overlay, for a moment."""
    run("mount", "-o", "remount,rw", lower)
    try:
        yield
    finally:
        os.sync()
        subprocess.run(["mount", "-o", "remount,ro", str(lower)], capture_output=True, check=False)
