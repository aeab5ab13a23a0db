"""How a visit stands, told in a line, on a screen, in `hipbar status` and in `hipbar watch`."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.clinic.terms import View
from appliance.commands.status import Reports, Seen
from appliance.commands.status_words import lines
from appliance.commands.visiting.words import armed, line, screen, short
from appliance.commands.watching.ink import Depth, Ink
from appliance.commands.watching.page import Page
from appliance.commands.watching.view import Health
from appliance.commands.watching.view import View as Watched
from appliance.station.status import Condition, Gait, Ready, Status, Verdict, Visit

VIEW = View(
    block=3,
    blocks=7,
    kind="feedback",
    name="",
    planned_s=600.0,
    ran_s=260.0,
    at_s=900.0,
    lit=True,
    mode="step",
    target_deg=4.9,
    band_deg=2.0,
    left_steps=370,
    right_steps=371,
)
VISIT = Visit(
    id=12,
    runner="P-07",
    kind="visit",
    protocol="retraining",
    number=3,
    visits=8,
    state="running",
    began_s=1.7e9,
    view=VIEW,
    kept_steps=1203,
    kept_s=899.0,
)
GAIT = Gait(left_hip_drop_deg=6.12, right_hip_drop_deg=4.04, cadence_spm=171.4)


def seen_with(**fields: object) -> View:
    return msgspec.structs.replace(VIEW, **fields)


def visit_with(**fields: object) -> Visit:
    return msgspec.structs.replace(VISIT, **fields)


def test_a_visit_is_told_in_one_line() -> None:
    assert line(VISIT) == (
        "12, P-07, retraining 3 of 8: block 4 of 7, feedback, 4:20 of 10:00, "
        "bar shows step, drop up to 4.9 deg, steps left hip 371, right hip 370"
    )


def test_the_left_hip_s_steps_are_those_of_right_stance() -> None:
    one = visit_with(view=seen_with(left_steps=1, right_steps=2))
    assert "left hip 2, right hip 1" in line(one)
    rows = screen(one, GAIT, 100)
    names, stances, drops, steps = rows[4:8]
    assert names.split() == ["left", "hip", "right", "hip"]
    assert stances.split(") ")[0].strip() == "(right stance"
    assert drops.split()[:3] == ["drop", "6.1", "4.0"]
    assert steps.split()[:3] == ["steps", "2", "1"]
    ends = [row.index(word) + len(word) for row, word in ((names, "left hip"), (drops, "6.1"), (steps, "2"))]
    assert len(set(ends)) == 1, "one column for each hip"


def test_a_target_is_told_by_what_the_mode_goes_by() -> None:
    assert "level within 2.0 deg" in line(visit_with(view=seen_with(mode="asymmetry")))
    assert "drop up to 4.9 deg" in line(VISIT)
    assert "bar dark" in line(visit_with(view=seen_with(lit=False)))


def test_what_it_waits_for_and_a_pause_are_told() -> None:
    assert "waits for the runner to run" in line(visit_with(view=seen_with(waiting="runner")))
    assert "the angle drifts" in short(visit_with(view=seen_with(waiting="the angle drifts")))
    assert line(visit_with(view=seen_with(paused=True))).count("paused") == 1
    assert "PAUSED" in short(visit_with(view=seen_with(paused=True)))
    assert "first frame" in line(visit_with(view=None))


def test_that_nothing_is_recorded_is_told_everywhere() -> None:
    lost = visit_with(trouble="the card is full")
    assert "NOT RECORDING: the card is full" in line(lost)
    assert "NOT RECORDING" in short(lost)
    assert any("NOT RECORDING: the card is full" in row for row in screen(lost, GAIT, 100))
    long = visit_with(
        trouble="less than the reserve of 500 MB is free; make room on that disk, or take a larger one"
    )
    *_, first, second, third = screen(long, GAIT, 60)
    assert first.startswith("recorded   NOT RECORDING: less than the reserve")
    assert (second[:11].strip(), third.strip()) == ("", "one")


def test_a_cue_s_words_are_there_to_be_spoken() -> None:
    cue = visit_with(kind="cue trial", view=seen_with(kind="cue", cue="push the ground back", lit=False))
    assert any('say        "push the ground back"' in row for row in screen(cue, GAIT, 100))


def test_an_exercise_tells_set_side_repetitions_and_hold() -> None:
    reps = seen_with(kind="repetitions", side="left", set_number=2, reps=8, reps_wanted=15)
    assert "set 2, left side, 8 of 15" in line(visit_with(view=reps))
    hold = seen_with(kind="hold", side="right", set_number=1, held_s=12.3, held_wanted_s=30.0)
    assert "set 1, right side, held 12 of 30 s" in line(visit_with(view=hold))


def test_what_the_button_begins_is_told() -> None:
    assert armed(Ready(runner="P-07", protocol="retraining", number=4)) == (
        "P-07, retraining, visit 4: a short press begins it"
    )
    assert "without a runner" in armed(Ready(protocol="open"))


def told(status: Status) -> str:
    return "\n".join(lines(Seen(Verdict(Condition.HEALTHY, "measuring", ""), status, None, Reports(), 1.0)))


def test_the_status_has_the_visit_and_what_is_ready() -> None:
    assert f"visit      {line(VISIT)}" in told(Status(visit=VISIT))
    ready = Ready(runner="P-07", protocol="retraining", number=4)
    assert "visit      none; next P-07, retraining, visit 4" in told(Status(visit_ready=ready))
    assert "visit" not in told(Status())


def test_watch_has_the_visit_under_the_bar() -> None:
    text = Page(Ink(Depth.NONE, utf8=False)).draw(Watched(health=Health(visit=short(VISIT))), 80, 24).text()
    assert text.splitlines()[3] == "visit 12  P-07  retraining 3/8  feedback 4:20/10:00  step"


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=40)


@given(
    view=st.none()
    | st.builds(
        View,
        block=st.integers(0, 20),
        blocks=st.integers(1, 20),
        kind=WORDS,
        name=WORDS,
        planned_s=st.floats(0, 1e5),
        ran_s=st.floats(0, 1e5),
        at_s=st.floats(0, 1e5),
        waiting=WORDS,
    ),
    trouble=st.none() | WORDS,
    width=st.integers(20, 200),
)
def test_no_terminal_is_too_narrow(view: View | None, trouble: str | None, width: int) -> None:
    visit = visit_with(view=view, trouble=trouble)
    assert all(len(row) <= width for row in screen(visit, Gait(), width, utf8=False))
    assert line(visit)
    assert short(visit)


@pytest.mark.parametrize("ran_s", [0.0, 260.0, 600.0, 1200.0])
def test_the_bar_of_time_is_always_as_long(ran_s: float) -> None:
    rows = screen(visit_with(view=seen_with(ran_s=ran_s)), GAIT, 80, utf8=False)
    assert sum(sign in "#-" for sign in rows[2]) == 40
