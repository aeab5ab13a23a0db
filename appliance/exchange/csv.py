"""Columns become a CSV file, and its readers get every figure back bit for bit.

UTF-8, a comma between cells, a full stop in figures, one head line; what was not measured is an empty cell. Figures are
written with as few digits as say exactly the same number. Refuses, with `OutputError`, a file that can't be written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from appliance.exchange.tables import Table
from appliance.exchange.whole import whole


def write(path: Path, names: Iterable[str], tables: Iterable[Table]) -> int:
    """Writes one table after the other under one head line; returns how many rows."""
    rows = 0
    with whole(path) as file:
        file.write(_lines([tuple(names)]))
        for table in tables:
            columns = [_cells(column) for column in table.values()]
            file.write(_lines(zip(*columns, strict=True)))
            rows += len(columns[0])
    return rows


def _lines(rows: Iterable[tuple[Any, ...]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _cells(column: NDArray[Any]) -> list[Any]:
    """A column as its cells; the shortest digits that give the same number are Python's own."""
    if column.dtype.kind == "f":
        return ["" if value != value else repr(value) for value in column.tolist()]
    if column.dtype.kind == "i":
        return ["" if value == -1 else value for value in column.tolist()]
    return list(column)
