"""Chunks of frames become files and sums: columns, empty cells, whole rows, and figures that do not favour a side."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import OutputError
from appliance.output import Output, refuse_clashes
from appliance.records import MARKS, MOMENT, TRACK, Keypoints, Shown, Side, Step, Update
from appliance.station.books import BarFile, Chunk, FramesFile, Gathering, StepsFile
from appliance.station.loop import Ledger
from appliance.station.tally import Delays, Tally
from tests.cli.conftest import rows_of


def step(side: Side, contact_s: float, drop_deg: float | None) -> Step:
    return Step(
        stance=side,
        contact_s=contact_s,
        off_s=contact_s + 0.25,
        midstance_s=contact_s + 0.12,
        peak_s=None if drop_deg is None else contact_s + 0.1,
        peak_drop_deg=drop_deg,
        contact_drop_deg=1.0,
        midstance_drop_deg=2.0,
        excursion_deg=None,
        sway_px=10.0,
        contact_time_s=0.25,
        flight_s=None,
        quality=0.9,
        decided_s=contact_s + 0.3,
    )


def chunk(times: list[float], steps: tuple[Step, ...] = (), seen: bool = True) -> Chunk:
    n = len(times)
    track, moments = np.zeros(n, TRACK), np.zeros(n, MOMENT)
    track["t_s"] = moments["t_s"] = times
    track["xy_px"] = np.nan
    track["xy_px"][:, 0] = (1.5, 2.25)
    moments["obliquity_deg"] = 1.0 if seen else np.nan
    moments["sides_sure"] = 1
    leds = np.zeros((n, 2, 3), np.uint8)
    leds[:, 1] = (255, 16, 1)
    return Chunk(track, moments, steps, leds, np.full(n, Shown.MEASUREMENT, np.uint8))


def test_steps_are_json_lines_with_null_for_what_was_not_measured(tmp_path: Path) -> None:
    book = StepsFile(tmp_path / "s.jsonl")
    book.keep(chunk([0.0], (step(Side.LEFT, 1.0, 4.25), step(Side.RIGHT, 1.4, None))))
    book.close()
    first, second = map(json.loads, (tmp_path / "s.jsonl").read_text().splitlines())
    assert first["stance"] == "left"
    assert first["peak_drop_deg"] == 4.25
    assert second["peak_drop_deg"] is None
    assert {"contact_s", "off_s", "contact_drop_deg", "midstance_drop_deg", "decided_s", "quality"} <= set(
        first
    )


def test_frames_are_rows_with_empty_cells_for_what_was_not_seen(tmp_path: Path) -> None:
    book = FramesFile(tmp_path / "f.csv")
    book.keep(chunk([0.1, 0.2], seen=False))
    book.close()
    rows = rows_of(tmp_path / "f.csv")
    assert [row["t_s"] for row in rows] == ["0.1", "0.2"]
    assert rows[0]["obliquity_deg"] == ""
    assert (rows[0]["pelvis_left_x_px"], rows[0]["pelvis_left_y_px"]) == ("1.5", "2.25")
    assert rows[0]["right_heel_x_px"] == ""
    assert all(f"{mark}_score" in rows[0] for mark in MARKS)


def test_light_is_rows_of_hexadecimal_colours(tmp_path: Path) -> None:
    book = BarFile(tmp_path / "b.csv")
    book.keep(chunk([0.5]))
    book.close()
    assert (tmp_path / "b.csv").read_text() == "t_s,shown,leds\n0.5,measurement,000000 ff1001\n"


def test_a_full_disk_is_told_and_names_the_remedy() -> None:
    output = Output(Path("/dev/full"))
    with pytest.raises(OutputError, match="No space left") as caught:
        output.write(b"x")
    assert "room" in caught.value.fix
    output.close()


def test_a_half_written_record_is_taken_off_again(tmp_path: Path) -> None:
    import resource
    import signal

    output = Output(tmp_path / "f")
    output.write(b"whole record\n")
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, was[1]))
    try:
        with pytest.raises(OutputError):
            output.write(b"a record that does not fit\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, heard)
    output.close()
    assert (tmp_path / "f").read_bytes() == b"whole record\n"


def test_an_output_is_never_the_source_nor_named_twice(tmp_path: Path) -> None:
    source = tmp_path / "a.hbk"
    source.write_bytes(b"")
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(OutputError, match="source itself"):
        refuse_clashes([tmp_path / "link"], source)
    with pytest.raises(OutputError, match="named twice"):
        refuse_clashes([tmp_path / "x", tmp_path / "x"], source)
    refuse_clashes([Path("/dev/null"), Path("/dev/null")], source)


def test_updates_gather_into_chunks_and_the_rest_is_flushed() -> None:
    tally = Tally(0.0, 120.0)
    gathering = Gathering((tally,), leds=2, frames=4)
    for seq in range(6):
        moment = np.zeros(1, MOMENT)
        keypoints = Keypoints(seq, seq / 120, np.zeros((4, 2)), np.ones(4))
        steps = (step(Side.LEFT, 0.0, 3.0),) if seq == 5 else ()
        leds = np.zeros((2, 3), np.uint8)
        gathering.keep(Update(seq, seq / 120, keypoints, moment[0], steps, leds, Shown.MEASUREMENT, 0))
    assert tally.frames == 4
    gathering.flush()
    gathering.flush()
    assert tally.frames == 6
    assert tally.summary(0).left_stance.steps == 1


def test_a_failing_file_ends_the_book_but_not_the_sums() -> None:
    class Full:
        def keep(self, _: Chunk) -> None:
            raise OutputError("disk: full", fix="make room")

        def close(self) -> None:
            pass

    tally = Tally(0.0, 120.0)
    ledger = Ledger(tally, (Full(),), leds=2, frames=1)
    moment, leds = np.zeros(1, MOMENT), np.zeros((2, 3), np.uint8)
    for seq in range(3):
        keypoints = Keypoints(seq, seq / 120, np.zeros((4, 2)), np.ones(4))
        ledger.keep(Update(seq, seq / 120, keypoints, moment[0], (), leds, Shown.NO_DATA, 0), 1e-5, 5e-3)
    assert tally.frames == 3
    assert str(ledger.trouble) == "disk: full"


def test_gaps_in_time_count_as_lost_frames_also_between_chunks() -> None:
    tally = Tally(0.0)
    tally.keep(chunk([0.0, 0.01, 0.02, 0.05]))
    tally.keep(chunk([0.07, 0.08]))
    assert tally.summary(0).lost_frames == 2 + 1


def test_the_summary_has_means_by_stance_side_and_names_the_hip() -> None:
    tally = Tally(0.5, 120.0)
    sides = (Side.LEFT, Side.RIGHT)
    tally.keep(
        chunk(
            [0.0, 1 / 120],
            tuple(step(sides[i % 2], 0.35 * i, 4.0 + i % 2 + 0.5 * (i // 2)) for i in range(6)),
        )
    )
    s = tally.summary(2)
    assert (s.left_stance.peak_drop_deg, s.right_stance.peak_drop_deg) == (4.5, 5.5)
    assert (s.left_stance.drops, s.right_stance.drops) == ("right", "left")
    assert s.left_stance.sd_deg == pytest.approx(0.5)
    assert s.asymmetry_deg == 1.0
    assert s.cadence_spm == pytest.approx(60 / 0.35)
    assert (s.guard_acts, s.zero_deg) == (2, 0.5)


def test_what_was_not_measured_is_absent_from_the_summary() -> None:
    tally = Tally(0.0)
    tally.keep(chunk([0.0, 0.1], (step(Side.LEFT, 0.0, None),), seen=False))
    s = tally.summary(0)
    assert s.pair_seen == 0.0
    assert s.left_stance.steps == 1
    assert (s.left_stance.peak_drop_deg, s.asymmetry_deg, s.cadence_spm) == (None, None, None)


@given(st.lists(st.tuples(st.booleans(), st.floats(-20, 20)), min_size=1, max_size=40))
def test_exchanging_the_sides_exchanges_the_sums_exactly(walk: list[tuple[bool, float]]) -> None:
    def told(exchange: bool) -> Tally:
        tally = Tally(0.0)
        sides = [Side.RIGHT if right != exchange else Side.LEFT for right, _ in walk]
        steps = tuple(
            step(side, 0.3 * i, drop) for i, (side, (_, drop)) in enumerate(zip(sides, walk, strict=True))
        )
        tally.keep(chunk([0.0], steps))
        return tally

    one, other = told(False).summary(0), told(True).summary(0)
    assert one.left_stance.peak_drop_deg == other.right_stance.peak_drop_deg
    assert one.right_stance.sd_deg == other.left_stance.sd_deg
    assert one.cadence_spm == other.cadence_spm
    if one.asymmetry_deg is not None:
        assert one.asymmetry_deg == -(other.asymmetry_deg or 0.0)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=300), st.sampled_from([0.5, 0.99]))
def test_delays_are_told_within_one_percent(delays: list[float], share: float) -> None:
    kept = Delays()
    for delay in delays:
        kept.add(delay)
    told = kept.quantile_us(share)
    exact = sorted(delays)[max(0, math.ceil(share * len(delays)) - 1)] * 1e6
    assert told == pytest.approx(exact, rel=0.011, abs=0.006)


def test_no_delay_is_no_figure() -> None:
    assert Delays().quantile_us(0.5) is None
