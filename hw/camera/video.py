"""A video file becomes frames with the file's own times: luma as decoded, through OpenCV's FFmpeg reader.

Times are what the container says, in seconds (Matroska keeps whole milliseconds, so 120 Hz comes as 8, 17, 25 ms); they
are passed on untouched, and whoever reads them judges them. A picture that the file asks to be shown turned (a phone's)
is turned, so rows are those of the upright picture. Grey and colour alike: luma only.
Refuses, with `SourceError`, what is no video, has no times, ends early or changes its size, where it shows: the frames
before that are still delivered. OpenCV itself stretches a frame of another size to the first one's, without a word, so
JPEG and PNG streams are watched for it in their own headers; other codecs can't be.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import SourceError
from appliance.records import U8, Frame
from hw.camera.pacing import Pace

_STILLS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"BM": "BMP", b"\0\0\0\1": "raw H.264/H.265"}
_LUMA_PLANE = ("Y800", "GREY", "I420", "IYUV", "YV12", "NV12", "NV21")
_WATCHED = ("MJPG", "mjpg", "jpeg", "MPNG", "png ")


class VideoFile:
    """A camera that plays a file: as fast as it decodes, or live at the file's own pace."""

    def __init__(
        self, path: str | Path, *, row_s: float = 0.0, realtime: bool = False, speed: float = 1.0
    ) -> None:
        self._path, self._row_s = Path(path), row_s
        self._realtime, self._speed = realtime, speed
        self._pace: Pace | None = None
        self._lost, self._last_s = 0, 0.0
        _check_file(self._path)
        self._reader, self._first = _opened(self._path)
        self._rate_hz = _rate_hz(self._path, self._reader)
        self._coded = _CodedSizes(self._path, self._reader)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames."""
        return self._first.shape[1], self._first.shape[0]

    @property
    def rate_hz(self) -> float:
        """Mean frames a second, as the file states."""
        return self._rate_hz

    @property
    def frames_total(self) -> int | None:
        """How many frames the file says it holds, for a progress bar; None when it does not say."""
        total = _get(self._reader, "CAP_PROP_FRAME_COUNT") if self._reader else 0.0
        return round(total) if 0 < total < 1e12 else None

    @property
    def lost(self) -> int:
        """Frames that a live reader was too late for."""
        return self._lost

    @property
    def restarts(self) -> int:
        """It never stalls."""
        return 0

    def about(self) -> dict[str, str | float | int]:
        """Facts for a technician."""
        width_px, height_px = self.size
        return {
            "driver": "video",
            "device": str(self._path),
            "width_px": width_px,
            "height_px": height_px,
            "rate_hz": self._rate_hz,
            "row_us": self._row_s * 1e6,
            "stamped_by": "file",
            "restarts": 0,
            "lost": self._lost,
        }

    def now_s(self) -> float:
        """Now on the frames' clock."""
        return self._pace.now_s() if self._pace else self._last_s

    def expose(self, exposure_us: float, gain: float) -> None:
        """Refused: what is on a film was exposed long ago."""
        raise SourceError(
            f"{self._path}: a film's exposure can't be changed", fix="use a camera to set exposure and gain"
        )

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.release()
            self._coded.close()
        self._reader = None

    def frames(self) -> Iterator[Frame | None]:
        """The frames from where the file stands to its end."""
        self._pace = Pace(self._speed) if self._realtime else None
        start_s, interval_s = None, 1.0 / self._rate_hz
        for seq, (t_s, luma) in enumerate(self._decoded()):
            start_s = t_s if start_s is None else start_s
            if self._pace is not None:
                due_s = t_s - start_s
                if self._pace.source_s() > due_s + interval_s:
                    self._lost += 1
                    continue
                while self._reader is not None and not self._pace.wait(due_s):
                    yield None
            self._last_s = t_s if self._pace is None else self._pace.stamp_s(t_s - start_s)
            yield Frame(seq=seq, t_s=self._last_s, luma=luma, row_s=self._row_s)

    def _decoded(self) -> Iterator[tuple[float, U8]]:
        """Time and luma of each frame; raises where the file turns out to be damaged."""
        luma: U8 | None = self._first
        first_s = last_s = math.nan
        widest_s, seq = 1.0 / self._rate_hz, 0
        while self._reader is not None and luma is not None:
            t_s = _get(self._reader, "CAP_PROP_POS_MSEC") * 1e-3
            self._check_size(seq, luma)
            widest_s = max(widest_s, t_s - last_s) if seq else widest_s
            first_s, last_s = (first_s if seq else t_s), t_s
            yield t_s, luma
            seq += 1
            luma = _read(self._reader) if self._reader is not None else None
        if self._reader is not None:
            self._check_end(seq, last_s - first_s, widest_s)

    def _check_size(self, seq: int, luma: U8) -> None:
        was, now = self._coded.next()
        if luma.shape != self._first.shape or was != now:
            (w, h), (w0, h0) = now or luma.shape[::-1], was or self.size
            raise SourceError(
                f"{self._path}: frame {seq} is {w}x{h}, the ones before are {w0}x{h0}",
                fix="cut the file where the picture changes its size, or record it anew",
            )

    def _check_end(self, seen: int, lasted_s: float, widest_s: float) -> None:
        """A count alone can be an estimate (Matroska); the time that is missing can't be argued away."""
        total = self.frames_total
        if total is None or seen >= total:
            return
        if total / self._rate_hz - lasted_s > 1.6 * widest_s:
            raise SourceError(
                f"{self._path}: ends after {seen} of {total} frames: truncated or damaged",
                fix="copy the file again; what came before was used",
            )


class _CodedSizes:
    """The picture size that each packet of a JPEG or PNG stream states itself."""

    def __init__(self, path: Path, reader: Any) -> None:
        import cv2

        self._packets: Any = None
        self._first: tuple[int, int] | None = None
        if _fourcc(reader, "CAP_PROP_FOURCC") in _WATCHED:
            self._packets = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])

    def next(self) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """The first packet's size and the next one's; None = not known."""
        ok, packet = self._packets.read() if self._packets is not None else (False, None)
        size = coded_size(packet.tobytes()) if ok and packet is not None else None
        self._first = self._first or size
        return (self._first, size) if size else (None, None)

    def close(self) -> None:
        if self._packets is not None:
            self._packets.release()


def coded_size(packet: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a JPEG or PNG picture; None for anything else."""
    if packet[:4] == b"\x89PNG" and len(packet) >= 24:
        width, height = struct.unpack_from(">II", packet, 16)
        return width, height
    if packet[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(packet) and packet[at] == 0xFF:
        kind, length = packet[at + 1], struct.unpack_from(">H", packet, at + 2)[0]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", packet, at + 5)
            return width, height
        at += 2 + length
    return None


def _check_file(path: Path) -> None:
    """What can be said before any decoder looks at it."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file", fix="check the path") from None
    except IsADirectoryError:
        raise SourceError(f"{path}: is a folder", fix="name the video file inside it") from None
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}", fix="make the file readable for this user") from None
    if not head:
        raise SourceError(f"{path}: empty file", fix="record or copy it again")
    for magic, kind in _STILLS.items():
        if head.startswith(magic):
            raise SourceError(
                f"{path}: {kind} without frame times",
                fix="put the frames into .mkv, .mp4 or .avi with their times",
            )


def _opened(path: Path) -> tuple[Any, U8]:
    """An open reader that has decoded its first frame, and that frame."""
    os.environ.setdefault(
        "OPENCV_FFMPEG_LOGLEVEL", "-8"
    )  # FFmpeg speaks to stderr otherwise; -8 is its "quiet"
    import cv2

    _hush(cv2)
    for convert in (0, 1):  # luma as it is stored, where it is a plane of its own; else through colour
        reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if reader.isOpened() and (convert or _fourcc(reader, "CAP_PROP_CODEC_PIXEL_FORMAT") in _LUMA_PLANE):
            reader.set(cv2.CAP_PROP_CONVERT_RGB, convert)
            reader.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
            luma = _read(reader)
            if luma is not None and luma.shape[::-1] == _stated_size(reader):
                return reader, luma
        reader.release()
    raise SourceError(
        f"{path}: no video that can be read, or cut off before its first frame",
        fix="try whether a player shows it; .mp4, .avi and .mkv are read, and an .mp4 needs its end",
    )


def _hush(cv2: Any) -> None:
    """OpenCV's own warnings off; the call has moved between its versions 4 and 5."""
    silence = getattr(cv2, "setLogLevel", None)
    if silence is None:
        silence = cv2.utils.logging.setLogLevel
    silence(0)


def _fourcc(reader: Any, name: str) -> str:
    return struct.pack("<I", int(_get(reader, name)) & 0xFFFFFFFF).decode("latin-1")


def _stated_size(reader: Any) -> tuple[int, int]:
    return round(_get(reader, "CAP_PROP_FRAME_WIDTH")), round(_get(reader, "CAP_PROP_FRAME_HEIGHT"))


def _read(reader: Any) -> U8 | None:
    """The next picture's luma; None at the end."""
    import cv2

    try:
        ok, picture = reader.read()
        if not ok or picture is None:
            return None
        if picture.dtype == np.uint16:
            picture = (picture >> 8).astype(np.uint8)
        if picture.ndim == 3 and picture.shape[2] > 1:
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    except cv2.error:
        return None
    return np.ascontiguousarray(picture.reshape(picture.shape[:2]), dtype=np.uint8)


def _get(reader: Any, name: str) -> float:
    import cv2

    return float(reader.get(getattr(cv2, name)))


def _rate_hz(path: Path, reader: Any) -> float:
    """The stated rate. FFmpeg makes one up (25 Hz) for an AVI that states none, so that is read from the header."""
    with path.open("rb") as file:
        head = file.read(4096)
    rate_hz = _get(reader, "CAP_PROP_FPS")
    stream, main = head.find(b"strh"), head.find(b"avih")
    if head[:4] == b"RIFF" and stream > 0 and main > 0 and len(head) >= stream + 36:
        frame_us = struct.unpack_from("<I", head, main + 8)[0]
        scale, rate = struct.unpack_from("<II", head, stream + 28)
        rate_hz = rate_hz if frame_us or (scale and rate) else 0.0
    if not (math.isfinite(rate_hz) and 0 < rate_hz <= 100_000):
        reader.release()
        raise SourceError(
            f"{path}: states no frame rate, so its frames have no times",
            fix="write the file again with its real frame rate",
        )
    return rate_hz
