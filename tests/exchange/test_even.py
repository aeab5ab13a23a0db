"""Frames of a camera that loses some become an even grid without a figure that nobody measured."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from kept_visits import RESTART_S, kept

from appliance.clinic.rows import TRACE
from appliance.errors import SourceError, StoreError
from appliance.exchange.even import even, scale_known
from appliance.exchange.part import part_of
from hw.camera import trials


def test_the_grid_is_even_and_reaches_from_the_first_frame_to_the_last() -> None:
    visit = kept()
    grid = even(visit.data, visit.chunks, 250.0)
    t_s = np.concatenate([trace["t_s"] for _, _, trace in visit.chunks])
    assert grid.rate_hz == 120.0
    assert np.ptp(np.diff(grid.t_s)) < 1e-9
    assert (grid.t_s[0], grid.t_s[-1]) == (t_s[0], pytest.approx(t_s[-1], abs=0.005))


def test_lost_frames_a_hidden_mark_and_a_restart_stay_empty() -> None:
    visit = kept()
    grid = even(visit.data, visit.chunks, 250.0)
    unseen = np.isnan(grid.obliquity_deg)
    t_s = np.concatenate([trace["t_s"] for _, _, trace in visit.chunks])
    for first, last in pairwise(t_s):
        if last - first > 0.05:
            inside = (grid.t_s > first + 1e-6) & (grid.t_s < last - 1e-6)
            assert unseen[inside].all()
            assert inside.sum() >= 11
    restart = np.max(np.diff(t_s))
    assert restart == pytest.approx(RESTART_S, abs=0.05)
    assert unseen.sum() == pytest.approx(12 + 3 + 15 + 120 * RESTART_S, abs=6)


def test_millimetres_come_from_the_true_distance_of_the_pair() -> None:
    """The recorded marks in space are the truth: to the rotation of the pelvis, which one camera can't see."""
    visit, trial = kept(whole=True), trials.load("rbds002")
    left, right = (trial.marks[f"{side}_iliac_crest"] for side in ("left", "right"))
    true_mm = 1e3 * float(np.median((right - left)[:, 0]))
    grid = even(visit.data, visit.chunks, true_mm)
    true = 1e3 * (left[:, 2] - np.mean(left[:, 2]))
    at_s = grid.t_s - grid.t_s[0]
    seen = grid.marks[:, 0, 1] - np.nanmean(grid.marks[:, 0, 1])
    assert np.nanstd(seen - np.interp(at_s, trial.t_s, true)) < 3.0
    assert np.ptp(true) > 60.0


def test_a_camera_s_visit_does_not_know_its_scale() -> None:
    assert not scale_known(kept().data)


def test_a_visit_without_frames_is_told() -> None:
    with pytest.raises(SourceError, match="no frames"):
        even(kept().data, [], 250.0)
    one = (1, kept().chunks[0][1][:1], np.zeros(1, TRACE))
    with pytest.raises(SourceError, match="no frames"):
        even(kept().data, [one], 250.0)


def test_a_header_that_is_damaged_is_told() -> None:
    data = kept().data
    spans = tuple(msgspec.structs.replace(span, header='{"width_px":') for span in data.spans)
    with pytest.raises(SourceError, match="span 1 of the visit has a header"):
        even(msgspec.structs.replace(data, spans=spans), kept().chunks, 250.0)


def test_a_part_has_the_frames_and_steps_of_its_block() -> None:
    visit = kept()
    part = part_of(visit.data, 1, None, 14.0)
    t_s = np.concatenate([trace["t_s"] for _, _, trace in part.chunks(visit.chunks)])
    assert (t_s.min() >= 8.0, t_s.max() < 14.0) == (True, True)
    assert 480 <= len(t_s) <= 485  # to the restart at second 12
    assert set(part.data(visit.data).steps["block"]) == {1}


@pytest.mark.parametrize(("block", "from_s", "to_s"), [(9, None, None), (0, 10.0, None), (None, 5.0, 5.0)])
def test_a_part_that_is_not_there_is_told(
    block: int | None, from_s: float | None, to_s: float | None
) -> None:
    with pytest.raises(StoreError):
        part_of(kept().data, block, from_s, to_s)


def test_a_part_in_which_the_pair_was_never_seen_has_no_scale() -> None:
    blind = []
    for n, track, trace in kept().chunks[:3]:
        unseen = track.copy()
        unseen["xy_px"][:, 0] = np.nan
        blind.append((n, unseen, trace))
    with pytest.raises(SourceError, match="never seen in this part"):
        even(kept().data, blind, 250.0)
