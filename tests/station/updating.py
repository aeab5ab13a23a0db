"""Small signed packages of "hipbar" and a container become updates that go well, badly, or are cut off.

The packages have a unit and a service that says how it is in status.json, and does nothing else; so what is tried is
the update, with the real dpkg and the real systemd, in seconds. The command is this checkout's, seen by the container.
Times in seconds. `SCENES` are independent of one another; they run side by side, because they mostly wait.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click

from tests.station.container import Container
from tests.station.package import ROOT
from tests.station.vm import CommandFailed, MachineFailed, Result
from tests.upkeep.packing import Keys, deb

LEDGER = "/var/lib/hipbar-update"
UPDATE = "cd /debs && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/src:/libs python3 -m appliance.cli update"
FALLS_OVER, FOR_EVER = "falls over", "warming up"
_SIDE_BY_SIDE = 10
_SERVICE = """\
import json, os, sys, time
state = open("/usr/lib/hipbar/state").read()
boot_id = open("/proc/sys/kernel/random/boot_id").read().strip()
if state == "falls over":
    sys.exit(3)
if state == "takes the machine down":
    os.system("systemctl reboot -ff")
while True:
    status = {"state": state, "pid": os.getpid(), "boot_id": boot_id, "written_s": time.monotonic()}
    with open("/run/hipbar/new", "w") as file:
        json.dump(status, file)
    os.replace("/run/hipbar/new", "/run/hipbar/status.json")
    time.sleep(0.2)
"""
_UNIT = """\
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/usr/bin/python3 -I /usr/lib/hipbar/service.py
Restart=always
RestartSec=200ms
RuntimeDirectory=hipbar
RuntimeDirectoryPreserve=yes
[Install]
WantedBy=multi-user.target
"""
_POSTINST = """\
#!/bin/sh
set -e
{first}
systemctl daemon-reload
systemctl -q enable hipbar hipbar-update
systemctl --no-block restart hipbar
"""
HANG_ONCE = "if [ -e /hang ]; then rm /hang; sleep 1000; fi"
"""In a package's script: where the power is cut, if the scene asks for it."""


def package(folder: Path, version: str, state: str = "ready", first: str = HANG_ONCE, **scripts: str) -> Path:
    """A small hipbar whose service is always in that state; `first` : what its postinst begins with."""
    files = {
        "usr/lib/hipbar/service.py": _SERVICE,
        "usr/lib/hipbar/state": state,
        "usr/lib/systemd/system/hipbar.service": _UNIT,
        "usr/lib/systemd/system/hipbar-update.service": (ROOT / "systemd/hipbar-update.service").read_text(),
        "DEBIAN/postinst": _POSTINST.format(first=first),
        **{f"DEBIAN/{name}": f"#!/bin/sh\n{text}\n" for name, text in scripts.items()},
    }
    return deb(folder, version, files)


class Stock(NamedTuple):
    """Packages, signed by a key that the station trusts but for what its name says; and the way to the command."""

    debs: Path
    libraries: Path
    keys: Keys

    def binds(self) -> dict[str, Path]:
        """Where a container finds them."""
        return {"/debs": self.debs, "/src": ROOT, "/libs": self.libraries}


@contextlib.contextmanager
def stocked() -> Iterator[Stock]:
    """All packages of the scenes; their keys are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="u") as name, contextlib.ExitStack() as stack:
        keys = Keys(Path(name) / "k")
        stock = Stock(Path(name) / "debs", Path(name) / "libs", keys)
        stock.debs.mkdir()
        shutil.copytree(Path(click.__file__).parent, stock.libraries / "click")
        stack.callback(keys.end)
        for person in ("maker", "stranger"):
            keys.make(person)
        keys.export(stock.debs / "maker.gpg", "maker")
        made = [
            package(stock.debs, "1.0"),
            package(stock.debs, "2.0"),
            package(stock.debs, "3.0", FALLS_OVER),
            package(stock.debs, "4.0", FOR_EVER),
            package(stock.debs, "5.0", first="exit 7", prerm="exit 7"),
            package(stock.debs, "6.0", "takes the machine down"),
            package(stock.debs, "7.0", "no camera"),
            deb(stock.debs, "8.0", Depends="python3 (<< 3.0), no-such-package"),
        ]
        for file in made:
            keys.sign(file, "maker")
        keys.sign(shutil.copy(made[1], stock.debs / "strange.deb"), "stranger")
        yield stock


class Station:
    """A container with version 1.0 installed and healthy."""

    def __init__(self, box: Container, debs: Path) -> None:
        self.box, self.debs = box, debs
        box.run("mkdir -p /etc/hipbar/keys && cp /debs/maker.gpg /etc/hipbar/keys/")
        box.run("dpkg -i /debs/hipbar_1.0_all.deb")
        box.until("grep -q ready /run/hipbar/status.json")

    def update(self, *words: str, timeout_s: float = 150.0) -> Result:
        """The command, to its end."""
        return self.box.run(f"{UPDATE} {' '.join(words)}", check=False, timeout_s=timeout_s)

    def begin(self, version: str) -> None:
        """The command, killed as soon as the update is systemd's."""
        words = f"{UPDATE} hipbar_{version}_all.deb >/dev/null 2>&1"
        self.box.run(f"({words} & until [ -s {LEDGER}/log ]; do sleep 0.05; done; kill -9 $!)", timeout_s=30)

    def at(self, stage: str, timeout_s: float = 60.0) -> None:
        """Waits until the update is at a stage."""
        self.box.until(f'grep -q \'"stage": "{stage}"\' {LEDGER}/stage.json', timeout_s)

    def over(self, timeout_s: float = 120.0) -> dict[str, Any]:
        """Waits until it is over; how it ended."""
        self.box.until(f"[ -e {LEDGER}/last.json ] && [ ! -e {LEDGER}/stage.json ]", timeout_s)
        found: dict[str, Any] = json.loads(self.box.read(f"{LEDGER}/last.json"))
        return found

    def facts(self) -> dict[str, Any]:
        """What is there now."""
        version = self.box.run("dpkg-query -W -f '${Version} ${db:Status-Status}' hipbar").out
        status = json.loads(self.box.read("/run/hipbar/status.json"))
        kept = json.loads(self.box.run(f"cat {LEDGER}/packages/kept.json", check=False).out or "[]")
        return {
            "version": version,
            "state": status["state"],
            "pid": status["pid"],
            "kept": [package["version"] for package in kept],
            "files": sorted(self.box.run(f"ls {LEDGER}/packages", check=False).out.split()),
            "broken": self.box.run("dpkg --audit").out,
        }


Scene = Callable[[Station], dict[str, Any]]


def _good(one: Station) -> dict[str, Any]:
    """An update, and what is told of it afterwards."""
    said = one.update("hipbar_2.0_all.deb", "--json")
    return {"said": said, "status": one.update("--status"), "over": one.over(), **one.facts()}


def _left(one: Station) -> dict[str, Any]:
    """An update by somebody who presses Ctrl-C in the middle, and at once begins another."""
    words = UPDATE.replace("python3", "env --default-signal=INT python3")
    said = one.box.run(
        f"{words} hipbar_2.0_all.deb & until [ -s {LEDGER}/log ]; do sleep 0.05; done;"
        " sleep 0.5; kill -INT $!; wait $!",
        check=False,
    )
    again = one.update("hipbar_3.0_all.deb")
    return {"said": said, "again": again, "over": one.over(), **one.facts()}


def _back(one: Station) -> dict[str, Any]:
    """Back to the version that was kept when an update went well."""
    one.box.run(f"mkdir -p {LEDGER}/packages && cp /debs/hipbar_2.0_all.deb {LEDGER}/packages/")
    digest = hashlib.sha256((one.debs / "hipbar_2.0_all.deb").read_bytes()).hexdigest()
    kept = [{"version": "2.0", "file": "hipbar_2.0_all.deb", "sha256": digest}]
    one.box.write(f"{LEDGER}/packages/kept.json", json.dumps(kept))
    return {"said": one.update("--back"), "over": one.over(), **one.facts()}


def _bad(version: str) -> Scene:
    def scene(one: Station) -> dict[str, Any]:
        began_s = time.monotonic()
        said = one.update(f"hipbar_{version}_all.deb")
        return {"said": said, "seconds": time.monotonic() - began_s, "over": one.over(), **one.facts()}

    return scene


def _refused(one: Station) -> dict[str, Any]:
    """What is refused before anything is changed."""
    before = one.facts()
    said = [
        one.update("strange.deb"),
        one.update("maker.gpg"),
        one.update("hipbar_8.0_all.deb"),
        one.update("hipbar_1.0_all.deb"),
        one.update("--back"),
    ]
    one.box.run("useradd somebody")
    said.append(one.box.run(f"{UPDATE} hipbar_2.0_all.deb", user="somebody", check=False))
    one.box.run("rm /etc/hipbar/keys/maker.gpg")
    said.append(one.update("hipbar_2.0_all.deb"))
    return {"said": said, "before": before, **one.facts()}


def _cut_at_install(one: Station) -> dict[str, Any]:
    one.box.run("touch /hang")
    one.begin("2.0")
    one.box.until("[ ! -e /hang ]", 60)
    broken = one.box.run("dpkg --audit").out
    one.box.reboot("systemctl reboot -ff")
    return {"cut": broken, "over": one.over(), **one.facts()}


def _cut_at_watch(one: Station) -> dict[str, Any]:
    one.begin("2.0")
    one.at("watch")
    one.box.reboot("systemctl reboot -ff")
    return {"over": one.over(), **one.facts()}


def _cut_on_the_way_back(one: Station) -> dict[str, Any]:
    one.begin("3.0")
    one.at("watch")
    one.box.run("touch /hang")
    one.box.until("[ ! -e /hang ]", 60)
    stage = json.loads(one.box.read(f"{LEDGER}/stage.json"))["stage"]
    one.box.reboot("systemctl reboot -ff")
    return {"cut": stage, "over": one.over(), **one.facts()}


def _takes_the_machine_down(one: Station) -> dict[str, Any]:
    one.begin("6.0")
    until_s = time.monotonic() + 120
    while time.monotonic() < until_s:
        try:
            return {"over": one.over(3.0), **one.facts()}
        except CommandFailed:  # it is down, or on its way up
            with contextlib.suppress(MachineFailed):
                one.box.reboot("true", 10.0)
    raise AssertionError(one.box.console)


SCENES: Mapping[str, Scene] = {
    "good": _good,
    "left": _left,
    "back": _back,
    "falls over": _bad("3.0"),
    "scripts fail": _bad("5.0"),
    "refused": _refused,
    "cut at install": _cut_at_install,
    "cut at watch": _cut_at_watch,
    "cut on the way back": _cut_on_the_way_back,
    "takes the machine down": _takes_the_machine_down,
}
LONG_SCENES: Mapping[str, Scene] = {
    "no camera": _bad("7.0"),
    "for ever": _bad("4.0"),
}


def played(root: Path, scenes: Mapping[str, Scene]) -> dict[str, dict[str, Any]]:
    """What came of each scene, and how long it took."""
    with stocked() as stock, ThreadPoolExecutor(_SIDE_BY_SIDE) as stage:

        def play(scene: Scene) -> dict[str, Any]:
            began_s = time.monotonic()
            with Container(root, binds=stock.binds()) as box:
                try:
                    return {**scene(Station(box, stock.debs)), "took_s": time.monotonic() - began_s}
                except (CommandFailed, OSError, ValueError) as error:
                    raise AssertionError(f"{error}\n{box.journal(lines=60)}") from None

        running = {name: stage.submit(play, scene) for name, scene in scenes.items()}
        return {name: one.result() for name, one in running.items()}
