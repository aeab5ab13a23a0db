"""Debian packages: what is in a file, what is installed, installing it without a network, and packing up what is there.

Sizes in bytes. The programs are Debian's own: dpkg, dpkg-deb, apt-get to ask what a package needs, dpkg-repack.
Standard library only, because this also runs when the station's program is half there. Refuses, with `UpkeepError`,
what is no package, and what dpkg can't do, with its own last words.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import UpkeepError

NAME = "hipbar"
LONGEST_S = 1200.0
"""A package that takes longer to install hangs: compiling the kernels takes a minute on a Pi 4."""

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
    "DPKG_FRONTEND_LOCKED": "true",  # by `Packages.locked`; dpkg's doc/frontend.txt describes the protocol
}
Say = Callable[[str], None]


class Busy(UpkeepError):
    """Somebody else installs something."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a package says of itself; installed_bytes : what it takes on the disk."""

    package: str
    version: str
    architecture: str
    installed_bytes: int

    @property
    def file(self) -> str:
        """The name that such a package's file has; a colon, which is none for a file, as Debian writes it there."""
        return f"{self.package}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def facts_of(file: Path) -> Facts:
    """What is in a .deb file."""
    done = _asked(["dpkg-deb", "-f", str(file)])
    fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", done.stdout, re.MULTILINE))
    if done.returncode or not {"Package", "Version", "Architecture"} <= fields.keys():
        raise UpkeepError(f"{file.name} is no Debian package", fix="give the file that ends in .deb")
    return Facts(
        fields["Package"],
        fields["Version"],
        fields["Architecture"],
        int(fields.get("Installed-Size", "0")) * 1024,
    )


def digest_of(file: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def newer(one: str, other: str) -> bool:
    """Whether one version is newer than another, as Debian orders them."""
    return _asked(["dpkg", "--compare-versions", one, "gt", other]).returncode == 0


class Packages:
    """The packages of the system under `root`; another root than / is for tests and images."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = [] if root == Path("/") else [f"--root={root}"]
        self._database = root / "var/lib/dpkg"

    @property
    def architecture(self) -> str:
        """For which processors packages have to be, as Debian names them."""
        return _asked(["dpkg", "--print-architecture"]).stdout.strip()

    def installed(self) -> Facts | None:
        """The version that is there; None when there is none. Refuses one that is only half there."""
        form = "${db:Status-Status}|${Package}|${Version}|${Architecture}|${Installed-Size}"
        done = _asked(["dpkg-query", *self._admin(), "-W", "-f", form, NAME])
        state, *rest = done.stdout.split("|") if not done.returncode else ["not-installed"]
        if state in ("not-installed", "config-files"):
            return None
        if state not in ("installed", "triggers-pending", "triggers-awaited"):
            raise UpkeepError(
                f"the installed package is {state}", fix="`sudo dpkg --configure -a`, then again"
            )
        package, version, architecture, kilobytes = rest
        return Facts(package, version, architecture, int(kilobytes or 0) * 1024)

    def lacking(self, file: Path) -> str:
        """What a package needs that is not there, in words; "" when nothing is, or nobody can be asked."""
        if self._root or not shutil.which("apt-get", path=_ENVIRONMENT["PATH"]):
            return ""
        words = ["apt-get", "-s", "-q", "--no-install-recommends", "--allow-downgrades"]
        words += ["-o", "Debug::NoLocking=1", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
        done = _asked([*words, "install", str(file)])
        return needs(done.stdout, done.stderr, done.returncode)

    def install(self, file: Path, say: Say) -> None:
        """Installs a file over whatever is there, also over what is half there; changed settings stay."""
        words = ["dpkg", *self._root, "--force-confdef", "--force-confold", "-i", str(file)]
        self._carried_out(words, say, file.parent)

    def force(self, file: Path, say: Say) -> None:
        """The same where the scripts of what is there stand in the way: those are taken away."""
        for script in ("prerm", "postrm"):
            (self._database / f"info/{NAME}.{script}").unlink(missing_ok=True)
        self.install(file, say)

    def repack(self, folder: Path, say: Say) -> Path:
        """A package file of what is installed, with all its scripts, in a new folder."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        words = ["dpkg-repack", *self._root, "--tag=none", "-d", "-Zgzip", "-d", "-z1", NAME]
        self._carried_out(words, say, folder)
        found = list(folder.glob("*.deb"))
        if len(found) != 1:
            raise UpkeepError(
                "dpkg-repack made no package of the installed version", fix="`sudo dpkg -V hipbar`"
            )
        return found[0]

    @contextlib.contextmanager
    def locked(self, wait_s: float, say: Say) -> Iterator[None]:
        """Nobody else installs anything meanwhile; waits for whoever does."""
        self._database.mkdir(parents=True, exist_ok=True)
        until_s, told = time.monotonic() + wait_s, False
        with (self._database / "lock-frontend").open("a") as lock:
            while not _taken(lock.fileno()):
                if time.monotonic() >= until_s:
                    raise Busy("apt or dpkg is busy with something else", fix="wait until it is done")
                if not told:
                    say("waiting: apt or dpkg is busy with something else")
                told = True
                time.sleep(0.5)
            yield

    def _admin(self) -> list[str]:
        return [f"--admindir={self._database}"] if self._root else []

    def _carried_out(self, words: list[str], say: Say, folder: Path) -> None:
        """Runs one program of Debian's and passes its lines on; the last are the reason when it fails."""
        last: list[str] = []
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=folder,
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise UpkeepError(f"{words[0]} is not installed", fix=f"`sudo apt install {words[0]}`") from None
        timer = threading.Timer(LONGEST_S, _end, [process])
        timer.daemon = True
        timer.start()
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                say(f"  {line.rstrip()}")
                last.append(line.strip())
        timer.cancel()
        if process.returncode:
            raise UpkeepError(
                f"{words[0]} failed: {reason_of(last)}", fix="the log of the update has all of it"
            )


def needs(out: str, err: str, code: int) -> str:
    """What apt-get's rehearsal says that an installation would need besides the package itself. Pure."""
    unmet = [
        " ".join(line.partition(" : ")[2].split())
        for line in out.splitlines()
        if re.match(r"\s+\S+ : ", line)
    ]
    unmet += [" ".join(line.split()) for line in out.splitlines() if re.match(r"\s{6,}(Pre)?Depends: ", line)]
    if code:
        errors = [line.removeprefix("E: ") for line in err.splitlines() if line.startswith("E: ")]
        return "; ".join(unmet or errors or [f"apt-get ended with {code}"])
    steps = [line.split()[:2] for line in out.splitlines() if line.startswith(("Inst ", "Remv "))]
    more = [name for verb, name in steps if verb == "Inst" and name != NAME]
    gone = [name for verb, name in steps if verb == "Remv"]
    parts = [f"needs {', '.join(more)}" if more else "", f"would remove {', '.join(gone)}" if gone else ""]
    return "; ".join(part for part in parts if part)


def reason_of(lines: list[str]) -> str:
    """The last thing that a program said, without dpkg's list of names after it."""
    said = [line for line in lines if line]
    ends = [at for at, line in enumerate(said) if line.startswith("Errors were encountered")]
    said = said[: ends[0]] if ends else said
    return said[-1] if said else "without a word"


def _asked(words: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, capture_output=True, text=True, errors="replace", env=_ENVIRONMENT, check=False
        )
    except FileNotFoundError:
        raise UpkeepError(f"{words[0]} is not there: this is no Debian", fix="see docs/install.md") from None


def _taken(fd: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
