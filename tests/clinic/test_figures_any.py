"""Figures of any steps at all: nothing is lost, nothing is invented, and the arithmetic has the number that it says."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.clinic.figures import VERSION, VisitFigures, part_figures, visit_figures
from appliance.clinic.rows import STEP
from appliance.clinic.terms import Kind
from tests.clinic.handmade import STEP_S, block, correlated, dark, lit, steps, visit

figure = st.one_of(st.just(math.nan), st.floats(-60.0, 60.0))
step = st.fixed_dictionaries(
    {
        "right": st.integers(0, 1),
        "contact_s": st.floats(0.0, 100.0),
        "peak_drop_deg": figure,
        "sway_px": figure,
        "flight_s": figure,
        "quality": st.one_of(st.just(math.nan), st.floats(0.0, 1.0)),
        "block": st.integers(-1, 4),
        "lit": st.integers(-1, 1),
        "paused": st.integers(-1, 1),
        "span": st.integers(0, 2),
    }
)
stretch = st.builds(
    lit,
    st.floats(0.0, 100.0),
    mode=st.sampled_from(["asymmetry", "step", "live", "box", "off"]),
    target_deg=st.one_of(st.none(), st.floats(0.0, 30.0)),
    band_deg=st.one_of(st.none(), st.floats(0.0, 20.0)),
)
KINDS = (Kind.WARM_UP, Kind.BASELINE, Kind.FADED, Kind.RETENTION)


def numbers(value: Any) -> list[float]:
    """All figures that are somewhere inside."""
    if isinstance(value, dict):
        return [one for inner in value.values() for one in numbers(inner)]
    if isinstance(value, list):
        return [one for inner in value for one in numbers(inner)]
    return [value] if isinstance(value, float) else []


@given(st.lists(step, max_size=40), st.lists(stretch, max_size=4))
def test_every_step_is_counted_once_and_no_figure_is_not_a_number(rows: list[dict], shown: list) -> None:
    own = np.zeros(len(rows), STEP)
    for one, row in zip(own, rows, strict=True):
        for name, value in row.items():
            one[name] = value
    data = visit([(block(kind), steps(0)) for kind in KINDS], stretches=tuple(shown))
    figures = visit_figures(msgspec.structs.replace(data, steps=own))
    quality = figures.quality
    assert quality.kept + quality.hidden + quality.weak + quality.paused == quality.steps
    assert quality.steps + quality.elsewhere == len(rows)
    assert quality.kept == figures.whole.steps
    assert figures.whole.in_band.steps <= figures.whole.in_band.of <= figures.whole.steps
    plain = msgspec.json.decode(msgspec.json.encode(figures))
    assert all(math.isfinite(value) for value in numbers(plain))
    assert msgspec.convert(plain, VisitFigures) == figures


@given(st.integers(14, 120), st.floats(-20.0, 20.0))
def test_a_tilt_of_the_marks_moves_both_sides_against_each_other_and_nothing_else(
    count: int, tilt_deg: float
) -> None:
    """Why a standing zero is taken: marks that sit askew add to one side what they take from the other."""
    own = steps(count)
    own["peak_drop_deg"] += correlated(np.random.default_rng(count), 0.3, (count,))
    askew = own.copy()
    askew["peak_drop_deg"] += np.where(own["right"] == 1, tilt_deg, -tilt_deg)
    chosen = np.ones(count, np.bool_)
    straight, tilted = part_figures(own, chosen), part_figures(askew, chosen)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        before, after = getattr(straight, side).drop_deg, getattr(tilted, side).drop_deg
        assert math.isclose(after.mean - before.mean, sign * tilt_deg, abs_tol=1e-9)
        assert math.isclose(after.se, before.se, rel_tol=1e-6)
    assert math.isclose(tilted.asymmetry_deg.mean - straight.asymmetry_deg.mean, 2.0 * tilt_deg, abs_tol=1e-9)
    assert tilted.cadence_spm == straight.cadence_spm


def test_whoever_changes_a_figure_counts_the_version_up() -> None:
    """Figures are kept in the store by this number; if this fails and the change is meant, add one to it and here."""
    rng, at_s = np.random.default_rng(8), 120 * STEP_S
    parts = []
    for kind in KINDS:
        own = steps(120)
        own["peak_drop_deg"] += correlated(rng, 0.3, (120,))
        own["quality"][::17], own["peak_drop_deg"][::23] = 0.2, np.nan
        parts.append((block(kind, at_s), own))
    shown = (
        lit(2 * at_s, mode="step", target_deg=5.0),
        dark(2.5 * at_s),
        lit(3 * at_s, mode="box", band_deg=1.0),
    )
    figures = msgspec.json.decode(msgspec.json.encode(visit_figures(visit(parts, stretches=shown))))
    rounded = ",".join(f"{value:.6f}" for value in numbers(figures))
    digest = hashlib.sha256(rounded.replace("-0.000000", "0.000000").encode()).hexdigest()[:12]
    assert (VERSION, digest) == (1, "e8f3c92167cd")
