"""An update on a disk whose every write is logged becomes many power cuts, and what an update makes of each.

In the bench's machine the update's own program carries an order out: it packs up the version that is there, installs
the other, finds that no service gets well, and goes back. Then, on this computer, the disk is rebuilt as a cut would
have left it (`blocklog.py`), its file system mended as a boot does it, and the same program takes the update up again,
with a service that is well. A cut is bad when that does not come to an end, or when what is installed then is not
whole: every file of one version, as dpkg has written it down, and the packages that are kept as they were.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from appliance.errors import HipbarError
from appliance.upkeep.ledger import Ledger
from appliance.upkeep.packages import digest_of
from appliance.upkeep.stages import HEALTHY, Limits, Package, Stage, Update
from appliance.upkeep.worker import Worker, bundle
from tests.station import blocklog
from tests.station.blocklog import Cut, Entry
from tests.station.image import run
from tests.station.powercut import mended
from tests.station.vm import Vm
from tests.upkeep.init import Init
from tests.upkeep.packing import deb, empty_root

DISK_KB = 65536
OLD, NEW = "1.0", "2.0"
FILES = 40
_QUICK = Limits(within_s=2.0, steady_s=0.05)
_CARRY_OUT = """\
import sys
from pathlib import Path
sys.path.insert(0, "/load/var/lib/hipbar-update/program.pyz")
from appliance.upkeep.ledger import Ledger
from appliance.upkeep.stages import Limits
from appliance.upkeep.worker import Worker
ledger = Ledger(Path("/load"))
print(Worker(ledger, Limits(within_s=1.0, steady_s=0.5), pace_s=0.2).finish(ledger.under_way()).stage)
"""


class Recorded(NamedTuple):
    """A disk before the update, all that was written to it, and the cuts that find writes under way."""

    start: bytes
    entries: list[Entry]

    @property
    def busy(self) -> list[int]:
        """Behind which entries."""
        return [i for i, waiting in enumerate(blocklog.under_way(self.entries)) if waiting]


class Found(NamedTuple):
    """What became of one cut: the stage that was found, the end that it came to, and what is wrong ("" = nothing)."""

    cut: Cut
    stage: str
    end: str
    wrong: str


def recorded(vm: Vm, folder: Path) -> Recorded:
    """The update, from its order to its end, on a disk of its own."""
    disk, log = folder / "update.disk", folder / "update.log"
    _ordered(folder / "root")
    disk.write_bytes(b"")
    options = ("-q", "-t", "ext4", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0")
    run("mke2fs", *options, "-d", folder / "root", disk, f"{DISK_KB}k")
    start = disk.read_bytes()
    with vm.logged_disk(disk, log) as device:
        vm.run(f"mkdir -p /load; mount {device} /load", timeout_s=60)
        vm.write("/tmp/carry_out.py", _CARRY_OUT)
        said = vm.run("python3 -I /tmp/carry_out.py", timeout_s=300)
        entries = blocklog.read(log)
        vm.run("umount /load", timeout_s=60)
    log.unlink()
    shutil.rmtree(folder / "root")
    assert said.out.splitlines()[-1] == Stage.UNWELL, said.out
    return Recorded(start, entries)


def cut_often(load: Recorded, times: int, seed: int, *, take_up: bool = True) -> list[Found]:
    """So many cuts at moments at which writes were under way. Without taking it up: the control, what a cut leaves."""
    rng = random.Random(seed)
    chosen = sorted(rng.sample(load.busy, min(times, len(load.busy))))
    return list(_judged(load, chosen, rng, take_up))


def as_text(load: Recorded, found: Sequence[Found]) -> str:
    """What came of them, in a few lines."""
    stages, ends = (Counter(one[at] for one in found) for at in (1, 2))
    fates = [sum(getattr(one.cut, name) for one in found) for name in ("kept", "lost", "torn")]
    wrong = [one.wrong for one in found if one.wrong]
    return (
        f"{len(found)} cuts in {len(load.entries)} writes and flushes of an update; "
        f"writes under way: {fates[0]} kept, {fates[1]} lost, {fates[2]} torn\n"
        f"  found at: {', '.join(f'{name} {times}' for name, times in stages.most_common())}\n"
        f"  came to: {', '.join(f'{name} {times}' for name, times in ends.most_common())}\n"
        f"  {len(wrong)} bad" + "".join(f"; {words}" for words in wrong[:5])
    )


def _ordered(root: Path) -> None:
    """A root with the old version installed, and the new one ordered."""
    empty_root(root)
    files = [_package(root.parent, version) for version in (OLD, NEW)]
    run("dpkg", f"--root={root}", "-i", files[0])
    ledger = Ledger(root)
    ledger.prepare()
    new = Path(shutil.copy(files[1], ledger.packages))
    ledger.program.write_bytes(bundle())
    package = Package(NEW, new.name, digest_of(new))
    ledger.write(Update("1", package, Package(OLD, ""), HEALTHY))


def _package(folder: Path, version: str) -> Path:
    """Some files of different lengths, all of which say their version."""
    rng = random.Random(version)
    texts = {f"usr/lib/hipbar/part-{k}": f"{version} " * rng.randrange(1, 9000) for k in range(FILES)}
    return deb(folder, version, texts)


def _judged(load: Recorded, chosen: Sequence[int], rng: random.Random, take_up: bool) -> Iterator[Found]:
    with tempfile.TemporaryDirectory(prefix="hipbar-bench-cut-", dir="/dev/shm") as name:
        disk, root = Path(name) / "disk", Path(name) / "root"
        for cut in blocklog.cuts(load.start, load.entries, chosen, rng):
            disk.write_bytes(cut.image)
            shutil.rmtree(root, ignore_errors=True)
            yield _taken_up(cut._replace(image=bytearray()), disk, root, take_up)


def _taken_up(cut: Cut, disk: Path, root: Path, take_up: bool) -> Found:
    """What the next start makes of a disk."""
    if wrong := mended(disk):
        return Found(cut, "", "", wrong[0])
    root.mkdir()
    run("debugfs", "-R", f"rdump / {root}", disk)
    ledger, stage = Ledger(root), ""
    init = Init(root, {})
    init.start()
    try:
        if update := ledger.under_way():
            stage = str(update.stage)
            if take_up:
                Worker(ledger, _QUICK, pace_s=0.02).finish(update)
        last = ledger.last() if take_up else None
    except (HipbarError, OSError) as error:
        return Found(cut, stage, "", f"{stage}: {error}")
    finally:
        init.end()
    if not take_up:
        return Found(cut, stage, "", "" if "" in (_torn(root, OLD), _torn(root, NEW)) else _torn(root, NEW))
    if last is None:
        return Found(cut, stage, "", f"{stage}: it is not over")
    return Found(cut, stage or "over", str(last.stage), _wrong_with(root, ledger, last))


def _wrong_with(root: Path, ledger: Ledger, last: Update) -> str:
    """What is not as it was written down."""
    if torn := _torn(root, NEW if last.stage == Stage.UPDATED else OLD):
        return f"after {last.stage}: {torn}"
    for package in ledger.kept():
        if digest_of(ledger.packages / package.file) != package.sha256:
            return f"{package.file} is not what was kept"
    ends = [entry["outcome"] for entry in ledger.history()]
    return "" if ends == [last.stage] and ledger.kept() else f"history {ends}, kept {ledger.kept()}"


def _torn(root: Path, version: str) -> str:
    """Why this is not that version, whole; "" = it is."""
    state = [
        "dpkg-query",
        f"--admindir={root}/var/lib/dpkg",
        "-W",
        "-f",
        "${Version} ${db:Status-Status}",
        "hipbar",
    ]
    if (facts := _said(state)) != f"{version} installed":
        return f"dpkg has {facts!r}"
    parts = list((root / "usr/lib/hipbar").glob("part-*"))
    if len(parts) != FILES or any(set(part.read_text().split()) != {version} for part in parts):
        return f"files are not those of {version}"
    return _said(["dpkg", f"--root={root}", "-V"])


def _said(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout
