"""Columns become a Parquet file: typed, compressed, with each column's meaning and the visit's facts beside them.

What was not measured is a null. Refuses, with `OutputError`, a file that can't be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.exchange.tables import Table
from appliance.exchange.whole import whole

_FLOATS, _WORDS = ("_s", "_deg", "_px", "score", "quality"), (
    "runner", "protocol", "block_kind", "block_name", "stance", "dropping_hip", "exercise", "side", "posture", "shown",
)  # fmt: skip


def write(path: Path, meanings: Mapping[str, str], facts: Mapping[str, str], tables: Iterable[Table]) -> int:
    """Writes tables as row groups of one file; `facts` go into the file's own metadata. Returns how many rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [pa.field(name, _type(pa, name), metadata={"meaning": words}) for name, words in meanings.items()],
        metadata={f"hipbar.{key}": value for key, value in facts.items()},
    )
    rows = 0
    with whole(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as out:
        for table in _gathered(tables):
            batch = pa.table([_column(pa, schema.field(n).type, c) for n, c in table.items()], schema=schema)
            out.write_table(batch)
            rows += len(batch)
    return rows


def _gathered(tables: Iterable[Table], rows: int = 1 << 16) -> Iterator[Table]:
    """Tables of at least so many rows (the last one smaller): a row group a second would be slow to read."""
    waiting: list[Table] = []
    for table in tables:
        waiting.append(table)
        if sum(_rows(one) for one in waiting) >= rows:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _rows(table: Table) -> int:
    return len(next(iter(table.values())))


def _joined(tables: list[Table]) -> Table:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _type(pa: Any, name: str) -> Any:
    if name in _WORDS:
        return pa.dictionary(pa.int32(), pa.string())
    return pa.float64() if name.endswith(_FLOATS) else pa.int64()


def _column(pa: Any, kind: Any, column: NDArray[Any]) -> Any:
    if column.dtype.kind == "f":
        return pa.array(column, kind, mask=column != column)
    if column.dtype.kind == "i":
        return pa.array(column, kind, mask=column == -1)
    return pa.array([word or None for word in column.tolist()], pa.string()).dictionary_encode().cast(kind)
