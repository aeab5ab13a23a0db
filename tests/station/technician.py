"""The bench's machine becomes a station that is set up over SSH by somebody of the group `hipbar`, and a table of it.

The shipped unit runs the service there as user `hipbar`, with the bar on the kernel's SPI bus; before the virtual
camera somebody does what the terminal asks for, and looks at what goes out of the bus. Whoever logs in is no root.
Seconds on this computer's clock; the machine is emulated, 10 to 30 times slower than a real one, so only the order of
the figures says something.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import worlds
from tests.station import bench
from tests.station.login import Login, Said, Talk
from tests.station.report import Table
from tests.station.vm import Vm

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 300.0
_SCENE = "/var/lib/hipbar/scene.toml"
_SETTINGS = f"""\
[camera]
source = "virtual"
width_px = 240
height_px = 320
rate_hz = 15
scene = "{_SCENE}"
[strip]
kind = "apa102"
leds = 60
[service]
record = false
"""
_DROP_IN = """\
[Service]
# the bench has its environment in /opt and its compiled code, for any processor, in a place of its own; it is slow
ExecPaths=/opt
Environment=NUMBA_CACHE_DIR=/var/cache/hipbar/numba NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=
CPUSchedulingPolicy=other
CPUAffinity=
WatchdogSec=60
TimeoutStartSec=600
"""
_PREPARE = """\
set -e
groupadd -f -r hipbar
id hipbar >/dev/null 2>&1 || useradd -r -g hipbar -G video,spi,gpio -d /var/lib/hipbar -s /usr/sbin/nologin hipbar
usermod -aG hipbar station
install -d -o station -g station -m 700 /home/station/.ssh
install -o station -g station -m 600 /root/.ssh/authorized_keys /home/station/.ssh/authorized_keys
install -d -o hipbar -g hipbar -m 750 /var/lib/hipbar
chown -R hipbar:hipbar /var/cache/hipbar
ln -sf /opt/hipbar/bin/hipbar /usr/bin/hipbar
modprobe spi-capture
udevadm settle
systemctl daemon-reload
"""


_PUT_BACK = """\
systemctl stop hipbar
rm -rf /etc/systemd/system/hipbar.service /etc/systemd/system/hipbar.service.d
rm -rf /etc/hipbar /var/lib/hipbar /usr/bin/hipbar
gpasswd -d station hipbar
userdel hipbar; groupdel hipbar
chown -R root:root /var/cache/hipbar
rm -rf /home/station/.ssh
systemctl daemon-reload
systemctl reset-failed
modprobe -r spi-capture
"""


class Station:
    """The machine as a station."""

    def __init__(self, vm: Vm, folder: Path) -> None:
        self.vm = vm
        self._scene = worlds.world(folder, act="stand", dot_mm=28.0, mirror=True)
        unit = (ROOT / "systemd/hipbar.service").read_text()
        vm.run("mkdir -p /etc/hipbar /var/lib/hipbar /etc/systemd/system/hipbar.service.d")
        vm.write("/etc/systemd/system/hipbar.service", unit)
        vm.write("/etc/systemd/system/hipbar.service.d/bench.conf", _DROP_IN)
        vm.write("/etc/hipbar/hipbar.toml", _SETTINGS)
        vm.run(_PREPARE, timeout_s=WITHIN_S)
        self.acts()

    def acts(self, **changes: object) -> None:
        """Changes what is before the camera."""
        worlds.act(self._scene, **changes)
        text = self._scene.read_text()
        self.vm.run(f"cat >{_SCENE}.new; mv {_SCENE}.new {_SCENE}", stdin=text.encode())

    def half(self) -> str:
        """The half of the bar that is lit."""
        return self.vm.run("python3 /opt/bench/eye.py").out.strip()

    def until(self, command: str, within_s: float = WITHIN_S) -> None:
        """Waits until a command there succeeds."""
        until_s = time.monotonic() + within_s
        while self.vm.run(command, check=False).code:
            if time.monotonic() > until_s:
                log = self.vm.run("journalctl -u hipbar -n 40 --no-pager", check=False).out
                raise AssertionError(f"never so: {command}\n{log}")
            time.sleep(1.0)


class Walk:
    """What a technician does there, step by step; each is a line of the table."""

    def __init__(self, there: Login, station: Station, table: Table) -> None:
        self._there, self._station, self._table = there, station, table

    def all(self) -> None:
        """From the first look to the last."""
        self.some(
            self.look, self.explain, self.doctor, self.zero, self.sides, self.undo, self.watch, self.edit
        )

    def some(self, *steps: Callable[[], None]) -> None:
        """These steps."""
        for step in steps:
            began_s = time.monotonic()
            step()
            self._table.add(step.__doc__ or "", seconds=time.monotonic() - began_s)
            print(f"{time.monotonic() - began_s:6.1f} s  {step.__doc__}", flush=True)

    def look(self) -> None:
        """hipbar status"""
        said = self._run("hipbar status")
        lines = said.out.splitlines()
        assert lines[0].startswith("healthy: "), said.out
        assert len(lines) <= 24, said.out
        assert "service    active (running)" in said.out, said.out

    def explain(self) -> None:
        """hipbar config explain strip.kind"""
        assert (
            "/etc/hipbar/hipbar.toml (the service that runs now)"
            in self._run("hipbar config explain strip.kind").out
        )

    def doctor(self) -> None:
        """hipbar doctor --yes"""
        said = self._run("hipbar doctor --yes", codes=(0, 7))
        assert "light bar" in said.out
        print(said.out)

    def zero(self) -> None:
        """hipbar calibrate zero"""
        with self._there.talk("hipbar calibrate zero", WITHIN_S) as talk:
            talk.expect("Ready?")
            talk.type("\n")
            if talk.either(["keep this? [", "once more? ["]):
                raise AssertionError(talk.out)
            talk.type("y\n")
        assert talk.code == 0, talk.out
        print(talk.out[-400:])

    def sides(self) -> None:
        """hipbar calibrate sides"""
        with self._there.talk("hipbar calibrate sides --wait 120", WITHIN_S) as talk:
            talk.expect("Ready?")
            talk.type("\n")
            self._both_feet(talk)
            talk.expect("set camera.mirror = true and look once more?")
            talk.type("y\n")
            self._both_feet(talk)
            while talk.either(["Which half of the bar is lit? [", "keep this? ["]) == 0:
                talk.type(f"{self._station.half()}\n")
            talk.type("y\n")
        assert talk.code == 0, talk.out
        print(talk.out[-600:])
        told = self._run("hipbar status --json; true").out
        assert '"sides_proved":true' in told.replace("\n", ""), told

    def undo(self) -> None:
        """hipbar calibrate undo, rollback 2"""
        self._run("hipbar calibrate undo --yes")
        self._run("hipbar calibrate rollback 2 --yes")
        assert "zero" in self._run("hipbar calibrate history").out

    def watch(self) -> None:
        """hipbar watch, for some screens"""
        with self._there.talk("hipbar watch", WITHIN_S) as talk:
            talk.expect("q quit")
            talk.expect("frame")
            talk.type("q")
        assert talk.code == 0, talk.out

    def edit(self) -> None:
        """hipbar config reload: a change, a mistake"""
        self._station.vm.run("sed -i '$a[feedback]\\nmode = \"step\"' /etc/hipbar/hipbar.toml")
        assert "in force now: feedback.mode" in self._run("hipbar config reload").out
        self._station.vm.run('sed -i \'s/"step"/"disco"/\' /etc/hipbar/hipbar.toml')
        assert "hipbar config explain feedback.mode" in self._run("hipbar config reload", codes=(2,)).out
        assert self._run("hipbar config explain feedback.mode").out.startswith('feedback.mode = "step"')

    def _both_feet(self, talk: Talk) -> None:
        for side in ("LEFT", "RIGHT"):
            talk.expect(f"Lift the {side} foot")
            self._station.acts(act=f"lift {side.lower()}")
            talk.expect("Put it down again.")
            self._station.acts(act="stand")

    def _run(self, command: str, codes: tuple[int, ...] = (0,)) -> Said:
        said = self._there.run(command, WITHIN_S)
        assert said.code in codes, f"{command}: exit {said.code}\n{said.out}"
        return said


@contextmanager
def station(vm: Vm) -> Iterator[Station]:
    """The machine as a station whose service measures."""
    with tempfile.TemporaryDirectory() as folder:
        one = Station(vm, Path(folder))
        try:
            vm.run("systemctl start --no-block hipbar")
            one.until("systemctl is-active -q hipbar")
            yield one
        finally:
            vm.run(_PUT_BACK, check=False)


def main(report: Callable[[str], None] = print) -> int:
    """Sets it up, and prints how that went."""
    table = Table("technician")
    with bench.started() as vm, station(vm) as one:
        report("the station measures")
        with Login.started(vm.login_words("station"), WITHIN_S) as there:
            groups = there.run("id -nG").out.split()
            assert "hipbar" in groups
            assert "root" not in groups
            Walk(there, one, table).all()
    report(table.write())
    return 0
