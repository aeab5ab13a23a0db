"""A part of an hour's frames with faults struck at random: nothing grows, and no figure ever stands too long."""

from __future__ import annotations

import numpy as np
import pytest

from tests.station import soak


@pytest.fixture(scope="module")
def outcome() -> soak.Outcome:
    with soak.small_disk() as disk, soak.unheard():
        return soak.soak(0.15, seed=4, folder=disk, stretches=6)


def test_no_figure_is_ever_older_than_the_promise(outcome: soak.Outcome) -> None:
    assert outcome.measured > 0.5 * outcome.frames
    assert outcome.stale == 0
    assert outcome.oldest_ms <= 100.0


def test_faults_of_all_kinds_have_struck_and_the_station_came_back(outcome: soak.Outcome) -> None:
    without_root = {"disk full"}
    assert set(outcome.faults) >= set(soak.KINDS) - without_root
    assert outcome.restarts > 0


def test_memory_and_descriptors_do_not_grow(outcome: soak.Outcome) -> None:
    settled = outcome.stretches[2:]
    assert min(np.diff([s.memory_mb for s in settled])) < 0.5
    # Beside the loop a thread reads small files now and then, so one look may see one of them open.
    assert min(s.descriptors for s in settled[2:]) <= min(s.descriptors for s in settled[:2])


def test_a_witness_that_looks_at_stale_figures_says_so() -> None:
    """The measure itself can fail: a figure that nobody takes off the bus is found."""
    with soak.small_disk() as disk:
        bench = soak.Bench(1.0, 1, disk)
        bench.marks_s, bench._shown = 0.0, True
        bench.now_s = 0.099
        bench.lit()
        assert bench.outcome.stale == 0
        bench.now_s = 0.101
        bench.lit()
        assert bench.outcome.stale == 1
