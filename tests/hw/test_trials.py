"""The recorded trials are read whole, quickly and as they were written."""

import time
from itertools import pairwise

import numpy as np
import pytest

from appliance.errors import SettingsError
from appliance.records import Side
from hw.camera import trials


@pytest.mark.parametrize("name", trials.names())
def test_a_trial_is_read_whole_within_a_tenth_of_a_second(name):
    best_s = np.inf
    for _ in range(3):
        trials.load.cache_clear()
        start_s = time.thread_time()
        trial = trials.load(name)
        best_s = min(best_s, time.thread_time() - start_s)
    assert best_s < 0.1
    assert len(trial.t_s) in (4500, 5000)
    assert (np.diff(trial.t_s) > 0).all()
    for mark, places in trial.marks.items():
        assert places.shape == (len(trial.t_s), 3)
        assert trial.standing[mark].shape == (3,)
    assert {"left_heel", "right_heel"} <= trial.marks.keys()


def test_the_runners_wear_what_the_laboratories_put_on_them():
    assert trials.load("ric").pairs == ("plate",)
    assert trials.load("rbds001").pairs == trials.load("rbds002").pairs == ("iliac_crest", "psis")


def test_the_right_side_lies_to_the_right_in_every_trial():
    for name in trials.names():
        trial = trials.load(name)
        for left, right in [trials.PAIRS[p] for p in trial.pairs]:
            assert (trial.marks[left][:, 0] < trial.marks[right][:, 0]).all()


def test_force_plate_steps_alternate_and_stand_where_the_plate_was():
    for name, many in (("rbds001", 77), ("rbds002", 74), ("ric", 0)):
        steps = trials.load(name).steps
        assert len(steps) == many
        assert all(s.contact_s < s.off_s for s in steps)
        assert all(a.stance is not b.stance for a, b in pairwise(steps))
        assert {s.stance for s in steps} <= {Side.LEFT, Side.RIGHT}


def test_a_heel_of_four_dots_is_their_mean():
    trial = trials.load("ric")
    assert not any("foot" in mark for mark in trial.marks)
    # the first line of the file, by hand
    x = np.mean([0.08770, 0.04966, 0.08288, 0.07341])
    assert trial.marks["left_heel"][0, 0] == pytest.approx(x, abs=1e-9)


def test_an_empty_cell_is_a_mark_not_seen(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("t_s,p_x_m,p_y_m,p_z_m,q_x_m,q_y_m,q_z_m\n0.0,1,2,3,,,\n0.1,,,,4,5,6\n")
    t_s, marks = trials._table(file)
    assert t_s.tolist() == [0.0, 0.1]
    assert np.isnan(marks["q"][0]).all()
    assert np.isnan(marks["p"][1]).all()
    assert marks["q"][1].tolist() == [4, 5, 6]


def test_an_unknown_runner_is_refused_with_the_nearest_name():
    with pytest.raises(SettingsError, match="rbds003") as refused:
        trials.load("rbds003")
    assert "rbds00" in refused.value.fix
