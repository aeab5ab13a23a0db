"""A setting's key becomes what there is to know of it: kind and range, where its value is from, what a change brings.

Units are in the names of the keys. Where several say something, the last counts: default, sensor, settings file,
calibration, what somebody tries out at the running service. Refuses keys that there are not, with the nearest one.
"""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta

from appliance.config import Settings, entries
from appliance.errors import SettingsError
from appliance.station.calibration import STEPS, Calibration, Revision

DEFAULT = "default"

_AFFECTS = {
    "camera": "the picture, and so everything that is measured",
    "lens": "every angle: in which direction a pixel looks",
    "sight": "which bright spots count as dots",
    "motion": "angles, drops and means, on the bar and in recordings",
    "feedback": "what the bar shows; not what is measured or recorded",
    "strip": "how the bar is lit; not what is measured or recorded",
    "panel": "button and status light; the station runs without them",
    "gpio": "the panel, and a bar behind shift registers",
    "service": "what the service keeps, and when it starts anew",
    "clinic": "visits that are begun from then on; not the one that runs",
}
_AFFECTS_ALONE = {
    "camera.rotate_deg": "which way is up and which side is which: prove the sides again",
    "camera.mirror": "which side is which: prove the sides again",
    "feedback.swap": "which end of the bar is which side: prove the sides again",
    "strip.reversed": "which end of the bar is which side: prove the sides again",
    "strip.pieces": "which end of the bar is which side: prove the sides again",
    "lens.roll_deg": "every angle, one to one",
    "motion.zero_deg": "every angle and every drop, one to one",
}

_LIVE = (
    "feedback.",
    "sight.",
    "clinic.",
    "motion.smooth_ms",
    "motion.steps",
    "strip.brightness",
    "camera.exposure_us",
    "camera.gain",
)
_MEASURES_ANEW = ("lens.", "motion.zero_deg", "camera.mirror", "camera.rotate_deg", "service.")
_ONLY_ANEW = ("service.state", "service.memory_mb")
_REOPENS = {
    "camera": "the camera is opened anew: some seconds of `no data`",
    "strip": "the bar is opened anew: dark for a moment",
    "panel": "the panel is opened anew",
    "gpio": "bar and panel are opened anew: dark for a moment",
}
"""What a change brings; keys, or whole tables. A test holds it to what the service does."""


class Source(msgspec.Struct, frozen=True):
    """Settings, and for each key the words for where its value is from. name : whose they are, in words."""

    settings: Settings
    origins: Mapping[str, str]
    name: str


class Explained(msgspec.Struct, frozen=True):
    """One setting. of : whose value it is. applies : when a change counts. steps : the calibrations that set it."""

    key: str
    value: Any
    origin: str
    of: str
    default: Any
    allowed: str
    meaning: str
    affects: str
    applies: str
    steps: tuple[str, ...]


def explain(key: str, source: Source) -> Explained:
    """What there is to know of one key, which exists."""
    rows = {name: (value, default, meaning) for name, value, default, meaning in entries(source.settings)}
    value, default, meaning = rows[key]
    section = key.partition(".")[0]
    return Explained(
        key=key,
        value=value,
        origin=source.origins.get(key, DEFAULT),
        of=source.name,
        default=default,
        allowed=allowed(key),
        meaning=meaning,
        affects=_AFFECTS_ALONE.get(key, _AFFECTS[section]),
        applies=applies(key),
        steps=tuple(step for step, keys in STEPS.items() if key in keys),
    )


def applies(key: str) -> str:
    """When a change of it in the settings file counts, and what it interrupts."""
    if key in _ONLY_ANEW:
        return "at the next start: `sudo systemctl restart hipbar`"
    if key.startswith(_LIVE):
        brings = "nothing stops for it"
    elif key.startswith(_MEASURES_ANEW):
        brings = "the measuring begins anew: some steps until its first figure"
    else:
        brings = _REOPENS[key.partition(".")[0]]
    return f"at `hipbar config reload`; {brings}"


def allowed(key: str) -> str:
    """What values it takes, in words."""
    section, name = key.split(".")
    fields = {field.name: field.type for field in msgspec.structs.fields(type(getattr(Settings(), section)))}
    base, *extras = get_args(fields[name]) or (fields[name],)
    if get_origin(base) is Literal:
        return ", ".join(json.dumps(value) for value in get_args(base))
    if base is bool:
        return "true, false"
    if base is str:
        return "text"
    if get_origin(base) is tuple:
        return "list of pairs of whole numbers"
    kind = "whole number" if base is int else "number"
    return f"{kind}{_range(next(e for e in extras if isinstance(e, Meta)))}"


def _range(meta: Meta) -> str:
    if meta.gt is not None:
        return f" above {meta.gt:g}, up to {meta.le:g}"
    return f" from {meta.ge:g} to {meta.le:g}"


def named(word: str) -> tuple[str, ...]:
    """The keys that a word means: one, or all of a table. A key's last part will do where only one has it.

    Raises `SettingsError` with the nearest key.
    """
    keys = [key for key, *_ in entries(Settings())]
    tables = sorted({key.split(".")[0] for key in keys})
    if word in keys:
        return (word,)
    if word in tables:
        return tuple(key for key in keys if key.split(".")[0] == word)
    meant = [key for key in keys if key.split(".")[1] == word]
    if len(meant) == 1:
        return (meant[0],)
    raise SettingsError(f"there is no setting `{word}`", fix=_nearest(word, meant, keys, tables))


def _nearest(word: str, meant: list[str], keys: list[str], tables: list[str]) -> str:
    if meant:
        return f"there is {' and '.join(meant)}: name one of them"
    near = difflib.get_close_matches(word, [*keys, *tables], n=2)
    last = [key.split(".")[1] for key in keys]
    near = near or [
        key
        for name in difflib.get_close_matches(word.rpartition(".")[2], last, n=2)
        for key in keys
        if key.split(".")[1] == name
    ]
    if near:
        return "did you mean " + " or ".join(f"`{key}`" for key in dict.fromkeys(near)) + "?"
    return f"`hipbar config explain TABLE` lists a table: {', '.join(tables)}"


def origins(
    settings: Settings, file: Path | None, chosen: set[str], calibration: Calibration
) -> dict[str, str]:
    """Where each value is from, in words; keys that have their default value are left out.

    chosen : the keys that the file sets.
    """
    found = {key: str(file) for key in chosen}
    if settings.camera.source == "picamera":
        for key in ("width_px", "height_px", "rate_hz", "row_us"):
            if f"camera.{key}" not in chosen:
                found[f"camera.{key}"] = f"sensor {settings.camera.sensor}"
    for key in calibration.over(settings):
        if revision := calibration.made_by(key, settings):
            found[key] = revision_words(revision)
    return found


def revision_words(revision: Revision) -> str:
    """A revision of the calibration, named: number, step, day."""
    day = (
        "clock not set"
        if revision.clock_set is False
        else time.strftime("%Y-%m-%d", time.localtime(revision.made_s))
    )
    return f"calibration {revision.number}: {revision.step}, {day}"


def toml_lines(source: Source, *, comments: bool = True) -> Iterator[str]:
    """The settings as a settings file, table by table, with origin and meaning as comments."""
    section = ""
    for key, value, default, meaning in entries(source.settings):
        table, name = key.split(".")
        if table != section:
            yield from ([""] if section else [])
            yield f"[{table}]"
            section = table
        origin = source.origins.get(key, DEFAULT)
        said = DEFAULT if origin == DEFAULT else f"from {origin}, default {json.dumps(default)}"
        yield f"{name} = {json.dumps(value)}" + (f"  # {said}: {meaning}" if comments else "")
