"""Whatever happens, an update ends and says what is installed; the verdict on the service is a fold of looks."""

from __future__ import annotations

import dataclasses
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.records import Light
from appliance.station.status import STARTING, Condition, Status, verdict
from appliance.upkeep.stages import (
    ENDS,
    FAULT,
    HEALTHY,
    MOST_TRIES,
    NEXT,
    NO_CAMERA,
    STOPPED,
    Limits,
    Look,
    Package,
    Stage,
    Update,
    Watch,
    as_good,
    condition_of,
    ending,
)

NEW, OLD = Package("2.0", "new.deb", "aa"), Package("1.0", "old.deb", "bb")
ORDER = Update("1", NEW, OLD, HEALTHY)


def carried_out(update: Update, results: list[bool]) -> Update:
    """As the worker does it: begun, then done or failed, until it is over."""
    for result in itertools.chain(results, itertools.repeat(True)):
        if update.over:
            return update
        begun = update.begun()
        update = begun if begun.over else begun.after(result, "" if result else f"{begun.stage} failed")
    raise AssertionError


@pytest.mark.parametrize(
    ("results", "end"),
    [
        ([True, True, True], Stage.UPDATED),
        ([False], Stage.REFUSED),
        ([True, False, True, True], Stage.WENT_BACK),
        ([True, True, False, True, True], Stage.WENT_BACK),
        ([True, True, False, True, False], Stage.UNWELL),
        ([True, True, False, False], Stage.STUCK),
    ],
)
def test_every_way_through_the_stages_has_its_end(results: list[bool], end: Stage) -> None:
    over = carried_out(ORDER, results)
    assert over.stage == end
    what, _ = ending(over)
    assert "2.0" in what
    assert ("failed" in what) == (end != Stage.UPDATED)


def test_every_stage_that_is_no_end_knows_both_that_follow() -> None:
    assert {stage for stage, _ in NEXT} | ENDS == set(Stage)
    assert {(stage, done) for stage in set(Stage) - ENDS for done in (True, False)} == set(NEXT)
    assert set(MOST_TRIES) == set(Stage) - ENDS


@given(st.lists(st.booleans(), max_size=8), st.data())
def test_cut_off_anywhere_and_any_number_of_times_it_still_ends(
    results: list[bool], data: st.DataObject
) -> None:
    update, steps = ORDER, iter(results)
    for _ in range(200):
        if update.over:
            break
        update = Update.of(msgspec.json.decode(msgspec.json.encode(update.as_dict())))
        update = update.begun()
        if not update.over and not data.draw(st.booleans()):
            update = update.after(next(steps, True), "why")
    assert update.over


@pytest.mark.parametrize("stage", sorted(MOST_TRIES))
def test_a_stage_that_takes_the_machine_down_each_time_has_failed(stage: Stage) -> None:
    update = dataclasses.replace(ORDER, stage=stage)
    for _ in range(MOST_TRIES[stage]):
        update = update.begun()
        assert update.stage == stage
    update = update.begun()
    assert update.stage == NEXT[stage, False]
    assert update.why == f"{stage}: cut off {MOST_TRIES[stage]} times"
    assert update.over or update.tries == 1


def test_the_first_failure_is_the_one_that_is_told() -> None:
    update = carried_out(ORDER, [True, True, False, True, False])
    assert update.why == "watch failed"


def test_the_version_in_force_and_the_one_before_are_kept() -> None:
    older = Package("0.9", "older.deb", "cc")
    assert carried_out(ORDER, [True] * 3).keeping([OLD, older]) == [NEW, OLD]
    assert carried_out(ORDER, [True, False]).keeping([OLD, older]) == [OLD, older]
    assert carried_out(ORDER, [False]).keeping([OLD, older]) == [OLD, older]
    unpacked = dataclasses.replace(ORDER, old=Package("1.0", ""))
    assert carried_out(unpacked, [False]).keeping([]) == []


def watched(before: str, looks: list[Look]) -> Watch:
    watch = Watch(before)
    for look in looks:
        watch = watch.seen(look)
        if watch.verdict is not None:
            break
    return watch


def each(
    seconds: float, condition: str, process: str = "p", *, since_s: float = 0.0, **more: object
) -> list[Look]:
    return [Look(since_s + k / 2, condition, process, **more) for k in range(int(seconds * 2) + 1)]  # type: ignore[arg-type]


def test_ten_steady_seconds_are_enough_and_less_are_not() -> None:
    assert watched(HEALTHY, each(9.5, HEALTHY)).verdict is None
    done = watched(HEALTHY, each(60, HEALTHY))
    assert done.verdict is True
    assert done.last
    assert done.last.t_s == 10.0


def test_a_service_that_never_gets_ready_has_sixty_seconds() -> None:
    watch = watched(HEALTHY, each(70, "warming up"))
    assert watch.verdict is False
    assert watch.last
    assert watch.last.t_s == 60.0
    assert watch.words() == "the service is not well after 60 s: warming up"


def test_well_at_the_last_moment_may_still_become_steady() -> None:
    assert watched(HEALTHY, [*each(59, "warming up"), *each(12, HEALTHY, since_s=59.5)]).verdict is True
    broken = [*each(59, "warming up"), *each(4, HEALTHY, since_s=59.5), *each(4, FAULT, since_s=64)]
    assert watched(HEALTHY, broken).verdict is False


def test_a_restart_begins_the_ten_seconds_anew() -> None:
    looks = [look for k in range(8) for look in each(8.5, HEALTHY, f"p{k}", since_s=9.0 * k)]
    assert watched(HEALTHY, looks).verdict is False


@pytest.mark.parametrize("counted", [True, False], ids=["counted by systemd", "by its processes"])
def test_a_service_that_falls_over_again_and_again_is_not_waited_for(counted: bool) -> None:
    looks = [Look(k * 0.5, "starting", f"p{k}", k if counted else None) for k in range(100)]
    watch = watched(HEALTHY, looks)
    assert watch.verdict is False
    assert watch.last
    assert watch.last.t_s == 4.5
    assert "was started 9 times and ended each time" in watch.words()


def test_the_process_of_the_version_before_proves_nothing() -> None:
    watch = watched(HEALTHY, each(70, HEALTHY, old=True))
    assert watch.verdict is False
    assert "the version before is still running" in watch.words()


@pytest.mark.parametrize(
    ("after", "before", "stays"),
    [
        (HEALTHY, HEALTHY, True),
        (NO_CAMERA, HEALTHY, False),
        (NO_CAMERA, NO_CAMERA, True),
        (HEALTHY, NO_CAMERA, True),
        (FAULT, NO_CAMERA, False),
        (FAULT, FAULT, True),
        (NO_CAMERA, FAULT, True),
        (STOPPED, STOPPED, True),
        (STOPPED, HEALTHY, False),
        (STOPPED, "not answering", False),
        (NO_CAMERA, STOPPED, True),
        (FAULT, STOPPED, False),
        (FAULT, "not answering", True),
        ("starting", "starting", False),
        ("not answering", "not answering", False),
    ],
)
def test_as_good_as_before_is_good_enough(after: str, before: str, stays: bool) -> None:
    assert as_good(after, before) is stays


def test_no_camera_as_before_stays_though_the_service_looks_for_one_again_and_again() -> None:
    looks, now_s = [], 0.0
    for k in range(4):
        looks += each(2.5, STARTING, f"p{k}", since_s=now_s, restarts=k)
        looks += each(20, NO_CAMERA, f"p{k}", since_s=now_s + 3, restarts=k)
        now_s += 23.5
    assert watched(NO_CAMERA, looks).verdict is True
    assert watched(HEALTHY, looks).verdict is False


@pytest.mark.parametrize("state", [*Light, STARTING])
@pytest.mark.parametrize("age_s", [0.1, 2.9, 3.1, -5.0])
@pytest.mark.parametrize("alive", [True, False])
def test_the_condition_is_that_of_hipbar_status(state: str, age_s: float, alive: bool) -> None:
    status = Status(state=state, written_s=100.0 - age_s, boot_id="b", pid=1)
    told = verdict(status, 100.0, "b", alive).condition
    seen = condition_of(msgspec.to_builtins(status), 100.0, alive, "active")
    assert (seen == HEALTHY) == (told is Condition.HEALTHY)
    assert (seen == NO_CAMERA) == (told is Condition.NO_CAMERA)
    assert (seen == FAULT) == (told is Condition.FAULT)


def test_the_condition_of_a_service_that_says_nothing() -> None:
    assert condition_of(None, 1.0, False, "inactive") == STOPPED
    assert condition_of(None, 1.0, False, "activating") == "starting"
    assert condition_of(None, 1.0, False, "failed") == "not running"
    assert condition_of({"state": "ready"}, 1.0, True, "active") == "not answering"
    assert condition_of({"state": "ready", "written_s": "x"}, 1.0, True, "active") == "not answering"


def test_an_update_survives_its_file_and_what_is_not_one_is_refused() -> None:
    update = dataclasses.replace(ORDER, stage=Stage.BACK, tries=2, seconds={"keep": 1.5}, why="ä")
    raw = msgspec.json.decode(msgspec.json.encode(update.as_dict()))
    assert Update.of({**raw, "of a later version": 1}) == update
    for bad in ({}, {**raw, "stage": "?"}, {**raw, "new": {}}, {**raw, "old": None}):
        with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
            Update.of(bad)


def test_limits_are_those_that_are_promised() -> None:
    assert Limits() == Limits(within_s=60.0, steady_s=10.0, restarts=8)
