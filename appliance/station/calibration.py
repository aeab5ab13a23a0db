"""What the station has measured of itself becomes its own file, revision after revision, and settings above the file's.

Values are dotted settings keys in the settings' own units; intrinsics of a lens are kept for each mode of the sensor. A
revision holds all that is in force from then on, so that going back is one more revision and nothing is ever lost. The
file is replaced whole. Refuses a file that is damaged or of a newer software, with `CalibrationError`, and values that
are no calibration's to set; a damaged file is put aside before another one is written, never over it.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from appliance.config import Settings
from appliance.errors import CalibrationError
from appliance.output import output_error, write_whole

FILE = "calibration.json"
FORMAT, VERSION = "hipbar-calibration", 1
_MOST_BYTES = 4_000_000
_MOST_REVISIONS = 300
_AGAIN = "`hipbar calibrate` makes a new one step by step"

Values = dict[str, Any]

LENS = frozenset(
    f"lens.{name}" for name in ("fx_px", "fy_px", "cx_px", "cy_px", "k1", "k2", "p1", "p2", "k3")
)
"""What belongs to a mode of a sensor and not to how the camera stands."""

STEPS: dict[str, frozenset[str]] = {
    "aim": frozenset({"lens.yaw_deg"}),
    "light": frozenset({"camera.exposure_us", "camera.gain", "sight.contrast"}),
    "lens": LENS,
    "strip": frozenset(
        {"strip.leds", "strip.order", "strip.reversed", "strip.brightness", "strip.current_cap_ma"}
    ),
    "sides": frozenset({"camera.mirror", "strip.reversed"}),
    "level": frozenset({"lens.roll_deg", "lens.pitch_deg"}),
    "zero": frozenset({"motion.zero_deg"}),
    "latency": frozenset({"feedback.predict_ms"}),
}
"""The steps in the order in which a station is set up, and what each may set: a mirror found late would turn angles."""

_SIDES = (
    *("camera.source", "camera.sensor", "camera.number", "camera.device", "camera.file"),
    *("camera.rotate_deg", "camera.mirror", "strip.kind", "strip.device", "strip.host", "strip.leds"),
    *("strip.reversed", "strip.pieces", "feedback.swap"),
)
"""All that decides which side is which; with one of them changed nothing is proved any more."""


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One state of the calibration, as a step left it.

    step : a step, or "rollback". made_s : wall clock, seconds since 1970; clock_set : whether that clock was set.
    values : everything in force from here on but for the lens. lenses : by sensor mode. figures : what this step
    measured, and nothing else. sides : the settings under which left was proved to be left; None = never.
    """

    number: int
    step: str
    made_s: float
    clock_set: bool | None = None
    software: str = ""
    values: Values = {}
    lenses: dict[str, Values] = {}
    figures: Values = {}
    sides: Values | None = None
    went_back_to: int | None = None


class Calibration(msgspec.Struct, frozen=True):
    """All revisions, the oldest first; empty = nothing was ever calibrated."""

    revisions: tuple[Revision, ...] = ()

    @property
    def current(self) -> Revision | None:
        """The one in force."""
        return self.revisions[-1] if self.revisions else None

    def over(self, settings: Settings) -> Values:
        """What counts above a settings file's own values, for the sensor mode that it names."""
        now = self.current
        return {} if now is None else {**now.lenses.get(mode_of(settings), {}), **now.values}

    def made_by(self, key: str, settings: Settings) -> Revision | None:
        """The revision that gave a key the value it has now; None when the calibration says nothing of it."""
        found = None
        for revision in reversed(self.revisions):
            over = Calibration((revision,)).over(settings)
            if key not in over or over[key] != self.over(settings).get(key):
                break
            found = revision
        return found

    def last(self, step: str) -> Revision | None:
        """The revision of a step whose work still counts: not one from before a rollback to earlier times."""
        at = len(self.revisions) - 1
        while at >= 0:
            revision = self.revisions[at]
            if revision.step == step:
                return revision
            back = revision.went_back_to
            at = at - 1 if back is None else self._place(back)
        return None

    def _place(self, number: int) -> int:
        return next((k for k, one in enumerate(self.revisions) if one.number == number), -1)


class _File(msgspec.Struct, frozen=True, kw_only=True):
    format: str = FORMAT
    version: int = VERSION
    crc32: int = 0
    revisions: tuple[Revision, ...] = ()


def mode_of(settings: Settings) -> str:
    """The name of the sensor mode that a lens is calibrated for: what is behind the lens, and how it is read out."""
    camera = settings.camera
    which = {"picamera": camera.sensor, "v4l2": camera.device, "video": camera.file}.get(camera.source, "")
    return f"{camera.source} {which} {camera.width_px}x{camera.height_px}".replace("  ", " ")


def values_at(settings: Settings, keys: tuple[str, ...] | frozenset[str]) -> Values:
    """Settings by their dotted keys, as plain values."""
    plain = msgspec.json.decode(msgspec.json.encode(settings))  # as a file gives them back: lists, no tuples
    return {key: plain[key.split(".")[0]][key.split(".")[1]] for key in keys}


def sides_of(settings: Settings) -> Values:
    """All that decides which side is which."""
    return values_at(settings, _SIDES)


def sides_proved(calibration: Calibration, settings: Settings) -> bool:
    """Whether left was proved to be left with everything as it is now."""
    now = calibration.current
    return now is not None and now.sides is not None and now.sides == sides_of(settings)


def read_calibration(state: Path) -> Calibration:
    """The station's own file; empty when there is none. Raises `CalibrationError`."""
    path = state / FILE
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return Calibration()
    except OSError as error:
        raise CalibrationError(f"{path}: can't be read: {error.strerror}", fix="`sudo` may help") from None
    try:
        version = msgspec.json.decode(data, type=_Version)
        if version.format == FORMAT and version.version > VERSION:
            raise CalibrationError(f"{path}: made by a newer hipbar", fix="update this one (docs/update.md)")
        found = msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise CalibrationError(f"{path}: damaged: no calibration file", fix=_AGAIN) from None
    if found.format != FORMAT or found.crc32 != _crc(found.revisions):
        raise CalibrationError(f"{path}: damaged: its checksum is wrong", fix=_AGAIN)
    return Calibration(found.revisions)


class _Version(msgspec.Struct, frozen=True):
    format: str = ""
    version: int = 0


def committed(
    calibration: Calibration,
    settings: Settings,
    step: str,
    values: Mapping[str, Any],
    figures: Mapping[str, Any],
    *,
    proves_sides: bool = False,
    software: str = "",
    clock_set: bool | None = None,
    now_s: float | None = None,
) -> Calibration:
    """The calibration with one more revision: what `step` found, laid over what was in force.

    settings : those in force with `values` in them, which `proves_sides` says was proved.
    """
    if step not in STEPS:
        raise CalibrationError(f"no step is called {step!r}", fix=f"steps: {', '.join(STEPS)}")
    if proves_sides and step != "sides":
        raise CalibrationError(
            f"{step}: does not prove which side is left", fix="`hipbar calibrate sides` does"
        )
    if strange := sorted(set(values) - STEPS[step]):
        raise CalibrationError(
            f"{step}: {strange[0]} is not its to set", fix="it is a setting: docs/settings.md"
        )
    before = calibration.current
    lens = {key: value for key, value in values.items() if key in LENS}
    lenses = dict(before.lenses) if before else {}
    if lens:
        lenses[mode_of(settings)] = lens
    kept = {key: value for key, value in values.items() if key not in LENS}
    sides = sides_of(settings) if proves_sides else before.sides if before else None
    return _grown(
        calibration,
        Revision(
            number=_next(calibration),
            step=step,
            made_s=time.time() if now_s is None else now_s,
            clock_set=clock_set,
            software=software,
            values={**(before.values if before else {}), **kept},
            lenses=lenses,
            figures=dict(figures),
            sides=sides,
        ),
    )


def gone_back(
    calibration: Calibration,
    to: int,
    *,
    software: str = "",
    clock_set: bool | None = None,
    now_s: float | None = None,
) -> Calibration:
    """The calibration with one more revision, which is as revision `to` was; 0 = nothing is calibrated."""
    wanted = next((one for one in calibration.revisions if one.number == to), None)
    if wanted is None and to != 0:
        raise CalibrationError(f"there is no revision {to}", fix="`hipbar calibrate history` lists them")
    base = wanted or Revision(number=0, step="", made_s=0.0)
    made_s = time.time() if now_s is None else now_s
    back = msgspec.structs.replace(
        base,
        number=_next(calibration),
        step="rollback",
        made_s=made_s,
        clock_set=clock_set,
        software=software,
        figures={},
        went_back_to=to,
    )
    return _grown(calibration, back)


def write_calibration(state: Path, calibration: Calibration) -> None:
    """Replaces the file, whole; one that can't be read is put aside first. Raises `OutputError`, `CalibrationError`.

    Refuses to write over a file whose last revision this calibration has never seen: it was not there to be read at the
    start, or somebody else has put it there. Where the file would be too large to be read again, the oldest go.
    """
    path = state / FILE
    try:
        last = read_calibration(state).current
    except CalibrationError as error:
        if "newer" in str(error):
            raise
        _put_aside(path)
    else:
        if last is not None and _crc((last,)) not in (_crc((one,)) for one in calibration.revisions):
            fix = "`hipbar config reload` takes it; then this step again"
            raise CalibrationError(f"{path}: holds another calibration than the one in force", fix=fix)
    with contextlib.suppress(OSError):
        state.mkdir(parents=True, exist_ok=True)
    revisions = calibration.revisions
    while len(data := _encoded(revisions)) > _MOST_BYTES and len(revisions) > 1:
        revisions = revisions[len(revisions) // 10 + 1 :]
    write_whole(path, data)


def _encoded(revisions: tuple[Revision, ...]) -> bytes:
    file = _File(crc32=_crc(revisions), revisions=revisions)
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def _put_aside(path: Path) -> None:
    """A second name for what will be replaced: until then it stays where it is."""
    aside = path.with_suffix(f".damaged-{time.time():.0f}")
    try:
        with contextlib.suppress(FileExistsError):
            aside.hardlink_to(path)
    except OSError:  # a file system without links
        try:
            path.rename(aside)
        except OSError as error:
            raise output_error(path, error) from None


def _grown(calibration: Calibration, revision: Revision) -> Calibration:
    return Calibration((*calibration.revisions, revision)[-_MOST_REVISIONS:])


def _next(calibration: Calibration) -> int:
    return calibration.current.number + 1 if calibration.current else 1


def _crc(revisions: tuple[Revision, ...]) -> int:
    return zlib.crc32(msgspec.json.encode(revisions, order="deterministic"))
