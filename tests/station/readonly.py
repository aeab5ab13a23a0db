"""The installed station becomes a read-only one, loses its power, its data partition, and its protection again.

`python -m tests.station readonly`. The machine of `installed.py` gets overlayroot and a second, empty disk, and
`hipbar setup --read-only on` does the rest. What is proved: the root disk's image does not change by one bit, but for
the date of the last fsck, while the machine runs, is written to and loses its power; settings and recordings do last;
without the second disk the station starts all the same, with the settings of before; `--read-only off` makes the root
writable again. Times are of an emulated machine, in seconds from power to a station that is ready.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.station import installed
from tests.station.image import MIRROR, SUITE, release, run
from tests.station.installed import BOOT_S, READY, Station
from tests.station.layers import key_of, layer, told
from tests.station.vm import Vm

DATA_BYTES = 2 << 30
DATA = "/dev/vdb"
_BLOCK = 4096
_DATED = ((1024 + 0x30, 4), (1024 + 0x178, 8), (1024 + 0x274, 1), (1024 + 0x3FC, 4))
"""Where ext4's superblock has s_wtime, s_kbytes_written, s_wtime_hi and s_checksum: at, size."""
_PASSWORDS_OFF = "passwordauthentication no"
_EXTRA = ("overlayroot", "e2fsprogs", "busybox", "dosfstools")
_INSTALL = """\
mount -o loop {disk} {mounted}
cp -r {debs} {mounted}/debs
for name in proc dev; do mount --rbind /$name {mounted}/$name; done
chroot {mounted} sh -e -c '
DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install /debs/*.deb
rm -r /debs
update-initramfs -u -k {release}
'
cp {mounted}/boot/initrd.img-{release} {initrd}
umount -R -l {mounted}/proc {mounted}/dev; umount {mounted}
"""
_CARD = """\
truncate -s 64M /var/tmp/card.fat; mkfs.vfat /var/tmp/card.fat >/dev/null
mkdir -p /var/tmp/card/boot/firmware /var/tmp/card/proc/device-tree /var/tmp/card/etc/hipbar
printf 'Raspberry Pi 5 Model B Rev 1.0' > /var/tmp/card/proc/device-tree/model
cp /usr/share/hipbar/hipbar.toml /var/tmp/card/etc/hipbar/
mount -o loop /var/tmp/card.fat /var/tmp/card/boot/firmware
printf 'arm_64bit=1\\r\\n' > /var/tmp/card/boot/firmware/config.txt
"""
_CARD_AGAIN = (
    "umount /var/tmp/card/boot/firmware; mount -o loop /var/tmp/card.fat /var/tmp/card/boot/firmware"
)
_CARD_FILES = "cd /var/tmp/card/boot/firmware; sha256sum *"
_PATIENCE = (
    "sed -i s/device-timeout=30s/device-timeout=90s/ /etc/fstab; grep -q device-timeout=90s /etc/fstab"
)
"""What an emulated machine needs to find its disks is more than a Pi's patience with them."""

_WHY = """\
findmnt; cat /run/initramfs/overlayroot.log; systemctl --failed --no-legend
journalctl -b --no-pager -o short-monotonic | grep -i 'hipbar\\|mount\\|fsck\\|vdb' | tail -40
"""
_LITTER = """\
echo canary > /etc/canary; echo canary > /usr/bin/canary; mkdir /canary; echo litter >> /etc/fstab
rm -f /usr/share/common-licenses/GPL; dd if=/dev/urandom of=/var/tmp/litter bs=1M count=40 2>/dev/null
useradd canary; systemctl -q mask hipbar.service; sync
"""


class Boot(NamedTuple):
    """A machine that runs, and after how many seconds it was ready."""

    vm: Vm
    ready_s: float


def protected() -> Station:
    """The installed station with overlayroot in its initrd, not switched on."""
    station = installed.fresh()

    def make(folder: Path) -> None:
        disk = installed.copied(station.disk, folder)
        mounted, debs = folder / "mounted", folder / "debs"
        mounted.mkdir()
        _download(debs, station.system / "root")
        script = _INSTALL.format(
            disk=disk, mounted=mounted, debs=debs, release=release(), initrd=folder / "initrd.img"
        )
        run("unshare", "--mount", "sh", "-e", stdin=script)
        mounted.rmdir()
        shutil.rmtree(debs)

    made = layer("protected", key_of(station.disk.parent.name, _INSTALL, *_EXTRA), make)
    return Station(station.system, made / "disk.ext4", made / "initrd.img")


def _download(folder: Path, root: Path) -> None:
    """overlayroot and what it needs besides what the machine has, from the mirror that this machine's apt uses."""
    apt = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial", "sources"):
        (apt / name).mkdir(parents=True)
    codename = run("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
    (apt / "sources/debian.sources").write_text(MIRROR.read_text().replace(codename, SUITE))
    places = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": apt / "sources",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": root / "var/lib/dpkg/status",
        "Dir::Cache": apt / "cache",
        "APT::Sandbox::User": "root",
    }
    options = [f"-o{name}={value}" for name, value in places.items()]
    run("apt-get", *options, "-qq", "update")
    run("apt-get", *options, "-qq", "-y", "--no-install-recommends", "--download-only", "install", *_EXTRA)
    for deb in (apt / "cache/archives").glob("*.deb"):
        deb.rename(folder / deb.name)
    shutil.rmtree(apt)


class Bench:
    """One root disk, one data disk, and what is said about them."""

    def __init__(self, folder: Path) -> None:
        station = protected()
        self._station = station._replace(disk=installed.copied(station.disk, folder))
        self.data = folder / "data.raw"
        with self.data.open("wb") as file:
            file.truncate(DATA_BYTES)

    @contextmanager
    def on(self, what: str, *, data: bool = True) -> Iterator[Boot]:
        """Power, until the block is left: then it is cut, whatever goes on."""
        drive = f"file={self.data},format=raw,if=none,id=data,cache=writeback"
        more = ("-drive", drive, "-device", "virtio-blk-pci,drive=data") if data else ()
        began_s = time.monotonic()
        with told(what), installed.switched_on(self._station, *more, words=" ro") as vm:
            ready_s = vm.wait_for_serial(READY, BOOT_S) - began_s
            with vm.reached():
                print(f"{what}: ready after {ready_s:.1f} s", flush=True)
                yield Boot(vm, ready_s)

    def root_digest(self) -> str:
        """The root disk to the last bit, but for the date and count that fsck leaves in the superblock."""
        with self._station.disk.open("rb") as file:
            first = bytearray(file.read(_BLOCK))
            for at, size in _DATED:
                first[at : at + size] = bytes(size)
            digest = hashlib.sha256(first)
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()


def _off(vm: Vm) -> None:
    """Shut down in order."""
    vm.run("systemctl poweroff", check=False)
    vm.ended(120)


def _says(vm: Vm, command: str) -> str:
    return vm.run(command, check=False, timeout_s=300).out.strip()


def _held(vm: Vm | None, true: bool, what: str) -> None:
    print(f"  {'yes' if true else 'NO '}  {what}", flush=True)
    if not true:
        why = _says(vm, _WHY) if vm else ""
        raise SystemExit(f"not so: {what}\n{why}")


def _card(vm: Vm) -> None:
    """A Pi's first partition is FAT: written, looked at after it was mounted anew, put back."""
    vm.run(_CARD, timeout_s=60)
    fresh = _says(vm, _CARD_FILES)
    vm.run("hipbar setup --root /var/tmp/card --yes", timeout_s=60)
    vm.run(_CARD_AGAIN)
    written = _says(vm, _CARD_FILES)
    there = _says(vm, "grep -c spi=on /var/tmp/card/boot/firmware/config.txt")
    _held(
        vm,
        there == "1" and "config.txt.before-hipbar" in written,
        "config.txt on a FAT file system is written",
    )
    vm.run("hipbar setup --root /var/tmp/card --undo --yes", timeout_s=60)
    vm.run(_CARD_AGAIN)
    _held(vm, _says(vm, _CARD_FILES) == fresh, "and put back to the byte, with nothing left beside it")
    vm.run("umount /var/tmp/card/boot/firmware")


def _switch_on(bench: Bench) -> None:
    with bench.on("as installed") as (vm, _):
        vm.run("echo kept > /var/lib/hipbar/before; chown hipbar: /var/lib/hipbar/before")
        _card(vm)
        print(vm.run("hipbar setup --yes", timeout_s=120).out, flush=True)
        _held(vm, _PASSWORDS_OFF in _says(vm, "sshd -T"), "after setup the SSH server takes keys only")
        refused = vm.run("hipbar setup --read-only on --data /dev/vda --yes", check=False)
        _held(
            vm,
            refused.code == 8 and "in use at /" in refused.err,
            "the root disk is refused as a data partition",
        )
        began_s = time.monotonic()
        done = vm.run(f"hipbar setup --read-only on --data {DATA} --yes", timeout_s=300)
        print(done.out + f"(took {time.monotonic() - began_s:.1f} s)", flush=True)
        vm.run(_PATIENCE)
        _off(vm)


def _litter(bench: Bench) -> None:
    with bench.on("read-only, littered, then cut") as (vm, _):
        _held(vm, _says(vm, "findmnt -no FSTYPE /") == "overlay", "the root is an overlay")
        _held(
            vm,
            _says(vm, "findmnt -no OPTIONS /media/root-ro")[:2] == "ro",
            "the partition under it is read-only",
        )
        _held(
            vm,
            _says(vm, "findmnt -no SOURCE /var/lib/hipbar") == f"{DATA}[/state]",
            "recordings go to the data disk",
        )
        _held(vm, _says(vm, "findmnt -no SOURCE /etc/hipbar") == f"{DATA}[/settings]", "so do settings")
        _held(vm, _says(vm, "cat /var/lib/hipbar/before") == "kept", "what was there before is there")
        _held(vm, _says(vm, "stat -c %U /var/lib/hipbar") == "hipbar", "and is the service's")
        _held(
            vm,
            _says(vm, "stat -c %U /media/hipbar /etc/hipbar") == "root\nroot",
            "the settings are root's",
        )
        _held(vm, _says(vm, "systemctl is-system-running --wait") == "running", "no unit has failed")
        _held(
            vm,
            _says(vm, "systemctl show -p RuntimeWatchdogUSec --value") == "14s",
            "the watchdog is set to 14 s",
        )
        refused = vm.run("hipbar setup --yes", check=False)
        _held(vm, refused.code == 8 and "read-only" in refused.err, "setup refuses what would be forgotten")
        vm.run("sed -i 's/leds = 32/leds = 40/' /etc/hipbar/hipbar.toml; sync", timeout_s=60)
        vm.run("echo after > /var/lib/hipbar/after; sync", timeout_s=60)
        vm.run(_LITTER, timeout_s=120)
        print(
            "  in memory: " + _says(vm, "df -m --output=used,size /media/root-rw | tail -1") + " MB used, of"
        )


def _look_again(bench: Bench, digest: str) -> float:
    with bench.on("read-only, after the cut") as (vm, ready_s):
        _held(None, bench.root_digest() == digest, "the root disk is the same to the last bit")
        gone = _says(
            vm, "ls -d /etc/canary /usr/bin/canary /canary /var/tmp/litter 2>/dev/null; id canary 2>/dev/null"
        )
        _held(vm, gone == "", "what was written to the system is gone")
        _held(vm, _says(vm, "ls /usr/share/common-licenses/GPL") != "", "what was deleted is back")
        _held(
            vm,
            _says(vm, "grep -c 'leds = 40' /etc/hipbar/hipbar.toml") == "1",
            "the new settings are there",
        )
        _held(vm, _says(vm, "cat /var/lib/hipbar/after") == "after", "so is the new record")
        _held(vm, _says(vm, "systemctl is-active hipbar") == "active", "the station runs")
    return ready_s


def _without_data(bench: Bench, digest: str) -> float:
    with bench.on("read-only, without its data disk", data=False) as (vm, ready_s):
        _held(
            vm,
            _says(vm, "systemctl is-active hipbar") == "active",
            "the station runs without its data disk",
        )
        _held(
            vm,
            _says(vm, "ls /var/lib/hipbar").startswith("NOT-ON-THE-DATA-PARTITION"),
            "and it can be seen why",
        )
        _held(
            vm,
            _says(vm, "grep -c 'leds = 32' /etc/hipbar/hipbar.toml") == "1",
            "its settings are those of before",
        )
        _off(vm)
    _held(None, bench.root_digest() == digest, "the root disk is the same to the last bit")
    return ready_s


def _switch_off(bench: Bench) -> None:
    with bench.on("protection off") as (vm, _):
        print(vm.run("hipbar setup --read-only off --yes", timeout_s=120).out, flush=True)
        _off(vm)
    with bench.on("writable again") as (vm, _):
        _held(vm, _says(vm, "findmnt -no FSTYPE /") == "ext4", "the root is writable again")
        _held(vm, _says(vm, "cat /var/lib/hipbar/after") == "after", "recordings stay on the data disk")
        _held(vm, _says(vm, "systemctl is-active hipbar") == "active", "the station runs")
        undone = vm.run("hipbar setup --undo --yes", timeout_s=120).out
        _held(vm, "files changed" in undone, "setup is undone")
        _held(vm, _PASSWORDS_OFF not in _says(vm, "sshd -T"), "and the SSH server is as before")
        again = vm.run(f"hipbar setup --read-only on --data {DATA} --yes", timeout_s=120).out
        _held(vm, "keep what is on /dev/vdb" in again, "and can be protected again, with the same data")


def main() -> int:
    """Does all of it; the exit code."""
    with tempfile.TemporaryDirectory(prefix="hipbar-bench-readonly-", dir="/var/tmp") as name:
        bench = Bench(Path(name))
        _switch_on(bench)
        digest = bench.root_digest()
        _litter(bench)
        with_s = _look_again(bench, digest)
        _held(None, bench.root_digest() == digest, "the root disk is the same after that cut too")
        without_s = _without_data(bench, digest)
        print(f"ready after {with_s:.1f} s; without the data disk after {without_s:.1f} s")
        _switch_off(bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
