"""The product's own writing becomes a heavy load on a disk, with a line on the raw disk for everything acknowledged.

Runs in the guest as root, with hipbar installed. Settings and a calibration are written whole again and again,
archives keep runners far faster than anybody runs (`tests/keeping/load.py`), a store keeps visits
(`tests/store/kills.py`), and somebody else fills a log that nobody
syncs; each in a process of its own. As soon as the product says that something is kept, that is written past the file
system, into `ROOM` bytes of the disk behind it: in a log of the disk's writes these lines stand exactly where the
promises were made. LOAD_SYNCS=no takes every fsync from all of them, and the promises stay: the control that shows that
losses are found.

With the status file of a running service named, what the service says that it has kept is a promise too.

    python writing.py DISK FOLDER SECONDS [STATUS]
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import os
import random
import sys
import time
import zlib
from pathlib import Path

ROOM, SLOT = 1 << 16, 4096
"""Bytes at the disk's end that its file system leaves alone, and of them for each of those who promise."""

WHOLES = {"settings.toml": 3_000, "calibration.json": 60_000}
"""Files that are written whole, and about how large they are."""

ARCHIVES = {"archive-a": 1, "archive-b": 2}
"""Folders of recordings, and the seed of what they keep."""

CLINIC = "clinic"
"""The folder of a store."""

_CLINIC_BYTES = 12e6
_ARCHIVE_MB, _OTHERS_BYTES, _PIECE = 12.0, 8 << 20, 1 << 16


class Promises:
    """One promiser's place on the raw disk: the last promise, written around every cache of the kernel."""

    def __init__(self, disk: str, slot: int) -> None:
        self._fd = os.open(disk, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
        self._at = os.lseek(self._fd, 0, os.SEEK_END) - ROOM + slot * SLOT
        self._page = mmap.mmap(-1, SLOT)  # O_DIRECT asks for memory that begins where a page does

    def make(self, **words: str | int) -> None:
        """It is promised from now on."""
        self._page[:] = json.dumps(words).encode().ljust(SLOT)
        os.pwritev(self._fd, [self._page], self._at)


def body(name: str, number: int) -> bytes:
    """The content of that file when it is written for the so-manieth time: anybody can tell whether it is whole."""
    rng = random.Random(f"{name} {number}")
    filling = rng.randbytes(rng.randrange(1, 2 * WHOLES[name])).hex()
    return f"{number} {zlib.crc32(filling.encode())}\n{filling}\n".encode()


def number_in(data: bytes) -> int | None:
    """For the so-manieth time, or None when the file is not whole."""
    head, _, filling = data.partition(b"\n")
    words = head.split()
    if len(words) != 2 or not filling.endswith(b"\n") or zlib.crc32(filling[:-1]) != int(words[1]):
        return None
    return int(words[0])


def write_wholes(path: Path, promises: Promises, until_s: float) -> None:
    """One file, whole, again and again."""
    from appliance.output import write_whole

    number = 0
    while time.monotonic() < until_s:
        number += 1
        write_whole(path, body(path.name, number))
        promises.make(whole=path.name, number=number)


def archive(folder: Path, promises: Promises, until_s: float) -> None:
    """Runners come and go."""
    import load as keeping

    def promise(words: dict[str, str | int]) -> None:
        promises.make(archive=folder.name, **words)

    keeping.come_and_go(folder, promise, until_s, limit_mb=_ARCHIVE_MB, seed=ARCHIVES[folder.name])


def clinic(folder: Path, promises: Promises, until_s: float) -> None:
    """Visits, one after the other; it ends with its parent."""
    from tests.store import kills

    if os.environ.get("LOAD_SYNCS") == "no":
        without_commits()

    def promise(**words: str | int) -> None:
        promises.make(clinic=folder.name, **words)
        if time.monotonic() > until_s:
            os._exit(0)  # between two words, as a power cut would

    kills.write(folder, 1, promise, _CLINIC_BYTES)


def without_commits() -> None:
    """From now on no store of this process waits for the disk."""
    from appliance.store import notary, opening

    def careless(*words: object, **more: object) -> object:
        db = opening.connected(*words, **more)  # type: ignore[arg-type]
        db.execute("PRAGMA synchronous = OFF")
        return db

    notary.connected = careless


def others(path: Path, until_s: float) -> None:
    """A log that is overwritten round and round, sent to the disk at once and never waited for."""
    rng = random.Random(path.name)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    at = 0
    while time.monotonic() < until_s:
        os.pwrite(fd, rng.randbytes(_PIECE), at)
        os.posix_fadvise(fd, at, _PIECE, os.POSIX_FADV_DONTNEED)
        at = (at + _PIECE) % _OTHERS_BYTES
        time.sleep(0.01)


def witness(status: Path, promises: Promises, until_s: float) -> None:
    """What the service tells of its recording."""
    told: tuple[str, int] | None = None
    while time.monotonic() < until_s:
        recording = json.loads(status.read_bytes())["recording"]
        now = (recording["file"], recording["frames"])
        if recording["on"] and now != told:
            promises.make(service=now[0], frames=now[1])
            told = now
        time.sleep(0.05)


def without_syncs() -> None:
    """From now on nothing in this process brings anything to the disk; whoever asks is told that it has been done."""
    os.fsync = os.fdatasync = lambda fd: None
    os.sync = lambda: None


def preload() -> None:
    """What takes long to load on an emulated processor is there before anybody's time runs."""
    import load

    from tests.store import kills

    assert load
    assert kills


def main(disk: str, folder: str, seconds: str, *status: str) -> int:
    """All at once, for so long; 0 when nobody fell over."""
    if os.environ.get("LOAD_SYNCS") == "no":
        without_syncs()
    preload()
    until_s = time.monotonic() + float(seconds)
    jobs = [(write_wholes, Path(folder, name)) for name in WHOLES]
    jobs += [(archive, Path(folder, name)) for name in ARCHIVES] + [(witness, Path(name)) for name in status]
    jobs.append((clinic, Path(folder, CLINIC)))
    workers = [
        multiprocessing.Process(target=job, args=(path, Promises(disk, slot), until_s))
        for slot, (job, path) in enumerate(jobs)
    ]
    workers.append(multiprocessing.Process(target=others, args=(Path(folder, "others.log"), until_s)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(abs(worker.exitcode or 0) for worker in workers)


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    sys.exit(main(*sys.argv[1:]))
