"""The calibration's file over the station's years: nothing that was kept is written over by who has not seen it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.config import Settings
from appliance.errors import CalibrationError
from appliance.station.calibration import (
    FILE,
    Calibration,
    committed,
    gone_back,
    read_calibration,
    write_calibration,
)

PLAIN = Settings()


def more(calibration: Calibration, zero_deg: float, figures: dict[str, Any] | None = None) -> Calibration:
    """One more standing zero."""
    return committed(calibration, PLAIN, "zero", {"motion.zero_deg": zero_deg}, figures or {})


def test_a_calibration_that_was_not_read_is_never_written_over(tmp_path: Path) -> None:
    """A card that did not answer in time at the start, or a second service with the same folder."""
    write_calibration(tmp_path, more(Calibration(), 1.0))
    kept = (tmp_path / FILE).read_bytes()
    with pytest.raises(CalibrationError, match="another calibration") as refused:
        write_calibration(tmp_path, more(Calibration(), 2.0))
    assert "config reload" in refused.value.fix
    assert (tmp_path / FILE).read_bytes() == kept
    write_calibration(tmp_path, more(read_calibration(tmp_path), 2.0))


def test_figures_without_a_number_do_not_make_a_calibration_another_one(tmp_path: Path) -> None:
    first = more(Calibration(), 1.0, {"spread_deg": float("nan"), "of": [1, 2.0, None], "deep": {"a": {}}})
    write_calibration(tmp_path, first)
    write_calibration(tmp_path, more(first, 2.0))
    write_calibration(tmp_path, more(read_calibration(tmp_path), 3.0))


def test_what_was_left_out_because_it_does_not_fit_is_still_there_afterwards(tmp_path: Path) -> None:
    first = more(Calibration(), 1.0)
    write_calibration(tmp_path, first)
    write_calibration(tmp_path, more(gone_back(first, 0), 2.0))  # as a start does that can't use it
    assert [one.values.get("motion.zero_deg") for one in read_calibration(tmp_path).revisions] == [
        1.0,
        None,
        2.0,
    ]


def test_a_file_never_grows_beyond_what_can_be_read_again(tmp_path: Path) -> None:
    """Figures of 64 kB, as large as a request may be, a hundred times: the oldest revisions go."""
    calibration = Calibration()
    for k in range(1, 101):
        calibration = more(calibration, k / 100, {"spots": [0.123456789] * 5000})
        if k % 25 == 0:
            write_calibration(tmp_path, calibration)
    found = read_calibration(tmp_path)
    assert found.current is not None
    assert (found.current.number, found.current.values) == (100, {"motion.zero_deg": 1.0})
    assert len(found.revisions) > 10
    assert not list(tmp_path.glob("*damaged*"))


@pytest.mark.parametrize("step", ["zero", "strip", "level"])
def test_only_the_step_that_looks_at_sides_proves_them(step: str) -> None:
    with pytest.raises(CalibrationError, match="does not prove"):
        committed(Calibration(), PLAIN, step, {}, {}, proves_sides=True)
