"""`hipbar run` becomes a transient unit of systemd that starts again by itself, with its journal read as it comes.

Runs in the guest as root. Times are seconds on CLOCK_MONOTONIC. Starting again is the designed answer to what a driver
can't mend: exit code 5 (camera) and 6 (strip), `Restart=always`, as the installed unit has it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HIPBAR = shutil.which("hipbar") or "/opt/hipbar/bin/hipbar"
UNIT, FEED_UNIT = "bench-hipbar", "bench-feed"


class Line(NamedTuple):
    """One line of the journal."""

    at_s: float
    text: str


class Journal:
    """What the unit and systemd about it say, from now on."""

    def __init__(self, unit: str = UNIT) -> None:
        words = ["journalctl", "--unit", unit, "--follow", "--lines", "0", "--output", "json"]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.lines: list[Line] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def said(self, words: str, since_s: float) -> bool:
        """Whether a line with these words has come since then."""
        return any(words in line.text for line in list(self.lines) if line.at_s >= since_s)

    def close(self) -> None:
        """Stop listening."""
        self._process.terminate()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            entry = json.loads(line)
            self.lines.append(Line(int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6, str(entry.get("MESSAGE", ""))))


def start(unit: str, *words: str, environment: dict[str, str] | None = None) -> None:
    """A service of that name which starts again whenever it ends."""
    stop(unit)
    rules = ("Restart=always", "RestartSec=200ms", "StartLimitIntervalSec=0")
    options = [word for rule in rules for word in ("--property", rule)]
    options += [f"--setenv={name}={value}" for name, value in (environment or {}).items()]
    subprocess.run(["systemd-run", "--quiet", "--collect", "--unit", unit, *options, *words], check=True)


def stop(unit: str) -> None:
    """No such service any more."""
    subprocess.run(["systemctl", "stop", unit], check=False, stderr=subprocess.DEVNULL)


def standing(unit: str = UNIT) -> tuple[int, int]:
    """The process that runs the unit, and how often it was started again."""
    words = ["systemctl", "show", "--property", "MainPID,NRestarts", unit]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = dict(line.split("=", 1) for line in text.splitlines())
    return int(found["MainPID"]), int(found["NRestarts"])


def tried(
    calls: Mapping[str, tuple[str, ...]], *, user: str | None = None, patience_s: float = 180.0
) -> dict[str, tuple[int, str]]:
    """Commands of hipbar, all at once and each to its end, as somebody else if named: exit code and standard error."""
    who = ["runuser", "-u", user, "--"] if user else []
    silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    running = {
        name: subprocess.Popen([*who, HIPBAR, *words], **silent, text=True)  # type: ignore[call-overload]
        for name, words in calls.items()
    }
    try:
        ended = {name: process.communicate(timeout=patience_s)[1] for name, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
    return {name: (running[name].returncode, told) for name, told in ended.items()}


def settings_file(name: str, text: str) -> str:
    """A settings file that everybody may read; its path."""
    path = Path("/run") / f"bench-{name}.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return str(path)
