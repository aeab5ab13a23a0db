"""Rows of what motion knows become LED bytes: mode, slew, cross-fade, current cap, flash guard, one frame at a time.

Shapes: N LEDs from the runner's left to right, halves of N // 2 (an odd bar's middle LED is in neither).
Signs: a length on the left half is positive to the left; a difference or level above 0 lights the left half, unless
`SIGN` is -1. Bytes are duty, linear in light and current. Times are seconds on the source's clock.
State is one (N + 6, 6) float64 array, built by `fresh`: N + 3 rows of the flash guard (each LED, left half, right
half, whole bar), then `BAR`, `FADE` and `SIDES` counted from the end.
Refuses to show anything whose pelvis was last seen `STALE_S` ago, to let time run backward, to light a channel
above the brightness setting, to pass the current budget, saturated red, or a fourth flash within a second.
Everything is bit for bit symmetric: sides are treated by the same operations in the same order.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from appliance.kernels import kernel

# Columns of a MOMENT seen as 8-byte words, and values of Posture and Shown (tests hold them to appliance.records).
_T, _LEVEL, _SEEN, _DIFFERENCE, _LEFT_LAST, _RIGHT_LAST = 0, 2, 3, 6, 9, 10
_LEFT_STEPS, _RIGHT_STEPS, _STEP, _POSTURE, _SURE = 11, 12, 13, 15, 16
_UNSEEN, _STILL = 0, 1
_OFF, _MEASURED, _NO_DATA, _UNSURE, _WARMING, _STANDING = 0, 1, 2, 3, 4, 5

# What the vector of rules holds. MODE: one of five; BOX differs from ASYMMETRY only by FROM_DEG and MARK.
ASYMMETRY, STEP, LIVE, BOX, DARK = 0, 1, 2, 3, 4
MODE, SIGN, BAND_DEG, FROM_DEG, SCALE, MARK, SLEW_S, FADE_S = 0, 1, 2, 3, 4, 5, 6, 7
ENOUGH, TOP, BUDGET, RULES = 8, 9, 10, 11

# Rows from the end of the state, and their columns.
_BAR, _FADE, _SIDES = -3, -2, -1
_CLOCK, _LEFT, _RIGHT, _GLOW, _ACTING = 0, 1, 2, 3, 5  # of _BAR: two of _GLOW; _FADE has one weight a Shown
_BEYOND, _KNOWN, ACTS = 0, 2, 4  # of _SIDES: left and right of _BEYOND and _KNOWN
_FALLING, _EXTREME, _RISE, _NOW = (
    0,
    1,
    2,
    5,
)  # of a guard row: three times of rises from _RISE on, oldest first

STALE_S = 0.1
_LOOK_S = 0.02
_HOLD_S = 0.06  # from here to STALE_S an unrefreshed figure gives way to "no data"
_STEP_STALE_S = 1.5  # four steps of a slow runner
_RETURN = 0.9  # hysteresis: a side is back inside the band below this share of it

_SECOND_S = 1.1  # the second of the rule, and room for frames written a little late
_FLASH = 900.0  # of 10000 of the maximum; the rule says a tenth

_READ_F8 = types.Array(types.float64, 2, "C", readonly=True)
_READ_I8 = types.Array(types.int64, 2, "C", readonly=True)
_RULES = types.float64[::1]
_STATE = types.float64[:, ::1]
_FRAME = types.uint8[:, ::1]
_COVERED = types.Tuple((types.float64, types.float64, types.float64))


def fresh(leds: int) -> np.ndarray:
    """The state before the first frame: dark, no time yet, nothing held."""
    state = np.zeros((leds + 6, 6))
    state[:-3, _FALLING] = 1.0
    state[:-3, _RISE : _RISE + 3] = -np.inf
    state[_BAR, _CLOCK] = -np.inf
    return state


@kernel(types.float64(types.float64, types.float64, types.float64), inner=True)
def _toward(now: float, goal: float, reach: float) -> float:
    """`now`, moved to `goal` by at most `reach`."""
    return goal if abs(goal - now) <= reach else now + math.copysign(reach, goal - now)


@kernel(types.float64(types.float64, types.float64), inner=True)
def _share(elapsed_s: float, span_s: float) -> float:
    """How much of a change that takes `span_s` happens in `elapsed_s`; more than all of it for no span."""
    return elapsed_s / span_s if span_s > 0.0 else 2.0


@kernel(types.float64(types.float64, types.float64, types.float64), inner=True)
def _age(seen_s: float, now_s: float, elapsed_s: float) -> float:
    """How old a figure will be when the light can next change; infinite when it was never measured.

    What this row measured is fresh. Anything older stands until the next row, which is taken to come as soon as this
    one did, but after `_LOOK_S` at most: a camera that has fallen silent is asked again that often.
    """
    if not seen_s <= now_s:
        return math.inf
    return now_s - seen_s + min(elapsed_s, _LOOK_S) if seen_s < now_s else 0.0


@kernel(types.int64(_READ_F8, _READ_I8, types.int64, types.float64, types.float64, _RULES), inner=True)
def _chosen(
    moments: np.ndarray, counts: np.ndarray, k: int, now_s: float, age_s: float, rules: np.ndarray
) -> int:
    """What row `k` allows to be shown at `now_s`: a value of Shown."""
    mode = rules[MODE]
    if counts[k, _POSTURE] == _UNSEEN or age_s >= STALE_S:
        return _NO_DATA
    # below 0: nobody has proved yet which end of the bar is the runner's left
    if counts[k, _SURE] < 0 and mode != DARK:
        return _STANDING if counts[k, _POSTURE] == _STILL else _UNSURE
    if mode in (DARK, LIVE):
        lost = mode == LIVE and math.isnan(moments[k, _LEVEL])
        return _NO_DATA if lost else _OFF if mode == DARK else _MEASURED
    if counts[k, _POSTURE] == _STILL:
        return _STANDING
    if counts[k, _SURE] == 0:
        return _UNSURE
    if not now_s - moments[k, _STEP] < _STEP_STALE_S:
        return _WARMING
    if mode == STEP:
        known = not (math.isnan(moments[k, _LEFT_LAST]) and math.isnan(moments[k, _RIGHT_LAST]))
    else:
        steps = min(counts[k, _LEFT_STEPS], counts[k, _RIGHT_STEPS])
        known = steps >= rules[ENOUGH] and not math.isnan(moments[k, _DIFFERENCE])
    return _MEASURED if known else _WARMING


@kernel(types.void(_STATE, types.int64, types.float64, types.float64, types.float64), inner=True)
def _fade(state: np.ndarray, chosen: int, age_s: float, elapsed_s: float, fade_s: float) -> None:
    """Weights of what is mixed into the light, one for each Shown; never more than 1 together.

    A figure that is no longer valid leaves within STALE_S whatever the fade; one that nobody refreshes gives way to
    "no data" by its age alone, so that none of it is left when it is STALE_S old.
    """
    reach = _share(elapsed_s, fade_s)
    for k in range(6):
        quick = max(reach, elapsed_s / STALE_S) if k == _MEASURED else reach
        state[_FADE, k] = (
            min(state[_FADE, k] + reach, 1.0) if k == chosen else max(state[_FADE, k] - quick, 0.0)
        )
    stale = min(max((age_s - _HOLD_S) / (STALE_S - _HOLD_S), 0.0), 1.0)
    state[_FADE, _NO_DATA] = max(state[_FADE, _NO_DATA], stale)
    rest = 0.0
    for k in range(6):
        rest += state[_FADE, k] if k != _NO_DATA else 0.0
    room = 1.0 - state[_FADE, _NO_DATA]
    if rest > room:
        for k in range(6):
            state[_FADE, k] *= room / rest if k != _NO_DATA else 1.0


@kernel(types.void(_STATE, types.int64, types.float64, types.float64, _RULES), inner=True)
def _glow(state: np.ndarray, side: int, deg: float, reach: float, rules: np.ndarray) -> None:
    """Whether a side's figure is beyond the band, with hysteresis, and its slow change from dim to full."""
    band_deg = rules[BAND_DEG] * (_RETURN if state[_SIDES, _BEYOND + side] > 0.0 else 1.0)
    state[_SIDES, _KNOWN + side] = 0.0 if math.isnan(deg) else 1.0
    state[_SIDES, _BEYOND + side] = 1.0 if deg > band_deg else 0.0
    state[_BAR, _GLOW + side] = (
        _toward(state[_BAR, _GLOW + side], state[_SIDES, _BEYOND + side], reach)
        * state[_SIDES, _KNOWN + side]
    )


@kernel(types.float64(types.float64, _RULES), inner=True)
def _length(deg: float, rules: np.ndarray) -> float:
    """The share of its half that a side's figure fills; a hike and an unknown figure fill nothing."""
    over_deg = deg - rules[FROM_DEG]
    return min(over_deg * rules[SCALE], 1.0) if over_deg > 0.0 else 0.0


@kernel(types.void(_STATE, types.float64, types.float64, types.float64, _RULES), inner=True)
def _move(state: np.ndarray, left_deg: float, right_deg: float, elapsed_s: float, rules: np.ndarray) -> None:
    """Move lengths and glow towards the two sides' figures; after infinite time, nothing of the past remains.

    One-figure modes give `right_deg == -left_deg`: a single length that passes through the middle. Step mode gives
    two, and NaN for a side that was not measured: that half is dark at once.
    """
    for side in range(2):
        state[_SIDES, _BEYOND + side] *= 0.0 if elapsed_s == math.inf else 1.0
        _glow(state, side, right_deg if side else left_deg, _share(elapsed_s, rules[FADE_S]), rules)
    reach = _share(elapsed_s, rules[SLEW_S])
    left, right = _length(left_deg, rules), _length(right_deg, rules)
    if rules[MODE] == STEP:
        state[_BAR, _LEFT] = 0.0 if math.isnan(left_deg) else _toward(state[_BAR, _LEFT], left, reach)
        state[_BAR, _RIGHT] = 0.0 if math.isnan(right_deg) else _toward(state[_BAR, _RIGHT], right, reach)
        return
    at, goal = state[_BAR, _LEFT] - state[_BAR, _RIGHT], left - right
    at = _toward(at, goal, reach)
    state[_BAR, _LEFT], state[_BAR, _RIGHT] = max(at, 0.0), max(-at, 0.0)


@kernel(types.float64(types.float64, types.float64, types.float64), inner=True)
def _overlap(start: float, centre: float, reach: float) -> float:
    """How much of the LED from `start` to `start + 1` lies within `reach` of `centre`."""
    return max(min(start + 1.0, centre + reach) - max(start, centre - reach), 0.0)


@kernel(_COVERED(_STATE, types.int64, types.int64, _RULES), inner=True)
def _covered(state: np.ndarray, i: int, leds: int, rules: np.ndarray) -> tuple[float, float, float]:
    """What the measurement makes of LED `i`: its part under the bar, the bar's glow there, the mark's strength.

    Live mode is a spirit level: a bubble as wide as half the bar, so that only its place changes, not its light.
    """
    half, odd, quarter = leds // 2, leds % 2, leds / 4.0
    at = (state[_BAR, _LEFT] - state[_BAR, _RIGHT]) * quarter
    if odd and i == half:
        cover = min(0.5, quarter + at) + min(0.5, quarter - at) if rules[MODE] == LIVE else 0.0
        return cover, 0.0, 0.5 * (state[_SIDES, _KNOWN] + state[_SIDES, _KNOWN + 1]) * rules[MARK]
    side = 0 if i < half else 1
    rank = i - half - odd if side else half - 1 - i
    if rules[MODE] == LIVE:
        cover = _overlap(rank + 0.5 * odd, -at if side else at, quarter)
    else:
        cover = min(max(state[_BAR, _LEFT + side] * half - rank, 0.0), 1.0)
    return cover, state[_BAR, _GLOW + side], state[_SIDES, _KNOWN + side] * rules[MARK] if rank == 0 else 0.0


@kernel(types.void(_FRAME, types.int64, types.int64, types.int64), inner=True)
def _dim(leds: np.ndarray, i: int, part: int, whole: int) -> None:
    """Lower LED `i` to at most part / whole of itself, and keep it from saturated red (3/4 of its bytes; WCAG: 4/5)."""
    if part < whole:
        for c in range(3):
            leds[i, c] = int(leds[i, c]) * part // whole
    cold = 3 * (int(leds[i, 1]) + int(leds[i, 2]))
    if int(leds[i, 0]) > cold:
        leds[i, 0] = cold


@kernel(types.void(_STATE, types.float64[:, ::1], types.float64[:, :, ::1], _RULES, _FRAME), inner=True)
def _draw(
    state: np.ndarray, tints: np.ndarray, looks: np.ndarray, rules: np.ndarray, leds: np.ndarray
) -> None:
    """Mix the measurement and the patterns by their weights into bytes, and stay within the current budget."""
    total = 0
    for i in range(leds.shape[0]):
        cover, glow, mark = 0.0, 0.0, 0.0
        if state[_FADE, _MEASURED] > 0.0:
            cover, glow, mark = _covered(state, i, leds.shape[0], rules)
        for c in range(3):
            bar = glow * tints[1, c] + (1.0 - glow) * tints[0, c]
            value = state[_FADE, _MEASURED] * (cover * bar + (1.0 - cover) * mark * tints[0, c])
            for k in range(_NO_DATA, _STANDING + 1):
                if state[_FADE, k] > 0.0:
                    value += state[_FADE, k] * looks[k, i, c]
            leds[i, c] = int(min(value + 0.5, rules[TOP]))
            total += int(leds[i, c])
    for i in range(leds.shape[0]):
        _dim(leds, i, min(int(rules[BUDGET]), total), total)


@kernel(types.float64(_FRAME, types.int64), inner=True)
def _luminance(leds: np.ndarray, i: int) -> float:
    """Relative luminance of an LED in ten-thousandths of a byte (the weights of sRGB's primaries): a whole number."""
    return float(2126 * int(leds[i, 0]) + 7152 * int(leds[i, 1]) + 722 * int(leds[i, 2]))


@kernel(types.float64(_STATE, types.int64, types.float64, types.float64), inner=True)
def _ceiling(state: np.ndarray, row: int, now_s: float, flash: float) -> float:
    """The highest luminance that this row may have now: unbounded while it rises or has a rise to spend."""
    free = state[row, _FALLING] == 0.0 or now_s - state[row, _RISE] > _SECOND_S
    return math.inf if free else state[row, _EXTREME] + flash - 1.0


@kernel(types.void(_STATE, types.int64, types.float64, types.float64), inner=True)
def _note(state: np.ndarray, row: int, now_s: float, flash: float) -> None:
    """Remember what is shown: turning points at least `flash` apart, and until when each rise went on."""
    luminance = state[row, _NOW]
    if state[row, _FALLING] > 0.0:
        if luminance >= state[row, _EXTREME] + flash:
            state[row, _RISE], state[row, _RISE + 1], state[row, _RISE + 2] = (
                state[row, _RISE + 1],
                state[row, _RISE + 2],
                now_s,
            )
            state[row, _FALLING], state[row, _EXTREME] = 0.0, luminance
        elif luminance < state[row, _EXTREME]:
            state[row, _EXTREME] = luminance
    elif luminance > state[row, _EXTREME]:
        state[row, _EXTREME], state[row, _RISE + 2] = luminance, now_s
    elif luminance <= state[row, _EXTREME] - flash:
        state[row, _FALLING], state[row, _EXTREME] = 1.0, luminance


@kernel(types.void(_FRAME, types.float64, types.float64, _STATE), inner=True)
def _guard(leds: np.ndarray, now_s: float, flash: float, state: np.ndarray) -> None:
    """Lower `leds` so that no LED, neither half and not the whole flashes more than 3 times in any second.

    Only rises are rationed: three in any second for each of them, and what may not rise stays under its last low by
    less than a flash. So darkness is always allowed, and nothing lit is ever held. A half or the whole is dimmed
    evenly: the shape stays true. Works on the bytes themselves, in whole numbers.
    """
    count, acted = leds.shape[0], 0.0
    for row in range(count + 3):
        first, last = row, row + 1
        if row >= count:
            first = count - count // 2 if row == count + 1 else 0
            last = count // 2 if row == count else count
        ceiling = _ceiling(state, row, now_s, flash * (last - first))
        total = 0.0
        for i in range(first, last):
            total += state[i, _NOW] if row >= count else _luminance(leds, i)
        state[row, _NOW] = total
        if total > ceiling:
            acted = 1.0
            for i in range(first, last):
                _dim(leds, i, int(ceiling), int(total))
                state[i, _NOW] = _luminance(leds, i)
    for i in range(count):
        _note(state, i, now_s, flash)
    for row in range(count, count + 3):
        first = count - count // 2 if row == count + 1 else 0
        last = count // 2 if row == count else count
        state[row, _NOW] = 0.0
        for i in range(first, last):
            state[row, _NOW] += state[i, _NOW]
        _note(state, row, now_s, flash * (last - first))
    state[_SIDES, ACTS] += max(acted - state[_BAR, _ACTING], 0.0)
    state[_BAR, _ACTING] = acted


@kernel(
    types.void(
        _READ_F8,
        _READ_I8,
        _RULES,
        types.float64[:, ::1],
        types.float64[:, :, ::1],
        _STATE,
        types.uint8[:, :, ::1],
        types.uint8[::1],
    )
)
def light(
    moments: np.ndarray,
    counts: np.ndarray,
    rules: np.ndarray,
    tints: np.ndarray,
    looks: np.ndarray,
    state: np.ndarray,
    leds: np.ndarray,
    shown: np.ndarray,
) -> None:
    """Light every row in turn: the same bytes whether rows come one by one or thousands at once.

    moments, counts : the same (n, 17) words of MOMENT rows, read as float64 and as int64.
    tints : (2, 3) bytes of full strength inside and beyond the band. looks : (6, N, 3) bytes of the patterns.
    leds : (n, N, 3) and shown : (n,) are filled in. A time that is not later than the last stands still.
    """
    for k in range(moments.shape[0]):
        t_s, elapsed_s = moments[k, _T], 0.0
        if state[_BAR, _CLOCK] < t_s < math.inf:
            elapsed_s = t_s - state[_BAR, _CLOCK]
            state[_BAR, _CLOCK] = t_s
        now_s = state[_BAR, _CLOCK]
        age_s = _age(moments[k, _SEEN], now_s, elapsed_s)
        chosen = _chosen(moments, counts, k, now_s, age_s, rules)
        held = state[_FADE, _MEASURED] > 0.0
        _fade(state, chosen, age_s, elapsed_s, rules[FADE_S])
        if chosen == _MEASURED:
            if rules[MODE] == STEP:
                left, right = moments[k, _RIGHT_LAST], moments[k, _LEFT_LAST]
                if rules[SIGN] < 0.0:
                    left, right = right, left
            else:
                figure = moments[k, _LEVEL] if rules[MODE] == LIVE else moments[k, _DIFFERENCE]
                left, right = rules[SIGN] * figure, -rules[SIGN] * figure
            _move(state, left, right, elapsed_s if held else math.inf, rules)
        _draw(state, tints, looks, rules, leds[k])
        _guard(leds[k], now_s, _FLASH * rules[TOP], state)
        shown[k] = chosen
