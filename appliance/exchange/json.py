"""All of a visit becomes one JSON file, and that file becomes the same visit again, bit for bit.

The columns and units are those of `tables`; what was not measured is null. Paths and addresses of a
station's own are left out of its settings. Frames are chunks of columns, so that half an hour is written and read a
chunk at a time. Refuses, with `SourceError`, a file that is not one of these, newer,
damaged, or whose columns do not fit together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.clinic.rows import STEP, TRACE, BlockRow, EventRow, SpanRow, StretchRow, VisitData, VisitRow
from appliance.clinic.terms import Rep
from appliance.errors import SourceError
from appliance.exchange import tables
from appliance.exchange.tables import Chunk, Table
from appliance.exchange.whole import whole
from appliance.records import MARKS, TRACK, Posture, Shown

FORMAT, VERSION = "hipbar-visit", 1
_TEXTS = ("header", "settings", "calibration")
_PLACES = {
    ("camera", "device"): "/dev/video0",
    ("camera", "file"): "",
    ("camera", "scene"): "",
    ("strip", "host"): "",
    ("service", "state"): "/var/lib/hipbar",
}
"""Settings that say where on which machine something is, as every station has them; others stay at home."""
_POSTURES = {p.name.lower(): int(p) for p in Posture}
_WRONG = (msgspec.MsgspecError, KeyError, TypeError, ValueError, IndexError, OverflowError)
_SHOWN = {s.name.lower().replace("_", " "): int(s) for s in Shown}


class _File(msgspec.Struct, kw_only=True):
    """The file as it is decoded; steps and frames are looked at piece by piece."""

    format: str
    version: int
    visit: VisitRow
    blocks: tuple[BlockRow, ...]
    stretches: tuple[StretchRow, ...]
    events: tuple[EventRow, ...]
    spans: list[dict[str, msgspec.Raw]]
    reps: tuple[Rep, ...] = ()
    edition: int = 0
    steps: list[dict[str, Any]]
    frames: list[msgspec.Raw] = []


def write(path: Path, data: VisitData, chunks: Iterable[Chunk]) -> int:
    """Writes the visit with the frames in `chunks`; returns how many frames."""
    head: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "visit": data.visit,
        "edition": data.edition,
    }
    head |= {"blocks": data.blocks, "stretches": data.stretches, "events": data.events, "reps": data.reps}
    head["spans"] = [_span(row) for row in data.spans]
    head["steps"] = _rows(tables.steps(data))
    count, comma = 0, b""
    with whole(path) as file:
        file.write(msgspec.json.encode(head)[:-1] + b',"frames":[')
        for table in tables.frames(data, chunks):
            file.write(comma + b"\n" + msgspec.json.encode({k: v.tolist() for k, v in table.items()}))
            count, comma = count + len(table["t_s"]), b","
        file.write(b"\n]}\n")
    return count


def read(path: Path) -> tuple[VisitData, Iterator[Chunk]]:
    """The visit, and its frames chunk by chunk."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise SourceError(f"{path}: can't be read: {error.strerror}", fix="name another file") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None
    if found.format != FORMAT or found.version != VERSION:
        what = f"{path}: is `{found.format}` version {found.version}, not `{FORMAT}` version {VERSION}"
        raise SourceError(what, fix="export it with this version of hipbar")
    try:
        data = VisitData(
            visit=found.visit, blocks=found.blocks, stretches=found.stretches, events=found.events,
            spans=tuple(_span_row(span) for span in found.spans), reps=found.reps, edition=found.edition,
            steps=_steps(found.steps),
        )  # fmt: skip
    except _WRONG as error:
        raise _damaged(path, str(error)) from None
    return data, _chunks(path, found.frames, {span.n for span in data.spans})


def _span(row: SpanRow) -> dict[str, Any]:
    """A span with its JSON texts as JSON, verbatim but for places."""
    plain: dict[str, Any] = msgspec.to_builtins(row)
    plain["settings"] = _without_places(plain["settings"])
    return plain | {key: msgspec.Raw((plain[key] or "null").encode()) for key in _TEXTS}


def _without_places(text: str | None) -> str | None:
    """The settings in force without paths and addresses that only this station has; else the very same text."""
    try:
        found = msgspec.json.decode(text or "", type=dict[str, dict[str, Any]])
    except msgspec.MsgspecError:
        return text
    own = [
        (part, key) for (part, key), usual in _PLACES.items() if found.get(part, {}).get(key, usual) != usual
    ]
    for part, key in own:
        del found[part][key]
    return msgspec.json.encode(found).decode() if own else text


def _span_row(span: dict[str, msgspec.Raw]) -> SpanRow:
    texts = {key: bytes(span[key]).decode() for key in _TEXTS}
    rest = {key: msgspec.json.decode(value) for key, value in span.items() if key not in _TEXTS}
    return msgspec.convert(rest | {k: "" if v == "null" else v for k, v in texts.items()}, SpanRow)


def _rows(table: Table) -> list[dict[str, Any]]:
    columns = {name: column.tolist() for name, column in table.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _steps(rows: list[dict[str, Any]]) -> NDArray[np.void]:
    made = np.zeros(len(rows), STEP)
    made["n"] = [row["step"] for row in rows]
    made["right"] = [{"left": 0, "right": 1}[row["stance"]] for row in rows]
    for name in STEP.names or ():
        if name not in ("n", "right"):
            made[name] = [np.nan if row[name] is None else row[name] for row in rows]
    return made


def _chunks(path: Path, frames: list[msgspec.Raw], spans: set[int]) -> Iterator[Chunk]:
    for raw in frames:
        try:
            columns = msgspec.json.decode(raw, type=dict[str, list[Any]])
            chunk = _chunk(columns)
        except _WRONG as error:
            raise _damaged(path, str(error)) from None
        if chunk[0] not in spans:
            raise _damaged(path, f"frames of span {chunk[0]}, which it does not describe")
        yield chunk


def _chunk(columns: dict[str, list[Any]]) -> Chunk:
    count = len(columns["t_s"])
    track, trace = np.zeros(count, TRACK), np.zeros(count, TRACE)
    track["seq"], track["t_s"] = columns["seq"], _floats(columns["camera_s"])
    for k, mark in enumerate(MARKS):
        track["xy_px"][:, k, 0] = _floats(columns[f"{mark}_x_px"])
        track["xy_px"][:, k, 1] = _floats(columns[f"{mark}_y_px"])
        track["score"][:, k] = _floats(columns[f"{mark}_score"])
    for name in ("t_s", "obliquity_deg", "sway_px", "height_px"):
        trace[name] = _floats(columns[name])
    trace["posture"] = [_POSTURES[word] for word in columns["posture"]]
    trace["shown"] = [_SHOWN[word] for word in columns["shown"]]
    return int(columns["span"][0]), track, trace


def _floats(values: list[Any]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def _damaged(path: Path, why: str) -> SourceError:
    return SourceError(
        f"{path}: is no visit that hipbar has exported, or damaged: {why}", fix="export it again"
    )
