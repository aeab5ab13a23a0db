"""The steward against a plain model: layers in dictionaries, and a loop that takes only what a loop can take.

Whatever is asked, refused, damaged or begun anew, and in whatever order: what the loop runs with is what is told to be
in force, and a figure is on the bar only where that very way round was proved.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.config import Settings, entries
from appliance.config.live import ADOPTED, EXPOSED
from appliance.errors import (
    CalibrationError,
    CameraLost,
    HipbarError,
    OutputError,
    ServiceDown,
    SettingsError,
    StripLost,
)
from appliance.station import fallback
from appliance.station.calibration import FILE
from appliance.station.change import Change
from appliance.station.hatch import Hatch
from appliance.station.steward import APART_S, Steward

BUILT: dict[str, Any] = {"camera.source": "v4l2", "strip.kind": "apa102"}
PLAIN: dict[str, Any] = {key: value for key, value, *_ in entries(Settings())} | BUILT
WAYS = ("camera.mirror", "camera.rotate_deg", "strip.reversed", "strip.leds", "feedback.swap")
"""What of all this decides which side is which."""

PAIRS: dict[str, tuple[Any, Any]] = {
    "camera.mirror": (False, True),
    "camera.rotate_deg": (0, 90),
    "camera.exposure_us": (500.0, 1500.0),
    "strip.reversed": (False, True),
    "strip.leds": (32, 40),
    "feedback.swap": (False, True),
    "feedback.mode": ("step", "off"),
    "motion.zero_deg": (0.5, 1.0),
}
STEPS = {
    "zero": ("motion.zero_deg",),
    "light": ("camera.exposure_us",),
    "strip": ("strip.leds", "strip.reversed"),
    "sides": ("camera.mirror", "strip.reversed"),
}
TRIED = sorted(set(PAIRS) - {"strip.leds"})
SET = st.dictionaries(st.sampled_from(TRIED), st.integers(0, 1), min_size=1, max_size=3)
WISHES = st.dictionaries(st.sampled_from(["feedback.mode", "motion.zero_deg"]), st.integers(0, 1))
"""What a visit wants."""
FILES = st.dictionaries(st.sampled_from(sorted(PAIRS)), st.integers(0, 1), max_size=4)
BROKEN = ("", "[camera\n", '[camera]\nmirror = "yes"\n', '[strip]\nkind = "apa102"\nleds = 3\n')


def values_of(now: Settings) -> dict[str, Any]:
    return {key: value for key, value, *_ in entries(now)}


def way_of(now: Settings) -> tuple[Any, ...]:
    values = values_of(now)
    return tuple(values[key] for key in (*WAYS, *BUILT))


def text_of(values: dict[str, Any]) -> str:
    """A settings file."""
    tables: dict[str, list[str]] = {}
    for key, value in (BUILT | values).items():
        table, name = key.split(".")
        told = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
        tables.setdefault(table, []).append(f"{name} = {told}")
    return "".join(f"[{table}]\n" + "\n".join(lines) + "\n" for table, lines in tables.items())


class Loop:
    """What a loop was made with; between two frames it takes what a loop can take, and no more."""

    def __init__(self, now: Settings, proved: bool) -> None:
        self.settings, self.proved = now, proved

    def adopt(self, now: Settings, proved: bool) -> None:
        before, after = values_of(self.settings), values_of(now)
        assert {key for key in after if after[key] != before[key]} <= ADOPTED | EXPOSED
        self.settings, self.proved = now, proved


class Station:
    """A service without devices: a thread asks the steward, this one is the loop."""

    def __init__(self, file: Path) -> None:
        self.hatch = Hatch()
        self.steward = Steward(file, self.hatch, apart_s=0.0)
        if self.steward.problem:  # and the button is held
            known = fallback.known_wiring(self.steward.text, self.steward.state)
            self.steward.resort(known or fallback.AS_DRAWN)
        self.loop: Loop | None = None

    def enter(self, made: tuple[Settings, bool] | None = None) -> None:
        """The loop begins with what was in force when it was `made`, and is begun again while it has to be."""
        self._made(*(made or self.steward.begin()))
        self._turn(None)

    def leave(self) -> None:
        """The loop is not there for a while."""
        assert self.steward.leave() is None
        self.loop = None

    def ask(self, act: Callable[[], Any], fault: HipbarError | None = None) -> Any:
        """Has the steward do it; the devices' opening fails with `fault`. What came of it, or the refusal."""
        answers: list[Any] = []

        def work() -> None:
            try:
                answers.append(act())
            except HipbarError as error:
                answers.append(error)

        asker = threading.Thread(target=work)
        asker.start()
        while asker.is_alive():
            self._turn(fault)
            time.sleep(0.0001)
        self._turn(None)
        return answers[0]

    def _turn(self, fault: HipbarError | None) -> None:
        if self.loop is None:
            return
        self.hatch.turn()
        while self.steward.pending:
            change = self.steward.leave()
            assert change is not None
            if fault and change.asked:
                self._made(*self.steward.begin(), change=change, error=fault)
            else:
                self._made(change.settings, change.proved, change=change)

    def _made(
        self, now: Settings, proved: bool, change: Change | None = None, error: HipbarError | None = None
    ) -> None:
        self.loop = Loop(now, proved)
        over = (lambda: change.settle(error)) if change else (lambda: None)
        self.steward.enter(self.loop, now, proved, over)


class Revision:
    """One of the model's: everything calibrated, and the way round that was proved. Each is itself and no other."""

    def __init__(self, values: dict[str, Any], way: tuple[Any, ...] | None) -> None:
        self.values, self.way = values, way


class Model(RuleBasedStateMachine):
    """What may happen to a station, in any order."""

    @initialize(values=FILES)
    def build(self, values: dict[str, int]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.file, self.state = Path(self.folder.name) / "hipbar.toml", Path(self.folder.name) / "state"
        self.state.mkdir()
        os.environ["HIPBAR_STATE"] = str(self.state)
        self.revisions: list[Revision] = []
        self.on_card: list[Revision] | None = []
        self.copies: list[tuple[bytes, list[Revision]]] = []
        self.tried: dict[str, tuple[Any, int | None]] = {}
        self.visit: dict[str, Any] = {}
        self.written: dict[str, Any] | None = {}
        self.write(values)
        self.begin_anew()
        self.commit("sides", 0, card=True, fails=False)

    def teardown(self) -> None:
        os.environ.pop("HIPBAR_STATE", None)
        if hasattr(self, "folder"):
            self.folder.cleanup()

    # what somebody does to the files

    @rule(values=FILES)
    def write(self, values: dict[str, int]) -> None:
        self.written = {key: PAIRS[key][n] for key, n in values.items()}
        self.file.write_text(text_of(self.written))

    @rule(text=st.sampled_from(BROKEN))
    def spoil_the_settings(self, text: str) -> None:
        self.file.write_text(text)
        self.written = None

    @rule()
    def spoil_the_calibration(self) -> None:
        if (self.state / FILE).exists():
            data = (self.state / FILE).read_bytes()
            (self.state / FILE).write_bytes(data[: len(data) // 2])
            self.on_card = None

    @rule(which=st.integers(0, 9))
    @precondition(lambda self: self.copies)
    def put_a_copy_back(self, which: int) -> None:
        data, self.on_card = self.copies[which % len(self.copies)]
        (self.state / FILE).write_bytes(data)

    # what somebody asks for

    @rule()
    def begin_anew(self) -> None:
        """Killed, or the power was cut, or it was told to."""
        self.station = Station(self.file)
        self.station.enter()
        self.tried, self.visit, self.revisions = {}, {}, list(self.on_card or [])
        self.known = self.written if not self.station.steward.problem else None

    @rule(fails=st.booleans())
    def reload(self, fails: bool) -> None:
        told = self.ask(self.station.steward.reload, fails)
        if isinstance(told, HipbarError):
            return
        assert self.written is not None
        assert self.on_card is not None
        self.known, self.revisions = self.written, list(self.on_card)

    @rule(values=SET, owner=st.sampled_from([None, 1, 2]), fails=st.booleans())
    def try_values(self, values: dict[str, int], owner: int | None, fails: bool) -> None:
        wanted = {key: PAIRS[key][n] for key, n in values.items()}
        told = self.ask(lambda: self.station.steward.try_values(wanted, owner), fails)
        if not isinstance(told, HipbarError):
            self.tried |= {key: (value, owner) for key, value in wanted.items()}

    @rule(owner=st.sampled_from([None, 1, 2]))
    def untry(self, owner: int | None) -> None:
        told = self.ask(lambda: self.station.steward.untry(owner), fails=False)
        assert told is None
        self.tried = {key: one for key, one in self.tried.items() if owner is not None and one[1] != owner}

    @rule(values=WISHES, fails=st.booleans())
    def visit_wants(self, values: dict[str, int], fails: bool) -> None:
        wanted = {key: PAIRS[key][which] for key, which in values.items()}
        told = self.ask(lambda: self.station.steward.visit(wanted), fails)
        if not isinstance(told, HipbarError):
            self.visit = wanted

    @rule(step=st.sampled_from(sorted(STEPS)), n=st.integers(0, 3), card=st.booleans(), fails=st.booleans())
    def commit(self, step: str, n: int, card: bool, fails: bool) -> None:
        values = {key: PAIRS[key][n >> at & 1] for at, key in enumerate(STEPS[step])}
        proves = step == "sides"
        commit = lambda: self.station.steward.commit(step, values, {}, None, proves)  # noqa: E731
        told = self.ask(commit, fails, card=card)
        if isinstance(told, HipbarError):
            return
        before = self.revisions[-1] if self.revisions else Revision({}, None)
        way = way_of(self.station.steward.settings) if proves else before.way
        self.keep(Revision(before.values | values, way))
        self.tried = {key: one for key, one in self.tried.items() if key not in values}

    @rule(to=st.integers(0, 12), fails=st.booleans())
    def roll_back(self, to: int, fails: bool) -> None:
        kept = self.station.steward.calibration().revisions
        told = self.ask(lambda: self.station.steward.rollback(to), fails)
        if isinstance(told, HipbarError):
            return
        place = next((k for k, one in enumerate(kept) if one.number == to), None)
        there = Revision({}, None) if to == 0 else self.revisions[place or 0]
        self.keep(Revision(there.values, there.way))

    @rule(values=SET)
    def ask_while_nothing_is_measured(self, values: dict[str, int]) -> None:
        """The camera has just been found, and the loop is about to begin."""
        self.station.leave()
        made = self.station.steward.begin()
        self.try_values(values, None, False)
        self.station.enter(made)
        if self.station.steward.anew:
            self.begin_anew()

    def ask(self, act: Callable[[], Any], fails: bool, card: bool = True) -> Any:
        """What came of it; a refusal leaves all as it was."""
        steward, fault = self.station.steward, StripLost("no bar", fix="") if fails else None
        part = self.state / f".{FILE}.part"
        was = steward.settings, steward.proved, steward.tried, len(steward.calibration().revisions)
        if not card:
            part.mkdir()
        told = self.station.ask(act, fault)
        if not card:
            part.rmdir()
        if isinstance(told, HipbarError):
            assert was == (
                steward.settings,
                steward.proved,
                steward.tried,
                len(steward.calibration().revisions),
            )
            assert isinstance(told, (StripLost, OutputError, SettingsError)) or told.exit_code == 9, told
        if isinstance(told, OutputError):
            assert not card
        return told

    def keep(self, revision: Revision) -> None:
        self.revisions.append(revision)
        self.on_card = list(self.revisions)
        self.copies.append(((self.state / FILE).read_bytes(), list(self.revisions)))

    # what has to be so, always

    @invariant()
    def the_loop_runs_with_what_is_told_to_be_in_force(self) -> None:
        loop, steward = self.station.loop, self.station.steward
        assert loop is not None
        assert (loop.settings, loop.proved) == (steward.settings, steward.proved)

    @invariant()
    def a_figure_only_where_this_very_way_round_was_proved(self) -> None:
        loop = self.station.loop
        assert loop is not None
        way = self.revisions[-1].way if self.revisions else None
        assert loop.proved == (way is not None and way == way_of(loop.settings))

    @invariant()
    def the_layers_count_one_above_the_other(self) -> None:
        if self.known is None:
            return
        calibrated = self.revisions[-1].values if self.revisions else {}
        tried = {key: value for key, (value, _) in self.tried.items()}
        assert (
            values_of(self.station.steward.settings) == PLAIN | self.known | calibrated | self.visit | tried
        )

    @invariant()
    def no_half_written_file_is_left(self) -> None:
        assert not list(self.state.glob(".*.part"))


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def test_a_change_that_its_asker_has_given_up_is_not_in_force_afterwards() -> None:
    taken: list[int] = []
    change = Change(Settings(), proved=True, parts=frozenset(), take=lambda: taken.append(1))
    with pytest.raises(ServiceDown, match="took too long"):
        change.wait(0.01)
    change.settle()
    assert taken == []


def test_who_has_asked_the_loop_in_vain_is_sure_that_it_is_not_done_later() -> None:
    """And what the loop has begun is waited for, however long it takes."""
    hatch, begun, done = Hatch(answer_s=0.05), threading.Event(), list[str]()
    with pytest.raises(CameraLost, match="no frames come"):
        hatch.ask(lambda: done.append("late"))
    hatch.turn()
    assert done == []

    def slow() -> None:
        begun.set()
        time.sleep(0.2)
        done.append("slow")

    asker = threading.Thread(target=lambda: hatch.ask(slow))
    asker.start()
    while not begun.is_set():
        hatch.turn()
    asker.join()
    assert done == ["slow"]


def test_the_mount_can_not_be_calibrated_under_a_visit_s_standing_zero(tmp_path: Path) -> None:
    file = tmp_path / "hipbar.toml"
    file.write_text(text_of({}))
    station = Station(file)
    station.enter()
    station.ask(lambda: station.steward.visit({"motion.zero_deg": 1.0}))
    for step in ("sides", "level"):
        told = station.ask(
            lambda step=step: station.steward.commit(step, MOVES[step], {}, None, step == "sides")
        )
        assert isinstance(told, CalibrationError)
        assert "in a visit" in str(told)
    station.ask(lambda: station.steward.visit({}))
    assert station.ask(lambda: station.steward.commit("level", MOVES["level"], {}, None, False)) == 1


MOVES: dict[str, dict[str, Any]] = {"sides": {"camera.mirror": True}, "level": {"lens.roll_deg": 0.5}}


def test_the_loop_is_left_no_oftener_than_an_eye_may_see() -> None:
    """Each time is a flash, and three a second are the limit."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hipbar.toml"
        file.write_text(text_of({}))
        station = Station(file)
        station.steward = Steward(file, station.hatch)
        station.enter()
        began_s = time.monotonic()
        for k in range(4):
            station.ask(lambda k=k: station.steward.try_values({"motion.zero_deg": k + 0.5}, None))
        assert time.monotonic() - began_s >= 3 * APART_S > 1.0
