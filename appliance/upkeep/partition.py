"""A device's name becomes a partition that hipbar may take for its data, or a refusal that says why not.

Refuses, with `UpkeepError`: what is no block device, a whole disk with partitions, one below 1 GB, one that is mounted
or otherwise in use, and one that holds anything but a data partition of hipbar's. Only reads. Sizes in bytes.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import uuid
from pathlib import Path
from typing import Any

import msgspec

from appliance.errors import UpkeepError

MOUNT, LABEL = "/media/hipbar", "hipbar-data"
LEAST_BYTES = 1_000_000_000


class Device(msgspec.Struct, frozen=True):
    """A partition that may be taken: `ours` = it has been hipbar's before; `mounted` = it is so now, in its place."""

    path: str
    size: int
    uuid: str
    ours: bool
    mounted: bool


def inspect(wanted: Path, known: bytes) -> Device:
    """What is behind a name, if it may be taken; `known` : fstab's lines of hipbar's data partition."""
    path = _block_device(wanted)
    seen = _listed(path)
    if parts := [part["name"] for part in seen.get("children", [])]:
        raise UpkeepError(
            f"{wanted} is a whole disk with partitions", fix=f"name one of them: {', '.join(parts)}"
        )
    if seen["size"] < LEAST_BYTES:
        raise UpkeepError(f"{wanted} has only {seen['size'] / 1e6:.0f} MB", fix="take one of 1 GB or more")
    held = _held(path)
    ours = held.get("LABEL") == LABEL and held.get("TYPE") == "ext4"
    places = [place for place in seen.get("mountpoints") or [] if place]
    again = ours and f"UUID={held['UUID']} ".encode() in known
    if places and not (again and MOUNT in places):
        raise UpkeepError(f"{wanted} is in use at {places[0]}", fix="take another one, or unmount it first")
    if held and not ours:
        what = " ".join(filter(None, (held.get("TYPE") or held.get("PTTYPE"), held.get("LABEL"))))
        raise UpkeepError(
            f"{wanted} holds something already ({what})",
            fix=f"take another one; if nothing on it is needed any more: sudo wipefs -a {wanted}",
        )
    if not places:
        _refuse_busy(path)
    return Device(path, seen["size"], held.get("UUID") or str(uuid.uuid4()), ours, bool(places))


def _block_device(wanted: Path) -> str:
    path = os.path.realpath(wanted)
    try:
        is_block = stat.S_ISBLK(Path(path).stat().st_mode)
    except OSError as error:
        raise UpkeepError(
            f"{wanted}: {error.strerror}", fix="`lsblk` lists the partitions that are there"
        ) from None
    if not is_block:
        raise UpkeepError(f"{wanted} is no partition", fix="`lsblk` lists them: /dev/sda1 for example")
    if os.geteuid() != 0:
        raise UpkeepError("only root may look into a partition", fix="sudo hipbar setup --read-only on ...")
    return path


def _listed(path: str) -> dict[str, Any]:
    """What lsblk knows of a device."""
    found = json.loads(run("lsblk", "-Jpbo", "NAME,SIZE,MOUNTPOINTS", path))
    return dict(found["blockdevices"][0])


def _held(path: str) -> dict[str, str]:
    """The signature on a device, read from itself; empty when there is none."""
    done = subprocess.run(["blkid", "-p", "-o", "export", path], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2):
        raise UpkeepError(
            f"{path} holds more than one thing", fix=f"if none is needed: sudo wipefs -a {path}"
        )
    lines = (line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return {key: value for key, value in lines if key != "DEVNAME" and not key.startswith("PART_ENTRY_")}


def _refuse_busy(path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_EXCL))
    except OSError:
        raise UpkeepError(f"{path} is in use by the kernel", fix="take another one") from None


def run(*words: str | Path) -> str:
    """What a program says; its failure is ours."""
    try:
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UpkeepError(
            f"{words[0]} is not installed", fix=f"install the package that has {words[0]}"
        ) from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise UpkeepError(
            f"{words[0]} failed: {said}", fix="nothing was switched over; `dmesg | tail` may say why"
        )
    return done.stdout
