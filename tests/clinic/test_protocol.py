"""Protocols: what is shipped, what is planned from it, which visit is next, and what is refused where."""

from __future__ import annotations

from importlib.resources import files
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.clinic.protocol import Protocol, counts, next_number, parse_protocol
from appliance.clinic.rows import VisitRow
from appliance.clinic.terms import RUNNING_KINDS, Baseline, Block, Kind, Target, VisitKind, VisitState
from appliance.clinic.timeline import durations, lit, planned_run_s, remarks
from appliance.errors import SettingsError, VisitError

SHIPPED = files("appliance.clinic") / "shipped" / "protocols"

PLAIN = """
visits = 4
target = { degrees = 5 }

[[block]]
kind = "stand"
seconds = 5

[[block]]
kind = "feedback"
minutes = [15, 20, 25, 30]

[[block]]
kind = "retention"
minutes = 1
"""


def shipped(name: str) -> Protocol:
    return parse_protocol((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"), f"shipped/{name}.toml")


def plain(**blocks: str) -> Protocol:
    """`PLAIN` with lines added to the block of a kind, or ("head") before all of them."""
    return parse_protocol(changed(**blocks), "clinic/plain.toml")


def changed(**blocks: str) -> str:
    text = PLAIN
    for kind, lines in blocks.items():
        here = f'kind = "{kind}"' if kind != "head" else "visits = 4"
        assert here in text
        text = text.replace(here, f"{here}\n{lines}" if kind != "head" else lines)
    return text


def refusal(text: str) -> SettingsError:
    with pytest.raises(SettingsError) as refused:
        parse_protocol(text, "clinic/plain.toml")
    assert str(refused.value).startswith("clinic/plain.toml: ")
    assert refused.value.fix
    return refused.value


def row(number: int, state: VisitState = VisitState.DONE, **more: object) -> VisitRow:
    fields = {"runner": "R1", "kind": VisitKind.VISIT, "protocol": "retraining", "planned_s": 900.0}
    return VisitRow(id=number, number=number, state=state, began_s=0.0, clock_set=True, **fields | more)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["retraining", "open", "demo"])
def test_every_shipped_protocol_is_right_and_plans_each_of_its_visits(name: str) -> None:
    protocol = shipped(name)
    for number in range(1, (protocol.visits or 3) + 1):
        plan = protocol.plan(number)
        assert plan.blocks
        assert plan.protocol == name
        assert plan.visits == (protocol.visits or 0)


def test_retraining_is_eight_visits_from_15_to_30_minutes_with_nothing_unusual() -> None:
    protocol = shipped("retraining")
    told = [durations(protocol.plan(n)) for n in range(1, 9)]
    assert protocol.visits == 8
    assert protocol.days == 14
    assert (told[0].run_s, told[-1].run_s) == (900.0, 1800.0)
    assert all(a.run_s < b.run_s for a, b in pairwise(told))
    assert 177 <= sum(one.run_s for one in told) / 60 <= 196  # as in the studies that its file names
    assert list(remarks(protocol)) == []


def test_retraining_shows_all_in_visits_1_to_4_and_less_and_less_in_5_to_8() -> None:
    protocol = shipped("retraining")
    shares = []
    for number in range(1, 9):
        blocks = protocol.plan(number).blocks
        kinds = [block.kind for block in blocks]
        shown = Kind.FEEDBACK if number <= 4 else Kind.FADED
        assert kinds == [Kind.STAND, Kind.WARM_UP, Kind.BASELINE, shown, Kind.RETENTION, Kind.COOL_DOWN]
        lit_s = sum(b - a for a, b in lit(blocks[3]))
        shares.append(lit_s / blocks[3].seconds)
        assert all(block.mode == "off" for block in blocks if block.kind is not shown)
        assert blocks[3].mode == "step"
        assert blocks[3].target == Target(percent=70, of="first", floor_deg=2.8)
    assert shares[:4] == [1.0] * 4
    assert shares[4:] == sorted(shares[4:], reverse=True)
    assert shares[4] < 0.8
    assert shares[7] < 0.25


def test_open_running_has_no_end_and_goes_by_the_station_s_own_settings() -> None:
    protocol = shipped("open")
    plan = protocol.plan(400)
    assert [block.kind for block in plan.blocks] == [Kind.STAND, Kind.FEEDBACK]
    assert plan.blocks[1].seconds == 3600
    assert plan.blocks[1].target is None
    assert list(remarks(protocol)) == []


def test_a_plan_carries_the_first_baseline() -> None:
    first = Baseline(left_drop_deg=4, right_drop_deg=6, difference_deg=2, left_steps=80, right_steps=80)
    assert shipped("retraining").plan(5, first).first_baseline == first


@pytest.mark.parametrize("number", [0, -1, 9])
def test_a_visit_that_there_is_not_is_refused(number: int) -> None:
    with pytest.raises(VisitError, match=f"has 8 visits: there is no visit {number}"):
        shipped("retraining").plan(number)


def test_figures_may_be_given_for_each_visit_of_a_block() -> None:
    assert [plain().plan(n).blocks[1].seconds for n in (1, 2, 3, 4)] == [900, 1200, 1500, 1800]


def test_blocks_may_be_for_certain_visits() -> None:
    text = changed(feedback='visits = "1,3-4"').replace("[15, 20, 25, 30]", "[15, 25, 30]")
    protocol = parse_protocol(text, "plain.toml")
    assert [len(protocol.plan(n).blocks) for n in (1, 2, 3, 4)] == [3, 2, 3, 3]
    assert protocol.plan(4).blocks[1].seconds == 1800


def test_a_protocol_without_end_takes_open_spans_of_visits() -> None:
    text = changed(head="", feedback='visits = "3-"').replace("[15, 20, 25, 30]", "20")
    protocol = parse_protocol(text, "plain.toml")
    assert protocol.visits is None
    assert [len(protocol.plan(n).blocks) for n in (1, 2, 3, 900)] == [2, 2, 3, 3]


def test_a_cue_trial_becomes_three_blocks_and_only_the_middle_one_speaks() -> None:
    cue = '\n[[block]]\nkind = "cue trial"\nseconds = 60\ncue = "push the ground back"\n'
    blocks = parse_protocol(PLAIN + cue, "plain.toml").plan(1).blocks[-3:]
    assert [block.kind for block in blocks] == [Kind.CUE_BEFORE, Kind.CUE, Kind.CUE_AFTER]
    assert [block.cue for block in blocks] == [None, "push the ground back", None]
    assert all(block.mode == "off" and block.kind in RUNNING_KINDS for block in blocks)


def test_the_name_is_that_of_the_file() -> None:
    assert plain().name == "plain"
    with pytest.raises(SettingsError, match="is no name") as refused:
        parse_protocol(PLAIN, "/home/me/My Plan.toml")
    assert "small letters" in refused.value.fix


# What is refused, and where it says so


def test_a_misspelt_key_names_the_nearest_one_its_block_and_its_line() -> None:
    error = refusal(changed(feedback="minits = 3"))
    assert "block 2 (line 9): nobody knows `minits`" in str(error)
    assert error.fix == "did you mean `minutes`?"


def test_a_misspelt_kind_names_the_nearest_one() -> None:
    error = refusal(PLAIN.replace('"retention"', '"retension"'))
    assert "block 3 (line 13), kind: nobody knows `retension`" in str(error)
    assert error.fix == "did you mean `retention`?"


def test_a_misspelt_key_within_a_target_is_found() -> None:
    error = refusal(PLAIN.replace("degrees = 5", "degree = 5"))
    assert "target: nobody knows `degree`" in str(error)
    assert error.fix == "did you mean `degrees`?"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("visits = ", "not TOML"),
        ("visits = 4", "lacks `block`"),
        ("block = []", "block: expected `list` of length >= 1"),
        (changed(head="visits = 0"), "visits"),
        (changed(head="visits = 4.5"), "visits"),
        (changed(stand="visits = 9"), 'visits = "9" names no visits, of 4'),
        (changed(stand='visits = "3-2"'), 'visits = "3-2" names no visits'),
        (changed(stand='visits = "all"'), 'visits = "all" names no visits'),
        (changed(feedback="seconds = 3"), "needs either minutes or seconds"),
        (PLAIN.replace("minutes = 1\n", ""), "needs either minutes or seconds"),
        (PLAIN.replace("minutes = 1\n", "minutes = 0\n"), "minutes = 0: not all are above 0"),
        (PLAIN.replace("minutes = 1\n", "minutes = nan\n"), "minutes = nan: not all are above 0"),
        (PLAIN.replace("minutes = 1\n", "minutes = inf\n"), "minutes = inf"),
        (PLAIN.replace("minutes = 1\n", "minutes = 300\n"), "more than 4 hours"),
        (PLAIN.replace("minutes = 1\n", 'minutes = "1"\n'), "minutes: expected"),
        (PLAIN.replace("[15, 20, 25, 30]", "[15, 20]"), "minutes has 2 figures for 4 visits"),
        (PLAIN.replace("seconds = 5", "seconds = 90"), "a stand takes seconds, 2 to 60"),
        (PLAIN.replace("seconds = 5", "minutes = 1"), "a stand takes seconds, 2 to 60"),
        (PLAIN.replace("target = { degrees = 5 }", ""), "a feedback block needs a target"),
        (PLAIN.replace("degrees = 5", "degrees = 5, percent = 50"), "is either percent or degrees"),
        (PLAIN.replace("degrees = 5", ""), "is either percent or degrees"),
        (PLAIN.replace("degrees = 5", "degrees = 50"), "degrees = 50 is not 0.5 to 20"),
        (PLAIN.replace("degrees = 5", "percent = 5"), "percent = 5 is not 10 to 100"),
        (PLAIN.replace("degrees = 5", "percent = nan"), "percent = nan is not 10 to 100"),
        (PLAIN.replace("degrees = 5", "degrees = 5, floor_deg = -1"), "floor_deg = -1"),
        (PLAIN.replace("degrees = 5", "percent = 70"), "visit 1 takes none before it"),
        (changed(feedback='mode = "off"'), 'mode = "off" in a feedback block'),
        (changed(retention='mode = "live"'), "a retention block shows nothing, so it has no mode"),
        (
            changed(retention="target = { degrees = 4 }"),
            "a retention block shows nothing, so it has no target",
        ),
        (changed(feedback="on_s = 30"), "a feedback block does not fade"),
        (PLAIN.replace('"feedback"', '"faded"'), "a faded block needs on_s and off_s"),
        (
            PLAIN.replace('"feedback"', '"faded"\non_s = 2\noff_s = 30'),
            "on_s = 2 is too short to run by",
        ),
        (PLAIN.replace('"retention"', '"cue trial"'), "a cue trial needs the words"),
        (changed(retention='cue = "go"'), "a retention block speaks no cue"),
        (PLAIN + '[[block]]\nkind = "hold"\nseconds = 30', "nobody knows `hold`"),
        (
            'visits = 3\n[[block]]\nkind = "warm-up"\nvisits = "1-2"\nminutes = 3',
            "visit 3 has no blocks",
        ),
        ("a = " + "[" * 3000, ""),
    ],
)
def test_what_can_t_be_done_is_refused_with_its_place_and_a_remedy(text: str, what: str) -> None:
    assert what in str(refusal(text))


def test_percent_of_a_visit_s_own_baseline_needs_one_in_every_such_visit() -> None:
    baseline = '[[block]]\nkind = "baseline"\nvisits = 1\nminutes = 2\n\n'
    at = PLAIN.index('[[block]]\nkind = "feedback"')
    text = PLAIN[:at] + baseline + PLAIN[at:]
    first = parse_protocol(text.replace("degrees = 5", "percent = 70"), "plain.toml")
    assert len(first.plan(2).blocks) == 3
    error = refusal(text.replace("degrees = 5", 'percent = 70, of = "visit"'))
    assert "visit 2 takes none before it" in str(error)


@given(st.text(max_size=200))
def test_no_text_whatever_brings_anything_but_a_refusal_in_words(text: str) -> None:
    refusal(text)


@given(st.lists(st.sampled_from(PLAIN.splitlines()), max_size=14))
def test_lines_in_any_order_are_a_protocol_or_refused(lines: list[str]) -> None:
    try:
        protocol = parse_protocol("\n".join(lines), "plain.toml")
    except SettingsError:
        return
    for number in range(1, (protocol.visits or 2) + 1):
        assert protocol.plan(number).blocks


# Which is next


def test_the_next_visit_is_the_one_after_the_last_that_was_done() -> None:
    protocol = shipped("retraining")
    assert next_number(protocol, []) == 1
    assert next_number(protocol, [row(1), row(2)]) == 3
    assert next_number(protocol, [row(2), row(1)]) == 3
    assert next_number(protocol, [row(5)]) == 6
    assert next_number(protocol, [row(n) for n in range(1, 9)]) is None


def test_a_visit_that_was_cut_short_is_run_again_and_one_run_by_half_is_not() -> None:
    protocol = shipped("retraining")
    for state in (VisitState.STOPPED, VisitState.INTERRUPTED):
        assert next_number(protocol, [row(1), row(2, state, ran_s=449.0)]) == 2
        assert next_number(protocol, [row(1), row(2, state, ran_s=450.0)]) == 3
    assert not counts(row(1, VisitState.STOPPED, planned_s=0.0))


def test_only_ended_visits_of_this_protocol_count() -> None:
    protocol = shipped("retraining")
    others = [
        row(1, protocol="demo"),
        row(2, kind=VisitKind.CUE),
        row(3, VisitState.RUNNING, ran_s=900.0),
        row(4, VisitState.PAUSED, ran_s=900.0),
    ]
    assert next_number(protocol, others) == 1


def test_a_protocol_without_end_always_has_a_next_visit() -> None:
    assert next_number(shipped("open"), [row(300, protocol="open")]) == 301


def test_of_a_protocol_without_end_every_visit_counts_that_was_run_at_all() -> None:
    stopped = row(4, VisitState.STOPPED, protocol="open", planned_s=3600.0, ran_s=60.0)
    never = row(5, VisitState.STOPPED, protocol="open", planned_s=3600.0)
    assert next_number(shipped("open"), [never, stopped]) == 5


# Durations and remarks


def test_lit_time_is_that_of_whole_and_broken_cycles() -> None:
    faded = Block(kind=Kind.FADED, seconds=100, mode="step", on_s=30, off_s=20)
    assert list(lit(faded)) == [(0, 30), (50, 80)]
    broken = Block(kind=Kind.FADED, seconds=60, mode="step", on_s=30, off_s=20)
    assert list(lit(broken)) == [(0, 30), (50, 60)]
    assert list(lit(Block(kind=Kind.FEEDBACK, seconds=60, mode="step"))) == [(0, 60)]
    assert list(lit(Block(kind=Kind.RETENTION, seconds=60))) == []


def test_warm_up_and_stand_are_no_running() -> None:
    plan = shipped("retraining").plan(1)
    assert planned_run_s(plan) == 15 * 60
    assert durations(plan).all_s == 20 * 60 + 5


def test_what_is_unusual_is_a_remark_and_no_fault() -> None:
    text = PLAIN.replace('kind = "stand"\nseconds = 5', 'kind = "baseline"\nseconds = 10')
    notes = "\n".join(remarks(parse_protocol(text.replace("30]", "40]"), "plain.toml")))
    assert "visit 1 does not begin with a stand" in notes
    assert "visit 4 has 41.2 min of running; 15 to 30 are usual" in notes
    assert "a baseline of 10 s" in notes
    low = "\n".join(remarks(parse_protocol(PLAIN.replace("degrees = 5", "degrees = 2"), "plain.toml")))
    assert "the bar asks for 2.8 deg" in low
    without = PLAIN[: PLAIN.index('[[block]]\nkind = "retention"')]
    assert "no retention block" in "\n".join(remarks(parse_protocol(without, "plain.toml")))


def test_light_that_grows_again_is_a_remark() -> None:
    fading = 'kind = "faded"\non_s = [30, 60, 90, 90]\noff_s = [30, 30, 10, 10]'
    notes = "\n".join(remarks(parse_protocol(PLAIN.replace('kind = "feedback"', fading), "plain.toml")))
    assert "fading goes the other way" in notes
