"""Two systems that saw the same run are laid step against step; two that did not are never paired."""

from __future__ import annotations

import laboratories as lab
import msgspec
import numpy as np
import pytest
from kept_visits import kept

from appliance.clinic.rows import VisitData
from appliance.commands.exchanged import beside, figures
from appliance.exchange.brought import About, brought
from appliance.exchange.capture import Capture
from appliance.exchange.compare import compared, shift

ABOUT = About(runner="R-014", file="run.c3d", measured_s=1.7e9, now_s=1.8e9, software="hipbar test")


def laboratory(runner: str, from_s: float = 0.0, to_s: float = 30.0) -> VisitData:
    """The same run as the laboratory's cameras saw it; its clock begins at `from_s`."""
    rate = lab.rate_hz(runner)
    rows = {name: at[int(from_s * rate) : int(to_s * rate)] for name, at in lab.markers(runner).items()}
    n = len(next(iter(rows.values())))
    capture = Capture(kind="C3D", rate_hz=rate, t_s=np.arange(n) / rate, markers=rows, said=("mm",))
    return brought(capture, {}, 0.0, ABOUT).data


@pytest.mark.parametrize("from_s", [0.0, 3.3, 7.123])
def test_the_clocks_of_two_systems_that_saw_the_same_run_are_put_together(from_s: float) -> None:
    found = compared(kept(whole=True).data, laboratory("rbds002", from_s))
    assert found.shift_s == pytest.approx(from_s, abs=0.010)
    assert found.left
    assert found.right
    for side in (found.left, found.right):
        assert side.n >= (24 - from_s) / 0.8 - 4
        assert abs(side.drop_bias_deg) < 0.3
        assert side.drop_low_deg < side.drop_bias_deg < side.drop_high_deg
        assert side.drop_sd_deg < 0.3
        assert side.contact_sd_s < 0.005


def test_a_step_that_only_one_system_told_does_not_keep_the_clocks_apart() -> None:
    ours, theirs = kept(whole=True).data.steps, laboratory("rbds002", 2.0).steps
    told = np.ones(len(ours), bool)
    told[np.argmin(np.abs(ours["contact_s"] - 2.0 - theirs["contact_s"][0]))] = False
    assert shift(ours[told], theirs) == pytest.approx(2.0, abs=0.01)
    assert shift(ours, theirs[3:]) == pytest.approx(2.0, abs=0.01)


def test_noisy_contacts_of_the_same_run_are_paired_rightly() -> None:
    rng = np.random.default_rng(4)
    ours, theirs = kept(whole=True).data.steps.copy(), laboratory("rbds002", 2.0).steps.copy()
    theirs["contact_s"] += rng.normal(0.0, 0.004, len(theirs))
    assert shift(ours, np.sort(theirs, order="contact_s")) == pytest.approx(2.0, abs=0.02)


def test_another_run_is_never_paired() -> None:
    assert compared(kept(whole=True).data, laboratory("rbds001")).shift_s is None
    assert compared(kept("rbds001", whole=True).data, laboratory("rbds002")).left is None


def test_steps_like_clockwork_are_not_paired_because_every_stride_would_fit() -> None:
    steps = kept(whole=True).data.steps.copy()
    steps["contact_s"], steps["right"] = np.arange(len(steps)) * 0.35, np.arange(len(steps)) % 2
    assert shift(steps, steps[10:40]) is None


def test_too_few_steps_are_not_paired() -> None:
    assert compared(kept(whole=True).data, laboratory("rbds002", 0.0, 3.0)).shift_s is None


def test_the_table_names_the_hip_that_drops_with_its_stance_and_the_smallest_detectable_difference() -> None:
    text = "\n".join(beside(compared(kept(whole=True).data, laboratory("rbds002"))))
    assert "left hip drop (right stance), deg" in text
    assert "right hip drop (left stance), deg" in text
    assert "2.8 deg" in text
    assert "Step by step" in text
    assert "%" not in text.replace("95 %", "")
    assert "not paired" in "\n".join(beside(compared(kept(whole=True).data, laboratory("rbds001"))))


def test_figures_that_are_missing_are_dashes() -> None:
    data = laboratory("rbds002")
    none = msgspec.structs.replace(data, steps=data.steps[:0])
    assert all(" - " in line or line.rstrip().endswith(("0", "steps")) for line in figures(none) if line)
    assert " - " in "\n".join(beside(compared(none, data)))
