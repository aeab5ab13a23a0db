"""A program that was installed under a root becomes a process that runs, and a status file that says how it is."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from pathlib import Path


class Init(threading.Thread):
    """What systemd is for the station: starts a process whenever a package was installed, and lets it say how it is.

    states : what each version says, "ready" if nothing else; "" = its process ends at once, again and again.
    """

    def __init__(self, root: Path, states: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._root, self._states, self._over = root, states, threading.Event()

    def run(self) -> None:
        """Until `end`."""
        process, runs = None, (0, "")
        while not self._over.wait(0.01):
            with contextlib.suppress(OSError):
                program = self._root / "usr/lib/hipbar/version"
                there = (program.stat().st_ino, program.read_text())
                state = self._states.get(there[1], "ready")
                if process is None or there != runs or process.poll() is not None:
                    _ended(process)
                    process, runs = subprocess.Popen(["sleep", "1000" if state else "0"]), there
                self._tell(process.pid, state or "starting")
        _ended(process)

    def end(self) -> None:
        self._over.set()
        self.join()

    def _tell(self, pid: int, state: str) -> None:
        status = {"state": state, "written_s": time.monotonic(), "pid": pid}
        path = self._root / "run/hipbar/status.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".new").write_text(json.dumps(status))
        path.with_suffix(".new").replace(path)


def _ended(process: subprocess.Popen[bytes] | None) -> None:
    if process:
        process.kill()
        process.wait()
