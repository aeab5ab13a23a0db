"""The host of a visit without a service around it: frames made by hand, a real store, a clock that the test turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from appliance.clinic.rows import VisitData
from appliance.clinic.terms import Order, VisitState
from appliance.config import Clinic, Settings
from appliance.errors import OutputError, SettingsError, VisitError
from appliance.pipeline import Pipeline
from appliance.records import (
    MOMENT,
    TRACK,
    Keypoints,
    Notice,
    Posture,
    Press,
    PressKind,
    Shown,
    Side,
    Step,
    Update,
)
from appliance.station.books import Gathering
from appliance.station.hands import Hands
from appliance.station.link import AskVisit
from appliance.station.minutes import Stretch
from appliance.station.reception import Reception
from appliance.station.recording import Header
from appliance.station.visits import Visits
from appliance.station.wallclock import Note
from appliance.store.store import Store
from appliance.store.writer import Writer

RATE_HZ, STEP_S, LONG_S = 20.0, 0.35, 20.0
PLAIN = """
title = "Plain"
mode = "live"
target = "settings"
[[block]]
kind = "warm-up"
seconds = 3
[[block]]
kind = "feedback"
seconds = 600
"""


class House:
    """One process of a station: its loop is `run`."""

    def __init__(self, state: Path, *, boot: str = "boot", wall_s: float = 1.8e9, t_s: float = 100.0) -> None:
        self.state, self.boot, self.wall_s, self.t_s = state, boot, wall_s, t_s
        self.given: list[Mapping[str, Any]] = []
        self.refuses = False
        self.settings = msgspec.structs.replace(Settings(), clinic=Clinic(protocol="plain", resume_min=10.0))
        self.writer = Writer(state, reserve_mb=1, stamp=self._clocks, again_s=0.05)
        self.visits = Visits(self.writer, Hands(self._give, again_s=0.02), self._note)
        self.reception = Reception(self.visits, state, lambda: self.settings, "hipbar test", self._note)
        self._seq = 0
        self.enter()

    def enter(self) -> None:
        """The loop begins, or begins anew."""
        header = Header(width_px=480, height_px=640, rate_hz=RATE_HZ)
        self._gathering = Gathering((self.visits,), self.settings.strip.leds, int(RATE_HZ))
        pipeline = Pipeline(self.settings)
        self.visits.entered(Stretch(pipeline, header, self.settings, "", lambda: 0, self._gathering.flush))

    def leave(self) -> None:
        self._gathering.flush()
        self.visits.left()

    def run(self, seconds: float, posture: Posture = Posture.RUNNING) -> None:
        """So long, frame by frame."""
        for _ in range(round(seconds * RATE_HZ)):
            before, self.t_s = self.t_s, self.t_s + 1 / RATE_HZ
            self._seq += 1
            update = frame(self._seq, self.t_s, posture, steps_between(before, self.t_s, posture))
            self._gathering.keep(update)
            self.visits.turn(update, self.t_s)

    def press(self, kind: PressKind) -> None:
        self.visits.press(Press(kind, self.t_s, 0.1))

    def ask(self, do: str, **fields: Any) -> Any:
        """As the desk does: on a thread of its own, while the loop turns."""
        with ThreadPoolExecutor(1) as desk:
            told = desk.submit(self.reception.steer, AskVisit(id=1, do=do, **fields))
            while not told.done():
                self.visits.turn(None, self.t_s)
        return told.result()

    def resume(self) -> None:
        """As at the start of the service."""
        with ThreadPoolExecutor(1) as hands:
            told = hands.submit(self.reception.resume)
            while not told.done():
                self.visits.turn(None, self.t_s)
        told.result()

    def waits(self, wanted: Callable[[], Any]) -> None:
        """Until another thread has done it; the loop goes on meanwhile."""
        until_s = time.monotonic() + LONG_S
        while not wanted():
            assert time.monotonic() < until_s
            self.run(1 / RATE_HZ, Posture.STANDING)

    def kept(self) -> VisitData:
        """What the store has of the last visit."""
        self.writer.settle()
        with Store.open(self.state) as store:
            return store.data(store.visit("last").id)

    def dies(self) -> None:
        """What was handed over is kept, the visit stays open."""
        self.leave()
        self.visits.end()

    def _give(self, values: Mapping[str, Any]) -> None:
        if self.refuses:
            raise SettingsError("not now", fix="wait")
        self.given.append(values)

    def _note(self) -> Note:
        return Note(self.boot, self.t_s, self.wall_s + self.t_s, True)

    def _clocks(self) -> Any:
        from appliance.store.clocks import Clocks

        return Clocks(self.wall_s + self.t_s, self.boot, self.t_s, True)


def frame(seq: int, t_s: float, posture: Posture, steps: tuple[Step, ...]) -> Update:
    moment = np.zeros(1, MOMENT)
    moment["t_s"], moment["posture"], moment["sides_sure"] = t_s, posture, 1
    xy_px = np.full((4, 2), float(seq % 7))
    leds = np.zeros((Settings().strip.leds, 3), np.uint8)
    points = Keypoints(seq, t_s, xy_px, np.ones(4))
    return Update(seq, t_s, points, moment[0], steps, leds, Shown.MEASUREMENT, 0)


def steps_between(before_s: float, now_s: float, posture: Posture) -> tuple[Step, ...]:
    """One a `STEP_S` of running, right and left in turn."""
    number = int(now_s / STEP_S)
    if posture is not Posture.RUNNING or number == int(before_s / STEP_S):
        return ()
    contact_s = number * STEP_S - 0.3
    return (
        Step(
            stance=Side.RIGHT if number % 2 else Side.LEFT,
            contact_s=contact_s,
            off_s=contact_s + 0.25,
            midstance_s=contact_s + 0.12,
            peak_s=contact_s + 0.1,
            peak_drop_deg=5.0,
            contact_drop_deg=1.0,
            midstance_drop_deg=4.0,
            excursion_deg=4.0,
            sway_px=3.0,
            contact_time_s=0.25,
            flight_s=0.1,
            quality=0.9,
            decided_s=contact_s + 0.28,
        ),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols/plain.toml").write_text(PLAIN)
    with Store.open(tmp_path, make=True) as store:
        store.add_runner("R-01", "", 1.8e9)
    return tmp_path


@pytest.fixture
def houses(folder: Path) -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def make(**clocks: Any) -> House:
        made.append(House(folder, **clocks))
        return made[-1]

    yield make
    for one in made:
        one.visits.end()


def test_the_button_begins_an_open_visit_marks_it_and_ends_it(houses: Callable[..., House]) -> None:
    house = houses()
    house.press(PressKind.SHORT)
    house.waits(lambda: house.visits.told)
    house.run(2.0)
    house.press(PressKind.SHORT)
    house.run(2.0)
    house.press(PressKind.LONG)
    assert house.visits.told is None
    data = house.kept()
    assert (data.visit.runner, data.visit.protocol, data.visit.state) == (None, "open", VisitState.STOPPED)
    assert "mark" in {event.kind for event in data.events}
    house.ask("assign", visit=data.visit.id, runner="R-01")
    assert house.kept().visit.runner == "R-01"


def test_the_button_begins_what_was_made_ready_and_only_once(houses: Callable[..., House]) -> None:
    house = houses()
    house.ask("ready", runner="R-01")
    house.press(PressKind.SHORT)
    house.waits(lambda: house.visits.told)
    assert house.visits.told
    assert (house.visits.told.runner, house.visits.told.number) == ("R-01", 1)
    assert house.reception.ready is None
    house.settings = msgspec.structs.replace(house.settings, clinic=Clinic(button=False))
    house.ask("stop")
    house.press(PressKind.SHORT)
    house.run(1.0)
    assert house.visits.free


def test_what_the_visit_wants_is_given_and_taken_back_at_its_end(houses: Callable[..., House]) -> None:
    house = houses()
    house.ask("start", runner="R-01")
    house.run(1.0)
    assert house.visits.says(house.t_s) == (Notice.BEGINS, None)
    house.run(8.0)
    house.waits(lambda: house.given and house.given[-1].get("feedback.mode") == "live")
    house.ask("pause")
    house.waits(lambda: house.given[-1].get("feedback.mode") == "off")
    assert house.visits.says(house.t_s) == (Notice.PAUSED, None)
    house.ask("stop")
    house.waits(lambda: house.given[-1] == {})


def test_settings_that_are_refused_are_told_and_tried_again(houses: Callable[..., House]) -> None:
    house = houses()
    house.refuses = True
    house.ask("start", runner="R-01")
    house.run(8.0)
    house.waits(lambda: house.visits.told and house.visits.told.trouble)
    house.refuses = False
    house.waits(lambda: house.visits.told and not house.visits.told.trouble)
    assert house.given[-1]["feedback.mode"] == "live"


def test_a_loop_that_begins_anew_begins_a_span_and_the_visit_s_time_goes_on(
    houses: Callable[..., House],
) -> None:
    house = houses()
    house.ask("start", runner="R-01")
    house.run(5.0)
    house.leave()
    house.enter()
    house.run(5.0)
    house.t_s = 3.0  # another camera, another clock
    house.run(5.0)
    house.ask("stop")
    data = house.kept()
    assert [span.n for span in data.spans] == [0, 1, 2]
    assert [round(span.at_s) for span in data.spans] == [0, 5, 10]
    assert 14.5 < data.visit.seconds < 15.5
    assert (np.diff(data.steps["contact_s"]) > 0).all()
    with Store.open(house.state) as store:
        tracks = [track for _, track, _ in store.trace(data.visit.id)]
    assert sum(map(len, tracks)) == 15 * RATE_HZ
    assert all(track.dtype == TRACK for track in tracks)


def test_a_visit_can_be_ended_while_no_loop_runs(houses: Callable[..., House]) -> None:
    house = houses()
    house.ask("start", runner="R-01")
    house.run(2.0)
    house.leave()
    house.ask("stop")
    assert house.kept().visit.state is VisitState.STOPPED


def test_a_visit_that_never_had_a_frame_can_be_ended(houses: Callable[..., House]) -> None:
    house = houses()
    house.leave()
    house.ask("start", runner="R-01")
    house.ask("stop")
    assert house.visits.free
    assert house.kept().visit.state is VisitState.STOPPED
    house.ask("start", runner="R-01")


def test_a_service_that_ended_goes_on_with_its_visit(houses: Callable[..., House]) -> None:
    first = houses()
    first.ask("start", runner="R-01")
    first.run(6.0)
    first.dies()
    second = houses(t_s=first.t_s + 5.0)
    second.resume()
    second.run(3.0)
    assert second.visits.told
    assert second.visits.told.state is VisitState.RUNNING
    second.ask("stop")
    data = second.kept()
    assert len(data.spans) == 2
    assert [row.block.kind for row in data.blocks] == ["warm-up", "feedback"]


def test_after_a_power_cut_the_visit_waits_until_somebody_presses(houses: Callable[..., House]) -> None:
    first = houses()
    first.ask("start", runner="R-01")
    first.run(6.0)
    first.dies()
    second = houses(boot="another", wall_s=first.wall_s + first.t_s + 30.0, t_s=40.0)
    second.resume()
    second.run(3.0)
    assert second.visits.told
    assert second.visits.told.state is VisitState.PAUSED
    second.press(PressKind.SHORT)
    second.run(3.0)
    assert second.visits.told.state is VisitState.RUNNING


def test_one_that_nobody_lets_go_on_is_ended(houses: Callable[..., House]) -> None:
    first = houses()
    first.ask("start", runner="R-01")
    first.run(6.0)
    first.dies()
    second = houses(boot="another", wall_s=first.wall_s + first.t_s + 30.0, t_s=40.0)
    second.resume()
    second.run(601.0, Posture.UNSEEN)
    assert second.visits.free
    assert second.kept().visit.state is VisitState.STOPPED


@pytest.mark.parametrize("away_s", [601.0, 7 * 86400.0])
def test_one_that_was_cut_off_long_ago_is_closed(houses: Callable[..., House], away_s: float) -> None:
    first = houses()
    first.ask("start", runner="R-01")
    first.run(6.0)
    first.dies()
    second = houses(t_s=first.t_s + away_s)
    second.resume()
    assert second.visits.free
    assert second.kept().visit.state is VisitState.INTERRUPTED
    second.ask("start", runner="R-01")
    second.run(1.0)
    assert not second.visits.free


def test_a_wall_clock_that_jumps_by_hours_changes_no_step(houses: Callable[..., House]) -> None:
    house = houses()
    house.ask("start", runner="R-01")
    house.run(5.0)
    house.wall_s -= 5 * 3600.0
    house.run(5.0)
    house.wall_s += 30 * 3600.0
    house.run(5.0)
    house.ask("stop")
    data = house.kept()
    assert data.visit.state is VisitState.STOPPED
    assert np.allclose(np.diff(data.steps["contact_s"]), STEP_S)


def test_a_visit_that_can_t_be_kept_is_not_begun_and_nothing_runs(houses: Callable[..., House]) -> None:
    house = houses()
    house.dies()
    with pytest.raises(OutputError):
        house.ask("start", runner="R-01")
    assert house.visits.free


def test_a_second_visit_and_orders_without_one_are_refused(houses: Callable[..., House]) -> None:
    house = houses()
    for order in Order:
        with pytest.raises(VisitError, match="no visit runs"):
            house.ask(order.value, words="x")
    house.ask("start", runner="R-01")
    with pytest.raises(VisitError, match="first frame"):
        house.ask("pause")
    house.run(1.0)
    with pytest.raises(VisitError, match="runs already"):
        house.ask("start", runner="R-01")
    with pytest.raises(VisitError, match="running already"):
        house.ask("resume")
