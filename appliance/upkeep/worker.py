"""An update that is written down is carried out to its end, whatever happens on the way.

Runs as a program of its own (`program.pyz`, made from these files by `bundle`) with nothing but Python's standard
library, because the package that it replaces may be half there; started by systemd, away from anybody's terminal, and
again after a power cut. Refuses nothing: what fails leads to the next stage (`stages.NEXT`), at worst back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import io
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from appliance.errors import HipbarError, UpkeepError
from appliance.upkeep.ledger import Ledger
from appliance.upkeep.packages import Busy, Packages, digest_of
from appliance.upkeep.stages import Limits, Look, Package, Stage, Update, Watch, condition_of, ending

SERVICE = "hipbar.service"
BUSY_S = 300.0
_MOST_BYTES = 65536
_MODULES = (
    "__init__",
    "errors",
    "output",
    "upkeep/__init__",
    "upkeep/ledger",
    "upkeep/packages",
    "upkeep/stages",
    "upkeep/worker",
)
_MAIN = "import sys\n\nfrom appliance.upkeep.worker import main\n\nsys.exit(main(sys.argv[1:]))\n"


def bundle() -> bytes:
    """A program that needs nothing but a Python: these modules, as a zip that Python runs."""
    sources = Path(__file__).resolve().parent.parent
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in _MODULES:
            archive.writestr(f"appliance/{name}.py", (sources / f"{name}.py").read_bytes())
        archive.writestr("__main__.py", _MAIN)
    return made.getvalue()


class Service:
    """The station's service, seen from outside. Under another root than / there is only its status file."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._status = root / "run/hipbar/status.json"
        self._systemd = root == Path("/") and Path("/run/systemd/system").is_dir()

    def look(self, old: str = "") -> Look:
        """How it is now. old : the process from before the change."""
        unit, status = self._unit(), self._read()
        main, pid = unit.get("MainPID", ""), str((status or {}).get("pid", ""))
        process = _process(pid)
        alive = bool(process) and main in ("", pid) and (status or {}).get("boot_id") in (None, _boot_id())
        condition = condition_of(status, time.monotonic(), alive, unit.get("ActiveState", ""))
        running = process if alive else _process(main)
        restarts = int(unit["NRestarts"]) if unit.get("NRestarts", "").isdigit() else None
        return Look(time.monotonic(), condition, running, restarts, old=bool(running) and running == old)

    def restart(self) -> None:
        """Starts it anew; does not wait for it."""
        if self._systemd:
            subprocess.run(["systemctl", "--no-block", "restart", SERVICE], check=False)

    def stop(self) -> None:
        """Ends it, or takes back that it is to be started; does not wait for it."""
        if self._systemd:
            subprocess.run(["systemctl", "--no-block", "stop", SERVICE], check=False)

    def _unit(self) -> dict[str, str]:
        """What systemd says of it."""
        if not self._systemd:
            return {}
        words = ["systemctl", "show", "--property=ActiveState,MainPID,NRestarts", SERVICE]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    def _read(self) -> dict[str, Any] | None:
        try:
            with self._status.open("rb") as file:
                status = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
        return status if isinstance(status, dict) else None


class Worker:
    """Carries an update out. pace_s : between two looks at the service. busy_s : how long others may install things."""

    def __init__(
        self, ledger: Ledger, limits: Limits | None = None, pace_s: float = 0.5, busy_s: float = BUSY_S
    ) -> None:
        self._ledger, self._limits, self._pace_s, self._busy_s = ledger, limits or Limits(), pace_s, busy_s
        self._packages, self._service = Packages(ledger.root), Service(ledger.root)

    def finish(self, update: Update) -> Update:
        """Takes an update from whatever stage it is in to its end."""
        if update.tries:
            self.say(f"the update to {update.new.version} was cut off at: {update.stage}")
        try:
            with self._packages.locked(self._busy_s, self.say):
                while not update.over:
                    update = self._step(update)
        except Busy as busy:
            if update.stage != Stage.KEEP:
                raise
            update = update.after(False, str(busy))
            self._ledger.write(update)
        if update.stage == Stage.STUCK:
            self._service.restart()  # whatever is there: it may have a light to show
        print("\n".join(ending(update)), flush=True)
        return update

    def say(self, line: str) -> None:
        """A line for the journal and for the log that people follow."""
        print(line, flush=True)
        with contextlib.suppress(OSError):
            self._ledger.note(line)

    def _step(self, update: Update) -> Update:
        """One stage, written down before and after."""
        update = update.begun()
        self._ledger.write(update)
        if update.over:
            return update
        began_s, why = time.monotonic(), ""
        try:
            update = self._worked(update)
        except (HipbarError, OSError) as error:
            why = str(error)
            self.say(f"{update.stage}: {why}")
        seconds = {**update.seconds, str(update.stage): round(time.monotonic() - began_s, 1)}
        update = dataclasses.replace(update, seconds=seconds).after(not why, why)
        self._ledger.write(update)
        return update

    def _worked(self, update: Update) -> Update:
        """The work of one stage; raises what makes it fail."""
        if update.stage == Stage.KEEP:
            return self._keep(update)
        if update.stage in (Stage.INSTALL, Stage.BACK):
            return self._install(update, update.new if update.stage == Stage.INSTALL else update.old)
        self._watch(update)
        return update

    def _keep(self, update: Update) -> Update:
        """The installed version is packed up, if it is not kept from an earlier update."""
        if update.old.sha256 and self._whole(update.old):
            self.say(f"{update.old.version} is kept from before")
            return update
        self.say(f"packing up {update.old.version}, to go back to it if need be")
        made = self._packages.repack(self._ledger.packages / "repack", self.say)
        target = self._ledger.packages / f"{made.stem}.{update.number}.deb"
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(target)
        made.parent.rmdir()
        return dataclasses.replace(update, old=Package(update.old.version, target.name, digest_of(target)))

    def _whole(self, package: Package) -> bool:
        """Whether a package's file is there as it was written down."""
        file = self._ledger.packages / package.file
        return file.is_file() and digest_of(file) == package.sha256

    def _install(self, update: Update, package: Package) -> Update:
        """Installs one of the two; a service that goes on with the program from before is started anew."""
        verb = "installing" if package is update.new else "going back to"
        self.say(f"{verb} {package.version}: the bar goes dark for a moment")
        if not self._whole(package):
            raise UpkeepError(f"{package.file} is not what it was", fix="check the disk")
        file, running = self._ledger.packages / package.file, self._service.look().process
        try:
            self._packages.install(file, self.say)
        except UpkeepError as error:
            if update.stage != Stage.BACK:
                raise
            self.say(f"{error}; once more, without the scripts of what is there")
            self._packages.force(file, self.say)
        if running and self._service.look(running).old:
            self._service.restart()
        return dataclasses.replace(update, before_process=running)

    def _watch(self, update: Update) -> None:
        """Waits until the service is as well as it was before, and stays so."""
        limits, condition = self._limits, ""
        self.say(f"watching the service for up to {limits.within_s:.0f} s; it was {update.before} before")
        watch = Watch(update.before, limits)
        while watch.verdict is None:
            watch = watch.seen(self._service.look(update.before_process))
            if watch.last and watch.last.condition != condition:
                condition = watch.last.condition
                self.say(f"  service: {condition}")
            time.sleep(self._pace_s)
        if not watch.verdict:
            raise UpkeepError(watch.words(), fix="`hipbar logs` says why")


def main(words: Sequence[str]) -> int:
    """Finishes the update that is written down under a root (the first word, or else /); not 0 = to be tried again."""
    os.umask(0o022)  # everybody may see how it goes
    ledger = Ledger(Path(words[0]) if words else Path("/"))
    with only_one(ledger) as alone:
        try:
            update = ledger.under_way() if alone else None
            _guard(ledger, update)
            if update is None:
                print("no update to carry out" if alone else "an update is being carried out already")
                return 0
            Worker(ledger).finish(update)
        except HipbarError as error:
            print(f"{error}; {error.fix}", flush=True)
            return error.exit_code
    return 0


@contextlib.contextmanager
def only_one(ledger: Ledger) -> Iterator[bool]:
    """Whether nobody else carries an update out; as long as this lasts nobody else can."""
    with (ledger.folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _guard(ledger: Ledger, update: Update | None, wait_s: float = 60.0) -> None:
    """At a start, ahead of the service: one that is to be taken back stays down. Then systemd may go on (sd_notify(3)).

    Waits until dpkg has what it needs for its work.
    """
    if not (path := os.environ.get("NOTIFY_SOCKET")):
        return
    if update and update.begun().stage == Stage.BACK:
        Service(ledger.root).stop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", "\0" + path[1:] if path[0] == "@" else path)
    until_s = time.monotonic() + wait_s
    words = ["systemctl", "is-active", "--quiet", "sysinit.target"]
    while update and subprocess.run(words, check=False).returncode and time.monotonic() < until_s:
        time.sleep(0.1)


def _process(pid: str) -> str:
    """A name for a running process that no other one has; "" when there is none."""
    try:
        words = Path(f"/proc/{int(pid)}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    return "" if words[0] in ("Z", "X") or int(pid) < 1 else f"{_boot_id()}:{pid}:{words[19]}"


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
