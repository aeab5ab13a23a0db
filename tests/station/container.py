"""A Debian root becomes a running system with its own systemd on this computer's kernel; nothing of it outlives us.

    with Container(root) as box:                  # booted; what is done to it is thrown away in the end
        box.run("systemctl is-active hipbar")     # raises CommandFailed unless check=False
        box.write("/etc/hipbar/hipbar.toml", text)
        box.reboot()

It runs at this computer's speed and has its kernel, so CLOCK_MONOTONIC is the same inside and outside. Its disk is an
overlay in memory over folders that are only read; its network is a loopback device of its own. Mounts and processes
live in namespaces that end with the thread which started them, however that ends; what is left of a killed one in /tmp
and among the cgroups is swept by the next. Times in seconds. Refuses with `CommandFailed` and
`MachineFailed`, which tell what the machine said.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from tests.station.vm import CommandFailed, MachineFailed, Result

_BOOT_S, _OFF_S = 60.0, 30.0
_NAME = "hipbar-box-"
_MEMORY_MB = 2048
_SETUP = """\
for group in {groups}; do echo $$ >$group/cgroup.procs; done
exec setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount-proc sh -e -c '
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
mount -t tmpfs -o mode=0755,size={memory_mb}m tmpfs {folder}/memory
mkdir -p {folder}/memory/upper {folder}/memory/work
mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {folder}/root
ended={reboot}
while [ $ended = {reboot} ]; do
    ended=0
    systemd-nspawn --quiet --boot -D {folder}/root --machine={name} --register=no \
        --keep-unit --private-network --console=pipe --link-journal=no --resolv-conf=off --timezone=off {binds} \
        || ended=$?
done
exit $ended'
"""
_REBOOT = 133
"""How systemd-nspawn ends when its system wants to be started again."""


class Container:
    """A system that has booted. Layers: folders from the lowest up; files: path to text, in place before it boots.

    binds : folder in the container to the folder of this computer that is seen there.
    keep : an empty folder on a disk that takes what the container writes, to be a layer of others.
    target : the unit whose being active means that it has booted.
    """

    def __init__(
        self,
        *layers: Path,
        files: Mapping[str, str] | None = None,
        binds: Mapping[str, Path] | None = None,
        keep: Path | None = None,
        target: str = "multi-user.target",
    ) -> None:
        self._target = target
        self._layers, self._files, self._binds, self._keep = layers, files or {}, binds or {}, keep
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            self._folder = undo.enter_context(_scratch())
            groups = undo.enter_context(_cgroups(self._folder.name))
            self._console = self._folder / "console"
            with self._console.open("wb") as log:
                self._unshare = subprocess.Popen(
                    ["sh", "-e", "-c", self._script(groups)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                )
            undo.callback(self._kill)
            self._leader = self._booted(None)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def run(
        self,
        command: str,
        *,
        timeout_s: float = 60.0,
        check: bool = True,
        user: str = "root",
        stdin: bytes = b"",
    ) -> Result:
        """Runs shell text to its end, outside of every unit."""
        words = ["nsenter", "-t", str(self._leader), "-a", "env", "-i", *_ENVIRONMENT]
        words += (
            ["sh", "-c", command] if user == "root" else ["runuser", "-u", user, "--", "sh", "-c", command]
        )
        try:
            done = subprocess.run(words, input=stdin, capture_output=True, timeout=timeout_s, check=False)
        except subprocess.TimeoutExpired as late:
            said = ((late.stdout or b"") + (late.stderr or b"")).decode(errors="replace")
            raise CommandFailed(f"{command}: not done in {timeout_s:.0f} s\n{said[-3000:]}") from None
        result = Result(
            done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )
        if check and result.code:
            raise CommandFailed(f"{command}: exit {result.code}\n{(result.out + result.err)[-3000:]}")
        return result

    def until(self, condition: str, timeout_s: float = 20.0) -> float:
        """Waits until that shell text ends with 0; the time since now."""
        began_s = time.monotonic()
        while self.run(condition, check=False).code:
            if time.monotonic() - began_s > timeout_s:
                raise CommandFailed(f"not within {timeout_s:.0f} s: {condition}\n{self.journal()}")
            time.sleep(0.02)
        return time.monotonic() - began_s

    def read(self, path: str) -> str:
        """A file's text."""
        return self.run(f"cat {shlex.quote(path)}").out

    def write(self, path: str, text: str) -> None:
        """A file with that text."""
        self.run(f"cat > {shlex.quote(path)}", stdin=text.encode())

    def put(self, source: Path, folder: str) -> None:
        """A file into a folder of the container."""
        path = f"{folder}/{source.name}"
        self.run(f"mkdir -p {folder}; cat > {shlex.quote(path)}", stdin=source.read_bytes())

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit, as systemd tells them."""
        text = self.run(f"systemctl show --timestamp=us --property={','.join(names)} {unit}").out
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def journal(self, *words: str, lines: int = 40) -> str:
        """The last lines of the journal."""
        return self.run(
            f"journalctl --no-pager -o short-monotonic -n {lines} {' '.join(words)}", check=False
        ).out

    def reboot(self, command: str = "systemctl reboot -f", timeout_s: float = _BOOT_S) -> float:
        """Boots it anew and waits for that; seconds from the command to the new system."""
        began_s, before = time.monotonic(), self._leader
        self.run(command, check=False)
        self._leader = self._booted(before, timeout_s)
        return time.monotonic() - began_s

    def off(self, command: str = "systemctl poweroff") -> float:
        """Switches it off and waits until it is; seconds from the command to the end."""
        began_s = time.monotonic()
        self.run(command, check=False)
        try:
            self._unshare.wait(_OFF_S)
        except subprocess.TimeoutExpired:
            raise MachineFailed(f"not off after {_OFF_S:.0f} s\n{self.console}") from None
        return time.monotonic() - began_s

    @property
    def pid(self) -> int:
        """This computer's number of the container's process 1."""
        return self._leader

    @property
    def console(self) -> str:
        """The last lines on its console."""
        return self._console.read_text(errors="replace")[-3000:]

    def _script(self, groups: list[Path]) -> str:
        for name in ("memory", "root", "brought"):
            (self._folder / name).mkdir()
        brought, written = self._folder / "brought", self._folder / "memory"
        for name, text in self._files.items():
            path = brought / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        if self._keep:
            (self._keep / "upper").mkdir()
            (self._keep / "work").mkdir()
            written = self._keep
        return _SETUP.format(
            reboot=_REBOOT,
            groups=" ".join(map(str, groups)),
            folder=self._folder,
            name=self._folder.name.replace(_NAME, "box").replace("_", ""),
            memory_mb=_MEMORY_MB,
            lower=":".join(map(str, [brought, *reversed(self._layers)])),
            upper=written / "upper",
            work=written / "work",
            binds=" ".join(f"--bind={source}:{target}" for target, source in self._binds.items()),
        )

    def _booted(self, before: int | None, timeout_s: float = _BOOT_S) -> int:
        """Its process 1, another than `before`, when it has started all that it starts."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            if self._unshare.poll() is not None:
                raise MachineFailed(f"systemd-nspawn ended: {self._unshare.poll()}\n{self.console}")
            found = self._process_1()
            if found and found != before and self._is_up(found):
                return found
            time.sleep(0.02)
        raise MachineFailed(f"not booted within {timeout_s:.0f} s\n{self.console}")

    def _is_up(self, pid: int) -> bool:
        """Whether that system's own systemd answers and has come so far."""
        words = ["nsenter", "-t", str(pid), "-a", "systemctl", "is-active", "-q", self._target]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    def _process_1(self) -> int | None:
        """Among what systemd-nspawn has started, the first process of its own namespace."""
        with contextlib.suppress(OSError, ValueError):
            (shell,) = _children(self._unshare.pid)
            for pid in (inner for outer in _children(shell) for inner in _children(outer)):
                status = Path(f"/proc/{pid}/status").read_text()
                if status.split("NSpid:")[1].split("\n")[0].split()[2:] == ["1"]:
                    return pid
        return None

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._unshare.pid, signal.SIGKILL)
        self._unshare.wait()


_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "LANG=C.UTF-8",
    "HOME=/root",
    "TERM=dumb",
)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder for a container that runs; what others left that were killed goes with it."""
    for left in Path(tempfile.gettempdir()).glob(f"{_NAME}*"):
        if not _lives(left.name):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_NAME}{os.getpid()}-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.contextmanager
def _cgroups(name: str) -> Iterator[list[Path]]:
    """A group of that name in each hierarchy that systemd uses, and none left of those that were killed."""
    tops = [
        Path(words[1])
        for words in (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
        if words[2] == "cgroup2" or (words[2] == "cgroup" and "name=systemd" in words[3])
    ]
    for left in (group for top in tops for group in top.glob(f"{_NAME}*")):
        if not _lives(left.name):
            _dissolve(left)
    groups = [top / name for top in tops]
    for group in groups:
        group.mkdir()
    try:
        yield groups
    finally:
        for group in groups:
            _dissolve(group)


def _dissolve(group: Path) -> None:
    """Removes a cgroup with all in it; processes in it are killed, which takes them a moment."""
    until_s = time.monotonic() + 5.0
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    while group.exists() and time.monotonic() < until_s:
        inner = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
        for folder in (*inner, group):
            with contextlib.suppress(OSError):
                folder.rmdir()
        if group.exists():
            time.sleep(0.01)


def _lives(name: str) -> bool:
    """Whether the process that made a folder or group of that name is still there."""
    try:
        return "State:\tZ" not in Path("/proc", name.split("-")[2], "status").read_text()
    except OSError:
        return False
