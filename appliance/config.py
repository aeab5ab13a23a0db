"""A TOML file becomes frozen `Settings`; what is unknown, mistyped or out of range is refused whole, at once.

Every setting has a default, so the station runs without a file. Units are in the names: degrees, seconds,
milliseconds, pixels, milliamperes. Nothing else in the product reads a settings file.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from appliance.errors import SettingsError


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file; a key that nobody knows is an error."""


class Camera(_Section, frozen=True):
    """Where frames come from and how the camera is mounted."""

    source: Annotated[
        Literal["virtual", "v4l2", "video"],
        Meta(
            description="which driver: the virtual camera, a USB/V4L2 camera, or a video file played in real time"
        ),
    ] = "virtual"
    device: Annotated[str, Meta(description="v4l2: the device, best as /dev/v4l/by-id/...")] = "/dev/video0"
    file: Annotated[str, Meta(description="video: the file to play")] = ""
    runner: Annotated[
        str, Meta(description="virtual: which recorded runner (hipbar demo --help lists them)")
    ] = "rbds001"
    width_px: Annotated[int, Meta(ge=64, le=8192, description="picture width as the sensor delivers it")] = (
        480
    )
    height_px: Annotated[
        int, Meta(ge=64, le=8192, description="picture height as the sensor delivers it")
    ] = 640
    rate_hz: Annotated[float, Meta(ge=10, le=1000, description="frames a second to ask for")] = 120.0
    row_us: Annotated[
        float,
        Meta(ge=0, le=1000, description="rolling shutter: microseconds from one row to the next; 0 = global"),
    ] = 0.0
    rotate_deg: Annotated[
        Literal[0, 90, 180, 270],
        Meta(description="turn the picture clockwise by this much to see the runner upright"),
    ] = 0
    mirror: Annotated[
        bool, Meta(description="the upright picture shows the runner's left on the right; swap it back")
    ] = False


class Lens(_Section, frozen=True):
    """One calibration record: how a pixel becomes a ray. `fx_px = 0` means not calibrated: pixels as they are.

    OpenCV's model in sensor pixels (centre of the first pixel is 0, 0); pose of the camera against the runner.
    """

    fx_px: Annotated[float, Meta(ge=0, le=50000, description="focal length along x; 0 = no calibration")] = (
        0.0
    )
    fy_px: Annotated[
        float, Meta(ge=0, le=50000, description="focal length along y; 0 = the same as fx_px")
    ] = 0.0
    cx_px: Annotated[
        float, Meta(ge=-1, le=10000, description="principal point x; -1 = middle of the picture")
    ] = -1.0
    cy_px: Annotated[
        float, Meta(ge=-1, le=10000, description="principal point y; -1 = middle of the picture")
    ] = -1.0
    k1: Annotated[float, Meta(ge=-5, le=5, description="radial distortion, r^2")] = 0.0
    k2: Annotated[float, Meta(ge=-5, le=5, description="radial distortion, r^4")] = 0.0
    p1: Annotated[float, Meta(ge=-1, le=1, description="tangential distortion")] = 0.0
    p2: Annotated[float, Meta(ge=-1, le=1, description="tangential distortion")] = 0.0
    k3: Annotated[float, Meta(ge=-5, le=5, description="radial distortion, r^6")] = 0.0
    pitch_deg: Annotated[
        float, Meta(ge=-45, le=45, description="camera looks down: positive; needs fx_px")
    ] = 0.0
    roll_deg: Annotated[
        float, Meta(ge=-45, le=45, description="camera rolled clockwise, seen from behind it: positive")
    ] = 0.0
    yaw_deg: Annotated[
        float, Meta(ge=-45, le=45, description="camera turned to its right: positive; needs fx_px")
    ] = 0.0


class Sight(_Section, frozen=True):
    """What counts as a dot."""

    contrast: Annotated[
        int,
        Meta(
            ge=0, le=250, description="grey levels a dot must stand above its background; 0 = found by itself"
        ),
    ] = 0
    min_dot_px: Annotated[float, Meta(ge=1, le=50, description="smallest dot, across")] = 2.0
    max_dot_px: Annotated[float, Meta(ge=3, le=100, description="largest dot, across")] = 32.0


class Motion(_Section, frozen=True):
    """From keypoints to steps."""

    zero_deg: Annotated[
        float, Meta(ge=-20, le=20, description="obliquity standing still, subtracted from every angle")
    ] = 0.0
    smooth_ms: Annotated[float, Meta(ge=0, le=200, description="window of the live filter; 0 = none")] = 50.0
    steps: Annotated[int, Meta(ge=1, le=50, description="steps a side behind the running means")] = 7


class Feedback(_Section, frozen=True):
    """From figures to light."""

    mode: Annotated[
        Literal["asymmetry", "step", "live", "box", "off"],
        Meta(description="what the bar shows (docs/feedback.md)"),
    ] = "asymmetry"
    band_deg: Annotated[
        float, Meta(ge=0, le=20, description="target band: a difference up to this is level")
    ] = 2.0
    target_deg: Annotated[
        float, Meta(ge=0, le=30, description="step mode: a drop up to this is on target")
    ] = 5.0
    full_scale_deg: Annotated[
        float, Meta(ge=0.5, le=45, description="the figure that fills half of the bar")
    ] = 8.0
    sensitivity: Annotated[float, Meta(ge=0.1, le=10, description="multiplies the length of the bar")] = 1.0
    lights: Annotated[
        Literal["dropping", "stance"],
        Meta(description="which side lights for a drop: the hip that drops, or the leg that stands"),
    ] = "dropping"
    swap: Annotated[bool, Meta(description="exchange the bar's left and right ends")] = False
    palette: Annotated[
        Literal["blue-white", "amber-white", "green-violet", "white"], Meta(description="colours of the bar")
    ] = "blue-white"
    predict_ms: Annotated[
        float, Meta(ge=0, le=100, description="look ahead by the delay from exposure to light; 0 = off")
    ] = 0.0
    slew_ms: Annotated[float, Meta(ge=0, le=2000, description="shortest time from level to full scale")] = (
        150.0
    )
    fade_ms: Annotated[float, Meta(ge=0, le=2000, description="cross-fade between what the bar shows")] = (
        200.0
    )


class Strip(_Section, frozen=True):
    """The light bar."""

    kind: Annotated[
        Literal["terminal", "memory", "none"], Meta(description="which driver lights the bar")
    ] = "terminal"
    leds: Annotated[int, Meta(ge=4, le=300, description="how many LEDs")] = 32
    brightness: Annotated[float, Meta(gt=0, le=1, description="share of full brightness")] = 0.5
    current_cap_ma: Annotated[
        float, Meta(ge=20, le=20000, description="the whole strip never draws more")
    ] = 1000.0
    led_ma: Annotated[float, Meta(ge=1, le=100, description="current of one LED at full white")] = 60.0


class Settings(_Section, frozen=True):
    """All settings, section by section; see `docs/settings.md`."""

    camera: Camera = Camera()
    lens: Lens = Lens()
    sight: Sight = Sight()
    motion: Motion = Motion()
    feedback: Feedback = Feedback()
    strip: Strip = Strip()


def load(path: Path | str | None = None) -> Settings:
    """The settings of a TOML file, or the defaults without one.

    Raises `SettingsError` naming the file, the key and the remedy.
    """
    return Settings() if path is None else parse(_read(Path(path)), str(path))


def parse(text: str, origin: str = "settings") -> Settings:
    """Settings from TOML text; `origin` is named in errors."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{origin}: not TOML: {error}", fix="mend that line, or start from `hipbar config show`"
        ) from None
    try:
        settings = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise _explained(str(error), origin) from None
    _check(settings, origin)
    return settings


def entries(settings: Settings) -> Iterator[tuple[str, Any, Any, str]]:
    """Every setting as (dotted key, value, default, description), in the order of the file."""
    default = Settings()
    for section in msgspec.structs.fields(Settings):
        for field in msgspec.structs.fields(section.type):
            info = msgspec.inspect.type_info(field.type)
            text = (
                (info.extra_json_schema or {}).get("description", "")
                if isinstance(info, msgspec.inspect.Metadata)
                else ""
            )
            now = getattr(getattr(settings, section.name), field.name)
            yield (
                f"{section.name}.{field.name}",
                now,
                getattr(getattr(default, section.name), field.name),
                text,
            )


def keys_of(text: str) -> set[str]:
    """The dotted keys that a TOML text sets."""
    return {f"{s}.{k}" for s, table in tomllib.loads(text).items() if isinstance(table, dict) for k in table}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: no such file", fix="check the path, or leave --config out for the defaults"
        ) from None
    except IsADirectoryError:
        raise SettingsError(f"{path}: is a folder", fix="name the .toml file inside it") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: not a text file", fix="settings are a TOML file in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}", fix="make the file readable for this user") from None


def _explained(message: str, origin: str) -> SettingsError:
    """msgspec's message in the file's own words, with the nearest key for a typo."""
    what, _, where = message.partition(" - at `$")
    place = where.rstrip("`").lstrip(".")
    unknown = re.search(r"unknown field `(.+?)`", what)
    if not unknown:
        return SettingsError(
            f"{origin}: {place}: {what}", fix=f"`hipbar config show` explains {place or 'every setting'}"
        )
    known = [key for key, *_ in entries(Settings())]
    section = place.split(".")[0]
    names = (
        [k.split(".")[1] for k in known if k.startswith(section + ".")]
        if section
        else sorted({k.split(".")[0] for k in known})
    )
    near = difflib.get_close_matches(unknown[1], names, n=1)
    key = ".".join(p for p in (place, unknown[1]) if p)
    hint = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(names)}"
    return SettingsError(f"{origin}: unknown setting `{key}`", fix=hint)


def _check(s: Settings, origin: str) -> None:
    """What no single range can say."""
    for key, value, *_ in entries(s):
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{origin}: {key}: {value} is not a number", fix="give a finite number")
    posed = (
        s.lens.pitch_deg or s.lens.yaw_deg or s.lens.k1 or s.lens.k2 or s.lens.k3 or s.lens.p1 or s.lens.p2
    )
    if posed and not s.lens.fx_px:
        raise SettingsError(
            f"{origin}: lens: pitch, yaw and distortion need lens.fx_px",
            fix="set lens.fx_px to the focal length in pixels",
        )
    if s.sight.min_dot_px >= s.sight.max_dot_px:
        raise SettingsError(
            f"{origin}: sight.min_dot_px is not below sight.max_dot_px", fix="swap or mend them"
        )
    if s.camera.source == "video" and not s.camera.file:
        raise SettingsError(
            f'{origin}: camera.source is "video" without camera.file', fix="name the file in camera.file"
        )
