"""OpenSim itself reads the TRC and MOT files of a visit, and they say the same as the visit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kept_visits import kept

from appliance.exchange import opensim as ours
from appliance.exchange.even import Even, even
from appliance.records import MARKS

opensim = pytest.importorskip("opensim", reason="OpenSim has no wheel for this machine")


@pytest.fixture(scope="module")
def grid() -> Even:
    return even(kept().data, kept().chunks, 250.0)


def test_opensim_reads_the_marks_from_trc(tmp_path: Path, grid: Even) -> None:
    path = tmp_path / "run.trc"
    ours.write_trc(path, grid)
    table = opensim.TimeSeriesTableVec3(str(path))
    assert table.getTableMetaDataString("Units") == "mm"
    assert float(table.getTableMetaDataString("DataRate")) == 120.0
    assert tuple(table.getColumnLabels()) == MARKS
    np.testing.assert_allclose(table.getIndependentColumn(), grid.t_s, atol=1e-6)
    for k, mark in enumerate(MARKS):
        column = table.getDependentColumn(mark)
        places = np.array([[column[i][j] for j in range(3)] for i in range(0, len(grid.t_s), 7)])
        true = grid.marks[::7, k]
        seen = np.isfinite(true).all(axis=1)
        np.testing.assert_allclose(places[seen][:, [2, 1]], true[seen], atol=1e-5)
        assert (places[seen][:, 0] == 0).all()
        assert np.isnan(places[~seen]).all()
    assert not np.isfinite(grid.marks).all()


def test_opensim_reads_the_tilt_from_mot_in_degrees(tmp_path: Path, grid: Even) -> None:
    path = tmp_path / "run.mot"
    ours.write_mot(path, grid)
    storage, table = opensim.Storage(str(path)), opensim.TimeSeriesTable(str(path))
    assert storage.isInDegrees()
    assert tuple(table.getColumnLabels()) == ("pelvis_list", "pelvis_obliquity")
    found = table.getDependentColumn("pelvis_obliquity").to_numpy()
    np.testing.assert_allclose(found, grid.obliquity_deg, atol=1e-6)
    np.testing.assert_allclose(
        table.getDependentColumn("pelvis_list").to_numpy(), -grid.obliquity_deg, atol=1e-6
    )


def test_pelvis_list_turns_opensim_s_pelvis_to_the_side_that_is_lower() -> None:
    """About X, forward, as models have it: positive list must put the right side (Z) below."""
    turned = opensim.Rotation(np.radians(10.0), opensim.CoordinateAxis(0))
    right = turned.multiply(opensim.Vec3(0, 0, 1))
    assert right.get(1) < 0


def test_our_own_reader_gives_the_same_marks_in_metres(tmp_path: Path, grid: Even) -> None:
    ours.write_trc(tmp_path / "run.trc", grid)
    back = ours.read_trc(tmp_path / "run.trc")
    assert (back.rate_hz, tuple(back.markers)) == (120.0, MARKS)
    for k, mark in enumerate(MARKS):
        np.testing.assert_allclose(back.markers[mark][:, [2, 1]], grid.marks[:, k] / 1e3, atol=1e-8)


def test_opensim_s_own_trc_is_read(tmp_path: Path, grid: Even) -> None:
    ours.write_trc(tmp_path / "ours.trc", grid)
    opensim.TRCFileAdapter.write(
        opensim.TimeSeriesTableVec3(str(tmp_path / "ours.trc")), str(tmp_path / "theirs.trc")
    )
    back = ours.read_trc(tmp_path / "theirs.trc")
    for k, mark in enumerate(MARKS):
        np.testing.assert_allclose(back.markers[mark][:, [2, 1]], grid.marks[:, k] / 1e3, atol=1e-7)
