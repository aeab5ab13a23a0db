"""A list of packages becomes a Debian machine: a root folder, a disk made of it, and the kernel to start it with.

Userland is trixie, what Raspberry Pi OS is built on; the kernel is the host's Debian's, because modules for it can be
built here. As on a Pi, hardware libraries come from apt where Debian has them, and a venv that sees them, /opt/hipbar,
holds the rest. hipbar itself is not in the image (see `code.py`): an edit costs no new one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.station.layers import key_of, layer

SUITE = "trixie"
PYTHON = "3.13"
MIRROR = Path("/etc/apt/sources.list.d/debian.sources")
DISK_BYTES = 4 << 30
_PACKAGES = """
systemd-sysv udev dbus kmod iproute2 procps initramfs-tools zstd openssh-server strace gpiod v4l-utils
python3 python3-venv python3-spidev python3-setuptools python3-wheel python3-dev gcc swig
dpkg-repack gpgv
"""
_PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
_WHEELS = _PROJECT["dependencies"]
_SHIMS = ("rpi-lgpio",)  # brings `RPi.GPIO`, here for Debian has it not; what it stands on is compiled below
_COMPILED = ("lgpio",)  # no wheel for this Python
_LEFT_OUT = """
/usr/share/man/* /usr/share/locale/* /usr/share/doc/* /lib/modules/*/kernel/drivers/gpu/*
/lib/modules/*/kernel/drivers/net/wireless/* /lib/modules/*/kernel/drivers/net/ethernet/*
/lib/modules/*/kernel/drivers/infiniband/* /lib/modules/*/kernel/drivers/scsi/* /lib/modules/*/kernel/sound/*
"""
_FILES = {
    "etc/hostname": "bench\n",
    "etc/hosts": "127.0.0.1 localhost bench\n",
    "etc/fstab": "/dev/vda / ext4 defaults,noatime 0 1\n",
    # only what finds the root disk: an initrd that is quick to load
    "etc/initramfs-tools/conf.d/bench": "MODULES=list\nCOMPRESS=zstd\nRESUME=none\nFSTYPE=ext4\n",
    "usr/share/initramfs-tools/modules.d/bench": "virtio_pci\nvirtio_blk\nvirtio_net\next4\ncrc32c_generic\n",
    "etc/systemd/network/20-all.network": (
        "[Match]\nType=ether\n[Network]\nAddress=10.0.2.15/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    ),
    # the compiled kernels are made on the host: code for any x86-64, in a place of its own
    "etc/environment": "{environment}",
    "etc/systemd/system.conf.d/bench.conf": "[Manager]\nDefaultEnvironment={environment_line}\n",
    # as on Raspberry Pi OS: who is in these groups may use these devices
    "etc/udev/rules.d/99-com.rules": (
        'SUBSYSTEM=="spidev", GROUP="spi", MODE="0660"\nSUBSYSTEM=="gpio", GROUP="gpio", MODE="0660"\n'
    ),
    "etc/ssh/sshd_config.d/bench.conf": "UseDNS no\nPrintMotd no\nMaxSessions 100\n",
}
ENVIRONMENT = {
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "NUMBA_CACHE_DIR": "/var/cache/hipbar/numba",
    "PATH": "/opt/hipbar/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
_SETTLE = """\
systemctl -q enable systemd-networkd ssh
systemctl -q disable systemd-networkd-wait-online apt-daily.timer apt-daily-upgrade.timer e2scrub_reap || true
systemctl -q mask systemd-networkd-wait-online systemd-timesyncd systemd-update-utmp ldconfig || true
groupadd -f -r spi; groupadd -f -r gpio
useradd -m -s /bin/bash -G video,spi,gpio station
passwd -q -d root; chmod 700 /root/.ssh /root/.ssh/*
python3 -m venv --system-site-packages /opt/hipbar
cd /wheels
PYPI=1 /opt/hipbar/bin/pip -q wheel --no-index --no-deps --no-build-isolation {compiled}
/opt/hipbar/bin/pip -q install --no-index --no-compile --find-links /wheels {names}
/opt/hipbar/bin/python -m compileall -q -j2 /opt/hipbar/lib || true
rm -rf /wheels /etc/apt/sources.list.d/*
"""


def release() -> str | None:
    """The newest kernel whose headers are installed here, or None."""
    found = [
        path.name.removeprefix("linux-headers-") for path in Path("/usr/src").glob("linux-headers-*-amd64")
    ]
    return max(
        found,
        key=lambda name: [int(n) for n in name.replace("-", ".").split(".") if n.isdigit()],
        default=None,
    )


def system() -> Path:
    """The folder with `root`, `disk.ext4`, `vmlinuz`, `initrd.img` and the `id` that may log in."""
    return layer("system", key_of(Path(__file__), str(release()), *_WHEELS), _make)


def run(*words: str | Path, stdin: str | None = None) -> str:
    """A command on the host; what it said is told when it fails."""
    done = subprocess.run([str(w) for w in words], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, words))}: exit {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}"
        )
    return done.stdout


def _make(folder: Path) -> None:
    root, files = folder / "root", folder / "files"
    _write_files(files)
    (files / "root/.ssh").mkdir(parents=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "id")
    shutil.copy(folder / "id.pub", files / "root/.ssh/authorized_keys")
    _bootstrap(folder, files, root)
    _download(root / "wheels")
    names = " ".join(re.split("[<>=]", name)[0] for name in (*_WHEELS, *_SHIMS, *_COMPILED))
    steps = _SETTLE.format(compiled=" ".join(p.name for p in (root / "wheels").glob("*.tar.gz")), names=names)
    run("unshare", "--mount", "chroot", root, "sh", "-e", stdin="mount -t proc proc /proc\n" + steps)
    shutil.copy(root / "vmlinuz", folder)
    shutil.copy(root / "initrd.img", folder)
    disk = folder / "disk.ext4"
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    run("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", root, disk)
    shutil.rmtree(files)


def _write_files(folder: Path) -> None:
    lines = "".join(f"{name}={value}\n" for name, value in ENVIRONMENT.items())
    line = " ".join(f'"{name}={value}"' for name, value in ENVIRONMENT.items())
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(environment=lines, environment_line=line))


def _bootstrap(folder: Path, files: Path, root: Path) -> None:
    """Debian in `root`, from the mirror that this machine's apt uses."""
    host = MIRROR.read_text()
    codename = run("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
    sources = folder / "debian.sources"
    sources.write_text(host + "\n" + host.replace(codename, SUITE))
    packages = ",".join([f"linux-image-{release()}", *_PACKAGES.split()])
    left_out = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT.split()]
    hook = f"--essential-hook=sync-in {files} /"
    options = ["--quiet", "--mode=root", "--variant=apt", f"--include={packages}", hook, *left_out]
    run("unshare", "--mount", "mmdebstrap", *options, SUITE, root, sources)  # what it mounts ends with it


def _download(wheels: Path) -> None:
    wheels.mkdir()
    pip = [sys.executable, "-m", "pip", "download", "-q", "-d", wheels]
    platforms = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (17, 27, 28)] + [
        "--platform=manylinux2014_x86_64"
    ]
    run(*pip, "--only-binary=:all:", f"--python-version={PYTHON}", *platforms, *_WHEELS)
    run(*pip, "--no-deps", *_SHIMS)
    run(*pip, "--no-deps", "--no-binary=:all:", *_COMPILED)
