"""A real sshd on this computer's loopback becomes a terminal of 80 columns and 24 lines that a script types into.

    with Sshd.started(folder, {"HIPBAR_RUNTIME": "/tmp/run"}) as sshd, sshd.login() as there:
        there.run("hipbar status")                 # -> Said(code, out), what the screen got
        with there.talk("hipbar calibrate zero") as talk:
            talk.expect("Ready?"); talk.type("\n")
        talk.code                                  # how it ended

Any user may start it: it lets in only whoever has the key that was made for it, as the user that started it. Seconds;
every wait is bounded. Refuses with `LoginFailed`, which tells what both sides said.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pexpect

ROOT = Path(__file__).resolve().parents[2]
_PROMPT = "hipbar-test> "
_ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78A-Z])")
_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/id.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
PrintLastLog no
"""


class LoginFailed(Exception):
    """Nobody could log in, or what was waited for never came."""


class Said(NamedTuple):
    """How a command ended, and what the terminal got, without colours."""

    code: int
    out: str


def lacking() -> str | None:
    """Why nobody can log in here, and what would bring it."""
    tools = {
        "sshd": "openssh-server",
        "ssh": "openssh-client",
        "ssh-keygen": "openssh-client",
        "bash": "bash",
    }
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    absent = {package for tool, package in tools.items() if not shutil.which(tool, path=path)}
    return f"a login over SSH: apt-get install {' '.join(sorted(absent))}" if absent else None


class Sshd:
    """A server of our own, for one key."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self.port = folder, _free_port()
        self._programs(folder / "bin")
        self._environment = {**environment, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        for name in ("host", "id"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        (folder / "sshd_config").write_text(_CONFIG.format(port=self.port, folder=folder))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # the server's own, for its unprivileged part
        server = str(shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin"))
        self._log = folder / "sshd.log"
        words = [server, "-D", "-e", "-f", str(folder / "sshd_config")]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(words, stderr=log, stdin=subprocess.DEVNULL)

    @classmethod
    @contextmanager
    def started(cls, folder: Path, environment: Mapping[str, str]) -> Iterator[Sshd]:
        """A server that answers; gone when the block is left."""
        folder.mkdir(exist_ok=True)
        one = cls(folder, environment)
        try:
            one._wait()
            yield one
        finally:
            one._process.terminate()
            one._process.wait(10)

    @contextmanager
    def login(self, within_s: float = 30.0) -> Iterator[Login]:
        """A login shell on a terminal over there."""
        ssh = ["ssh", "-tt", *self.words(), "127.0.0.1"]
        try:
            with Login.started(ssh, within_s) as there:
                for name, value in self._environment.items():
                    there.run(f"export {name}='{value}'")
                yield there
        except LoginFailed as error:
            raise LoginFailed(f"{error}\nsshd: {self._log.read_text()[-2000:]}") from None

    def words(self) -> list[str]:
        """Options for `ssh` to get in."""
        known = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "BatchMode=yes",
        )
        options = [word for option in known for word in ("-o", option)]
        return ["-F", "none", "-i", str(self.folder / "id"), "-p", str(self.port), *options]

    def _wait(self) -> None:
        until_s = time.monotonic() + 10.0
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1.0):
                    return
            except OSError:
                if time.monotonic() > until_s or self._process.poll() is not None:
                    raise LoginFailed(f"sshd does not answer: {self._log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def _programs(self, folder: Path) -> None:
        """`hipbar` as this checkout has it."""
        folder.mkdir()
        program = folder / "hipbar"
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m appliance.cli "$@"\n')
        program.chmod(0o755)


class Login:
    """A shell at the other end of a terminal."""

    def __init__(self, words: Sequence[str], within_s: float) -> None:
        self.within_s = within_s
        self.screen = pexpect.spawn(
            words[0], list(words[1:]), dimensions=(24, 80), timeout=within_s, encoding="utf-8"
        )
        self.screen.delaybeforesend = None

    @classmethod
    @contextmanager
    def started(cls, words: Sequence[str], within_s: float) -> Iterator[Login]:
        """Logged in and at a prompt; logged out when the block is left."""
        one = cls(words, within_s)
        try:
            one._shell()
            yield one
        finally:
            one.screen.close(force=True)

    def _shell(self) -> None:
        """The same plain shell, whatever the user's own is like."""
        self.screen.sendline(f"exec bash --norc --noprofile; # {'-' * 60}")
        self.screen.sendline(
            "stty -echo; bind 'set enable-bracketed-paste off'; PS1='hipbar-''test> '; PS2=''"
        )
        self.expect(_PROMPT)
        self.screen.sendline("unset NO_COLOR; export TERM=xterm-256color")
        self.expect(_PROMPT)

    def expect(self, what: str, within_s: float | None = None) -> str:
        """Waits until the terminal gets this text; what came before it, without colours."""
        self.either([what], within_s)
        return plain(str(self.screen.before))

    def either(self, what: Sequence[str], within_s: float | None = None) -> int:
        """Waits until the terminal gets one of these; which."""
        try:
            return int(self.screen.expect_exact(list(what), timeout=within_s or self.within_s))
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            seen = plain(self.screen.before or "")[-3000:]
            raise LoginFailed(f"never came: {what!r} ({type(error).__name__}); the screen:\n{seen}") from None

    def type(self, text: str) -> None:
        """Presses keys."""
        self.screen.send(text)

    def run(self, command: str, within_s: float | None = None) -> Said:
        """One command to its end."""
        with self.talk(command, within_s) as talk:
            pass
        return Said(talk.code, talk.out)

    @contextmanager
    def talk(self, command: str, within_s: float | None = None) -> Iterator[Talk]:
        """A command that is answered while it runs; leaving the block waits for its end."""
        self.screen.sendline(f'{command}; echo "ended:$?:"')
        talk = Talk(self)
        yield talk
        talk.end(within_s)


class Talk:
    """A command that runs in the terminal."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._parts: list[str] = []
        self.code = -1

    def expect(self, what: str, within_s: float | None = None) -> str:
        """Waits until it says this; what it said before."""
        found = self._login.expect(what, within_s)
        self._parts += [found, what]
        return found

    def either(self, what: Sequence[str], within_s: float | None = None) -> int:
        """Waits until it says one of these; which."""
        found = self._login.either(what, within_s)
        self._parts += [plain(str(self._login.screen.before)), what[found]]
        return found

    def type(self, text: str) -> None:
        """Presses keys."""
        self._login.type(text)

    def end(self, within_s: float | None) -> None:
        """Its end."""
        self._parts.append(self._login.expect("ended:", within_s))
        self.code = int(self._login.expect(":"))
        self._login.expect(_PROMPT)

    @property
    def out(self) -> str:
        """All that the terminal got so far."""
        return "".join(self._parts)


def plain(text: str) -> str:
    """What a person reads of it."""
    return _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def run(*words: str, **more: Any) -> str:
    """A command here."""
    return subprocess.run(words, capture_output=True, text=True, check=True, **more).stdout


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
