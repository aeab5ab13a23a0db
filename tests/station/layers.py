"""What is slow to make becomes a folder in the cache that is made once, and is either whole or not there.

Folders are made aside and renamed when they are whole, under a lock, so an interrupted build leaves nothing behind
that looks finished and two benches never build the same at once. Of each kind the newest `_KEPT` stay.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_KEPT = 2


def cache() -> Path:
    """Where everything is kept: HIPBAR_BENCH_CACHE, or else ~/.cache/hipbar-bench."""
    named = os.environ.get("HIPBAR_BENCH_CACHE")
    folder = Path(named) if named else Path.home() / ".cache/hipbar-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def key_of(*parts: str | bytes | Path) -> str:
    """A short name that changes with every text, and with the content of every file or folder of sources."""
    digest = hashlib.sha256()
    for part in parts:
        for content in _contents(part):
            digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:12]


def layer(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The whole folder of that kind and key, made by `make` if it is not there yet."""
    target = cache() / f"{kind}-{key}"
    with _alone(kind):
        if not target.exists():
            aside = cache() / f"making-{kind}"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            with told(f"making {target.name}"):
                make(aside)
            aside.rename(target)
        os.utime(target)
        _forget_old(kind)
    return target


@contextmanager
def told(what: str) -> Iterator[None]:
    """Says on stderr what is being done, and how long it took."""
    began_s = time.monotonic()
    print(f"station bench: {what} ...", file=sys.stderr, flush=True)
    yield
    print(f"station bench: {what}: {time.monotonic() - began_s:.1f} s", file=sys.stderr, flush=True)


@contextmanager
def _alone(kind: str) -> Iterator[None]:
    with (cache() / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_old(kind: str) -> None:
    folders = sorted(cache().glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for folder in folders[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def _contents(part: str | bytes | Path) -> Iterable[bytes]:
    if isinstance(part, str):
        return [part.encode()]
    if isinstance(part, bytes):
        return [part]
    files = sorted(part.rglob("*")) if part.is_dir() else [part]
    sources = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    return [
        piece
        for file in sources
        for piece in (str(file.relative_to(part.parent)).encode(), file.read_bytes())
    ]
