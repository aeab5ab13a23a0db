"""A load of writes in the bench's machine becomes many power cuts, and what each of them cost.

Once the load runs (`guest/writing.py`), on a disk of its own whose every write is logged; then, on this computer, the
disk is rebuilt as a cut would have left it (`blocklog.py`), its file system checked and mended as a boot does it, and
every promise that had been made by then is held against what is there. Cuts are drawn (seeded) from those moments at
which writes were under way. A cut is bad when the file system is not clean after its journal was replayed, a file is
not whole, or something promised is gone.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.keeping import load as keeping
from tests.station import blocklog
from tests.station.blocklog import Cut, Entry
from tests.station.guest import writing
from tests.station.image import run
from tests.station.vm import Vm

DISK_BYTES = 96 << 20
_SHARED_MEMORY = Path("/dev/shm")
_KEEPING = Path(__file__).parents[1] / "keeping/load.py"
_LOAD = "PYTHONPATH=/opt/bench/keeping /opt/hipbar/bin/python /opt/bench/writing.py"
Promise = dict[str, Any]


class Recorded(NamedTuple):
    """A disk before the load, and all that was written to it."""

    start: bytes
    entries: list[Entry]

    @property
    def promises(self) -> list[tuple[int, int, Promise]]:
        """What was promised: behind which entry, by whom, and what."""
        behind = len(self.start) - writing.ROOM
        return [
            (i, (entry.at + at - behind) // writing.SLOT, json.loads(entry.data[at : at + writing.SLOT]))
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
        return (
            f"{len(self.found)} cuts in a load of {writes} writes ({megabytes:.0f} MB), {flushes} flushes, "
            f"{len(self.recorded.promises)} promises\n"
            f"  under way at a cut: {waiting[0]} to {waiting[-1]} writes, median {waiting[len(waiting) // 2]}; "
            f"in all {fates[0]} kept, {fates[1]} lost, {fates[2]} torn\n"
            f"  {len(self.bad)} bad" + "".join(f"; {name}: {times}" for name, times in wrong.most_common())
        )


def recorded(vm: Vm, seconds: float, folder: Path, *, syncs: bool = True) -> Recorded:
    """The load, run for so long on a disk of its own, and cut off."""
    disk, log = folder / "load.disk", folder / "load.log"
    _make_disk(disk)
    start = disk.read_bytes()
    vm.put(_KEEPING, "/opt/bench/keeping")
    with vm.logged_disk(disk, log) as device:
        environment = "" if syncs else "LOAD_SYNCS=no "
        vm.run(f"mkdir -p /load; mount {device} /load", timeout_s=60)
        vm.run(f"{environment}{_LOAD} {device} /load {seconds}", timeout_s=60 + 4 * seconds)
        entries = blocklog.read(log)
        vm.run("umount /load", timeout_s=60)
    log.unlink()
    return Recorded(start, entries)


def _make_disk(path: Path) -> None:
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
        for cut in blocklog.cuts(load.start, load.entries, chosen, rng):
            due = {who: words for i, who, words in promises if i <= cut.after}
            yield Found(cut._replace(image=bytearray()), len(due), _wrong(cut.image, due, Path(name)))


def _wrong(image: bytearray, due: dict[int, Promise], folder: Path) -> list[str]:
    """What is wrong with a disk after a cut, in words; `kind: which`."""
    disk, files = folder / "disk", folder / "files"
    disk.write_bytes(image)
    wrong = mended(disk)
    if wrong:
        return wrong
    run("rm", "-rf", files)
    files.mkdir()
    run("debugfs", "-R", f"rdump / {files}", disk)
    return [words for promise in due.values() for words in broken(promise, files)]


def mended(disk: Path) -> list[str]:
    """Replays the journal, as a boot does; nothing more may be needed, and after that nothing may be wrong."""
    done = subprocess.run(["e2fsck", "-p", disk], capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"file system could not be mended: {done.stdout}"]
    again = subprocess.run(["e2fsck", "-f", "-n", disk], capture_output=True, text=True, check=False)
    return [f"file system not clean: {again.stdout}"] if again.returncode else []


def broken(promise: Promise, files: Path) -> list[str]:
    """What is there less than was promised."""
    if "whole" in promise:
        return _broken_whole(files / promise["whole"], promise["number"])
    return keeping.broken(promise, files / promise["archive"])


def _broken_whole(path: Path, promised: int) -> list[str]:
    number = writing.number_in(path.read_bytes()) if path.exists() else None
    if number is None:
        return [f"file not whole: {path.name}"]
    return [f"file older than promised: {path.name}, {number} of {promised}"] if number < promised else []
