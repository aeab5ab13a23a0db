"""A visit in the service itself: steered through the control link, kept in the store, cut off and gone on with."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.clinic.terms import VisitState
from appliance.errors import HipbarError, VisitError
from appliance.records import Notice
from appliance.station.client import Link
from appliance.station.status import Visit, read_status
from appliance.store.store import Store
from tests.serving.conftest import LONG_S, Station
from tests.worlds import act, world

QUICK = """
title = "Quick"
visits = 2
mode = "step"
target = { percent = 70 }

[[block]]
kind = "stand"
seconds = 2

[[block]]
kind = "baseline"
seconds = 6

[[block]]
kind = "feedback"
seconds = 60
"""


class Clinic(Station):
    """A station with a runner, a protocol of a few seconds, and somebody on the treadmill."""

    def __init__(self, folder: Path) -> None:
        self.scene = world(folder, act="stand")
        super().__init__(folder, f'[camera]\nsource = "virtual"\nscene = "{self.scene}"\n')
        (self.state / "protocols").mkdir()
        (self.state / "protocols/quick.toml").write_text(QUICK)
        with Store.open(self.state, make=True) as store:
            store.add_runner("R-01", "", time.time())

    def link(self) -> Link:
        """The control link, as soon as it is there."""
        until_s = time.monotonic() + LONG_S
        while True:
            try:
                return Link.open(self.runtime)
            except HipbarError:
                assert time.monotonic() < until_s
                time.sleep(0.05)

    def visit(self, do: str, **fields: Any) -> dict[str, Any] | None:
        with self.link() as link:
            return link.visit(do, **fields)

    def stands(self, wanted: Callable[[Visit], bool]) -> Visit:
        """Waits until the visit stands so."""
        self.status(lambda status: status.visit is not None and wanted(status.visit))
        last = read_status(self.runtime)
        assert last
        assert last.visit
        return last.visit


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    made = Clinic(tmp_path)
    yield made
    made.close()


def in_block(kind: str) -> Callable[[Visit], bool]:
    return lambda visit: visit.view is not None and visit.view.kind == kind


def test_a_visit_goes_from_standing_to_feedback_and_every_step_of_it_is_kept(clinic: Clinic) -> None:
    clinic.start()
    clinic.hears("READY=1")
    told = clinic.visit("start", runner="R-01", protocol="quick")
    assert told
    assert (told["runner"], told["number"], told["visits"]) == ("R-01", 1, 2)
    clinic.lit(Notice.STAND_STILL)
    clinic.stands(in_block("baseline"))
    act(clinic.scene, act="run")
    lit = clinic.stands(lambda visit: visit.view is not None and visit.view.lit and visit.kept_steps > 40)
    assert lit.view
    assert lit.view.mode == "step"
    with clinic.link() as link:
        assert link.settings()["origins"]["motion.zero_deg"] == "visit"
    with pytest.raises(VisitError, match="runs already"):
        clinic.visit("start", runner="R-01", protocol="quick")
    clinic.visit("note", words="new shoes")
    clinic.visit("mark")
    assert clinic.visit("stop") is None
    with Store.open(clinic.state) as store:
        data = store.data(store.visit("last").id)
        frames = sum(len(track) for _, track, _ in store.trace(data.visit.id))
    assert data.visit.state is VisitState.STOPPED
    assert [row.block.kind for row in data.blocks] == ["stand", "baseline", "feedback"]
    assert {"note", "mark", "zero", "baseline"} <= {event.kind for event in data.events}
    assert len(data.steps) >= lit.kept_steps
    assert set(data.steps["lit"]) == {0, 1}
    assert len(data.spans) == 2, "the standing zero begins a new pipeline"
    assert frames == sum(span.frames for span in data.spans)
    clinic.status(lambda status: status.visit is None and status.mode == "asymmetry")


def test_a_killed_service_loses_nothing_of_its_visit_and_goes_on_with_it(clinic: Clinic) -> None:
    act(clinic.scene, act="run")
    clinic.start()
    clinic.hears("READY=1")
    clinic.visit("start", runner="R-01", protocol="quick")
    clinic.visit("skip")
    before = clinic.stands(lambda visit: visit.kept_steps > 5)
    clinic.signal(signal.SIGKILL)
    clinic.ended()
    clinic.start()
    after = clinic.stands(lambda visit: visit.kept_steps > before.kept_steps + 10)
    assert (after.id, after.state) == (before.id, VisitState.RUNNING)
    assert after.kept_s > before.kept_s
    clinic.visit("stop")
    with Store.open(clinic.state) as store:
        data = store.data(before.id)
    assert len(data.spans) == 2
    assert len(data.steps) >= after.kept_steps
    assert (data.steps["contact_s"][1:] > data.steps["contact_s"][:-1]).all()


def test_words_that_make_no_sense_are_refused_and_the_station_goes_on(clinic: Clinic) -> None:
    clinic.start()
    clinic.hears("READY=1")
    for do, fields, why in (
        ("pause", {}, "no visit runs"),
        ("start", {"runner": "NOBODY"}, "NOBODY"),
        ("start", {"runner": "R-01", "protocol": "dance"}, "no protocol"),
        ("start", {"runner": "R-01", "protocol": "quick", "number": 9}, "no visit 9"),
        ("start", {"runner": "R-01", "kind": "cue trial", "name": "dance"}, "dance"),
        ("start", {"runner": "R-01", "kind": "exercise", "name": "dance"}, "dance"),
        ("start", {}, "whose visit"),
        ("assign", {"visit": 99, "runner": "R-01"}, "99"),
    ):
        with pytest.raises(HipbarError, match=why):
            clinic.visit(do, **fields)
    assert clinic.visit("") is None
    clinic.visit("ready", runner="R-01", protocol="quick")
    ready = clinic.status(lambda status: status.visit_ready is not None).visit_ready
    assert ready
    assert (ready.runner, ready.number) == ("R-01", 1)
