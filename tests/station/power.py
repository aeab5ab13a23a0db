"""The installed station, switched on and off at the wall, becomes the figures of docs/bench.md: `tests.station power`.

    python -m tests.station power [boot | frozen | unplug | cuts | plain | replays | writes ...]     all without a word

boot: cold boots to the first light and the first step, with nobody logged in. frozen: systemd is, and the hardware
watchdog ends that. unplug: the camera, under the service. cuts: QEMU is killed while the station records and a load
writes, and the machine is switched on again; its disks are opened with O_DIRECT (cache=none), so that what the machine
was told is done is in the file, and what was in its memory, or on its way, is gone. replays: many cuts of one recorded
run, with the disk's own cache lost as well (`powercut.py`), and the control. plain: the same of the load alone, for
longer. writes: what goes to the card in an hour.
Times in seconds. Ends with 1 when something was lost or did not come back.
"""

from __future__ import annotations

import functools
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.station import bench, blocklog, coldboot, installed, powercut
from tests.station.guest import writing
from tests.station.installed import BOOT_S, READY
from tests.station.layers import cache
from tests.station.powercut import STATE, STATUS, Promise
from tests.station.vm import CommandFailed, MachineFailed, Vm

BOOTS, CUTS, REPLAYS, SEED = 3, 3, 200, 4
_LOAD_S, _MEASURED_S, _SETTLING_S = 20.0, 90.0, 75.0
_BLANK = (
    "import json,struct,sys,zlib; p = zlib.compress(bytes({w} * {h})); "
    "a = json.dumps(dict(width_px={w}, height_px={h}, rate_hz={r})).encode() + b'\\n'; "
    "open('/run/blank.film', 'wb').write(a + struct.pack('<I', len(p)) + p)"
)
Rows = list[tuple[str, str]]


def boots() -> Rows:
    """Cold boots, each from the same disk."""
    seen = []
    for _ in range(BOOTS):
        with coldboot.machine(installed.settled()) as vm:
            seen.append(coldboot.booted(vm))
    for boot in seen:
        assert boot.light_s < boot.login_s, boot
        assert boot.step_s is None or boot.step_s < boot.login_s, boot
    rows = [
        ("power to the kernel's start", [boot.kernel_s for boot in seen]),
        ("kernel's start to the start of hipbar", [boot.service_s for boot in seen]),
        ("start of hipbar to first light: ours", [boot.ours_s for boot in seen]),
        ("start of hipbar to READY: ours", [boot.ready_s - boot.service_s for boot in seen]),
        ("start of hipbar to a measurement on the bar", [boot.measuring_s - boot.service_s for boot in seen]),
        (
            "start of hipbar to the first step",
            [(boot.step_s or float("nan")) - boot.service_s for boot in seen],
        ),
        ("power to first light", [boot.kernel_s + boot.light_s for boot in seen]),
        ("power to the first step", [boot.kernel_s + (boot.step_s or float("nan")) for boot in seen]),
    ]
    lights = [
        ("the bar showed", " | ".join(", ".join(dict.fromkeys(boot.lights)) for boot in seen)),
        ("read from the disk by hipbar", " / ".join(f"{boot.read_mb:.0f} MB" for boot in seen)),
    ]
    return [
        (name, " / ".join(f"{time_s:.1f} s" for time_s in sorted(times_s))) for name, times_s in rows
    ] + lights


def frozen(vm: Vm) -> Rows:
    """systemd stands still; what the watchdog makes of it."""
    after_s, fired_s = coldboot.frozen(vm)
    boot = coldboot.booted(vm, times=vm.console().count(READY) + 1, since_s=fired_s)
    return [
        ("systemd frozen to the watchdog's reset", f"{after_s:.1f} s"),
        ("reset to first light", f"{boot.kernel_s + boot.light_s:.1f} s"),
        ("reset to a measurement on the bar", f"{boot.kernel_s + boot.measuring_s:.1f} s"),
    ]


def unplug(vm: Vm) -> Rows:
    """The camera's plug is out for two seconds, and for sixty, in which an emulated start finds its end."""
    with vm.reached():
        return _unplugged(vm, 2) + _unplugged(vm, 60)


def _unplugged(vm: Vm, seconds: int) -> Rows:
    seen = coldboot.packaged(vm, "unplug", str(seconds))
    assert "trouble" not in seen, seen
    looks, struck_s = seen["looks"], seen["struck_s"]
    names = list(dict.fromkeys(look[0] for look in looks))
    gone_s = next(look[1] for look in looks if look[0] != "measuring") - struck_s
    states = list(dict.fromkeys(f"{active}, {text}" for _, active, text in seen["states"]))
    return [
        (f"camera out for {seconds} s: figure gone after", f"{gone_s:.2f} s"),
        (
            f"camera out for {seconds} s: measuring again",
            f"{looks[-1][1] - seen['mended_s']:.2f} s after its return",
        ),
        (f"camera out for {seconds} s: the bar showed", ", ".join(names)),
        (f"camera out for {seconds} s: systemd said", "; ".join(states)),
        (f"camera out for {seconds} s: starts", str(seen["after"][1] - seen["before"][1])),
    ]


def cuts() -> Rows:
    """The machine is killed again and again, and each time switched on as it is."""
    rng, ready, wrong, due = random.Random(SEED), [], [], []
    with tempfile.TemporaryDirectory(prefix=f"hipbar-bench-{os.getpid()}-") as name:
        station, data = installed.settled(), Path(name, "data")
        station = station._replace(disk=installed.copied(station.disk, Path(name)))
        powercut.make_disk(data)
        promises: list[Promise] = []
        for number in range(CUTS + 1):
            with _on(station, data) as vm:
                ready.append(vm.wait_for_serial(READY, BOOT_S) - vm.began_s)
                with vm.reached():
                    wrong += _lost_by_the_service(vm, promises, Path(name))
                    if number == CUTS:
                        vm.run("systemctl poweroff", check=False)
                        vm.ended(120)
                        break
                    _load(vm, data, rng.uniform(1, 5))
                    vm.close()
            promises = list(_promised(data))
            due.append(len(promises))
            wrong += _lost_on_the_data_disk(data, promises, Path(name))
        wrong += powercut.mended(station.disk)
    assert not wrong, wrong
    return [
        ("machines killed while writing, and switched on again", str(CUTS)),
        ("promises held against each", " / ".join(map(str, due))),
        ("lost, damaged, file systems not clean", "0"),
        (
            "power to ready again",
            " / ".join(f"{time_s:.0f} s" for time_s in ready[1:]) + f" (before: {ready[0]:.0f} s)",
        ),
    ]


@contextmanager
def _on(station: installed.Station, data: Path) -> Iterator[Vm]:
    drive = f"file={data},format=raw,if=none,id=data,cache=none"
    with installed.switched_on(
        station, "-drive", drive, "-device", "virtio-blk-pci,drive=data", cache="none"
    ) as vm:
        yield vm


def _load(vm: Vm, data: Path, seconds: float) -> None:
    """The load runs, everybody in it has promised something, and then it goes on for so long."""
    coldboot.equip(vm)
    powercut.put_load(vm)
    vm.run("mkdir -p /load; mount -o noatime /dev/vdb /load")
    vm.run(f"until grep -q '\"on\":true' {STATUS}; do sleep 0.5; done", timeout_s=120)
    load = powercut.SERVICE_LOAD.format(disk="/dev/vdb", seconds=600).replace(STATE, "/load")
    last = (data.stat().st_size - writing.ROOM) // writing.SLOT
    vm.run(f"dd if=/dev/zero of=/dev/vdb bs={writing.SLOT} seek={last} oflag=direct", check=False)
    vm.run(f"{load} >/run/load.log 2>&1 </dev/null &")
    until_s = time.monotonic() + 120
    while len(list(_promised(data))) < 6:
        assert time.monotonic() < until_s, vm.read("/run/load.log")
        time.sleep(0.2)
    time.sleep(seconds)


def _promised(data: Path) -> Iterator[Promise]:
    with data.open("rb") as file:
        file.seek(-writing.ROOM, 2)
        room = file.read()
    for at in range(0, len(room), writing.SLOT):
        if room[at : at + 1] == b"{":
            yield powercut.promise_in(room[at : at + writing.SLOT])


def _lost_on_the_data_disk(data: Path, promises: list[Promise], folder: Path) -> list[str]:
    (folder / "disk").write_bytes(data.read_bytes())
    return powercut.wrong_with(folder / "disk", [words for words in promises if "service" not in words], {})


def _lost_by_the_service(vm: Vm, promises: list[Promise], folder: Path) -> list[str]:
    """What the service had said of its recording before the cut, in the machine that was switched on after it."""
    wrong = []
    for words in promises:
        if "service" in words:
            path = vm.get(f"{STATE}/recordings/{words['service']}", folder / words["service"])
            if len(powercut.frames_of(path)) < words["frames"]:
                wrong.append(f"service's recording shorter than promised: {words}")
    return wrong


def replays(vm: Vm) -> Rows:
    """Many cuts of one run of the service with the load beside it; and the control."""
    with tempfile.TemporaryDirectory() as name, vm.reached():
        coldboot.equip(vm)
        run = powercut.recorded_service(vm, _LOAD_S, Path(name))
    report = powercut.cut_often(run, REPLAYS, SEED)
    with tempfile.TemporaryDirectory() as name, bench.started() as plain:
        unsynced = powercut.recorded(plain, _LOAD_S / 2, Path(name), syncs=False)
    control = powercut.cut_often(unsynced, REPLAYS // 4, SEED)
    assert control.bad, control.as_text()
    assert not report.bad, [one.wrong for one in report.bad]
    return [
        ("replayed cuts, the service and the load", report.as_text().replace("\n", ";")),
        ("the control: the load without fsync", control.as_text().replace("\n", ";")),
    ]


def plain() -> Rows:
    """Many cuts of the load alone, in a machine that has nothing else to do: the store gets further in it."""
    with bench.started() as vm, tempfile.TemporaryDirectory() as name:
        report = powercut.cut_often(powercut.recorded(vm, 3 * _LOAD_S, Path(name)), REPLAYS, SEED)
        unsynced = powercut.recorded(vm, _LOAD_S, Path(name), syncs=False)
    control = powercut.cut_often(unsynced, REPLAYS // 4, SEED)
    assert control.bad, control.as_text()
    assert not report.bad, [one.wrong for one in report.bad]
    return [
        ("replayed cuts, the load alone", report.as_text().replace("\n", ";")),
        ("its control: without fsync", control.as_text().replace("\n", ";")),
    ]


def writes(vm: Vm) -> Rows:
    """What goes to the card in an hour, its file system's own writes included."""
    width, height, rate = installed.WIDTH_PX, installed.HEIGHT_PX, installed.RATE_HZ
    rows: Rows = []
    with tempfile.TemporaryDirectory() as name, vm.reached():
        disk, log = Path(name, "disk"), Path(name, "log")
        powercut.make_disk(disk)
        with vm.logged_disk(disk, log) as device:
            mount = f"mount -o noatime {device} {STATE}; chown hipbar: {STATE}"
            vm.run(f"systemctl stop hipbar; {mount}; systemctl start hipbar", timeout_s=180)
            vm.run(f"until grep -q '\"on\":true' {STATUS}; do sleep 0.5; done; sleep 10", timeout_s=180)
            rows += _written(vm, log, "recording")
            vm.run(f'python3 -c "{_BLANK.format(w=width, h=height, r=rate)}"; systemctl stop bench-camera')
            vm.run("systemd-run -q --unit bench-blank python3 /opt/bench/film.py play /run/blank.film")
            time.sleep(_SETTLING_S)
            rows += _written(vm, log, "nobody in view")
            vm.run("systemctl stop bench-blank; systemctl start bench-camera")
            vm.run(f"systemctl stop hipbar; umount {STATE}; systemctl start hipbar", timeout_s=180)
    return rows


def _written(vm: Vm, log: Path, name: str) -> Rows:
    """To the disk of recordings, and to the root disk, for a while."""

    def root() -> int:
        return int(vm.run("awk '$3 == \"vda\" {print $10}' /proc/diskstats").out) * 512

    def frames() -> int:
        return int(vm.run(f"grep -o '\"frames\":[0-9]*' {STATUS} | head -n 1 | cut -d: -f2").out)

    before, began_s, frames_before, root_before = len(blocklog.read(log)), time.monotonic(), frames(), root()
    time.sleep(_MEASURED_S)
    took_s, frames_hz = time.monotonic() - began_s, (frames() - frames_before) / (time.monotonic() - began_s)
    entries, hours = blocklog.read(log)[before:], took_s / 3600
    state = sum(entry.size for entry in entries if entry.is_write)
    flushes = sum(entry.is_flush for entry in entries)
    return [
        (
            f"{name}, {frames_hz:.0f} frames a second: state",
            f"{state / 1e6 / hours:.1f} MB/hour in {flushes / hours:,.0f} flushes",
        ),
        (f"{name}: root", f"{(root() - root_before) / 1e6 / hours:.1f} MB/hour"),
    ]


APART: dict[str, Callable[[], Rows]] = {"boot": boots, "cuts": cuts, "plain": plain}
ON_ONE: dict[str, Callable[[Vm], Rows]] = {
    "unplug": unplug,
    "writes": writes,
    "replays": replays,
    "frozen": frozen,
}
"""Those that share a machine, in this order: the last one resets it."""


def main(words: list[str]) -> int:
    """Each part, told as it comes; the rows are kept in the bench's folder of reports. 1 when one of them failed."""
    wanted = set(words or (*APART, *ON_ONE))
    failed = [_told(name, part) for name, part in APART.items() if name in wanted]
    if shared := [name for name in ON_ONE if name in wanted]:
        with coldboot.machine(installed.settled()) as vm:
            vm.wait_for_serial(READY, BOOT_S)
            failed += [_told(name, functools.partial(ON_ONE[name], vm)) for name in shared]
    return int(any(failed))


def _told(name: str, part: Callable[[], Rows]) -> bool:
    """Does a part, and tells what has come of it; whether it failed."""
    began_s, failed = time.monotonic(), False
    try:
        rows = part()
    except (AssertionError, CommandFailed, MachineFailed) as error:
        failed, rows = True, [("FAILED", str(error))]
    text = f"{name}: {time.monotonic() - began_s:.0f} s\n" + "".join(f"| {a} | {b} |\n" for a, b in rows)
    print(text, flush=True)
    folder = cache() / "reports"
    folder.mkdir(exist_ok=True)
    (folder / f"power-{name}.md").write_text(text)
    return failed
