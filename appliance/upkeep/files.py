"""What a machine's files hold and what they should hold become a diff to read, a change that lasts, and its undoing.

Files are bytes throughout: whatever their encoding and line ends, what is not ours stays byte for byte. In a file that
others write too our lines stand in one marked block; a file of our own is ours as a whole. Before anything is written,
what was there goes into /var/backups/hipbar/setup.json, which only root may touch: a restored file is root's word.
Refuses, with `UpkeepError`, a file whose marks are damaged and a path that leads out of the machine's root folder.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from appliance.errors import UpkeepError
from appliance.output import sync_folder, write_whole

LEDGER = "/var/backups/hipbar/setup.json"
BEGIN, END = b"# hipbar setup: begin", b"# hipbar setup: end"

_NO_END = b" (the line above had no end)"
_BEGINS = re.compile(rb"^" + BEGIN + rb"(" + re.escape(_NO_END) + rb")?[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
_ENDS = re.compile(rb"^" + END + rb"[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
_LINES = re.compile(rb"[^\n]*\n|[^\n]+")
_CONTEXT = 3
_COPY = ".before-hipbar"


class Change(msgspec.Struct, frozen=True):
    """One file of the machine, by its path there, as it is and as it is to be; None = not there."""

    path: str
    before: bytes | None
    after: bytes | None


class _Entry(msgspec.Struct, frozen=True):
    """What a file held before the first change of ours, and the digest of what it was given."""

    path: str
    before: bytes | None
    after_sha256: str | None


def place(root: Path, path: str) -> Path:
    """Where a path of the machine is found from here; never outside of its root folder, whatever links say."""
    found = root / path.lstrip("/")
    if not Path(os.path.realpath(found)).is_relative_to(os.path.realpath(root)):
        raise UpkeepError(
            f"{found}: leads out of {root}", fix="make that link relative, or run setup on the machine"
        )
    return found


def content(root: Path, path: str) -> bytes | None:
    """What a file of the machine holds; None when it is not there."""
    try:
        return place(root, path).read_bytes()
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except OSError as error:
        raise UpkeepError(
            f"{path}: can't be read: {error.strerror}", fix="run it as root: sudo hipbar setup"
        ) from None


def change(root: Path, path: str, after: bytes | None) -> list[Change]:
    """The change that gives a file this content; none when it has it."""
    before = content(root, path)
    return [] if before == after else [Change(path, before, after)]


def outside(data: bytes, name: str) -> tuple[bytes, bytes]:
    """What stands before our block and after it."""
    begins, ends = list(_BEGINS.finditer(data)), list(_ENDS.finditer(data))
    if not begins and not ends:
        return data, b""
    if len(begins) != 1 or len(ends) != 1 or ends[0].start() < begins[0].end():
        raise UpkeepError(
            f"{name}: the marks around hipbar's lines are damaged",
            fix=f"take the lines from `{BEGIN.decode()}` to `{END.decode()}` out by hand, then try again",
        )
    head, tail = data[: begins[0].start()], data[ends[0].end() :]
    if begins[0][1] and not tail:  # the end of line before the mark is ours; with a tail it is needed
        head = head[: -2 if begins[0][0].endswith(b"\r\n") and head.endswith(b"\r\n") else -1]
    return head, tail


def without_block(data: bytes, name: str) -> bytes:
    """The file without our lines."""
    return b"".join(outside(data, name))


def with_block(data: bytes, lines: Sequence[str], name: str) -> bytes:
    """The file with these lines as our block: where the block was, or at the end; no lines, no block."""
    head, tail = outside(data, name)
    if not lines:
        return head + tail
    eol = b"\r\n" if 2 * data.count(b"\r\n") > data.count(b"\n") else b"\n"
    cut = bool(head) and not head.endswith(b"\n")
    block = [BEGIN + (_NO_END if cut else b""), *(line.encode() for line in lines), END]
    return head + (eol if cut else b"") + b"".join(line + eol for line in block) + tail


def patch(changes: Sequence[Change]) -> bytes:
    """The changes as a unified diff that `patch -p1` takes: one hunk a file, from the first difference to the last."""
    return b"".join(_file_patch(one) for one in changes)


def words(changes: Sequence[Change]) -> str:
    """The diff for a person to read: what is no text, or would move the cursor, is spelt out."""
    text = patch(changes).decode("utf-8", "backslashreplace")
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", lambda found: f"^{chr(ord(found[0]) ^ 64)}", text)


def apply(root: Path, changes: Sequence[Change]) -> None:
    """Makes the changes, each whole or not at all, after what they replace has been kept for `undoing`."""
    _keep(root, changes)
    for one in changes:
        if one.path.startswith("/boot/") and one.before is not None:
            _copy_aside(place(root, one.path), one.before)
        _write(root, one)


def write(root: Path, changes: Sequence[Change]) -> None:
    """Makes the changes, each whole or not at all; nothing is kept of what they replace."""
    for one in changes:
        _write(root, one)


def undoing(root: Path) -> tuple[list[Change], list[str]]:
    """The changes that put back what was there, and remarks on what can't be: where somebody has been at it since."""
    changes: list[Change] = []
    remarks: list[str] = []
    for entry in _entries(root):
        now = content(root, entry.path)
        if now == entry.before:
            continue
        if _digest(now) == entry.after_sha256:
            changes.append(Change(entry.path, now, entry.before))
        elif now is not None and (rest := without_block(now, entry.path)) != now:
            changes.append(Change(entry.path, now, rest))
            remarks.append(f"{entry.path} was edited since: only hipbar's lines are taken out")
        else:
            remarks.append(f"{entry.path} was changed since and is left as it is")
    return changes, remarks


def undo(root: Path, changes: Sequence[Change]) -> None:
    """Makes the changes of `undoing` and forgets what was kept for them."""
    write(root, changes)
    for entry in _entries(root):
        copy = place(root, entry.path + _COPY)
        copy.unlink(missing_ok=True)
    place(root, LEDGER).unlink(missing_ok=True)


def _file_patch(one: Change) -> bytes:
    old, new = (_LINES.findall(data or b"") for data in (one.before, one.after))
    same = next(
        (k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    rest = min(len(old), len(new)) - same
    tail = next((k for k in range(rest) if old[-1 - k] != new[-1 - k]), rest)
    first = max(0, same - _CONTEXT)
    behind = old[len(old) - tail :][:_CONTEXT]
    gone, come = old[same : len(old) - tail], new[same : len(new) - tail]
    lines = [(b" ", old[first:same]), (b"-", gone), (b"+", come), (b" ", behind)]
    counts = [same - first + len(part) + len(behind) for part in (gone, come)]
    names = [
        side + one.path.encode() if data is not None else b"/dev/null"
        for side, data in ((b"a", one.before), (b"b", one.after))
    ]
    starts = [first + 1 if count else 0 for count in counts]
    at = f"@@ -{starts[0]},{counts[0]} +{starts[1]},{counts[1]} @@\n".encode()
    head = b"--- " + names[0] + b"\n+++ " + names[1] + b"\n"
    if not gone and not come:
        return head
    return head + at + b"".join(_marked(sign, line) for sign, part in lines for line in part)


def _marked(sign: bytes, line: bytes) -> bytes:
    return sign + line + (b"" if line.endswith(b"\n") else b"\n\\ No newline at end of file\n")


def _write(root: Path, one: Change) -> None:
    target = place(root, one.path)
    if one.after is None:
        target.unlink(missing_ok=True)
        sync_folder(target.parent)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, one.after)


def _copy_aside(target: Path, before: bytes) -> None:
    """A copy that any computer with a card reader can put back; the first one stays."""
    copy = target.with_name(target.name + _COPY)
    if not copy.exists():
        write_whole(copy, before)


def _keep(root: Path, changes: Sequence[Change]) -> None:
    """Adds what is about to be replaced to the ledger; of a file changed before, what was there at first stays."""
    kept = {entry.path: entry for entry in _entries(root)}
    for one in changes:
        old = kept.get(one.path)
        first = old.before if old and old.after_sha256 == _digest(one.before) else one.before
        if old and old.after_sha256 != _digest(one.before) and one.before is not None:
            first = without_block(one.before, one.path)  # edited by somebody: that is what must come back
        kept[one.path] = _Entry(one.path, first, _digest(one.after))
    ledger = place(root, LEDGER)
    ledger.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(ledger, msgspec.json.encode(list(kept.values())))


def _entries(root: Path) -> list[_Entry]:
    data = content(root, LEDGER)
    try:
        return [] if data is None else msgspec.json.decode(data, type=list[_Entry])
    except msgspec.DecodeError as error:
        raise UpkeepError(
            f"{LEDGER}: can't be read: {error}",
            fix="put the files back by hand; copies lie in /boot/firmware",
        ) from None


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()
