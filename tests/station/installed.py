"""hipbar's Debian package becomes a station that can be switched on: a disk with it installed, and stand-ins for wires.

The package is installed by dpkg in the bench's Debian, over settings for a V4L2 camera and an APA102 strip, as a
technician would have it. Besides, the machine gets what a Pi has in hardware: an SPI bus (`spi-capture`), a camera
(`camsim`, before which a unit plays a recorded runner from early in the boot), and a watchdog, in the initrd as the
Pi's is in its kernel; its kernels are compiled twice, for this computer's processor as the package does it, and for the
machine's. A unit tells the console when the station is ready; nobody logs in.
`disk` is fresh from dpkg; `settled` has been switched on once and shut down in order, as every disk in a clinic has.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from appliance.config import parse
from tests.calibrated import proof
from tests.station import image
from tests.station.guest import film
from tests.station.image import ENVIRONMENT, release, run
from tests.station.kmod.build import build
from tests.station.layers import cache, key_of, layer
from tests.station.package import deb
from tests.station.vm import Build, Vm

READY = "bench: hipbar is ready"
WIDTH_PX, HEIGHT_PX, RATE_HZ = 240, 320, 60
BOOT_S = 300.0
_PLAYER = Path(__file__).with_name("guest") / "film.py"
_FILM = Path("opt/bench/runner.film")
_DISK_BYTES = 4 << 30
_SETTINGS = f"""\
[camera]
source = "v4l2"
device = "/dev/v4l/by-path/platform-camsim-video-index0"
width_px = {WIDTH_PX}
height_px = {HEIGHT_PX}
rate_hz = {RATE_HZ}
exposure_us = 0
[feedback]
mode = "live"
[strip]
kind = "apa102"
leds = 32
[service]
reserve_mb = 20
"""
_FILES = {
    "etc/hipbar/hipbar.toml": _SETTINGS,
    "var/lib/hipbar/calibration.json": proof(parse(_SETTINGS)),
    "etc/modules-load.d/bench.conf": "spi-capture\ncamsim\n",
    "etc/modprobe.d/bench.conf": f"options camsim width={WIDTH_PX} height={HEIGHT_PX} rate_hz={RATE_HZ}\n",
    "usr/share/initramfs-tools/modules.d/bench-watchdog": "i6300esb\n",
    "etc/systemd/system.conf.d/hipbar.conf": "[Manager]\nRuntimeWatchdogSec=14\n",
    "etc/systemd/system/bench-camera.service": f"""\
[Unit]
DefaultDependencies=no
After=systemd-modules-load.service
[Service]
ExecStart=/usr/bin/python3 /opt/bench/film.py play /{_FILM}
[Install]
WantedBy=sysinit.target
""",
    "etc/systemd/system/bench-ready.service": f"""\
[Unit]
DefaultDependencies=no
After=hipbar.service
Requisite=hipbar.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'read up _ </proc/uptime; echo "{READY} after $$up s" >/dev/ttyS0'
[Install]
WantedBy=hipbar.service
""",
}
_INSTALL = """\
mount -t overlay overlay -o lowerdir={root},upperdir={folder}/upper,workdir={folder}/work {folder}/merged
for name in proc dev; do mount --rbind /$name {folder}/merged/$name; done
cp -r {folder}/brought/. {folder}/merged/
cat > {folder}/merged/usr/sbin/policy-rc.d <<END
#!/bin/sh
exit 101
END
chmod +x {folder}/merged/usr/sbin/policy-rc.d
chroot {folder}/merged env {environment} sh -e -c '
depmod {release}
dpkg --install /hipbar.deb
chown -R hipbar: /var/lib/hipbar
cd /; setpriv --reuid=hipbar --regid=hipbar --init-groups env NUMBA_CACHE_DIR=/var/cache/hipbar/kernels hipbar warm
rm /hipbar.deb /usr/sbin/policy-rc.d
systemctl -q enable bench-camera bench-ready
update-initramfs -u -k {release}
'
cp {folder}/merged/boot/initrd.img-{release} {folder}/initrd.img
for name in proc dev; do umount -R -l {folder}/merged/$name; done
mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -d {folder}/merged {folder}/disk.ext4 {kilobytes}k
"""


class Station(NamedTuple):
    """What a machine is started with."""

    system: Path
    disk: Path
    initrd: Path


def fresh() -> Station:
    """As dpkg leaves it."""
    system, package = image.system(), deb("trixie")
    modules = build(str(release()), cache() / "modules")

    def make(folder: Path) -> None:
        _bring(folder / "brought", modules, package)
        for name in ("upper", "work", "merged"):
            (folder / name).mkdir()
        script = _INSTALL.format(
            root=system / "root",
            folder=folder,
            release=release(),
            environment=" ".join(f"{name}={value}" for name, value in ENVIRONMENT.items()),
            kilobytes=_DISK_BYTES // 1024,
        )
        run("unshare", "--mount", "sh", "-e", stdin=script)
        for name in ("brought", "upper", "work", "merged"):
            shutil.rmtree(folder / name)

    key = key_of(system.name, Path(__file__), package.read_bytes(), *modules, _PLAYER)
    made = layer("installed", key, make)
    return Station(system, made / "disk.ext4", made / "initrd.img")


def settled() -> Station:
    """As the first day has left it: switched on, and shut down in order."""
    station = fresh()

    def make(folder: Path) -> None:
        disk = copied(station.disk, folder)
        with switched_on(station._replace(disk=disk)) as vm:
            vm.wait_for_serial(READY, BOOT_S)
            with vm.reached():
                vm.run("systemctl is-system-running --wait", check=False, timeout_s=BOOT_S)
                vm.run("systemctl poweroff", check=False)
                vm.ended(120)

    made = layer("settled", key_of(station.disk.parent.name, Path(__file__)), make)
    return station._replace(disk=made / "disk.ext4")


def copied(disk: Path, folder: Path) -> Path:
    """A disk of one's own."""
    run("cp", "--sparse=always", "--reflink=auto", disk, folder)
    return folder / disk.name


@contextmanager
def switched_on(
    station: Station, *more: str, words: str = "", cache: str = "writeback", reboots: bool = False
) -> Iterator[Vm]:
    """The machine, from the moment it gets power; its disk keeps what is done to it."""
    how = Build("raw", cache, words, more, station.initrd, reboots)
    with Vm.cold(station.system, station.disk, how) as vm:
        yield vm


def _bring(folder: Path, modules: list[Path], package: Path) -> None:
    """What is copied into the root before anything is run there."""
    extra = folder / f"usr/lib/modules/{release()}/extra"
    extra.mkdir(parents=True)
    for module in modules:
        shutil.copy(module, extra)
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / _FILM).parent.mkdir(parents=True)
    shutil.copy(_PLAYER, folder / _FILM.parent)
    film.shoot(folder / _FILM, width_px=WIDTH_PX, height_px=HEIGHT_PX, rate_hz=RATE_HZ, seconds=20.0)
    shutil.copy(package, folder / "hipbar.deb")
