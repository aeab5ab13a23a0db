"""A tool becomes a client of the station: of the service that runs, or of one of its own that ends with the tool.

`hipbar serve` as a child has its runtime folder in a temporary place, keeps calibrations where the service would and
no recordings. Started by root it runs as the service's own user, so that no file of it is root's. Refuses a service
that runs and does not answer: its devices are taken, a second one would only fight for them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from appliance.commands.options import aside
from appliance.errors import CameraLost, HipbarError, ServiceDown, SettingsError, StripLost

if TYPE_CHECKING:
    from appliance.config import Settings
    from appliance.station.client import Link

CONFIG = Path("/etc/hipbar/hipbar.toml")
USER = "hipbar"
SHARED = "/dev/shm"
NO_RECORD = "HIPBAR_RECORD"
"""In the environment of a service: "no" = nothing is recorded, whatever the settings say."""

DIRECTLY = "the service does not run: using the devices directly until this ends"
_BETWEEN_S = 8.0
_LIT_S, _COMPILED_S = 60.0, 300.0
_END_S = 10.0
_LOOK_S = 0.05
_PATIENT_S = 3.0
_NOT_YET = ("starting", "warming up")
_PR_SET_PDEATHSIG = 1
_NOT_ITS_OWN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INVOCATION_ID")


@contextlib.contextmanager
def reached(config: Path | None, *, start: bool = True) -> Iterator[Link]:
    """A link to the service that runs; without one, and if it may `start` one, to a service of the tool's own."""
    from appliance.station.client import Link

    running = _running(config)
    if running is not None:
        with running:
            yield running
        return
    if not start:
        raise ServiceDown("the service does not run", fix="`sudo systemctl start hipbar` starts it")
    with _Own(config or CONFIG) as own, Link.open(own.runtime) as link:
        try:
            yield link
        except ServiceDown:
            own.check()
            raise


def _running(config: Path | None) -> Link | None:
    """The service that runs; None when none does. One that starts anew just now is waited for."""
    from appliance.station.client import Link
    from appliance.station.places import runtime_dir
    from appliance.station.status import is_alive, read_status

    runtime, until_s = runtime_dir(), time.monotonic() + _BETWEEN_S
    while True:
        try:
            link = Link.open(runtime)
            break
        except ServiceDown as error:
            if "does not run" not in str(error):
                raise
        alive = is_alive(read_status(runtime))
        if not alive and not _kept_by_systemd(runtime):
            return None
        if time.monotonic() >= until_s:
            fix = "`hipbar status` says how it is; `sudo systemctl restart hipbar` starts it anew"
            raise ServiceDown("the service runs, but its control link does not answer", fix=fix)
        time.sleep(_LOOK_S * 4)
    with contextlib.ExitStack() as closing:
        closing.push(link)
        link.hello()
        _check_file(link, config)
        closing.pop_all()
    return link


def _kept_by_systemd(runtime: Path) -> bool:
    """Whether systemd is about to have it running again."""
    from appliance.commands.status import ask_systemd
    from appliance.station.places import RUNTIME

    unit = ask_systemd() if runtime == RUNTIME else None
    return unit is not None and unit.active in ("active", "activating", "reloading")


def _check_file(link: Link, config: Path | None) -> None:
    """Refuses to pass off the running service for one with other settings."""
    if config is None or config == CONFIG:
        return
    told = link.settings()["file"]
    if not told or config.resolve() != Path(told).resolve():
        fix = "leave --config out, or stop the service first: `sudo systemctl stop hipbar`"
        raise SettingsError(f"{config}: the service runs, with the settings of {told}", fix=fix)


class _Own:
    """A service as a child, from its first light to its dark bar."""

    def __init__(self, config: Path) -> None:
        from appliance.config import load
        from appliance.station.layers import read_whole

        settings = load(config)  # what can't be used is told here: the service would wait for it to be mended
        read_whole(config.read_text(encoding="utf-8"), config)
        aside(DIRECTLY)
        who = _as_whom(settings)
        self.runtime = Path(tempfile.mkdtemp(prefix="hipbar-", dir=_in_memory()))
        if who:
            os.chown(self.runtime, who["user"], who["group"])
        self._log = self.runtime / "log"
        self._before: dict[signal.Signals, Any] = {}
        words = [
            sys.executable,
            *_isolated(),
            "-m",
            "appliance.cli",
            "serve",
            "--config",
            str(config.resolve()),
        ]
        try:
            self._child = self._started(words, settings, who)
        except OSError as error:
            shutil.rmtree(self.runtime, ignore_errors=True)
            fix = "`sudo systemctl start hipbar` starts the service itself"
            raise ServiceDown(f"no service of one's own: {words[0]}: {error.strerror}", fix=fix) from None

    def _started(self, words: list[str], settings: Settings, who: dict[str, Any]) -> subprocess.Popen[bytes]:
        """The child; it works in a folder that it may write to, without which the GPIO library does not load."""
        here = None if not who and os.access(Path.cwd(), os.W_OK) else self.runtime
        with self._log.open("wb") as log:
            return subprocess.Popen(
                words,
                cwd=here,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=_environment(settings, self.runtime) | {"JOURNAL_STREAM": _named(log.fileno())},
                start_new_session=True,  # Ctrl-C is for the tool, which ends the service when it is done
                preexec_fn=_dying_with_us(),  # noqa: PLW1509  # a tool has no other thread yet
                **who,
            )

    def __enter__(self) -> _Own:
        self._hear()
        try:
            self._wait()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def check(self) -> None:
        """Raises why the child has ended, if it has."""
        code = self._child.poll()
        if code is not None:
            kinds = {kind.exit_code: kind for kind in (CameraLost, StripLost, SettingsError)}
            raise self._why(kinds.get(code, ServiceDown), f"it ended with code {code}")

    def _why(self, kind: type[HipbarError], otherwise: str) -> HipbarError:
        """The last error that the service has logged, as an error of the tool's."""
        what, _, fix = (self._errors() or [otherwise])[-1].partition("; ")
        return kind(what, fix=fix or "`hipbar serve` says more")

    def _errors(self) -> list[str]:
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return [line.partition(": ")[2] for line in text.splitlines() if line.startswith("<3>")]

    def _wait(self) -> None:
        """Until it measures; what it lacks is waited for no longer than it takes to be sure."""
        began_s, told, state = time.monotonic(), False, _NOT_YET[0]
        while state in _NOT_YET:
            self.check()
            waited_s = time.monotonic() - began_s
            if waited_s > _PATIENT_S:
                if state == _NOT_YET[0] and self._errors():  # no bar, so no service yet that could be asked
                    raise self._why(StripLost, "")
                if not told:
                    aside("starting; where its program was not compiled yet, this takes some minutes")
                told = True
            if waited_s > (_COMPILED_S if state == _NOT_YET[1] else _LIT_S):
                raise ServiceDown(f"the service is still {state}", fix="`hipbar serve` says more")
            state = self._state(began_s)
            time.sleep(_LOOK_S)

    def _state(self, began_s: float) -> str:
        """What it says of itself; raises what it has been in trouble with for a while."""
        from appliance.station.client import Link

        try:
            with Link.open(self.runtime) as link:
                status = link.status()
        except ServiceDown:
            return _NOT_YET[0]
        kinds = {"no camera": CameraLost, "fault": ServiceDown}
        if status.state not in kinds:
            return status.state
        if time.monotonic() - began_s < _PATIENT_S:
            return _NOT_YET[0]
        what, _, fix = (status.troubles or (status.state,))[0].partition("; ")
        raise kinds[status.state](what, fix=fix or "`hipbar serve` says more")

    def _end(self) -> None:
        """A dark bar, whatever has happened."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        shutil.rmtree(self.runtime, ignore_errors=True)

    def _hear(self) -> None:
        """A tool that is ended, or whose terminal is closed, puts everything back first."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                self._before[number] = signal.signal(number, _leave)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _isolated() -> list[str]:
    """The flag with which this program itself was started: nothing of the caller's Python gets in."""
    return ["-I"] if sys.flags.isolated else []


def _in_memory() -> str | None:
    """Where a folder does not end on a disk, which would keep the flight recorder waiting, and with it the loop."""
    return None if os.environ.get("TMPDIR") or not os.access(SHARED, os.W_OK) else SHARED


def _named(descriptor: int) -> str:
    """A file as systemd names the one that leads to its journal: what is logged there bears its priority."""
    file = os.fstat(descriptor)
    return f"{file.st_dev}:{file.st_ino}"


def _environment(settings: Settings, runtime: Path) -> dict[str, str]:
    from appliance.station.places import state_dir

    kept = {name: value for name, value in os.environ.items() if name not in _NOT_ITS_OWN}
    kept |= {"HIPBAR_RUNTIME": str(runtime), "HIPBAR_STATE": str(state_dir(settings)), NO_RECORD: "no"}
    cache = Path("/var/cache/hipbar/kernels")
    if cache.is_dir():
        kept.setdefault("NUMBA_CACHE_DIR", str(cache))
    return kept


def _as_whom(settings: Settings) -> dict[str, Any]:
    """For root: the service's own user with its groups, where the station's files are that user's."""
    import grp
    import pwd

    from appliance.station.places import state_dir

    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(USER)
        if state_dir(settings).stat().st_uid != user.pw_uid:
            return {}
        groups = [group.gr_gid for group in grp.getgrall() if USER in group.gr_mem]
    except (KeyError, OSError):
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": groups}


def _dying_with_us() -> Any:
    """Has the kernel end the child when this thread ends in whatever way: prctl(2), PR_SET_PDEATHSIG."""
    import ctypes

    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
