"""The clinic's store and its texts become one file that is whole, and come back from it.

A backup is a ZIP with the store as of one moment, protocols, exercises, cues and the calibration, and a manifest with
a checksum for each; it is read back before it counts. Wall seconds since 1970. Refuses, with `StoreError`, a backup
that is damaged or newer, and to put one into the place of a store that the service holds; with `OutputError`, a disk
that takes nothing. Nothing is overwritten: what was there is kept beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import re
import shutil
import sqlite3
import time
import zipfile
import zlib
from pathlib import Path
from typing import IO

import msgspec

from appliance.errors import HipbarError, OutputError, StoreError
from appliance.output import sync_folder, write_whole
from appliance.store import forget, schema
from appliance.store.opening import FILE, connected, dressed, locked, told
from appliance.store.verify import Ticked, Verified, verified

MANIFEST = "manifest.json"
_TEXTS = re.compile(r"(protocols|exercises)/[^/\\]+\.toml|cues\.toml|calibration\.json")
_PAGES = 2048  # between two words on the progress
_BLOCK = 1 << 20
_LONGEST_TEXT = 1 << 20
_NO_BACKUP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, KeyError, EOFError, RuntimeError, msgspec.MsgspecError
)  # fmt: skip
"""RuntimeError: a ZIP with a password, or packed in a way that Python does not know."""
_silent: Ticked = lambda done, whole: None  # noqa: E731


class Member(msgspec.Struct, frozen=True):
    """One file of a backup."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself. store_version : of the store in it; made_s : when."""

    made_s: float
    store_version: int
    visits: int
    files: dict[str, Member]


def backup(folder: Path, to: Path, progress: Ticked = _silent, wall_s: float | None = None) -> Manifest:
    """Copies everything of the clinic into one file, while the service may go on; it was read back on return."""
    if os.path.realpath(to).startswith(os.path.realpath(folder / FILE)):
        raise OutputError(f"{to}: is the store itself", fix="name another file")
    if to.exists() and not to.is_file():
        raise OutputError(f"{to}: is no ordinary file", fix="name a file that is not there yet")
    copy, part = to.with_name(f".{to.name}.db"), to.with_name(f".{to.name}.part")
    made_s = time.time() if wall_s is None else wall_s
    try:
        with told(to):
            found = _copied(folder, copy, progress)
            members = {FILE: copy} | {name: folder / name for name in _texts(folder)}
            files = {name: _member(path) for name, path in members.items()}
            manifest = Manifest(
                made_s=made_s, store_version=len(schema.STEPS), visits=found.visits, files=files
            )
            _pack(part, manifest, members, progress)
            _checked(part)
            part.replace(to)
            sync_folder(to.parent)
    finally:
        for path in (copy, part, copy.with_name(copy.name + "-journal")):
            path.unlink(missing_ok=True)
    progress(1.0, 1.0)
    return manifest


def _copied(folder: Path, copy: Path, progress: Ticked) -> Verified:
    """The store as of one moment, as a plain file that was read through."""
    copy.unlink(missing_ok=True)
    copy.touch(0o600)
    source = connected(folder)
    target = sqlite3.connect(copy, isolation_level=None)
    with contextlib.closing(source), contextlib.closing(target):
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM visits").fetchone()  # from here on it is of this moment
        source.backup(
            target,
            pages=_PAGES,
            progress=lambda _, left, all_: progress(0.4 * ((all_ - left) / max(all_, 1)), 1.0),
        )
        source.execute("ROLLBACK")
        target.execute("PRAGMA journal_mode = DELETE")
        found = verified(target, copy, lambda done, whole: progress(0.4 + 0.3 * done / whole, 1.0))
    if found.damage:
        raise StoreError(
            f"{folder / FILE}: is damaged, so there is no backup of it: {found.damage[0]}",
            fix='"hipbar verify" says what can still be read, "hipbar restore" brings an earlier backup back',
        )
    return found


def _texts(folder: Path) -> list[str]:
    """What the clinic has written itself, and the calibration."""
    found = [*folder.glob("protocols/*.toml"), *folder.glob("exercises/*.toml"), folder / "cues.toml"]
    found.append(folder / "calibration.json")
    return [str(path.relative_to(folder)) for path in sorted(found) if path.is_file()]


def _member(path: Path) -> Member:
    with path.open("rb") as file:
        return Member(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def _pack(part: Path, manifest: Manifest, members: dict[str, Path], progress: Ticked) -> None:
    whole = sum(member.bytes for member in manifest.files.values())
    done = 0.0
    with part.open("wb") as file:
        dressed(file.fileno(), part.parent)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
            packed.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
            for name, path in members.items():
                with path.open("rb") as source, packed.open(name, "w", force_zip64=True) as target:
                    while block := source.read(_BLOCK):
                        target.write(block)
                        done += len(block)
                        progress(0.7 + 0.25 * done / whole, 1.0)
        file.flush()
        os.fsync(file.fileno())


def _checked(path: Path) -> Manifest:
    """A backup whose every byte is as it was written."""
    try:
        with zipfile.ZipFile(path) as packed:
            manifest = msgspec.json.decode(_text(packed, MANIFEST), type=Manifest)
            for name, member in manifest.files.items():
                if name != FILE and member.bytes > _LONGEST_TEXT:
                    raise zipfile.BadZipFile(name)
                with packed.open(name) as file:
                    if not (name == FILE or _TEXTS.fullmatch(name)) or not _is(file, member):
                        raise zipfile.BadZipFile(name)
    except FileNotFoundError:
        raise StoreError(
            f"{path}: there is no such file", fix='name a file that "hipbar backup" made'
        ) from None
    except IsADirectoryError:
        raise StoreError(f"{path}: is a folder", fix="name a file in it, one that a backup made") from None
    except _NO_BACKUP:
        raise StoreError(
            f"{path}: is no backup, or a damaged one", fix="take another one; nothing was changed"
        ) from None
    if FILE not in manifest.files or manifest.store_version > len(schema.STEPS):
        raise StoreError(
            f"{path}: was made by a newer hipbar", fix='"hipbar update" first; nothing was changed'
        )
    return manifest


def _text(packed: zipfile.ZipFile, name: str) -> bytes:
    """A short file of a backup; one that would unpack into the whole of the memory is none."""
    with packed.open(name) as file:
        text = file.read(_LONGEST_TEXT + 1)
    if len(text) > _LONGEST_TEXT:
        raise zipfile.BadZipFile(name)
    return text


def _is(file: IO[bytes], member: Member) -> bool:
    digest, size = hashlib.sha256(), 0
    while size <= member.bytes and (block := file.read(_BLOCK)):
        digest.update(block)
        size += len(block)
    return size == member.bytes and digest.hexdigest() == member.sha256


def restore(file: Path, folder: Path, progress: Ticked = _silent, wall_s: float | None = None) -> Manifest:
    """Puts a backup into the place of the store; what was there stays beside it, as `clinic-before-restore-N.db`."""
    with told(file):
        manifest = _checked(file)
    progress(0.3, 1.0)
    new = folder / f".{FILE}.restored"
    with told(folder / FILE):
        folder.mkdir(parents=True, exist_ok=True)
        lock = locked(folder)
        try:
            with zipfile.ZipFile(file) as packed:
                _unpacked(packed, new, lambda done, whole: progress(0.3 + 0.6 * done / whole, 1.0), wall_s)
                number = _number(folder)
                for name in manifest.files:
                    if name != FILE:
                        _put_text(folder / name, packed.read(name), number)
            _exchanged(folder, new, number)
        finally:
            os.close(lock)
            for path in (new, new.with_name(new.name + "-wal"), new.with_name(new.name + "-shm")):
                path.unlink(missing_ok=True)
    progress(1.0, 1.0)
    return manifest


def _unpacked(packed: zipfile.ZipFile, new: Path, progress: Ticked, wall_s: float | None) -> None:
    """The store of a backup, looked through and ready to be used, on the disk."""
    new.unlink(missing_ok=True)
    with packed.open(FILE) as source, new.open("xb") as target:
        dressed(target.fileno(), new.parent)
        shutil.copyfileobj(source, target, _BLOCK)
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = ON")
        schema.ready(db, new, make=False)
        found = verified(db, new, progress)
        if found.damage:
            raise StoreError(
                f"the store in the backup is damaged: {found.damage[0]}", fix="take another backup"
            )
        forget.note(db, "restored", f"{found.visits} visits", time.time() if wall_s is None else wall_s)
        db.execute("PRAGMA journal_mode = WAL")
    with new.open("rb+") as file:
        os.fsync(file.fileno())


def _number(folder: Path) -> int:
    """Of the next restore."""
    taken = [path.name for path in folder.rglob("*-before-restore-*")]
    return 1 + max(
        (int(found[1]) for name in taken if (found := re.search(r"-restore-(\d+)", name))), default=0
    )


def _put_text(path: Path, data: bytes, number: int) -> None:
    """A file of the clinic's; another one that is there under its name stays beside it."""
    if not path.parent.exists():
        path.parent.mkdir()
        owner = path.parent.parent.stat()
        with contextlib.suppress(PermissionError):
            os.chown(path.parent, owner.st_uid, owner.st_gid)
    if path.exists():
        if path.read_bytes() == data:
            return
        os.link(path, path.with_name(f"{path.stem}-before-restore-{number}{path.suffix}.old"))
    write_whole(path, data)


def _exchanged(folder: Path, new: Path, number: int) -> None:
    """At every moment there is one whole store under the name."""
    path, old = folder / FILE, folder / f"clinic-before-restore-{number}.db"
    if path.exists():
        with contextlib.suppress(HipbarError), contextlib.closing(connected(folder)) as db:
            forget.emptied(db, path)
        os.link(path, old)
        log = path.with_name(FILE + "-wal")
        if log.exists() and log.stat().st_size:  # of a store that could not be opened
            log.replace(old.with_name(old.name + "-wal"))
    for ending in ("-wal", "-shm"):
        path.with_name(FILE + ending).unlink(missing_ok=True)
    sync_folder(folder)
    new.replace(path)
    sync_folder(folder)
