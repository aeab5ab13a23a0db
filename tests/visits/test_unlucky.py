"""What goes wrong around a visit: other settings in the middle, visits in a hurry, a card that is away at the start."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from appliance.clinic.terms import VisitState
from appliance.config import Settings, laid
from appliance.errors import HipbarError, SettingsError, VisitError
from appliance.pipeline import Pipeline
from appliance.records import Posture
from appliance.station.books import Gathering
from appliance.station.link import AskVisit
from appliance.station.minutes import Stretch
from appliance.station.recording import Header
from appliance.store.store import Store
from appliance.store.verify import verify
from tests.visits.test_host import RATE_HZ, House, frame, steps_between

STOOD = """
title = "Stood"
mode = "step"
target = "settings"
[[block]]
kind = "stand"
seconds = 2
[[block]]
kind = "feedback"
seconds = 600
"""
LATE = 5
"""So many frames later what is wanted is in force."""
TRUE_DEG = 1.5
"""How the runner's pelvis line stands."""


class Busy(House):
    """A house whose settings are brought into force as the steward does it: the loop is left for another zero."""

    def __init__(self, state: Path, **clocks: Any) -> None:
        self.own, self._due = Settings(), threading.Event()
        self._wanted: Mapping[str, Any] | None = None
        self._late = 0
        self.closing = False
        self._values: Mapping[str, Any] = {}
        self.tried: Mapping[str, Any] = {}
        super().__init__(state, **clocks)

    def _give(self, values: Mapping[str, Any]) -> None:
        if self.refuses:
            raise SettingsError("not now", fix="wait")
        self._due.clear()
        self._wanted = values
        while not self._due.wait(0.01) and not self.closing:
            pass  # a loop that stands still takes nothing
        self.given.append(values)

    def run(self, seconds: float, posture: Posture = Posture.RUNNING) -> None:
        """So long, frame by frame; of somebody who stands, with the angle that the zero in force leaves."""
        for _ in range(round(seconds * RATE_HZ)):
            self._late += self._wanted is not None
            if self._late > LATE and (wanted := self._wanted) is not None:
                self._wanted, self._late = None, 0
                self.changes(wanted)
                self._due.set()
            before, self.t_s = self.t_s, self.t_s + 1 / RATE_HZ
            self._seq += 1
            update = frame(self._seq, self.t_s, posture, steps_between(before, self.t_s, posture))
            update.moment["obliquity_deg"] = TRUE_DEG - self.settings.motion.zero_deg
            self._gathering.keep(update)
            self.visits.turn(update, self.t_s)

    def ask(self, do: Any, **fields: Any) -> Any:
        """As the desk does, while frames come."""
        return self._meanwhile(lambda: self.reception.steer(AskVisit(id=1, do=do, **fields)))

    def resume(self) -> None:
        """As at the start of the service, while frames come."""
        self._meanwhile(self.reception.resume)

    def _meanwhile(self, job: Callable[[], Any]) -> Any:
        with ThreadPoolExecutor(1) as other:
            told = other.submit(job)
            while not told.done():
                self.run(1 / RATE_HZ, Posture.STANDING)
                wait((told,), 0.001)
        return told.result()

    def changes(self, values: Mapping[str, Any]) -> None:
        """What a visit wants above the station's own settings, in force."""
        before = self.settings
        laid_out = laid(laid(self.own, values, "visit"), self.tried, "tried")
        self._values, self.settings = values, msgspec.structs.replace(laid_out, clinic=before.clinic)
        if self.settings.motion != before.motion:
            self.leave()
            self.enter()
        else:
            self._pipeline.adopt(self.settings)

    def enter(self) -> None:
        """The loop begins, or begins anew."""
        header = Header(width_px=480, height_px=640, rate_hz=RATE_HZ)
        self._gathering = Gathering((self.visits,), self.settings.strip.leds, int(RATE_HZ))
        self._pipeline = Pipeline(self.settings)
        flush = self._gathering.flush
        self.visits.entered(Stretch(self._pipeline, header, self.settings, "", lambda: 0, flush))

    def tries(self, values: Mapping[str, Any]) -> None:
        """Somebody at `hipbar watch`; {} = they leave."""
        self.tried = values
        self.changes(self._values)

    def stood_deg(self) -> float:
        """Runs until a standing zero is taken; the zero."""
        self.waits(lambda: any(event.kind == "zero" for event in self.kept().events))
        return float(next(event for event in self.kept().events if event.kind == "zero").words.split()[0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols/stood.toml").write_text(STOOD)
    with Store.open(tmp_path, make=True) as store:
        store.add_runner("R-01", "", 1.8e9)
    return tmp_path


@pytest.fixture
def houses(folder: Path) -> Iterator[Callable[..., Busy]]:
    made: list[Busy] = []

    def make(**clocks: Any) -> Busy:
        made.append(Busy(folder, **clocks))
        return made[-1]

    yield make
    for one in made:
        one.closing = True
        one.visits.end()


def test_a_visit_right_after_another_begins_under_the_station_s_own_zero(houses: Callable[..., Busy]) -> None:
    house = houses()
    for number in (1, 2):
        house.ask("start", runner="R-01", protocol="stood")
        house.run(3, Posture.STANDING)
        assert house.kept().visit.id == number
        assert house.stood_deg() == pytest.approx(TRUE_DEG, abs=0.001)
        house.waits(lambda: house.settings.motion.zero_deg == TRUE_DEG)
        house.ask("stop")
    assert json.loads(house.kept().spans[0].settings)["motion"]["zero_deg"] == 0.0


def test_a_zero_that_is_calibrated_while_somebody_stands_is_not_counted_twice(
    houses: Callable[..., Busy],
) -> None:
    house = houses()
    house.ask("start", runner="R-01", protocol="stood")
    house.run(1, Posture.STANDING)
    house.own = laid(house.own, {"motion.zero_deg": 1.0}, "calibrated")
    house.changes({})
    house.run(3, Posture.STANDING)
    assert house.stood_deg() == pytest.approx(TRUE_DEG, abs=0.001)


def test_a_visit_that_goes_on_has_its_zero_from_its_first_frame(houses: Callable[..., Busy]) -> None:
    first = houses()
    first.ask("start", runner="R-01", protocol="stood")
    first.run(3, Posture.STANDING)
    first.waits(lambda: first.settings.motion.zero_deg == TRUE_DEG)
    first.run(3)
    first.dies()
    second = houses(t_s=first.t_s + 5.0)
    second.resume()
    second.run(3)
    assert [json.loads(span.settings)["motion"]["zero_deg"] for span in second.kept().spans] == [
        0.0,
        TRUE_DEG,
        TRUE_DEG,
    ]


def test_the_bar_asks_for_what_the_settings_say_now_not_when_the_loop_began(
    houses: Callable[..., Busy],
) -> None:
    house = houses()
    house.own = laid(house.own, {"feedback.target_deg": 7.5}, "reload")
    house.changes({})
    house.ask("start", runner="R-01", protocol="stood")
    house.run(8, Posture.STANDING)
    house.waits(lambda: house.given and house.given[-1].get("feedback.mode") == "step")
    assert house.given[-1]["feedback.target_deg"] == 7.5


def test_a_visit_that_the_card_hid_at_the_start_goes_on_when_somebody_begins_one(
    houses: Callable[..., Busy],
) -> None:
    first = houses()
    first.ask("start", runner="R-01", protocol="stood")
    first.run(6.0)
    first.dies()
    db = first.state / "clinic.db"
    whole = db.read_bytes()
    db.write_bytes(b"x" * len(whole))
    second = houses(t_s=first.t_s + 5.0)
    with pytest.raises(HipbarError):
        second.resume()
    assert "can't be kept" in (second.reception.trouble or "")
    db.write_bytes(whole)
    with pytest.raises(VisitError, match="runs already"):
        second.ask("start", runner="R-01", protocol="stood")
    second.run(1.0)
    assert second.visits.told
    assert (second.visits.told.id, second.reception.trouble) == (1, None)


def test_a_camera_whose_clock_begins_anew_leaves_times_that_rise(houses: Callable[..., Busy]) -> None:
    house = houses()
    house.ask("start", runner="R-01", protocol="stood")
    house.run(1.0, Posture.STANDING)
    house.ask("skip")
    house.run(5.55)
    house.leave()
    house.t_s = 3.0
    house.enter()
    house.run(5.55)
    house.ask("stop")
    data = house.kept()
    assert not verify(house.state).damage
    assert (np.diff(data.steps["contact_s"]) > 0).all()
    assert data.visit.seconds == pytest.approx(12.1, abs=0.3)


def test_a_log_that_somebody_deletes_costs_nothing_that_was_acknowledged(
    houses: Callable[..., Busy], tmp_path_factory: pytest.TempPathFactory
) -> None:
    house = houses()
    house.ask("start", runner="R-01", protocol="stood")
    house.run(5.0)
    house.kept()
    (house.state / "clinic.db-wal").unlink()
    with suppress(HipbarError), Store.open(house.state) as store:  # whoever looks now makes another log
        store.runners()
    house.run(5.0)
    house.ask("note", words="after it")
    acknowledged = house.visits.told
    found = tmp_path_factory.mktemp("killed")
    for name in ("clinic.db", "clinic.db-wal"):  # what a kill would leave
        shutil.copy(house.state / name, found)
    with Store.open(found) as store:
        data = store.data("last")
    assert acknowledged
    assert len(data.steps) >= acknowledged.kept_steps > 20
    assert data.events[-1].words == "after it"
    assert not verify(found).damage


def test_a_visit_that_ended_while_the_card_was_away_is_not_forgotten(houses: Callable[..., Busy]) -> None:
    house = houses()
    house.ask("start", runner="R-01", protocol="stood")
    house.run(5.0)
    house.writer.settle()
    away = (house.state / "clinic.db").rename(house.state / "away.db")
    with pytest.raises(HipbarError):
        house.ask("stop", words="no card")
    assert house.visits.told is None
    assert house.writer.behind
    away.rename(house.state / "clinic.db")
    house.waits(lambda: not house.writer.behind)
    assert house.kept().visit.state is VisitState.STOPPED


def test_steps_are_lit_when_somebody_lights_the_bar_in_a_dark_block(houses: Callable[..., Busy]) -> None:
    house = houses()
    (house.state / "protocols/dark.toml").write_text('[[block]]\nkind = "retention"\nseconds = 600\n')
    house.tries({"feedback.mode": "live"})
    house.ask("start", runner="R-01", protocol="dark")
    house.run(1.0)
    house.waits(lambda: house.visits.hands.quiet)
    house.run(6.0)
    house.tries({})
    house.run(6.0)
    data = house.kept()
    assert [row.aim.mode for row in data.stretches] == ["off", "live", "off"]
    _, lit_s, dark_s = (row.began_s for row in data.stretches)
    contact_s = data.steps["contact_s"]
    assert ((data.steps["lit"] == 1) == ((lit_s <= contact_s) & (contact_s < dark_s))).all()
    assert set(data.steps["lit"]) == {0, 1}


def test_with_sides_that_nobody_has_proved_no_step_was_lit(houses: Callable[..., Busy]) -> None:
    house = houses()
    house._pipeline.sides_proved = False
    house.ask("start", runner="R-01", protocol="stood")
    house.run(1.0, Posture.STANDING)
    house.ask("skip")
    house.run(5.0)
    house.waits(lambda: house.visits.hands.quiet)
    house.run(5.0)
    data = house.kept()
    assert [row.aim.mode for row in data.stretches] == ["off", "step", "off"]
    assert not data.steps["lit"][data.steps["contact_s"] > data.stretches[-1].began_s].any()


@pytest.mark.parametrize("pauses", [False, True])
def test_one_that_the_power_cut_off_does_not_wait_for_ever_because_the_service_began_anew(
    houses: Callable[..., Busy], pauses: bool
) -> None:
    first = houses()
    first.ask("start", runner="R-01", protocol="stood")
    first.run(6.0)
    first.dies()
    wall_s = first.wall_s + first.t_s + 30.0
    second = houses(boot="another", wall_s=wall_s, t_s=40.0)
    second.resume()
    second.run(3.0)
    if pauses:
        second.ask("resume")
        second.ask("pause")
    second.dies()
    third = houses(boot="another", wall_s=wall_s, t_s=60.0)
    third.resume()
    third.run(601.0, Posture.UNSEEN)
    assert third.visits.free is not pauses, "a pause that somebody wanted has no end"


def test_what_a_job_wants_and_settles_is_given_once(houses: Callable[..., Busy]) -> None:
    first = houses()
    first.ask("start", runner="R-01", protocol="stood")
    first.run(3, Posture.STANDING)
    first.waits(lambda: first.settings.motion.zero_deg == TRUE_DEG)
    first.run(1)
    first.dies()
    second = houses(t_s=first.t_s + 5.0)
    second.visits.hands.do(second.reception.resume)  # as the service does it
    second.waits(lambda: second.visits.told and second.visits.told.view and second.visits.told.view.lit)
    second.waits(lambda: second.visits.hands.quiet)
    assert [values["motion.zero_deg"] for values in second.given] == [TRUE_DEG] * len(second.given)
    assert {json.loads(span.settings)["motion"]["zero_deg"] for span in second.kept().spans[2:]} == {TRUE_DEG}
