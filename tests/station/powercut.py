"""A load of writes in the bench's machine becomes many power cuts, and what each of them cost.

Once the load runs (`guest/writing.py`), on a disk of its own whose every write is logged; then, on this computer, the
disk is rebuilt as a cut would have left it (`blocklog.py`), its file system checked and mended as a boot does it, and
every promise that had been made by then is held against what is there. Cuts are drawn (seeded) from those moments at
which writes were under way. A cut is bad when the file system is not clean after its journal was replayed, a file is
not whole, or something promised is gone.
"""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.errors import SourceError
from appliance.records import TRACK
from appliance.station.recording import Recording
from appliance.station.shelf import Shelf
from tests.keeping import load as keeping
from tests.station import blocklog
from tests.station.blocklog import Cut, Entry
from tests.station.guest import writing
from tests.station.image import run
from tests.station.vm import Vm
from tests.store.kills import wrong_with as wrong_with_store

DISK_BYTES = 96 << 20
_SHARED_MEMORY = Path("/dev/shm")
_TESTS = Path(__file__).parents[1]
KEEPING, VISITS = _TESTS / "keeping/load.py", (_TESTS / "store/made.py", _TESTS / "store/kills.py")
STATE, STATUS = "/var/lib/hipbar", "/run/hipbar/status.json"
_WRITING = "PYTHONPATH=/opt/bench/keeping {python} /opt/bench/writing.py {{disk}}"
LOAD = "LOAD_SYNCS={syncs} " + _WRITING.format(python="/opt/hipbar/bin/python") + " /load {seconds}"
SERVICE_LOAD = _WRITING.format(python="/usr/lib/hipbar/bin/python3") + f" {STATE} {{seconds}} {STATUS}"
Promise = dict[str, Any]
Frames = dict[str, NDArray[np.void]]


def promise_in(slot: bytes) -> Promise:
    """What a slot on the raw disk says."""
    words: Promise = json.loads(slot)
    return words


def _kind(promise: Promise) -> str:
    names = {
        "whole": "whole files",
        "archive": "recordings",
        "service": "the service's recording",
        "clinic": "visits",
    }
    return next(words for name, words in names.items() if name in promise)


class Recorded(NamedTuple):
    """A disk before the load, and all that was written to it."""

    start: bytes
    entries: list[Entry]

    @property
    def promises(self) -> list[tuple[int, int, Promise]]:
        """What was promised: behind which entry, by whom, and what."""
        behind = len(self.start) - writing.ROOM
        return [
            (i, (entry.at + at - behind) // writing.SLOT, promise_in(entry.data[at : at + writing.SLOT]))
            for i, entry in enumerate(self.entries)
            for at in (
                range(0, entry.size, writing.SLOT) if entry.at >= behind else ()
            )  # neighbours' may be one
        ]


class Found(NamedTuple):
    """What one cut has come to: `wrong` is empty when it cost nothing that was promised."""

    cut: Cut
    promised: int
    wrong: list[str]


class Report(NamedTuple):
    """All cuts of one load."""

    recorded: Recorded
    found: list[Found]

    @property
    def bad(self) -> list[Found]:
        """Those that cost something."""
        return [one for one in self.found if one.wrong]

    def as_text(self) -> str:
        """In two or three lines."""
        writes = sum(entry.is_write for entry in self.recorded.entries)
        flushes = sum(entry.is_flush for entry in self.recorded.entries)
        megabytes = sum(entry.size for entry in self.recorded.entries) / 1e6
        waiting = sorted(one.cut.kept + one.cut.lost + one.cut.torn for one in self.found)
        fates = [sum(getattr(one.cut, name) for one in self.found) for name in ("kept", "lost", "torn")]
        wrong = Counter(words.split(":")[0] for one in self.bad for words in one.wrong)
        kinds = Counter(_kind(promise) for _, _, promise in self.recorded.promises)
        return (
            f"{len(self.found)} cuts in a load of {writes} writes ({megabytes:.0f} MB), {flushes} flushes, "
            f"{kinds.total()} promises ({', '.join(f'{n} {kind}' for kind, n in kinds.most_common())})\n"
            f"  under way at a cut: {waiting[0]} to {waiting[-1]} writes, median {waiting[len(waiting) // 2]}; "
            f"in all {fates[0]} kept, {fates[1]} lost, {fates[2]} torn\n"
            f"  {len(self.bad)} bad" + "".join(f"; {name}: {times}" for name, times in wrong.most_common())
        )


def recorded(vm: Vm, seconds: float, folder: Path, *, syncs: bool = True) -> Recorded:
    """The load, run for so long on a disk of its own, and cut off."""
    disk, log = folder / "load.disk", folder / "load.log"
    make_disk(disk)
    start = disk.read_bytes()
    put_load(vm)
    with vm.logged_disk(disk, log) as device:
        vm.run(f"mkdir -p /load; mount {device} /load", timeout_s=60)
        vm.run(
            LOAD.format(syncs="yes" if syncs else "no", disk=device, seconds=seconds),
            timeout_s=60 + 4 * seconds,
        )
        entries = blocklog.read(log)
        vm.run("umount /load", timeout_s=60)
    log.unlink()
    return Recorded(start, entries)


def recorded_service(vm: Vm, seconds: float, folder: Path) -> Recorded:
    """The installed service records on a disk of its own, and on the same disk is the load."""
    disk, log = folder / "load.disk", folder / "load.log"
    make_disk(disk)
    start = disk.read_bytes()
    put_load(vm)
    vm.run("systemctl stop hipbar", timeout_s=60)
    with vm.logged_disk(disk, log) as device:
        vm.run(
            f"mount -o noatime {device} {STATE}; chown hipbar: {STATE}; systemctl start hipbar", timeout_s=120
        )
        vm.run(f"until grep -q '\"on\":true' {STATUS}; do sleep 0.5; done", timeout_s=120)
        vm.run(SERVICE_LOAD.format(disk=device, seconds=seconds), timeout_s=60 + 4 * seconds)
        entries = blocklog.read(log)
        vm.run(f"systemctl stop hipbar; umount {STATE}; systemctl start hipbar", timeout_s=120)
    log.unlink()
    return Recorded(start, entries)


def put_load(vm: Vm) -> None:
    """What the load needs of the tests."""
    vm.put(KEEPING, "/opt/bench/keeping")
    for path in VISITS:
        vm.put(path, "/opt/bench/keeping/tests/store")


def make_disk(path: Path) -> None:
    """A file system as on a card, with room behind it for promises."""
    with path.open("wb") as file:
        file.truncate(DISK_BYTES)
    options = ("-q", "-t", "ext4", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0")
    run("mke2fs", *options, path, f"{(DISK_BYTES - writing.ROOM) // 1024}k")


def cut_often(load: Recorded, times: int, seed: int) -> Report:
    """So many cuts, each at a moment at which something was promised and writes were under way."""
    rng = random.Random(seed)
    first = load.promises[0][0]
    busy = [i for i, waiting in enumerate(blocklog.under_way(load.entries)) if waiting and i > first]
    chosen = sorted(rng.sample(busy, times))
    return Report(load, list(_judged(load, chosen, rng)))


def _judged(load: Recorded, chosen: Sequence[int], rng: random.Random) -> Iterator[Found]:
    promises = load.promises
    with tempfile.TemporaryDirectory(prefix="hipbar-bench-cut-", dir=_SHARED_MEMORY) as name:
        folder = Path(name)
        told = _uncut(load, folder) if any("service" in words for _, _, words in promises) else {}
        for cut in blocklog.cuts(load.start, load.entries, chosen, rng):
            due = {who: words for i, who, words in promises if i <= cut.after}
            (folder / "disk").write_bytes(cut.image)
            yield Found(
                cut._replace(image=bytearray()), len(due), wrong_with(folder / "disk", due.values(), told)
            )


def wrong_with(disk: Path, due: Iterable[Promise], told: Frames) -> list[str]:
    """What is wrong with a disk after a cut, in words, `kind: which`. told : what the service had recorded."""
    if wrong := mended(disk):
        return wrong
    files = _files(disk)
    return [words for promise in due for words in broken(promise, files, told)]


def _files(disk: Path) -> Path:
    """All files of a disk, beside it."""
    files = disk.with_name("files")
    run("rm", "-rf", files)
    files.mkdir()
    run("debugfs", "-R", f"rdump / {files}", disk)
    return files


def _uncut(load: Recorded, folder: Path) -> Frames:
    """What the service's recordings had in them at the end of the load, when nothing was cut."""
    image = bytearray(load.start)
    for entry in load.entries:
        if entry.is_write:
            entry.onto(image)
    (folder / "disk").write_bytes(image)
    if wrong := mended(folder / "disk"):
        raise AssertionError(wrong)
    return {path.name: frames_of(path) for path in (_files(folder / "disk") / "recordings").iterdir()}


def frames_of(path: Path) -> NDArray[np.void]:
    """The whole frames of a recording, as far as they go."""
    got = [np.zeros(0, TRACK)]
    with contextlib.suppress(SourceError), contextlib.closing(Recording(path)) as recording:
        got.extend(recording.tracks())
    return np.concatenate(got)


def mended(disk: Path) -> list[str]:
    """Replays the journal, as a boot does; nothing more may be needed, and after that nothing may be wrong."""
    done = subprocess.run(["e2fsck", "-p", disk], capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"file system could not be mended: {done.stdout}"]
    again = subprocess.run(["e2fsck", "-f", "-n", disk], capture_output=True, text=True, check=False)
    return [f"file system not clean: {again.stdout}"] if again.returncode else []


def broken(promise: Promise, files: Path, told: Frames) -> list[str]:
    """What is there less than was promised."""
    if "whole" in promise:
        return _broken_whole(files / promise["whole"], promise["number"])
    if "service" in promise:
        return _broken_service(files / "recordings", promise, told)
    if "clinic" in promise:
        return _broken_clinic(files / promise["clinic"], promise)
    return keeping.broken(promise, files / promise["archive"])


def _broken_whole(path: Path, promised: int) -> list[str]:
    number = writing.number_in(path.read_bytes()) if path.exists() else None
    if number is None:
        return [f"file not whole: {path.name}"]
    return [f"file older than promised: {path.name}, {number} of {promised}"] if number < promised else []


def _broken_clinic(folder: Path, promise: Promise) -> list[str]:
    """The store, as the next start finds it."""
    visits = {promise["visit"]: promise} if "visit" in promise else {}
    return [f"store: {words}" for words in wrong_with_store(folder, visits, promise.get("runners", 1))]


def _broken_service(folder: Path, promise: Promise, told: Frames) -> list[str]:
    """The service's own recording, after its next start has looked through the folder."""
    name, frames = promise["service"], promise["frames"]
    Shelf(folder, limit_mb=1e6, reserve_mb=0.0).prepare()
    got = frames_of(folder / name) if (folder / name).exists() else np.zeros(0, TRACK)
    if len(got) < frames:
        return [f"service's recording shorter than promised: {name}, {len(got)} of {frames} frames"]
    if name in told and got.tobytes() != told[name][: len(got)].tobytes():
        return [f"service's recording has other frames: {name}"]
    return []
