"""A wall clock that may be wrong becomes times of day that are right afterwards, and a word on whether they are sure.

A Pi without a battery starts with a clock that is wrong by hours or days, and is set when a network is there, if ever.
So nothing here waits for it: frames are stamped by the monotonic clock, and a small file notes, boot by boot, what the
wall clock showed at which monotonic second: at the start, when it is first known to be set, and whenever it jumps.
Seconds; wall seconds since 1970 (UTC). Refuses nothing: what can't be written or read is left out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from appliance.errors import OutputError
from appliance.output import output_error, sync_folder, write_whole
from appliance.station.books import Chunk

FILE = "clock.jsonl"
JUMP_S = 2.0
"""A wall clock that is off by more than this from where it was going has jumped."""

_LOOK_S = 5.0
_APART_S = 60.0  # set clocks of one boot that differ by more than this contradict one another
_MOST_A_BOOT = 50
_MOST_BYTES = 262_144  # some 1,500 notes; beyond it the older half goes
_log = logging.getLogger("hipbar.station")


class Note(msgspec.Struct, frozen=True):
    """What the wall clock showed at a monotonic second of one boot. synchronised : None = not known."""

    boot_id: str
    monotonic_s: float
    wall_s: float
    synchronised: bool | None = None

    @property
    def offset_s(self) -> float:
        """What to add to a monotonic second."""
        return self.wall_s - self.monotonic_s


def this_boot() -> str:
    """The kernel's name for the time since the machine was switched on; "" where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def note_now(synchronised: bool | None = None) -> Note:
    """What the clocks show now."""
    return Note(this_boot(), time.monotonic(), time.time(), synchronised)


def corrected(boot_id: str | None, t_s: float, notes: Iterable[Note]) -> tuple[float | None, bool]:
    """The wall time of monotonic second `t_s` of a boot, and whether it is sure; None where nothing is known.

    Of the notes of that boot those count that were made with a set clock, and of these the last one up to `t_s`, or
    else the first one after it. Set clocks that contradict one another are not sure. Without a set clock the latest
    note is the best guess: whoever set it by hand did so last.
    """
    mine = sorted(
        (note for note in notes if boot_id and note.boot_id == boot_id), key=lambda n: n.monotonic_s
    )
    if not mine:
        return None, False
    surely = [note for note in mine if note.synchronised]
    if not surely:
        return t_s + mine[-1].offset_s, False
    before = [note for note in surely if note.monotonic_s <= t_s]
    best = before[-1] if before else surely[0]
    offsets = [note.offset_s for note in surely]
    return t_s + best.offset_s, max(offsets) - min(offsets) <= _APART_S


def read_notes(path: Path) -> list[Note]:
    """All notes of a file that can be understood; a torn or damaged line is left out."""
    try:
        lines = path.read_bytes()[-2 * _MOST_BYTES :].split(b"\n")
    except OSError:
        return []
    notes = []
    for line in lines:
        with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
            note = msgspec.json.decode(line, type=Note)
            if abs(note.monotonic_s) < 1e12 and abs(note.wall_s) < 1e12:
                notes.append(note)
    return notes


class WallClock:
    """Notes what the wall clock does in this boot, in a file that a power cut can't spoil; see `look`.

    synchronised : whether the clock is set, as the machine knows it (None = it doesn't). now : reads both clocks.
    Among the station's books it looks once a chunk.
    """

    def __init__(
        self,
        path: Path,
        synchronised: Callable[[], bool | None] = lambda: None,
        now: Callable[[bool | None], Note] = note_now,
    ) -> None:
        self._path, self._synchronised, self._now = path, synchronised, now
        self._last: Note | None = None
        self._looked_s = float("-inf")
        self._set: bool | None = None
        self._noted = 0
        self.trouble: OutputError | None = None

    def stamp(self) -> Note:
        """What the clocks show now; asks nobody."""
        return self._now(self._set)

    def keep(self, _chunk: Chunk) -> None:
        """A second has passed."""
        self.look()

    def close(self) -> None:
        """Nothing to end: every note is on the disk."""

    def look(self) -> None:
        """Called every second or so: notes the start, the clock's being set, and jumps; at most every 5 s it asks.

        It writes a file, so it is called where a slow disk may be waited for.
        """
        note = self._now(self._set)
        if note.monotonic_s - self._looked_s < _LOOK_S:
            return
        if self._last is None:
            self._remember(note.boot_id)
        self._looked_s, self._set = note.monotonic_s, self._synchronised()
        self._consider(msgspec.structs.replace(note, synchronised=self._set))

    def _remember(self, boot_id: str) -> None:
        """An earlier process of this boot has noted the start; what it knew need not be written again."""
        mine = [note for note in read_notes(self._path) if note.boot_id == boot_id]
        self._last, self._noted = (mine[-1] if mine else None), len(mine)

    def _consider(self, note: Note) -> None:
        last = self._last
        jump_s = 0.0 if last is None else note.offset_s - last.offset_s
        jumped, was_set = abs(jump_s) > JUMP_S, bool(note.synchronised and not (last and last.synchronised))
        if last and not jumped and not was_set:
            return
        if jumped:
            _log.info(
                "the wall clock was %s by %.0f s", "put forward" if jump_s > 0 else "put back", abs(jump_s)
            )
        if self._noted >= _MOST_A_BOOT:
            self._last = note
        elif self._wrote(note):
            self._last, self._noted = note, self._noted + 1

    def _wrote(self, note: Note) -> bool:
        """Adds a note; one that could not be written is tried again at the next look."""
        try:
            _add(self._path, msgspec.json.encode(note) + b"\n")
        except OutputError as error:
            if self.trouble is None:
                _log.warning("%s; %s", error, error.fix)
            self.trouble = error
            return False
        self.trouble = None
        return True


def _add(path: Path, line: bytes) -> None:
    """Appends a line so that it lasts; a torn one before it is closed off, and a long file loses its older half."""
    try:
        size = path.stat().st_size if path.exists() else 0
        if size > _MOST_BYTES:
            rest = path.read_bytes()[-_MOST_BYTES // 2 :].partition(b"\n")[2]
            write_whole(path, rest.rstrip(b"\n") + b"\n" + line)
            return
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
            left = b"\n" * torn + line
            while left:
                left = left[os.write(fd, left) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        if not size:
            sync_folder(path.parent)
    except OSError as error:
        raise output_error(path, error) from None
