"""The packaged service in the machine becomes what it has shown and said: one JSON object on standard output.

Runs in the guest as root, with the Python of the package's own venv. Times are seconds on CLOCK_MONOTONIC, which begins
when the kernel does.

    python packaged.py boot             all light since the power came, and when systemd did what
    python packaged.py unplug SECONDS   the camera's plug is out for so long, under the running service
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import light
import service
import wires

from appliance.config import load

UNIT = "hipbar"
STEADY_S, PATIENCE_S = 0.4, 90.0
_MANAGER = ("InitRDTimestampMonotonic", "UserspaceTimestampMonotonic", "FinishTimestampMonotonic")
_SERVICE = (
    "InactiveExitTimestampMonotonic",
    "ExecMainStartTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
)
Evidence = dict[str, Any]


def boot() -> Evidence:
    """All that has happened since the power came."""
    looks = light.Looks(load(Path("/etc/hipbar/hipbar.toml")))
    looks.add(wires.Capture(from_the_start=True).read())
    return {
        "looks": looks.seen,
        "manager": _times(_MANAGER),
        "service": _times(_SERVICE, UNIT),
        "read_bytes": _read_bytes(),
        "said": _said(0.0),
        "logins": _logins(),
    }


def unplug(seconds: str) -> Evidence:
    """The camera's plug is pulled, and put in again so much later; until the bar measures again."""
    looks, capture = light.Looks(load(Path("/etc/hipbar/hipbar.toml"))), wires.Capture()

    def measures() -> bool:
        looks.add(capture.read())
        return looks.now == light.MEASURING and looks.steady_s(time.monotonic()) >= STEADY_S

    wires.wait_for(measures, PATIENCE_S, "the bar to measure")
    before, struck_s = service.standing(UNIT), wires.unplug("camera")
    states = []
    while time.monotonic() < struck_s + float(seconds):
        states.append(_state())
        time.sleep(0.2)
    mended_s = time.monotonic()
    wires.plug("camera")
    found: Evidence = {"struck_s": struck_s, "mended_s": mended_s, "before": before, "states": states}
    try:
        wires.wait_for(measures, PATIENCE_S, "the bar to measure again")
    except TimeoutError as late:
        found["trouble"] = str(late)
    looks_since = [look for look in looks.seen if look.to_s >= struck_s]
    return {**found, "after": service.standing(UNIT), "looks": looks_since, "said": _said(struck_s)}


def _state() -> tuple[float, str, str]:
    """Now; the unit's state; what the service says of itself."""
    shown = subprocess.run(
        ["systemctl", "show", "--property", "ActiveState,StatusText", UNIT],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    words = dict(line.split("=", 1) for line in shown.splitlines())
    return time.monotonic(), words["ActiveState"], words["StatusText"]


def _times(names: tuple[str, ...], *unit: str) -> dict[str, float]:
    words = ["systemctl", "show", "--property", ",".join(names), *unit]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return {name: int(value) / 1e6 for name, value in (line.split("=", 1) for line in shown.splitlines())}


def _read_bytes() -> int:
    """What the service has had from the disk so far: nothing of it was in memory when the power came."""
    pid, _ = service.standing(UNIT)
    words = dict(line.split(": ") for line in Path("/proc", str(pid), "io").read_text().splitlines())
    return int(words["read_bytes"])


def _said(since_s: float) -> list[tuple[float, str]]:
    """The journal's lines about the service, of this boot."""
    words = ["journalctl", "--boot", "--unit", UNIT, "--output", "json", "--no-pager"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    stamped = [
        (int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6, str(entry.get("MESSAGE", ""))) for entry in entries
    ]
    return [(at_s, text) for at_s, text in stamped if at_s >= since_s]


def _logins() -> list[float]:
    """When somebody came in, in this boot."""
    words = ["journalctl", "--boot", "--unit", "ssh*", "--output", "json", "--no-pager"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    return [int(e["__MONOTONIC_TIMESTAMP"]) / 1e6 for e in entries if "Accepted" in str(e.get("MESSAGE", ""))]


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    print(json.dumps({"boot": boot, "unplug": unplug}[verb](*words)))
