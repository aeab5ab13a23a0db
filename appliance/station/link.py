"""Requests, answers and live pictures become frames of bytes on a local socket, and frames become them again.

One frame is four bytes of length, big-endian, and one msgpack map. Seconds are of CLOCK_MONOTONIC, pixels the sensor's
unless a name says otherwise; a figure that is not known is None, a mark that is not seen NaN. No socket is opened here.
Refuses, with `Misunderstood`, every frame that is too long, no msgpack, no known request, or has fields too many, too
few or of another type.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from appliance.errors import HipbarError

PROTOCOL = 1
SOCKET = "control"
"""The socket's name in the runtime folder."""

MOST_ASKED = 64 * 1024
MOST_TOLD = 16 * 1024 * 1024
HEAD = struct.Struct(">I")
LIVE_HZ = 30.0
"""Nobody gets more live messages a second than this."""

LEND_S = 2.0
_MOST_LEDS = 4096
_LONGEST_PATH = 100
_DEEP = 6
"""Figures may be lists in maps in lists, but not without end."""

Id = Annotated[int, Meta(ge=0, le=2**53)]
Side = Annotated[int, Meta(ge=0, le=16384)]
Place = Annotated[int, Meta(ge=0, le=16384)]
Size = Annotated[int, Meta(ge=1, le=16384)]
Key = Annotated[str, Meta(min_length=1, max_length=64)]
Word = Annotated[str, Meta(max_length=64)]
Value = bool | int | float | Annotated[str, Meta(max_length=256)]
Spot = tuple[Place, Place, Size, Size]

TRYABLE = (
    *("feedback.", "sight.", "motion.", "lens."),
    *("camera.mirror", "camera.rotate_deg", "camera.exposure_us", "camera.gain"),
    *("strip.brightness", "strip.current_cap_ma", "strip.reversed", "strip.order"),
)
"""The settings that may be tried while the station runs; one that ends with a dot stands for its whole table."""


class Misunderstood(HipbarError):
    """A message that breaks the rules of the control link, or asks for what nobody may."""

    exit_code = 2


class Ask(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="ask"):
    """What every request has: a number of the client's own choice, which its answers bear."""

    id: Id


class AskHello(Ask, frozen=True, tag="hello"):
    """Who is there?"""


class AskStatus(Ask, frozen=True, tag="status"):
    """What the station knows of itself, now."""


class AskSettings(Ask, frozen=True, tag="settings"):
    """The settings in force, and where each comes from."""


class AskSet(Ask, frozen=True, tag="set"):
    """Tries settings, in memory only. keep : also when this connection has ended."""

    values: dict[Key, Value]
    keep: bool = False


class AskUnset(Ask, frozen=True, tag="unset"):
    """Takes back everything that is tried."""


class AskReload(Ask, frozen=True, tag="reload"):
    """Reads the settings file again."""


class AskCommit(Ask, frozen=True, tag="commit"):
    """Keeps what a calibration step has found."""

    step: Key
    values: dict[Key, Value]
    figures: dict[str, Any] = {}
    lens_mode: str | None = None
    proves_sides: bool = False


class AskRollback(Ask, frozen=True, tag="rollback"):
    """Goes back to what was in force after revision `to`; 0 = nothing calibrated."""

    to: Annotated[int, Meta(ge=0, le=2**31)]


class AskCalibration(Ask, frozen=True, tag="calibration"):
    """All revisions of the calibration."""


class AskPicture(Ask, frozen=True, tag="picture"):
    """One whole frame, newer than the request."""


class AskLive(Ask, frozen=True, tag="live"):
    """What is seen and shown, so many times a second, with a picture that fits into width x height; rate 0 ends it."""

    rate_hz: Annotated[float, Meta(ge=0, le=240)]
    width: Side = 0
    height: Side = 0


class AskFollow(Ask, frozen=True, tag="follow"):
    """Every frame's marks and angle; `spot` also measures the brightness there (x, y, width, height in pixels)."""

    on: bool
    spot: Spot | None = None


class AskBar(Ask, frozen=True, tag="bar"):
    """Lends the bar for a moment: three bytes an LED, red, green, blue; without them gives it back."""

    rgb: Annotated[bytes, Meta(max_length=3 * _MOST_LEDS)] | None = None
    for_s: Annotated[float, Meta(ge=0, le=LEND_S)] = 1.0


class AskVisit(Ask, frozen=True, tag="visit"):
    """Begins, steers or ends a visit, or says whose it was. Without `do` it only asks how the visit stands.

    kind, name : a cue trial's or an exercise's. number : of the visit in its protocol (0 = the next), or a cue trial's
    seconds (0 = 60). visit : which one is assigned.
    """

    do: Literal["", "ready", "start", "pause", "resume", "skip", "mark", "note", "stop", "assign"] = ""
    runner: Word = ""
    protocol: Word = ""
    number: Annotated[int, Meta(ge=0, le=10000)] = 0
    kind: Literal["visit", "cue trial", "exercise"] = "visit"
    name: Word = ""
    words: Annotated[str, Meta(max_length=500)] = ""
    visit: Annotated[int, Meta(ge=0, le=2**53)] = 0


Request = (
    AskHello
    | AskStatus
    | AskSettings
    | AskSet
    | AskUnset
    | AskReload
    | AskCommit
    | AskRollback
    | AskCalibration
    | AskPicture
    | AskLive
    | AskFollow
    | AskBar
    | AskVisit
)


class Hello(Struct, frozen=True, kw_only=True):
    """Whom one talks to. Size and camera are None until there is one; state as in the status."""

    protocol: int = PROTOCOL
    software: str = ""
    pid: int = 0
    boot_id: str | None = None
    state: str = ""
    width_px: int | None = None
    height_px: int | None = None
    rate_hz: float | None = None
    leds: int | None = None
    camera: dict[str, str | float | int] = {}


class Picture(Struct, frozen=True, kw_only=True):
    """One whole frame; luma is row after row, one byte a pixel."""

    seq: int
    t_s: float
    row_s: float
    width: int
    height: int
    luma: bytes


class Live(Struct, frozen=True, kw_only=True):
    """What was seen last, and what the bar shows. Fields of the frame are None before the first one.

    age_ms : of the frame when its light was out. quiet_ms : since that light, so that a camera that gives nothing is
    seen. state as in the status; shown : name of a `Shown`, or "lent". moment : as MOMENT, absent figures None.
    steps : the last ones, the oldest first: stance, contact_s, off_s, on the clock of t_s.
    xy_px : rows as MARKS, NaN = not seen. leds : as lit. missed : live messages that this client did not take.
    luma : width x height bytes, a reduced picture; empty without one.
    """

    state: str
    shown: str = ""
    mode: str = ""
    seq: int | None = None
    t_s: float | None = None
    age_ms: float | None = None
    quiet_ms: float | None = None
    moment: dict[str, float | int | None] = {}
    steps: list[tuple[str, float, float]] = []
    xy_px: list[list[float]] | None = None
    score: list[float] = []
    leds: bytes = b""
    missed: int = 0
    width: int = 0
    height: int = 0
    luma: bytes = b""


class _Numbered(Struct):
    id: Id = 0


_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_numbers = msgspec.msgpack.Decoder(_Numbered)
_answers = msgspec.msgpack.Decoder(dict[str, Any])
_encoder = msgspec.msgpack.Encoder()
_BROKEN = (msgspec.DecodeError, ValueError, RecursionError, OverflowError, MemoryError)
_READ = "the requests are in docs/control.md"


def framed(message: Any, most: int = MOST_TOLD) -> bytes:
    """A message (map or record) as one frame; `Misunderstood` when it is longer than `most`."""
    body = _encoder.encode(message)
    if len(body) > most:
        raise Misunderstood(f"a message of {len(body):,} bytes, {most:,} at most", fix="ask for less at once")
    return HEAD.pack(len(body)) + body


def length_of(head: bytes, most: int) -> int:
    """How long the body behind these four bytes is."""
    (length,) = HEAD.unpack(head)
    if not 0 < length <= most:
        raise Misunderstood(f"a frame of {length:,} bytes, 1 to {most:,} may be sent", fix=_READ)
    return int(length)


def request_of(body: bytes) -> Request:
    """The request in a frame's body."""
    try:
        request = _requests.decode(body)
    except _BROKEN as error:
        raise Misunderstood(f"not understood: {_short(error)}", fix=_READ) from None
    if isinstance(request, AskCommit) and not _plain(request.figures, _DEEP):
        raise Misunderstood(
            "figures: numbers, words and lists of them, not too deep", fix="leave out what is neither"
        )
    return request


def number_of(body: bytes) -> int:
    """The number of a request that may not be understood otherwise; 0 when that is not, either."""
    try:
        return _numbers.decode(body).id
    except _BROKEN:
        return 0


def answer_of(body: bytes) -> dict[str, Any]:
    """An answer or a live message, as a map."""
    try:
        return _answers.decode(body)
    except _BROKEN as error:
        raise Misunderstood(
            f"the answer makes no sense: {_short(error)}", fix="are tool and service of one version?"
        ) from None


def refusal(number: int, error: HipbarError) -> dict[str, Any]:
    """An error as an answer."""
    return {"id": number, "error": str(error), "fix": error.fix, "code": error.exit_code}


def check_tryable(values: Mapping[str, Any]) -> None:
    """Refuses a map of settings of which one may not be tried."""
    for key in values:
        if not any(key.startswith(start) if start.endswith(".") else key == start for start in TRYABLE):
            raise Misunderstood(
                f"{key[:64]!r} can't be tried while the station runs",
                fix="write it into the settings file; `hipbar config reload` applies it",
            )


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name for a socket that the kernel takes: its 108 bytes are less than some folders have."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _short(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__


def _plain(value: Any, deep: int) -> bool:
    """Whether a value can stand in a JSON file."""
    if isinstance(value, dict):
        return deep > 0 and all(isinstance(k, str) and _plain(v, deep - 1) for k, v in value.items())
    if isinstance(value, list):
        return deep > 0 and all(_plain(v, deep - 1) for v in value)
    return value is None or isinstance(value, (bool, int, float, str))
