"""Tracks become a runner: which pair is the pelvis, which track the left heel and which the right.

After `tracks.follow`, in the same upright pixels. A runner is taken at once where the picture leaves no doubt, else
when motion has told runner from room. Heels are told apart by their mean sideways place over at least one step, seen
at a stretch or in spells; until that is known neither has a name, and names found wrong change places and keep silent
for a step. Every choice is symmetric: a mirrored picture gives mirrored names.
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
    SPELLS,
    TRACKS,
)

LOOSE_S = 0.06  # two marks that go each its own way for longer are no pair
STEP_S = 0.3  # about one step: a heel's mean place over less leans to where it was in its swing
STRIDE_S = 0.75  # about two steps
WANDER = 0.5
"""Heels whose means are apart by more than this share of how far each goes sideways are told apart at once."""
LONE_S = 0.1  # a heel that comes back alone is watched for so long before it gets a name
SPELL_S = 0.06  # a heel seen for less says nothing
PLATE_M = 0.35  # dots closer together than this may be on one plate
METRE_PX = 256.0  # a metre in a picture 640 px high, give or take a half


@kernel(boolean(TRACKS, int64, float64, float64, float64, boolean, float64), inner=True)
def _leg(tracks, k, mid_u, mid_v, du, moving, px):  # type: ignore[no-untyped-def]
    """Whether track `k` is where a heel under this pair could be."""
    below, aside = tracks[k]["v"] - mid_v, abs(tracks[k]["u"] - mid_u)
    seen = tracks[k]["blob"] >= 0 and (tracks[k]["moves"] or not moving)
    return seen and below > max(1.6 * du, 60.0 * px) and aside < 0.3 * below + 0.2 * du


@kernel(types.UniTuple(float64, 2)(TRACKS, int64, int64, int64, MOUNT), inner=True)
def _pair_score(tracks, i, j, movers, view):  # type: ignore[no-untyped-def]
    """How much tracks i (left) and j look like a runner's pelvis pair, below 0 = not at all; and its number of legs."""
    mount = view[0]
    px = mount["px"]
    a, b = tracks[i], tracks[j]
    du, dv = b["u"] - a["u"], abs(b["v"] - a["v"])
    ratio = a["mass"] / b["mass"]
    if du < max(6.0, 1.1 * max(a["across"], b["across"])) or du > 220.0 * px or dv > 0.36 * du + 3.0:
        return -1.0, 0.0
    moving = a["moves"] and b["moves"]
    if ratio < 0.55 or ratio > 1.8 or (movers >= 2 and not moving):
        return -1.0, 0.0
    if moving:
        speed = max(math.hypot(a["du_s"], a["dv_s"]), math.hypot(b["du_s"], b["dv_s"]))
        off = math.hypot(a["du_s"] - b["du_s"], a["dv_s"] - b["dv_s"])
        high, low = a["v1"] - a["v0"], b["v1"] - b["v0"]
        if off > 0.4 * speed + 30.0 * px or min(high, low) < 0.5 * max(high, low) - 3.0 * px:
            return -1.0, 0.0
    mid_u, mid_v = (a["u"] + b["u"]) / 2.0, (a["v"] + b["v"]) / 2.0
    legs = 0.0
    depth = 0.0
    for k in range(tracks.shape[0]):
        if _leg(tracks, k, mid_u, mid_v, du, movers >= 2, px):
            legs += 1.0
            depth = max(depth, tracks[k]["v"] - mid_v)
    if legs > 0.0 and du > 0.46 * depth:
        return -1.0, 0.0
    wide = mount["height"] if mount["turn"] & 1 else mount["width"]
    broad = 0.35 * METRE_PX * px  # no pelvis is broader
    score = (
        4.0 * min(legs, 2.0) + 2.0 * min(du, 2.0 * broad - du) / (100.0 * px) + 3.4 * mid_v / (METRE_PX * px)
    )
    score += (
        math.log(a["mass"] * b["mass"]) - 8.0 * abs(mid_u) / wide + (2.0 if moving else 0.0)
    )  # near, and central
    return score + 20.0, legs


@kernel(types.UniTuple(int64, 2)(TRACKS, int64, int64, float64, int64, MOUNT), inner=True)
def _widest(tracks, left, right, best, movers, view):  # type: ignore[no-untyped-def]
    """Of the pairs that the dots of one plate make with each other, the widest: never one across two rows of dots."""
    u, v = (tracks[left]["u"] + tracks[right]["u"]) / 2.0, (tracks[left]["v"] + tracks[right]["v"]) / 2.0
    span = tracks[right]["u"] - tracks[left]["u"]
    if span > PLATE_M * METRE_PX * view[0]["px"]:
        return left, right
    reach, wide = 1.5 * span + 4.0, 1.05 * span
    for i in range(tracks.shape[0]):
        for j in range(tracks.shape[0]):
            a, b = tracks[i], tracks[j]
            if a["blob"] < 0 or b["blob"] < 0 or b["u"] - a["u"] <= wide:
                continue
            near = math.hypot(a["u"] - u, a["v"] - v) < reach and math.hypot(b["u"] - u, b["v"] - v) < reach
            if near and _pair_score(tracks, i, j, movers, view)[0] > best - 1.0:
                left, right, wide = i, j, b["u"] - a["u"]
    return left, right


@kernel(types.Tuple((int64, int64, float64, boolean))(TRACKS, int64, MOUNT), inner=True)
def _choose(tracks, movers, view):  # type: ignore[no-untyped-def]
    """The best pelvis pair among the tracks, how many legs it has, and whether another pair comes close to it."""
    n = tracks.shape[0]
    best, legs, left, right = -1.0, 0.0, -1, -1
    for i in range(n):
        for j in range(n):
            if tracks[i]["blob"] >= 0 and tracks[j]["blob"] >= 0 and tracks[j]["u"] > tracks[i]["u"]:
                score, below = _pair_score(tracks, i, j, movers, view)
                if score > best:
                    best, legs, left, right = score, below, i, j
    close = False
    if left < 0:
        return left, right, legs, close
    left, right = _widest(tracks, left, right, best, movers, view)
    a, b = tracks[left], tracks[right]
    span = b["u"] - a["u"]
    plate = (
        span < PLATE_M * METRE_PX * view[0]["px"]
    )  # dots between the two, as on a plate or a belt, are no rivals
    for i in range(n):
        for j in range(n):
            if tracks[i]["blob"] < 0 or tracks[j]["blob"] < 0 or tracks[j]["u"] <= tracks[i]["u"]:
                continue
            inside = plate and tracks[i]["u"] >= a["u"] and tracks[j]["u"] <= b["u"]
            for k in (i, j):
                inside &= abs(tracks[k]["v"] - (a["v"] + b["v"]) / 2.0) < 0.8 * span + 4.0
            if not inside and not (i == left and j == right):
                score, below = _pair_score(tracks, i, j, movers, view)
                close |= score > best - 5.0 and (below > 0.0 or legs == 0.0)
    return left, right, legs, close


@kernel(types.void(TRACKS, int64, TRACKS, int64), inner=True)
def _adopt(slots, i, tracks, k):  # type: ignore[no-untyped-def]
    slots[i] = tracks[k]
    tracks[k]["seen"] = 0
    tracks[k]["blob"] = -1


@kernel(types.void(TRACKS, LOCKS), inner=True)
def _release(slots, lock):  # type: ignore[no-untyped-def]
    """Let the runner go, with all that was learnt of the legs."""
    pair = lock[0]
    pair["held"] = pair["sure"] = pair["spells"] = 0
    pair["loose"] = pair["mute_s"] = pair["deep"] = pair["quick"] = 0.0
    pair["left_u"] = pair["right_u"] = pair["top_v"] = pair["low_v"] = 0.0
    for i in range(4):
        slots[i]["seen"], slots[i]["blob"] = 0, -1


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
    left, right, legs, close = _choose(tracks, movers, view)
    if left < 0:
        pair["rival_s"] = t_s
        return
    u, v = (tracks[left]["u"] + tracks[right]["u"]) / 2.0, (tracks[left]["v"] + tracks[right]["v"]) / 2.0
    if math.hypot(u - pair["rival_u"], v - pair["rival_v"]) > 20.0 * px:
        pair["rival_s"] = t_s
    pair["rival_u"], pair["rival_v"] = u, v
    kept_s = t_s - pair["rival_s"]
    if pair["held"]:
        ready = movers >= 2 and legs >= 1.0 and kept_s > 0.05
    elif movers >= 2 and t_s - pair["first_s"] > 0.1:
        ready = kept_s > (0.33 if legs == 0.0 else 0.15 if close else 0.1 if legs == 1.0 else 0.02)
    else:
        ready = not close and ((legs == 2.0 and count == 4 and not pair["wary"]) or kept_s > 0.33)
    if not ready:
        return
    _release(slots, lock)
    du, dv = tracks[right]["u"] - tracks[left]["u"], tracks[right]["v"] - tracks[left]["v"]
    pair["held"], pair["since_s"], pair["seen_s"], pair["rival_s"] = 1, t_s, t_s, t_s
    pair["du"], pair["dv"], pair["span"] = du, dv, math.hypot(du, dv)
    pair["mid_u"], pair["mid_v"] = u, v
    _adopt(slots, LEFT, tracks, left)
    _adopt(slots, RIGHT, tracks, right)


@kernel(types.void(TRACKS, int64, LOCKS, float64, float64, float64), inner=True)
def _place_leg(tracks, k, lock, dt, t_s, gone_s):  # type: ignore[no-untyped-def]
    """Keep a leg mark's mean sideways place; when it has been gone for `gone_s`, lay the spell aside."""
    pair = lock[0]
    leg = tracks[k]
    if leg["blob"] >= 0:
        leg["aside_for"] += dt
        gain = min(1.0, dt / max(1e-9, min(0.8, leg["aside_for"])))
        leg["aside"] += gain * (leg["u"] - pair["mid_u"] - leg["aside"])
        pair["deep"] = max(pair["deep"], leg["v"] - pair["mid_v"])
    elif leg["aside_for"] > 0.0 and t_s - leg["t_s"] > gone_s:
        if leg["aside_for"] > SPELL_S:
            at = pair["spells"] % SPELLS
            pair["spell_u"][at], pair["spell_for"][at] = leg["aside"], leg["aside_for"]
            pair["spell_s"][at] = leg["t_s"]
            pair["spells"] += 1
        leg["aside_for"] = 0.0


@kernel(types.void(TRACKS, LOCKS, float64, float64), inner=True)
def _sort_legs(tracks, lock, t_s, px):  # type: ignore[no-untyped-def]
    """Find where left and right heel are on the average: two clear groups of places, each seen for long enough."""
    pair = lock[0]
    place, time = np.empty(24), np.empty(24)
    n = 0
    wander = 0.0
    for k in range(tracks.shape[0] + SPELLS):
        if k < tracks.shape[0]:
            good = tracks[k]["seen"] > 0 and tracks[k]["aside_for"] > SPELL_S
            u, seen_for = tracks[k]["aside"], tracks[k]["aside_for"]
            if good:
                wander = max(wander, tracks[k]["u1"] - tracks[k]["u0"])
        else:
            old = k - tracks.shape[0]
            good = old < pair["spells"] and t_s - pair["spell_s"][old] < 3.0
            u, seen_for = pair["spell_u"][old], pair["spell_for"][old]
        if not good or n == 24:
            continue
        at = n
        while at > 0 and place[at - 1] > u:
            place[at], time[at] = place[at - 1], time[at - 1]
            at -= 1
        place[at], time[at] = u, seen_for
        n += 1
    if n < 2:
        return
    cut = 1
    for k in range(2, n):
        if place[k] - place[k - 1] > place[cut] - place[cut - 1]:
            cut = k
    left = right = left_u = right_u = 0.0
    for k in range(n):
        if k < cut:
            left, left_u = left + time[k], left_u + time[k] * place[k]
        else:
            right, right_u = right + time[k], right_u + time[k] * place[k]
    left_u, right_u = left_u / left, right_u / right
    enough = left > STEP_S or (cut > 1 and left > 2.0 * SPELL_S)
    enough = enough and (right > STEP_S or (n - cut > 1 and right > 2.0 * SPELL_S))
    clear = place[cut] - place[cut - 1] > 0.5 * (right_u - left_u)
    # Before a camera that stands aside heels go to and fro sideways: means over less than a stride lean either way.
    clear = clear and (right_u - left_u > WANDER * wander or min(left, right) > STRIDE_S)
    if enough and clear and right_u - left_u > max(0.012 * pair["deep"], 1.5 * px):
        pair["left_u"], pair["right_u"], pair["sure"] = left_u, right_u, 1
        pair["quick"] = right_u - left_u


@kernel(boolean(TRACKS, TRACKS, LOCKS, int64, int64, float64), inner=True)
def _fits_heel(slots, tracks, lock, k, side, px):  # type: ignore[no-untyped-def]
    """Whether track `k` may be the lost heel `side`: a moving thing where that heel has been, not the other one."""
    pair = lock[0]
    other = LEFT_HEEL + RIGHT_HEEL - side
    apart = pair["right_u"] - pair["left_u"]
    below = tracks[k]["v"] - pair["mid_v"]
    quick = math.hypot(tracks[k]["du_s"], tracks[k]["dv_s"]) > 15.0 * px
    if (
        tracks[k]["seen"] < 3
        or not quick
        or not _leg(tracks, k, pair["mid_u"], pair["mid_v"], pair["span"], True, px)
    ):
        return False
    if slots[other]["blob"] >= 0:
        near = math.hypot(tracks[k]["u"] - slots[other]["u"], tracks[k]["v"] - slots[other]["v"])
        if near < 0.06 * below:
            return False
    room = 12.0 * px + 0.3 * (pair["low_v"] - pair["top_v"])
    if pair["low_v"] > 0.0 and (below < pair["top_v"] - room or below > pair["low_v"] + room):
        return False
    ahead = 1.0 if side == RIGHT_HEEL else -1.0
    if slots[other]["blob"] >= 0:
        return ahead * (tracks[k]["u"] - slots[other]["u"]) > 0.25 * apart and tracks[k]["aside_for"] > 0.03
    middle = (pair["left_u"] + pair["right_u"]) / 2.0
    return ahead * (tracks[k]["aside"] - middle) > 0.15 * apart and tracks[k]["aside_for"] > LONE_S


@kernel(types.void(TRACKS, TRACKS, LOCKS, float64), inner=True)
def _take_heels(slots, tracks, lock, px):  # type: ignore[no-untyped-def]
    """Give a lost heel its name back, where one thing can be it and not the other."""
    pair = lock[0]
    if slots[LEFT_HEEL]["blob"] < 0 and slots[RIGHT_HEEL]["blob"] < 0:
        left = right = -1
        middle = (pair["left_u"] + pair["right_u"]) / 2.0
        for k in range(tracks.shape[0]):  # the lowest of each leg is its heel
            if tracks[k]["aside_for"] > 0.03 and _leg(
                tracks, k, pair["mid_u"], pair["mid_v"], pair["span"], True, px
            ):
                if tracks[k]["aside"] < middle:
                    left = k if left < 0 or tracks[k]["v"] > tracks[left]["v"] else left
                elif tracks[k]["aside"] > middle:
                    right = k if right < 0 or tracks[k]["v"] > tracks[right]["v"] else right
        if (
            left >= 0 and right >= 0
        ):  # two come back together: which is left of which says more than where each is
            if tracks[right]["u"] - tracks[left]["u"] > 0.4 * (pair["right_u"] - pair["left_u"]):
                _adopt(slots, LEFT_HEEL, tracks, left)
                _adopt(slots, RIGHT_HEEL, tracks, right)
            return
    left = right = -1
    for k in range(tracks.shape[0]):
        if slots[LEFT_HEEL]["blob"] < 0 and _fits_heel(slots, tracks, lock, k, LEFT_HEEL, px):
            left = k if left < 0 or tracks[k]["v"] > tracks[left]["v"] else left
        if slots[RIGHT_HEEL]["blob"] < 0 and _fits_heel(slots, tracks, lock, k, RIGHT_HEEL, px):
            right = k if right < 0 or tracks[k]["v"] > tracks[right]["v"] else right
    if left >= 0 and left != right:
        _adopt(slots, LEFT_HEEL, tracks, left)
    if right >= 0 and left != right:
        _adopt(slots, RIGHT_HEEL, tracks, right)


@kernel(types.void(TRACKS, TRACKS, LOCKS, int64, float64, float64), inner=True)
def _part(slots, tracks, lock, side, t_s, px):  # type: ignore[no-untyped-def]
    """A heel that meets what may be the other, which has no name, loses its own: who is who can not be followed."""
    other = LEFT_HEEL + RIGHT_HEEL - side
    if slots[side]["blob"] < 0 or t_s - slots[other]["t_s"] < LONE_S:
        return
    pair, heel = lock[0], slots[side]
    free, met = -1, False
    for k in range(tracks.shape[0]):
        if tracks[k]["seen"] == 0:
            free = k
        elif _leg(tracks, k, pair["mid_u"], pair["mid_v"], pair["span"], True, px):
            off = math.hypot(tracks[k]["u"] - heel["u"], tracks[k]["v"] - heel["v"])
            met |= off < 2.0 * max(heel["across"], tracks[k]["across"])
    if met:
        if free >= 0:
            tracks[free] = heel
            tracks[free]["aside"], tracks[free]["aside_for"] = heel["u"] - pair["mid_u"], 0.0
        slots[side]["seen"], slots[side]["blob"] = 0, -1


@kernel(types.void(TRACKS, LOCKS, float64, float64), inner=True)
def _learn_heels(slots, lock, dt, t_s):  # type: ignore[no-untyped-def]
    """Where each heel goes; a right heel that stays left of the left one changes names with it, both keep silent."""
    pair = lock[0]
    gain = dt / 0.8
    for side in (LEFT_HEEL, RIGHT_HEEL):
        if slots[side]["blob"] < 0:
            continue
        aside, below = slots[side]["u"] - pair["mid_u"], slots[side]["v"] - pair["mid_v"]
        if side == LEFT_HEEL:
            pair["left_u"] += gain * (aside - pair["left_u"])
        else:
            pair["right_u"] += gain * (aside - pair["right_u"])
        if pair["low_v"] == 0.0:
            pair["low_v"] = pair["top_v"] = below
        pair["low_v"] = max(below, pair["low_v"] + dt / 10.0 * (below - pair["low_v"]))
        pair["top_v"] = min(below, pair["top_v"] + dt / 10.0 * (below - pair["top_v"]))
    if slots[LEFT_HEEL]["blob"] < 0 or slots[RIGHT_HEEL]["blob"] < 0:
        return
    pair["quick"] += min(1.0, dt / 0.6) * (slots[RIGHT_HEEL]["u"] - slots[LEFT_HEEL]["u"] - pair["quick"])
    apart = pair["right_u"] - pair["left_u"]
    if pair["quick"] < -0.3 * abs(apart) or apart < 0.0:
        slots[SPARE] = slots[LEFT_HEEL]
        slots[LEFT_HEEL] = slots[RIGHT_HEEL]
        slots[RIGHT_HEEL] = slots[SPARE]
        pair["left_u"], pair["right_u"] = (
            min(pair["left_u"], pair["right_u"]),
            max(pair["left_u"], pair["right_u"]),
        )
        pair["quick"], pair["mute_s"] = abs(apart), t_s + STEP_S


@kernel(types.void(BLOBS, boolean, float64, TRACKS, TRACKS, LOCKS, MOUNT, PLACES, float64[::1]))
def settle(blobs, whole, t_s, slots, tracks, lock, view, xy, score):  # type: ignore[no-untyped-def]
    """Who is who in this frame, after `tracks.follow`: a runner found or let go, lost heels named again.

    xy : (4, 2) sensor px and score : (4,) are filled; NaN and 0 = not seen.
    """
    pair = lock[0]
    px = view[0]["px"]
    dt = min(0.05, t_s - pair["last_s"])
    moves = slots[LEFT]["moves"] or slots[RIGHT]["moves"]
    pair["still"] = pair["held"] and t_s - pair["since_s"] > 0.5 and not moves
    if whole:
        loose = pair["loose"] > LOOSE_S
        if pair["held"] and (loose or t_s - pair["seen_s"] > LOST_S):
            pair["wary"] = pair["wary"] or loose
            _release(slots, lock)
        if not pair["held"] or pair["still"]:
            _acquire(slots, tracks, lock, view, t_s)
        if pair["held"]:
            for k in range(tracks.shape[0]):
                leg = _leg(tracks, k, pair["mid_u"], pair["mid_v"], pair["span"], True, px)
                if leg or tracks[k]["blob"] < 0:
                    _place_leg(tracks, k, lock, dt, t_s, 0.05)
        if pair["held"] and not pair["sure"]:
            _sort_legs(tracks, lock, t_s, px)
        if pair["held"] and pair["sure"]:
            _part(slots, tracks, lock, LEFT_HEEL, t_s, px)
            _part(slots, tracks, lock, RIGHT_HEEL, t_s, px)
            _take_heels(slots, tracks, lock, px)
    if pair["held"] and pair["sure"]:
        _learn_heels(slots, lock, dt, t_s)
    pair["last_s"] = t_s
    for i in range(4):
        b = slots[i]["blob"] if pair["held"] else -1
        if b < 0 or (i >= 2 and t_s < pair["mute_s"]):
            xy[i, 0] = xy[i, 1] = np.nan
            score[i] = 0.0
        else:
            xy[i, 0], xy[i, 1] = blobs[b]["x"], blobs[b]["y"]
            score[i] = slots[i]["score"]
