"""The bench: all ways measured on the same pictures, with angle errors that the pictures' truth gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

from appliance.commands.bench import _pictures
from appliance.sight.markers import Sight
from appliance.station.bench import FLOOR, OURS, SEARCH, _slowly, _to_and_fro
from appliance.station.rivals import rivals
from tests.cli.conftest import Hipbar


def test_every_way_is_told_with_cost_and_error_at_both_sizes(hipbar: Hipbar) -> None:
    said = hipbar("bench", "--seconds", "0.3", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert [(s["width_px"], s["height_px"]) for s in told["sizes"]] == [(640, 480), (1280, 800)]
    for size in told["sizes"]:
        assert set(size["costs"]) == {FLOOR, *OURS, *rivals()}
        for cost in size["costs"].values():
            assert 0 < cost["p50_us"] <= cost["p99_us"] <= cost["p999_us"]
        assert size["costs"][SEARCH]["error_deg"] < 0.2
        assert size["costs"][SEARCH]["missed"] == 0
        assert isinstance(size["keeps_up"], bool)


def test_the_table_says_plainly_whether_the_machine_keeps_up(hipbar: Hipbar) -> None:
    said = hipbar("bench", "--seconds", "0.1")
    assert said.out.count("with 120 frames/s") == 2
    assert "SimpleBlobDetector" in said.out


def test_full_search_and_tracking_are_what_they_are_called() -> None:
    pictures, settings = _pictures(640, 480)
    shown = _to_and_fro(pictures)
    tracking, searching = Sight(settings), Sight(settings)
    tracked, searched = [], []
    for _ in range(200):
        frame, _ = next(shown)
        tracking.locate(frame)
        searching.locate(_slowly(frame))
        tracked.append(tracking.tracked)
        searched.append(not searching.tracked)
    assert all(searched)
    assert np.mean(tracked[60:]) > 0.9  # heels have no names in the first third of a second


@pytest.mark.parametrize("name", [name for name in rivals() if "weighted" in name])
def test_the_other_ways_find_the_dots_too(name: str) -> None:
    pictures, _ = _pictures(640, 480)
    for frame, pair in list(zip(pictures.frames, pictures.pair_px, strict=True))[::10]:
        dots = rivals()[name](frame.luma)
        for mark in pair:
            assert np.hypot(*(dots - mark).T).min() < 0.3
