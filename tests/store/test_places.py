"""Where a step belongs: the quick way is held to the slow, obvious one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.clinic.rows import STEP, BlockRow, StretchRow
from appliance.clinic.terms import DARK, Aim, Block, Kind
from appliance.store.places import placed, sound

_SECONDS = st.lists(st.integers(0, 40).map(float), min_size=0, max_size=8, unique=True).map(sorted)


def steps_at(contacts: list[float]) -> np.ndarray:
    rows = np.zeros(len(contacts), STEP)
    rows["contact_s"] = contacts
    return rows


@given(
    contacts=st.lists(st.integers(-2, 84).map(lambda half: half / 2), max_size=30),
    changes=_SECONDS,
    lights=_SECONDS,
    halts=_SECONDS,
)
def test_a_step_belongs_where_its_contact_was(
    contacts: list[float], changes: list[float], lights: list[float], halts: list[float]
) -> None:
    block = Block(kind=Kind.BASELINE, seconds=1.0)
    ends = [*changes[1:], None]
    blocks = [BlockRow(n=n, block=block, began_s=at, ended_s=ends[n]) for n, at in enumerate(changes)]
    stretches = [
        StretchRow(began_s=at, aim=Aim(mode="step") if n % 2 == 0 else DARK) for n, at in enumerate(lights)
    ]
    pauses = [(at, halts[n + 1] if n + 1 < len(halts) else None) for n, at in enumerate(halts) if n % 2 == 0]
    got = placed(steps_at(contacts), blocks, stretches, pauses)
    for row, at_s in zip(got, contacts, strict=True):
        inside = [b.n for b in blocks if b.began_s <= at_s and (b.ended_s is None or at_s < b.ended_s)]
        assert row["block"] == (inside[-1] if inside else -1)
        lit = [s for s in stretches if s.began_s <= at_s]
        assert row["lit"] == int(bool(lit) and lit[-1].aim.mode != "off")
        assert row["paused"] == int(any(a <= at_s and (b is None or at_s < b) for a, b in pauses))


def test_a_break_between_two_blocks_belongs_to_none() -> None:
    block = Block(kind=Kind.BASELINE, seconds=1.0)
    rows = [
        BlockRow(n=0, block=block, began_s=0.0, ended_s=5.0),
        BlockRow(n=1, block=block, began_s=7.0, ended_s=9.0),
    ]
    assert list(placed(steps_at([0.0, 4.9, 5.0, 6.9, 7.0, 9.0]), rows, (), ())["block"]) == [
        0,
        0,
        -1,
        -1,
        1,
        -1,
    ]


def test_nothing_below_zero_and_one_kind_of_nan() -> None:
    rows = steps_at([-0.0, float("nan")])
    rows.view("<i8").reshape(2, -1)[1, list(STEP.names or ()).index("contact_s")] ^= 1  # a NaN of other bits
    assert sound(rows).tobytes() == sound(steps_at([0.0, float("nan")])).tobytes()
