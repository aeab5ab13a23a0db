"""Keypoints become obliquity, steps and running means: one compiled pass over a run of frames.

Plane pixels with z up, seconds, degrees; obliquity is positive when the right side is higher, a drop when the swing
side is lower. Contact and off come from the pelvis: in flight it falls freely, so its acceleration leaves and rejoins
about -g; its crossings of a share of that, spread by a share of their distance (the shape of the ground's push scales
with its length), are contact and off. Which foot it is comes from the heels alone, with alternation as witness, never
from the obliquity. Where they disagree the step is not told. Missing frames stay missing.
"""

from __future__ import annotations

import math

import numpy as np
from numba import boolean, float64, int64, types

from appliance.kernels import kernel, rows_of
from appliance.records import MOMENT

SIZE = 1024  # frames remembered: 4 s at 250 Hz
MEANS = 50  # most steps a side behind a mean
OBLIQUITY, LEFT_H, RIGHT_H = 0, 1, 2
OLD_S = 1.5  # a side's last peak is not shown for longer

MEMO = np.dtype(
    [
        ("t", "f8"), ("h", "f8"), ("x", "f8"), ("obliquity", "f8"), ("left_h", "f8"), ("right_h", "f8"),
        ("left_x", "f8"), ("left_z", "f8"), ("right_x", "f8"), ("right_z", "f8"), ("a", "f8"),
    ],
    align=True,
)  # fmt: skip
"""One frame remembered: time, pelvis height and sideways place, obliquity, each pelvis mark's height, heels; `a` = the
pelvis's vertical acceleration."""

STATE = np.dtype(
    [
        ("count", "i8"), ("centre", "i8"), ("dt", "f8"),  # frames remembered; frames whose acceleration is known
        ("seen_s", "f8"),  # pair last seen
        ("g", "f8"), ("low_a", "f8"),  # free fall in px/s^2; lowest acceleration since the last step
        ("last_a", "f8"), ("last_a_s", "f8"),
        ("loaded", "i8"), ("up_s", "f8"), ("down_s", "f8"),  # crossings of this contact
        ("open_contact_s", "f8"), ("open_off_s", "f8"),  # a step that waits to be told; NaN = none
        ("steps", "i8"), ("contact_s", "f8"), ("off_s", "f8"), ("told_s", "f8"),  # of this bout; last contact, off
        ("period_s", "f8"),  # usual time from contact to contact
        ("side", "i8"), ("guessed", "i8"), ("sure", "i8"), ("unsure", "i8"),  # last stance: -1 left, 1 right
        ("heel_side", "i8"), ("lone_run", "i8"),  # what the heels said of it; how many lone ones agreed in turn
        ("left_u", "f8"), ("left_for", "f8"), ("right_u", "f8"), ("right_for", "f8"),  # mean sideways place of each
        # heel against the pelvis, and the time behind it
        ("low_z", "f8"), ("high_z", "f8"), ("votes", "i8"),  # where heels go; lone ones in mid-stance: swing +, else -
        ("gap_z", "f8"), ("stance_z", "f8"), ("swing_z", "f8"),  # heels in mid-stance: distance, low one, high one
        ("tempo_s", "f8"),  # usual time between steps for the cadence
    ],
    align=True,
)  # fmt: skip

RULES = np.dtype(
    [
        ("zero_deg", "f8"), ("smooth_s", "f8"), ("predict_s", "f8"), ("steps", "i8"), ("px", "f8"), ("stale_s", "f8"),
        ("level_share", "f8"), ("contact_share", "f8"), ("off_share", "f8"), ("half_s", "f8"), ("settle_s", "f8"),
    ],
    align=True,
)  # fmt: skip

STEP = np.dtype(
    [
        ("side", "i8"), ("contact_s", "f8"), ("off_s", "f8"), ("peak_s", "f8"), ("peak_deg", "f8"),
        ("contact_deg", "f8"), ("mid_deg", "f8"), ("sway_px", "f8"), ("flight_s", "f8"), ("quality", "f8"),
        ("decided_s", "f8"),
    ],
    align=True,
)  # fmt: skip

PAST = np.dtype([("peak_deg", "f8", (MEANS,)), ("count", "i8"), ("told_s", "f8")], align=True)
"""The last peak drops of one side."""


@kernel(types.UniTuple(float64, 3)(rows_of(MEMO), int64, int64, float64, float64, int64), inner=True)
def _fitted(memo, first, end, at_s, half_s, what):  # type: ignore[no-untyped-def]
    """Value, slope and curvature at `at_s` of a parabola through the frames within `half_s`; NaN with too few.

    first, end : the frames to look through. what : OBLIQUITY, or the height of one pelvis mark, LEFT_H or RIGHT_H.
    """
    n = 0
    s0 = s1 = s2 = s3 = s4 = y0 = y1 = y2 = 0.0
    for k in range(first, end):
        m = memo[k % SIZE]
        y = m["obliquity"] if what == OBLIQUITY else m["left_h"] if what == LEFT_H else m["right_h"]
        d = (m["t"] - at_s) / half_s
        if y != y or abs(d) > 1.0 + 1e-9:
            continue
        n += 1
        d2 = d * d
        s0, s1, s2, s3, s4 = s0 + 1.0, s1 + d, s2 + d2, s3 + d2 * d, s4 + d2 * d2
        y0, y1, y2 = y0 + y, y1 + y * d, y2 + y * d2
    if n < 4:
        return np.nan, np.nan, np.nan
    a, b, c = s2 * s4 - s3 * s3, s1 * s4 - s2 * s3, s1 * s3 - s2 * s2
    det = s0 * a - s1 * b + s2 * c
    if abs(det) < 1e-9:
        return np.nan, np.nan, np.nan
    value = (y0 * a - y1 * b + y2 * c) / det
    d, e = s0 * s4 - s2 * s2, s0 * s3 - s1 * s2
    slope = (-y0 * b + y1 * d - y2 * e) / det
    bend = (y0 * c - y1 * e + y2 * (s0 * s2 - s1 * s1)) / det
    return value, slope / half_s, 2.0 * bend / (half_s * half_s)


@kernel(int64(rows_of(MEMO), int64, float64), inner=True)
def _since(memo, count, t_s):  # type: ignore[no-untyped-def]
    """The first remembered frame at or after `t_s`."""
    k = count
    oldest = max(0, count - SIZE)
    while k > oldest and memo[(k - 1) % SIZE]["t"] >= t_s:
        k -= 1
    return k


@kernel(float64(rows_of(MEMO), int64, rows_of(RULES)), inner=True)
def _level_now(memo, count, rules):  # type: ignore[no-untyped-def]
    """The obliquity by a straight line through the last `smooth_s`, at the newest seen frame plus the look-ahead."""
    now = memo[(count - 1) % SIZE]["t"]
    newest = np.nan
    n = 0
    s1 = s2 = y0 = y1 = 0.0
    k = count - 1
    while k >= max(0, count - SIZE):
        m = memo[k % SIZE]
        if newest != newest and now - m["t"] > rules[0]["stale_s"]:
            return np.nan
        if m["obliquity"] == m["obliquity"]:
            if newest != newest:
                newest = m["t"]
            d = m["t"] - newest
            if -d > rules[0]["smooth_s"] + 1e-9:
                break
            n += 1
            s1, s2, y0, y1 = s1 + d, s2 + d * d, y0 + m["obliquity"], y1 + d * m["obliquity"]
        k -= 1
    if n == 0:
        return np.nan
    det = n * s2 - s1 * s1
    if n < 3 or det < 1e-12:
        return y0 / n
    slope = (n * y1 - s1 * y0) / det
    return (y0 - slope * s1) / n + slope * rules[0]["predict_s"]


@kernel(types.void(rows_of(MEMO), rows_of(STATE), float64, float64[:, ::1], rows_of(RULES)), inner=True)
def _remember(memo, state, t_s, plane, rules):  # type: ignore[no-untyped-def]
    """Enter one frame."""
    s = state[0]
    m = memo[s["count"] % SIZE]
    m["t"], m["a"] = t_s, np.nan
    left, right = plane[0, 0] == plane[0, 0], plane[1, 0] == plane[1, 0]
    m["obliquity"] = m["h"] = m["x"] = np.nan
    if left and right:
        rise, run = plane[1, 1] - plane[0, 1], plane[1, 0] - plane[0, 0]
        m["obliquity"] = math.degrees(math.atan2(rise, run)) - rules[0]["zero_deg"]
        m["h"], m["x"] = (plane[0, 1] + plane[1, 1]) / 2.0, (plane[0, 0] + plane[1, 0]) / 2.0
        s["seen_s"] = t_s
    m["left_h"], m["right_h"] = plane[0, 1], plane[1, 1]
    m["left_x"], m["left_z"], m["right_x"], m["right_z"] = plane[2, 0], plane[2, 1], plane[3, 0], plane[3, 1]
    dt = min(0.05, s["dt"])
    left_u, right_u = plane[2, 0] - m["x"], plane[3, 0] - m["x"]
    if left_u == left_u:
        s["left_for"] += dt
        s["left_u"] += (left_u - s["left_u"]) * min(1.0, dt / max(1e-9, min(1.5, s["left_for"])))
    if right_u == right_u:
        s["right_for"] += dt
        s["right_u"] += (right_u - s["right_u"]) * min(1.0, dt / max(1e-9, min(1.5, s["right_for"])))
    for z in (plane[2, 1], plane[3, 1]):
        if z == z:
            first = s["low_z"] == s["high_z"]
            s["low_z"] = z if first else min(z, s["low_z"] + dt / 5.0 * (z - s["low_z"]))
            s["high_z"] = z + 1e-6 if first else max(z, s["high_z"] + dt / 5.0 * (z - s["high_z"]))
    s["count"] += 1


@kernel(types.void(rows_of(STATE), float64, float64, float64), inner=True)
def _cross(state, a, t_s, share):  # type: ignore[no-untyped-def]
    """Follow the acceleration through `share` of free fall: up is loading, down is leaving."""
    s = state[0]
    half = -share * s["g"]
    was, was_s = s["last_a"], s["last_a_s"]
    near = t_s - was_s < 0.06
    if near and was < half <= a:
        crossing = was_s + (t_s - was_s) * (half - was) / (a - was)
        if not s["loaded"]:
            s["up_s"] = crossing
    if near and a < half <= was and s["loaded"]:
        s["down_s"] = was_s + (t_s - was_s) * (half - was) / (a - was)
    s["last_a"], s["last_a_s"] = a, t_s
    s["low_a"] = min(s["low_a"], a)


@kernel(types.void(rows_of(STATE), rows_of(RULES)), inner=True)
def _close(state, rules):  # type: ignore[no-untyped-def]
    """A contact has ended: set it aside to be told, if it is as long as a runner's is."""
    s = state[0]
    length = s["down_s"] - s["up_s"]
    s["loaded"] = 0
    if length == length and 0.09 < length < 0.31:
        s["open_contact_s"] = s["up_s"] - rules[0]["contact_share"] * length
        s["open_off_s"] = s["down_s"] + rules[0]["off_share"] * length
    if s["low_a"] < 0.0:
        s["g"] += 0.3 * (max(-s["low_a"], 0.4 * s["g"]) - s["g"])
    s["low_a"] = 0.0
    s["up_s"] = s["down_s"] = np.nan


@kernel(types.void(rows_of(MEMO), rows_of(STATE), rows_of(RULES)), inner=True)
def _differentiate(memo, state, rules):  # type: ignore[no-untyped-def]
    """Acceleration of every frame that now has its neighbours, and the contact's phase with it."""
    s = state[0]
    now = memo[(s["count"] - 1) % SIZE]["t"]
    half = max(rules[0]["half_s"], 2.2 * s["dt"])
    while s["centre"] < s["count"] and memo[s["centre"] % SIZE]["t"] <= now - half + 1e-9:
        k = s["centre"]
        s["centre"] += 1
        at = memo[k % SIZE]["t"]
        first = k
        while first > max(0, s["count"] - SIZE) and memo[(first - 1) % SIZE]["t"] >= at - half - 1e-9:
            first -= 1
        # Each mark by itself: one that is hidden or comes back must not look like a jolt of the pelvis.
        left_a = _fitted(memo, first, s["count"], at, half, LEFT_H)[2]
        right_a = _fitted(memo, first, s["count"], at, half, RIGHT_H)[2]
        a = right_a if left_a != left_a else left_a if right_a != right_a else (left_a + right_a) / 2.0
        memo[k % SIZE]["a"] = a
        if a != a:
            continue
        if s["steps"] == 0 and not s["loaded"]:  # not running yet: free fall is the deepest of the last 0.6 s
            lowest = 0.0
            for j in range(_since(memo, s["centre"], at - 0.6), s["centre"]):
                lowest = min(
                    lowest, memo[j % SIZE]["a"] if memo[j % SIZE]["a"] == memo[j % SIZE]["a"] else 0.0
                )
            s["g"] = -lowest
        if s["g"] < 600.0 * rules[0]["px"]:
            s["loaded"] = 0
            s["last_a"], s["last_a_s"] = a, at
            continue
        _cross(state, a, at, rules[0]["level_share"])
        if not s["loaded"] and a > 0.25 * s["g"]:
            s["loaded"] = 1
            s["down_s"] = np.nan
        elif s["loaded"] and s["down_s"] == s["down_s"]:
            _close(state, rules)


@kernel(types.Tuple((float64, float64, boolean))(rows_of(MEMO), rows_of(STATE), float64, float64), inner=True)
def _heels(memo, state, from_s, to_s):  # type: ignore[no-untyped-def]
    """Which foot stands, -1 left, 1 right; how sure, 0 to 1; whether only a lone heel's height says so."""
    s = state[0]
    n = both = lone = 0
    rise = single = 0.0
    span = s["swing_z"] - s["stance_z"]
    for k in range(_since(memo, s["count"], from_s), s["count"]):
        m = memo[k % SIZE]
        left, right = m["left_z"], m["right_z"]
        if m["t"] > to_s:
            break
        n += 1
        if left == left and right == right:
            both += 1
            rise += left - right
        elif span > 0.0 and (left == left or right == right):
            level = ((left if left == left else right) - s["stance_z"]) / span - 0.5
            lone += 1
            single += level if left == left else -level
    if both >= max(3.0, 0.3 * n):
        rise /= both
        whole = s["gap_z"] if s["gap_z"] > 0.0 else abs(rise)
        return (1.0 if rise > 0.0 else -1.0), min(1.0, abs(rise) / whole), False
    if lone >= max(3.0, 0.6 * n):
        single /= lone
        return (1.0 if single > 0.0 else -1.0), min(1.0, 2.0 * abs(single)), True
    return 0.0, 0.0, True


@kernel(types.void(rows_of(MEMO), rows_of(STATE), float64, float64, float64), inner=True)
def _learn_heels(memo, state, side, from_s, to_s):  # type: ignore[no-untyped-def]
    """How high the standing and the swinging heel are in mid-stance, from a step whose side is sure."""
    s = state[0]
    low = high = 0.0
    n = 0
    for k in range(_since(memo, s["count"], from_s), s["count"]):
        m = memo[k % SIZE]
        if m["t"] <= to_s and m["left_z"] == m["left_z"] and m["right_z"] == m["right_z"]:
            n += 1
            low += m["left_z"] if side < 0.0 else m["right_z"]
            high += m["right_z"] if side < 0.0 else m["left_z"]
    if n >= 3:
        gain = 1.0 if s["gap_z"] == 0.0 else 0.15
        s["gap_z"] += gain * ((high - low) / n - s["gap_z"])
        s["stance_z"] += gain * (low / n - s["stance_z"])
        s["swing_z"] += gain * (high / n - s["swing_z"])


@kernel(types.void(rows_of(MEMO), rows_of(STATE), float64, float64), inner=True)
def _judge_lone(memo, state, contact_s, off_s):  # type: ignore[no-untyped-def]
    """Where only one heel is ever seen in mid-stance: learn which, the belt's (it comes down the picture) or the other.

    The standing heel is near the bottom of where heels go and is carried nearer by the belt; the swinging one is
    high and turns. Two steps in a row that say the same set the heights that later steps are judged by.
    """
    s = state[0]
    length = off_s - contact_s
    early = late = 0.0
    n_early = n_late = 0
    top = 0.0
    for k in range(_since(memo, s["count"], contact_s + 0.1 * length), s["count"]):
        m = memo[k % SIZE]
        phase = (m["t"] - contact_s) / length
        if phase > 0.6:
            break
        if (m["left_z"] == m["left_z"]) == (m["right_z"] == m["right_z"]):
            continue
        z = m["left_z"] if m["left_z"] == m["left_z"] else m["right_z"]
        if phase < 0.3:
            early, n_early = early + z, n_early + 1
        elif phase > 0.4:
            late, n_late = late + z, n_late + 1
            top = m["h"] if m["h"] == m["h"] else top
    reach = s["high_z"] - s["low_z"]
    if n_early < 2 or n_late < 2 or reach <= 0.0 or top == 0.0:
        return
    early, late = early / n_early, late / n_late
    high = (late - s["low_z"]) / reach > 0.5
    carried = (early - late) / (
        top - late
    ) > 0.04  # of the leg's length, in a third of the contact, down the picture
    if high == carried or top <= late:  # the two signs disagree
        s["votes"] = 0
        return
    s["votes"] = max(s["votes"], 0) + 1 if high else min(s["votes"], 0) - 1
    if abs(s["votes"]) >= 2:
        between = 0.22 * (top - late)
        s["swing_z"] = late if high else late + between
        s["stance_z"] = late - between if high else late


@kernel(boolean(rows_of(MEMO), rows_of(STATE), float64, float64), inner=True)
def _ordered(memo, state, from_s, to_s):  # type: ignore[no-untyped-def]
    """Whether the left heel is on the left in mid-stance, against the right one, or a lone one not beyond the other's.

    In mid-stance the feet pass each other at the same distance from the camera, the swinging one on its own side:
    there neither a camera off to the side nor a foot that crosses the middle line exchanges them.
    """
    s = state[0]
    both = lone = 0
    apart = beyond = 0.0
    for k in range(_since(memo, s["count"], from_s), s["count"]):
        m = memo[k % SIZE]
        left_u, right_u = m["left_x"] - m["x"], m["right_x"] - m["x"]
        if m["t"] > to_s:
            break
        if left_u == left_u and right_u == right_u:
            both += 1
            apart += right_u - left_u
        elif left_u == left_u or right_u == right_u:
            lone += 1
            beyond += s["left_u"] - right_u if right_u == right_u else left_u - s["right_u"]
    if both >= 3:
        return apart / both > 0.15 * (s["right_u"] - s["left_u"])
    return lone == 0 or beyond / lone < 0.0


@kernel(types.UniTuple(float64, 2)(rows_of(MEMO), rows_of(STATE), float64, float64, float64), inner=True)
def _foot(memo, state, contact_s, off_s, px):  # type: ignore[no-untyped-def]
    """The stance foot of a step and how sure that is; side 0 = the witnesses disagree, or there are none."""
    s = state[0]
    length = off_s - contact_s
    from_s, to_s = contact_s + 0.25 * length, off_s - 0.25 * length
    if s["swing_z"] == s["stance_z"]:
        _judge_lone(memo, state, contact_s, off_s)
    side, sure, lone = _heels(memo, state, from_s, to_s)
    before = s["heel_side"]
    s["heel_side"] = 0
    known = min(s["left_for"], s["right_for"]) > 0.1 and s["left_for"] + s["right_for"] > 0.25
    known = known and s["right_u"] - s["left_u"] > 2.0 * px
    beat = (contact_s - s["contact_s"]) / s["period_s"] if s["period_s"] > 0.0 else np.nan
    follows = 0.6 < beat < 1.5  # the very next step; NaN is not
    next_one = follows and s["side"] != 0
    if not known:
        return 0.0, 0.0
    if not _ordered(memo, state, from_s, to_s):
        s["lone_run"] //= 2  # a doubt: half of the trust is gone, and this step is not told
        s["heel_side"] = -before if follows else 0
        return 0.0, 0.0
    if sure >= 0.3:
        agrees = follows and side == -before
        s["lone_run"] = 2 if not lone else s["lone_run"] + 1 if agrees else 0
        s["heel_side"] = int(side)
        if (next_one and side == s["side"]) or s["lone_run"] < 2:
            return 0.0, 0.0
        if s["gap_z"] == 0.0 and s["swing_z"] == s["stance_z"]:
            rise = 0.0
            for k in range(_since(memo, s["count"], from_s), s["count"]):
                m = memo[k % SIZE]
                rise = max(rise, abs(m["left_z"] - m["right_z"])) if m["t"] <= to_s else rise
            if rise < 15.0 * px:  # the heels are level: nobody runs
                return 0.0, 0.0
        _learn_heels(memo, state, side, from_s, to_s)
        s["guessed"] = 0
        return side, 0.5 + 0.5 * sure
    if next_one and s["guessed"] < 3:
        s["guessed"] += 1
        s["heel_side"] = -s["side"]
        return -float(s["side"]), 0.4
    return 0.0, 0.0


@kernel(
    types.void(rows_of(MEMO), rows_of(STATE), float64, float64, float64, float64, rows_of(STEP), int64),
    inner=True,
)
def _measure(memo, state, side, contact_s, off_s, half_s, events, n):  # type: ignore[no-untyped-def]
    """What the pelvis did in one contact, from lightly smoothed obliquity; NaN where too little of it was seen."""
    e = events[n]
    count = state[0]["count"]
    first = _since(memo, count, contact_s - 2.0 * half_s)
    seen = whole = 0
    last_s = contact_s
    hole = 0.0
    low_x, high_x = np.inf, -np.inf
    e["peak_deg"] = e["peak_s"] = np.nan
    for k in range(first, count):
        m = memo[k % SIZE]
        if m["t"] < contact_s or m["t"] > off_s:
            continue
        whole += 1
        if m["obliquity"] != m["obliquity"]:
            continue
        seen += 1
        hole = max(hole, m["t"] - last_s)
        last_s = m["t"]
        low_x, high_x = min(low_x, m["x"]), max(high_x, m["x"])
        drop, slope, bend = _fitted(memo, first, count, m["t"], half_s, OBLIQUITY)
        drop, slope, bend = side * drop, side * slope, side * bend
        ahead_s = -slope / bend if bend < 0.0 else 0.0
        if abs(ahead_s) < state[0]["dt"]:  # the top lies between two frames
            drop += 0.5 * slope * ahead_s
        if drop == drop and not drop <= e["peak_deg"]:
            e["peak_deg"], e["peak_s"] = drop, m["t"]
    hole = max(hole, off_s - last_s)
    e["contact_deg"] = side * _fitted(memo, first, count, contact_s, half_s, OBLIQUITY)[0]
    e["mid_deg"] = side * _fitted(memo, first, count, (contact_s + off_s) / 2.0, half_s, OBLIQUITY)[0]
    e["sway_px"] = high_x - low_x if seen else np.nan
    if hole > 0.025 + 1.5 * state[0]["dt"]:  # the peak may have been in the hole
        e["peak_deg"] = e["peak_s"] = e["sway_px"] = np.nan
    e["quality"] = seen / whole if whole else 0.0


@kernel(types.void(rows_of(PAST), int64, float64, float64), inner=True)
def _keep_peak(past, side, peak_deg, now_s):  # type: ignore[no-untyped-def]
    if peak_deg == peak_deg:
        past[side]["told_s"] = now_s
        past[side]["peak_deg"][past[side]["count"] % MEANS] = peak_deg
        past[side]["count"] += 1


@kernel(types.void(rows_of(STATE), rows_of(PAST)), inner=True)
def _end_bout(state, past):  # type: ignore[no-untyped-def]
    """The runner has stopped: the next step begins a new bout with new means."""
    s = state[0]
    s["steps"] = s["side"] = s["guessed"] = s["sure"] = s["loaded"] = 0
    s["period_s"] = s["tempo_s"] = 0.0
    s["contact_s"] = s["off_s"] = s["told_s"] = np.nan
    past[0]["count"] = past[1]["count"] = 0


@kernel(
    int64(rows_of(MEMO), rows_of(STATE), rows_of(PAST), rows_of(RULES), float64, rows_of(STEP), int64),
    inner=True,
)
def _tell(memo, state, past, rules, now_s, events, n):  # type: ignore[no-untyped-def]
    """Decide the step that waits, once its off is past; how many events there are now."""
    s = state[0]
    contact_s, off_s = s["open_contact_s"], s["open_off_s"]
    if not now_s >= off_s + rules[0]["settle_s"]:
        return n
    s["open_contact_s"] = s["open_off_s"] = np.nan
    gap = contact_s - s["contact_s"]
    if gap == gap and gap < 0.18:
        return n
    if gap == gap and gap > 3.0:
        _end_bout(state, past)
        gap = np.nan
    side, sure = _foot(memo, state, contact_s, off_s, rules[0]["px"])
    flight_s = contact_s - s["off_s"]
    if gap == gap and gap < 0.6:
        s["period_s"] = gap if s["period_s"] == 0.0 else s["period_s"] + 0.25 * (gap - s["period_s"])
        if gap < 1.5 * s["period_s"]:
            s["tempo_s"] = gap if s["tempo_s"] == 0.0 else s["tempo_s"] + 0.15 * (gap - s["tempo_s"])
    s["steps"] += 1
    s["contact_s"], s["off_s"], s["told_s"] = contact_s, off_s, now_s
    s["unsure"] = 0 if side != 0.0 else s["unsure"] + 1
    s["sure"] = (
        1 if s["unsure"] == 0 or (s["sure"] and s["unsure"] < 2) else 0
    )  # one doubtful step is left out quietly
    s["side"] = int(side)
    if side == 0.0 or n >= events.shape[0]:
        return n
    _measure(memo, state, side, contact_s, off_s, max(0.02, 2.2 * s["dt"]), events, n)
    e = events[n]
    e["side"], e["contact_s"], e["off_s"], e["decided_s"] = int(side), contact_s, off_s, now_s
    e["flight_s"] = flight_s if gap < 0.6 else np.nan
    e["quality"] *= sure
    _keep_peak(past, 0 if side < 0.0 else 1, e["peak_deg"], now_s)
    return n + 1


@kernel(float64(rows_of(PAST), int64, int64), inner=True)
def _mean(past, side, steps):  # type: ignore[no-untyped-def]
    n = min(past[side]["count"], steps)
    if n == 0:
        return np.nan
    total = 0.0
    for k in range(past[side]["count"] - n, past[side]["count"]):
        total += past[side]["peak_deg"][k % MEANS]
    return total / n


@kernel(int64(rows_of(MEMO), rows_of(STATE), float64, rows_of(RULES)), inner=True)
def _posture(memo, state, now_s, rules):  # type: ignore[no-untyped-def]
    """0 unseen, 1 standing, 2 moving, 3 running."""
    s = state[0]
    if not now_s - s["seen_s"] <= rules[0]["stale_s"]:
        return 0
    if now_s - s["told_s"] < 0.8:
        return 3
    low, high = np.inf, -np.inf
    first = _since(memo, s["count"], now_s - 0.5)
    for k in range(first, s["count"]):
        h = memo[k % SIZE]["h"]
        if h == h:
            low, high = min(low, h), max(high, h)
    still = high - low < 5.0 * rules[0]["px"] and s["count"] > first and now_s - memo[first % SIZE]["t"] > 0.4
    return 1 if still else 2


@kernel(
    types.void(rows_of(MEMO), rows_of(STATE), rows_of(PAST), rows_of(RULES), rows_of(MOMENT), int64),
    inner=True,
)
def _sum_up(memo, state, past, rules, moments, i):  # type: ignore[no-untyped-def]
    """One row of what is known now."""
    s = state[0]
    m = memo[(s["count"] - 1) % SIZE]
    o = moments[i]
    steps = rules[0]["steps"]
    o["t_s"], o["obliquity_deg"], o["height_px"], o["sway_px"] = m["t"], m["obliquity"], m["h"], m["x"]
    o["level_deg"] = _level_now(memo, s["count"], rules)
    o["seen_s"] = s["seen_s"]
    o["left_drop_deg"], o["right_drop_deg"] = _mean(past, 0, steps), _mean(past, 1, steps)
    o["difference_deg"] = o["right_drop_deg"] - o["left_drop_deg"]
    o["left_last_deg"] = _mean(past, 0, 1) if m["t"] - past[0]["told_s"] < OLD_S else np.nan
    o["right_last_deg"] = _mean(past, 1, 1) if m["t"] - past[1]["told_s"] < OLD_S else np.nan
    o["left_steps"], o["right_steps"] = min(past[0]["count"], steps), min(past[1]["count"], steps)
    o["step_s"] = s["told_s"]
    o["cadence_spm"] = 60.0 / s["tempo_s"] if s["tempo_s"] > 0.0 else np.nan
    o["posture"] = _posture(memo, state, m["t"], rules)
    o["sides_sure"] = s["sure"]


@kernel(
    int64(float64[::1], float64[:, :, ::1], int64, rows_of(MEMO), rows_of(STATE), rows_of(PAST), rows_of(RULES),
          rows_of(MOMENT), rows_of(STEP))
)  # fmt: skip
def advance(t_s, plane, n, memo, state, past, rules, moments, events):  # type: ignore[no-untyped-def]
    """Take `n` frames in; one `moments` row a frame, and the steps decided in them (how many is returned).

    t_s : (n,) when the pelvis was exposed. plane : (n, 4, 2) marks in plane pixels, z up, NaN = not seen.
    """
    told = 0
    for i in range(n):
        s = state[0]
        if s["count"] > 0:
            dt = t_s[i] - memo[(s["count"] - 1) % SIZE]["t"]
            if dt > 0.5:  # a hole this long ends the bout, and nothing is joined across it
                _end_bout(state, past)
                s["open_contact_s"] = s["open_off_s"] = s["up_s"] = s["down_s"] = np.nan
                s["centre"] = s["count"]
            else:
                s["dt"] += (dt - s["dt"]) * (1.0 if s["count"] < 3 else 0.05)
        _remember(memo, state, t_s[i], plane[i], rules)
        if s["told_s"] == s["told_s"] and t_s[i] - s["told_s"] > 3.0:
            _end_bout(state, past)
        _differentiate(memo, state, rules)
        told = _tell(memo, state, past, rules, t_s[i], events, told)
        _sum_up(memo, state, past, rules, moments, i)
    return told
