"""Tracks become a runner: which pair is the pelvis, which track the left heel and which the right.

After `tracks.follow`, in the same upright pixels. A runner is taken at once where the picture leaves no doubt, else
when motion has told runner from room. Left and right heels are told apart by their mean distance over at least one
step; until that is known they score half, and names found wrong change places and keep silent for a step. Every
choice is symmetric: a mirrored picture gives mirrored names.
"""

from __future__ import annotations

import math

import numpy as np
from numba import boolean, float64, int64, types

from appliance.kernels import kernel
from appliance.kernels.tracks import (
    BLOBS,
    LEFT,
    LEFT_HEEL,
    LOCKS,
    LOST_S,
    MOUNT,
    PLACES,
    RIGHT,
    RIGHT_HEEL,
    SPARE,
    SURE_S,
    TRACKS,
)  # fmt: skip


@kernel(types.UniTuple(int64, 2)(TRACKS, float64, float64, float64, boolean, float64), inner=True)
def _legs(tracks, mid_u, mid_v, du, moving, px):  # type: ignore[no-untyped-def]
    """The outermost two tracks that could be heels below a pair, left and right; -1 = none, the same twice = one."""
    left = right = -1
    for k in range(tracks.shape[0]):
        if tracks[k]["blob"] < 0 or (moving and not tracks[k]["moves"]):
            continue
        below, aside = tracks[k]["v"] - mid_v, abs(tracks[k]["u"] - mid_u)
        if below > max(1.6 * du, 60.0 * px) and aside < 0.3 * below + 0.2 * du:
            if left < 0 or tracks[k]["u"] < tracks[left]["u"]:
                left = k
            if right < 0 or tracks[k]["u"] > tracks[right]["u"]:
                right = k
    return left, right


@kernel(float64(TRACKS, int64, int64, int64, MOUNT), inner=True)
def _pair_score(tracks, i, j, movers, view):  # type: ignore[no-untyped-def]
    """How much tracks i (left) and j look like a runner's pelvis pair; below 0 = not at all."""
    mount = view[0]
    px = mount["px"]
    du, dv = tracks[j]["u"] - tracks[i]["u"], abs(tracks[j]["v"] - tracks[i]["v"])
    ratio = tracks[i]["mass"] / tracks[j]["mass"]
    across = max(tracks[i]["across"], tracks[j]["across"])
    if du < max(6.0, 1.2 * across) or du > 220.0 * px or dv > 0.36 * du + 3.0 or ratio < 0.4 or ratio > 2.5:
        return -1.0
    moving = tracks[i]["moves"] and tracks[j]["moves"]
    if movers >= 2 and not moving:
        return -1.0
    if moving:
        speed = max(
            math.hypot(tracks[i]["du_s"], tracks[i]["dv_s"]), math.hypot(tracks[j]["du_s"], tracks[j]["dv_s"])
        )
        off = math.hypot(tracks[i]["du_s"] - tracks[j]["du_s"], tracks[i]["dv_s"] - tracks[j]["dv_s"])
        high, low = tracks[i]["v1"] - tracks[i]["v0"], tracks[j]["v1"] - tracks[j]["v0"]
        if off > 0.4 * speed + 30.0 * px or min(high, low) < 0.5 * max(high, low) - 3.0 * px:
            return -1.0
    mid_u, mid_v = (tracks[i]["u"] + tracks[j]["u"]) / 2.0, (tracks[i]["v"] + tracks[j]["v"]) / 2.0
    left, right = _legs(tracks, mid_u, mid_v, du, movers >= 2, px)
    heels = 0.0 if left < 0 else (1.0 if left == right else 2.0)
    if left >= 0:
        depth = max(tracks[left]["v"], tracks[right]["v"]) - mid_v
        if du > 0.55 * depth:
            return -1.0
    wide = mount["height"] if mount["turn"] & 1 else mount["width"]
    size = (tracks[i]["across"] + tracks[j]["across"]) / 2.0
    return (
        4.0 * heels
        + 2.0 * du / (100.0 * px)
        + 0.1 * size
        - 4.0 * abs(mid_u) / wide
        + (2.0 if moving else 0.0)
    )


@kernel(types.Tuple((int64, int64, float64, boolean))(TRACKS, int64, MOUNT), inner=True)
def _choose(tracks, movers, view):  # type: ignore[no-untyped-def]
    """The best pelvis pair among the tracks, its score, and whether another pair elsewhere comes close to it."""
    best, left, right = -1.0, -1, -1
    for i in range(tracks.shape[0]):
        for j in range(tracks.shape[0]):
            if (
                i != j
                and tracks[i]["blob"] >= 0
                and tracks[j]["blob"] >= 0
                and tracks[j]["u"] > tracks[i]["u"]
            ):
                score = _pair_score(tracks, i, j, movers, view)
                if score > best:
                    best, left, right = score, i, j
    close = False
    if left >= 0:
        u = (tracks[left]["u"] + tracks[right]["u"]) / 2.0
        v = (tracks[left]["v"] + tracks[right]["v"]) / 2.0
        near = 1.2 * (tracks[right]["u"] - tracks[left]["u"])
        for i in range(tracks.shape[0]):
            for j in range(tracks.shape[0]):
                if (
                    i != j
                    and tracks[i]["blob"] >= 0
                    and tracks[j]["blob"] >= 0
                    and tracks[j]["u"] > tracks[i]["u"]
                ):
                    outside = abs(tracks[i]["u"] - u) > near or abs(tracks[i]["v"] - v) > near
                    outside |= abs(tracks[j]["u"] - u) > near or abs(tracks[j]["v"] - v) > near
                    if outside and _pair_score(tracks, i, j, movers, view) > best - 5.0:
                        close = True
    return left, right, best, close


@kernel(types.void(TRACKS, int64, TRACKS, int64), inner=True)
def _adopt(slots, i, tracks, k):  # type: ignore[no-untyped-def]
    slots[i] = tracks[k]
    tracks[k]["seen"] = 0
    tracks[k]["blob"] = -1


@kernel(types.void(TRACKS, TRACKS, LOCKS, MOUNT, float64), inner=True)
def _acquire(slots, tracks, lock, view, t_s):  # type: ignore[no-untyped-def]
    """Take a pelvis pair: at once where the picture leaves no doubt, else once motion has told runner from room."""
    pair = lock[0]
    px = view[0]["px"]
    movers = count = 0
    for i in range(tracks.shape[0]):
        if tracks[i]["blob"] >= 0:
            count += 1
            movers += 1 if tracks[i]["moves"] else 0
    left, right, score, close = _choose(tracks, movers, view)
    if left < 0:
        pair["rival"] = 0.0
        return
    u, v = (tracks[left]["u"] + tracks[right]["u"]) / 2.0, (tracks[left]["v"] + tracks[right]["v"]) / 2.0
    same = math.hypot(u - pair["rival_u"], v - pair["rival_v"]) < 20.0 * px
    pair["rival"] = pair["rival"] + 1.0 if same else 1.0
    pair["rival_u"], pair["rival_v"] = u, v
    age = t_s - pair["first_s"]
    legs = score >= 8.0
    if pair["held"]:
        ready = movers >= 2 and score >= 4.0 and pair["rival"] >= 6
    elif movers >= 2 and age > 0.12:
        ready = pair["rival"] >= (3 if legs else (10 if score >= 4.0 else 40))
    else:
        ready = not close and ((legs and count <= 8) or pair["rival"] >= 40)
    if not ready:
        return
    for i in range(4):
        slots[i]["seen"], slots[i]["blob"] = 0, -1
    du, dv = tracks[right]["u"] - tracks[left]["u"], tracks[right]["v"] - tracks[left]["v"]
    pair["held"], pair["since_s"], pair["seen_s"] = 1, t_s, t_s
    pair["du"], pair["dv"], pair["span"] = du, dv, math.hypot(du, dv)
    pair["mid_u"], pair["mid_v"] = u, v
    pair["apart"] = pair["apart_s"] = pair["rival"] = pair["mute_s"] = 0.0
    pair["left_u"] = pair["right_u"] = pair["top_v"] = pair["low_v"] = 0.0
    a, b = _legs(tracks, u, v, du, movers >= 2, px)
    _adopt(slots, LEFT, tracks, left)
    _adopt(slots, RIGHT, tracks, right)
    if a >= 0 and a != b and tracks[b]["u"] - tracks[a]["u"] > 4.0 * px:
        _adopt(slots, LEFT_HEEL, tracks, a)
        _adopt(slots, RIGHT_HEEL, tracks, b)


@kernel(boolean(TRACKS, TRACKS, LOCKS, int64, int64, float64), inner=True)
def _fits_heel(slots, tracks, lock, k, side, px):  # type: ignore[no-untyped-def]
    """Whether track `k` may be the lost heel `side`: a moving thing where that heel has been, not the other one."""
    pair = lock[0]
    other = LEFT_HEEL + RIGHT_HEEL - side
    below, aside = tracks[k]["v"] - pair["mid_v"], tracks[k]["u"] - pair["mid_u"]
    quick = math.hypot(tracks[k]["du_s"], tracks[k]["dv_s"]) > 15.0 * px
    if tracks[k]["blob"] < 0 or tracks[k]["seen"] < 3 or not quick or tracks[k]["fixed"]:
        return False
    if below < max(1.6 * pair["span"], 60.0 * px) or abs(aside) > 0.3 * below + 0.2 * pair["span"]:
        return False
    if slots[other]["blob"] >= 0:
        near = math.hypot(tracks[k]["u"] - slots[other]["u"], tracks[k]["v"] - slots[other]["v"])
        if near < 0.06 * below:
            return False
    if pair["apart_s"] < SURE_S:
        return slots[other]["blob"] >= 0
    room = 12.0 * px + 0.3 * (pair["low_v"] - pair["top_v"])
    if below < pair["top_v"] - room or below > pair["low_v"] + room:
        return False
    mine = abs(aside - (pair["left_u"] if side == LEFT_HEEL else pair["right_u"]))
    theirs = abs(aside - (pair["right_u"] if side == LEFT_HEEL else pair["left_u"]))
    if slots[other]["blob"] >= 0:
        return mine < theirs + 0.5 * pair["apart"] and mine < 1.5 * pair["apart"] + 10.0 * px
    return mine < theirs - 0.25 * pair["apart"]


@kernel(types.void(TRACKS, LOCKS, float64, float64), inner=True)
def _watch_lone(tracks, lock, t_s, px):  # type: ignore[no-untyped-def]
    """Heels that are only ever seen one at a time: two in turn, a step apart, and the one further left is the left."""
    pair = lock[0]
    a, b = _legs(tracks, pair["mid_u"], pair["mid_v"], pair["span"], True, px)
    if a < 0 or a != b or tracks[a]["seen"] < 3:
        return
    aside, below = tracks[a]["u"] - pair["mid_u"], tracks[a]["v"] - pair["mid_v"]
    if pair["lone_born"] != tracks[a]["born_s"]:
        if pair["lone_for"] > 0.06:
            pair["before_u"], pair["before_s"] = pair["lone_u"], pair["lone_s"]
        pair["lone_born"], pair["lone_u"], pair["lone_for"] = tracks[a]["born_s"], aside, 0.0
    dt = t_s - pair["last_s"]
    pair["lone_for"] += dt
    pair["lone_u"] += (aside - pair["lone_u"]) * min(1.0, dt / max(1e-9, pair["lone_for"]))
    pair["lone_s"] = t_s
    apart = abs(pair["lone_u"] - pair["before_u"])
    if (
        pair["before_s"] > 0.0
        and t_s - pair["before_s"] < 0.6
        and pair["lone_for"] > 0.06
        and apart > 0.03 * below
    ):
        pair["left_u"] = min(pair["lone_u"], pair["before_u"])
        pair["right_u"] = max(pair["lone_u"], pair["before_u"])
        pair["apart"] = pair["quick"] = apart
        pair["apart_s"] = SURE_S
        pair["low_v"], pair["top_v"] = 1.1 * below, 0.7 * below


@kernel(types.void(TRACKS, TRACKS, LOCKS, float64, float64), inner=True)
def _take_heels(slots, tracks, lock, t_s, px):  # type: ignore[no-untyped-def]
    """Give a lost heel its name back, where exactly one thing can be it; both at once only when both are new."""
    pair = lock[0]
    if pair["apart_s"] < SURE_S and slots[LEFT_HEEL]["blob"] < 0 and slots[RIGHT_HEEL]["blob"] < 0:
        a, b = _legs(tracks, pair["mid_u"], pair["mid_v"], pair["span"], True, px)
        if a >= 0 and a != b and tracks[b]["u"] - tracks[a]["u"] > 4.0 * px:
            if (
                tracks[a]["seen"] >= 3
                and tracks[b]["seen"] >= 3
                and (tracks[a]["moves"] or tracks[b]["moves"])
            ):
                _adopt(slots, LEFT_HEEL, tracks, a)
                _adopt(slots, RIGHT_HEEL, tracks, b)
                pair["apart"] = pair["apart_s"] = 0.0
            return
        _watch_lone(tracks, lock, t_s, px)
        if pair["apart_s"] < SURE_S:
            return
    takes = np.full(2, -1, np.int64)
    for side in (LEFT_HEEL, RIGHT_HEEL):
        if slots[side]["blob"] >= 0:
            continue
        best, at = 1e9, -1
        for k in range(tracks.shape[0]):
            if _fits_heel(slots, tracks, lock, k, side, px):
                mean = pair["left_u"] if side == LEFT_HEEL else pair["right_u"]
                far = abs(tracks[k]["u"] - pair["mid_u"] - mean)
                if far < best:
                    best, at = far, k
        takes[side - LEFT_HEEL] = at
    if takes[0] >= 0 and takes[0] == takes[1]:
        return
    for side in (LEFT_HEEL, RIGHT_HEEL):
        if takes[side - LEFT_HEEL] >= 0:
            _adopt(slots, side, tracks, takes[side - LEFT_HEEL])


@kernel(types.void(TRACKS, LOCKS, float64), inner=True)
def _learn_heels(slots, lock, t_s):  # type: ignore[no-untyped-def]
    """Where each heel is on the average, and whether left is left; found wrong, names change places and keep silent."""
    pair = lock[0]
    dt = min(0.05, t_s - pair["last_s"])
    both = slots[LEFT_HEEL]["blob"] >= 0 and slots[RIGHT_HEEL]["blob"] >= 0
    if both:
        pair["apart_s"] += dt
        apart = slots[RIGHT_HEEL]["u"] - slots[LEFT_HEEL]["u"]
        pair["apart"] += (apart - pair["apart"]) * min(1.0, dt / max(1e-9, min(1.5, pair["apart_s"])))
        pair["quick"] += (apart - pair["quick"]) * min(1.0, dt / max(1e-9, min(0.3, pair["apart_s"])))
    gain = min(1.0, dt / max(1e-9, min(0.8, pair["apart_s"])))
    for side in (LEFT_HEEL, RIGHT_HEEL):
        if slots[side]["blob"] < 0 or not (both or pair["apart_s"] > SURE_S):
            continue
        aside, below = slots[side]["u"] - pair["mid_u"], slots[side]["v"] - pair["mid_v"]
        if side == LEFT_HEEL:
            pair["left_u"] += gain * (aside - pair["left_u"])
        else:
            pair["right_u"] += gain * (aside - pair["right_u"])
        if pair["low_v"] == 0.0:
            pair["low_v"] = pair["top_v"] = below
        leak = dt / 10.0
        pair["low_v"] = max(below, pair["low_v"] + leak * (below - pair["low_v"]))
        pair["top_v"] = min(below, pair["top_v"] + leak * (below - pair["top_v"]))
    wrong = pair["apart"] < 0.0 or pair["quick"] < -0.3 * pair["apart"]
    if pair["apart_s"] >= SURE_S and wrong:
        slots[SPARE] = slots[LEFT_HEEL]
        slots[LEFT_HEEL] = slots[RIGHT_HEEL]
        slots[RIGHT_HEEL] = slots[SPARE]
        if pair["apart"] < 0.0:
            pair["left_u"], pair["right_u"] = pair["right_u"], pair["left_u"]
        pair["apart"], pair["quick"] = abs(pair["apart"]), -pair["quick"]
        pair["mute_s"] = t_s + SURE_S


@kernel(
    types.void(BLOBS, boolean, float64, TRACKS, TRACKS, LOCKS, MOUNT,
               PLACES, float64[::1])
)  # fmt: skip
def settle(blobs, whole, t_s, slots, tracks, lock, view, xy, score):  # type: ignore[no-untyped-def]
    """Who is who in this frame, after `tracks.follow`: a runner found or let go, lost heels named again.

    xy : (4, 2) sensor px and score : (4,) are filled; NaN and 0 = not seen.
    """
    pair = lock[0]
    px = view[0]["px"]
    moves = slots[LEFT]["moves"] or slots[RIGHT]["moves"]
    pair["still"] = pair["held"] and t_s - pair["since_s"] > 0.5 and not moves
    if whole:
        if pair["held"] and t_s - pair["seen_s"] > LOST_S:
            pair["held"] = 0
            for i in range(4):
                slots[i]["seen"], slots[i]["blob"] = 0, -1
        if not pair["held"] or pair["still"]:
            _acquire(slots, tracks, lock, view, t_s)
        if pair["held"]:
            _take_heels(slots, tracks, lock, t_s, px)
    if pair["held"]:
        _learn_heels(slots, lock, t_s)
    pair["last_s"] = t_s
    for i in range(4):
        b = slots[i]["blob"] if pair["held"] else -1
        if b < 0 or (i >= 2 and t_s < pair["mute_s"]):
            xy[i, 0] = xy[i, 1] = np.nan
            score[i] = 0.0
        else:
            xy[i, 0], xy[i, 1] = blobs[b]["x"], blobs[b]["y"]
            sure = i < 2 or pair["apart_s"] >= SURE_S
            score[i] = slots[i]["score"] * (1.0 if sure else 0.5)
