"""Files that are damaged, cut off or something else are refused in words; none of them ends in a traceback."""

from __future__ import annotations

import contextlib
from pathlib import Path

import laboratories as lab
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import SourceError
from appliance.exchange.laboratory import read

SHORT = {name: rows[:300] for name, rows in lab.markers(names=lab.VICON).items()}


@pytest.fixture(scope="module")
def c3d_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return lab.to_c3d(tmp_path_factory.mktemp("c3d") / "a.c3d", SHORT, 150.0).read_bytes()


@pytest.fixture(scope="module")
def trc_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return lab.to_trc(tmp_path_factory.mktemp("trc") / "a.trc", SHORT, 150.0).read_text(encoding="utf-8")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.6, 0.95, 0.98])
def test_a_c3d_that_was_cut_off_is_refused(tmp_path: Path, c3d_bytes: bytes, share: float) -> None:
    path = tmp_path / "a.c3d"
    path.write_bytes(c3d_bytes[: int(share * len(c3d_bytes))])
    with pytest.raises(SourceError, match=r"cut off|is no C3D file, or damaged|holds no"):
        read(path)


@settings(max_examples=150, deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_c3d_with_wrong_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, c3d_bytes: bytes, places: list[tuple[int, int]]
) -> None:
    damaged = bytearray(c3d_bytes)
    for at, byte in places:
        damaged[at] = byte
    path = tmp_path_factory.mktemp("c3d") / "a.c3d"
    path.write_bytes(bytes(damaged))
    with contextlib.suppress(SourceError):
        capture = read(path)
        assert all(rows.shape == (len(capture.t_s), 3) for rows in capture.markers.values())


def test_a_c3d_with_an_unknown_unit_says_so(tmp_path: Path) -> None:
    lab.to_c3d(tmp_path / "odd.c3d", SHORT, 150.0, "furlong")
    with pytest.raises(SourceError, match="unit of length is `furlong`") as told:
        read(tmp_path / "odd.c3d")
    assert "--unit" in told.value.fix
    assert read(tmp_path / "odd.c3d", unit="mm").markers


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        ("PathFileType", "PathType", "is no TRC file"),
        ("LPSI", "", "fourth line does not name the markers"),
        ("\tmm\t", "\t\t", "does not say its unit"),
        ("0.00667", "0.00000", "time does not advance at frame 2"),
        ("0.00667", "abc", "line 8: `abc` is no number"),
        ("150.0\t", "100.0\t", "its head says 100 frames/s, its times 149"),
    ],
)
def test_a_trc_that_is_wrong_says_where(
    tmp_path: Path, trc_text: str, was: str, becomes: str, why: str
) -> None:
    path = tmp_path / "a.trc"
    assert was in trc_text
    path.write_text(trc_text.replace(was, becomes, 1), encoding="utf-8")
    with pytest.raises(SourceError, match=why):
        read(path)


@pytest.mark.parametrize("lines", [0, 1, 3, 5, 6])
def test_a_trc_without_frames_is_refused(tmp_path: Path, trc_text: str, lines: int) -> None:
    path = tmp_path / "a.trc"
    path.write_text("\n".join(trc_text.splitlines()[:lines]), encoding="utf-8")
    with pytest.raises(SourceError, match=r"no TRC|no frames"):
        read(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("hello\n", "names no markers"),
        ("\0\1\2", "is no CSV"),
        ("time_s,a_x,a_y,a_z\n0,1,2,3\n0.01,1,2,3\n", "does not say its unit of length"),
        ("a_x_mm,a_y_mm,a_z_mm\n1,2,3\n1,2,3\n", "no column of times"),
        ("time_s,a_x_mm,a_y_mm,a_z_m\n0,1,2,3\n", "several units: m, mm"),
        ("time_s,a_x_mm,a_y_mm,a_z_mm\n0,1,2,3\n0.01,1,two,3\n", "line 3: `two` is no number"),
        ("time_s,a_x_mm,a_y_mm,a_z_mm\n0,1,2,3\n,1,2,3\n", "column `time_s` has empty cells"),
        ("time_s,a_x_mm,a_y_mm,a_z_mm\n", "no frames"),
        ("Trajectories\n100\n,,A:LHEE,,\n", "cut off"),
        ("Trajectories\nfast\n,,A:LHEE,,\nFrame,Sub Frame,X,Y,Z\n,,mm,mm,mm\n1,0,1,2,3\n", "cut off"),
        ("Trajectories\n100\n,,,,\nFrame,Sub Frame,X,Y,Z\n,,mm,mm,mm\n1,0,1,2,3\n", "does not name markers"),
    ],
)
def test_a_csv_that_is_wrong_says_what(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=why):
        read(path)


def test_what_is_missing_in_a_csv_can_be_said_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("LHEE X,LHEE Y,LHEE Z\n1,2,3\n4,5,\n", encoding="utf-8")
    found = read(path, unit="cm", rate_hz=50.0)
    np.testing.assert_allclose(found.markers["LHEE"], [[0.01, 0.02, 0.03], [0.04, 0.05, np.nan]])
    np.testing.assert_allclose(found.t_s, [0.0, 0.02])


@pytest.mark.parametrize("name", ["run.mp4", "run", "run.xlsx"])
def test_other_files_are_refused_with_what_can_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match="no format that hipbar reads") as told:
        read(tmp_path / name)
    assert ".c3d, .trc and .csv" in told.value.fix


@pytest.mark.parametrize("name", ["a.c3d", "a.trc", "a.csv"])
def test_a_file_that_is_not_there_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read(tmp_path / name)
