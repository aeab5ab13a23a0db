"""Figures of consecutive steps become means with 95 % intervals that know how alike neighbouring steps are.

Steps are no independent draws: a runner drifts, tires and corrects. The variance of a mean is therefore taken from the
series' slow waves: the equal-weighted cosine (EWC) estimate with 0.4 n^(2/3) cosines, whose intervals follow Student's
t with so many degrees of freedom (Lazarus, Lewis, Stock and Watson 2018, 10.1080/07350015.2018.1506926). Two means
of different times are compared as Welch does, with these variances. An interval speaks of this runner at this visit;
what putting the marks on again does to a figure is the smallest detectable difference's to say (`terms.SDD_DEG`).
Refuses to give an interval for fewer than `LEAST_STEPS` figures: None. NaN in the input are left out.
"""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec
import numpy as np

from appliance.clinic.terms import LEAST_STEPS, SDD_DEG
from appliance.records import F64

_Z = 1.959963984540054


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A mean. sd : between single steps (sample). se : of the mean, on `df` degrees of freedom. low, high : 95 %."""

    n: int = 0
    mean: float | None = None
    sd: float | None = None
    se: float | None = None
    df: float | None = None
    low: float | None = None
    high: float | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A mean minus another one, with its 95 % interval. None where there is too little to say it from."""

    change: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)


class Verdict(StrEnum):
    """What may be said of a change. `CLEAR` is of a figure whose smallest detectable difference nobody has measured."""

    TOO_FEW = "too few steps to say"
    NONE = "no clear change"
    CLEAR = "a clear change"
    WITHIN = f"clear, within the smallest detectable difference of {SDD_DEG} deg"
    BEYOND = f"clear, beyond the smallest detectable difference of {SDD_DEG} deg"


def verdict(by: Change, least_deg: float | None = None) -> Verdict:
    """A change in words. least_deg : the smallest detectable difference of this figure, where one is known."""
    if by.change is None or by.low is None:
        return Verdict.TOO_FEW
    if not by.clear:
        return Verdict.NONE
    if least_deg is None:
        return Verdict.CLEAR
    return Verdict.BEYOND if abs(by.change) >= least_deg else Verdict.WITHIN


def spread(values: F64) -> Spread:
    """The mean of one series, in the order of time."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Spread()
    mean = float(known.mean())
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    return _spread(len(known), mean, sd, (known - mean) / len(known))


def difference(values: F64, right: F64) -> Spread:
    """Mean of the rows where `right` is 1 minus mean of the others, of steps that alternate in one time.

    Both sides share what tilts the whole pelvis or its marks, so they are not independent: the interval is that of one
    series, in which each step counts with its share of the difference. n : of the side that has fewer.
    """
    known = np.isfinite(values)
    values, ours = values[known], right[known] == 1
    counts = int(ours.sum()), int((~ours).sum())
    if not min(counts):
        return Spread()
    means = float(values[ours].mean()), float(values[~ours].mean())
    share = np.where(ours, (values - means[0]) / counts[0], (means[1] - values) / counts[1])
    return _spread(min(counts), means[0] - means[1], None, share)


def change(after: Spread, before: Spread) -> Change:
    """`after` minus `before`, of different stretches of time."""
    if after.mean is None or before.mean is None:
        return Change()
    by = after.mean - before.mean
    if after.se is None or before.se is None or after.df is None or before.df is None:
        return Change(change=by)
    a, b = after.se**2, before.se**2
    if a + b == 0.0:
        return Change(change=by, low=by, high=by)
    df = (a + b) ** 2 / (a**2 / after.df + b**2 / before.df)
    reach = t_quantile(df) * math.sqrt(a + b)
    return Change(change=by, low=by - reach, high=by + reach)


def t_quantile(df: float) -> float:
    """The 97.5 % quantile of Student's t: Cornish and Fisher's series, within 0.2 % from 3 degrees of freedom up."""
    z = _Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / df ** (k + 1) for k, term in enumerate(terms))


def _spread(n: int, mean: float, sd: float | None, shares: F64) -> Spread:
    """A figure whose error is the sum of `shares`, one a step in the order of time."""
    if n < LEAST_STEPS:
        return Spread(n=n, mean=mean, sd=sd)
    df = max(3, round(0.4 * len(shares) ** (2 / 3)))
    se = math.sqrt(_variance_of_sum(shares, df))
    reach = t_quantile(df) * se
    return Spread(n=n, mean=mean, sd=sd, se=se, df=float(df), low=mean - reach, high=mean + reach)


def _variance_of_sum(shares: F64, cosines: int) -> float:
    """Of a series that sums to zero: n times the mean square of its first projections onto cosines (type II)."""
    n = len(shares)
    folded = np.concatenate((shares[::2], shares[1::2][::-1]))  # a Fourier transform of this has them all
    turned = np.fft.fft(folded)[1 : cosines + 1] * np.exp(-0.5j * np.pi * np.arange(1, cosines + 1) / n)
    return float(2.0 * np.mean(turned.real**2))
