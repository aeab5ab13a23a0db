"""An exercise's file: what is shipped is right, what can't be meant is refused with its remedy."""

from __future__ import annotations

from importlib.resources import files

import pytest

from appliance.clinic.exercise import Exercise, drill_plan, drill_s, parse_exercise
from appliance.clinic.terms import Kind, VisitKind
from appliance.clinic.work import check
from appliance.errors import SettingsError
from appliance.records import Side

SHIPPED = files("appliance.clinic") / "shipped" / "exercises"
HOLD = 'kind = "hold"\nhold_s = 30\nband_deg = 3\n'
REPS = 'kind = "reps"\nreps = 15\nrange_deg = 6\n'


def shipped(name: str) -> Exercise:
    return parse_exercise((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"), f"shipped/{name}.toml")


def refused(text: str) -> str:
    with pytest.raises(SettingsError) as error:
        parse_exercise(text, "mine.toml")
    assert str(error.value).startswith("mine.toml: ")
    return f"{error.value} ({error.value.fix})"


def test_every_shipped_exercise_is_right_and_says_what_to_do() -> None:
    names = sorted(file.name.removesuffix(".toml") for file in SHIPPED.iterdir())
    assert names == ["hip-drop", "side-plank", "side-plank-timed", "wall-hold"]
    for name in names:
        exercise = shipped(name)
        check(drill_plan(exercise))
        assert exercise.name == name
        assert exercise.title
        assert exercise.how
        assert 4 * 60 < drill_s(exercise) < 15 * 60


def test_hip_drops_are_three_sets_of_fifteen_a_side_with_rests_between() -> None:
    plan = drill_plan(shipped("hip-drop"))
    sets = [block for block in plan.blocks if block.kind is Kind.REPS]
    assert [(b.side, b.set_number) for b in sets] == [(s, n) for n in (1, 2, 3) for s in Side]
    assert all((b.reps, b.range_deg, b.mode) == (15, 6.0, "live") for b in sets)
    assert [b.kind for b in plan.blocks[:3]] == [Kind.STAND, Kind.REST, Kind.REPS]
    assert [b.kind for b in plan.blocks[3:]] == [Kind.REST, Kind.REPS] * 5
    assert (plan.kind, plan.protocol, plan.visits) == (VisitKind.EXERCISE, "hip-drop", 0)


def test_wall_holds_are_three_a_side_of_half_a_minute_to_a_minute() -> None:
    holds = [block for block in drill_plan(shipped("wall-hold")).blocks if block.kind is Kind.HOLD]
    assert len(holds) == 6
    assert all(30 <= (b.hold_s or 0) == b.seconds <= 60 and b.band_deg == 3.0 for b in holds)


@pytest.mark.parametrize(("name", "measure"), [("side-plank", "height"), ("side-plank-timed", "time")])
def test_planks_are_ten_holds_of_ten_seconds_a_side_in_the_dark(name: str, measure: str) -> None:
    plan = drill_plan(shipped(name))
    holds = [block for block in plan.blocks if block.kind is Kind.HOLD]
    assert [(b.side, b.reps, b.hold_s, b.measure) for b in holds] == [(s, 10, 10.0, measure) for s in Side]
    assert {block.mode for block in plan.blocks} == {"off"}
    assert Kind.STAND not in {block.kind for block in plan.blocks}


def test_a_free_exercise_has_its_own_sides_sets_and_name() -> None:
    text = REPS + 'sides = ["right"]\nsets = 2\nrest_s = 0\nready_s = 0\nstand_s = 0\n'
    plan = drill_plan(parse_exercise(text, "/var/lib/hipbar/exercises/balance-2.toml"))
    assert [(b.side, b.name, b.set_number) for b in plan.blocks] == [(Side.RIGHT, "right", n) for n in (1, 2)]
    assert plan.protocol == "balance-2"
    bilateral = drill_plan(parse_exercise(REPS + "sides = []\nsets = 1\n", "squat.toml"))
    assert [block.side for block in bilateral.blocks] == [None, None, None]


def test_what_it_takes_counts_rests_and_pauses() -> None:
    text = 'kind = "hold"\nmeasure = "time"\nhold_s = 10\nreps = 3\npause_s = 4\nsets = 2\nrest_s = 30\nsides = []\n'
    assert drill_s(parse_exercise(text + "ready_s = 5\nstand_s = 2\n", "a.toml")) == 2 + 5 + 38 + 30 + 38


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "kind"),
        ("kind = ", "not TOML"),
        ('kind = "holds"\nhold_s = 3\n', "did you mean `hold`?"),
        (HOLD + "bandd_deg = 3\n", "did you mean `band_deg`?"),
        (HOLD + 'sides = ["left", "left"]\n', "names a side twice"),
        (HOLD + 'sides = ["middle"]\n', "middle"),
        (HOLD + "sets = 0\n", "sets"),
        (HOLD + "stand_s = 1\n", "too short to tell a zero"),
        (HOLD + "range_deg = 6\n", "no use for range_deg"),
        (HOLD + 'measure = "time"\n', "no use for band_deg"),
        ('kind = "hold"\nband_deg = 3\n', "hold_s = 30"),
        ('kind = "hold"\nhold_s = 30\n', "needs band_deg"),
        ('kind = "hold"\nhold_s = 30\nmeasure = "height"\n', "needs range_px"),
        ('kind = "reps"\nrange_deg = 6\n', "reps = 15"),
        ('kind = "reps"\nreps = 15\n', "needs range_deg"),
        ('kind = "reps"\nreps = 15\nmeasure = "time"\n', "counts no repetitions"),
        (REPS + "hold_s = 3\n", "no use for hold_s"),
        (REPS + "reps = 15\n", "not TOML"),
        ('kind = "reps"\nreps = 15\nrange_deg = nan\n', "range_deg"),
        ('kind = "reps"\nreps = 15\nrange_deg = 1\n', "range_deg"),
    ],
)
def test_what_can_t_be_meant_is_refused_with_its_remedy(text: str, words: str) -> None:
    assert words in refused(text)


def test_a_file_s_name_is_the_exercise_s() -> None:
    with pytest.raises(SettingsError, match="is no name"):
        parse_exercise(REPS, "exercises/My Exercise.toml")
