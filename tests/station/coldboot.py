"""The power comes, and nobody does anything: what the installed station shows from then on, and how soon.

Seconds. The machine is emulated, so boots take many times what a Pi takes; the part that is ours is told apart. "From
power" counts from QEMU's start, on this computer's clock; what happens inside is stamped by the machine's
CLOCK_MONOTONIC, which begins with its kernel, and the two are put together by the moment at which the console says that
the station is ready. Nobody logs in before the first step is on the bar.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from appliance import config
from appliance.errors import SourceError
from appliance.pipeline import Pipeline
from appliance.station.recording import Recording
from tests.station import installed
from tests.station.installed import BOOT_S, READY, Station
from tests.station.vm import Vm

WATCHDOG = ("-device", "i6300esb", "-action", "watchdog=reset")
PYTHON = "/usr/lib/hipbar/bin/python3"
RECORDINGS = "/var/lib/hipbar/recordings"
_RUNNING_S = 20.0
"""A recorded runner has taken a step in every direction by then, on the slowest of machines."""
_GUEST = Path(__file__).with_name("guest")
_FREEZE = "python3 /opt/bench/freeze.py"
_UPTIME = re.compile(re.escape(READY) + r" after ([\d.]+) s")
Evidence = dict[str, Any]


class Boot(NamedTuple):
    """When what had happened. `kernel_s`: from power to the kernel's own zero; all else from that zero."""

    kernel_s: float
    service_s: float
    light_s: float
    measuring_s: float
    ready_s: float
    step_s: float | None
    login_s: float
    lights: tuple[str, ...]
    settled_s: float
    read_mb: float

    @property
    def ours_s(self) -> float:
        """From the start of our process to its first light."""
        return self.light_s - self.service_s


def booted(vm: Vm, *, times: int = 1, since_s: float | None = None) -> Boot:
    """The so-manieth boot of this machine, watched from outside until steps were taken, and then looked into."""
    since_s = vm.began_s if since_s is None else since_s
    said_s = vm.wait_for_serial(READY, BOOT_S, times=times)
    time.sleep(_RUNNING_S)
    with vm.reached():
        seen = packaged(vm, "boot")
        step_s = first_step(vm)
        uptimes = _UPTIME.findall(vm.console())
    looks, service = seen["looks"], seen["service"]
    return Boot(
        kernel_s=said_s - float(uptimes[times - 1]) - since_s,
        service_s=service["ExecMainStartTimestampMonotonic"],
        light_s=next(look[1] for look in looks if look[0] not in {"dark", "failed"}),
        measuring_s=next(look[1] for look in looks if look[0] == "measuring"),
        ready_s=service["ActiveEnterTimestampMonotonic"],
        step_s=step_s,
        login_s=min(seen["logins"]),
        lights=tuple(look[0] for look in looks),
        settled_s=seen["manager"]["FinishTimestampMonotonic"],
        read_mb=seen["read_bytes"] / 1e6,
    )


def equip(vm: Vm) -> None:
    """With the programs of the bench that run in it."""
    vm.put(_GUEST, "/opt")
    vm.run("cp /opt/guest/*.py /opt/bench")


def packaged(vm: Vm, *words: str) -> Evidence:
    """What `guest/packaged.py` has to say."""
    equip(vm)
    done = vm.run(f"{PYTHON} /opt/bench/packaged.py {' '.join(words)}", timeout_s=300)
    evidence: Evidence = json.loads(done.out)
    return evidence


def first_step(vm: Vm) -> float | None:
    """When the first step that the recording of this boot holds was decided; None without one."""
    newest = vm.run(f"ls -t {RECORDINGS}/*.hbk | head -n 1", check=False).out.strip()
    if not newest:
        return None
    with tempfile.TemporaryDirectory() as name:
        steps = steps_of(vm.get(newest, Path(name, "boot.hbk")), vm.read("/etc/hipbar/hipbar.toml"))
    return steps[0] if steps else None


def steps_of(path: Path, settings: str) -> list[float]:
    """When the steps in a recording were decided."""
    with contextlib.closing(Recording(path)) as recording:
        header, tracks = recording.header, []
        with contextlib.suppress(SourceError):  # it is still being written: what is whole is enough
            for track in recording.tracks():
                tracks.append(track)
    frames = np.concatenate(tracks)
    t_s, xy_px = np.ascontiguousarray(frames["t_s"]), np.ascontiguousarray(frames["xy_px"])
    batch = Pipeline(config.parse(settings)).replay(
        t_s, xy_px, header.row_s, (header.width_px, header.height_px)
    )
    return [step.decided_s for step in batch.steps]


@contextlib.contextmanager
def machine(station: Station) -> Iterator[Vm]:
    """Switched on, with a watchdog that really resets it; its disk is thrown away in the end."""
    with tempfile.TemporaryDirectory(prefix=f"hipbar-bench-{os.getpid()}-") as name:
        disk = installed.copied(station.disk, Path(name))
        with installed.switched_on(station._replace(disk=disk), *WATCHDOG, reboots=True) as vm:
            yield vm


def frozen(vm: Vm) -> tuple[float, float]:
    """systemd is frozen: how long until the watchdog fires, and when that was, on this computer's clock."""
    with vm.reached():
        equip(vm)
    with vm.listening() as heard, vm.reached():
        vm.run(
            f"nohup {_FREEZE} >/run/frozen 2>&1 </dev/null & until [ -s /run/frozen ]; do sleep 0.01; done"
        )
        frozen_s = time.monotonic()
        said = vm.run("cat /run/frozen").out
        if not said.startswith("frozen at"):
            raise AssertionError(f"systemd goes on: {said}")
        fired_s = heard("WATCHDOG", 60)
    return fired_s - frozen_s, fired_s
