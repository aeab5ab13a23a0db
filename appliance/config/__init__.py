"""A TOML file becomes frozen `Settings`; what is unknown, mistyped or out of range is refused whole, at once.

Every setting has a default, so the station runs without a file. Units are in the names: degrees, seconds,
milliseconds, pixels, milliamperes. Nothing else in the product reads a settings file.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from appliance.config.checks import check, entries
from appliance.config.sections import (
    Camera,
    Clinic,
    Feedback,
    Gpio,
    Lens,
    Motion,
    Panel,
    Service,
    Settings,
    Sight,
    Strip,
)
from appliance.errors import SettingsError
from appliance.sensors import SENSORS

__all__ = [
    "Camera",
    "Clinic",
    "Feedback",
    "Gpio",
    "Lens",
    "Motion",
    "Over",
    "Panel",
    "Service",
    "Settings",
    "Sight",
    "Strip",
    "entries",
    "keys_of",
    "laid",
    "load",
    "parse",
    "wiring",
]


Over = Mapping[str, Any]
"""Dotted keys and values that count above those of a file: {"lens.roll_deg": 0.4}."""


def load(path: Path | str | None = None, over: Over | None = None) -> Settings:
    """The settings of a TOML file, or the defaults without one; `over` counts above it.

    Raises `SettingsError` naming the file, the key and the remedy.
    """
    return parse("" if path is None else _read(Path(path)), str(path or "settings"), over)


def parse(text: str, origin: str = "settings", over: Over | None = None) -> Settings:
    """Settings from TOML text with `over` above it; `origin` is named in errors."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{origin}: not TOML: {error}", fix="mend that line, or start from `hipbar config show`"
        ) from None
    except RecursionError:
        raise SettingsError(
            f"{origin}: brackets in brackets without end", fix="start from `hipbar config show`"
        ) from None
    try:
        settings = _with_sensor(msgspec.convert(table, Settings), table.get("camera", {}), origin)
    except msgspec.ValidationError as error:
        raise _explained(str(error), origin) from None
    check(settings, origin)
    return laid(settings, over, origin) if over else settings


def laid(settings: Settings, over: Over, origin: str = "settings") -> Settings:
    """Settings with other values above them; refused whole, like a file, with `SettingsError`."""
    table: dict[str, Any] = msgspec.to_builtins(settings)
    for key, value in over.items():
        section, _, name = key.partition(".")
        if not name:
            raise SettingsError(f"{origin}: unknown setting `{key}`", fix="keys look like feedback.mode")
        table.setdefault(section, {})[name] = value
    try:
        new = msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise _explained(str(error), origin) from None
    check(new, origin)
    return new


WIRING = ("camera", "lens", "strip", "panel", "gpio")
"""The tables that say how the station is built; the others say how it is used."""


def wiring(texts: Sequence[str], otherwise: Settings) -> Settings:
    """Only what settings texts say of how the station is built and which side is which; the rest from `otherwise`.

    Of each table the first that can be used counts; what does not fit together is looked for in the later texts alone.
    `otherwise` itself when nothing is found.
    """
    kept: dict[str, Any] = {}
    for table in map(_table, texts):
        for name in WIRING:
            if name not in kept and name in table and _usable({name: table[name]}):
                kept[name] = table[name]
        feedback = table.get("feedback")
        if isinstance(feedback, dict) and isinstance(feedback.get("swap"), bool):
            kept.setdefault("feedback", {"swap": feedback["swap"]})
    found = _usable(kept)
    if found is None:
        return wiring(texts[1:], otherwise)
    if not kept:
        return otherwise
    return msgspec.structs.replace(otherwise, **{name: getattr(found, name) for name in kept})


def _table(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _usable(table: dict[str, Any]) -> Settings | None:
    try:
        settings = _with_sensor(msgspec.convert(table, Settings), table.get("camera", {}), "")
        check(settings, "")
    except (msgspec.ValidationError, SettingsError):
        return None
    return settings


def _with_sensor(settings: Settings, given: dict[str, Any], origin: str) -> Settings:
    """A Pi camera's size, row time and rate are its sensor's, unless the file gives a slower rate or other row time."""
    camera = settings.camera
    if camera.source != "picamera":
        return settings
    sensor = SENSORS[camera.sensor]
    facts = {
        "width_px": sensor.width_px,
        "height_px": sensor.height_px,
        "rate_hz": sensor.rate_hz,
        "row_us": sensor.row_us,
    }
    for key in ("width_px", "height_px"):
        if given.get(key, facts[key]) != facts[key]:
            raise SettingsError(
                f"{origin}: camera.{key} = {given[key]}, but the sensor {camera.sensor} gives {facts[key]}",
                fix=f"leave camera.{key} out, or choose another camera.sensor",
            )
    if camera.rate_hz > sensor.rate_hz and "rate_hz" in given:
        raise SettingsError(
            f"{origin}: camera.rate_hz = {camera.rate_hz:g}, but the sensor {camera.sensor} reaches {sensor.rate_hz:g}",
            fix="lower camera.rate_hz or leave it out",
        )
    filled = {key: value for key, value in facts.items() if key not in given}
    return msgspec.structs.replace(settings, camera=msgspec.structs.replace(camera, **filled))


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
        key = place.partition("[")[0]
        fix = (
            f"`hipbar config explain {key}` says what it takes" if key else "start from `hipbar config show`"
        )
        return SettingsError(f"{origin}: {place}: {what}", fix=fix)
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
