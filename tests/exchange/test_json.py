"""A visit that is exported to JSON is the same visit again when it is read, and any JSON reader understands it."""

from __future__ import annotations

import contextlib
import json as own_json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kept_visits import kept

from appliance.clinic.rows import STEP
from appliance.errors import SourceError
from appliance.exchange import json, tables


def test_a_visit_comes_back_bit_for_bit_with_all_its_frames(tmp_path: Path) -> None:
    visit, path = kept(), tmp_path / "visit.json"
    frames = json.write(path, visit.data, visit.chunks)
    data, chunks = json.read(path)
    chunks = list(chunks)
    assert frames == sum(len(track) for _, track, _ in visit.chunks)
    assert data.steps.tobytes() == visit.data.steps.tobytes()
    assert msgspec.structs.replace(data, steps=None) == msgspec.structs.replace(visit.data, steps=None)
    for (n, track, trace), (n2, track2, trace2) in zip(visit.chunks, chunks, strict=True):
        assert (n, track.tobytes(), trace.tobytes()) == (n2, track2.tobytes(), trace2.tobytes())


def test_python_s_own_reader_finds_the_steps_by_the_documented_names(tmp_path: Path) -> None:
    visit, path = kept(), tmp_path / "visit.json"
    json.write(path, visit.data, [])
    read = own_json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert list(read["steps"][0]) == list(tables.STEPS)
    assert read["visit"]["runner"] == "R-014"
    assert read["spans"][0]["header"]["width_px"] == 480
    assert read["spans"][0]["calibration"] == {"lens": {"fx_px": 1.5}}
    assert read["visit"]["plan"]["title"] == "Grüße, «ü»"


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float64, (3, 13), elements=st.floats(allow_infinity=False)))
def test_any_steps_come_back_with_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray
) -> None:
    data = kept().data
    steps = data.steps[:3].copy()
    for k, name in enumerate(name for name in STEP.names or () if STEP[name].kind == "f"):
        steps[name] = np.where(np.isnan(values[:, k]), np.nan, values[:, k])
    path = tmp_path_factory.mktemp("json") / "visit.json"
    json.write(path, msgspec.structs.replace(data, steps=steps), [])
    assert json.read(path)[0].steps.tobytes() == steps.tobytes()


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        (b'"version":1', b'"version":2', "version 2"),
        (b'"hipbar-visit"', b'"other"', "`other`"),
        (b'"stance":"left"', b'"stance":"middle"', "middle"),
        (b'"contact_s":', b'"contact":', "contact_s"),
        (b'"steps":[', b'"steps":[{]', "malformed"),
        (b'"camera_s":[', b'"camera_s":["x",', ""),
        (b'"seq":[', b'"seq":[1,', ""),
        (b'"span":[1,', b'"span":[9,', "span 9, which it does not describe"),
        (b'"step":0', b'"step":99999999999999999999', ""),
    ],
)
def test_a_file_that_is_damaged_or_foreign_is_refused(
    tmp_path: Path, was: bytes, becomes: bytes, why: str
) -> None:
    visit, path = kept(), tmp_path / "visit.json"
    json.write(path, visit.data, visit.chunks[:2])
    path.write_bytes(path.read_bytes().replace(was, becomes, 1))
    with pytest.raises(SourceError, match=why or "damaged"):
        list(json.read(path)[1])


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    visit, path = kept(), tmp_path / "visit.json"
    json.write(path, visit.data, visit.chunks)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(SourceError, match="damaged"):
        json.read(path)


@settings(max_examples=100, deadline=None)
@given(places=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_file_with_wrong_bytes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[float, int]]
) -> None:
    visit, path = kept(), tmp_path_factory.mktemp("json") / "visit.json"
    small = msgspec.structs.replace(visit.data, steps=visit.data.steps[:4])
    json.write(path, small, [(n, track[:3], trace[:3]) for n, track, trace in visit.chunks[:2]])
    damaged = bytearray(path.read_bytes())
    for share, byte in places:
        damaged[int(share * len(damaged))] = byte
    path.write_bytes(bytes(damaged))
    with contextlib.suppress(SourceError):
        data, chunks = json.read(path)
        assert data.steps.dtype == STEP
        list(chunks)
