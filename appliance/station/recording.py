"""Keypoints become a file that replays to the same steps, bit for bit; the format is in docs/recordings.md.

Sensor pixels, y down, as sight found them, before mount and lens; times are the source's own seconds. One JSON header
line, then blocks of little-endian records, each with a CRC that also covers the header; version 2, which the service
writes, has them packed in whole pages (`appliance.station.pages`). Refuses, with `SourceError` and after handing out
what came before: a foreign or newer file, a torn or damaged block, a time that does not advance.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.config import Lens, Settings
from appliance.errors import SourceError
from appliance.output import Output
from appliance.records import MARKS, TRACK
from appliance.station import pages

SUFFIX = ".hbk"
FORMAT = "hipbar-keypoints"
VERSION, IN_PAGES = 1, 2

_BLOCK = struct.Struct("<4sII")  # mark, number of records, CRC
_MARK = b"HBKP"
_MOST_RECORDS = 65536
_MOST_HEADER_BYTES = 65536


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What all frames of a recording share. Mount and lens are those in force when it was made.

    wall_s : what the wall clock showed (seconds since 1970) at `wall_at_s` of the frames' own clock, during the boot
    `boot_id`; `wall_synchronised` says whether it was set by then (None = not known).
    """

    format: str = FORMAT
    version: int = VERSION
    software: str = ""
    width_px: int
    height_px: int
    rate_hz: float
    row_s: float = 0.0
    rotate_deg: Literal[0, 90, 180, 270] = 0
    mirror: bool = False
    zero_deg: float = 0.0
    lens: Lens = Lens()
    marks: tuple[str, ...] = MARKS
    boot_id: str | None = None
    wall_s: float | None = None
    wall_at_s: float | None = None
    wall_synchronised: bool | None = None

    @classmethod
    def of(
        cls, settings: Settings, size: tuple[int, int], rate_hz: float, row_s: float, software: str
    ) -> Header:
        """The header of a recording made now, under these settings."""
        return cls(
            software=software,
            width_px=size[0],
            height_px=size[1],
            rate_hz=rate_hz,
            row_s=row_s,
            rotate_deg=settings.camera.rotate_deg,
            mirror=settings.camera.mirror,
            zero_deg=settings.motion.zero_deg,
            lens=settings.lens,
        )

    def onto(self, settings: Settings, keep: set[str]) -> Settings:
        """`settings` with this recording's mount and lens, but for the dotted keys in `keep`, which stay."""
        camera = {key: getattr(self, key) for key in ("rotate_deg", "mirror") if f"camera.{key}" not in keep}
        lens = settings.lens if any(key.startswith("lens.") for key in keep) else self.lens
        mounted = msgspec.structs.replace(settings.camera, **camera)
        return msgspec.structs.replace(settings, camera=mounted, lens=lens)


def is_recording(path: Path) -> bool:
    """Whether a file calls itself a keypoint recording, by its first bytes or by its name."""
    try:
        with path.open("rb") as file:
            return file.read(len(_opening())) == _opening() or path.suffix == SUFFIX
    except OSError as error:
        raise _unreadable(path, error) from None


class Recorder:
    """Keypoints go in, chunk after chunk; a torn end costs the last chunk only."""

    def __init__(self, path: Path, header: Header) -> None:
        line = msgspec.json.encode(header) + b"\n"
        self._seed = zlib.crc32(line)
        self._output = Output(path)
        self._output.write(line)

    def keep(self, track: NDArray[np.void]) -> None:
        """Writes the frames of one chunk (dtype `TRACK`) as blocks."""
        for start in range(0, len(track), _MOST_RECORDS):
            records = track[start : start + _MOST_RECORDS].astype(TRACK, copy=False).tobytes()
            count = len(records) // TRACK.itemsize
            self._output.write(_BLOCK.pack(_MARK, count, _crc(records, count, self._seed)) + records)

    def close(self) -> None:
        """Ends the file."""
        self._output.close()


class Recording:
    """A recording being read: its `header`, then its frames in chunks; `end`: what its last page says, if that came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end: pages.End | None = None
        try:
            self._file: BinaryIO = path.open("rb")
            self.bytes_total = path.stat().st_size
            line = self._file.readline(_MOST_HEADER_BYTES)
        except OSError as error:
            raise _unreadable(path, error) from None
        self._seed = zlib.crc32(line)
        try:
            self.header = _header(path, line)
        except SourceError:
            self._file.close()
            raise

    @property
    def frames_total(self) -> int:
        """About how many frames the file holds, from its size; a page of packed ones holds about a second."""
        rest = max(0, self.bytes_total - self._file.tell())
        if self.header.version == IN_PAGES:
            return round(rest / pages.PAGE * self.header.rate_hz)
        return rest // TRACK.itemsize

    def tracks(self, frames: int = 4096) -> Iterator[NDArray[np.void]]:
        """Chunks of at least `frames` frames (the last one smaller), in order; raises where the file goes wrong."""
        waiting: list[NDArray[np.void]] = []
        seen, last_s = 0, -np.inf
        try:
            for block in self._in_pages() if self.header.version == IN_PAGES else self._blocks():
                good = _sound(block, last_s)
                waiting.append(block[:good])
                if good < len(block):
                    raise self._bad_record(
                        block[good], seen + good, last_s if good == 0 else block["t_s"][good - 1]
                    )
                seen, last_s = seen + good, float(block["t_s"][-1])
                if sum(map(len, waiting)) >= frames:
                    yield np.concatenate(waiting)
                    waiting = []
        except SourceError as error:
            if sum(map(len, waiting)):
                yield np.concatenate(waiting)
            raise error from None
        if waiting:
            yield np.concatenate(waiting)
        if not seen:
            raise SourceError(
                f"{self.path}: a recording without any frame", fix="record again; nothing was lost"
            )

    def close(self) -> None:
        """Lets the file go."""
        self._file.close()

    def _blocks(self) -> Iterator[NDArray[np.void]]:
        while head := self._file.read(_BLOCK.size):
            at = self._file.tell() - len(head)
            if len(head) < _BLOCK.size:
                raise self._torn(at)
            mark, count, crc = _BLOCK.unpack(head)
            if mark != _MARK or not 0 < count <= _MOST_RECORDS:
                raise self._damaged(at)
            records = self._file.read(count * TRACK.itemsize)
            if len(records) < count * TRACK.itemsize:
                raise self._torn(at)
            if _crc(records, count, self._seed) != crc:
                raise self._damaged(at)
            yield np.frombuffer(records, TRACK)

    def _in_pages(self) -> Iterator[NDArray[np.void]]:
        at = self._file.tell()
        try:
            while block := pages.read_block(self._file, at, self._seed):
                at = block.next_at
                if block.is_end:
                    self.end = block.end()
                    return
                yield np.frombuffer(block.records(), TRACK)
        except pages.Torn as torn:
            raise self._torn(torn.at) from None
        except pages.Damaged as damaged:
            raise self._damaged(damaged.at) from None

    def _torn(self, at: int) -> SourceError:
        return SourceError(
            f"{self.path}: ends in the middle of a block at byte {at} (power cut or a copy broken off)",
            fix="everything before it was used; copy the file again if the original is longer",
        )

    def _damaged(self, at: int) -> SourceError:
        return SourceError(
            f"{self.path}: damaged at byte {at} (header or checksum do not fit)",
            fix="everything before it was used; copy the file again from where it was recorded",
        )

    def _bad_record(self, record: np.void, index: int, before_s: float) -> SourceError:
        time_s = float(record["t_s"])
        if not np.isfinite(time_s):
            what = f"has the time {time_s}"
        elif time_s <= before_s:
            what = f"has the time {time_s} s, not after {before_s} s before it"
        else:
            what = "has a keypoint at infinity"
        return SourceError(
            f"{self.path}: frame {index} (seq {int(record['seq'])}) {what}",
            fix="frames before it were used; times must be finite and advance from frame to frame",
        )


def _opening() -> bytes:
    return f'{{"format":"{FORMAT}"'.encode()


def _crc(records: bytes, count: int, seed: int) -> int:
    return zlib.crc32(records, zlib.crc32(struct.pack("<I", count), seed))


def _sound(block: NDArray[np.void], last_s: float) -> int:
    """How many records from the start have finite, advancing times and no keypoint at infinity."""
    times = block["t_s"]
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(times) | (np.diff(times, prepend=last_s) <= 0)
    bad |= np.isinf(block["xy_px"]).any(axis=(1, 2))
    return int(np.argmax(bad)) if bad.any() else len(block)


def _header(path: Path, line: bytes) -> Header:
    if not line:
        raise SourceError(f"{path}: is empty", fix="record again; check that the disk was not full")
    if not line.startswith(_opening()) or not line.endswith(b"\n"):
        raise SourceError(f"{path}: not a hipbar recording", fix="name a video, or a file made by --record")
    try:
        version = msgspec.json.decode(line).get("version")
        if version in (VERSION, IN_PAGES):
            return _checked(path, msgspec.json.decode(line, type=Header))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SourceError(
            f"{path}: damaged header: {error}", fix="copy the file again from where it was made"
        ) from None
    raise SourceError(
        f"{path}: recording format {version}, this hipbar reads {VERSION} and {IN_PAGES}",
        fix="replay it with the hipbar that made it",
    )


def _checked(path: Path, header: Header) -> Header:
    """Refuses a header whose figures can't be; a JSON parser has only seen to their types."""
    figures = (header.rate_hz, header.row_s, header.zero_deg, header.wall_s or 0.0, header.wall_at_s or 0.0)
    finite = all(np.isfinite(v) for v in figures)
    if header.marks != MARKS or not finite or min(header.width_px, header.height_px) < 1 or header.row_s < 0:
        raise SourceError(
            f"{path}: damaged header: impossible figures", fix="copy the file again from where it was made"
        )
    return header


def _unreadable(path: Path, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{path}: no such file", fix="check the path")
    if isinstance(error, IsADirectoryError):
        return SourceError(f"{path}: is a folder", fix="name a video or a recording in it")
    return SourceError(f"{path}: can't be read: {error.strerror}", fix="make the file readable for this user")
