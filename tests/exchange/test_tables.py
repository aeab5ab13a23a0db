"""CSV and Parquet files of a visit give other programs every figure back, bit for bit, and absence as absence."""

from __future__ import annotations

import csv as own_csv
import errno
import os
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_visits import kept

from appliance.clinic.rows import STEP, BlockRow
from appliance.clinic.terms import Block, Kind, Rep
from appliance.errors import OutputError
from appliance.exchange import csv, parquet, tables
from appliance.records import MARKS, Side

PAGE = (Path(__file__).resolve().parents[2] / "docs/exchange.md").read_text(encoding="utf-8")
FLOATS = [name for name in STEP.names or () if STEP[name].kind == "f"]


def same(found: np.ndarray, true: np.ndarray) -> bool:
    """Bit for bit, and NaN where there is none."""
    return np.array_equal(
        found.view("<i8")[~np.isnan(true)], true.view("<i8")[~np.isnan(true)]
    ) and np.array_equal(np.isnan(found), np.isnan(true))


def test_duckdb_and_arrow_read_a_visit_s_steps_from_csv_as_they_were_measured(tmp_path: Path) -> None:
    visit, path = kept(), tmp_path / "steps.csv"
    assert csv.write(path, tables.STEPS, [tables.steps(visit.data)]) == len(visit.data.steps)
    read = pyarrow.csv.read_csv(path)
    asked = duckdb.sql(f"SELECT * FROM read_csv('{path}', header = true) ORDER BY step").fetchnumpy()
    for name in FLOATS:
        assert same(np.array(read[name].to_numpy(), float), visit.data.steps[name]), name
        assert same(np.ma.filled(asked[name].astype(float), np.nan), visit.data.steps[name]), name
    assert read["stance"].to_pylist() == ["right" if r else "left" for r in visit.data.steps["right"]]
    assert set(zip(read["stance"].to_pylist(), read["dropping_hip"].to_pylist(), strict=True)) == {
        ("left", "right"),
        ("right", "left"),
    }


def test_what_was_not_measured_is_an_empty_cell_and_never_zero(tmp_path: Path) -> None:
    visit, path = kept(), tmp_path / "trace.csv"
    rows = csv.write(path, tables.FRAMES, tables.frames(visit.data, visit.chunks))
    with path.open(encoding="utf-8", newline="") as file:
        read = list(own_csv.DictReader(file))
    track, trace = (np.concatenate([chunk[k] for chunk in visit.chunks]) for k in (1, 2))
    assert rows == len(read) == len(track)
    unseen = np.isnan(track["xy_px"][:, 1, 0])
    assert unseen.sum() == 15
    assert [row["pelvis_right_x_px"] == "" for row in read] == unseen.tolist()
    assert [row["obliquity_deg"] == "" for row in read] == np.isnan(trace["obliquity_deg"]).tolist()
    assert {row["posture"] for row in read} <= {"unseen", "standing", "moving", "running"}
    assert {row["shown"] for row in read} == {"measurement"}


def test_duckdb_reads_steps_and_frames_from_parquet_as_they_were_measured(tmp_path: Path) -> None:
    visit, steps, trace = kept(), tmp_path / "steps.parquet", tmp_path / "trace.parquet"
    parquet.write(steps, tables.STEPS, {"visit": '{"id": 7}'}, [tables.steps(visit.data)])
    parquet.write(trace, tables.FRAMES, {}, tables.frames(visit.data, visit.chunks))
    read = duckdb.sql(f"SELECT * FROM '{steps}' ORDER BY step").fetchnumpy()
    for name in FLOATS:
        assert same(np.ma.filled(read[name].astype(float), np.nan), visit.data.steps[name]), name
    frames = duckdb.sql(f"SELECT * FROM '{trace}' ORDER BY camera_s").fetchnumpy()
    track = np.concatenate([chunk[1] for chunk in visit.chunks])
    for k, mark in enumerate(MARKS):
        assert same(np.ma.filled(frames[f"{mark}_y_px"].astype(float), np.nan), track["xy_px"][:, k, 1])
    nulls = duckdb.sql(f"SELECT count(*) FROM '{trace}' WHERE pelvis_right_x_px IS NULL").fetchall()
    assert nulls == [(15,)]


def test_a_parquet_file_carries_meanings_and_the_visit_and_few_row_groups(tmp_path: Path) -> None:
    visit, path = kept(), tmp_path / "trace.parquet"
    parquet.write(path, tables.FRAMES, {"visit": '{"id": 7}'}, tables.frames(visit.data, visit.chunks))
    file = pyarrow.parquet.ParquetFile(path)
    assert file.schema_arrow.metadata[b"hipbar.visit"] == b'{"id": 7}'
    assert file.schema_arrow.field("t_s").metadata[b"meaning"] == tables.FRAMES["t_s"].encode()
    assert file.metadata.num_row_groups == 1 < len(visit.chunks)


def test_a_step_in_no_block_and_a_visit_of_nobody_are_empty(tmp_path: Path) -> None:
    data = kept().data
    steps = data.steps.copy()
    steps["block"][0] = -1
    visit = msgspec.structs.replace(data.visit, runner=None)
    data = msgspec.structs.replace(data, steps=steps, visit=visit)
    for path, write in (
        (tmp_path / "a.csv", lambda p, t: csv.write(p, tables.STEPS, t)),
        (tmp_path / "a.parquet", lambda p, t: parquet.write(p, tables.STEPS, {}, t)),
    ):
        write(path, [tables.steps(data)])
        asked = duckdb.sql(f"SELECT block, block_kind, runner FROM '{path}' ORDER BY step LIMIT 1").fetchall()
        assert asked == [(None, None, None)]


def test_every_column_is_in_the_documents_with_its_meaning() -> None:
    for name, meaning in (
        tables.STEPS | tables.REPS | {k: v for k, v in tables.FRAMES.items() if "pelvis_" not in k}
    ).items():
        if not name.startswith(("left_heel", "right_heel")):
            assert f"| `{name}` | {meaning} |" in PAGE, name


@given(st.lists(st.floats(), min_size=1))
def test_any_figure_comes_back_from_a_csv_cell_with_the_same_bits(values: list[float]) -> None:
    cells = csv._cells(np.array(values))
    back = np.array([float(cell) if cell else np.nan for cell in cells])
    assert same(back, np.array(values))


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("as before")

    def breaking():  # type: ignore[no-untyped-def]
        yield tables.steps(kept().data)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match="No space left") as told:
        csv.write(path, tables.STEPS, breaking())
    assert "make room" in told.value.fix
    assert path.read_text() == "as before"
    assert [file.name for file in tmp_path.iterdir()] == ["steps.csv"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="can't be written"):
        csv.write(tmp_path / "no/steps.csv", tables.STEPS, [tables.steps(kept().data)])


def test_repetitions_go_out_with_their_exercise_set_and_side(tmp_path: Path) -> None:
    block = Block(kind=Kind.REPS, seconds=60.0, exercise="hip drop", side=Side.LEFT, set_number=2, reps=15)
    reps = (
        Rep(at_s=3.0, n=4, number=1, began_s=1.0, ended_s=3.0, range_deg=6.5),
        Rep(at_s=50.0, n=4, number=2, began_s=9.0, ended_s=50.0, level_s=33.25),
    )
    blocks = (BlockRow(n=4, block=block, began_s=0.0),)
    data = msgspec.structs.replace(kept().data, blocks=blocks, reps=reps)
    csv.write(tmp_path / "a.csv", tables.REPS, [tables.reps(data)])
    parquet.write(tmp_path / "a.parquet", tables.REPS, {}, [tables.reps(data)])
    for path in (tmp_path / "a.csv", tmp_path / "a.parquet"):
        assert duckdb.sql(f"SELECT * FROM '{path}' ORDER BY number").fetchall() == [
            (7, "R-014", 4, "hip drop", "left", 2, 1, 1.0, 3.0, 6.5, None),
            (7, "R-014", 4, "hip drop", "left", 2, 2, 9.0, 50.0, None, 33.25),
        ]


def test_a_visit_without_steps_is_a_head_line_and_no_row(tmp_path: Path) -> None:
    data = msgspec.structs.replace(kept().data, steps=kept().data.steps[:0])
    assert csv.write(tmp_path / "a.csv", tables.STEPS, [tables.steps(data)]) == 0
    assert (tmp_path / "a.csv").read_text() == ",".join(tables.STEPS) + "\n"
    assert parquet.write(tmp_path / "a.parquet", tables.STEPS, {}, [tables.steps(data)]) == 0
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/a.parquet'").fetchall() == [(0,)]
