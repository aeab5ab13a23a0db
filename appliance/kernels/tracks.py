"""Bright dots become marks with names: which two are the pelvis pair, which the left and the right heel.

Works in upright pixels: u to the runner's right, v down, 0 at the middle of the picture, after the mount's turn and
mirror. A mark is followed from frame to frame; a hidden one is NaN, never a guess; it is taken up again only where
its partner, its learned place and its own motion agree. What stands still while something else moves is clutter.
Left and right heels are told apart by their mean distance over at least one step, and the names are held back
(`score` 0.5, then NaN) until that is known. Every choice is symmetric: a mirrored picture gives mirrored names.
"""

from __future__ import annotations

import math

import numpy as np
from numba import boolean, float64, int64, types

from appliance.kernels import kernel, rows_of
from appliance.kernels.blobs import BLOB, WINDOW

MAX_TRACKS = 48
LEFT, RIGHT, LEFT_HEEL, RIGHT_HEEL, SPARE = 0, 1, 2, 3, 4

TRACK = np.dtype(
    [
        ("u", "f8"), ("v", "f8"), ("du_s", "f8"), ("dv_s", "f8"),  # place, px, and speed, px/s
        ("t_s", "f8"), ("born_s", "f8"), ("seen", "f8"),  # last and first seen, times seen; 0 = empty
        ("mass", "f8"), ("across", "f8"), ("score", "f8"),
        ("u0", "f8"), ("u1", "f8"), ("v0", "f8"), ("v1", "f8"),  # extent of its path over the last seconds
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
        ("apart", "f8"), ("apart_s", "f8"),  # mean right-minus-left distance of the heels, and the time behind it
        ("quick", "f8"),  # the same over the last third of a second
        ("lone_u", "f8"), ("lone_s", "f8"), ("lone_for", "f8"), ("lone_born", "f8"),  # the last heel seen alone
        ("before_u", "f8"), ("before_s", "f8"),  # and the one before it
        ("mute_s", "f8"),  # heels keep silent until then
        ("rival", "f8"), ("rival_u", "f8"), ("rival_v", "f8"),  # frames for which the same better pair has been seen
        ("first_s", "f8"), ("last_s", "f8"),  # first and previous frame
    ],
    align=True,
)  # fmt: skip

VIEW = np.dtype(
    [("width", "i8"), ("height", "i8"), ("turn", "i8"), ("mirror", "i8"), ("px", "f8")], align=True
)
"""The mount: picture size, quarter turns clockwise to upright, mirrored; `px` scales lengths given for 640 rows."""

HIDDEN_S = 0.3  # a slot is taken up again by its own path for less, by its neighbours for this long
LOST_S = 1.0  # the pair unseen for longer is let go
SURE_S = 0.35  # heels seen together for about one step tell left from right
STILL_PX = 3.0


@kernel(types.UniTuple(float64, 2)(float64, float64, rows_of(VIEW)), inner=True)
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


@kernel(types.UniTuple(float64, 2)(float64, float64, rows_of(VIEW)), inner=True)
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


@kernel(int64(rows_of(TRACK), rows_of(LOCK), rows_of(VIEW), float64, rows_of(WINDOW)))
def plan(slots, lock, view, t_s, windows):  # type: ignore[no-untyped-def]
    """Where to look in this frame: a window a mark when all four were just seen, else the whole picture. How many."""
    mount = view[0]
    pair = lock[0]
    width, height = mount["width"], mount["height"]
    windows[0]["x0"], windows[0]["x1"], windows[0]["y0"], windows[0]["y1"] = 0, width, 0, height
    still = (
        max(slots[LEFT]["v1"] - slots[LEFT]["v0"], slots[LEFT]["u1"] - slots[LEFT]["u0"])
        < STILL_PX * mount["px"]
    )
    if not pair["held"] or (still and t_s - pair["since_s"] > 0.5):
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


@kernel(types.void(rows_of(TRACK), int64, float64, float64, rows_of(BLOB), int64, float64), inner=True)
def _see(tracks, i, u, v, blobs, b, t_s):  # type: ignore[no-untyped-def]
    """Enter what blob `b` says into track `i`."""
    track = tracks[i]
    if track["seen"] == 0:
        track["du_s"] = track["dv_s"] = 0.0
        track["born_s"] = t_s
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
    track["u"], track["v"], track["t_s"], track["blob"] = u, v, t_s, b
    track["seen"] += 1
    track["across"] = blobs[b]["across"]
    track["score"] = (0.5 if blobs[b]["crowded"] else 1.0) * min(1.0, blobs[b]["peak"] / 40.0)


@kernel(boolean(rows_of(TRACK), int64, float64), inner=True)
def _moves(tracks, i, px):  # type: ignore[no-untyped-def]
    extent = max(tracks[i]["u1"] - tracks[i]["u0"], tracks[i]["v1"] - tracks[i]["v0"])
    return extent > STILL_PX * px


@kernel(boolean(rows_of(TRACK), int64, float64, float64), inner=True)
def _fixed(tracks, i, t_s, px):  # type: ignore[no-untyped-def]
    """A thing of the room: watched for a quarter of a second and more, and it never moved."""
    return (
        tracks[i]["seen"] > 3 and tracks[i]["t_s"] - tracks[i]["born_s"] > 0.25 and not _moves(tracks, i, px)
    )


@kernel(boolean(rows_of(TRACK), float64, float64, float64, float64), inner=True)
def _clutter(tracks, u, v, t_s, px):  # type: ignore[no-untyped-def]
    """Whether this place is that of a fixed thing."""
    for i in range(tracks.shape[0]):
        if abs(tracks[i]["u"] - u) < 2.0 and abs(tracks[i]["v"] - v) < 2.0 and _fixed(tracks, i, t_s, px):
            return True
    return False


@kernel(boolean(rows_of(TRACK), float64, float64, float64, float64, float64), inner=True)
def _claimed(tracks, u, v, d, t_s, px):  # type: ignore[no-untyped-def]
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
    return _clutter(tracks, u, v, t_s, px)


@kernel(
    int64(rows_of(TRACK), int64, rows_of(TRACK), rows_of(BLOB), float64[:, ::1], int64, float64, float64, float64, float64,
          float64, float64, float64), inner=True
)  # fmt: skip
def _nearest(slots, i, tracks, blobs, at, n, u, v, gate, least, most, t_s, px):  # type: ignore[no-untyped-def]
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
        if taken or ratio < least or ratio > most or _claimed(tracks, at[b, 0], at[b, 1], d, t_s, px):
            continue
        best, best_d = b, d
    return best


@kernel(
    types.void(
        rows_of(TRACK), rows_of(TRACK), rows_of(LOCK), rows_of(BLOB), float64[:, ::1], int64, float64, float64
    ),
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
        least, most = (0.6, 1.65) if i < 2 else (0.2, 5.0)
        wish[i] = _nearest(slots, i, tracks, blobs, at, n, u, v, gate, least, most, t_s, px)
        if wish[i] >= 0:
            far[i] = math.hypot(at[wish[i], 0] - u, at[wish[i], 1] - v)
    for i in range(4):
        for k in range(4):
            if k != i and wish[i] >= 0 and wish[k] == wish[i] and far[k] <= far[i]:
                break
        else:
            slots[i]["blob"] = wish[i]


@kernel(boolean(rows_of(TRACK), rows_of(LOCK), float64[:, ::1], float64), inner=True)
def _rigid(slots, lock, at, t_s):  # type: ignore[no-untyped-def]
    """Whether the matched pelvis pair is still the same stiff pair; a change faster than a pelvis can turn is not."""
    pair = lock[0]
    a, b = slots[LEFT]["blob"], slots[RIGHT]["blob"]
    room = 3.0 + pair["span"] * min(0.25, 0.05 + 1.5 * (t_s - pair["seen_s"]))
    du, dv = at[b, 0] - at[a, 0], at[b, 1] - at[a, 1]
    return du > 0 and abs(du - pair["du"]) < room and abs(dv - pair["dv"]) < room


@kernel(
    types.void(
        rows_of(TRACK), rows_of(TRACK), rows_of(LOCK), rows_of(BLOB), float64[:, ::1], int64, float64, float64
    ),
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
            if _clutter(tracks, at[i, 0], at[i, 1], t_s, px) or _clutter(tracks, at[j, 0], at[j, 1], t_s, px):
                continue
            cost = off + 0.1 * away
            if cost < best:
                best, second, left, right = cost, best, i, j
            elif cost < second:
                second = cost
    if left >= 0 and second > 1.5 * best + 1.0:
        slots[LEFT]["blob"], slots[RIGHT]["blob"] = left, right


@kernel(
    types.void(
        rows_of(TRACK), rows_of(TRACK), rows_of(LOCK), rows_of(BLOB), float64[:, ::1], int64, float64, float64
    ),
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
        slots[RIGHT]["blob"] = _nearest(slots, RIGHT, tracks, blobs, at, n, u, v, room, 0.6, 1.65, t_s, px)
    elif b >= 0 and a < 0:
        u, v = at[b, 0] - pair["du"], at[b, 1] - pair["dv"]
        slots[LEFT]["blob"] = _nearest(slots, LEFT, tracks, blobs, at, n, u, v, room, 0.6, 1.65, t_s, px)
    elif a < 0 and b < 0:
        _search_pair(slots, tracks, lock, blobs, at, n, t_s, px)
    if slots[LEFT]["blob"] >= 0 and slots[RIGHT]["blob"] >= 0 and not _rigid(slots, lock, at, t_s):
        slots[LEFT]["blob"] = slots[RIGHT]["blob"] = -1


@kernel(
    types.void(rows_of(TRACK), rows_of(TRACK), rows_of(BLOB), float64[:, ::1], int64, float64, float64),
    inner=True,
)
def _follow_others(slots, tracks, blobs, at, n, t_s, px):  # type: ignore[no-untyped-def]
    """Every blob that no mark has taken joins the track that it continues (each the other's nearest), or begins one."""
    for i in range(tracks.shape[0]):
        tracks[i]["blob"] = -1
        if tracks[i]["seen"] and t_s - tracks[i]["t_s"] > (20.0 if _fixed(tracks, i, t_s, px) else 0.25):
            tracks[i]["seen"] = 0
    free = np.ones(n, np.bool_)
    for k in range(4):
        if slots[k]["blob"] >= 0:
            free[slots[k]["blob"]] = False
    owner = np.full(n, -1, np.int64)
    for b in range(n):
        best = 1e9
        for i in range(tracks.shape[0]):
            if not free[b] or tracks[i]["seen"] == 0:
                continue
            gap = t_s - tracks[i]["t_s"]
            if _fixed(tracks, i, t_s, px):
                d, gate = math.hypot(at[b, 0] - tracks[i]["u"], at[b, 1] - tracks[i]["v"]), 3.0
            else:
                d = math.hypot(
                    at[b, 0] - tracks[i]["u"] - gap * tracks[i]["du_s"],
                    at[b, 1] - tracks[i]["v"] - gap * tracks[i]["dv_s"],
                )
                gate = 4.0 + px * (1800.0 * gap if tracks[i]["seen"] < 2 else min(20.0, 14000.0 * gap * gap))
            if d < gate and d < best:
                best, owner[b] = d, i
    for b in range(n):
        i = owner[b]
        if i < 0:
            continue
        for other in range(n):  # the nearest of all that want this track
            if other != b and owner[other] == i:
                u, v = (
                    tracks[i]["u"] + (t_s - tracks[i]["t_s"]) * tracks[i]["du_s"],
                    tracks[i]["v"] + (t_s - tracks[i]["t_s"]) * tracks[i]["dv_s"],
                )
                if math.hypot(at[other, 0] - u, at[other, 1] - v) < math.hypot(at[b, 0] - u, at[b, 1] - v):
                    owner[b] = -2
                    break
    for b in range(n):
        if owner[b] >= 0:
            _see(tracks, owner[b], at[b, 0], at[b, 1], blobs, b, t_s)
    for b in range(n):
        if free[b] and owner[b] < 0:
            for i in range(tracks.shape[0]):
                if tracks[i]["seen"] == 0:
                    _see(tracks, i, at[b, 0], at[b, 1], blobs, b, t_s)
                    break


@kernel(types.UniTuple(int64, 2)(rows_of(TRACK), float64, float64, float64, boolean, float64), inner=True)
def _legs(tracks, mid_u, mid_v, du, moving, px):  # type: ignore[no-untyped-def]
    """The outermost two tracks that could be the heels below a pair, left and right; -1 = none, the same twice = one."""
    left = right = -1
    for k in range(tracks.shape[0]):
        if tracks[k]["blob"] < 0 or (moving and not _moves(tracks, k, px)):
            continue
        below, aside = tracks[k]["v"] - mid_v, abs(tracks[k]["u"] - mid_u)
        if below > max(1.6 * du, 60.0 * px) and aside < 0.3 * below + 0.2 * du:
            if left < 0 or tracks[k]["u"] < tracks[left]["u"]:
                left = k
            if right < 0 or tracks[k]["u"] > tracks[right]["u"]:
                right = k
    return left, right


@kernel(float64(rows_of(TRACK), int64, int64, int64, float64, rows_of(VIEW)), inner=True)
def _pair_score(tracks, i, j, movers, t_s, view):  # type: ignore[no-untyped-def]
    """How much tracks i (left) and j look like a runner's pelvis pair; below 0 = not at all."""
    mount = view[0]
    px = mount["px"]
    du, dv = tracks[j]["u"] - tracks[i]["u"], abs(tracks[j]["v"] - tracks[i]["v"])
    ratio = tracks[i]["mass"] / tracks[j]["mass"]
    across = max(tracks[i]["across"], tracks[j]["across"])
    if du < max(6.0, 1.2 * across) or du > 220.0 * px or dv > 0.36 * du + 3.0 or ratio < 0.4 or ratio > 2.5:
        return -1.0
    moving = _moves(tracks, i, px) and _moves(tracks, j, px)
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


@kernel(
    types.Tuple((int64, int64, float64, boolean))(rows_of(TRACK), int64, float64, rows_of(VIEW)), inner=True
)
def _choose(tracks, movers, t_s, view):  # type: ignore[no-untyped-def]
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
                score = _pair_score(tracks, i, j, movers, t_s, view)
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
                    if outside and _pair_score(tracks, i, j, movers, t_s, view) > best - 5.0:
                        close = True
    return left, right, best, close


@kernel(types.void(rows_of(TRACK), int64, rows_of(TRACK), int64), inner=True)
def _adopt(slots, i, tracks, k):  # type: ignore[no-untyped-def]
    slots[i] = tracks[k]
    tracks[k]["seen"] = 0
    tracks[k]["blob"] = -1


@kernel(types.void(rows_of(TRACK), rows_of(TRACK), rows_of(LOCK), rows_of(VIEW), float64), inner=True)
def _acquire(slots, tracks, lock, view, t_s):  # type: ignore[no-untyped-def]
    """Take a pelvis pair: at once where the picture leaves no doubt, else once motion has told runner from room."""
    pair = lock[0]
    px = view[0]["px"]
    movers = count = 0
    for i in range(tracks.shape[0]):
        if tracks[i]["blob"] >= 0:
            count += 1
            movers += 1 if _moves(tracks, i, px) else 0
    left, right, score, close = _choose(tracks, movers, t_s, view)
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
        ready = not close and (legs and count <= 8 or pair["rival"] >= 40)
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


@kernel(boolean(rows_of(TRACK), rows_of(TRACK), rows_of(LOCK), int64, int64, float64, float64), inner=True)
def _fits_heel(slots, tracks, lock, k, side, t_s, px):  # type: ignore[no-untyped-def]
    """Whether track `k` may be the heel `side` that was lost: a moving thing where that heel has been, not the other."""
    pair = lock[0]
    other = LEFT_HEEL + RIGHT_HEEL - side
    below, aside = tracks[k]["v"] - pair["mid_v"], tracks[k]["u"] - pair["mid_u"]
    quick = math.hypot(tracks[k]["du_s"], tracks[k]["dv_s"]) > 15.0 * px
    if tracks[k]["blob"] < 0 or tracks[k]["seen"] < 3 or not quick or _fixed(tracks, k, t_s, px):
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


@kernel(types.void(rows_of(TRACK), rows_of(LOCK), float64, float64), inner=True)
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


@kernel(types.void(rows_of(TRACK), rows_of(TRACK), rows_of(LOCK), float64, float64), inner=True)
def _take_heels(slots, tracks, lock, t_s, px):  # type: ignore[no-untyped-def]
    """Give a lost heel its name back, where exactly one thing can be it; both at once only when both are new."""
    pair = lock[0]
    if pair["apart_s"] < SURE_S and slots[LEFT_HEEL]["blob"] < 0 and slots[RIGHT_HEEL]["blob"] < 0:
        a, b = _legs(tracks, pair["mid_u"], pair["mid_v"], pair["span"], True, px)
        if a >= 0 and a != b and tracks[b]["u"] - tracks[a]["u"] > 4.0 * px:
            if (
                tracks[a]["seen"] >= 3
                and tracks[b]["seen"] >= 3
                and (_moves(tracks, a, px) or _moves(tracks, b, px))
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
            if _fits_heel(slots, tracks, lock, k, side, t_s, px):
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


@kernel(types.void(rows_of(TRACK), rows_of(LOCK), float64), inner=True)
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


@kernel(types.void(rows_of(TRACK), rows_of(LOCK), float64, float64), inner=True)
def _drop_strays(slots, lock, t_s, px):  # type: ignore[no-untyped-def]
    """A heel that stands still under a runner who moves, or leaves the legs' room, was a reflection: let it go."""
    pair = lock[0]
    for i in (LEFT_HEEL, RIGHT_HEEL):
        if slots[i]["blob"] < 0:
            continue
        below, aside = slots[i]["v"] - pair["mid_v"], slots[i]["u"] - pair["mid_u"]
        if _fixed(slots, i, t_s, px) and slots[LEFT]["v1"] - slots[LEFT]["v0"] > 4.0 * STILL_PX * px:
            pair["apart"] = pair["apart_s"] = pair["low_v"] = pair["top_v"] = 0.0
        elif below > pair["span"] and abs(aside) < 0.35 * below + 0.3 * pair["span"]:
            continue
        slots[i]["seen"], slots[i]["blob"] = 0, -1


@kernel(types.void(rows_of(TRACK), rows_of(LOCK), float64), inner=True)
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
    boolean(rows_of(BLOB), int64, boolean, float64, rows_of(TRACK), rows_of(TRACK), rows_of(LOCK), rows_of(VIEW),
            float64[:, ::1], float64[:, ::1], float64[::1])
)  # fmt: skip
def follow(blobs, n, whole, t_s, slots, tracks, lock, view, at, xy, score):  # type: ignore[no-untyped-def]
    """Name the blobs of one frame. False: the windows were not enough, look at the whole picture and call again.

    at : (MAX_BLOBS, 2) scratch. xy : (4, 2) sensor px and score : (4,) are filled; NaN and 0 = not seen.
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
                _see(slots, i, at[b, 0], at[b, 1], blobs, b, t_s)
        _learn_pair(slots, lock, t_s)
        _drop_strays(slots, lock, t_s, px)
    if whole:
        _follow_others(slots, tracks, blobs, at, n, t_s, px)
        if pair["held"] and t_s - pair["seen_s"] > LOST_S:
            pair["held"] = 0
            for i in range(4):
                slots[i]["seen"], slots[i]["blob"] = 0, -1
        still = (
            pair["held"]
            and t_s - pair["since_s"] > 0.5
            and not (_moves(slots, LEFT, px) or _moves(slots, RIGHT, px))
        )
        if not pair["held"] or still:
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
    return True
