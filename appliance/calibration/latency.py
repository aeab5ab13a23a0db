"""Frames around the moments at which an LED was switched become the delay from the wire to being seen.

Seconds on the frames' clock, results in milliseconds. The light of a switched LED begins somewhere between the exposure
of the last frame that does not show it and that of the first frame that does: an interval, and a short one when the
first frame shows it at part of its brightness. Intervals of many trials are joined by the self-consistent estimate of
Turnbull (1976), which assumes no form of the scatter. Exposures, rows and lost frames are taken into account.
Refuses to give a delay when the LED was seen too rarely, or when the scatter is wild.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.records import F64

_SIGMAS = 5.0
_LEAST_SHARE, _MOST_SHARE = 0.06, 0.35
"""Where between dark and lit a frame counts as lit, by the noise of the spot."""
_LATEST_S = 0.3
"""Light that comes later than this is not looked for."""
_EARLIEST_S = -0.05
"""Late stamps make it seem early; frames before this are dark for certain."""
_SETTLED_S = 0.1
"""So long after a switching the LED's place is as bright as it gets."""
_LEAST_SEEN = 0.9
_LEAST_TRIALS = 8
_MOST_SPREAD_FRAMES = 3.0
_MOST_PREDICT_MS = 100.0
_ROUNDS = 400
_LEAST_RISE = 8.0


class Trial(msgspec.Struct, frozen=True):
    """One switching: when the write to the strip had ended, the spot's frames around it, and whether it went on.

    t_s : (n,) mid-exposure of the first row of each frame. spot : (n,) mean grey of the LED's place; NaN = unknown.
    """

    shown_s: float
    on: bool
    t_s: F64
    spot: F64


class Shutter(msgspec.Struct, frozen=True):
    """How the frames were exposed: for so long, and the LED's row so much after the first one.

    clipped : the LED burns out, so that a frame that saw it for a part of its exposure can't be told from a whole one.
    """

    exposure_s: float
    row_delay_s: float
    frame_s: float
    clipped: bool = False


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """From the end of the write to light on the sensor, by the frames' stamps.

    low_ms, high_ms : 95 % of the bootstrap of the median. spread_ms : p95 minus p5. resolution_ms : the median width of
    what a single trial leaves open. uneven_ms : going dark minus lighting up; the delay is the mean of both, in which a
    sensor that counts light unevenly has no part. seen, trials : how many switchings showed, of how many.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    p5_ms: float
    p95_ms: float
    spread_ms: float
    resolution_ms: float
    uneven_ms: float
    seen: int
    trials: int
    problems: tuple[str, ...] = ()


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """From mid-exposure to light in the runner's eye. p95_ms is not exceeded by more than 5 in 100 frames."""

    median_ms: float
    p95_ms: float
    predict_ms: float
    problems: tuple[str, ...] = ()


def levels(trials: list[Trial]) -> tuple[float, float, float]:
    """Grey of the spot when it is dark and when it is lit, and the noise of one frame."""
    greys: dict[bool, list[float]] = {False: [], True: []}
    noises: dict[bool, list[float]] = {False: [], True: []}
    for trial in trials:
        after = trial.t_s - trial.shown_s
        before = trial.spot[(after < _EARLIEST_S) & np.isfinite(trial.spot)]
        settled = trial.spot[(after > _SETTLED_S) & np.isfinite(trial.spot)]
        for grey, lit in ((before, not trial.on), (settled, trial.on)):
            if len(grey):
                greys[lit].append(float(np.median(grey)))
                noises[lit].append(float(np.std(grey)))
    if not greys[False] or not greys[True]:
        return math.nan, math.nan, math.nan
    noise = max(float(np.median(noises[lit])) for lit in (False, True))
    return float(np.median(greys[False])), float(np.median(greys[True])), noise


def interval(
    trial: Trial, shutter: Shutter, dark: float, lit: float, noise: float
) -> tuple[float, float] | None:
    """Between which delays (seconds) the light came or went; None when it was not seen to."""
    rise = lit - dark
    if not rise > 0:
        return None
    share = (trial.spot - dark) / rise if trial.on else (lit - trial.spot) / rise
    doubt = min(max(_SIGMAS * noise / rise, _LEAST_SHARE), _MOST_SHARE)
    after = trial.t_s + shutter.row_delay_s - trial.shown_s
    use = np.isfinite(share) & (after < _LATEST_S)
    share, after = share[use], after[use]
    changed = np.flatnonzero(share > doubt)
    if len(changed) == 0 or changed[0] == 0 or after[changed[0]] < _EARLIEST_S:
        return None
    k = int(changed[0])
    low, high = _bounds(shutter, after[k - 1], after[k], float(share[k]), doubt, trial.on)
    middle = (low + high) / 2  # crossed by noise alone: then it is known to be here
    return (min(low, middle), max(high, middle)) if low <= high else (middle, middle)


def _bounds(
    shutter: Shutter, last_s: float, first_s: float, share: float, doubt: float, on: bool
) -> tuple[float, float]:
    """Between what delays the light changed, from the middles of the last frame without and the first frame with it.

    share : how much of the change the first one shows.
    """
    half, blur = shutter.exposure_s / 2, doubt * shutter.exposure_s
    whole = share >= 1 - doubt
    if (
        shutter.clipped
    ):  # some light shows as all of it, so a frame that seems lit saw the light go out, perhaps
        if on:
            return last_s + half, first_s + half
        return last_s - half, first_s - half if whole else first_s + half
    low = last_s + half - blur
    if whole:
        return low, first_s - half + blur
    edge = first_s + half - share * shutter.exposure_s
    return max(low, edge - blur), min(first_s + half, edge + blur)


def mass(intervals: F64) -> tuple[F64, F64]:
    """Self-consistent estimate of a distribution known only by intervals: its places and what weighs on each.

    intervals : (n, 2) low and high. The places are the middles of the stretches that no interval divides.
    """
    lows, highs, covers = _stretches(intervals)
    weights = _consistent(covers, np.full((1, len(intervals)), 1.0 / len(intervals)))[0]
    return (lows + highs) / 2, weights


def quantile(places: F64, weights: F64, share: float) -> float:
    """Where `share` of the weight lies below, half-way when it lies just between two places."""
    order = np.argsort(places)
    total = np.cumsum(weights[order]) / np.sum(weights)
    low = int(np.searchsorted(total, share - 1e-9))
    high = int(np.searchsorted(total, share + 1e-9))
    last = len(places) - 1
    return float((places[order][min(low, last)] + places[order][min(high, last)]) / 2)


def delay(trials: list[Trial], shutter: Shutter, *, seed: int = 1) -> Delay:
    """The delay over all trials, with what speaks against it in `problems`."""
    dark, lit, noise = levels(trials)
    if not lit - dark > max(_LEAST_RISE, 2 * noise):
        rise = "not at all" if math.isnan(lit - dark) else f"by {lit - dark:.0f} grey levels"
        return _nothing(trials, f"the LED's place brightens {rise}: it is not in the camera's view")
    found = [interval(trial, shutter, dark, lit, noise) for trial in trials]
    seen = np.array([one for one in found if one is not None])
    if len(seen) < max(_LEAST_TRIALS, _LEAST_SEEN * len(trials)):
        return _nothing(trials, f"the LED was seen in only {len(seen)} of {len(trials)} trials", len(seen))
    went_on = np.array([trial.on for trial, one in zip(trials, found, strict=True) if one is not None])
    return _of_intervals(seen * 1e3, went_on, len(trials), shutter, seed)


def disagreement_ms(found: Delay, trials: list[Trial], shutter: Shutter) -> float:
    """How far other trials, taken with another exposure, put the delay away from `found`; 0 = they agree, NaN = unseen.

    Stamps that are not of mid-exposure, as they should be, shift with the exposure.
    """
    dark, lit, noise = levels(trials)
    seen = [interval(trial, shutter, dark, lit, noise) for trial in trials]
    ends = np.array([one for one in seen if one is not None]) * 1e3
    if len(ends) < max(2.0, _LEAST_SEEN * len(trials) - 1):
        return math.nan
    ends += np.array([0.5 if t.on else -0.5 for t, one in zip(trials, seen, strict=True) if one])[:, None] * (
        found.uneven_ms
    )
    low, high = np.median(ends, axis=0)
    return float(max(low - found.median_ms, 0.0) + min(high - found.median_ms, 0.0))


def whole(found: Delay, age_p50_ms: float, age_p95_ms: float) -> Whole:
    """The delay of the wire joined to the age at which the service lights a frame."""
    median = age_p50_ms + found.median_ms
    p95 = age_p95_ms + found.p95_ms
    problems = list(found.problems)
    if median > _MOST_PREDICT_MS:
        problems.append(
            f"{median:.0f} ms from exposure to light: the predictor bridges {_MOST_PREDICT_MS:.0f} ms"
        )
    if median < 0:
        problems.append(f"{median:.1f} ms from exposure to light can't be: the camera's stamps are wrong")
    predict = round(min(max(median, 0.0), _MOST_PREDICT_MS), 1)
    return Whole(median_ms=median, p95_ms=p95, predict_ms=predict, problems=tuple(problems))


def _of_intervals(
    seen_ms: F64, went_on: NDArray[np.bool_], trials: int, shutter: Shutter, seed: int
) -> Delay:
    uneven_ms = _uneven(seen_ms, went_on, shutter)
    seen_ms = seen_ms + np.where(went_on, 0.5, -0.5)[:, None] * uneven_ms
    places, weights = mass(seen_ms)
    p5, median, p95 = (quantile(places, weights, q) for q in (0.05, 0.5, 0.95))
    low, high = _bootstrap(seen_ms, seed)
    width = float(np.median(seen_ms[:, 1] - seen_ms[:, 0]))
    if np.ptp(seen_ms[:, 0]) < width / 4:  # shutter and strip march in step: no trial narrows down another
        low, high = min(low, float(np.median(seen_ms[:, 0]))), max(high, float(np.median(seen_ms[:, 1])))
    problems = []
    if p95 - p5 > _MOST_SPREAD_FRAMES * shutter.frame_s * 1e3:
        problems.append(
            f"the delay scatters over {p95 - p5:.0f} ms: something holds up the bar or the frames"
        )
    return Delay(
        median_ms=median,
        low_ms=low,
        high_ms=high,
        p5_ms=p5,
        p95_ms=p95,
        spread_ms=p95 - p5,
        resolution_ms=width,
        uneven_ms=uneven_ms,
        seen=len(seen_ms),
        trials=trials,
        problems=tuple(problems),
    )


def _uneven(seen_ms: F64, went_on: NDArray[np.bool_], shutter: Shutter) -> float:
    """How much later going dark is seen than lighting up; 0 when either is too rare, or seen too roughly."""
    rough = float(np.median(np.diff(seen_ms, axis=1))) > 0.5e3 * shutter.frame_s
    if rough or min(int(went_on.sum()), int((~went_on).sum())) < _LEAST_TRIALS:
        return 0.0
    dark, lit = (quantile(*mass(seen_ms[kind]), 0.5) for kind in (~went_on, went_on))
    return dark - lit


def _nothing(trials: list[Trial], why: str, seen: int = 0) -> Delay:
    """No delay, and why."""
    names = ("median_ms", "low_ms", "high_ms", "p5_ms", "p95_ms", "spread_ms", "resolution_ms", "uneven_ms")
    empty: dict[str, Any] = dict.fromkeys(names, math.nan)
    return Delay(**empty, seen=seen, trials=len(trials), problems=(why,))


def _stretches(intervals: F64) -> tuple[F64, F64, NDArray[np.bool_]]:
    """The innermost stretches (from a low end to the high end that follows), and which interval covers which."""
    ends = np.concatenate([intervals[:, 0], intervals[:, 1]])
    closes = np.repeat([False, True], len(intervals))
    order = np.lexsort((closes, ends))
    ends, closes = ends[order], closes[order]
    inner = np.flatnonzero(~closes[:-1] & closes[1:])
    lows, highs = ends[inner], ends[inner + 1]
    covers = (intervals[:, :1] <= lows[None]) & (intervals[:, 1:] >= highs[None])
    return lows, highs, covers


def _consistent(covers: NDArray[np.bool_], counts: F64) -> F64:
    """(b, m) weights of the stretches for (b, n) weights of the intervals: each interval shares its own out again."""
    a = covers.astype(np.float64)
    weights = np.full((len(counts), a.shape[1]), 1.0 / a.shape[1])
    for _ in range(_ROUNDS):
        within = np.maximum(weights @ a.T, 1e-300)
        new = weights * ((counts / within) @ a)
        settled = float(np.abs(new - weights).max()) < 1e-7
        weights = new
        if settled:
            break
    return weights


def _bootstrap(seen_ms: F64, seed: int, draws: int = 200) -> tuple[float, float]:
    """95 % of the medians of trials drawn anew, each as wide as what the trials leave open of it."""
    lows, highs, covers = _stretches(seen_ms)
    n = len(seen_ms)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=draws) / n
    weights = _consistent(covers, counts)
    low, high = ([quantile(ends, w, 0.5) for w in weights] for ends in (lows, highs))
    return float(np.quantile(low, 0.025)), float(np.quantile(high, 0.975))
