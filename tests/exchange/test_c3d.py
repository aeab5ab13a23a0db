"""A C3D file of a visit is read by ezc3d, another library than the one that wrote it, and says the same."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from kept_visits import kept

from appliance.clinic.rows import VisitData
from appliance.errors import SourceError
from appliance.exchange import c3d, c3d_in
from appliance.exchange.even import Even, even
from appliance.records import MARKS

ezc3d = pytest.importorskip("ezc3d", reason="ezc3d has no wheel for this machine")

PAIR_MM = 250.0


def written(path: Path, data: VisitData, grid: Even) -> ezc3d.c3d:
    c3d.write(path, data, grid, "hipbar test")
    return ezc3d.c3d(str(path))


@pytest.fixture(scope="module")
def grid() -> Even:
    return even(kept().data, kept().chunks, PAIR_MM)


def test_ezc3d_finds_every_mark_where_the_plane_has_it_and_nothing_where_it_was_not_seen(
    tmp_path: Path, grid: Even
) -> None:
    read = written(tmp_path / "a.c3d", kept().data, grid)
    points, residuals = read["data"]["points"], read["data"]["meta_points"]["residuals"][0]
    assert read["parameters"]["POINT"]["LABELS"]["value"] == [*MARKS, "pelvis_obliquity"]
    assert read["parameters"]["POINT"]["UNITS"]["value"] == ["mm"]
    assert read["parameters"]["POINT"]["RATE"]["value"] == pytest.approx([120.0])
    for k in range(len(MARKS)):
        seen = np.isfinite(grid.marks[:, k]).all(axis=1)
        np.testing.assert_allclose(points[0, k, seen], grid.marks[seen, k, 0], atol=1e-3)
        np.testing.assert_allclose(points[2, k, seen], grid.marks[seen, k, 1], atol=1e-3)
        assert (points[1, k, seen] == 0).all()
        assert np.isnan(points[0, k, ~seen]).all()
        assert (residuals[k] >= 0).tolist() == seen.tolist()
    known = np.isfinite(grid.obliquity_deg)
    np.testing.assert_allclose(points[1, 4, known], grid.obliquity_deg[known], atol=1e-5)
    assert 0 < (~known).sum() < len(known)


def test_steps_are_foot_strikes_and_offs_with_their_sides_and_blocks_are_general_events(
    tmp_path: Path, grid: Even
) -> None:
    data = kept().data
    read = written(tmp_path / "a.c3d", data, grid)["parameters"]
    events, start_s = read["EVENT"], read["HIPBAR"]["START_S"]["value"][0]
    at_s = events["TIMES"]["value"] * np.array([[60.0], [1.0]])
    found = list(
        zip(events["CONTEXTS"]["value"], events["LABELS"]["value"], at_s.sum(axis=0) + start_s, strict=True)
    )
    for right, context in ((1, "Right"), (0, "Left")):
        steps = data.steps[data.steps["right"] == right]
        for label, name in (("Foot Strike", "contact_s"), ("Foot Off", "off_s")):
            times = [t for side, said, t in found if (side, said) == (context, label)]
            np.testing.assert_allclose(times, steps[name], atol=1e-4)
    assert [said for side, said, _ in found if side == "General"] == ["baseline", "feedback", "retention"]
    assert events["USED"]["value"][0] == len(found)
    assert read["SUBJECTS"]["NAMES"]["value"] == ["R-014"]


def test_more_than_255_events_go_on_under_numbered_names_and_none_is_lost(tmp_path: Path, grid: Even) -> None:
    data = kept().data
    many = np.concatenate([data.steps] * 8)
    many["contact_s"], many["off_s"] = np.linspace(0.5, 20.0, len(many)), np.linspace(0.6, 20.1, len(many))
    read = written(tmp_path / "a.c3d", msgspec.structs.replace(data, steps=many), grid)["parameters"]["EVENT"]
    counts = [len(read[f"LABELS{after}"]["value"]) for after in ("", "2", "3", "4")]
    assert counts[:3] == [255, 255, 255]
    assert sum(counts) == read["USED"]["value"][0] == 2 * len(many) + 3
    back = c3d_in.read(tmp_path / "a.c3d")
    start_s = grid.t_s[0]
    np.testing.assert_allclose([s.t_s + start_s for s in back.strikes], many["contact_s"], atol=1e-4)


def test_our_own_reader_gives_the_same_marks_in_metres(tmp_path: Path, grid: Even) -> None:
    c3d.write(tmp_path / "a.c3d", kept().data, grid, "hipbar test")
    back = c3d_in.read(tmp_path / "a.c3d")
    assert list(back.markers) == list(MARKS)
    for k, mark in enumerate(MARKS):
        np.testing.assert_allclose(back.markers[mark][:, [0, 2]], grid.marks[:, k] / 1e3, atol=1e-6)
    assert len(back.strikes) == len(kept().data.steps)


def test_more_frames_than_the_format_counts_are_refused_with_the_way_out(tmp_path: Path) -> None:
    n = 65535
    long = Even(120.0, np.arange(n) / 120.0, np.zeros((n, 4, 2)), np.zeros(n))
    with pytest.raises(SourceError, match="65,534") as told:
        c3d.write(tmp_path / "a.c3d", kept().data, long, "x")
    assert "--block" in told.value.fix
    assert not list(tmp_path.iterdir())


def test_nine_minutes_of_quick_steps_are_read_by_ezc3d(tmp_path: Path) -> None:
    n = 65534
    long = Even(120.0, np.arange(n) / 120.0, np.full((n, 4, 2), 5.0), np.full(n, 2.0))
    data = kept().data
    steps = np.resize(data.steps, 1820)  # 200 a minute
    steps["contact_s"] = 0.1 + 0.3 * np.arange(len(steps))
    steps["off_s"] = steps["contact_s"] + 0.2
    read = written(tmp_path / "a.c3d", msgspec.structs.replace(data, steps=steps), long)
    assert read["data"]["points"].shape == (4, 5, n)
    assert (read["data"]["points"][1, 4] == 2.0).all()
    assert read["parameters"]["EVENT"]["USED"]["value"][0] == 2 * 1820 + 3


def test_more_steps_than_the_format_holds_are_refused(tmp_path: Path) -> None:
    data = kept().data
    many = np.concatenate([data.steps] * 60)
    many["contact_s"] = many["off_s"] = 5.0
    n = 1200
    grid = Even(120.0, np.arange(n) / 120.0, np.zeros((n, 4, 2)), np.zeros(n))
    with pytest.raises(SourceError, match="foot contacts"):
        c3d.write(tmp_path / "a.c3d", msgspec.structs.replace(data, steps=many), grid, "x")


def test_a_part_without_any_step_or_block_s_begin_is_a_file_all_the_same(tmp_path: Path, grid: Even) -> None:
    data = msgspec.structs.replace(kept().data, steps=kept().data.steps[:0], blocks=())
    read = written(tmp_path / "a.c3d", data, grid)
    assert read["data"]["points"].shape[2] == len(grid.t_s)
    assert c3d_in.read(tmp_path / "a.c3d").strikes == ()
