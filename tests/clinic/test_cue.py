"""A list of cues is read and changed without harm; a trial shows what its cue has changed, and says how surely."""

from __future__ import annotations

import string
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.clinic.cue import Cue, compare, cue_plan, named, parse_cues, trials, with_cue, without_cue
from appliance.clinic.intervals import Verdict
from appliance.clinic.rows import VisitData
from appliance.clinic.terms import RUNNING_KINDS, Kind, VisitKind
from appliance.errors import SettingsError, VisitError
from tests.clinic.handmade import block, correlated, steps, visit

SHIPPED = (files("appliance.clinic") / "shipped" / "cues.toml").read_text(encoding="utf-8")
PUSH = Cue(name="push", words="Push the ground back", what="drop")

names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
words = st.text(min_size=1, max_size=60).filter(lambda w: bool(w.strip()) and w.isprintable())
cues = st.builds(Cue, name=names, words=words, what=st.sampled_from(["drop", "cadence", "sway"]))
lists = st.lists(cues, max_size=5, unique_by=lambda cue: cue.name)


def trial(right: tuple[float, float, float] = (8.0, 5.0, 7.0), cue: Cue = PUSH, seed: int = 1) -> VisitData:
    """Three minutes of a runner whose right-stance drop is as given before, with and after the cue."""
    rng = np.random.default_rng(seed)
    parts = []
    for part, (b, mean) in enumerate(zip(cue_plan(cue).blocks, right, strict=True)):
        own = steps(170, right=mean)
        own["peak_drop_deg"] += 0.7 * correlated(rng, 0.2, (170,))
        own["contact_s"] *= 0.9 if part == 1 else 1.0
        parts.append((b, own))
    return visit(parts, kind=VisitKind.CUE)


def test_the_shipped_list_has_the_three_cues_that_clinics_use_most() -> None:
    found = parse_cues(SHIPPED, "shipped/cues.toml")
    assert {"push", "lift", "cadence"} <= {cue.name for cue in found}
    assert named(found, "cadence").what == "cadence"


def test_a_trial_is_three_minutes_of_running_in_the_dark_with_the_words_in_the_middle_one() -> None:
    plan = cue_plan(PUSH)
    assert [b.kind for b in plan.blocks] == [Kind.CUE_BEFORE, Kind.CUE, Kind.CUE_AFTER]
    assert [b.cue for b in plan.blocks] == [None, "Push the ground back", None]
    assert {b.seconds for b in plan.blocks} == {60.0}
    assert {b.mode for b in plan.blocks} == {"off"}
    assert {b.kind for b in plan.blocks} <= RUNNING_KINDS
    assert (plan.kind, plan.protocol) == (VisitKind.CUE, "push")
    assert cue_plan(PUSH, 30.0).blocks[2].seconds == 30.0


@pytest.mark.parametrize("seconds", [0.0, 19.9, 601.0, float("nan")])
def test_a_trial_of_no_useful_length_is_refused(seconds: float) -> None:
    with pytest.raises(VisitError, match="no length"):
        cue_plan(PUSH, seconds)


def test_the_trial_shows_each_figure_before_with_and_after_with_what_may_be_said() -> None:
    result = compare(trial(), [PUSH])
    assert (result.name, result.words, result.runner) == ("push", "Push the ground back", "R-1")
    assert result.seconds == (60.0, 60.0, 60.0)
    rows = {row.figure: row for row in result.rows}
    drop = rows["right_drop_deg"]
    assert drop.with_cue.change == pytest.approx(-3.0, abs=0.3)
    assert drop.with_cue.low is not None
    assert drop.with_cue.low < -3.0 < (drop.with_cue.high or 0.0) + 0.3
    assert (drop.with_cue_verdict, drop.afterwards_verdict) == (Verdict.BEYOND, Verdict.WITHIN)
    assert (drop.meant, rows["cadence_spm"].meant) == (True, False)
    assert rows["left_drop_deg"].with_cue_verdict is Verdict.NONE
    assert rows["cadence_spm"].with_cue.change == pytest.approx(60 / 0.35 * (1 / 0.9 - 1), rel=0.01)
    assert rows["cadence_spm"].with_cue_verdict is Verdict.CLEAR
    assert rows["left_sway_px"].with_cue.change == 0.0
    assert rows["asymmetry_deg"].sdd is None


def test_a_trial_that_was_stopped_with_the_cue_lacks_only_what_comes_after() -> None:
    whole = trial()
    parts = [(row.block, whole.steps[whole.steps["block"] == row.n]) for row in whole.blocks[:2]]
    for _, own in parts:
        own["contact_s"] -= own["contact_s"][0]
    result = compare(visit(parts, kind=VisitKind.CUE))
    drop = next(row for row in result.rows if row.figure == "right_drop_deg")
    assert drop.with_cue_verdict is Verdict.BEYOND
    assert (drop.after.n, drop.afterwards.change, drop.afterwards_verdict) == (0, None, Verdict.TOO_FEW)
    assert result.seconds == (60.0, 60.0, 0.0)


def test_a_visit_may_have_more_than_one_trial_among_other_blocks() -> None:
    other = Cue(name="lift", words="Lift the other hip")
    parts = [(block(Kind.BASELINE), steps(60))]
    for cue, right in ((PUSH, 5.0), (other, 9.0)):
        three = cue_plan(cue).blocks
        drops = zip(three, (8.0, right, 8.0), strict=True)
        parts += [(b, steps(60, right=mean)) for b, mean in drops]
    first, second = trials(visit(parts))
    assert (first.name, second.name) == ("push", "lift")
    assert (first.rows[1].with_cue.change, second.rows[1].with_cue.change) == (-3.0, 1.0)


def test_a_visit_without_a_trial_says_so() -> None:
    with pytest.raises(VisitError, match="no cue trial"):
        compare(visit([(block(Kind.FEEDBACK), steps(60))]))
    with pytest.raises(VisitError, match="no cue trial"):
        compare(visit([(cue_plan(PUSH).blocks[0], steps(60))]))


@given(lists, cues)
def test_a_cue_that_is_added_is_there_and_all_others_stay(before: list[Cue], new: Cue) -> None:
    text = ""
    for cue in before:
        text = with_cue(text, cue, "cues.toml")
    if any(cue.name == new.name for cue in before):
        with pytest.raises(SettingsError, match="twice"):
            with_cue(text, new, "cues.toml")
    else:
        assert parse_cues(with_cue(text, new, "cues.toml"), "cues.toml") == (*before, new)


@given(lists.filter(bool), st.data())
def test_a_cue_that_is_removed_is_gone_and_all_others_stay(before: list[Cue], data: st.DataObject) -> None:
    text = ""
    for cue in before:
        text = with_cue(text, cue, "cues.toml")
    gone = data.draw(st.sampled_from(before))
    rest = tuple(cue for cue in before if cue is not gone)
    assert parse_cues(without_cue(text, gone.name, "cues.toml"), "cues.toml") == rest


def test_the_clinic_s_own_comments_outlive_the_cues_beside_them() -> None:
    text = SHIPPED.replace('[[cue]]\nname = "belt"', '# for Tuesday\n[[cue]]\nname = "belt"')
    shorter = without_cue(text, "lift", "cues.toml")
    assert "# for Tuesday\n[[cue]]" in shorter
    assert shorter.startswith(SHIPPED.splitlines()[0])
    assert "Lift the other hip" not in shorter


def test_a_list_written_in_another_way_can_be_changed_as_well() -> None:
    text = 'cue = [{name = "a", words = "[[cue]] A"}, {name = "b", words = "B"}]\n'
    assert parse_cues(without_cue(text, "a", "cues.toml"), "cues.toml") == (Cue(name="b", words="B"),)
    assert without_cue('cue = [{name = "b", words = "B"}]', "b", "cues.toml").startswith("#")
    longer = with_cue(text, Cue(name="c", words="C"), "cues.toml")
    assert [cue.name for cue in parse_cues(longer, "cues.toml")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[cue]]\nname = 'a'\nword = 'b'", "word"),
        ("[[cue]]\nname = 'a'", "words"),
        ("[[cue]]\nname = 'A b'\nwords = 'b'", "no name"),
        ("[[cue]]\nname = 'a'\nwords = ' '", "read out"),
        ("[[cue]]\nname = 'a'\nwords = 'b'\nwhat = 'dropp'", "dropp"),
        ("[[cue]]\nname = 'a'\nwords = 'b'\n\n[[cue]]\nname = 'a'\nwords = 'c'", r"cue 2 \(line 5\).*twice"),
        ("[[cue", "not TOML"),
    ],
)
def test_a_list_that_can_t_be_used_says_where_and_what(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        parse_cues(text, "cues.toml")
    assert "cues.toml" in str(refused.value)
    assert refused.value.fix


def test_a_cue_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(VisitError) as refused:
        named(parse_cues(SHIPPED, "x"), "cadance")
    assert "`cadence`" in refused.value.fix
