"""Pictures with a known answer become what a frame costs here, stage by stage, beside other ways and the floor.

Costs in microseconds; angle errors in degrees against the dots' exact places, so the lens and the runner's third
dimension are in nobody's error. All ways take turns on the same pictures, in an order that turns with them, so that
whatever else the machine does hits all alike. Refuses nothing; a dot that was not found is counted, not skipped.
"""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator

import cv2
import msgspec
import numpy as np

from appliance.config import Settings
from appliance.feedback.bar import Feedback
from appliance.motion.gait import Motion
from appliance.pipeline import Pipeline
from appliance.records import F64, MOMENT, Frame
from appliance.sight.markers import Sight
from appliance.station.rivals import rivals

FRAME_US = 1e6 / 120
_WARM_ROUNDS = 60
_BURST = 8  # frames in a row before the next way has its turn: its own data stays near, as in a run
_SLOW_S = 0.07  # marks last seen longer ago than 60 ms are searched in the whole picture
_NEAR_PX = 8.0  # a rival's dot counts when it is this near to where the mark is

FLOOR, SEARCH, TRACKED = "floor: numpy.max", "sight, full search", "sight, tracked"
MOTION, FEEDBACK = "motion", "feedback"
WHOLE_SEARCH, WHOLE_TRACKED = "whole, full search", "whole, tracked"
OURS = (SEARCH, TRACKED, MOTION, FEEDBACK, WHOLE_SEARCH, WHOLE_TRACKED)


Way = Callable[[Frame], "F64 | None"]


class Pictures(msgspec.Struct, frozen=True):
    """Frames in a row, and where the pelvis pair is in each: (n, 2, 2) sensor pixels, left first."""

    frames: tuple[Frame, ...]
    pair_px: F64


class Cost(msgspec.Struct, frozen=True):
    """One way's cost of a frame, and how far its angle is off where it gives one."""

    p50_us: float
    p99_us: float
    p999_us: float
    error_deg: float | None
    missed: float | None


class Outcome(msgspec.Struct, frozen=True):
    """All ways at one picture size. `keeps_up`: 99.9 % of frames are done within a frame's time at 120 frames/s."""

    width_px: int
    height_px: int
    frames: int
    costs: dict[str, Cost]
    search_to_floor: float
    fastest_rival: str
    rival_to_whole_search: float
    rival_to_whole_tracked: float
    keeps_up: bool


class _Field:
    """All ways on one set of pictures. Each takes a frame and returns pixel places of the pair, dots, or nothing."""

    def __init__(self, settings: Settings, first: Frame) -> None:
        self._searching, self._tracking = Sight(settings), Sight(settings)
        self._motion, self._feedback = Motion(settings), Feedback(settings)
        self._whole_searching, self._whole_tracking = Pipeline(settings), Pipeline(settings)
        self._moments = np.zeros(0, MOMENT)
        self._seen: list[F64] = [np.full((4, 2), np.nan)] * _BURST
        self._motion.open(first.luma.shape[1], first.luma.shape[0])

    def ways(self) -> dict[str, Way]:
        """Everybody who takes part, by name."""
        others = {name: lambda frame, find=find: find(frame.luma) for name, find in rivals().items()}
        return {
            FLOOR: self._floor,
            SEARCH: lambda frame: self._searching.locate(_slowly(frame)).xy_px[:2],
            TRACKED: self._locate,
            MOTION: self._move,
            FEEDBACK: self._light,
            WHOLE_SEARCH: lambda frame: self._whole_searching.feed(_slowly(frame)).keypoints.xy_px[:2],
            WHOLE_TRACKED: lambda frame: self._whole_tracking.feed(frame).keypoints.xy_px[:2],
            **others,
        }

    def _floor(self, frame: Frame) -> None:
        np.max(frame.luma)

    def _locate(self, frame: Frame) -> F64:
        seen = self._tracking.locate(frame).xy_px
        self._seen[frame.seq % _BURST] = seen
        return seen[:2]

    def _move(self, frame: Frame) -> None:
        self._moments, _ = self._motion.advance(
            np.array([frame.t_s]), self._seen[frame.seq % _BURST][None], frame.row_s
        )

    def _light(self, frame: Frame) -> None:
        if self._moments.size:
            self._feedback.light(self._moments)


def bench(pictures: Pictures, settings: Settings, seconds: float) -> Outcome:
    """Times everybody for about so long."""
    ways = list(_Field(settings, pictures.frames[0]).ways().items())
    costs_ns: dict[str, list[int]] = {name: [] for name, _ in ways}
    errors: dict[str, list[float]] = {name: [] for name, _ in ways}
    shown = _to_and_fro(pictures)
    with _quiet():
        rounds, until_s = 0, float("inf")
        while rounds <= _WARM_ROUNDS or time.perf_counter() < until_s:
            if rounds == _WARM_ROUNDS:
                until_s = time.perf_counter() + seconds
                for name, _ in ways:
                    costs_ns[name].clear()
                    errors[name].clear()
            burst = [next(shown) for _ in range(_BURST)]
            for turn in range(len(ways)):
                name, way = ways[(turn + rounds) % len(ways)]
                _time(way, burst, costs_ns[name], errors[name])
            rounds += 1
    frames = (rounds - _WARM_ROUNDS) * _BURST
    return _outcome(pictures, {name: _cost(costs_ns[name], errors[name]) for name, _ in ways}, frames)


def _time(way: Way, burst: list[tuple[Frame, F64]], costs_ns: list[int], errors: list[float]) -> None:
    """One way's turn: some frames in a row, as it would meet them."""
    for frame, pair_px in burst:
        began_ns = time.perf_counter_ns()
        found = way(frame)
        costs_ns.append(time.perf_counter_ns() - began_ns)
        if found is not None:
            errors.append(_error_deg(found, pair_px))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No garbage collector and no idle threads of OpenCV (which spin in others' time) while it lasts."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
        cv2.setNumThreads(threads)


def _slowly(frame: Frame) -> Frame:
    """The frame so long after the one before that no window holds: sight must search it whole."""
    return Frame(frame.seq, frame.seq * _SLOW_S, frame.luma, frame.row_s)


def _to_and_fro(pictures: Pictures) -> Iterator[tuple[Frame, F64]]:
    """The pictures forwards and backwards without end, in ever new time: no dot ever jumps."""
    n = len(pictures.frames)
    step_s = pictures.frames[1].t_s - pictures.frames[0].t_s
    seq = 0
    while True:
        for i in (*range(n), *range(n - 2, 0, -1)):
            frame = pictures.frames[i]
            yield Frame(seq, seq * step_s, frame.luma, frame.row_s), pictures.pair_px[i]
            seq += 1


def _error_deg(found: F64, pair_px: F64) -> float:
    """How far the angle of the found pair is off; NaN when a dot of the pair was not found."""
    chosen = np.full((2, 2), np.nan)
    if len(found):
        away = np.hypot(*(found[:, None] - pair_px[None]).transpose(2, 0, 1))
        away = np.where(np.isnan(away), np.inf, away)
        nearest = away.argmin(axis=0)
        near = away[nearest, [0, 1]] < _NEAR_PX
        chosen[near] = found[nearest[near]]
    return _turn_deg(chosen) - _turn_deg(pair_px)


def _turn_deg(pair_px: F64) -> float:
    """The pair's direction in the sensor's own picture."""
    (x0, y0), (x1, y1) = pair_px
    return float(np.degrees(np.arctan2(y1 - y0, x1 - x0)))


def _cost(costs_ns: list[int], errors: list[float]) -> Cost:
    p50, p99, p999 = (round(float(v) / 1e3, 2) for v in np.percentile(costs_ns, (50, 99, 99.9)))
    off = np.array([(e + 180) % 360 - 180 for e in errors])
    good = off[np.isfinite(off)]
    rms = round(float(np.sqrt(np.mean(good**2))), 4) if len(good) else None
    return Cost(p50, p99, p999, rms, round(1 - len(good) / len(off), 5) if len(off) else None)


def _outcome(pictures: Pictures, costs: dict[str, Cost], frames: int) -> Outcome:
    height, width = pictures.frames[0].luma.shape
    others = {name: cost.p50_us for name, cost in costs.items() if name not in OURS and name != FLOOR}
    fastest = min(others, key=lambda name: others[name])
    return Outcome(
        width_px=width,
        height_px=height,
        frames=frames,
        costs=costs,
        search_to_floor=round(costs[SEARCH].p50_us / costs[FLOOR].p50_us, 2),
        fastest_rival=fastest,
        rival_to_whole_search=round(others[fastest] / costs[WHOLE_SEARCH].p50_us, 2),
        rival_to_whole_tracked=round(others[fastest] / costs[WHOLE_TRACKED].p50_us, 2),
        keeps_up=max(costs[WHOLE_SEARCH].p999_us, costs[WHOLE_TRACKED].p999_us) < FRAME_US,
    )
