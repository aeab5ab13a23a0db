"""The store as the doctor sees it: none yet, one that opens, one that is damaged, one that takes nothing now."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.commands.doctoring import kept
from appliance.errors import HipbarError
from appliance.station.checks_clinic import Visits, visits
from appliance.station.checkup import Verdict
from appliance.station.status import Status, Visit
from appliance.store.store import Store

RUNS = Visit(
    id=1, runner=None, kind="visit", protocol="open", number=1, visits=0, state="running", began_s=0.0,
    trouble="no space left",
)  # fmt: skip


def test_a_station_without_visits_yet_is_healthy(tmp_path: Path) -> None:
    found = visits("visits", kept.visits(tmp_path, None))
    assert (found.verdict, found.figure) == (Verdict.PASS, "none kept yet")


def test_what_is_kept_is_counted(tmp_path: Path) -> None:
    with Store.open(tmp_path, make=True) as store:
        store.add_runner("R-01", "", 1.8e9)
    found = visits("visits", kept.visits(tmp_path, Status()))
    assert found.verdict is Verdict.PASS
    assert found.figure.startswith("1 runners, 0 visits, ")


def test_a_visit_that_is_not_kept_fails() -> None:
    found = visits("visits", Visits(1, 1, 0.1, RUNS.trouble))
    assert found.verdict is Verdict.FAIL
    assert "not recording: no space left" in found.figure


def test_a_damaged_store_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "clinic.db").write_bytes(b"no database at all" * 1000)
    with pytest.raises(HipbarError, match=r"clinic\.db"):
        kept.visits(tmp_path, None)
