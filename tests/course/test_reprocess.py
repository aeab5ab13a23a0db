"""Steps computed anew: the same bits under the same edition, and every difference told under another."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from appliance.clinic.kept import step_rows
from appliance.clinic.rows import STEP
from appliance.clinic.terms import VisitState
from appliance.config import Settings
from appliance.errors import StoreError
from appliance.pipeline import Pipeline
from appliance.station.recording import Header
from appliance.station.reprocess import anew, compared
from tests.course.made import SPAN_S, Short, in_pieces, placed


@pytest.fixture(scope="module")
def short() -> Short:
    return Short()


@pytest.mark.parametrize("seed", range(5))
def test_steps_of_the_same_edition_are_the_same_bits_however_the_trace_is_cut(
    short: Short, seed: int
) -> None:
    steps = placed(short.data, anew(short.data, in_pieces(short, seed)))
    assert len(steps) > 60
    assert steps.tobytes() == short.data.steps.tobytes()
    told = compared(short.data, steps, 1)
    assert told.same
    assert (told.added, told.lost, told.moved) == (0, 0, 0)


def test_every_step_knows_its_block_its_light_and_its_pause(short: Short) -> None:
    steps = short.data.steps
    at_s = steps["contact_s"]
    assert ((steps["block"] == 0) == (at_s < 10)).all()
    assert ((steps["lit"] == 1) == ((at_s >= 12) & (at_s < 30))).all()
    assert ((steps["paused"] == 1) == ((at_s >= 25) & (at_s < 28))).all()
    assert {0, 1} == set(steps["lit"]) == set(steps["paused"]) == set(steps["block"])


def test_the_zero_of_each_span_is_its_own(short: Short) -> None:
    step_s = short.attempt.runner.step_s
    true = {round(step.contact_s / step_s): step for step in short.attempt.steps(0.0, 2 * SPAN_S)}
    for span, tilt_deg in zip(short.data.spans, (1.3, 0.0), strict=True):
        since_s = span.at_s + 2.0  # the first steps glide in from standing
        steps = short.data.steps
        steps = steps[(steps["span"] == span.n) & (steps["contact_s"] > since_s)]
        numbers = np.rint((steps["contact_s"] - span.at_s + span.t0_s) / step_s)
        truth = [true[int(k)] for k in numbers]
        assert [one.right for one in truth] == list(steps["right"] == 1)
        off = steps["peak_drop_deg"] - [one.peak_drop_deg for one in truth]
        for right, sign in ((1, 1), (0, -1)):
            assert np.mean(off[steps["right"] == right]) == pytest.approx(sign * tilt_deg, abs=0.15)


def test_what_another_edition_changes_is_told(short: Short) -> None:
    after = short.data.steps.copy()
    after["contact_s"][5] += 0.02
    after["peak_drop_deg"][6] = np.nan
    after["peak_drop_deg"][after["right"] == 1] -= 0.5
    after = np.delete(after, [10, 11, 12])
    invented = after[-1:].copy()
    invented["contact_s"] += 0.4
    invented["right"] = 1 - invented["right"]
    after = np.concatenate([after, invented])
    told = compared(short.data, after, 2)
    rights = int(np.count_nonzero(short.data.steps["right"] == 1))
    assert not told.same
    assert (told.before, told.after, told.added, told.lost) == (1, 2, 1, 3)
    assert rights - 3 <= told.moved <= rights + 2
    assert told.right_before_deg is not None
    assert told.right_after_deg is not None
    assert told.right_before_deg - told.right_after_deg == pytest.approx(0.5, abs=0.15)
    assert told.left_after_deg == pytest.approx(told.left_before_deg, abs=0.15)


def test_a_step_of_the_other_foot_is_never_taken_for_the_same_one(short: Short) -> None:
    after = short.data.steps.copy()
    after["right"] = 1 - after["right"]
    told = compared(short.data, after, 2)
    assert (told.lost, told.added) == (len(after), len(after))


def test_nothing_against_something_is_all_lost_or_all_added(short: Short) -> None:
    none = np.zeros(0, STEP)
    told = compared(short.data, none, 2)
    assert (told.lost, told.added, told.left_after_deg, told.right_after_deg) == (
        len(short.data.steps),
        0,
        None,
        None,
    )
    back = compared(replace(short.data, steps=none), short.data.steps, 2)
    assert (back.lost, back.added) == (0, len(short.data.steps))
    one = compared(replace(short.data, steps=short.data.steps[:1]), short.data.steps[:1], 1)
    assert one.same


def test_a_visit_that_runs_is_left_alone(short: Short) -> None:
    running = replace(short.data, visit=replace(short.data.visit, state=VisitState.PAUSED))
    with pytest.raises(StoreError, match="visit 7 still runs"):
        anew(running, short.trace)


def test_a_span_without_a_readable_header_is_named(short: Short) -> None:
    bad = replace(short.data, spans=(short.data.spans[0], replace(short.data.spans[1], header='{"width')))
    with pytest.raises(StoreError, match="span 1") as refused:
        anew(bad, short.trace)
    assert "verify" in refused.value.fix


def test_only_mount_lens_and_zero_have_a_part_in_a_step(short: Short) -> None:
    span, track = short.data.spans[0], short.trace[0][1]
    header = msgspec.json.decode(span.header, type=Header)
    settings = header.onto(Settings(), set())
    other = replace(
        settings,
        motion=replace(settings.motion, smooth_ms=180.0, steps=31),
        feedback=replace(settings.feedback, predict_ms=60.0, mode="box"),
    )
    found = []
    for one in (settings, other):
        batch = Pipeline(one).replay(
            np.ascontiguousarray(track["t_s"]), np.ascontiguousarray(track["xy_px"]), 0.0, (480, 640)
        )
        found.append(step_rows(batch.steps, span))
    assert found[0].tobytes() == found[1].tobytes()
