"""What the loop saw becomes recordings on a card: one for each time that somebody is in view, safe second by second.

A recording begins when the pelvis pair comes into view, with the seconds before it, and ends 60 s after it was last
seen, or after 30 minutes, when the next one goes on. Times are the camera's seconds, megabytes 10^6 bytes. `kept` says
what is on the disk, never what is only on its way. Refuses nothing: a card that is full, read-only, broken or gone is
told in words and tried again every 30 s.
"""

from __future__ import annotations

import collections
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.errors import OutputError
from appliance.output import output_error
from appliance.station import wallclock
from appliance.station.books import Chunk
from appliance.station.pages import Ending
from appliance.station.recording import Header
from appliance.station.reel import Reel
from appliance.station.shelf import MB, Shelf
from appliance.station.wallclock import Note

GONE_S = 60.0
LONGEST_S = 1800.0
AGAIN_S = 30.0
BEFORE_S = 3.0
_IN_VIEW = 0.1  # share of a second's frames that must show the pair; one stray reflection opens no file
_BEGIN_MB = (
    16.0  # to begin takes more room than to go on, so that a full disk is not filled with small pieces
)
_PRUNE_S = 60.0
_log = logging.getLogger("hipbar.station")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is surely on the disk. on : a recording is being written, and the last second of it has arrived there.

    file, frames, last_seq, last_t_s, mb : of that recording, or of the last one. written_mb : sent to the disk since
    the start. dropped : frames with somebody in view that could not be kept. trouble : why nothing is kept, in words.
    """

    on: bool = False
    file: str | None = None
    frames: int = 0
    last_seq: int | None = None
    last_t_s: float | None = None
    mb: float = 0.0
    written_mb: float = 0.0
    dropped: int = 0
    trouble: str | None = None


class Archive:
    """A book of the station. limit_mb : all recordings together; reserve_mb : free room that they never take.

    stamp : what the clocks show now. `kept` is replaced whole, so any thread may read it.
    """

    def __init__(
        self,
        folder: Path,
        header: Header,
        *,
        limit_mb: float,
        reserve_mb: float,
        stamp: Callable[[], Note] = wallclock.note_now,
    ) -> None:
        self._shelf = Shelf(folder, limit_mb=limit_mb, reserve_mb=reserve_mb)
        self._header, self._stamp = header, stamp
        self._reel: Reel | None = None
        self._before: collections.deque[NDArray[np.void]] = collections.deque()
        self._seen_s = self._try_s = self._pruned_s = self._last_s = float("-inf")
        self._written = 0
        self.kept = Kept()

    def keep(self, chunk: Chunk) -> None:
        """Takes in a second of frames; when it returns, they are on the disk, or they are not wanted, or it is told."""
        track = chunk.track
        if not len(track):
            return
        now_s = float(track["t_s"][-1])
        in_view = _in_view(track)
        try:
            self._mind_gaps(float(track["t_s"][0]))
            if in_view:
                self._seen_s = now_s
            self._take(track, now_s, in_view)
        except OSError as error:
            self._fail(output_error(self._shelf.folder, error), track, now_s, in_view)
        except OutputError as error:
            self._fail(error, track, now_s, in_view)
        self._last_s = now_s

    def close(self) -> None:
        """Ends the recording that is being written."""
        with contextlib.suppress(OutputError):
            self._end(Ending.STOPPED)

    def _take(self, track: NDArray[np.void], now_s: float, in_view: bool) -> None:
        """One second: begins, goes on or ends."""
        if self._reel is None:
            self._prepare(now_s)
            if not in_view or self.kept.trouble:
                self._remember(track, in_view)
                return
            self._begin(now_s)
        self._add(track, now_s)
        if self._is_long(now_s):
            self._end(Ending.FULL_LENGTH)

    def _prepare(self, now_s: float) -> None:
        """At the start, before each recording, and again and again in trouble: can anything be kept?"""
        if self._try_s == float("-inf") or (self.kept.trouble and now_s >= self._try_s):
            self._try_s = now_s + AGAIN_S
            self._shelf.prepare(_BEGIN_MB)
            if self.kept.trouble:
                _log.info("recordings can be kept again")
            self._tell(trouble=None)

    def _begin(self, now_s: float) -> None:
        """A new file, with the seconds before this one."""
        self._shelf.prepare(_BEGIN_MB)
        note = self._stamp()
        header = msgspec.structs.replace(
            self._header,
            boot_id=note.boot_id,
            wall_s=note.wall_s,
            wall_at_s=note.monotonic_s,
            wall_synchronised=note.synchronised,
        )
        self._reel = Reel(self._shelf.next_path(note.boot_id), header)
        self._pruned_s = now_s
        _log.info("recording %s", self._reel.path.name)
        if self._before:
            self._reel.add(np.concatenate(self._before))
            self._before.clear()

    def _add(self, track: NDArray[np.void], now_s: float) -> None:
        reel = self._reel
        assert reel
        reel.add(track)
        self._tell_kept(on=True)
        self._shelf_room(reel, now_s)

    def _shelf_room(self, reel: Reel, now_s: float) -> None:
        """Keeps to the limit and to the reserve while a recording grows."""
        if now_s - self._pruned_s >= _PRUNE_S:
            self._pruned_s = now_s
            self._shelf.prune(reel.path)
        try:
            self._shelf.check()
        except OutputError:
            self._end(Ending.NO_ROOM)
            raise

    def _is_long(self, now_s: float) -> bool:
        reel = self._reel
        if reel is None or reel.first_t_s is None:
            return False
        return now_s - reel.first_t_s >= LONGEST_S or reel.acked_bytes >= self._shelf.longest_bytes

    def _end(self, how: Ending) -> None:
        reel, self._reel = self._reel, None
        if reel:
            _log.info("recorded %s: %d frames, %s", reel.path.name, reel.frames, how)
            try:
                reel.end(how)
            finally:
                self._written += reel.written_bytes
                self._tell(on=False, written_mb=self._written / MB)

    def _mind_gaps(self, first_s: float) -> None:
        """A long pause ends a recording; so does a clock that went back, as a file's times only go forward."""
        while self._before and float(self._before[0]["t_s"][-1]) < first_s - BEFORE_S:
            self._before.popleft()
        if first_s <= self._last_s:
            self._before.clear()
            self._try_s = self._seen_s = float("-inf")
            self._end(Ending.STOPPED)
        elif first_s - self._seen_s >= GONE_S:
            self._end(Ending.LEFT)

    def _remember(self, track: NDArray[np.void], in_view: bool) -> None:
        """Holds the last seconds for a recording that may begin; in trouble they are counted as dropped."""
        if in_view:
            self._before.clear()
            self._tell(dropped=self.kept.dropped + len(track))
            return
        self._before.append(track.copy())
        while float(self._before[-1]["t_s"][-1]) - float(self._before[0]["t_s"][0]) > BEFORE_S:
            self._before.popleft()

    def _fail(self, error: OutputError, track: NDArray[np.void], now_s: float, in_view: bool) -> None:
        """The card refused: told once, and tried again later with a new file."""
        reel, self._reel = self._reel, None
        if reel:
            self._written += reel.written_bytes
            reel.close()
        self._before.clear()
        self._try_s = (
            now_s if reel else now_s + AGAIN_S
        )  # what went wrong midway may be over: a new file at once
        trouble = f"{error}; {error.fix}"
        if self.kept.trouble is None:
            _log.warning("no recording: %s", trouble)
        dropped = len(track) if in_view and self.kept.last_t_s != now_s else 0
        self._tell(on=False, trouble=trouble, dropped=self.kept.dropped + dropped)

    def _tell_kept(self, *, on: bool) -> None:
        reel = self._reel
        assert reel
        self._tell(
            on=on,
            file=reel.path.name,
            frames=reel.frames,
            last_seq=reel.last_seq,
            last_t_s=reel.last_t_s,
            mb=reel.acked_bytes / MB,
            written_mb=(self._written + reel.written_bytes) / MB,
            trouble=None,
        )

    def _tell(self, **what: object) -> None:
        self.kept = msgspec.structs.replace(self.kept, **what)


def _in_view(track: NDArray[np.void]) -> bool:
    """Whether the pelvis pair is seen in enough of these frames."""
    seen = np.isfinite(track["xy_px"][:, :2]).all(axis=(1, 2))
    return bool(seen.sum() >= max(1.0, _IN_VIEW * len(track)))
