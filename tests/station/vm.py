"""A disk image becomes a running machine that obeys: commands, files, processes, disks; nothing of it outlives us.

    with Vm.started(system) as vm:               # booted, or resumed from the moment after its first boot
        vm.run("uname -r").out                   # raises CommandFailed unless check=False
        vm.run("id", user="station")             # as somebody who is not root
        vm.write("/tmp/a.toml", "text"); vm.read("/sys/class/gpio/export")
        vm.put(Path("folder"), "/opt"); vm.get("/tmp/out.csv", Path("here"))
        with vm.process("hipbar run") as p:      # runs on; p.signal("TERM"), p.wait(10), p.out, p.err
            ...
        vm.attach_disk(Path("frames.raw"))       # -> "/dev/vdb", read only
        with vm.logged_disk(image, log) as name: # -> "/dev/vdc", every write of which is kept in order
            ...
    with Vm.cold(system, disk) as vm:            # switched on, and nobody logs in
        vm.wait_for_serial("login:", 120)
        with vm.reached():                       # until now
            vm.run("uname -r")

QEMU interprets every instruction (no KVM), so the machine is 10 to 30 times slower than the host: give time-outs in
that scale. Commands are shell text and run as root over SSH on a loopback port; one takes about 0.3 s. The network
leads nowhere else. Times in seconds. Refuses with `CommandFailed` and `MachineFailed`; both tell what the machine said.
"""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.station.image import run
from tests.station.layers import key_of, layer

MEMORY_MB = 1536
_BOOT_S = 300.0
_PORTS = 6
_SSH_BROKE = 255
_SCRATCH = "hipbar-bench-"
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""Started so, a program is killed by the kernel when this process ends, however that ends."""


class Result(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Build(NamedTuple):
    """How a machine differs from the bench's ordinary one.

    disk_format, cache : of the root disk. words : more for the kernel. more : devices. initrd : another one.
    """

    disk_format: str = "qcow2"
    cache: str = "unsafe"
    words: str = ""
    more: tuple[str, ...] = ()
    initrd: Path | None = None
    reboots: bool = False


class CommandFailed(Exception):
    """A command in the machine ended with another code than 0."""


class MachineFailed(Exception):
    """The machine did not start, or it fell silent."""


class Vm:
    """A running machine."""

    def __init__(
        self, system: Path, folder: Path, disk: Path, *, resume: bool, build: Build | None = None
    ) -> None:
        self._folder, self._identity = folder, folder / "id"
        shutil.copy(system / "id", self._identity)
        self._identity.chmod(0o600)
        self._port = _free_port()
        self._numbers = itertools.count(1)
        self._slots = list(range(1, _PORTS + 1))
        words = _qemu(system, folder, disk, self._port, build or Build()) + (
            ["-loadvm", "ready"] if resume else []
        )
        self.began_s = time.monotonic()
        """When it was switched on, on this computer's clock."""
        with (folder / "qemu.log").open("wb") as log:
            self._qemu = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    @classmethod
    @contextmanager
    def started(cls, system: Path) -> Iterator[Vm]:
        """A machine fresh from its image; gone when the block is left, whatever was done to it."""
        saved = _booted_once(system)
        with _scratch() as folder:
            disk = Path(shutil.copy(saved / "disk.qcow2", folder))
            with _ending(cls(system, folder, disk, resume=True)) as vm, vm.reached():
                vm.run(f"date -s @{time.time():.0f}")
                yield vm

    @classmethod
    @contextmanager
    def cold(cls, system: Path, disk: Path, build: Build) -> Iterator[Vm]:
        """A machine switched on, as found on that disk, which keeps what is done to it; nobody has logged in."""
        with _scratch() as folder, _ending(cls(system, folder, disk, resume=False, build=build)) as vm:
            yield vm

    def run(
        self,
        command: str,
        *,
        timeout_s: float = 120.0,
        check: bool = True,
        user: str = "root",
        stdin: bytes = b"",
    ) -> Result:
        """Runs shell text to its end."""
        try:
            done = subprocess.run(
                self._words(command, user), input=stdin, capture_output=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as late:
            said = (late.stdout or b"") + (late.stderr or b"")
            raise CommandFailed(f"{command}: not done in {timeout_s:.0f} s\n{_tail(said)}") from None
        result = Result(
            done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if done.returncode == _SSH_BROKE:
            ended = f"QEMU: {self._qemu.poll()}, {_tail((self._folder / 'qemu.log').read_bytes())}"
            raise MachineFailed(
                f"{command}: the machine fell silent\n{_tail(done.stderr)}\n{ended}\n{self.serial()}"
            )
        if check and done.returncode:
            raise CommandFailed(f"{command}: exit {done.returncode}\n{_tail(done.stdout + done.stderr)}")
        return result

    def process(self, command: str, *, user: str = "root") -> Process:
        """Starts shell text (one program) and lets it run; leaving its `with` block kills it."""
        return Process(self, command, user, self._folder / f"process{next(self._numbers)}")

    def read(self, path: str) -> str:
        """A file's text."""
        return self.run(f"cat {shlex.quote(path)}").out

    def write(self, path: str, text: str) -> None:
        """A file with that text, or that text into a file of the kernel's."""
        self.run(f"cat > {shlex.quote(path)}", stdin=text.encode())

    def put(self, source: Path, folder: str) -> None:
        """A file or a folder, with all in it, into a folder of the machine."""
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                tar.add(source, source.name)
            file.seek(0)
            self.run(f"mkdir -p {folder}; tar -x -m --no-same-owner -C {folder}", stdin=file.read())

    def get(self, path: str, target: Path) -> Path:
        """A file of the machine, as a file here."""
        done = subprocess.run(
            self._words(f"cat {shlex.quote(path)}"), capture_output=True, timeout=120, check=False
        )
        if done.returncode:
            raise CommandFailed(f"{path}: {_tail(done.stderr)}")
        target.write_bytes(done.stdout)
        return target

    def unpack(self, archive: Path, *, timeout_s: float = 120.0) -> None:
        """A tar archive unpacked at the machine's root."""
        self.run("tar -x -C /", stdin=archive.read_bytes(), timeout_s=timeout_s)

    def attach_disk(self, image: Path) -> str:
        """A raw file as a disk that can only be read; the name of its device."""
        file = {"driver": "file", "filename": str(image), "read-only": True}
        return self._plugged(self._slots.pop(0), {"driver": "raw", "read-only": True, "file": file})

    @contextmanager
    def logged_disk(self, image: Path, log: Path) -> Iterator[str]:
        """A raw file as a disk; the log gets every write and flush in the order of their completion.

        Leaving the block unplugs it as it is, whatever the machine still had in mind.
        """
        slot = self._slots.pop(0)
        log.write_bytes(b"")
        files = {
            name: {"driver": "file", "filename": str(path)} for name, path in (("file", image), ("log", log))
        }
        device = self._plugged(slot, {"driver": "blklogwrites", "log-sector-size": 512, **files})
        try:
            yield device
        finally:
            self.qmp("device_del", id=f"more{slot}-device")
            self.run(f"until [ ! -e {device} ]; do sleep 0.1; done")
            self._let_go(f"more{slot}")
            self._slots.append(slot)

    def _plugged(self, slot: int, node: dict[str, Any]) -> str:
        """A disk in that slot; the name of its device."""
        before, name = set(self.run("ls /sys/block").out.split()), f"more{slot}"
        self.qmp("blockdev-add", **{"node-name": name, **node})
        self.qmp("device_add", driver="virtio-blk-pci", id=f"{name}-device", drive=name, bus=f"slot{slot}")
        for _ in range(60):
            if new := set(self.run("udevadm settle; ls /sys/block").out.split()) - before:
                return f"/dev/{new.pop()}"
        raise MachineFailed(f"{node}: did not appear as a disk\n{self.serial()}")

    def _let_go(self, node: str) -> None:
        """No such disk in QEMU any more, and its files whole."""
        until_s = time.monotonic() + 30
        while True:
            try:
                self.qmp("blockdev-del", **{"node-name": node})
                return
            except MachineFailed:  # the machine has not let go of it yet
                if time.monotonic() > until_s:
                    raise
                time.sleep(0.1)

    def console(self) -> str:
        """All that the machine has said on its console."""
        path = self._folder / "serial"
        return path.read_text(errors="replace") if path.exists() else ""

    def serial(self) -> str:
        """The last lines of that."""
        return _tail(self.console().encode())

    def wait_for_serial(self, words: str, timeout_s: float, *, times: int = 1) -> float:
        """Until these words have come on the console so often; when that was seen, on this computer's clock."""
        until_s = time.monotonic() + timeout_s
        while self.console().count(words) < times:
            if time.monotonic() > until_s or self._qemu.poll() is not None:
                raise MachineFailed(f"never said {words!r}\n{self.serial()}")
            time.sleep(0.02)
        return time.monotonic()

    def qmp(self, command: str, **arguments: Any) -> Any:
        """A command to QEMU itself."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self._folder / "qmp"))
            with link.makefile("rw") as lines:
                lines.readline()
                for words in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                    lines.write(json.dumps(words) + "\n")
                    lines.flush()
                    answer = next(m for m in map(json.loads, lines) if "return" in m or "error" in m)
        if "error" in answer:
            raise MachineFailed(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    @contextmanager
    def listening(self) -> Iterator[Callable[[str, float], float]]:
        """A function that waits for one of QEMU's own events, from now on; meanwhile `qmp` has to wait.

        It takes the event's name and how long to wait; it tells when it was heard, on this computer's clock.
        """
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self._folder / "qmp"))
            with link.makefile("rw") as lines:
                lines.readline()
                lines.write(json.dumps({"execute": "qmp_capabilities"}) + "\n")
                lines.flush()
                lines.readline()

                def heard(event: str, timeout_s: float) -> float:
                    link.settimeout(timeout_s)
                    try:
                        next(line for line in lines if json.loads(line).get("event") == event)
                    except (TimeoutError, StopIteration):
                        raise MachineFailed(f"no {event} in {timeout_s:.0f} s\n{self.serial()}") from None
                    return time.monotonic()

                yield heard

    def shell(self) -> int:
        """A person's own look around."""
        return subprocess.run([*self._words(None), "-t"], check=False).returncode

    def login_words(self, user: str) -> list[str]:
        """What somebody types to log in on a terminal: a connection of its own, as a user who has root's key."""
        words = [word for word in self._words(None) if not word.startswith("-oControlPath")]
        return [*(f"{user}@127.0.0.1" if word == "root@127.0.0.1" else word for word in words), "-tt"]

    def ended(self, timeout_s: float) -> float:
        """Until it has switched itself off; when that was seen, on this computer's clock."""
        try:
            self._qemu.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise MachineFailed(f"still on after {timeout_s:.0f} s\n{self.serial()}") from None
        return time.monotonic()

    @property
    def pid(self) -> int:
        """QEMU's process on this computer."""
        return self._qemu.pid

    def close(self) -> None:
        """Pulls the plug."""
        self._qemu.kill()
        self._qemu.wait()

    def _words(self, command: str | None, user: str = "root") -> list[str]:
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ControlPath": self._folder / "ssh",
            "ConnectTimeout": 60,
        }
        words = ["ssh", "-F", "none", "-i", str(self._identity), "-p", str(self._port), "root@127.0.0.1"]
        words += [f"-o{name}={value}" for name, value in options.items()]
        if command is None:
            return words
        return [
            *words,
            "--",
            command if user == "root" else f"runuser -u {user} -- sh -c {shlex.quote(command)}",
        ]

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Logged in: one connection that all commands share; the machine may end before it does."""
        self._wait()
        master = subprocess.Popen([*_DIES_WITH_US, *self._words(None), "-M", "-N", "-n"])
        try:
            while not (self._folder / "ssh").exists() and master.poll() is None:
                time.sleep(0.05)
            yield
        finally:
            master.kill()
            master.wait()
            (self._folder / "ssh").unlink(missing_ok=True)

    def _wait(self) -> None:
        """Until SSH answers."""
        until_s = time.monotonic() + _BOOT_S
        while time.monotonic() < until_s:
            if self._qemu.poll() is not None:
                raise MachineFailed(
                    f"QEMU ended: {_tail((self._folder / 'qemu.log').read_bytes())}\n{self.serial()}"
                )
            try:
                with socket.create_connection(("127.0.0.1", self._port), 1) as link:
                    link.settimeout(2)
                    if link.recv(4) == b"SSH-":
                        return
            except OSError:
                time.sleep(0.1)
        raise MachineFailed(f"no answer within {_BOOT_S:.0f} s\n{self.serial()}")


class Process:
    """A program that runs in the machine."""

    def __init__(self, vm: Vm, command: str, user: str, files: Path) -> None:
        self._vm, self._pid_file = vm, f"/run/bench-{files.name}"
        self._out, self._err = files.with_suffix(".out"), files.with_suffix(".err")
        inner = (
            f"echo $$ > {self._pid_file}; exec {command}"
            if user == "root"
            else (
                f"echo $$ > {self._pid_file}; exec setpriv --reuid {user} --regid {user} --init-groups {command}"
            )
        )
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._ssh = subprocess.Popen(
                vm._words(f"sh -c {shlex.quote(inner)}"), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ssh.poll() is None:
            self.signal("KILL")
            self._ssh.wait(30)

    @property
    def out(self) -> str:
        """What it has written so far."""
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        """What it has written to stderr so far."""
        return self._err.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._ssh.poll() is None

    @property
    def pid(self) -> int:
        """Its number in the machine."""
        return int(
            self._vm.run(f"until [ -s {self._pid_file} ]; do sleep 0.1; done; cat {self._pid_file}").out
        )

    def signal(self, name: str) -> None:
        """Sends it a signal, as `kill -NAME` does."""
        self._vm.run(f"kill -{name} {self.pid}", check=False)

    def wait_for(self, words: str, timeout_s: float) -> None:
        """Until it has written these words."""
        until_s = time.monotonic() + timeout_s
        while words not in self.out + self.err:
            if not self.running or time.monotonic() > until_s:
                raise CommandFailed(f"never said {words!r}\n{self.out[-2000:]}{self.err[-2000:]}")
            time.sleep(0.1)

    def wait(self, timeout_s: float) -> Result:
        """Until it ends by itself."""
        try:
            code = self._ssh.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise CommandFailed(
                f"still running after {timeout_s:.0f} s\n{self.out[-2000:]}{self.err[-2000:]}"
            ) from None
        return Result(code, self.out, self.err)


def _booted_once(system: Path) -> Path:
    """The disk of a machine that has booted once, with its state kept inside."""

    def make(folder: Path) -> None:
        disk = folder / "disk.qcow2"
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", system / "disk.ext4", disk)
        with _scratch() as scratch, _ending(Vm(system, scratch, disk, resume=False)) as vm:
            vm._wait()
            vm.run("systemctl is-system-running --wait", check=False)
            vm.run("sync; echo 3 > /proc/sys/vm/drop_caches")
            vm.qmp("human-monitor-command", **{"command-line": "savevm ready"})

    version = run("qemu-system-x86_64", "--version")
    return layer("boot", key_of(system.name, version, *_qemu(system, Path(), Path(), 0, Build())), make)


def _qemu(system: Path, folder: Path, disk: Path, port: int, build: Build) -> list[str]:
    kernel_words = (
        "root=/dev/vda rw console=ttyS0 quiet panic=-1 mitigations=off audit=0 clocksource=tsc tsc=reliable"
    ) + build.words
    initrd = build.initrd or system / "initrd.img"
    slots = [f"pcie-root-port,id=slot{n},chassis={n},slot={n}" for n in range(1, _PORTS + 1)]
    return [
        *(
            *_DIES_WITH_US,
            "qemu-system-x86_64",
            "-M",
            "q35",
            "-accel",
            "tcg,thread=multi,tb-size=512",
            "-cpu",
            "max",
        ),
        *("-m", str(MEMORY_MB), "-smp", "2", "-nodefaults", "-display", "none"),
        *(() if build.reboots else ("-no-reboot",)),
        *("-kernel", str(system / "vmlinuz"), "-initrd", str(initrd), "-append", kernel_words),
        *(
            "-drive",
            f"file={disk},format={build.disk_format},if=none,id=root,cache={build.cache},discard=unmap",
        ),
        *("-device", "virtio-blk-pci,drive=root", "-device", "virtio-rng-pci"),
        *(word for slot in slots for word in ("-device", slot)),
        *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=net,romfile="),
        *("-chardev", f"file,id=serial,path={folder / 'serial'}", "-serial", "chardev:serial"),
        *("-qmp", f"unix:{folder / 'qmp'},server=on,wait=off"),
        *build.more,
    ]


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for a machine that runs; those that were left behind by a bench that was killed go with it."""
    for left in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        if not Path("/proc", left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-") as name:
        yield Path(name)


@contextmanager
def _ending(vm: Vm) -> Iterator[Vm]:
    try:
        yield vm
    finally:
        vm.close()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _tail(said: bytes) -> str:
    return said.decode(errors="replace")[-3000:]
