"""Disks that fail as real ones do: a limit on the size of files, and a tiny file system that is really full."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def file_limit(most_bytes: int) -> Iterator[None]:
    """Within, no file of this process can be written beyond that size; the kernel refuses."""
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, heard)


@contextlib.contextmanager
def small_disk(folder: Path, kb: int) -> Iterator[Path]:
    """A file system of its own (tmpfs) at `folder`; without the rights to mount one the test is skipped."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={kb}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def full_disk(folder: Path, kb: int) -> Iterator[tuple[Path, Callable[[], Path]]]:
    """A small disk, and what fills it to the last byte with a file that can be taken away again."""

    def fill() -> Path:
        filler = folder / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)
        return filler

    with small_disk(folder, kb) as disk:
        yield disk, fill


@contextlib.contextmanager
def frozen(disk: Path) -> Iterator[None]:
    """Within, whoever writes to that file system waits, as with a card that hangs."""
    subprocess.run(["fsfreeze", "--freeze", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(disk)], check=True)


@contextlib.contextmanager
def failing_disk(folder: Path, mb: int) -> Iterator[tuple[Path, Callable[[], Path]]]:
    """A small ext4, and what makes it fail from then on: its image has no more room to grow, so the kernel gets EIO."""
    with full_disk(folder.with_suffix(".card"), kb=1000 * mb) as (card, fill):
        with ext4_disk(folder, mb, card / "card.img") as disk:
            yield disk, fill
        (card / "filler").unlink(missing_ok=True)


@contextlib.contextmanager
def ext4_disk(folder: Path, mb: int, image: Path | None = None) -> Iterator[Path]:
    """A small ext4 as on a station's card, in a file behind a loop device; without the rights it is skipped."""
    folder.mkdir()
    image = image or folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(mb * 1_000_000)
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("mkfs.ext4", "fsfreeze", "mount")):
        pytest.skip("an ext4 of its own needs root, e2fsprogs and util-linux")
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    words = ["mount", "-o", "loop,noatime", str(image), str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting an ext4 image needs a loop device")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        image.unlink()
