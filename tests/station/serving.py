"""A Debian suite and the package become a container in which the station serves, with a witness before its bar.

    with station(installed("trixie", deb("trixie"))) as one:      # booted, on its way to measuring
        struck_s = one.strike("KILL")
        one.bar.await_first(struck_s, watch.MEASURING)

Two layers are kept in the cache: Debian with what the package depends on, and what installing the package has added to
it (with a record of how that went). The bar is a WLED controller that is a witness of ours; the camera is the virtual
one, in real time. Times are seconds on CLOCK_MONOTONIC.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from appliance import config
from appliance.station.status import Status
from tests.calibrated import proof
from tests.station import bench, package
from tests.station.container import Container
from tests.station.image import MIRROR, run
from tests.station.layers import key_of, layer
from tests.station.watch import Bar

LONG = os.environ.get("HIPBAR_BENCH_LONG", "") not in {"", "0"}
"""Whether tests take all the time they want."""
UNIT = "hipbar.service"
CONFIG = "/etc/hipbar/hipbar.toml"
CALIBRATION = "/var/lib/hipbar/calibration.json"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io"
SETTINGS = """\
[camera]
source = "virtual"
rate_hz = 60
[feedback]
mode = "live"
[strip]
kind = "wled"
host = "127.0.0.1"
leds = 60
"""
TOOLS = {"systemd-nspawn": "systemd-container", "mmdebstrap": "mmdebstrap", "nsenter": "util-linux"}
_GUEST = Path(__file__).with_name("guest")
_WLED = Path(__file__).parents[2] / "systemd/examples/wled.conf"
_BASE = ("systemd-sysv", "dbus", "iproute2", "procps")
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
_SYSTEM = "/etc/systemd/system"
_WITNESS = """\
[Unit]
DefaultDependencies=no
Before=hipbar.service
[Service]
Type=notify
ExecStart=/usr/bin/python3 -I /bench/ddp.py /seen/bar
CPUSchedulingPolicy=fifo
CPUSchedulingPriority=50
"""
_WITNESSED = """\
[Unit]
Wants=bench-witness.service
After=bench-witness.service
"""
_FACTS = {
    "unit": "systemctl show hipbar --property=LoadState,UnitFileState,ActiveState",
    "score": "systemd-analyze security hipbar --no-pager",
    "user": "getent passwd hipbar",
    "groups": "id -nG hipbar",
    "password": "passwd -S hipbar",
    "settings": f"stat -c '%U:%G %a' {CONFIG}; cmp {CONFIG} /usr/share/hipbar/hipbar.toml",
    "state": "stat -c '%U:%G %a' /var/lib/hipbar",
    "kernels": "du -sk /var/cache/hipbar/kernels",
    "version": "dpkg-query -W -f '${Version}' hipbar",
    "listening": "ss -Hlntup",
    "journal": "journalctl -u hipbar --no-pager",
}
"""What is asked after the installation, before anything of the bench is in the way."""


class Fact(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    said: str


class Installed(NamedTuple):
    """Folders from the lowest up, and how the installation went: seconds, what apt said, and `_FACTS`."""

    layers: tuple[Path, ...]
    seconds: float
    said: str
    facts: dict[str, Fact]


def debian(suite: str, file: Path) -> Path:
    """A root of that suite with what the package depends on, and nothing that is only recommended."""
    wanted = sorted({*_BASE, *_depends(file)})

    def make(folder: Path) -> None:
        host = MIRROR.read_text()
        codename = run("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME").strip()
        sources = folder / "debian.sources"
        sources.write_text(host.replace(codename, suite))
        options = ["--quiet", "--mode=root", "--variant=minbase", f"--include={','.join(wanted)}"]
        options += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
        # what it mounts ends with it
        run("unshare", "--mount", "mmdebstrap", *options, suite, folder / "root", sources)

    return layer(f"debian-{suite}", key_of(suite, *wanted, *_LEFT_OUT), make) / "root"


def installed(suite: str, file: Path) -> Installed:
    """Debian with the package, installed by apt in a system that was running."""
    root = debian(suite, file)

    def make(folder: Path) -> None:
        with Container(root, keep=folder, binds={"/packages": file.parent}) as box:
            began_s = time.monotonic()
            done = box.run(f"{APT} install /packages/{file.name}", timeout_s=600)
            seconds = time.monotonic() - began_s
            found = {name: box.run(command, check=False) for name, command in _FACTS.items()}
            box.run("systemctl stop hipbar")
            box.off()
        shutil.rmtree(folder / "work")
        facts = {name: Fact(one.code, one.out + one.err) for name, one in found.items()}
        record = {"seconds": seconds, "said": done.out + done.err, "facts": facts}
        (folder / "installed.json").write_text(json.dumps(record))

    key = key_of(root.parent.name, file.read_bytes(), _processor(), *_FACTS.values())
    folder = layer(f"served-{suite}", key, make)
    record: dict[str, Any] = json.loads((folder / "installed.json").read_text())
    facts = {name: Fact(*fact) for name, fact in record["facts"].items()}
    return Installed((root, folder / "upper"), record["seconds"], record["said"], facts)


class Station:
    """An installed station in a container, and the bar that its witness watches."""

    def __init__(self, box: Container, bar: Bar) -> None:
        self.box, self.bar = box, bar

    @property
    def main_pid(self) -> int:
        """The service's process, as it is numbered in the container; 0 = there is none."""
        return int(self.box.show(UNIT, "MainPID")["MainPID"])

    @property
    def active(self) -> str:
        """What `systemctl is-active` says."""
        return self.box.run(f"systemctl is-active {UNIT}", check=False).out.strip()

    @property
    def restarts(self) -> int:
        """How often systemd has started it again by itself."""
        return int(self.box.show(UNIT, "NRestarts")["NRestarts"])

    @property
    def words(self) -> str:
        """Its line in `systemctl status`."""
        return self.box.show(UNIT, "StatusText").get("StatusText", "")

    def started_s(self) -> float:
        """When systemd made the process that runs now."""
        return _seconds(self.box.show(UNIT, "ExecMainStartTimestampMonotonic"))

    def ready_s(self) -> float:
        """When it last became active."""
        return _seconds(self.box.show(UNIT, "ActiveEnterTimestampMonotonic"))

    def status(self) -> Status | None:
        """What it tells of itself."""
        done = self.box.run("cat /run/hipbar/status.json", check=False)
        return None if done.code else msgspec.json.decode(done.out, type=Status)

    def strike(self, name: str) -> float:
        """Sends the service's process a signal; when."""
        pid = self.outside(self.main_pid)
        os.kill(pid, signal.Signals[f"SIG{name}"])
        return time.monotonic()

    def settle(self, text: str | None) -> float:
        """Writes the settings file, or removes it; when."""
        if text is None:
            self.box.run(f"rm -f {CONFIG}")
        else:
            self.box.write(CONFIG, text)
        return time.monotonic()

    def until(self, condition: Callable[[], Any], timeout_s: float = 20.0) -> float:
        """Waits until that is true; when it was."""
        until_s = time.monotonic() + timeout_s
        while not condition():
            late = f"not within {timeout_s:.0f} s; {self.bar.story()}\n{self.box.journal()}"
            assert time.monotonic() < until_s, late
            time.sleep(0.02)
        return time.monotonic()

    def outside(self, pid: int) -> int:
        """This computer's number for a process of the container."""
        space = Path(f"/proc/{self.box.pid}/ns/pid").readlink()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                numbers = re.search(r"NSpid:\s*(.*)", (folder / "status").read_text())
                if numbers and numbers[1].split()[-1] == str(pid) and (folder / "ns/pid").readlink() == space:
                    return int(folder.name)
        raise AssertionError(f"no process {pid} in the container")


@contextlib.contextmanager
def station(
    base: Installed,
    settings: str = SETTINGS,
    *,
    files: Mapping[str, str] | None = None,
    binds: Mapping[str, Path] | None = None,
) -> Iterator[Station]:
    """A station that boots with these settings, its witness ready before it."""
    with tempfile.TemporaryDirectory() as seen:
        seen_by = {"/bench": _GUEST, "/seen": Path(seen), **(binds or {})}
        proved = {CALIBRATION: proof(config.parse(SETTINGS))}  # which wires there are is always the same
        brought = {CONFIG: settings, **proved, **bench_files(), **(files or {})}
        with Container(*base.layers, files=brought, binds=seen_by, target="basic.target") as box:
            yield Station(box, Bar(Path(seen) / "bar", config.parse(SETTINGS)))


def bench_files() -> dict[str, str]:
    """The witness, and the way to it through the wall around the service: the shipped drop-in, with its address."""
    return {
        f"{_SYSTEM}/bench-witness.service": _WITNESS,
        f"{_SYSTEM}/{UNIT}.d/bench.conf": _WITNESSED,
        f"{_SYSTEM}/{UNIT}.d/wled.conf": re.sub(
            r"(?m)^(IPAddressAllow=).*", r"\g<1>127.0.0.1", _WLED.read_text()
        ),
    }


def lacking() -> str | None:
    """Why there can be no such container here and what would bring it; None when there can."""
    if bench.wish() == "off":
        return "station bench: switched off by HIPBAR_BENCH=off"
    if platform.machine() != "x86_64" or not MIRROR.exists():
        return "station bench: needs Debian 12 on x86-64"
    if os.geteuid() != 0:
        return "station bench: needs root, to start a container"
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    if absent := sorted({package for tool, package in TOOLS.items() if not shutil.which(tool, path=path)}):
        return f"station bench: apt-get install {' '.join(absent)}"
    return package.lacking()


def _depends(file: Path) -> set[str]:
    """The names of the packages that this one can't do without; of alternatives the first."""
    fields = [run("dpkg-deb", "--field", file, name) for name in ("Pre-Depends", "Depends")]
    words = [one.split("|")[0] for field in fields for one in field.split(",")]
    return {re.split(r"[\s(:]", word.strip())[0] for word in words if word.strip()}


def _processor() -> str:
    """What compiled kernels depend on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags"))}))


def _seconds(shown: Mapping[str, str]) -> float:
    (micros,) = shown.values()
    return int(micros) / 1e6
