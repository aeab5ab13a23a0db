"""Steps that were made by hand become the figures that they were made with; the others are counted, not used."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from appliance.clinic.figures import VisitFigures, visit_figures
from appliance.clinic.rows import STEP, VisitData
from appliance.clinic.terms import Kind, VisitKind
from tests.clinic.handmade import STEP_S, block, dark, lit, steps, visit

NAN = float("nan")


def course_of_blocks() -> VisitData:
    """Warm-up, baseline, feedback, faded (lit, then dark) and retention, 60 steps each, with other drops."""
    kinds = (Kind.WARM_UP, Kind.BASELINE, Kind.FEEDBACK, Kind.FADED, Kind.RETENTION, Kind.COOL_DOWN)
    rights = (9.0, 8.0, 6.0, 5.0, 5.5, 9.0)
    parts = [
        (block(kind, 60 * STEP_S), steps(60, right=right)) for kind, right in zip(kinds, rights, strict=True)
    ]
    at_s = [60 * STEP_S * n for n in range(7)]
    shown = (lit(at_s[2], mode="step", target_deg=6.0), dark(at_s[3] + 30 * STEP_S))
    return visit(parts, stretches=shown)


def test_each_block_has_its_own_figures_by_stance_side() -> None:
    figures = visit_figures(course_of_blocks())
    assert [one.kind for one in figures.blocks][1:3] == [Kind.BASELINE, Kind.FEEDBACK]
    assert [one.figures.right.drop_deg.mean for one in figures.blocks] == [9.0, 8.0, 6.0, 5.0, 5.5, 9.0]
    assert {one.figures.left.drop_deg.mean for one in figures.blocks} == {4.0}
    assert [one.lit_steps for one in figures.blocks] == [0, 0, 60, 30, 0, 0]
    feedback = figures.blocks[2].figures
    assert (feedback.left.drop_deg.n, feedback.right.drop_deg.n, feedback.steps) == (30, 30, 60)
    assert feedback.asymmetry_deg.mean == pytest.approx(2.0)
    assert feedback.cadence_spm.mean == pytest.approx(60 / STEP_S)
    assert feedback.left.contact_time_s.mean == 0.25
    assert feedback.right.sway_px.mean == 12.0


def test_warm_up_and_cool_down_are_in_no_figure_of_the_visit() -> None:
    figures = visit_figures(course_of_blocks())
    assert figures.whole.steps == 240
    assert figures.whole.right.drop_deg.mean == pytest.approx((8.0 + 6.0 + 5.0 + 5.5) / 4)
    assert (figures.quality.elsewhere, figures.quality.steps, figures.quality.kept) == (120, 240, 240)


def test_light_is_compared_with_none_and_both_with_the_baseline() -> None:
    figures = visit_figures(course_of_blocks())
    assert figures.baseline
    assert figures.lit
    assert figures.dark
    assert figures.unlit
    assert figures.on_off
    assert figures.lit_change
    assert figures.dark_change
    on, off = (60 * 6.0 + 30 * 5.0) / 90, (30 * 5.0 + 60 * 5.5) / 90
    assert figures.lit.right.drop_deg.mean == pytest.approx(on)
    assert figures.dark.right.drop_deg.mean == pytest.approx(off)
    assert figures.on_off.right_drop_deg.change == pytest.approx(on - off)
    assert figures.lit_change.right_drop_deg.change == pytest.approx(on - 8.0)
    assert figures.dark_change.asymmetry_deg.change == pytest.approx(off - 8.0)
    assert figures.unlit.steps == 150
    assert figures.dark_change.left_drop_deg.change == 0.0


def test_what_there_was_nothing_of_is_absent() -> None:
    figures = visit_figures(visit([(block(Kind.FEEDBACK), steps(40))], stretches=(lit(0.0, mode="box"),)))
    assert figures.lit is not None
    assert (figures.baseline, figures.dark, figures.unlit, figures.on_off) == (None, None, None, None)
    empty = visit_figures(visit([]))
    assert (empty.whole.steps, empty.whole.left.drop_deg.mean, empty.whole.cadence_spm.n) == (0, None, 0)
    assert empty.blocks == ()


def test_a_visit_without_blocks_of_running_counts_all_of_its_steps() -> None:
    """One that was brought from another laboratory has none."""
    data = visit([], kind=VisitKind.IMPORTED)
    data = msgspec.structs.replace(data, steps=steps(30))
    data.steps["block"] = -1
    assert visit_figures(data).whole.steps == 30


def test_a_step_that_is_left_out_is_counted_once_by_its_reason() -> None:
    own = steps(100)
    own["peak_drop_deg"][:5] = NAN
    own["quality"][3:10] = 0.3
    own["paused"][8:14] = 1
    figures = visit_figures(visit([(block(Kind.RETENTION), own)]))
    assert figures.quality.kept == figures.whole.steps == 100 - 14
    assert (figures.quality.hidden, figures.quality.weak, figures.quality.paused) == (5, 3, 6)
    assert (figures.quality.steps, figures.quality.lost, figures.quality.breaks) == (100, 3, 0)


def test_a_figure_that_one_step_lacks_is_absent_from_its_mean_only() -> None:
    own = steps(100)
    own["sway_px"][::4] = NAN
    own["flight_s"][0] = NAN
    figures = visit_figures(visit([(block(Kind.RETENTION), own)])).whole
    assert figures.right.drop_deg.n == 50
    assert (figures.right.sway_px.n, figures.right.flight_s.n) == (25, 49)


def test_steps_that_were_not_told_are_reckoned_from_the_holes_and_leave_the_cadence_alone() -> None:
    own = np.delete(steps(100), [20, 40, 41, 60, 61, 62])
    figures = visit_figures(visit([(block(Kind.RETENTION), own)]))
    assert figures.quality.untold == 6
    assert figures.whole.cadence_spm.mean == pytest.approx(60 / STEP_S)


def test_a_rest_on_the_side_bars_is_no_hole() -> None:
    own = steps(100)
    own["contact_s"][50:] += 20.0
    figures = visit_figures(visit([(block(Kind.RETENTION, 60.0), own)]))
    assert figures.quality.untold == 0
    assert figures.whole.cadence_spm.mean == pytest.approx(60 / STEP_S)


def test_in_step_mode_a_step_is_on_target_up_to_the_target() -> None:
    own = steps(80, left=3.0, right=6.5)
    shown = (lit(0.0, mode="step", target_deg=6.0), lit(40 * STEP_S, mode="step", target_deg=7.0))
    figures = visit_figures(visit([(block(Kind.FEEDBACK), own)], stretches=shown))
    assert (figures.whole.left.in_band.steps, figures.whole.left.in_band.of) == (40, 40)
    assert (figures.whole.right.in_band.steps, figures.whole.right.in_band.percent) == (20, 50.0)
    assert figures.whole.in_band.percent == 75.0
    assert figures.blocks[0].target_deg == 7.0


@pytest.mark.parametrize("mode", ["asymmetry", "box"])
def test_in_the_modes_of_difference_the_moving_means_must_be_within_the_band(mode: str) -> None:
    own = steps(100, left=4.0, right=5.0)
    own["peak_drop_deg"][50:][own["right"][50:] == 1] = 9.0
    shown = (lit(0.0, mode=mode, band_deg=2.0),)
    found = visit_figures(visit([(block(Kind.FEEDBACK), own)], stretches=shown)).whole.in_band
    # asked of all steps from the 7th of the later side on; the right mean passes 6 with the second step of 9 degrees
    assert (found.of, found.steps) == (100 - 13, 50 - 13 + 2)


def test_a_target_that_the_plan_leaves_open_is_the_settings_own() -> None:
    shown = (lit(0.0, mode="step"),)
    data = visit(
        [(block(Kind.FEEDBACK), steps(80))], stretches=shown, settings='{"feedback": {"target_deg": 5}}'
    )
    assert visit_figures(data).whole.in_band.percent == 50.0
    unknown = visit([(block(Kind.FEEDBACK), steps(80))], stretches=shown, settings="{}")
    assert visit_figures(unknown).whole.in_band.percent is None


def test_dark_parts_are_held_to_what_is_asked_in_the_lit_ones() -> None:
    figures = visit_figures(course_of_blocks())
    assert figures.baseline
    assert figures.dark
    assert figures.baseline.right.in_band.percent == 0.0
    assert figures.dark.right.in_band.percent == 100.0


def test_live_and_dark_visits_ask_nothing_of_a_step() -> None:
    data = visit([(block(Kind.FEEDBACK), steps(40))], stretches=(lit(0.0, mode="live"), dark(5.0)))
    assert visit_figures(data).whole.in_band.percent is None


def test_figures_go_into_the_store_and_come_back_the_same() -> None:
    figures = visit_figures(course_of_blocks())
    assert msgspec.json.decode(msgspec.json.encode(figures), type=VisitFigures) == figures
    assert b"NaN" not in msgspec.json.encode(visit_figures(visit([])))


def test_half_an_hour_in_twelve_blocks_is_counted_to_the_last_step() -> None:
    parts = [(block(Kind.FADED, 145.0), steps(417)) for _ in range(12)]
    figures = visit_figures(visit(parts, stretches=(lit(0.0, mode="step", target_deg=5.0),)))
    assert figures.whole.steps == 12 * 417
    assert len(figures.blocks) == 12


def test_steps_out_of_order_are_put_in_order() -> None:
    data = course_of_blocks()
    mixed = data.steps[np.random.default_rng(5).permutation(len(data.steps))]
    assert visit_figures(msgspec.structs.replace(data, steps=mixed)) == visit_figures(data)
    assert visit_figures(msgspec.structs.replace(data, steps=np.zeros(0, STEP))).whole.steps == 0
