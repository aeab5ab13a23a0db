"""Steps of one block become its counts by side and, of a baseline, the means that a target is made from.

Degrees, seconds of the visit. By STANCE side. A step without a measured peak, or with weak marks, counts as a step and
in no mean: as the report has it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.clinic.figures import WEAK
from appliance.clinic.terms import LEAST_STEPS, Baseline
from appliance.records import Side, Step

_APART_S = 0.6
"""Contacts further apart are not one after the other (as in the gait kernel)."""


class _OfSide(msgspec.Struct):
    """Steps, those of them with a peak that counts, and the sum of those."""

    steps: int = 0
    peaks: int = 0
    sum_deg: float = 0.0


class Gathered(msgspec.Struct, kw_only=True):
    """What one block has brought; `kept` and `of` carry it over a restart."""

    left: _OfSide = msgspec.field(default_factory=_OfSide)
    right: _OfSide = msgspec.field(default_factory=_OfSide)
    strides_s: float = 0.0
    strides: int = 0
    last_s: float | None = None
    last_right: bool = False

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Gathered:
        """From what `kept` gave; the time across a restart is no step's."""
        return msgspec.convert({**kept, "last_s": None}, cls)

    def kept(self) -> dict[str, Any]:
        """As plain numbers."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]

    def add(self, step: Step, contact_s: float) -> None:
        """One step more; `contact_s` in the visit's own time."""
        right = step.stance is Side.RIGHT
        side = self.right if right else self.left
        side.steps += 1
        if step.peak_drop_deg is not None and step.quality >= WEAK:
            side.peaks += 1
            side.sum_deg += step.peak_drop_deg
        if self.last_s is not None and right != self.last_right and 0 < contact_s - self.last_s < _APART_S:
            self.strides_s += contact_s - self.last_s
            self.strides += 1
        self.last_s, self.last_right = contact_s, right

    def short_of(self) -> str:
        """Which hip lacks steps for a stable mean, in words; "" = none does."""
        hips = (("left hip (right stance)", self.right), ("right hip (left stance)", self.left))
        return ", ".join(
            f"{hip} {side.peaks} of {LEAST_STEPS}" for hip, side in hips if side.peaks < LEAST_STEPS
        )

    def baseline(self) -> Baseline:
        """The means; only where nothing is short."""
        left, right = self.left.sum_deg / self.left.peaks, self.right.sum_deg / self.right.peaks
        return Baseline(
            left_drop_deg=left,
            right_drop_deg=right,
            difference_deg=right - left,
            left_steps=self.left.peaks,
            right_steps=self.right.peaks,
            cadence_spm=60.0 * self.strides / self.strides_s if self.strides else None,
        )
