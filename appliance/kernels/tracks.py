"""Bright dots become tracks: the marks and everything else that shines, each followed from frame to frame.

Works in upright pixels: u to the runner's right, v down, 0 at the middle of the picture, after the mount's turn and
mirror. A mark that is hidden is nowhere, never a guess; it is taken up again only where its own path leads, beside its
partner, or where `names` finds it. What stands still while something else moves is clutter. Every choice is symmetric:
a mirrored picture gives mirrored tracks.
"""

from __future__ import annotations

import math

import numpy as np
from numba import boolean, float64, int64, types

from appliance.kernels import kernel, rows_of
from appliance.kernels.blobs import BLOB, WINDOW

MAX_TRACKS = 48
SPELLS = 8
LEFT, RIGHT, LEFT_HEEL, RIGHT_HEEL, SPARE = 0, 1, 2, 3, 4

TRACK = np.dtype(
    [
        ("u", "f8"), ("v", "f8"), ("du_s", "f8"), ("dv_s", "f8"),  # place, px, and speed, px/s
        ("t_s", "f8"), ("born_s", "f8"), ("seen", "f8"),  # last and first seen, times seen; 0 = empty
        ("mass", "f8"), ("across", "f8"), ("score", "f8"),
        ("u0", "f8"), ("u1", "f8"), ("v0", "f8"), ("v1", "f8"),  # extent of its path over the last seconds
        ("rest_u", "f8"), ("rest_v", "f8"), ("rest_s", "f8"),  # where and since when it has hardly moved
        ("aside", "f8"), ("aside_for", "f8"),  # mean sideways place against the pelvis, and the time behind it
        ("moves", "i8"), ("fixed", "i8"),  # it has moved of late; a thing of the room: long watched, never moved
        ("blob", "i8"),  # of this frame; -1 = not seen
    ],
    align=True,
)  # fmt: skip

LOCK = np.dtype(
    [
        ("held", "i8"),  # 1 = a pelvis pair is being followed
        ("since_s", "f8"), ("seen_s", "f8"),  # locked at; both pelvis marks last seen at
        ("du", "f8"), ("dv", "f8"), ("span", "f8"),  # the pair: from left to right, and its length
        ("mid_u", "f8"), ("mid_v", "f8"),
        ("left_u", "f8"), ("right_u", "f8"),  # mean sideways place of each heel against the pair's middle
        ("top_v", "f8"), ("low_v", "f8"),  # where heels have been, below the pair's middle
        ("sure", "i8"),  # 1 = it is known where left and right heel are on the average
        ("quick", "f8"),  # right-minus-left distance of the heels over the last stride or so
        ("deep", "f8"),  # the furthest that a leg's mark was below the pair
        ("spell_u", "f8", (SPELLS,)), ("spell_for", "f8", (SPELLS,)), ("spell_s", "f8", (SPELLS,)),  # heels
        ("spells", "i8"),  # seen before: where against the pelvis, how long, until when; how many so far
        ("loose", "f8"),  # for how long the pair's marks have gone each its own way
        ("wary", "i8"),  # a pair taken at first sight was wrong: from now on only motion decides
        ("mute_s", "f8"),  # heels keep silent until then
        ("rival_s", "f8"), ("rival_u", "f8"), ("rival_v", "f8"),  # since when and where the same pair has been best
        ("still", "i8"),  # the pair has not moved for half a second: is this the runner?
        ("first_s", "f8"), ("last_s", "f8"),  # first and previous frame
    ],
    align=True,
)  # fmt: skip

VIEW = np.dtype(
    [("width", "i8"), ("height", "i8"), ("turn", "i8"), ("mirror", "i8"), ("px", "f8")], align=True
)
"""The mount: picture size, quarter turns clockwise to upright, mirrored; `px` scales lengths given for 640 rows."""

LOST_S = 1.0  # the pair unseen for longer is let go
STILL_PX = 3.0
FREE, OWNER = 2, 3  # columns of the scratch: no mark has the blob; the track that wants it
REST_S = 0.12  # no runner's heel stands still in the picture for longer: the belt carries it

TRACKS, LOCKS, MOUNT, BLOBS, PLACES = (
    rows_of(TRACK),
    rows_of(LOCK),
    rows_of(VIEW),
    rows_of(BLOB),
    float64[:, ::1],
)
"""The types of the kernels' arguments."""


@kernel(types.UniTuple(float64, 2)(float64, float64, MOUNT), inner=True)
def _upright(x, y, view):  # type: ignore[no-untyped-def]
    """Sensor pixel to upright pixel."""
    mount = view[0]
    a = x - (mount["width"] - 1) / 2.0
    b = y - (mount["height"] - 1) / 2.0
    turn = mount["turn"]
    if turn == 1:
        a, b = -b, a
    elif turn == 2:
        a, b = -a, -b
    elif turn == 3:
        a, b = b, -a
    return (-a if mount["mirror"] else a), b


@kernel(types.UniTuple(float64, 2)(float64, float64, MOUNT), inner=True)
def _sensor(u, v, view):  # type: ignore[no-untyped-def]
    """Upright pixel to sensor pixel: the inverse of `_upright`."""
    mount = view[0]
    a, b = (-u if mount["mirror"] else u), v
    turn = mount["turn"]
    if turn == 1:
        a, b = b, -a
    elif turn == 2:
        a, b = -a, -b
    elif turn == 3:
        a, b = -b, a
    return a + (mount["width"] - 1) / 2.0, b + (mount["height"] - 1) / 2.0


@kernel(int64(TRACKS, LOCKS, MOUNT, float64, rows_of(WINDOW)))
def plan(slots, lock, view, t_s, windows):  # type: ignore[no-untyped-def]
    """Where to look in this frame: a window a mark when all four were just seen, else the whole picture. How many."""
    mount = view[0]
    pair = lock[0]
    width, height = mount["width"], mount["height"]
    windows[0]["x0"], windows[0]["x1"], windows[0]["y0"], windows[0]["y1"] = 0, width, 0, height
    if not pair["held"] or pair["still"]:
        return 1
    for i in range(4):
        if slots[i]["seen"] < 3 or slots[i]["blob"] < 0 or t_s - slots[i]["t_s"] > 0.06:
            return 1
    for i in range(4):
        dt = t_s - slots[i]["t_s"]
        x, y = _sensor(slots[i]["u"] + dt * slots[i]["du_s"], slots[i]["v"] + dt * slots[i]["dv_s"], view)
        reach = 6.0 + slots[i]["across"] + (4.0 if i < 2 else 30.0) * mount["px"] * 60.0 * dt * dt * 2.0
        windows[i]["x0"] = max(0, int(x - reach)) // 8 * 8
        windows[i]["x1"] = min(width, (int(x + reach) + 8) // 8 * 8)
        windows[i]["y0"] = max(0, int(y - reach))
        windows[i]["y1"] = min(height, int(y + reach) + 1)
        if windows[i]["x1"] <= windows[i]["x0"] or windows[i]["y1"] <= windows[i]["y0"]:
            windows[0]["x0"], windows[0]["x1"], windows[0]["y0"], windows[0]["y1"] = 0, width, 0, height
            return 1
    return 4


@kernel(types.void(TRACKS, int64, float64, float64, BLOBS, int64, float64, float64), inner=True)
def _see(tracks, i, u, v, blobs, b, t_s, px):  # type: ignore[no-untyped-def]
    """Enter what blob `b` says into track `i`."""
    track = tracks[i]
    if track["seen"] == 0:
        track["du_s"] = track["dv_s"] = 0.0
        track["born_s"] = t_s
        track["aside"] = track["aside_for"] = 0.0
        track["rest_u"], track["rest_v"], track["rest_s"] = u, v, t_s
        track["u0"] = track["u1"] = u
        track["v0"] = track["v1"] = v
        track["mass"] = blobs[b]["mass"]
    else:
        dt = max(t_s - track["t_s"], 1e-6)
        gain = 1.0 if track["seen"] < 3 or dt > 0.05 else 0.7
        track["du_s"] += gain * ((u - track["u"]) / dt - track["du_s"])
        track["dv_s"] += gain * ((v - track["v"]) / dt - track["dv_s"])
        leak = min(1.0, dt / 1.5)
        track["u0"] = min(u, track["u0"] + leak * (u - track["u0"]))
        track["u1"] = max(u, track["u1"] + leak * (u - track["u1"]))
        track["v0"] = min(v, track["v0"] + leak * (v - track["v0"]))
        track["v1"] = max(v, track["v1"] + leak * (v - track["v1"]))
        track["mass"] += min(0.5, dt / 0.2) * (blobs[b]["mass"] - track["mass"])
    if math.hypot(u - track["rest_u"], v - track["rest_v"]) > 2.0:
        track["rest_u"], track["rest_v"], track["rest_s"] = u, v, t_s
    track["u"], track["v"], track["t_s"], track["blob"] = u, v, t_s, b
    track["seen"] += 1
    track["across"] = blobs[b]["across"]
    track["score"] = (0.5 if blobs[b]["crowded"] else 1.0) * min(1.0, blobs[b]["peak"] / 40.0)
    track["moves"] = max(track["u1"] - track["u0"], track["v1"] - track["v0"]) > STILL_PX * px
    track["fixed"] = track["seen"] > 3 and t_s - track["born_s"] > 0.25 and not track["moves"]


@kernel(boolean(TRACKS, float64, float64), inner=True)
def _clutter(tracks, u, v):  # type: ignore[no-untyped-def]
    """Whether this place is that of a fixed thing."""
    for i in range(tracks.shape[0]):
        if abs(tracks[i]["u"] - u) < 2.0 and abs(tracks[i]["v"] - v) < 2.0 and tracks[i]["fixed"]:
            return True
    return False


@kernel(boolean(TRACKS, float64, float64, float64, float64), inner=True)
def _claimed(tracks, u, v, d, t_s):  # type: ignore[no-untyped-def]
    """Whether a fixed thing stands here, or something else's path leads nearer to here than `d`."""
    for i in range(tracks.shape[0]):
        gap = t_s - tracks[i]["t_s"]
        if tracks[i]["seen"] < 2 or gap > 0.1:
            continue
        off = math.hypot(
            tracks[i]["u"] + gap * tracks[i]["du_s"] - u, tracks[i]["v"] + gap * tracks[i]["dv_s"] - v
        )
        if off < d and off < 4.0:
            return True
    return _clutter(tracks, u, v)


@kernel(
    int64(TRACKS, int64, TRACKS, BLOBS, PLACES, int64, float64, float64, float64, float64,
          float64, float64), inner=True
)  # fmt: skip
def _nearest(slots, i, tracks, blobs, at, n, u, v, gate, least, most, t_s):  # type: ignore[no-untyped-def]
    """The free blob nearest to (u, v) within `gate` whose mass is `least` to `most` times the slot's; -1 = none.

    A blob where a fixed thing stands, or nearer to another thing's path, is not free.
    """
    best, best_d = -1, gate
    for b in range(n):
        d = math.hypot(at[b, 0] - u, at[b, 1] - v)
        if d >= best_d:
            continue
        ratio = blobs[b]["mass"] / slots[i]["mass"]
        taken = False
        for k in range(4):
            taken |= k != i and slots[k]["blob"] == b
        if taken or ratio < least or ratio > most or _claimed(tracks, at[b, 0], at[b, 1], d, t_s):
            continue
        best, best_d = b, d
    return best


@kernel(
    types.void(TRACKS, TRACKS, LOCKS, BLOBS, PLACES, int64, float64, float64),
    inner=True,
)
def _match_paths(slots, tracks, lock, blobs, at, n, t_s, px):  # type: ignore[no-untyped-def]
    """Every mark that was seen a moment ago: the blob where its path leads. Only `blob` of the slots changes."""
    for i in range(4):
        slots[i]["blob"] = -1
    wish = np.empty(4, np.int64)
    far = np.empty(4)
    for i in range(4):
        gap = t_s - slots[i]["t_s"]
        wish[i] = -1
        if slots[i]["seen"] == 0 or gap > (0.06 if i < 2 else 0.1):
            continue
        u, v = slots[i]["u"] + gap * slots[i]["du_s"], slots[i]["v"] + gap * slots[i]["dv_s"]
        fresh = (360.0 if i < 2 else 1800.0) * gap if slots[i]["seen"] < 2 else 0.0
        reach = min(20.0, (4000.0 if i < 2 else 14000.0) * gap * gap + fresh)
        gate = 3.0 + 0.3 * slots[i]["across"] + reach * px
        least, most = (0.6, 1.65) if i < 2 else (0.4, 1.75)
        wish[i] = _nearest(slots, i, tracks, blobs, at, n, u, v, gate, least, most, t_s)
        if wish[i] >= 0:
            far[i] = math.hypot(at[wish[i], 0] - u, at[wish[i], 1] - v)
    for i in range(4):
        for k in range(4):
            if k != i and wish[i] >= 0 and wish[k] == wish[i] and far[k] <= far[i]:
                break
        else:
            slots[i]["blob"] = wish[i]


@kernel(boolean(TRACKS, LOCKS, PLACES, float64), inner=True)
def _rigid(slots, lock, at, t_s):  # type: ignore[no-untyped-def]
    """Whether the matched pelvis pair is still the same stiff pair; a change faster than a pelvis can turn is not."""
    pair = lock[0]
    a, b = slots[LEFT]["blob"], slots[RIGHT]["blob"]
    room = 3.0 + pair["span"] * min(0.25, 0.05 + 1.5 * (t_s - pair["seen_s"]))
    du, dv = at[b, 0] - at[a, 0], at[b, 1] - at[a, 1]
    return du > 0 and abs(du - pair["du"]) < room and abs(dv - pair["dv"]) < room


@kernel(
    types.void(TRACKS, TRACKS, LOCKS, BLOBS, PLACES, int64, float64, float64),
    inner=True,
)
def _search_pair(slots, tracks, lock, blobs, at, n, t_s, px):  # type: ignore[no-untyped-def]
    """Both pelvis marks lost: the one pair of blobs near the old place that has the old distance; two such, none."""
    pair = lock[0]
    span = pair["span"]
    best, second, left, right = 1e9, 1e9, -1, -1
    reach = (30.0 + 300.0 * (t_s - pair["seen_s"])) * px + span
    for i in range(n):
        if blobs[i]["mass"] < 0.5 * slots[LEFT]["mass"] or blobs[i]["mass"] > 2.0 * slots[LEFT]["mass"]:
            continue
        for j in range(n):
            off = math.hypot(at[j, 0] - at[i, 0] - pair["du"], at[j, 1] - at[i, 1] - pair["dv"])
            mid_u, mid_v = (at[i, 0] + at[j, 0]) / 2.0, (at[i, 1] + at[j, 1]) / 2.0
            away = math.hypot(mid_u - pair["mid_u"], mid_v - pair["mid_v"])
            if i == j or at[j, 0] <= at[i, 0] or off > 2.0 + 0.2 * span or away > reach:
                continue
            if blobs[j]["mass"] < 0.5 * slots[RIGHT]["mass"] or blobs[j]["mass"] > 2.0 * slots[RIGHT]["mass"]:
                continue
            if _clutter(tracks, at[i, 0], at[i, 1]) or _clutter(tracks, at[j, 0], at[j, 1]):
                continue
            cost = off + 0.1 * away
            if cost < best:
                best, second, left, right = cost, best, i, j
            elif cost < second:
                second = cost
    if left >= 0 and second > 1.5 * best + 1.0:
        slots[LEFT]["blob"], slots[RIGHT]["blob"] = left, right


@kernel(
    types.void(TRACKS, TRACKS, LOCKS, BLOBS, PLACES, int64, float64, float64),
    inner=True,
)
def _match_pair(slots, tracks, lock, blobs, at, n, t_s, px):  # type: ignore[no-untyped-def]
    """A pelvis mark whose path was lost: beside its partner, or both by their distance; then the pair must be stiff."""
    pair = lock[0]
    span = pair["span"]
    a, b = slots[LEFT]["blob"], slots[RIGHT]["blob"]
    room = 3.0 + span * min(0.15, 0.05 + 1.5 * (t_s - pair["seen_s"]))
    if a >= 0 and b < 0:
        u, v = at[a, 0] + pair["du"], at[a, 1] + pair["dv"]
        slots[RIGHT]["blob"] = _nearest(slots, RIGHT, tracks, blobs, at, n, u, v, room, 0.6, 1.65, t_s)
    elif b >= 0 and a < 0:
        u, v = at[b, 0] - pair["du"], at[b, 1] - pair["dv"]
        slots[LEFT]["blob"] = _nearest(slots, LEFT, tracks, blobs, at, n, u, v, room, 0.6, 1.65, t_s)
    elif a < 0 and b < 0:
        _search_pair(slots, tracks, lock, blobs, at, n, t_s, px)
    if slots[LEFT]["blob"] >= 0 and slots[RIGHT]["blob"] >= 0:
        if _rigid(slots, lock, at, t_s):
            pair["loose"] = 0.0
        else:
            pair["loose"] += t_s - pair["last_s"] if a >= 0 and b >= 0 else 0.0
            slots[LEFT]["blob"] = slots[RIGHT]["blob"] = -1


@kernel(
    types.void(TRACKS, TRACKS, BLOBS, PLACES, int64, float64, float64),
    inner=True,
)
def _follow_others(slots, tracks, blobs, at, n, t_s, px):  # type: ignore[no-untyped-def]
    """Every blob that no mark has taken joins the track that it continues (each the other's nearest), or begins one."""
    for i in range(tracks.shape[0]):
        tracks[i]["blob"] = -1
        if tracks[i]["seen"] and t_s - tracks[i]["t_s"] > (20.0 if tracks[i]["fixed"] else 0.25):
            tracks[i]["seen"] = 0
    for b in range(n):
        at[b, FREE], at[b, OWNER] = 1.0, -1.0
    for k in range(4):
        if slots[k]["blob"] >= 0:
            at[slots[k]["blob"], FREE] = 0.0
    for b in range(n):
        best = 1e9
        for i in range(tracks.shape[0]):
            if at[b, FREE] == 0.0 or tracks[i]["seen"] == 0:
                continue
            gap = t_s - tracks[i]["t_s"]
            if tracks[i]["fixed"]:
                d, gate = math.hypot(at[b, 0] - tracks[i]["u"], at[b, 1] - tracks[i]["v"]), 3.0
            else:
                d = math.hypot(
                    at[b, 0] - tracks[i]["u"] - gap * tracks[i]["du_s"],
                    at[b, 1] - tracks[i]["v"] - gap * tracks[i]["dv_s"],
                )
                gate = 4.0 + px * (1800.0 * gap if tracks[i]["seen"] < 2 else min(20.0, 14000.0 * gap * gap))
            if d < gate and d < best:
                best, at[b, OWNER] = d, float(i)
    for b in range(n):
        i = int(at[b, OWNER])
        if i < 0:
            continue
        for other in range(n):  # the nearest of all that want this track
            if other != b and at[other, OWNER] == i:
                u, v = (
                    tracks[i]["u"] + (t_s - tracks[i]["t_s"]) * tracks[i]["du_s"],
                    tracks[i]["v"] + (t_s - tracks[i]["t_s"]) * tracks[i]["dv_s"],
                )
                if math.hypot(at[other, 0] - u, at[other, 1] - v) < math.hypot(at[b, 0] - u, at[b, 1] - v):
                    at[b, OWNER] = -2.0
                    break
    for b in range(n):
        if at[b, OWNER] >= 0.0:
            _see(tracks, int(at[b, OWNER]), at[b, 0], at[b, 1], blobs, b, t_s, px)
    for b in range(n):
        if at[b, FREE] > 0.0 and at[b, OWNER] < 0.0:
            for i in range(tracks.shape[0]):
                if tracks[i]["seen"] == 0:
                    _see(tracks, i, at[b, 0], at[b, 1], blobs, b, t_s, px)
                    break


@kernel(types.void(TRACKS, LOCKS, float64, float64), inner=True)
def _drop_strays(slots, lock, t_s, px):  # type: ignore[no-untyped-def]
    """A heel that stands still under a runner who moves, or leaves the legs' room, was a reflection: let it go."""
    pair = lock[0]
    deep = max(slots[LEFT]["v1"] - slots[LEFT]["v0"], slots[RIGHT]["v1"] - slots[RIGHT]["v0"])
    for i in (LEFT_HEEL, RIGHT_HEEL):
        if slots[i]["blob"] < 0:
            continue
        below, aside = slots[i]["v"] - pair["mid_v"], slots[i]["u"] - pair["mid_u"]
        stuck = t_s - slots[i]["rest_s"] > REST_S and deep > 4.0 * STILL_PX * px
        if stuck or below < pair["span"] or abs(aside) > 0.35 * below + 0.3 * pair["span"]:
            slots[i]["seen"], slots[i]["blob"] = 0, -1


@kernel(types.void(TRACKS, LOCKS, float64), inner=True)
def _learn_pair(slots, lock, t_s):  # type: ignore[no-untyped-def]
    """The pair's middle and stiffness from what was seen of it."""
    pair = lock[0]
    left, right = slots[LEFT]["blob"] >= 0, slots[RIGHT]["blob"] >= 0
    if left and right:
        pair["du"], pair["dv"] = slots[RIGHT]["u"] - slots[LEFT]["u"], slots[RIGHT]["v"] - slots[LEFT]["v"]
        pair["span"] = math.hypot(pair["du"], pair["dv"])
        pair["mid_u"] = (slots[LEFT]["u"] + slots[RIGHT]["u"]) / 2.0
        pair["mid_v"] = (slots[LEFT]["v"] + slots[RIGHT]["v"]) / 2.0
        pair["seen_s"] = t_s
    elif left:
        pair["mid_u"], pair["mid_v"] = (
            slots[LEFT]["u"] + pair["du"] / 2.0,
            slots[LEFT]["v"] + pair["dv"] / 2.0,
        )
    elif right:
        pair["mid_u"], pair["mid_v"] = (
            slots[RIGHT]["u"] - pair["du"] / 2.0,
            slots[RIGHT]["v"] - pair["dv"] / 2.0,
        )


@kernel(
    boolean(BLOBS, int64, boolean, float64, TRACKS, TRACKS, LOCKS, MOUNT,
            PLACES)
)  # fmt: skip
def follow(blobs, n, whole, t_s, slots, tracks, lock, view, at):  # type: ignore[no-untyped-def]
    """Carry marks and other tracks on to the blobs of this frame; `names.settle` must follow.

    False: the windows were not enough and nothing was entered; look at the whole picture and call again.
    at : (MAX_BLOBS, 4) scratch.
    """
    pair = lock[0]
    px = view[0]["px"]
    for b in range(n):
        at[b, 0], at[b, 1] = _upright(blobs[b]["x"], blobs[b]["y"], view)
    if pair["first_s"] != pair["first_s"]:
        pair["first_s"] = pair["last_s"] = t_s
    if pair["held"]:
        _match_paths(slots, tracks, lock, blobs, at, n, t_s, px)
        if not whole:
            for i in range(4):
                if slots[i]["blob"] < 0:
                    return False
            if not _rigid(slots, lock, at, t_s):
                return False
        _match_pair(slots, tracks, lock, blobs, at, n, t_s, px)
        for i in range(4):
            b = slots[i]["blob"]
            if b >= 0:
                _see(slots, i, at[b, 0], at[b, 1], blobs, b, t_s, px)
        _learn_pair(slots, lock, t_s)
        _drop_strays(slots, lock, t_s, px)
    if whole:
        _follow_others(slots, tracks, blobs, at, n, t_s, px)
    return True
